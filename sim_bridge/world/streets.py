"""Streets and blocks: districts between primary roads, each a grid of its own angle, spacing and bend.

A district is laid out in flat coordinates (u along its streets, v across) and bent into the world by a `Warp`, so that
curved streets, the lots along them and the houses on the lots all follow one rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
import shapely.ops

from sim_bridge.spec import Layout
from sim_bridge.world.model import Street
from sim_bridge.world.shapes import F64, turn

Line = tuple[shapely.Geometry, float, str]
"""Centre line, width (m), kind."""

STREET_M = 9.0
_STEP_M = 6.0


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


def lay_streets(layout: Layout, water: shapely.Geometry, rng: np.random.Generator) -> Network:
    """Primary roads first, then districts between them, then each district's streets, cut where water is."""
    half = layout.size_m / 2
    square = shapely.box(-half, -half, half, half)
    country = _countryside(layout, square, rng)
    primaries = _primary_roads(layout, rng)
    town = shapely.difference(shapely.difference(square, country), shapely.buffer(water, 10))
    pieces = _cut(town, [line for line, _ in primaries])
    districts = tuple(_district(layout, piece, rng) for piece in pieces if piece.area > 4000)
    lines: list[Line] = [(line, width, "primary") for line, width in primaries]
    blocks: list[Block] = []
    for index, district in enumerate(districts):
        own_lines, own_blocks = _district_plan(layout, district, index, rng)
        lines += own_lines
        blocks += own_blocks
    streets = _streets(lines, shapely.difference(square, shapely.buffer(water, 3)))
    corridor = shapely.union_all([shapely.LineString(s.line).buffer(s.width_m / 2) for s in streets])
    return Network(streets, corridor, districts, tuple(blocks), country)


def _countryside(layout: Layout, square: shapely.Polygon, rng: np.random.Generator) -> shapely.Geometry:
    """Open land beyond one or two wavy edges; all of it in rural places."""
    if layout.settlement == "rural":
        return square
    sides = int(rng.choice(3, p=[0.25, 0.5, 0.25] if layout.settlement == "suburb" else [0.6, 0.35, 0.05]))
    parts = []
    for heading in rng.uniform(0, 360) + np.array([0.0, 110.0])[:sides] + rng.uniform(-15, 15, sides):
        along = np.linspace(-1.5, 1.5, 60) * layout.size_m
        edge = layout.size_m * (rng.uniform(0.22, 0.42) + rng.uniform(0, 0.03) * np.sin(along / 60))
        beyond = np.concatenate([np.column_stack([edge, along]),
                                 [[2 * layout.size_m, along[-1]], [2 * layout.size_m, along[0]]]])
        parts.append(shapely.Polygon(turn(beyond, float(heading))).buffer(0))
    return shapely.intersection(shapely.union_all(parts), square) if parts else shapely.Polygon()


def _primary_roads(layout: Layout, rng: np.random.Generator) -> list[tuple[shapely.LineString, float]]:
    chances = {"suburb": (0.3, 0.6, 0.1), "town": (0.0, 0.5, 0.5), "rural": (0.0, 0.75, 0.25)}[layout.settlement]
    count = int(rng.choice(3, p=chances))
    roads, heading = [], rng.uniform(0, 180)
    for k in range(count):
        along = np.linspace(-0.9, 0.9, 90) * layout.size_m
        bend = 0.0 if layout.street_pattern == "grid" else rng.uniform(0.01, 0.06) * layout.size_m
        across = rng.uniform(-0.3, 0.3) * layout.size_m + bend * np.sin(along / layout.size_m * rng.uniform(2, 6) + k)
        line = turn(np.column_stack([along, across]), heading + 90 * k + rng.uniform(-12, 12))
        width = rng.uniform(8, 11) if layout.settlement == "rural" else rng.uniform(12, 19)
        roads.append((shapely.LineString(line), float(width)))
    return roads


def _cut(area: shapely.Geometry, lines: list[shapely.LineString]) -> list[shapely.Polygon]:
    pieces = [p for p in shapely.get_parts(area) if isinstance(p, shapely.Polygon)]
    for line in lines:
        pieces = [part for piece in pieces for part in shapely.get_parts(shapely.ops.split(piece, line))]
    return pieces


def _district(layout: Layout, area: shapely.Polygon, rng: np.random.Generator) -> District:
    """Frame and lot size; along the district's longest straight side, or any way."""
    box = shapely.get_coordinates(shapely.minimum_rotated_rectangle(area))
    side = box[1] - box[0]
    angle = math.degrees(math.atan2(side[1], side[0])) + float(rng.choice([0, 90]))
    angle += rng.uniform(-6, 6) if rng.random() < 0.7 else rng.uniform(-45, 45)
    curved = layout.street_pattern == "curved"
    arc = layout.size_m * rng.uniform(0.9, 2.0) * rng.choice([-1, 1]) if curved and rng.random() < 0.5 else math.inf
    waves = [_wave(rng) for _ in range(int(rng.integers(1, 3)))] if curved else []
    width, depth = {"suburb": (15.0, 25.0), "town": (13.5, 23.0), "rural": (26.0, 45.0)}[layout.settlement]
    stretch = rng.choice([1.0, 1.1, 1.3], p=[0.5, 0.3, 0.2]) * rng.uniform(0.97, 1.06)
    centre = area.centroid
    return District(area, Warp(angle, (centre.x, centre.y), arc, tuple(waves)), width * stretch,
                    depth * rng.uniform(0.95, 1.2))


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
    shared = _links(reach, rng)
    links = [shared if grid else _links(reach, rng) for _ in rows]
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


def _links(reach: float, rng: np.random.Generator) -> F64:
    gaps = rng.uniform(95, 210, int(2 * reach / 95) + 1)
    places = -reach + rng.uniform(-90, 0) + np.cumsum(gaps)
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


def _streets(lines: list[Line], allowed: shapely.Geometry) -> tuple[Street, ...]:
    """Numbered streets out of the parts of lines on allowed ground."""
    streets: list[Street] = []
    for line, width, kind in lines:
        for part in shapely.get_parts(shapely.intersection(line, allowed)):
            if isinstance(part, shapely.LineString) and part.length > 0.4:
                points = tuple((float(x), float(y)) for x, y in part.coords)
                streets.append(Street(len(streets) + 1, points, float(width), kind))
    return tuple(streets)
