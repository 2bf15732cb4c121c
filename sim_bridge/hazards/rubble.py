"""Rubble: heaps whose volume follows from what fell, slabs and splinters that stick out of them.

Volume: a fallen building leaves a third of its gross volume, voids included (FEMA 325, Public Assistance Debris
Management Guide, 2007, and FEMA 329, Debris Estimating Field Guide, 2010: length x width x height x 0.33). Reach: it
runs out to about a third of the height on all sides; where walls topple outward as a whole it is half to two thirds
(Advances in Civil Engineering 2020, 7034517, table 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import shapely

from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.shapes import F64, mesh_of, turn

BULKING = 0.33
"""Share of a building's gross volume that its debris fills."""
REACH = 0.33
"""How far debris runs out, share of the height it fell from."""

_SPACING_M = 1.0
_RAMP_M = 1.6
_TIMBER = {"wood_light", "mobile_home"}

_CORNERS = np.array([[-0.5, -0.5, -0.5], [0.5, -0.5, -0.5], [0.5, 0.5, -0.5], [-0.5, 0.5, -0.5],
                     [-0.5, -0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.5]])
_FACES = np.array([[4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4],
                   [3, 4, 7]])


@dataclass(frozen=True)
class Mix:
    """What a building breaks into: materials of the heap, of large flat pieces, and of small ones, with their sizes."""

    heap: tuple[str, ...]
    plates: tuple[str, ...]
    pieces: tuple[str, ...]
    plate_m: tuple[float, float]
    piece_m: tuple[float, float]
    plate_tint: tuple[float, float, float] = (128.0, 128.0, 128.0)


def mix(building: Building) -> Mix:
    """Debris of a building by its structure, walls and roof."""
    if building.typology in _TIMBER:
        return Mix(("rubble_wood", "rubble_wood", "rubble_concrete"), ("rubble_slab",), ("rubble_wood",), (1.6, 4.5),
                   (0.25, 3.0), roof_tint(building))
    red = "brick" in building.wall_material or "tile" in building.roof_material
    if building.typology == "masonry" or "brick" in building.wall_material:
        brick = "rubble_brick" if red else "rubble_concrete"
        return Mix((brick, brick, "rubble_concrete"), ("rubble_slab",), (brick, "rubble_wood", "rubble_concrete"),
                   (1.2, 3.5), (0.4, 2.2), roof_tint(building))
    return Mix(("rubble_concrete", "rubble_slab"), ("rubble_slab",), ("rubble_concrete", "rubble_slab", "rubble_slab"),
               (1.8, 5.0), (0.35, 2.0))


def roof_tint(building: Building) -> tuple[float, float, float]:
    """Tint that gives slabs the colour of the building's roof."""
    roof, slab = TABLE[INDEX[building.roof_material]].albedo, TABLE[INDEX["rubble_slab"]].albedo
    red, green, blue = (128 * r / s for r, s in zip(roof, slab, strict=True))
    return red, green, blue


def gross_volume_m3(building: Building) -> float:
    """Plan without courtyards, times the mean height of eaves and ridge."""
    plan = shapely.Polygon(building.footprint, building.holes)
    return float(plan.area * (building.eaves_m + building.ridge_m) / 2)


@dataclass(frozen=True)
class Heap:
    """Debris on the ground: its mesh, the area under it, and the volume of what the mesh encloses, m3."""

    mesh: Mesh
    area: shapely.Geometry
    volume_m3: float


