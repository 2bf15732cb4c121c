"""Streets and blocks: districts between primary roads, each a grid of its own angle, spacing and bend.

A district is laid out in flat coordinates (u along its streets, v across) and bent into the world by a `Warp`, so that
curved streets, the lots along them and the houses on the lots all follow one rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import shapely
import shapely.ops

from sim_bridge.spec import Layout
from sim_bridge.world.model import Street
from sim_bridge.world.organic import blocks_between, lanes
from sim_bridge.world.shapes import F64, turn
from sim_bridge.world.shore import BEACH_M, QUAY_M, STRIP_M, over_water, shore_lanes, shore_streets
from sim_bridge.world.terrain import Relief, water_kind

Line = tuple[shapely.Geometry, float, str]
"""Centre line, width (m), kind."""
Era = Literal["old", "mid", "new"]

STREET_M = 9.0
_STEP_M = 6.0
_BEYOND_M = 70.0
_SMALL_M = 220.0
"""Squares narrower than this are all settlement, with one through road at most: more would leave no room for houses."""
_DISTRICT_M2 = 180_000.0
"""Size about which a district of suburbs and towns is parted by a street."""


@dataclass(frozen=True)
class _Manner:
    """How a kind of settlement is laid out; lengths in metres."""

    lot_width_m: float
    lot_depth_m: float
    primaries: tuple[float, float, float]
    """Chance of none, one and two through roads of their own."""
    primary_m: tuple[float, float] = (12.0, 19.0)
    links_m: tuple[float, float] = (95.0, 210.0)
    """Distance between the cross streets of a district."""
    pitch_m: float = 95.0
    """Size of blocks where streets are organic."""
    lane_m: tuple[float, float] = (7.5, 9.0)
    sides: tuple[float, float, float] = (0.6, 0.35, 0.05)
    """Chance of open land on none, one and two sides."""


_MANNER = {
    "suburb": _Manner(15.5, 25.5, (0.3, 0.6, 0.1), sides=(0.25, 0.5, 0.25)),
    "town": _Manner(13.5, 23.0, (0.0, 0.5, 0.5), pitch_m=85.0),
    "rural": _Manner(26.0, 45.0, (0.0, 0.75, 0.25), (8.0, 11.0), pitch_m=150.0, sides=(0.0, 0.0, 1.0)),
    "village": _Manner(22.0, 32.0, (0.0, 0.6, 0.4), (6.5, 8.5), pitch_m=96.0, lane_m=(4.5, 6.0), sides=(0.0, 0.0, 1.0)),
    "old_town": _Manner(8.0, 12.0, (0.1, 0.6, 0.3), (9.0, 13.0), pitch_m=52.0, lane_m=(3.6, 6.5),
                        sides=(0.75, 0.25, 0.0)),
    "industrial": _Manner(90.0, 62.0, (0.0, 0.6, 0.4), (13.0, 18.0), (150.0, 280.0), 190.0, (9.0, 12.0)),
    "coastal": _Manner(13.5, 22.0, (1.0, 0.0, 0.0), pitch_m=85.0, sides=(0.8, 0.2, 0.0)),
    "riverside": _Manner(12.5, 20.0, (1.0, 0.0, 0.0), pitch_m=80.0, lane_m=(6.0, 8.5), sides=(0.8, 0.2, 0.0)),
}


@dataclass(frozen=True)
class Warp:
    """District (u, v) to world (x, y): an arc of signed radius `arc_m` (inf: straight), waves, a turn, a shift."""

    angle_deg: float
    centre: tuple[float, float]
    arc_m: float
    waves: tuple[tuple[float, float, float, float, float], ...]
    """Each: amplitude (m), direction of the displacement (rad), wave numbers in u and v (rad/m), phase (rad)."""

    def __call__(self, uv: F64) -> F64:
        flat = np.asarray(uv, np.float64)
        if math.isfinite(self.arc_m):
            radius = self.arc_m - flat[..., 1]
            bend = flat[..., 0] / self.arc_m
            flat = np.stack([radius * np.sin(bend), self.arc_m - radius * np.cos(bend)], -1)
        moved = flat.copy()
        for amplitude, direction, ku, kv, phase in self.waves:
            push = amplitude * np.sin(ku * flat[..., 0] + kv * flat[..., 1] + phase)
            moved += np.stack([push * math.cos(direction), push * math.sin(direction)], -1)
        return np.asarray(turn(moved, self.angle_deg) + np.asarray(self.centre))


@dataclass(frozen=True)
class Block:
    """Land between streets: u0, u1, v0, v1 in the district's frame."""

    district: int
    u0: float
    u1: float
    v0: float
    v1: float


