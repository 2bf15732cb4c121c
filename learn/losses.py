"""Losses of the labelled crops and of the pseudo-labelled ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from learn.model import Output
from sim_bridge.classes import CLASS_ID, GRADES, IGNORE

BUILDING = CLASS_ID["building"]


def grade_weights(pixels: Sequence[int]) -> Tensor:
    """Weights (4,) of the grades 1-4, the inverse square root of their share, mean 1 over all pixels, at most 5."""
    count = torch.tensor(pixels, dtype=torch.float32)
    share = count / count.sum().clamp(min=1)
    raw = share.clamp(min=1e-3).rsqrt()
    return (raw / (raw * share).sum().clamp(min=1e-6)).clamp(max=5.0)


def landcover_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of labelled pixels plus Dice loss of buildings. logits (B, 10, H, W), labels (B, H, W) int64."""
    known = labels != IGNORE
    entropy = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    return entropy / known.sum().clamp(min=1) + building_dice(logits, labels)


def building_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Soft Dice loss of the class building over the batch (Milletari et al. 2016), 0 to 1."""
    known = labels != IGNORE
    chance = logits.softmax(dim=1)[:, BUILDING] * known
    truth = ((labels == BUILDING) & known).to(chance.dtype)
    return 1 - (2 * (chance * truth).sum() + 1) / (chance.sum() + truth.sum() + 1)


def damage_loss(logits: Tensor, damage: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy over the pixels of buildings. logits (B, 4, H, W), damage (B, H, W) of grades 0-4, 255."""
    target = damage_target(damage)
    loss = functional.cross_entropy(logits, target, weight=weights, ignore_index=IGNORE, reduction="sum")
    graded = target != IGNORE
    total = (weights[target.clamp(max=len(GRADES) - 2)] * graded).sum()
    return loss / total.clamp(min=1)


def damage_target(damage: Tensor) -> Tensor:
    """Index of the logit of each grade: 0-3 for the grades 1-4, IGNORE elsewhere."""
    graded = (damage >= 1) & (damage < len(GRADES))
    return torch.where(graded, damage - 1, torch.full_like(damage, IGNORE))


def supervised_losses(output: Output, before: Tensor, after: Tensor, damage: Tensor,
                      weights: Tensor) -> dict[str, Tensor]:
    """The losses of labelled crops by name."""
    return {
        "landcover_before": landcover_loss(output.landcover_before, before),
        "landcover_after": landcover_loss(output.landcover_after, after),
        "damage": damage_loss(output.damage, damage, weights),
    }
