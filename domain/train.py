"""Fits a RealismPipeline to a target sensor from rendered frames and unlabelled real tiles.

    accelerate launch -m domain.train --config realism.toml

The exact part (colour, sensor) is measured; the flow is trained on the real tiles alone (domain/diffusion.py). Batches,
sigmas and noise are pure functions of (seed, step, process), so that a run that was killed and resumed ends with the
same weights as one that was not.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from domain import checkpoint, diffusion
from domain.measure import U8
from domain.pipeline import RealismPipeline
from domain.transfer import Sample, Transfer, fit_transfer
from sim_bridge.config import load_config
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs, read_rgb, resample
from sim_bridge.store import open_frames, read


@dataclass(frozen=True)
class RealismConfig:
    """One run. Names follow the diffusers training scripts where they have one."""

    real: tuple[Path, ...]
    """Folders of unlabelled before/after pairs of the target."""
    frames: tuple[Path, ...]
    """Frame stores that will be translated: their statistics are the source."""
    out: Path
    """Folder of the saved pipeline; checkpoints go to out/checkpoint-<step>."""
    seed: int = 0
    max_train_steps: int = 150
    """0 leaves the flow untrained: it then proposes nothing."""
    train_batch_size: int = 12
    learning_rate: float = 1e-3
    lr_warmup_steps: int = 10
    max_grad_norm: float = 1.0
    ema_max_decay: float = 0.999
    """The decay warms up as 1 - (1 + n)^(-3/4), so that short runs forget their start."""
    checkpointing_steps: int = 50
    resolution: int = 64
    """Side of a training tile, in pixels of the proposal."""
    scale: int = 4
    """Full-resolution pixels per pixel of the proposal."""
    channels: tuple[int, ...] = (24, 48, 96)
    fit_frames: int = 24
    """Frames of every store, evenly spread, from which the colour map is fitted."""
    fit_crop_px: int = 512
    """Largest side of the picture parts that are measured."""


def fit_realism(config: RealismConfig) -> Path:
    """Fits and saves the pipeline; goes on from the last checkpoint if there is one. Returns config.out.

    Raises InputError if folders or stores hold nothing to fit from.
    """
    accelerator = Accelerator()
    real = load_real(config)
    scheduler = FlowMatchEulerDiscreteScheduler()
    unet = train_flow(config, real, accelerator)
    if accelerator.is_main_process:
        transfer = fit_radiometry(config, real)
        RealismPipeline(unet, scheduler, transfer, scale=config.scale).save_pretrained(str(config.out))
    accelerator.wait_for_everyone()
    return config.out


def load_real(config: RealismConfig) -> Mapping[str, Sequence[U8]]:
    """Real pictures by phase, brought to the frames' ground sampling distance where the two differ by a quarter."""
    gsd_m = median_gsd(config.frames)
    pictures: dict[str, list[U8]] = {"before": [], "after": []}
    for folder in config.real:
        for pair in find_pairs(folder):
            for phase, path in (("before", pair.pre), ("after", pair.post)):
                image = read_rgb(path)
                far = image.gsd_m is not None and not 0.8 <= image.gsd_m / gsd_m <= 1.25
                pictures[phase].append(resample(image.pixels, image.gsd_m, gsd_m) if far and image.gsd_m else
                                       image.pixels)
    if not pictures["before"]:
        raise InputError("real is empty: expected at least one folder of unlabelled pairs, name one in the settings")
    return pictures


def median_gsd(stores: Sequence[Path]) -> float:
    """Median ground sampling distance of captured frames, metres. Raises InputError if nothing is captured."""
    found = np.concatenate([read(open_frames(path), "gsd") for path in stores]) if stores else np.zeros(0)
    if not np.isfinite(found).any():
        raise InputError(f"frames are {[str(s) for s in stores]}: expected stores with captured frames, "
                         "run mage capture")
    return float(np.nanmedian(found))


def fit_radiometry(config: RealismConfig, real: Mapping[str, Sequence[U8]]) -> Transfer:
    """The exact part: colour maps and sensor effects from all stores to the real pictures."""
    rng = np.random.default_rng([config.seed, 1])
    wanted = {phase: Sample([crop(image, config.fit_crop_px, rng) for image in images])
              for phase, images in real.items()}
    return fit_transfer(sample_frames(config), wanted, config.seed)


def sample_frames(config: RealismConfig) -> Mapping[str, Sample]:
    """Evenly spread captured frames of every store, by phase, with their classes."""
    found: dict[str, Sample] = {}
    for phase in ("before", "after"):
        images: list[U8] = []
        classes: list[U8] = []
        for path in config.frames:
            root = open_frames(path)
            captured = np.flatnonzero(read(root, "captured").all(axis=1))
            for i in np.unique(captured[np.linspace(0, len(captured) - 1, config.fit_frames).round().astype(int)]):
                images.append(read(root, f"{phase}_rgb", i, i + 1)[0])
                classes.append(read(root, f"{phase}_semantic", i, i + 1)[0])
        found[phase] = Sample(images, classes)
    return found


