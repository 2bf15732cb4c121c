"""What stands and lies on roofs: chimneys, dormers, skylights, solar panels, vents, machines, repaired patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Building, Mesh
from sim_bridge.world.roofs import Facet
from sim_bridge.world.shapes import F64, box, boxes, quads

Rect = tuple[float, float, float, float]
_PANEL_M = (1.05, 1.7)
_BRICK, _CEMENT, _STEEL = (74, 50, 42), (86, 78, 70), (104, 104, 106)
"""Tints of what is made of the material `roof_unit`."""
_TRIES = 5
"""Places drawn for a thing until it fits on a slope."""


@dataclass(frozen=True)
class Spot:
    """A free rectangle on a slope. down: unit vector downhill in plan; fall: how far the roof falls a metre of it."""

    x: float
    y: float
    z: float
    down: tuple[float, float]
    fall: float

    def points(self, along: F64, downhill: F64, lift_m: float) -> F64:
        """Points (..., 3) at offsets along the ridge and downhill (in plan), lifted off the roof."""
        dx, dy = self.down
        return np.stack([self.x - dy * along + dx * downhill, self.y + dx * along + dy * downhill,
                         self.z - self.fall * downhill + lift_m], axis=-1)


@dataclass(frozen=True)
class _Plane:
    """A slope in plain numbers, for the many small questions about it. sides: x, y, dx, dy of each edge."""

    corners: tuple[tuple[float, float, float], ...]
    sides: tuple[tuple[float, float, float, float], ...]
    area: float
    down: tuple[float, float]
    fall: float


class Slopes:
    """The slopes of one roof, and what of them is taken. Things that find no place are left out."""

    def __init__(self, facets: Sequence[Facet], avoid: Sequence[Rect], eaves_m: float,
                 rng: np.random.Generator) -> None:
        self._rng, self._eaves_m = rng, eaves_m
        self._taken = [((r[0] + r[2]) / 2, (r[1] + r[3]) / 2, math.hypot(r[2] - r[0], r[3] - r[1]) / 2)
                       for r in avoid]
        planes = (_plane(f.ring) for f in facets if f.downhill is not None)
        self._planes = [plane for plane in planes if plane is not None]
        self.area_m2 = sum(plane.area for plane in self._planes)

    def spot(self, width_m: float, depth_m: float, up: tuple[float, float] = (0.0, 1.0)) -> Spot | None:
        """A free place of width_m along and depth_m down a slope; `up`: range of its height, share of the rise."""
        for pick, s, t in self._rng.random((_TRIES, 3)).tolist() if self._planes else ():
            plane = self._picked(pick * self.area_m2)
            spot = _spot_on(plane, s, up[0] + t * (up[1] - up[0]), self._eaves_m)
            if spot is not None and self._fits(plane, spot, width_m / 2, depth_m / 2):
                self._taken.append((spot.x, spot.y, 0.5 * math.hypot(width_m, depth_m)))
                return spot
        return None

    def _picked(self, area: float) -> _Plane:
        for plane in self._planes:
            area -= plane.area
            if area < 0:
                return plane
        return self._planes[-1]

    def _fits(self, plane: _Plane, spot: Spot, a: float, d: float) -> bool:
        reach = math.hypot(a, d)
        if any((spot.x - x) ** 2 + (spot.y - y) ** 2 < (reach + r) ** 2 for x, y, r in self._taken):
            return False
        dx, dy = spot.down
        corners = [(spot.x - dy * i * a + dx * j * d, spot.y + dx * i * a + dy * j * d)
                   for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return all(sx * (y - oy) - sy * (x - ox) > -1e-6 for ox, oy, sx, sy in plane.sides for x, y in corners)


def _plane(ring: F64) -> _Plane | None:
    """None for upright or level ones. The normal is Newell's sum over the edges."""
    p = tuple((float(x), float(y), float(z)) for x, y, z in ring)
    pairs = list(zip(p, (*p[1:], p[0]), strict=True))
    nx = sum((a[1] - b[1]) * (a[2] + b[2]) for a, b in pairs)
    ny = sum((a[2] - b[2]) * (a[0] + b[0]) for a, b in pairs)
    nz = sum((a[0] - b[0]) * (a[1] + b[1]) for a, b in pairs)
    flat = math.hypot(nx, ny)
    if flat < 1e-6 or nz < 1e-3:
        return None
    sides = tuple((a[0], a[1], b[0] - a[0], b[1] - a[1]) for a, b in pairs)
    return _Plane(p, sides, nz / 2, (nx / flat, ny / flat), flat / nz)