@dataclass(frozen=True)
class District:
    """A part of the settlement with its own frame and lot size (m)."""

    area: shapely.Polygon
    warp: Warp
    lot_width_m: float
    lot_depth_m: float
    era: Era = "mid"
    """When it was built: old lots are large and grown over, new ones small, alike and bare."""


@dataclass(frozen=True)
class Network:
    """All streets, the ground they take, and the blocks and districts between them."""

    streets: tuple[Street, ...]
    corridor: shapely.Geometry
    """Carriageways."""
    districts: tuple[District, ...]
    blocks: tuple[Block, ...]
    open_land: shapely.Geometry
    """Countryside inside the square."""
    cells: tuple[shapely.Polygon, ...] = ()
    """Blocks between streets that follow no frame, in world coordinates; places with cells have no `blocks`."""
    front: shapely.Geometry = field(default_factory=shapely.Polygon)
    """Promenade or quay streets: what looks at the water stands along them."""


def has_cells(layout: Layout) -> bool:
    """True where lots are cut from whatever the streets leave, not from the blocks of a district's frame."""
    return layout.street_pattern == "organic" or layout.settlement not in ("suburb", "town", "rural")


def _is_organic(layout: Layout) -> bool:
    """True where streets have no plan: villages and old towns always, others if the layout says so."""
    return layout.settlement in ("village", "old_town") or (
        layout.street_pattern == "organic" and layout.settlement != "industrial")


def lay_streets(layout: Layout, relief: Relief, rng: np.random.Generator) -> Network:
    """Through roads and those along the water first, then what lies between them, cut or bridged where water is."""
    half = layout.size_m / 2
    square = shapely.box(-half, -half, half, half)
    water = shapely.union_all(relief.water)
    country = _countryside(layout, square, rng)
    along, across = shore_streets(layout, relief, rng)
    main: list[Line] = [*_primary_roads(layout, rng), *along, *across, *_railway(layout, rng)]
    # places with cells are laid out a little beyond the square, so that blocks at its edge have all their streets
    beyond = square.buffer(_BEYOND_M if has_cells(layout) else 0.0, join_style="mitre")
    town = shapely.difference(shapely.difference(beyond, country), shapely.buffer(water, _kept_free(layout)))
    pieces = [p for p in _cut(town, [line for line, _, _ in main]) if p.area > 4000]
    if not has_cells(layout):
        collectors, pieces = _collectors(layout, pieces, rng)
        main += collectors
    lines, blocks = list(main), list[Block]()
    districts = tuple(_district(layout, piece, rng) for piece in pieces)
    if _is_organic(layout):
        lines += [lane for piece in pieces for lane in _lanes(layout, piece, rng)]
    elif water_kind(layout) in STRIP_M and layout.settlement in ("coastal", "riverside") and relief.axis is not None:
        depth = _MANNER[layout.settlement].lot_depth_m
        lines += [(shapely.intersection(line, town), width, kind)
                  for line, width, kind in shore_lanes(layout, relief, depth, rng)]
    else:
        for index, district in enumerate(districts):
            own_lines, own_blocks = _district_plan(layout, district, index, rng)
            lines += own_lines
            blocks += own_blocks
    lines += _tracks(layout, country, rng)
    streets = over_water(lines, water, square)
    corridor = shapely.union_all([shapely.LineString(s.line).buffer(s.width_m / 2) for s in streets])
    cells = tuple(blocks_between(town, _walks(layout, lines, beyond), 120.0)) if has_cells(layout) else ()
    front = shapely.union_all([shapely.buffer(line, width / 2) for line, width, _ in along])
    return Network(streets, corridor, districts, () if cells else tuple(blocks), country, cells, front)