def crop(image: U8, side: int, rng: np.random.Generator) -> U8:
    """Random part of an image (H, W, 3), at most side x side, away from areas without data where it can be."""
    height, width = (min(side, n) for n in image.shape[:2])
    part = image[:height, :width]
    for _ in range(8):
        y, x = (int(rng.integers(0, n - k + 1)) for n, k in zip(image.shape[:2], (height, width), strict=True))
        part = image[y:y + height, x:x + width]
        if part.any(axis=2).mean() > 0.98:
            break
    return part


def train_flow(config: RealismConfig, real: Mapping[str, Sequence[U8]], accelerator: Accelerator) -> UNet2DModel:
    """Trains the flow on shrunken real tiles and returns it with its averaged weights."""
    torch.manual_seed(config.seed)
    unet = diffusion.make_unet(config.channels)
    optimizer = torch.optim.AdamW(unet.parameters(), config.learning_rate, weight_decay=1e-4)
    ema = EMAModel(unet.parameters(), decay=config.ema_max_decay, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    start = checkpoint.load_latest(config.out, unet, optimizer, ema)
    model, optimizer = accelerator.prepare(unet, optimizer)
    ema.to(accelerator.device)
    small = {phase: [shrunk(image, config.scale) for image in images] for phase, images in real.items()}
    step = start
    progress = tqdm(total=config.max_train_steps, initial=start, desc="realism", unit="step",
                    disable=not accelerator.is_main_process)
    try:
        while step < config.max_train_steps:
            loss = train_step(config, step, model, optimizer, small, accelerator)
            ema.step(unet.parameters())
            step += 1
            progress.update()
            progress.set_postfix(loss=f"{loss:.4f}")
            if step % config.checkpointing_steps == 0 and accelerator.is_main_process:
                checkpoint.save(config.out, step, unet, optimizer.optimizer, ema)
    except KeyboardInterrupt:
        if accelerator.is_main_process:
            checkpoint.save(config.out, step, unet, optimizer.optimizer, ema)
        raise
    finally:
        progress.close()
    ema.copy_to(unet.parameters())
    unet.eval()
    return unet


def train_step(config: RealismConfig, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
               small: Mapping[str, Sequence[U8]], accelerator: Accelerator) -> float:
    """One optimiser step; everything random follows from (seed, step, process)."""
    rng = np.random.default_rng([config.seed, 2, step, accelerator.process_index])
    source, target, phase, sigma, noise = (
        tensor.to(accelerator.device) for tensor in draw_batch(small, config.train_batch_size, config.resolution, rng)
    )
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * learning_curve(step, config.lr_warmup_steps, config.max_train_steps)
    loss = diffusion.flow_loss(model, source, target, phase, sigma, noise)
    optimizer.zero_grad()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
    optimizer.step()
    return float(loss.detach())


def learning_curve(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then a half cosine to a twentieth."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.05 + 0.95 * (1 + float(np.cos(np.pi * (step - warmup) / max(1, total - warmup)))) / 2


def draw_batch(small: Mapping[str, Sequence[U8]], size: int, side: int,
               rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """source, target (B, 3, side, side), phase, sigma (B,), noise. A fifth of the phases is hidden ("shared")."""
    targets, sources, phases = [], [], []
    for _ in range(size):
        phase = ("before", "after")[int(rng.integers(2))]
        tile = crop(small[phase][int(rng.integers(len(small[phase])))], side, rng)
        tile = np.rot90(tile, int(rng.integers(4)))[:, ::int(rng.choice((-1, 1)))]
        targets.append(tile.astype(np.float32))
        sources.append(diffusion.jittered(tile, rng))
        phases.append(diffusion.PHASE["shared" if rng.uniform() < 0.2 else phase])
    sigma = rng.uniform(0.02, 1, size).astype(np.float32)
    sigma[: size // 2] = 1                                                   # every path starts there
    source, target = diffusion.to_tensor(np.stack(sources)), diffusion.to_tensor(np.stack(targets))
    noise = torch.from_numpy(rng.standard_normal(tuple(target.shape), np.float32))
    return source, target, torch.tensor(phases), torch.from_numpy(sigma), noise


def shrunk(image: U8, factor: int) -> U8:
    """Area mean at 1 / factor, uint8."""
    size = (max(1, image.shape[1] // factor), max(1, image.shape[0] // factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML with the fields of RealismConfig")
    fit_realism(load_config(RealismConfig, parser.parse_args().config))


if __name__ == "__main__":
    main()