def _spot_on(plane: _Plane, s: float, t: float, eaves_m: float) -> Spot | None:
    """The point at share t of the slope's height and share s of its width there."""
    heights = [corner[2] for corner in plane.corners]
    z = min(heights) + t * (max(heights) - min(heights))
    ends = []
    for a, b in zip(plane.corners, (*plane.corners[1:], plane.corners[0]), strict=True):
        if (a[2] - z) * (b[2] - z) < 0:
            share = (z - a[2]) / (b[2] - a[2])
            ends.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
    if len(ends) != 2:
        return None
    (x0, y0), (x1, y1) = ends
    return Spot(x0 + s * (x1 - x0), y0 + s * (y1 - y0), eaves_m + z, plane.down, plane.fall)


def lying(spot: Spot, width_m: float, depth_m: float, lift_m: float, material: str, instance: int,
          tint: F64 | tuple[int, int, int] = (128, 128, 128)) -> Mesh:
    """A flat rectangle on the slope."""
    along, down = np.array([-1, 1, 1, -1]) * width_m / 2, np.array([1, 1, -1, -1]) * depth_m / 2
    # along the ridge is a quarter turn from downhill: this order looks up
    return quads(spot.points(along, down, lift_m)[None], material, tint, instance)


def panels(spot: Spot, columns: int, rows: int, instance: int) -> Mesh:
    """An array of solar panels with the gaps between them."""
    wide, deep = _PANEL_M[0], _PANEL_M[1] / float(np.hypot(1, spot.fall))
    across, down = (np.arange(columns) - (columns - 1) / 2) * wide, (np.arange(rows) - (rows - 1) / 2) * deep
    a, d = (g.reshape(-1, 1) for g in np.meshgrid(across, down))
    corner_a, corner_d = np.array([-1, 1, 1, -1]) * (wide / 2 - 0.03), np.array([1, 1, -1, -1]) * (deep / 2 - 0.03)
    return quads(spot.points(a + corner_a, d + corner_d, 0.12), "solar_panel", (128, 128, 128), instance)


def stack(spot: Spot, height_m: float, tint: tuple[int, int, int], instance: int, size_m: float = 0.6) -> Mesh:
    """A chimney or a vent pipe."""
    yaw = float(np.degrees(np.arctan2(spot.down[1], spot.down[0])))
    return box((spot.x, spot.y), (size_m, 1.2 * size_m), yaw, spot.z - size_m * spot.fall, spot.z + height_m,
               "roof_unit", tint, instance)


def dormer(spot: Spot, building: Building, tint: F64) -> Mesh:
    """A window with a small gable roof that runs back into the slope."""
    w, tall, fall = 0.75, 1.15, max(spot.fall, 0.3)
    back, peak = tall / fall, tall + 0.5
    far = peak / fall

    def at(along: float, down: float, up: float) -> list[float]:
        point = spot.points(np.array(along), np.array(down), 0.0)
        return [float(point[0]), float(point[1]), spot.z + up]

    front = [at(-w, 0, -0.1), at(w, 0, -0.1), at(w, 0, tall), at(-w, 0, tall)]
    gable = [at(-w, 0, tall), at(w, 0, tall), at(0, 0, peak), at(0, 0, peak)]
    sides = [[at(w, 0, 0), at(w, -back, tall), at(w, 0, tall), at(w, 0, tall)],
             [at(-w, -back, tall), at(-w, 0, 0), at(-w, 0, tall), at(-w, 0, tall)]]
    o = w + 0.15
    roof = [[at(o, 0.2, tall - 0.1), at(o, -back, tall - 0.1), at(0, -far, peak), at(0, 0.2, peak)],
            [at(-o, -back, tall - 0.1), at(-o, 0.2, tall - 0.1), at(0, 0.2, peak), at(0, -far, peak)]]
    pane = [at(-0.5, 0.03, 0.1), at(0.5, 0.03, 0.1), at(0.5, 0.03, 1.0), at(-0.5, 0.03, 1.0)]
    return Mesh.concatenate([
        quads(np.array([front, gable, *sides]), building.wall_material, (128, 128, 128), building.id),
        quads(np.array(roof), building.roof_material, tint, building.id),
        quads(np.array([pane]), "window", (128, 128, 128), building.id),
    ])


