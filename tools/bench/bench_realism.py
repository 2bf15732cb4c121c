"""Megapixels a second of the translation: its exact path, and the full one with the diffusion proposal."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from domain.pipeline import Paths, RealismPipeline
from domain.train import RealismConfig, fit_realism
from tools.bench.row import row
from tools.bench.scene import PAIRS, SIZE_PX, drawn, store_of_frames, write_pairs

RUNS = 5
BARS: dict[Paths, float] = {"exact": 3.0, "full": 1.0}
"""Least megapixels a second on two cores."""


def rows() -> list[dict[str, Any]]:
    """A row for each path; both frames of a pair count."""
    with tempfile.TemporaryDirectory(prefix="mage-bench-") as folder:
        pipeline = _fitted(Path(folder))
    rates: dict[Paths, list[float]] = {paths: [] for paths in BARS}
    for _ in range(RUNS + 1):
        for paths, found in rates.items():
            found.append(_megapixels_per_s(pipeline, paths))
    # the first turn pays for warming up
    return [row(f"realism: {PAIRS} pairs {SIZE_PX}x{SIZE_PX}, {paths} path", rates[paths][1:], "Mpx/s",
                "this machine, all cores", least=bar) for paths, bar in BARS.items()]


def _fitted(folder: Path) -> RealismPipeline:
    """A pipeline of true size; how long its network was trained makes no difference to its time."""
    frames = store_of_frames(folder / "frames.zarr")
    real = write_pairs(folder / "real", frames)
    out = fit_realism(RealismConfig(real=(real,), frames=(frames,), out=folder / "pipeline", max_train_steps=2))
    pipeline = RealismPipeline.from_pretrained(out)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _megapixels_per_s(pipeline: RealismPipeline, paths: Paths) -> float:
    arrays = drawn().arrays
    start = time.perf_counter()
    pipeline.translate(arrays["before_rgb"], arrays["after_rgb"], arrays["before_semantic"], arrays["after_semantic"],
                       acquisitions="per_phase", paths=paths)
    return 2 * PAIRS * SIZE_PX**2 / 1e6 / (time.perf_counter() - start)