def _walks(layout: Layout, lines: list[Line], area: shapely.Geometry) -> shapely.Geometry:
    """Streets with their pavements, beyond the square as well."""
    edge = 0.8 if layout.settlement == "old_town" else 1.2
    inside = shapely.intersection(np.array([line for line, _, _ in lines], dtype=object), area)
    return shapely.union_all(shapely.buffer(inside, np.array([width / 2 + edge for _, width, _ in lines])))


def _kept_free(layout: Layout) -> float:
    """Width (m) of the land along the water that is not cut into ordinary blocks."""
    kind = water_kind(layout)
    return {"sea": BEACH_M + 11.0, "quay": QUAY_M + 5.0}.get(kind, 10.0) if layout.settlement in (
        "coastal", "riverside") else 45.0 if kind == "sea" else 10.0


def _countryside(layout: Layout, square: shapely.Polygon, rng: np.random.Generator) -> shapely.Geometry:
    """Open land beyond one or two wavy edges; all of it in rural places, all round a village."""
    if layout.settlement == "rural":
        return square
    if layout.settlement == "village":
        return shapely.difference(square, _core(layout, rng))
    sides = int(rng.choice(3, p=_MANNER[layout.settlement].sides)) if layout.size_m >= _SMALL_M else 0
    parts = []
    for heading in rng.uniform(0, 360) + np.array([0.0, 110.0])[:sides] + rng.uniform(-15, 15, sides):
        along = np.linspace(-1.5, 1.5, 60) * layout.size_m
        edge = layout.size_m * (rng.uniform(0.22, 0.42) + rng.uniform(0, 0.03) * np.sin(along / 60))
        beyond = np.concatenate([np.column_stack([edge, along]),
                                 [[2 * layout.size_m, along[-1]], [2 * layout.size_m, along[0]]]])
        parts.append(shapely.Polygon(turn(beyond, float(heading))).buffer(0))
    return shapely.intersection(shapely.union_all(parts), square) if parts else shapely.Polygon()


def _core(layout: Layout, rng: np.random.Generator) -> shapely.Polygon:
    """The lobed area that a village's houses stand on."""
    angle = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    lobes = sum(rng.uniform(0.05, 0.3) / k * np.sin(k * angle + rng.uniform(0, 6.28)) for k in range(1, 5))
    radius = min(0.34 * layout.size_m, 200.0) * (1 + np.asarray(lobes))
    return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None])


def _primary_roads(layout: Layout, rng: np.random.Generator) -> list[Line]:
    manner = _MANNER[layout.settlement]
    roads: list[Line] = []
    heading, reach = rng.uniform(0, 180), 0.12 if layout.settlement == "village" else 0.3
    count = int(rng.choice(3, p=manner.primaries))
    for k in range(min(count, 1) if layout.size_m < _SMALL_M else count):
        along = np.linspace(-0.9, 0.9, 90) * layout.size_m
        bend = 0.0 if layout.street_pattern == "grid" else rng.uniform(0.01, 0.06) * layout.size_m
        shift = rng.uniform(-reach, reach) * layout.size_m
        across = shift + bend * np.sin(along / layout.size_m * rng.uniform(2, 6) + k)
        line = turn(np.column_stack([along, across]), heading + 90 * k + rng.uniform(-12, 12))
        roads.append((shapely.LineString(line), float(rng.uniform(*manner.primary_m)), "primary"))
    return roads


def _railway(layout: Layout, rng: np.random.Generator) -> list[Line]:
    """Two tracks through an industrial area, a little bent."""
    if layout.settlement != "industrial":
        return []
    along = np.linspace(-0.9, 0.9, 60) * layout.size_m
    bend = rng.uniform(-0.05, 0.05) * (along / layout.size_m)**2
    across = layout.size_m * (rng.uniform(-0.3, 0.3) + bend)
    line = turn(np.column_stack([along, across]), float(rng.uniform(0, 180)))
    return [(shapely.LineString(line), 9.5, "rail")]