def on_slopes(building: Building, slopes: Slopes, tint: F64, rng: np.random.Generator) -> list[Mesh]:
    """What a pitched roof of this use carries. Draws depend on the building alone."""
    parts = _patches(building, slopes, tint, rng)
    dwelling = building.use in ("house", "apartments") and building.typology != "mobile_home"
    old = building.typology == "masonry"
    area = slopes.area_m2
    if dwelling and old and building.ridge_m - building.eaves_m > 2.2 and rng.random() < 0.55:
        parts += _many(slopes, min(int(area / 45), 8), (2.4, 2.6), (0.3, 0.45),
                       lambda spot: dormer(spot, building, tint))
    if dwelling and rng.random() < (0.22 if not old else 0.10):
        columns, rows = int(rng.integers(3, 8)), int(rng.integers(1, 4))
        spot = slopes.spot(columns * _PANEL_M[0], rows * _PANEL_M[1], (0.35, 0.7))
        parts += [panels(spot, columns, rows, building.id)] if spot else []
    if dwelling:
        most = min(1 + int(area / 90), 12) if old else 2
        parts += _many(slopes, int(rng.integers(0, most + 1)), (0.9, 0.9), (0.7, 0.97),
                       lambda spot: stack(spot, rng.uniform(0.7, 1.3), _BRICK if old else _CEMENT, building.id))
        parts += _many(slopes, int(rng.integers(0, 4 if old else 2)), (0.9, 1.3), (0.25, 0.75),
                       lambda spot: lying(spot, 0.8, 1.2, 0.08, "roof_glass", building.id))
        parts += _many(slopes, int(rng.integers(0, 4)), (0.4, 0.4), (0.3, 0.9),
                       lambda spot: stack(spot, 0.35, _STEEL, building.id, 0.25))
    if building.use in ("industrial", "barn", "commercial"):
        strip = rng.random() < 0.5
        parts += _many(slopes, min(int(area / 60), 16) if strip else 0, (1.2, 3.2), (0.35, 0.65),
                       lambda spot: lying(spot, 1.1, 3.0, 0.06, "roof_glass", building.id))
    return parts


def _many(slopes: Slopes, count: int, size_m: tuple[float, float], up: tuple[float, float],
          make: Callable[[Spot], Mesh]) -> list[Mesh]:
    spots = [slopes.spot(*size_m, up) for _ in range(count)]
    return [make(spot) for spot in spots if spot is not None]


def _patches(building: Building, slopes: Slopes, tint: F64, rng: np.random.Generator) -> list[Mesh]:
    """Repaired places, newer or older than the rest, and dark or mossy streaks; more of them on older roofs."""
    parts = []
    for _ in range(int(rng.integers(0, 2 + min(int(slopes.area_m2 / 90), 3)))):
        width, depth = rng.uniform(0.8, 4.0), rng.uniform(0.8, 2.8)
        shade = tint * rng.choice([0.72, 0.85, 1.18, 1.35]) * rng.uniform(0.95, 1.05, 3)
        if rng.random() < 0.3:
            shade = shade * np.array([0.86, 1.02, 0.74])
        spot = slopes.spot(width, depth, (0.15, 0.85))
        if spot is not None:
            parts.append(lying(spot, width, depth, 0.03, building.roof_material, building.id, shade))
    return parts


