"""What water carries: cars and boats that float, and rafts of timber, along the stream until something holds them.

A small car floats at 0.6 m and a large one at 0.95 m (Smith et al. 2017, WRL Technical Report 2017/07, full-scale
tests); flowing water moves them at half of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import shapely

from sim_bridge.hazards import common
from sim_bridge.hazards.common import F64, Bool
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Grid, Mesh, Vehicle, World
from sim_bridge.world.shapes import hash_unit, mesh_of, turn

FLOATS_M: Mapping[str, float] = {"car": 0.6, "van": 0.8, "truck": 0.95, "bus": 0.95, "boat": 0.3, "container": 0.7,
                                 "tent": 0.4}
_STEP_M = 1.0


@dataclass(frozen=True)
class Stream:
    """Water that carries things: depth (m) and velocity (m/s) on one raster, its surface (m), and what stands in the
    way."""

    depth: Grid
    surface: F64
    east: F64
    north: F64
    blocked: Bool


def carried(world: World, stream: Stream, gone: bool) -> list[Vehicle]:
    """The world's vehicles after the water, or while it is there (`gone` false: afloat on it). Boats ride at their
    moorings unless the stream tears them off."""
    if not world.vehicles:
        return []
    at = np.array([[v.x, v.y] for v in world.vehicles])
    limit = np.array([FLOATS_M.get(v.kind, 0.8) for v in world.vehicles])
    iy, ix = stream.depth.cell(at[:, 0], at[:, 1])
    depth, speed = stream.depth.values[iy, ix], np.hypot(stream.east[iy, ix], stream.north[iy, ix])
    moored = np.array([v.kind == "boat" for v in world.vehicles])
    loose = ((depth >= limit) & ~moored) | ((depth >= limit / 2) & (speed >= 1.0))
    luck = hash_unit(world.seed & 0xFFFFFF, 80, at[:, 0], at[:, 1])
    reach = np.where(loose, (1.5 + 8 * luck) * (1 + 2 * speed) * np.minimum(depth / limit, 2.0), 0.0)
    rest = trace(stream, at, reach, 0.3)
    yaw = 160 * (luck - 0.5) * np.minimum(1.0, reach / 8)
    jy, jx = stream.depth.cell(rest[:, 0], rest[:, 1])
    normal = -np.inf if world.water_level_m is None else world.water_level_m
    level = normal if gone else np.maximum(stream.surface[jy, jx], normal)
    base = np.maximum(world.height_at(rest[:, 0], rest[:, 1]), level - limit + 0.15)
    rides = moored & ~loose & (depth > 0) & (not gone)
    lift = 0.0 if world.water_level_m is None else level - normal
    base = np.where(rides, np.array([v.base_m for v in world.vehicles]) + lift, base)
    return [replace(v, x=float(x), y=float(y), yaw_deg=v.yaw_deg + float(turned), base_m=float(z)) if free else v
            for v, free, (x, y), turned, z in zip(world.vehicles, loose | rides, rest, yaw, base, strict=True)]


def trace(stream: Stream, points: F64, reach_m: F64, least_depth_m: float) -> F64:
    """Where things at points (N, 2) come to rest after reach_m (N,): down the stream, but not through what stands in
    the way nor into water too shallow for them."""
    here, left = points.copy(), reach_m.copy()
    for _ in range(int(np.ceil(float(reach_m.max(initial=0.0)) / _STEP_M))):
        iy, ix = stream.depth.cell(here[:, 0], here[:, 1])
        velocity = np.column_stack([stream.east[iy, ix], stream.north[iy, ix]])
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        step = velocity / np.maximum(speed, 1e-6)[:, None] * np.minimum(_STEP_M, left)[:, None]
        there = here + step
        jy, jx = stream.depth.cell(there[:, 0], there[:, 1])
        free = _on(stream.depth, there) & (stream.depth.values[jy, jx] > least_depth_m) & ~stream.blocked[jy, jx]
        free &= (speed > 1e-3) & (left > 0)
        here = np.where(free[:, None], there, here)
        left = np.where(free, left - _STEP_M, 0.0)
        if not (left > 0).any():
            break
    return here


def _on(grid: Grid, points: F64) -> Bool:
    """Points (N, 2) that lie on the raster."""
    ny, nx = grid.values.shape
    share = (points - [grid.west_m, grid.south_m]) / (grid.cell_m * np.array([nx, ny]))
    return np.asarray(((share >= 0) & (share < 1)).all(axis=1))


def rafts(world: World, stream: Stream, per_ha: float, drop_m: float | None, purpose: int) -> Mesh:
    """Timber and litter in rafts that hang on what stands in the stream; drop_m: none while the water carries them,
    else how much of their height above the ground they keep."""
    wet = np.argwhere((stream.depth.values > 0.3) & ~stream.blocked)
    count = min(int(per_ha * len(wet) * stream.depth.cell_m**2 / 1e4), 600)
    rng = common.generator(world, purpose)
    if not count:
        return Mesh.empty()
    chosen = wet[(rng.random(count) * len(wet)).astype(int)]
    cell = stream.depth.cell_m
    start = np.column_stack([stream.depth.west_m + (chosen[:, 1] + 0.5) * cell,
                             stream.depth.south_m + (chosen[:, 0] + 0.5) * cell])
    rest = trace(stream, start, rng.uniform(5, 90, count), 0.15)
    pieces = 6
    spot = rest.repeat(pieces, axis=0) + rng.normal(0, 1.3, (count * pieces, 2))
    iy, ix = stream.depth.cell(spot[:, 0], spot[:, 1])
    kept = (stream.depth.values[iy, ix] > 0.1) & ~stream.blocked[iy, ix]
    spot, level = spot[kept], stream.surface[iy, ix][kept]
    z = level + 0.03 if drop_m is None else world.height_at(spot[:, 0], spot[:, 1]) + drop_m
    return _planks(spot, z, rng)


def _planks(spot: F64, z: F64, rng: np.random.Generator) -> Mesh:
    n = len(spot)
    size = np.column_stack([rng.uniform(0.4, 3.0, n), rng.uniform(0.12, 0.7, n)])
    corner = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    flat = turn(corner[None] * size[:, None], rng.uniform(0, 180, n)[:, None]) + spot[:, None]
    height = z[:, None] + rng.uniform(0.0, 0.12, (n, 4))
    faces = 4 * np.arange(n)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    material = np.full(2 * n, INDEX["debris_wood"])
    tint = 128 * rng.uniform(0.6, 1.35, (n, 1)) * np.ones(3)
    return mesh_of(np.concatenate([flat, height[..., None]], -1), faces, material, tint=tint.repeat(2, axis=0))


def obstacles(world: World, grid: Grid) -> Bool:
    """Cells of a raster that a building stands on."""
    return common.covered(grid, [shapely.Polygon(b.footprint) for b in world.buildings])
