"""A training step as it runs, and the share of it that is not forward, backward and optimiser."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from learn.data import Batch
from learn.losses import grade_weights, supervised_losses
from learn.model import Output, new_model, normalise
from learn.settings import TrainConfig
from learn.train import make_sampler, train
from tools.bench.row import row
from tools.bench.scene import store_of_frames, write_pairs

RUNS, STEPS, SKIPPED = 3, 6, 2
"""Runs of each kind, steps of each, and how many of them pay for warming up and do not count."""
MOST_PERCENT = 10.0


def rows() -> list[dict[str, Any]]:
    """Seconds a step and overhead, for supervised training and with consistency."""
    with tempfile.TemporaryDirectory(prefix="mage-bench-") as folder:
        frames = store_of_frames(Path(folder) / "frames.zarr")
        pairs = write_pairs(Path(folder) / "pairs", frames)
        alone = TrainConfig(frames=(frames,), out=Path(folder), steps=STEPS, log_every=STEPS)
        both = replace(alone, target=pairs, warmup_share=0.0)
        return [*_kind("supervised", alone), *_kind("with consistency", both)]


def _kind(name: str, config: TrainConfig) -> list[dict[str, Any]]:
    batch = make_sampler(config).make(0, with_target=True)
    steps, bare = [], []
    for run in range(RUNS):
        steps.append(_whole_step_s(replace(config, out=config.out / f"{name} {run}")))
        bare.append(float(np.median(list(_bare_steps_s(config, batch))[SKIPPED:])))
    crops = config.batch + (config.target_batch if config.target else 0)
    return [
        row(f"train: step {name}, {crops} crops of {config.crop_px}", steps, "s",
            f"bare forward, backward, AdamW: {np.median(bare):.2f} s"),
        row(f"train: not forward, backward, optimiser, {name}",
            [100 * (1 - b / s) for s, b in zip(steps, bare, strict=True)], "% of step", "the same bare steps",
            most=MOST_PERCENT),
    ]


def _whole_step_s(config: TrainConfig) -> float:
    """Median time between the ends of steps of a real run, sampling, losses, teacher and log included."""
    ends: list[float] = []
    train(config, on_step=lambda _: ends.append(time.perf_counter()))
    return float(np.median(np.diff(ends)[SKIPPED - 1:]))


def _bare_steps_s(config: TrainConfig, batch: Batch) -> Iterator[float]:
    """Times of steps on one ready batch: what no training of this network on these crops can do without."""
    source, target = batch.source, batch.target
    seen = () if target is None else tuple(_images(images, config) for images in (target.before, target.after))
    extra = 0 if target is None else len(target.before)
    before, after = (torch.cat([_images(images, config), *seen[k:k + 1]])
                     for k, images in enumerate((source.before, source.after)))
    land_before, land_after, damage = (torch.from_numpy(np.concatenate([part, part[:extra]]).astype(np.int64))
                                       for part in (source.semantic_before, source.semantic_after, source.damage))
    net, teacher = (new_model(config.card).train() for _ in range(2))
    optimizer, weights = torch.optim.AdamW(net.parameters(), 1e-4), grade_weights((1, 1, 1, 1))
    for _ in range(STEPS):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            if seen:
                with torch.no_grad():
                    teacher(*seen)
            output = Output(*net(before, after))
        losses = supervised_losses(output, land_before, land_after, damage, weights)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
        yield time.perf_counter() - start


def _images(images: npt.NDArray[np.uint8], config: TrainConfig) -> torch.Tensor:
    return normalise(images, config.card)
