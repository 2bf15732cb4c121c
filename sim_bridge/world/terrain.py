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
from sim_bridge.world.shapes import F64, cap, mesh_of, turn

CELL_M = 5.0
_BANK_M = {"sea": 0.5, "river": 0.8, "pond": 0.8, "quay": 2.2}
"""Height of dry ground above the water right at the shore."""
_PAD_M, _PAD_ROUNDS = 4.0, 2
"""How far a level pad reaches beyond the walls; how often neighbours are evened out."""
_FLAT_M = {"sea": 300.0, "river": 90.0, "pond": 90.0, "quay": 220.0}
"""Distance from the water over which hills come up: towns by the water stand on flat land."""
_BED_M = {"sea": (6.0, 80.0), "river": (1.6, 4.0), "pond": (1.6, 4.0), "quay": (3.0, 4.0)}
"""Depth of the water away from the shore, and how far from it (m) it is reached."""


def water_kind(layout: Layout) -> str:
    """none, pond, river, sea, or quay: a walled river. Coastal and riverside places have their water anyway."""
    return {"coastal": "sea", "riverside": "quay"}.get(layout.settlement, layout.water)


@dataclass(frozen=True)
class Relief:
    """Terrain grid (see `World.terrain`), water bodies and the height of their surface (None without water)."""

    terrain: Grid
    water: tuple[shapely.Polygon, ...]
    level_m: float | None
    axis: shapely.LineString | None = None
    """Middle of a river or shore of a sea, running beyond the square: what quays, bridges and beaches follow."""


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
    kind = water_kind(layout)
    water, along = _water_body(layout, kind, rng)
    axis = np.linspace(-half, half, nodes)
    if water is None:
        return Relief(_grid(layout.relief_m * _unit(height), half), (), None)
    points = shapely.points(*np.meshgrid(axis, axis))
    shapely.prepare([water, water.boundary])
    distance = shapely.distance(points, water)
    rise = _unit(height) * (1 - np.exp(-distance / _FLAT_M[kind])) + 0.35 * np.minimum(distance / half, 1)
    deepest, reach = _BED_M[kind]
    depth = deepest * np.minimum(shapely.distance(points, water.boundary) / reach, 1.0)
    dry = _BANK_M[kind] + layout.relief_m * _unit(rise)
    return Relief(_grid(np.where(distance > 0, dry, -0.4 - depth), half), (water,), 0.0, along)


def _unit(values: F64) -> F64:
    span = values.max() - values.min()
    return np.asarray((values - values.min()) / span) if span > 0 else np.zeros_like(values)


def _grid(height: F64, half_m: float) -> Grid:
    cell = 2 * half_m / (len(height) - 1)
    return Grid(height.astype(np.float32), -half_m, -half_m, cell)


def _water_body(layout: Layout, kind: str,
                rng: np.random.Generator) -> tuple[shapely.Polygon | None, shapely.LineString | None]:
    """A meandering band across the square, a lobed pond or all beyond a shore, and its axis; None for dry places."""
    if kind == "none":
        return None, None
    if kind == "pond":
        return _pond(layout.size_m, rng), None
    axis = _axis(layout.size_m, kind, rng)
    square = shapely.box(*(np.array([-1, -1, 1, 1]) * layout.size_m / 2))
    if kind == "sea":
        ends = np.asarray(axis.coords)
        outward = turn(ends[-1] - ends[0], -90.0)
        area: shapely.Geometry = shapely.Polygon([*ends, ends[-1] + outward, ends[0] + outward]).buffer(0)
    else:
        half_width = rng.uniform(6, 14) if kind == "river" else layout.size_m * rng.uniform(0.02, 0.035) + 6
        area = axis.buffer(half_width).simplify(0.5)
    inside = shapely.get_parts(shapely.intersection(area, square))
    parts = [part for part in inside if isinstance(part, shapely.Polygon)]
    return (max(parts, key=lambda part: float(part.area)), axis) if parts else (None, None)


def _pond(size: float, rng: np.random.Generator) -> shapely.Polygon:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    lobes = sum(rng.uniform(0, 0.42) / k * np.sin(k * angle + rng.uniform(0, 6.28)) for k in range(1, 7))
    radius = size * rng.uniform(0.05, 0.09) * (1 + np.asarray(lobes))
    centre = rng.uniform(-0.28, 0.28, 2) * size
    return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] + centre)


def _axis(size: float, kind: str, rng: np.random.Generator) -> shapely.LineString:
    """A swinging line across the square: wild rivers swing most, walled ones and shores little."""
    heading = rng.uniform(0, np.pi) + (np.pi if rng.random() < 0.5 else 0.0)
    ranges = {"sea": (-0.28, -0.18), "quay": (-0.15, 0.15)}
    offset = size * rng.uniform(*ranges.get(kind, (-0.3, 0.3)))
    swing = {"sea": 0.5, "quay": 0.35}.get(kind, 1.0)
    along = np.linspace(-0.9 * size, 0.9 * size, 120)
    waves = sum(rng.uniform(0.01, 0.05) * swing * size * np.sin(2 * np.pi * along / (size * w) + rng.uniform(0, 6.28))
                for w in ((0.35, 0.6, 1.1) if kind == "river" else (0.5, 0.9, 1.6)))
    across = offset + np.asarray(waves)
    return shapely.LineString(turn(np.column_stack([along, across]), math.degrees(heading)))


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
