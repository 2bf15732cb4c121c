"""Camps: tents in open places after an earthquake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import shapely

from sim_bridge.hazards import common
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Grid, Vehicle, World

_LEAST_HURT = 8
"""Badly damaged buildings after which people camp."""
_TENTS_A_BUILDING = 1.5
_PITCH_M = (8.5, 6.5)
_SIZE_M = (6.0, 4.0)
_CLEAR_M = 7.0
"""Distance of a camp's ground from buildings, trees and debris."""
_BESIDE_M = 5.5
"""Distance of a tent's middle from that of a parked car."""
_OPEN = [INDEX[name] for name in ("lawn", "lawn_dry", "meadow", "gravel", "sand", "soil", "parking", "concrete",
                                  "grass_gold")]


def pitch(world: World, heaps: Sequence[shapely.Geometry], hurt: int) -> tuple[Vehicle, ...]:
    """Tents in rows on the largest open place, more of them the more buildings are badly hurt; none if few are."""
    if hurt < _LEAST_HURT:
        return ()
    open_ground = _open_ground(world, heaps)
    labels, count = scipy.ndimage.label(open_ground.values)
    if count == 0:
        return ()
    largest = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    rng = common.generator(world, 25)
    yaw, wanted = float(rng.uniform(0, 90)), int(_TENTS_A_BUILDING * hurt)
    iy, ix = np.nonzero(largest)
    x, y = common.centres(open_ground)
    spots = _rows(float(x[ix].mean()), float(y[iy].mean()), yaw, float(world.size_m))
    spots = spots[np.asarray(Grid(largest, *_frame(open_ground)).at(spots[:, 0], spots[:, 1]), bool)][:wanted]
    heights = world.height_at(spots[:, 0], spots[:, 1])
    return tuple(Vehicle(float(px), float(py), float(z), yaw + float(rng.normal(0, 2)), *_SIZE_M, "tent",
                         (int(c := rng.integers(140, 200)), int(c), int(1.02 * c)))
                 for (px, py), z in zip(spots, heights, strict=True))


def _frame(grid: Grid) -> tuple[float, float, float]:
    return grid.west_m, grid.south_m, grid.cell_m


def _open_ground(world: World, heaps: Sequence[shapely.Geometry]) -> Grid:
    """Cells of 2 m (bool) that are open and away from all that stands or lies."""
    grid = common.coarse_grid(world, 2.0)
    x, y = common.centres(grid)
    shape = (len(y), len(x))
    soft = np.isin(world.ground.at(*(np.broadcast_to(v, shape) for v in (x[None, :], y[:, None]))), _OPEN)
    taken = common.covered(grid, [*common.footprints(world), *heaps])
    for tree in world.trees:
        taken[grid.cell(tree.x, tree.y)] = True
    parked = np.zeros_like(taken)
    for vehicle in world.vehicles:
        parked[grid.cell(vehicle.x, vehicle.y)] = True
    clear = (common.distance_m(taken, grid.cell_m) > _CLEAR_M) & (common.distance_m(parked, grid.cell_m) > _BESIDE_M)
    inside = (np.abs(x)[None, :] < world.size_m / 2 - 4) & (np.abs(y)[:, None] < world.size_m / 2 - 4)
    return Grid(soft & clear & inside, *_frame(grid))


def _rows(x: float, y: float, yaw_deg: float, size_m: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Points (N, 2) of a lattice turned by yaw_deg, the nearest to x, y first."""
    reach = int(size_m / min(_PITCH_M) / 2) + 1
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    u, v = (a.ravel() for a in np.meshgrid(steps * _PITCH_M[0], steps * _PITCH_M[1]))
    nearest = np.argsort(np.hypot(u, v), kind="stable")
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    points = np.column_stack([x + u * cos - v * sin, y + u * sin + v * cos])
    return np.asarray(points[nearest], np.float64)
