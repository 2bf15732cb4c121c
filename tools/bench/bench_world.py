"""How long one square kilometre takes to build and how much memory: a suburb and an old town, in processes apart."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from sim_bridge.spec import Layout, SceneSpec, Settlement
from sim_bridge.world.build import build_world
from tools.bench.row import peak_mb, row

SIZE_M = 1000.0
RUNS = 3
MOST_S = 10.0
MOST_MB = 1500.0
PLACES: dict[str, tuple[Settlement, float, float]] = {
    "suburb": ("suburb", 0.95, 0.25), "old town": ("old_town", 0.7, 0.5),
}
"""Settlement, density and tree density of what is built."""


def rows() -> list[dict[str, Any]]:
    """Two rows a place: seconds on the core, and peak memory of the process that builds nothing else."""
    found: list[dict[str, Any]] = []
    for name, (settlement, density, tree_density) in PLACES.items():
        layout = Layout(settlement=settlement, size_m=SIZE_M, density=density, tree_density=tree_density)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
            runs = [pool.submit(_measure, SceneSpec(seed=seed, layout=layout)).result() for seed in range(1, RUNS + 1)]
        seconds, peaks_mb, buildings, trees = zip(*runs, strict=True)
        size = f"{min(buildings)} to {max(buildings)} buildings, {min(trees)} to {max(trees)} trees"
        found += [row(f"world: build 1 km2, {name}", seconds, "s", size, most=MOST_S),
                  row(f"world: peak memory of it, {name}", peaks_mb, "MB", size, most=MOST_MB)]
    return found


def _measure(spec: SceneSpec) -> tuple[float, float, int, int]:
    """Seconds on the core, peak memory (MB) of this process, buildings, trees."""
    start = time.process_time()
    world = build_world(spec)
    seconds = time.process_time() - start
    return seconds, peak_mb(), len(world.buildings), len(world.trees)
