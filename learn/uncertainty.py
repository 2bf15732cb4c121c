"""What a model is unsure of, and what images look like to it: the numbers behind the choice of new scenes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from learn.losses import BUILDING
from learn.model import DamageNet, ModelCard, Output, normalise
from sim_bridge.errors import InputError

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]


def entropy(chances: Tensor) -> Tensor:
    """Entropy over dimension 1 of probabilities (B, C, ...), divided by log C: 0 is sure, 1 is uniform. (B, ...)."""
    return -(chances * chances.clamp(min=1e-12).log()).sum(dim=1) / math.log(chances.shape[1])


@torch.inference_mode()
def uncertainty(net: DamageNet, before: U8, after: U8, temperature: float = 1.0, batch: int = 8) -> F32:
    """How unsure the model is of each pair (N, H, W, 3), 0-1: (N,) float32.

    Mean of land-cover and damage entropy, pixels weighted by their chance to be a building, so that it speaks of
    buildings and not of lawns. Raises InputError if H and W are not multiples of 32 or the images do not pair.
    """
    parts = [_doubt(net(*pair), temperature) for pair in _batches(net, (before, after), batch)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@torch.inference_mode()
def embed(net: DamageNet, before: U8, after: U8, batch: int = 8) -> F32:
    """Mean features of pairs (N, H, W, 3), those of before and after side by side: (N, D) float32."""
    parts = [torch.cat([net.embed(images) for images in pair], dim=1).numpy()
             for pair in _batches(net, (before, after), batch)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _doubt(output: Output, temperature: float) -> F32:
    landcover, damage = ((logits / temperature).softmax(dim=1) for logits in (output.landcover_before, output.damage))
    weight = landcover[:, BUILDING]                                                        # (B, H, W)
    doubt = (entropy(landcover) + entropy(damage)) / 2
    total = weight.sum(dim=(1, 2)) + 1e-3 * weight[0].numel()                              # no building: not unsure
    return np.asarray(((weight * doubt).sum(dim=(1, 2)) / total).numpy(), np.float32)


def _batches(net: DamageNet, pair: tuple[U8, U8], batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised batches, for a network that is put in eval mode."""
    before, after = pair
    if before.shape != after.shape or before.ndim != 4 or before.shape[1] % 32 or before.shape[2] % 32:
        raise InputError(f"images are {before.shape} and {after.shape}: expected two equal (N, H, W, 3), "
                         "H and W multiples of 32")
    net.eval()
    for first in range(0, len(before), batch):
        chunk = slice(first, first + batch)
        yield normalise(before[chunk], ModelCard()), normalise(after[chunk], ModelCard())
