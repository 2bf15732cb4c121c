"""S2: a small pixel-space flow between a picture and its realistic version, at low resolution.

The source image stands where the scheduler expects noise (Latent Bridge Matching, Chadebec et al. 2025, formula
reimplemented from the paper). Without pairs, the net learns on real tiles alone: the source is the tile with its
colours and its sharpness jittered, the target is the tile itself. What it proposes is never shown: projection.py keeps
what an affine colour map of the frame can express. Images are float32 (B, 3, h, w) in -1..1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from domain.measure import F32, U8
from domain.sensor import blur

BRIDGE_NOISE = 0.005
"""s of the bridge: the published setting."""

PHASE = {"before": -1.0, "after": 1.0, "shared": 0.0}
"""Value of the conditioning channel: which acquisition of the target to move to; shared is their common ground."""


def make_unet(channels: Sequence[int] = (24, 48, 96)) -> UNet2DModel:
    """UNet over an image and one constant channel, the phase. Its last layer is zero: untrained, it is the identity."""
    depth = len(channels)
    unet: UNet2DModel = UNet2DModel(
        in_channels=4, out_channels=3, block_out_channels=tuple(channels), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownBlock2D",) * depth, up_block_types=("UpBlock2D",) * depth, add_attention=False,
    )
    for parameter in unet.conv_out.parameters():
        torch.nn.init.zeros_(parameter)
    return unet


def bridge(source: torch.Tensor, target: torch.Tensor, sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """x_sigma = sigma x_s + (1 - sigma) x_t + s sqrt(sigma (1 - sigma)) eps (LBM, eq. 6). sigma: (B,)."""
    sigma = sigma.view(-1, 1, 1, 1)
    return sigma * source + (1 - sigma) * target + BRIDGE_NOISE * (sigma * (1 - sigma)).sqrt() * noise


def velocity(unet: torch.nn.Module, x: torch.Tensor, sigma: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """v(x, sigma | phase), an estimate of x_s - x_t. sigma, phase: (B,)."""
    channel = phase.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:]).to(x.dtype)
    answer: torch.Tensor = unet(torch.cat([x, channel], dim=1), sigma * 1000).sample
    return answer


def flow_loss(unet: torch.nn.Module, source: torch.Tensor, target: torch.Tensor, phase: torch.Tensor,
              sigma: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the velocity at one sigma per sample."""
    seen = bridge(source, target, sigma, noise)
    return functional.mse_loss(velocity(unet, seen, sigma, phase), source - target)


def propose(unet: torch.nn.Module, scheduler: FlowMatchEulerDiscreteScheduler, source: torch.Tensor,
            phase: torch.Tensor, steps: int) -> torch.Tensor:
    """Carries `source` (B, 3, h, w) to the target in `steps` Euler steps of 1 / steps each."""
    # the scheduler's own sigmas would spend the last step on 0.001 (linspace(1, 0.001, N))
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps).tolist(), device=source.device)
    step: Callable[..., Any] = scheduler.step                                # upstream asks for the legacy FloatTensor
    x = source
    for timestep in scheduler.timesteps:
        sigma = (timestep / 1000).expand(len(x))
        x = step(velocity(unet, x, sigma, phase), timestep, x, return_dict=False)[0]
    return x


def to_tensor(images: F32) -> torch.Tensor:
    """(B, h, w, 3) grey levels to (B, 3, h, w) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))) / 127.5 - 1


def to_levels(images: torch.Tensor) -> F32:
    """Inverse of `to_tensor`."""
    levels: F32 = ((images + 1) * 127.5).detach().permute(0, 2, 3, 1).cpu().numpy()
    return levels


def shrink(image: F32, factor: int, multiple: int = 8) -> F32:
    """Area mean at about 1 / factor, sides rounded up to the multiple that the net needs."""
    height, width = (max(multiple, -(-round(side / factor) // multiple) * multiple) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def jittered(tile: U8, rng: np.random.Generator) -> F32:
    """View of a real tile (h, w, 3) as another camera or a renderer might have seen it: what the net learns to undo.

    Exposure, contrast, a colour cast, saturation and a small mixing of bands; then blur and noise. Half of the
    amount is drawn first, so that nearly faithful views are as common as far ones.
    """
    amount = rng.uniform(0, 1)
    image = tile.astype(np.float32)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.exp(amount * rng.normal(0, 0.35))
    mixing = np.eye(3) * np.exp(amount * rng.normal(0, 0.10, 3)) + amount * rng.normal(0, 0.06, (3, 3))
    image = image @ mixing.astype(np.float32).T
    mean = image.mean()
    image = (image - mean) * np.exp(amount * rng.normal(0, 0.15)) + mean + amount * rng.normal(0, 8, 3)
    if rng.uniform() < 0.5:
        image = blur(image.astype(np.float32), rng.uniform(0.3, 1.0))
    noisy = image + rng.normal(0, rng.uniform(0, 4), image.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.float32)
