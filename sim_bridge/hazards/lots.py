"""The lot of a burnt house: ashes in the pattern of its rooms on the ground, and what lies on them.

Seen from above at half a metre, a lot keeps the house's outline: pale grey and beige patches a room wide, lines where
walls stood, dark gaps, thin straight pieces (pipes, frames, sheets) mostly along the walls' directions.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import wreck
from sim_bridge.hazards.common import F64, Bool
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Grid, Mesh, World
from sim_bridge.world.shapes import box, boxes, hash_unit, mesh_of, turn

U8 = npt.NDArray[np.uint8]

_TONES = ("ash", "ash_brown", "ash_dark", "charred_debris")
_LITTER = ["ash", "ash", "burnt_metal", "burnt_metal", "ash_brown", "ash_dark"]
_STREET = np.array([m.semantic == CLASS_ID["road"] for m in TABLE])
_WALL_M, _EDGE_M = 0.35, 0.5


def ash_floor(values: U8, grid: Grid, building: Building, seed: int) -> None:
    """Paints the ashes of one house into `values`, the ground raster that `grid` describes."""
    window, inside, edge = _window(grid, building)
    inside |= edge & ~_STREET[grid.values[window]]
    if not inside.any():
        return
    iy, ix = np.nonzero(inside)
    x = grid.west_m + (ix + window[1].start + 0.5) * grid.cell_m
    y = grid.south_m + (iy + window[0].start + 0.5) * grid.cell_m
    centre = np.mean(building.footprint, axis=0)
    local = turn(np.column_stack([x, y]) - centre, -building.yaw_deg)
    names = np.array([INDEX[name] for name in _TONES], np.uint8)
    values[window][iy, ix] = names[_tone(local, x, y, building, seed)]


def _window(grid: Grid, building: Building) -> tuple[tuple[slice, slice], Bool, Bool]:
    """The part of the raster around a building, and which of its cells lie under it and along its edge."""
    ring = (np.asarray(building.footprint) - [grid.west_m, grid.south_m]) / grid.cell_m
    size = np.array(grid.values.shape[::-1])
    low = np.clip(np.floor(ring.min(axis=0)).astype(int) - 2, 0, size)
    high = np.clip(np.ceil(ring.max(axis=0)).astype(int) + 3, 0, size)
    mask, edge = (np.zeros((high - low)[::-1], np.uint8) for _ in range(2))
    if mask.size:
        corners = np.round((ring - low - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, shift=4)
        cv2.polylines(edge, [corners], True, 1, max(1, round(_EDGE_M / grid.cell_m)), shift=4)
    return (slice(low[1], high[1]), slice(low[0], high[0])), mask.astype(np.bool_), edge.astype(np.bool_)


def _tone(local: F64, x: F64, y: F64, building: Building, seed: int) -> npt.NDArray[np.int64]:
    """Index into _TONES of every cell, 0 the palest: rooms, walls between them, specks."""
    key = seed & 0xFFFFFF
    room, wall = [], np.zeros(len(local), np.bool_)
    for axis, size in ((0, 3.0 + 2.5 * float(hash_unit(key, 60, building.id))),
                       (1, 3.0 + 2.5 * float(hash_unit(key, 61, building.id)))):
        along = local[:, axis] / size + float(hash_unit(key, 62 + axis, building.id))
        room.append(np.floor(along))
        wall |= np.abs(along - np.round(along)) * size < _WALL_M / 2
    speck = hash_unit(key, np.floor(x / 0.5), np.floor(y / 0.5), 64)
    blots = [hash_unit(key, np.floor(local[:, 0] / size), np.floor(local[:, 1] / size), building.id, size) - 0.5
             for size in (0.9, 2.1)]
    pale = 0.62 + 0.40 * (hash_unit(key, *room, building.id) - 0.5) + 0.42 * blots[0] + 0.40 * blots[1]
    pale += 0.38 * (speck - 0.5) + 0.35 * (wall & (hash_unit(key, *room, building.id, 65) < 0.75))
    pale += 0.16 * (float(hash_unit(key, 66, building.id)) - 0.5)
    return np.asarray(np.digitize(-pale, [-0.50, -0.30, -0.14]), np.int64)


def litter(world: World, building: Building) -> Mesh:
    """Debris of a burnt house: stubs of walls, flat pieces along and across them, now and then a chimney."""
    rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 42, building.id]))
    plan = shapely.Polygon(building.footprint)
    # what a house was made of shows in its ashes: some lots are whiter, some brown
    tone = rng.uniform(0.86, 1.08) * np.array([1.0, rng.uniform(0.95, 1.0), rng.uniform(0.86, 0.98)])
    parts = [wreck.toned(Mesh.concatenate([
        _sheets(world, building, plan, int(np.clip(plan.area / 1.8, 20, 200)), rng),
        _stubs(world, building, plan, rng),
    ]), tone)]
    if building.use in ("house", "farm") and rng.random() < 0.35:
        low, high = np.quantile(np.asarray(building.footprint), [0.3, 0.7], axis=0)
        x, y = rng.uniform(low, high)
        base = float(world.height_at(x, y))
        parts.append(box((x, y), (1.1, 0.8), building.yaw_deg, base - 0.3, base + rng.uniform(2.0, 4.5), "chimney",
                         instance=building.id))
    return Mesh.concatenate(parts)


def _stubs(world: World, building: Building, plan: shapely.Polygon, rng: np.random.Generator) -> Mesh:
    """What is left of a third of the walls, inner ones too, in pieces of about 2 m."""
    ring = np.asarray(building.footprint)
    side = np.roll(ring, -1, axis=0) - ring
    length = np.hypot(side[:, 0], side[:, 1])
    count = np.maximum(np.ceil(length / 2).astype(int), 1)
    edge = np.repeat(np.arange(len(ring)), count)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    outer = ring[edge] + side[edge] * ((step + 0.5) / count[edge])[:, None]
    yaw = np.degrees(np.arctan2(side[edge, 1], side[edge, 0]))
    inner, turned = _inner_walls(building, rng)
    within = shapely.contains_xy(plan, inner[:, 0], inner[:, 1])
    middle, yaw = np.concatenate([outer, inner[within]]), np.concatenate([yaw, turned[within]])
    long = np.concatenate([(length / count)[edge], np.full(int(within.sum()), 2.0)])
    kept = rng.random(len(middle)) < 0.3
    middle, n = middle[kept], int(kept.sum())
    base = world.height_at(middle[:, 0], middle[:, 1])
    return boxes(middle, np.column_stack([long[kept] * rng.uniform(0.5, 1, n), np.full(n, 0.22)]), yaw[kept],
                 base - 0.3, base + rng.uniform(0.15, 0.7, n), "ash", 128 * rng.uniform(0.7, 1.3, (n, 1)) * np.ones(3),
                 building.id)


def _inner_walls(building: Building, rng: np.random.Generator) -> tuple[F64, F64]:
    """Middles (N, 2) and directions (degrees) of 2 m of wall each, on lines 4 m apart across the plan's box."""
    ring = np.asarray(building.footprint)
    centre = ring.mean(axis=0)
    low, high = np.quantile(turn(ring - centre, -building.yaw_deg), [0, 1], axis=0)
    middles, yaws = [], []
    for axis in (0, 1):
        across = np.arange(low[1 - axis] + rng.uniform(2, 4), high[1 - axis], 4.0)
        along = np.arange(low[axis] + 1, high[axis], 2.0)
        grid = np.stack(np.meshgrid(along, across), -1).reshape(-1, 2)
        middles.append(grid if axis == 0 else grid[:, ::-1])
        yaws.append(np.full(len(grid), building.yaw_deg + 90.0 * axis))
    return turn(np.concatenate(middles), building.yaw_deg) + centre, np.concatenate(yaws)