def on_flat(building: Building, room: shapely.Polygon, tint: F64, rng: np.random.Generator) -> list[Mesh]:
    """Machines, stair heads, skylights, rows of solar panels and patches on a level roof; `room` is where they fit."""
    low, high = np.array(room.bounds[:2]), np.array(room.bounds[2:])
    area, z = room.area, building.eaves_m
    parts = []
    patches = _scatter(room, low, high, int(rng.integers(0, 2 + min(int(area / 150), 5))), (1.5, 6.0), rng)
    for x, y, w, d in patches:
        shade = tint * rng.choice([0.75, 0.88, 1.12, 1.22])
        parts.append(quads(_level(x, y, w, d, z + 0.03), building.roof_material, shade, building.id))
    if area > 150 and rng.random() < 0.14:
        return [*parts, *_solar_rows(room, z, building.id, rng)]
    if building.use in ("industrial", "commercial") and area > 300 and rng.random() < 0.5:
        parts += _lights(room, low, high, z, building.id)
    units = _scatter(room, low, high, min(int(area / 130) + int(rng.integers(0, 2)), 14), (0.8, 3.2), rng)
    if len(units):
        tall = rng.uniform(0.5, 2.0, len(units))
        tones = 128 * rng.uniform(0.7, 1.25, (len(units), 1)) * np.ones(3)
        parts.append(boxes(units[:, :2], units[:, 2:], np.zeros(len(units)), np.full(len(units), z - 0.05), z + tall,
                           "roof_unit", tones, building.id))
    if building.use in ("apartments", "commercial") and building.storeys >= 3 and area > 80:
        head = _scatter(room, low, high, 1, (3.0, 4.5), rng)
        covered = np.array([[INDEX[building.roof_material]] * 2 + [INDEX[building.wall_material]] * 10] * len(head))
        parts.append(boxes(head[:, :2], head[:, 2:], np.zeros(len(head)), np.full(len(head), z - 0.05),
                           np.full(len(head), z + 2.4), covered.reshape(-1, 12), tint, building.id))
    return parts


def _scatter(room: shapely.Polygon, low: F64, high: F64, count: int, size_m: tuple[float, float],
             rng: np.random.Generator) -> F64:
    """Rows (x, y, width, depth) of up to `count` rectangles within the room."""
    tries = 3 * count
    table = np.column_stack([rng.uniform(low, high, (tries, 2)), rng.uniform(*size_m, (tries, 2))])
    x, y, w, d = table.T
    inside = shapely.contains(room, shapely.box(x - w / 2, y - d / 2, x + w / 2, y + d / 2))
    return np.asarray(table[inside][:count])


def _level(x: float, y: float, w: float, d: float, z: float) -> F64:
    corners = [[x - w / 2, y - d / 2, z], [x + w / 2, y - d / 2, z], [x + w / 2, y + d / 2, z],
               [x - w / 2, y + d / 2, z]]
    return np.array([corners])


def _grid(room: shapely.Polygon, low: F64, high: F64, size: tuple[float, float], step: tuple[float, float]) -> F64:
    """Middles (N, 2) of rectangles of `size` in a grid of `step` that lie within the room."""
    axes = [np.arange(a + n / 2, b - n / 2 + 1e-6, s) for a, b, n, s in zip(low, high, size, step, strict=True)]
    x, y = (g.ravel() for g in np.meshgrid(*axes))
    w, d = size[0] / 2, size[1] / 2
    return np.asarray(np.column_stack([x, y])[shapely.contains(room, shapely.box(x - w, y - d, x + w, y + d))])


def _lights(room: shapely.Polygon, low: F64, high: F64, z: float, instance: int) -> list[Mesh]:
    spots = _grid(room, low + 2, high - 2, (1.4, 2.6), (7.0, 8.0))
    if not len(spots):
        return []
    return [boxes(spots, np.tile([1.4, 2.6], (len(spots), 1)), np.zeros(len(spots)), np.full(len(spots), z - 0.05),
                  np.full(len(spots), z + 0.25), "roof_glass", (128, 128, 128), instance)]


def _solar_rows(room: shapely.Polygon, z: float, instance: int, rng: np.random.Generator) -> list[Mesh]:
    """Tilted rows of panels, 4 m long pieces, looking to one side of the plan."""
    low, high = np.array(room.bounds[:2]), np.array(room.bounds[2:])
    spots = _grid(room, low, low + (high - low) * np.array([rng.uniform(0.6, 1.0), 1.0]), (4.0, 1.0), (4.15, 1.7))
    if not len(spots):
        return []
    offsets = np.array([[-2, -0.48, 0.08], [2, -0.48, 0.08], [2, 0.48, 0.34], [-2, 0.48, 0.34]])
    corners = np.column_stack([spots, np.full(len(spots), z)])[:, None] + offsets
    return [quads(corners, "solar_panel", (128, 128, 128), instance)]
