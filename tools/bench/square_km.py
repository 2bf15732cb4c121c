"""What rendering is measured on: 1 km2 with about 1,500 buildings and 5,000 trees, and larger areas of such."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from sim_bridge.frames import Geodetic
from sim_bridge.spec import Earthquake, Layout, SceneSpec, View
from sim_bridge.world.grid import write_grid
from sim_bridge.world.package import build_package

SIZE_PX = 512
LAYOUT = Layout(size_m=1000.0, density=1.0, tree_density=0.25)
BUILDINGS, TREES = 1500, 5000
VIEWS = {
    "0.1 m nadir": View(gsd_m=0.1, off_nadir_deg=0.0),
    "0.5 m nadir": View(gsd_m=0.5, off_nadir_deg=0.0),
    "0.5 m, 45 deg off nadir": View(gsd_m=0.5, off_nadir_deg=45.0),
}
SIDE, DIFFERENT = 5, 3
"""Cells along a side of the large area, and worlds that they repeat."""


@lru_cache(maxsize=1)
def world_root() -> Path:
    """Folder of the packages, until the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="mage-bench-")
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


@lru_cache(maxsize=DIFFERENT)
def package(number: int = 0) -> Path:
    """One of the worlds, built when first asked for."""
    return build_package(world_root(), SceneSpec(3 + number, LAYOUT, hazard=Earthquake()))


@lru_cache(maxsize=1)
def area() -> Path:
    """25 km2: a grid of 5 x 5 packages."""
    names, size_m = [package(number).name for number in range(DIFFERENT)], LAYOUT.size_m
    centre = (SIDE - 1) / 2
    placed = [(names[(row + 2 * column) % DIFFERENT], (column - centre) * size_m, (row - centre) * size_m)
              for row in range(SIDE) for column in range(SIDE)]
    return write_grid(world_root(), placed, Geodetic(LAYOUT.origin_lat_deg, LAYOUT.origin_lon_deg))