def _tracks(layout: Layout, country: shapely.Geometry, rng: np.random.Generator) -> list[Line]:
    """Winding farm tracks through the open land of villages and rural places."""
    if layout.settlement not in ("village", "rural"):
        return []
    lines: list[Line] = []
    for _ in range(max(round(layout.size_m / 160), 1)):
        along = np.linspace(-0.9, 0.9, 120) * layout.size_m
        swing = rng.uniform(0.01, 0.04) * layout.size_m * np.sin(along / rng.uniform(30, 90) + rng.uniform(0, 6))
        across = rng.uniform(-0.45, 0.45) * layout.size_m + swing
        line = shapely.LineString(turn(np.column_stack([along, across]), float(rng.uniform(0, 180))))
        lines.append((shapely.intersection(line, country), float(rng.uniform(2.8, 4.2)), "track"))
    return lines


def _lanes(layout: Layout, piece: shapely.Polygon, rng: np.random.Generator) -> list[Line]:
    manner = _MANNER[layout.settlement]
    found = lanes(piece, manner.pitch_m * rng.uniform(0.9, 1.15), rng)
    widths = rng.uniform(*manner.lane_m, len(found))
    return [(line, float(width), "residential") for line, width in zip(found, widths, strict=True)]


def _cut(area: shapely.Geometry, lines: list[shapely.Geometry]) -> list[shapely.Polygon]:
    pieces = [p for p in shapely.get_parts(area) if isinstance(p, shapely.Polygon)]
    for line in lines:
        pieces = [part for piece in pieces for part in shapely.get_parts(shapely.ops.split(piece, line))]
    return pieces


def _collectors(layout: Layout, pieces: list[shapely.Polygon],
                rng: np.random.Generator) -> tuple[list[Line], list[shapely.Polygon]]:
    """Streets across large pieces, which part them into districts of their own age and direction."""
    lines, done, left = list[Line](), list[shapely.Polygon](), list(pieces)
    while left:
        piece = left.pop()
        if piece.area < _DISTRICT_M2 * rng.uniform(0.9, 1.5):
            done.append(piece)
            continue
        box = shapely.get_coordinates(shapely.minimum_rotated_rectangle(piece))
        sides = np.diff(box[:3], axis=0)
        short = sides[np.hypot(*sides.T).argmin()]
        heading = math.degrees(math.atan2(short[1], short[0])) + rng.uniform(-18, 18)
        along = np.linspace(-1.6, 1.6, 80) * layout.size_m
        bend = 0.0 if layout.street_pattern == "grid" else rng.uniform(5, 25)
        local = np.column_stack([along, bend * np.sin(along / rng.uniform(50, 140))])
        middle = shapely.get_coordinates(shapely.centroid(piece))[0]
        line = shapely.LineString(turn(local, heading) + middle + rng.uniform(-40, 40, 2))
        lines.append((shapely.intersection(line, piece), float(rng.uniform(9.5, 12)), "residential"))
        parts = [part for part in _cut(piece, [line]) if part.area > 4000]
        done += parts if len(parts) < 2 else []
        left += parts if len(parts) > 1 else []
    return lines, done


def _district(layout: Layout, area: shapely.Polygon, rng: np.random.Generator) -> District:
    """Frame and lot size; along the district's longest straight side, or any way."""
    box = shapely.get_coordinates(shapely.minimum_rotated_rectangle(area))
    side = box[1] - box[0]
    angle = math.degrees(math.atan2(side[1], side[0])) + float(rng.choice([0, 90]))
    angle += rng.uniform(-6, 6) if rng.random() < 0.7 else rng.uniform(-45, 45)
    curved = layout.street_pattern == "curved" and layout.settlement != "industrial"
    arc = layout.size_m * rng.uniform(0.9, 2.0) * rng.choice([-1, 1]) if curved and rng.random() < 0.5 else math.inf
    waves = [_wave(rng) for _ in range(int(rng.integers(1, 3)))] if curved else []
    manner = _MANNER[layout.settlement]
    era: Era = ("old", "mid", "new")[int(rng.choice(3, p=[0.3, 0.45, 0.25]))]
    stretch = {"old": 1.2, "mid": 1.06, "new": 0.9}[era] * rng.uniform(0.94, 1.1)
    depth = manner.lot_depth_m * {"old": 1.18, "mid": 1.06, "new": 0.95}[era] * rng.uniform(0.95, 1.1)
    centre = area.centroid
    warp = Warp(angle, (centre.x, centre.y), arc, tuple(waves))
    return District(area, warp, manner.lot_width_m * stretch, depth, era)


