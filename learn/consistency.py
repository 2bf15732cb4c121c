"""Consistency learning on real pairs without labels: a mean teacher labels weak views, the student learns mixed ones.

Mean teacher (Tarvainen and Valpola 2017) in UniMatch's form (Yang et al. 2023, 2025): the teacher is an average of
parameters AND buffers and always in eval mode; uncertain pixels are left out by a threshold; the loss is divided by
all pixels that could count, so that it grows as the teacher becomes sure. Source classes are pasted across (DACS,
Tranheden et al. 2021); that mixing is done in `learn.data`, the labels follow here.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.losses import BUILDING, damage_target
from learn.model import Output
from sim_bridge.classes import IGNORE


class Pseudo(NamedTuple):
    """Labels (B, H, W) int64 with IGNORE where the teacher is unsure, and the pixels that count, bool."""

    before: Tensor
    after: Tensor
    damage: Tensor      # grades 1-4 on sure buildings
    valid: Tensor       # pixels that count for land cover
    building: Tensor    # pixels that count for damage: buildings, sure or not


class Masks(NamedTuple):
    """Masks (B, H, W) bool: pixels with data, boxes taken from the flipped batch, pixels pasted from source crops."""

    valid: Tensor
    cut: Tensor
    paste: Tensor


def new_teacher(student: nn.Module) -> nn.Module:
    """Copy of the student in eval mode, without gradients."""
    return copy.deepcopy(student).eval().requires_grad_(False)


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, step: int, decay: float) -> None:
    """Moves parameters and buffers toward the student's; early steps follow it closely: min(1 - 1/(step+1), decay)."""
    keep = min(1 - 1 / (step + 1), decay)
    for mine, theirs in zip(teacher.state_dict().values(), student.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, 1 - keep)
        else:
            mine.copy_(theirs)


@torch.no_grad()
def pseudo_labels(output: Output, valid: Tensor, threshold: float, damage_threshold: float) -> Pseudo:
    """Labels from the teacher's logits on the weak view."""
    before, sure_before = _label(output.landcover_before)
    after, sure_after = _label(output.landcover_after)
    grade, sure_grade = _label(output.damage)
    building = valid & (before == BUILDING)
    kept_before, kept_after = (valid & (sure >= threshold) for sure in (sure_before, sure_after))
    kept_grade = building & kept_before & (sure_grade >= damage_threshold)
    return Pseudo(before.where(kept_before, IGNORE), after.where(kept_after, IGNORE),
                  (grade + 1).where(kept_grade, IGNORE), valid, building)


def _label(logits: Tensor) -> tuple[Tensor, Tensor]:
    chance, label = logits.float().softmax(dim=1).max(dim=1)
    return label, chance


def mix_labels(pseudo: Pseudo, masks: Masks, before: Tensor, after: Tensor, damage: Tensor) -> Pseudo:
    """Pseudo-labels after the mixing that made the student's view; the source's labels (B', H, W) win where pasted."""
    partners = torch.arange(len(masks.paste), device=before.device) % len(before)
    before, after, damage = before[partners], after[partners], damage[partners]
    graded = damage_target(damage) != IGNORE
    parts = zip(pseudo, (before, after, damage, before != IGNORE, graded), strict=True)
    return Pseudo(*(source.where(masks.paste, mine.flip(0).where(masks.cut, mine)) for mine, source in parts))


def consistency_losses(output: Output, pseudo: Pseudo, weights: Tensor) -> dict[str, Tensor]:
    """Cross-entropies of the student's logits on the mixed view, each over all pixels that count."""
    pixels, graded = pseudo.valid.sum().clamp(min=1), pseudo.building.sum().clamp(min=1)
    return {
        "target_before": _summed(output.landcover_before, pseudo.before) / pixels,
        "target_after": _summed(output.landcover_after, pseudo.after) / pixels,
        "target_damage": _summed(output.damage, damage_target(pseudo.damage), weights) / graded,
    }


def _summed(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    return functional.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORE, reduction="sum")


def mask_ratio(pseudo: Pseudo) -> Tensor:
    """Share of the pixels that count whose before label is sure."""
    return (pseudo.before != IGNORE).sum() / pseudo.valid.sum().clamp(min=1)
