"""Relief and standing water: smooth noise, a valley where a river runs, a bowl where a pond lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.model import Grid, Mesh
from sim_bridge.world.shapes import F64, cap, mesh_of

CELL_M = 5.0
_BANK_M = 0.8
"""Height of dry ground above the water right at the shore."""
_PAD_M, _PAD_ROUNDS = 4.0, 2
"""How far a level pad reaches beyond the walls; how often neighbours are evened out."""
_BED_M = 1.6
"""Depth of the water away from the shore."""


@dataclass(frozen=True)
class Relief:
    """Terrain grid (see `World.terrain`), water bodies and the height of their surface (None without water)."""

    terrain: Grid
    water: tuple[shapely.Polygon, ...]
    level_m: float | None


def smooth_noise(size_m: float, cell_m: float, wavelength_m: float, rng: np.random.Generator) -> F64:
    """Value noise in [0, 1], (n, n) with n = size / cell, bumps about `wavelength_m` across."""
    n = round(size_m / cell_m)
    nodes = max(math.ceil(size_m / wavelength_m), 1) + 4
    fine = cv2.resize(rng.random((nodes, nodes)), None, fx=wavelength_m / cell_m, fy=wavelength_m / cell_m,
                      interpolation=cv2.INTER_CUBIC)
    oy, ox = (int(rng.integers(0, max(length - n, 0) + 1)) for length in fine.shape)
    return np.clip(np.asarray(fine[oy:oy + n, ox:ox + n], np.float64), 0, 1)


def build_relief(layout: Layout, rng: np.random.Generator) -> Relief:
    """Terrain of `layout.relief_m` between lowest and highest dry ground, with the water that the layout names."""
    nodes = round(layout.size_m / CELL_M) + 1
    half = layout.size_m / 2
    broad = smooth_noise((nodes + 1) * CELL_M, CELL_M, max(layout.size_m / 2.2, 60.0), rng)[:nodes, :nodes]
    fine = smooth_noise((nodes + 1) * CELL_M, CELL_M, 70.0, rng)[:nodes, :nodes]
    height = broad + 0.16 * fine
    water = _water_body(layout, rng)
    axis = np.linspace(-half, half, nodes)
    if water is None:
        return Relief(_grid(layout.relief_m * _unit(height), half), (), None)
    points = shapely.points(*np.meshgrid(axis, axis))
    distance = shapely.distance(points, water)
    rise = _unit(height) * (1 - np.exp(-distance / 90.0)) + 0.35 * np.minimum(distance / half, 1)
    depth = _BED_M * np.minimum(shapely.distance(points, water.boundary) / 4.0, 1.0)
    dry = _BANK_M + layout.relief_m * _unit(rise)
    return Relief(_grid(np.where(distance > 0, dry, -0.4 - depth), half), (water,), 0.0)


def _unit(values: F64) -> F64:
    span = values.max() - values.min()
    return np.asarray((values - values.min()) / span) if span > 0 else np.zeros_like(values)


def _grid(height: F64, half_m: float) -> Grid:
    cell = 2 * half_m / (len(height) - 1)
    return Grid(height.astype(np.float32), -half_m, -half_m, cell)


def _water_body(layout: Layout, rng: np.random.Generator) -> shapely.Polygon | None:
    """A meandering band across the square, or a lobed pond; None for dry places."""
    size = layout.size_m
    if layout.water == "none":
        return None
    if layout.water == "pond":
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        lobes = sum(rng.uniform(0, 0.42) / k * np.sin(k * angle + rng.uniform(0, 6.28)) for k in range(1, 7))
        radius = size * rng.uniform(0.05, 0.09) * (1 + np.asarray(lobes))
        centre = rng.uniform(-0.28, 0.28, 2) * size
        return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] + centre)
    heading, offset = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3) * size
    along = np.linspace(-0.9 * size, 0.9 * size, 120)
    swing = sum(rng.uniform(0.01, 0.05) * size * np.sin(2 * np.pi * along / (size * w) + rng.uniform(0, 6.28))
                for w in (0.35, 0.6, 1.1))
    across = offset + np.asarray(swing)
    line = np.column_stack([along * math.cos(heading) - across * math.sin(heading),
                            along * math.sin(heading) + across * math.cos(heading)])
    band = shapely.LineString(line).buffer(rng.uniform(6, 14)).simplify(0.5)
    inside = shapely.intersection(band, shapely.box(-size / 2, -size / 2, size / 2, size / 2))
    parts = [part for part in shapely.get_parts(inside) if isinstance(part, shapely.Polygon)]
    return max(parts, key=lambda part: float(part.area)) if parts else None


def level_pads(terrain: Grid, plans: Sequence[F64]) -> Grid:
    """The terrain with a level pad under every building ring (N, 2), as a digger would leave it.

    Nodes that two neighbours claim take the mean of both pads, so that a row of houses steps down a slope. Highest
    and lowest ground stay where they are or come closer.
    """
    if not plans:
        return terrain
    height = terrain.values.astype(np.float64)
    ny, nx = height.shape
    gy, gx = np.mgrid[0:ny, 0:nx]
    nodes = shapely.points(terrain.west_m + gx.ravel() * terrain.cell_m, terrain.south_m + gy.ravel() * terrain.cell_m)
    polygons = np.array([shapely.Polygon(ring) for ring in plans], dtype=object)
    pad, node = shapely.STRtree(nodes).query(polygons, predicate="dwithin", distance=_PAD_M)
    flat = height.ravel()
    for _ in range(_PAD_ROUNDS):
        claims = np.bincount(node, minlength=len(flat))
        level = np.bincount(pad, flat[node], len(plans)) / np.maximum(np.bincount(pad, minlength=len(plans)), 1)
        shared = np.bincount(node, level[pad], len(flat)) / np.maximum(claims, 1)
        flat = np.where(claims > 0, shared, flat)
    return Grid(flat.reshape(ny, nx).astype(np.float32), terrain.west_m, terrain.south_m, terrain.cell_m)


def terrain_mesh(terrain: Grid) -> Mesh:
    """Two triangles a cell, cut from south-west to north-east as `World.height_at` has it; material `ground`."""
    ny, nx = terrain.values.shape
    gy, gx = np.mgrid[0:ny, 0:nx]
    vertices = np.stack([terrain.west_m + gx * terrain.cell_m, terrain.south_m + gy * terrain.cell_m,
                         terrain.values], -1).reshape(-1, 3)
    sw = (gy[:-1, :-1] * nx + gx[:-1, :-1]).ravel()
    se, nw, ne = sw + 1, sw + nx, sw + nx + 1
    faces: npt.NDArray[np.int64] = np.concatenate([np.column_stack([sw, se, ne]), np.column_stack([sw, ne, nw])])
    return mesh_of(vertices, faces, "ground")


def water_mesh(relief: Relief) -> Mesh:
    """The surface of all water bodies."""
    if relief.level_m is None:
        return Mesh.empty()
    return Mesh.concatenate([cap(body, relief.level_m, "water") for body in relief.water])