def _wave(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    """Amplitude bounded by the wave length, so that lots are sheared but never folded."""
    length, heading = rng.uniform(220, 480), rng.uniform(0, 2 * math.pi)
    amplitude = length * rng.uniform(0.025, 0.06)
    k = 2 * math.pi / length
    return (amplitude, heading + math.pi / 2, k * math.cos(heading), k * math.sin(heading), rng.uniform(0, 6.28))


def _district_plan(layout: Layout, district: District, index: int,
                   rng: np.random.Generator) -> tuple[list[Line], list[Block]]:
    """Long streets at constant v, links between them at constant u, blocks between those."""
    reach = 0.75 * math.hypot(*np.ptp(np.asarray(district.area.exterior.coords), axis=0))
    pitch = 2 * district.lot_depth_m + STREET_M
    rows = np.arange(-reach + rng.uniform(0, pitch), reach, pitch)
    grid = layout.street_pattern == "grid"
    shared = _links(reach, _MANNER[layout.settlement].links_m, rng)
    gaps = _MANNER[layout.settlement].links_m
    links = [shared if grid else _links(reach, gaps, rng) for _ in rows]
    lines: list[Line] = []
    blocks: list[Block] = []
    for k, v in enumerate(rows):
        near = np.concatenate([links[k], links[k - 1] if k else []])
        lines += _row(district, float(v), reach, near, 0.1 if grid else 0.4, rng)
        if k + 1 == len(rows):
            continue
        for u0, u1 in pairwise(links[k]):
            lines.append((_bent(district, [(u0, v), (u0, rows[k + 1])]), STREET_M, "residential"))
            half = STREET_M / 2
            blocks.append(Block(index, u0 + half, u1 - half, float(v) + half, float(rows[k + 1]) - half))
    clipped: list[Line] = [(shapely.intersection(line, district.area), width, kind) for line, width, kind in lines]
    return clipped, blocks


def _links(reach: float, gap_m: tuple[float, float], rng: np.random.Generator) -> F64:
    gaps = rng.uniform(*gap_m, int(2 * reach / gap_m[0]) + 1)
    places = -reach + rng.uniform(-gap_m[0], 0) + np.cumsum(gaps)
    return np.asarray(places[places < reach])


def _row(district: District, v: float, reach: float, links: F64, cut_share: float,
         rng: np.random.Generator) -> list[Line]:
    """One long street; between links it is cut now and then into two cul-de-sacs with turning circles."""
    stops = np.sort(links)
    lines: list[Line] = []
    start = -reach
    for u0, u1 in pairwise(stops):
        if u1 - u0 < 90 or rng.random() > cut_share:
            continue
        middle, gap = (u0 + u1) / 2 + rng.uniform(-8, 8), rng.uniform(14, 20)
        lines.append((_bent(district, [(start, v), (middle - gap, v)]), STREET_M, "cul_de_sac"))
        lines += [(_bent(district, [(end - 0.5, v), (end + 0.5, v)]), rng.uniform(19, 23), "cul_de_sac")
                  for end in (middle - gap, middle + gap)]
        start = middle + gap
    lines.append((_bent(district, [(start, v), (reach, v)]), STREET_M, "residential"))
    return lines


def _bent(district: District, ends: list[tuple[float, float]]) -> shapely.LineString:
    (u0, v0), (u1, v1) = ends
    count = max(int(math.hypot(u1 - u0, v1 - v0) / _STEP_M), 1) + 1
    return shapely.LineString(district.warp(np.column_stack([np.linspace(u0, u1, count), np.linspace(v0, v1, count)])))