def heap(world: World, building: Building, area: shapely.Geometry, volume_m3: float,
         rng: np.random.Generator, large: bool = True) -> Heap:
    """Debris of a building over `area` (polygons), of volume_m3 in all.

    Large flat pieces (if `large`) and small ones stand out of a lumpy mound, which holds the rest of the volume.
    """
    stuff = mix(building)
    area = shapely.union_all([p for p in shapely.get_parts(area) if p.geom_type == "Polygon" and p.area > 1.0])
    if area.is_empty or volume_m3 <= 0:
        return Heap(Mesh.empty(), area, 0.0)
    scale = volume_m3 / area.area
    plates = _drawn(area, int(np.clip(area.area / 22, 2, 40)) if large else 0, stuff.plate_m, rng)
    pieces = _drawn(area, int(np.clip(area.area / 2.6, 8, 260)), stuff.piece_m, rng)
    thick = np.concatenate([np.full(len(plates), 0.18), rng.uniform(0.08, 0.35, len(pieces))])
    flat = np.concatenate([plates, pieces])
    tilt = np.concatenate([rng.normal(0, 14, (len(plates), 2)), rng.normal(0, 22, (len(pieces), 2))])
    solid = 0.5 * float((flat[:, 2] * flat[:, 3] * thick).sum())        # about half of a piece shows
    surface = _surface(area, max(volume_m3 - solid, 0.5 * volume_m3), rng)
    ground = world.height_at(flat[:, 0], flat[:, 1])
    up = surface.at(flat[:, 0], flat[:, 1]) + 0.35 * thick + rng.uniform(-0.1, 0.15, len(flat)) * min(1.0, scale)
    tone = 128 * rng.uniform(0.62, 1.28, (len(flat), 1)) * rng.uniform(0.96, 1.04, (len(flat), 3))
    tone[:len(plates)] *= np.array(stuff.plate_tint) / 128
    names = [*rng.choice(stuff.plates, len(plates)), *rng.choice(stuff.pieces, len(pieces))]
    blocks = tilted(np.column_stack([flat[:, :2], ground + up]), np.column_stack([flat[:, 2:], thick]),
                    rng.uniform(0, 180, len(flat)), tilt, [str(name) for name in names], tone, building.id)
    mound = _mound(world, surface, stuff.heap, building.id, rng)
    return Heap(Mesh.concatenate([mound, blocks]), area, surface.volume_m3 + solid)


def _drawn(area: shapely.Geometry, count: int, size_m: tuple[float, float], rng: np.random.Generator) -> F64:
    """Rectangles (n, 4) in the area: x, y of the centre, length and breadth; small ones are many."""
    west, south, east, north = shapely.bounds(area)
    x, y = rng.uniform(west, east, 4 * count), rng.uniform(south, north, 4 * count)
    length = size_m[0] + (size_m[1] - size_m[0]) * rng.random(4 * count) ** 2
    breadth = np.minimum(length, np.maximum(size_m[0], length * rng.uniform(0.12, 0.8, 4 * count)))
    inside = np.flatnonzero(shapely.contains_xy(area, x, y))[:count]
    return np.asarray(np.column_stack([x, y, length, breadth])[inside])


def pieces_on(building: Building, level_m: float, count: int, rng: np.random.Generator) -> Mesh:
    """Small debris lying about on a floor of the building at z = level_m."""
    stuff = mix(building)
    flat = _drawn(shapely.Polygon(building.footprint), int(np.clip(count, 4, 120)), stuff.piece_m, rng)
    thick = rng.uniform(0.08, 0.3, len(flat))
    return tilted(np.column_stack([flat[:, :2], level_m + 0.4 * thick]), np.column_stack([flat[:, 2:], thick]),
                  rng.uniform(0, 180, len(flat)), rng.normal(0, 9, (len(flat), 2)),
                  [str(name) for name in rng.choice(stuff.pieces, len(flat))],
                  128 * rng.uniform(0.7, 1.3, (len(flat), 1)) * np.ones(3), building.id)


def tilted(centres: F64, sizes: F64, yaw_deg: F64, tilt_deg: F64, materials: Sequence[str], tint: F64,
           instance: int) -> Mesh:
    """N boxes, open below, of sizes (N, 3) about centres (N, 3), leaning by tilt_deg (N, 2), then turned by yaw_deg."""
    local = _CORNERS[None] * sizes[:, None, :]
    slope = np.tan(np.radians(np.clip(tilt_deg, -60, 60)))
    local[..., 2] += local[..., 0] * slope[:, None, 0] + local[..., 1] * slope[:, None, 1]
    flat = turn(local[..., :2], np.asarray(yaw_deg)[:, None])
    vertices = np.concatenate([flat, local[..., 2:]], -1) + centres[:, None, :]
    faces = (_FACES[None] + 8 * np.arange(len(centres))[:, None, None]).reshape(-1, 3)
    index = np.array([INDEX[name] for name in materials], np.uint16).repeat(len(_FACES))
    return mesh_of(vertices, faces, index, instance, tint.repeat(len(_FACES), axis=0))


