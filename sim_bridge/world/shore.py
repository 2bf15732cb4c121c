"""What lies along the water of coastal and riverside places: promenade and quay streets, roads down to the water,
bridges, piers with their boats, and the deck meshes of all of these."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.model import Mesh, Street
from sim_bridge.world.shapes import F64, boxes, mesh_of, turn
from sim_bridge.world.terrain import Relief, water_kind

Line = tuple[shapely.LineString, float, str]
"""Centre line, width (m), kind."""
Heights = Callable[[F64, F64], F64]

STRIP_M = {"sea": 46.0, "quay": 36.0}
"""Depth of the row of lots behind a promenade or a quay."""
BEACH_M = 34.0
"""Depth of the land between sea and promenade."""
QUAY_M = 12.0
"""From the quay wall to the middle of the quay street."""
_CLEARANCE_M = 3.2
_DECK_M = 0.9
_STEP_M = 4.0


@dataclass(frozen=True)
class Pier:
    """A deck over water on piles: centre line (x, y), width and height of its top above the water (m)."""

    line: tuple[tuple[float, float], ...]
    width_m: float
    top_m: float


def parallel(line: shapely.LineString, offset_m: float) -> shapely.LineString:
    """The line shifted to its left by `offset_m`; where that falls into pieces, the longest."""
    parts = shapely.get_parts(shapely.set_precision(shapely.offset_curve(line, offset_m), 0.01))
    return max((part for part in parts if isinstance(part, shapely.LineString)), key=lambda part: float(part.length))


def shore_streets(layout: Layout, relief: Relief, rng: np.random.Generator) -> tuple[list[Line], list[Line]]:
    """Promenade or quays along the water; roads down to the sea or over the river."""
    kind = water_kind(layout)
    if relief.axis is None or (kind == "sea" and layout.settlement != "coastal"):
        return [], []
    if kind == "sea":
        promenade: Line = (parallel(relief.axis, BEACH_M + 5), 11.0, "primary")
        return [promenade], _roads_to(layout, relief.axis, (BEACH_M + 5, layout.size_m), rng)
    across = _roads_to(layout, relief.axis, (-layout.size_m, layout.size_m), rng)
    if kind == "river":
        return [], across[:1]
    width = half_width_m(relief)
    return [(parallel(relief.axis, side * (width + QUAY_M)), 8.5, "residential")
            for side in (-1, 1)], across


def shore_lanes(layout: Layout, relief: Relief, depth_m: float, rng: np.random.Generator) -> list[Line]:
    """Streets along the water, one behind the other, and cross streets between each two: blocks two lots deep."""
    kind = water_kind(layout)
    assert relief.axis is not None
    first = BEACH_M + 10.5 if kind == "sea" else half_width_m(relief) + QUAY_M + 4.5
    rows = np.arange(first + STRIP_M[kind], 1.2 * layout.size_m, 2 * depth_m + 8.0)
    lines: list[Line] = []
    for side in (1, -1) if kind == "quay" else (1,):
        for near, far in zip([first, *rows[:-1]], rows, strict=True):
            back = parallel(relief.axis, side * float(far))
            lines.append((back, float(rng.uniform(6.5, 9)), "residential"))
            places = np.cumsum(rng.uniform(70, 140, int(relief.axis.length / 100)))
            for s in places[places < relief.axis.length - 5]:
                foot, _, out = _frame(relief.axis, float(s), 1)
                ends = [foot - side * near * out, foot - side * (far + 1) * out]
                lines.append((shapely.LineString(ends), float(rng.uniform(6.5, 8.5)), "residential"))
    return lines


def half_width_m(relief: Relief) -> float:
    """Of a river, near the middle of the square: from its axis to its bank."""
    assert relief.axis is not None
    middle = relief.axis.interpolate(relief.axis.project(shapely.Point(0, 0)))
    return float(middle.distance(relief.water[0].exterior))


def _roads_to(layout: Layout, axis: shapely.LineString, reach: tuple[float, float],
              rng: np.random.Generator) -> list[Line]:
    """Roads at right angles to the axis, the first near the middle of the square, spaced like blocks."""
    half = layout.size_m / 2
    middle = axis.project(shapely.Point(0, 0))
    spacing = rng.uniform(150, 210)
    roads: list[Line] = []
    for s in middle + rng.uniform(-30, 30) + spacing * np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5]):
        foot = np.array(axis.interpolate(s).coords[0])
        if np.abs(foot).max() > half - 30:
            continue
        ahead = np.array(axis.interpolate(s + 5).coords[0]) - foot
        normal = turn(ahead / np.hypot(*ahead), 90.0)
        roads.append((shapely.LineString([foot + normal * r for r in reach]), float(rng.uniform(9, 13)), "primary"))
    return roads


def over_water(streets: Sequence[tuple[shapely.Geometry, float, str]], water: shapely.Geometry,
               square: shapely.Polygon) -> tuple[Street, ...]:
    """Numbered streets: lines cut where water is, except that primary roads and rails cross it on bridges."""
    done: list[Street] = []
    dry = shapely.difference(square, shapely.buffer(water, 3.0))
    for line, width, kind in streets:
        done += _pieces(shapely.intersection(line, dry), float(width), kind, False, 0.4)
        if kind in ("primary", "rail") and not shapely.is_empty(water):
            wet = _pieces(shapely.intersection(line, shapely.buffer(water, 3.05)), float(width), kind, True, 4.0)
            done += [piece for piece in wet if _spans(piece, water, square)]
    return tuple(replace(street, id=k + 1) for k, street in enumerate(done))


def _pieces(geometry: shapely.Geometry, width: float, kind: str, bridge: bool, least_m: float) -> list[Street]:
    parts = [p for p in shapely.get_parts(geometry) if isinstance(p, shapely.LineString) and p.length > least_m]
    return [Street(0, tuple((float(x), float(y)) for x, y in p.coords), width, kind, bridge) for p in parts]


def _spans(street: Street, water: shapely.Geometry, square: shapely.Polygon) -> bool:
    """Both ends on land inside the square, and not along the water: no longer than a slanted crossing."""
    ends = shapely.points([street.line[0], street.line[-1]])
    length = shapely.LineString(street.line).length
    on_land = bool(np.all(shapely.distance(ends, water) > 2.0) and np.all(shapely.contains(square, ends)))
    return on_land and length < 140 and bool(shapely.intersects(shapely.LineString(street.line), water))


def piers(layout: Layout, relief: Relief, rng: np.random.Generator) -> tuple[Pier, ...]:
    """The harbour of a coastal place: a mole with a bend, and pontoons in its lee."""
    if layout.settlement != "coastal" or relief.axis is None:
        return ()
    axis = relief.axis
    s0 = axis.project(shapely.Point(0, 0)) + rng.uniform(-0.12, 0.12) * layout.size_m
    side = 1 if rng.random() < 0.5 else -1
    foot, unit, out = _frame(axis, s0, side)
    reach, arm = rng.uniform(0.09, 0.13) * layout.size_m + 14, rng.uniform(0.12, 0.2) * layout.size_m + 10
    mole = [foot - 10 * out, foot + reach * out, foot + (reach + 8) * out + 10 * unit,
            foot + (reach + 6) * out + arm * unit]
    done = [Pier(_tuples(mole), 7.0, 1.9)]
    for s in np.arange(18.0, arm - 6, 26.0):
        root, _, _ = _frame(axis, s0 + side * s, side)
        done.append(Pier(_tuples([root - 3 * out, root + rng.uniform(0.55, 0.75) * reach * out]), 2.2, 0.6))
    return tuple(done)


def _frame(axis: shapely.LineString, s: float, side: int) -> tuple[F64, F64, F64]:
    """Point of the shore, unit vector along it (to the given side) and out to sea."""
    foot, ahead = (np.array(axis.interpolate(v).coords[0]) for v in (s, s + 4))
    unit = (ahead - foot) / np.hypot(*(ahead - foot))
    return foot, unit * side, turn(unit, -90.0)


def _tuples(points: Sequence[F64]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)


def moorings(layout: Layout, relief: Relief, decks: Sequence[Pier], rng: np.random.Generator) -> F64:
    """(N, 4) x, y, yaw, length (m) of boats: both sides of pontoons, along quays and the lee of the mole, at anchor."""
    rows = [np.zeros((0, 4))]
    for pier in decks:
        line = shapely.LineString(pier.line)
        small = pier.width_m < 4
        for side in (-1, 1) if small else (1,):
            s = np.arange(9.0 if small else 30.0, line.length - 3, 3.6 if small else 11.0)
            s = s[rng.random(len(s)) < 0.72]
            lengths = rng.uniform(5.0, 8.5, len(s)) if small else rng.uniform(8.0, 13.0, len(s))
            rows.append(_alongside(line, s, side * (pier.width_m / 2 + 0.6), lengths, small, side))
    if water_kind(layout) == "quay" and relief.axis is not None:
        rows += _along_quays(relief, rng)
    return np.concatenate(rows)


def _along_quays(relief: Relief, rng: np.random.Generator) -> list[F64]:
    assert relief.axis is not None
    width, rows = half_width_m(relief), []
    for side in (-1, 1):
        line = parallel(relief.axis, side * (width - 0.4))
        s = np.cumsum(rng.uniform(14, 60, max(int(line.length / 37), 1)))
        lengths = np.where(rng.random(len(s)) < 0.3, rng.uniform(20, 30, len(s)), rng.uniform(7, 13, len(s)))
        rows.append(_alongside(line, s[s < line.length - 2], -side * 1.0, lengths[s < line.length - 2], False, -side))
    return rows


def _alongside(line: shapely.LineString, s: F64, offset: float, lengths: F64, across: bool, side: int) -> F64:
    """Boats beside a line: with their bows to it, or with their sides to it."""
    here, ahead = (shapely.get_coordinates(shapely.line_interpolate_point(line, s + d)) for d in (0, 0.5))
    unit = (ahead - here) / np.maximum(np.hypot(*(ahead - here).T), 1e-6)[:, None]
    normal = np.column_stack([-unit[:, 1], unit[:, 0]])
    beam = lengths / 2 if across else 0.15 * lengths + 0.4
    place = here + normal * (offset + math.copysign(1, side) * beam)[:, None]
    yaw = np.degrees(np.arctan2(unit[:, 1], unit[:, 0])) + (90.0 * side if across else 0.0)
    return np.column_stack([place, yaw, lengths])


def deck_meshes(layout: Layout, relief: Relief, streets: Sequence[Street], decks: Sequence[Pier],
                heights: Heights) -> Mesh:
    """Bridges from bank to bank with parapets, quay walls, and piers; tops look like a road, flags or boards."""
    level = relief.level_m or 0.0
    bridges = [_bridge(street, heights, level) for street in streets if street.bridge]
    meshes = _quay_walls(layout, relief, heights) + bridges
    for pier in decks:
        line = shapely.segmentize(shapely.LineString(pier.line), _STEP_M)
        top = np.full(shapely.get_num_coordinates(line), level + pier.top_m)
        name = "pontoon" if pier.width_m < 4 else "concrete"
        meshes.append(_slab(line, pier.width_m, top, pier.top_m + 1.5, name, name))
    return Mesh.concatenate(meshes)


def _quay_walls(layout: Layout, relief: Relief, heights: Heights) -> list[Mesh]:
    """The edge of both banks as a level stone kerb with a wall below it."""
    if water_kind(layout) != "quay" or relief.axis is None:
        return []
    half = layout.size_m / 2
    square = shapely.box(-half, -half, half, half)
    meshes = []
    for side in (-1, 1):
        bank = parallel(relief.axis, side * (half_width_m(relief) + 2.2))
        for line in shapely.get_parts(shapely.intersection(bank, square)):
            xy = shapely.get_coordinates(line)
            inland = shapely.get_coordinates(shapely.offset_curve(line, side * 5.0))
            top = float(np.max(heights(inland[:, 0], inland[:, 1]), initial=0.0)) if line.length > 8 else 0.0
            if top > 0:
                level_m = np.full(len(xy), min(top + 0.05, (relief.level_m or 0.0) + 2.9))
                meshes.append(_slab(line, 5.4, level_m, 5.0, "flagstone", "concrete"))
    return meshes


def _bridge(street: Street, heights: Heights, level: float) -> Mesh:
    line = shapely.segmentize(_longer(shapely.LineString(street.line), 5.0), _STEP_M)
    xy = shapely.get_coordinates(line)
    s = np.linspace(0, 1, len(xy))
    ends = heights(xy[[0, -1], 0], xy[[0, -1], 1]) + 0.08
    arch = max(level + _CLEARANCE_M - float(ends.mean()), 0.25) * np.minimum(1.0, 3.0 * np.minimum(s, 1 - s))
    top = ends[0] + s * (ends[1] - ends[0]) + arch
    rail = street.kind == "rail"
    parts = [_slab(line, street.width_m + 1.6, top, _DECK_M, "ballast" if rail else "asphalt", "concrete")]
    for side in (-1, 1):
        edge = shapely.get_coordinates(parallel(line, side * (street.width_m / 2 + 0.6)))
        z = np.interp(np.linspace(0, 1, len(edge)), s, top)
        parts.append(_parapet(edge, z))
    return Mesh.concatenate(parts)


def _longer(line: shapely.LineString, by_m: float) -> shapely.LineString:
    """The line with both ends carried on straight."""
    xy = shapely.get_coordinates(line)
    first, last = xy[0] - xy[1], xy[-1] - xy[-2]
    return shapely.LineString([xy[0] + by_m * first / np.hypot(*first), *xy, xy[-1] + by_m * last / np.hypot(*last)])


def _parapet(edge: F64, z: F64) -> Mesh:
    along = np.diff(edge, axis=0)
    sizes = np.column_stack([np.hypot(along[:, 0], along[:, 1]) + 0.05, np.full(len(along), 0.3)])
    low = np.minimum(z[:-1], z[1:])
    yaw = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
    return boxes((edge[:-1] + edge[1:]) / 2, sizes, yaw, low - 0.2, low + 1.0, "concrete")


def _slab(line: shapely.LineString, width: float, top: F64, thick: float, surface: str, side: str) -> Mesh:
    """A strip along a line: its top at heights `top` (one a vertex), sides and underside `thick` below."""
    xy = shapely.get_coordinates(line)
    ahead = np.gradient(xy, axis=0)
    ahead /= np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]
    normal = np.column_stack([-ahead[:, 1], ahead[:, 0]]) * width / 2
    n = len(xy)
    corners = ((1, 0.0), (-1, 0.0), (-1, thick), (1, thick))
    rails = [np.column_stack([xy + sign * normal, top - drop]) for sign, drop in corners]
    i = np.arange(n - 1)

    def band(a: int, b: int) -> F64:
        p, q = a * n + i, b * n + i
        return np.concatenate([np.column_stack([p, q, q + 1]), np.column_stack([p, q + 1, p + 1])])

    ends = np.array([[0, n, 2 * n], [0, 2 * n, 3 * n]])
    last = ends[:, ::-1] + n - 1
    vertices = np.concatenate(rails)
    faces = np.concatenate([band(1, 2), band(2, 3), band(3, 0), ends, last])
    return Mesh.concatenate([mesh_of(vertices, band(0, 1), surface), mesh_of(vertices, faces, side)])