def _sheets(world: World, building: Building, plan: shapely.Polygon, count: int, rng: np.random.Generator) -> Mesh:
    """Flat pieces, slightly tilted, two triangles each: they are many, and nobody sees their sides."""
    west, south, east, north = plan.bounds
    x, y = rng.uniform(west, east, 3 * count), rng.uniform(south, north, 3 * count)
    hit = np.flatnonzero(shapely.contains_xy(plan, x, y))[:count]
    n = len(hit)
    thin = rng.random(n) < 0.45
    length = np.where(thin, rng.uniform(0.9, 3.2, n), rng.uniform(0.3, 1.3, n))
    width = np.where(thin, rng.uniform(0.12, 0.3, n), length * rng.uniform(0.4, 1.0, n))
    loose = np.where(rng.random(n) < 0.7, rng.normal(0, 5, n), rng.uniform(0, 90, n))
    yaw: F64 = np.asarray(building.yaw_deg + 90 * rng.integers(0, 2, n) + loose, np.float64)
    corner = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    flat = turn(corner[None] * np.stack([length, width], -1)[:, None], yaw[:, None])
    tilt = (flat @ rng.uniform(-0.16, 0.16, (n, 2, 1)))[..., 0]
    flat = flat + np.column_stack([x[hit], y[hit]])[:, None]
    lift = 0.05 + 0.12 * rng.random(n) ** 2 + np.abs(tilt).max(axis=1)
    z = world.height_at(x[hit], y[hit])[:, None] + lift[:, None] + tilt
    faces = 4 * np.arange(n)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    chosen = rng.choice([INDEX[name] for name in _LITTER], n).repeat(2)
    tint = 128 * rng.uniform(0.75, 1.35, (n, 1)) * rng.uniform(0.93, 1.07, (n, 3))
    return mesh_of(np.concatenate([flat, z[..., None]], -1), faces, chosen, building.id, tint.repeat(2, axis=0))
