"""What storing a captured unit costs beside drawing it, and how fast crops are read back."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learn.data import IMAGES, LABELS
from sim_bridge.store import open_frames, write_unit
from tools.bench.row import row
from tools.bench.scene import PAIRS, SIZE_PX, draw, make_store

RUNS, CROPS, CROP_PX = 3, 30, 256
MOST_PERCENT = 15.0


def rows() -> list[dict[str, Any]]:
    """Storing in percent of drawing, and crops a second."""
    with tempfile.TemporaryDirectory(prefix="mage-bench-") as folder:
        store = make_store(Path(folder) / "frames.zarr", RUNS)
        draw()                                                                # builds the scene, compiles the shading
        return [_cost([_unit_seconds(store, unit) for unit in range(RUNS)]), _crops(store, Path(folder))]


def _unit_seconds(store: Path, unit: int) -> tuple[float, float]:
    """Drawing and storing one unit. Time on the cores, since another worker has use for the ones that threads take."""
    start = time.process_time()
    frames = draw()
    between = time.process_time()
    write_unit(store, unit, frames)
    return between - start, time.process_time() - between


def _cost(seconds: Sequence[tuple[float, float]]) -> dict[str, Any]:
    drawing, storing = (float(np.median(times)) for times in zip(*seconds, strict=True))
    return row(f"store: writing {PAIRS} pairs {SIZE_PX}x{SIZE_PX} with labels", [100 * s / d for d, s in seconds],
               "% of drawing", f"{storing:.2f} s beside {drawing:.2f} s of drawing and labels", most=MOST_PERCENT)


def _crops(store: Path, folder: Path) -> dict[str, Any]:
    """The arrays that the learner reads, from shards and from uncompressed files of the same frames, by turns."""
    root: Any = open_frames(store)
    zarrs = {name: root[name] for name in (*IMAGES, *LABELS)}
    for name, array in zarrs.items():
        np.save(folder / f"{name}.npy", array[:])
    bare = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in zarrs}
    rates = [(_rate(zarrs, run), _rate(bare, run)) for run in range(RUNS)]
    beside = float(np.median([rate for _, rate in rates]))
    return row(f"store: random {CROP_PX}x{CROP_PX} crops of a pair, {len(zarrs)} arrays", [rate for rate, _ in rates],
               "crops/s", f"uncompressed files, cached: {beside:.0f} crops/s")


def _rate(arrays: Mapping[str, Any], seed: int) -> float:
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    for _ in range(CROPS):
        frame = int(rng.integers(RUNS * PAIRS))
        y, x = (int(v) for v in rng.integers(0, SIZE_PX - CROP_PX + 1, 2))
        for array in arrays.values():
            np.array(array[frame, y:y + CROP_PX, x:x + CROP_PX])
    return CROPS / (time.perf_counter() - start)