@dataclass(frozen=True)
class _Surface:
    """Heights (ny, nx) of a mound over a regular grid of nodes, 0 on and beyond its edge, and what it holds."""

    x: F64
    y: F64
    height: F64
    volume_m3: float

    def at(self, x: npt.ArrayLike, y: npt.ArrayLike) -> F64:
        row = (np.asarray(y, np.float64) - self.y[0]) / max(self.y[1] - self.y[0], 1e-6)
        column = (np.asarray(x, np.float64) - self.x[0]) / max(self.x[1] - self.x[0], 1e-6)
        return np.asarray(scipy.ndimage.map_coordinates(self.height, [row, column], order=1, mode="nearest"))


def _surface(area: shapely.Geometry, volume_m3: float, rng: np.random.Generator) -> _Surface:
    """Lumps of several sizes that run out to the ground at the edge of the area, and hold volume_m3."""
    west, south, east, north = shapely.bounds(area)
    nx, ny = (max(3, int(np.ceil(d / _SPACING_M)) + 1) for d in (east - west, north - south))
    x, y = np.linspace(west, east, nx), np.linspace(south, north, ny)
    points = shapely.points(*np.meshgrid(x, y))
    edge = shapely.distance(shapely.boundary(area), points) * shapely.contains(area, points)
    uneven = min(0.7, 0.3 * float(edge.max())) * (1 + _smooth((ny, nx), 3.0 / _SPACING_M, rng))
    edge = np.clip(edge - uneven, 0.1 * edge, 1.3 * edge)
    profile = np.clip(edge / max(_RAMP_M, 0.6 * float(edge.max())), 0, 1) ** 0.8
    lumps = sum(weight * _smooth((ny, nx), size / _SPACING_M, rng) for size, weight in ((5.0, 0.30), (1.3, 0.22)))
    height = profile * np.clip(1 + lumps, 0.25, 2.2)
    cell = (x[1] - x[0]) * (y[1] - y[0])
    height *= volume_m3 / max(float(height.sum()) * cell, 1e-6)
    return _Surface(x, y, height, float(height.sum()) * cell)


def _smooth(shape: tuple[int, int], cells: float, rng: np.random.Generator) -> F64:
    field = scipy.ndimage.gaussian_filter(rng.standard_normal(shape), cells / 2, mode="nearest")
    return np.asarray(field / max(float(field.std()), 1e-6))


def _mound(world: World, surface: _Surface, materials: Sequence[str], instance: int,
           rng: np.random.Generator) -> Mesh:
    """The surface as triangles, its nodes shaken sideways: a regular grid would show as stripes in slanting light."""
    x, y = np.meshgrid(surface.x, surface.y)
    x, y = (v + rng.uniform(-0.3, 0.3, v.shape) * _SPACING_M * (surface.height > 0) for v in (x, y))
    height = surface.height.ravel()
    under = np.where(height > 0, 0.04, -0.25)
    points = np.column_stack([x.ravel(), y.ravel(), world.height_at(x, y).ravel() + height + under])
    faces = _net(surface.height.shape, rng)
    faces = faces[(height[faces] > 0).any(axis=1)]
    used, compact = np.unique(faces, return_inverse=True)
    tone = 128 * rng.uniform(0.72, 1.22, (len(faces), 1)) * np.ones(3)
    chosen = rng.choice([INDEX[name] for name in materials], len(faces))
    return mesh_of(points[used], compact.reshape(-1, 3), chosen, instance, tone)


def _net(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Faces (F, 3) over a grid of nodes, counter-clockwise from above; each cell is cut along one diagonal or other."""
    node = np.arange(shape[0] * shape[1]).reshape(shape[0], shape[1])
    sw, se, nw, ne = (part.ravel() for part in (node[:-1, :-1], node[:-1, 1:], node[1:, :-1], node[1:, 1:]))
    one = np.stack([np.column_stack([sw, se, ne]), np.column_stack([sw, ne, nw])], 1)
    other = np.stack([np.column_stack([sw, se, nw]), np.column_stack([se, ne, nw])], 1)
    return np.where(rng.random(len(sw))[:, None, None] < 0.5, one, other).reshape(-1, 3)
