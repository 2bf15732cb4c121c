"""Streets that nobody planned: the edges of Voronoi cells, thinned and bent, and lots along the blocks they leave."""

from __future__ import annotations

import math

import numpy as np
import shapely

from sim_bridge.world.shapes import F64

_DROPPED = 0.2
"""Share of edges left out, so that blocks differ in size and some lanes end blind."""
_THIN_M = 9.0


def lanes(area: shapely.Polygon, pitch_m: float, rng: np.random.Generator) -> list[shapely.LineString]:
    """Centre lines of an organic net inside `area` whose blocks are about `pitch_m` across.

    Edges of the Voronoi cells of a jittered lattice, a share of them dropped, all of them bent by the same waves.
    """
    x0, y0, x1, y1 = area.bounds
    columns, rows = (np.arange(a - 2 * pitch_m, b + 2 * pitch_m, pitch_m) for a, b in ((x0, x1), (y0, y1)))
    grid = np.stack(np.meshgrid(columns, rows), -1)
    grid[::2, :, 0] += pitch_m / 2
    points = (grid + rng.uniform(-0.38, 0.38, grid.shape) * pitch_m).reshape(-1, 2)
    edges = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), only_edges=True))
    kept = edges[rng.random(len(edges)) >= _DROPPED]
    net = shapely.segmentize(shapely.line_merge(shapely.multilinestrings(kept)), 7.0)
    phase, heading = rng.uniform(0, 2 * math.pi, 2), rng.uniform(0, math.pi)
    bent = shapely.transform(net, lambda xy: _bend(xy, pitch_m, phase, heading))
    parts = shapely.get_parts(shapely.intersection(shapely.get_parts(bent), area))
    return [part for part in shapely.get_parts(parts) if isinstance(part, shapely.LineString) and part.length > 4]


def _bend(xy: F64, pitch_m: float, phase: F64, heading: float) -> F64:
    k = 2 * math.pi / (2.3 * pitch_m)
    along = xy[:, 0] * math.cos(heading) + xy[:, 1] * math.sin(heading)
    across = xy[:, 1] * math.cos(heading) - xy[:, 0] * math.sin(heading)
    push = 0.045 * pitch_m * np.column_stack([np.sin(k * across + phase[0]), np.sin(k * along + phase[1])])
    return np.asarray(xy + push)


def blocks_between(area: shapely.Geometry, corridor: shapely.Geometry, least_m2: float) -> list[shapely.Polygon]:
    """What the streets leave of `area`: polygons without slivers."""
    left = shapely.difference(area, corridor).buffer(-1.0).buffer(1.0, join_style="mitre")
    return [part for part in shapely.get_parts(left) if isinstance(part, shapely.Polygon) and part.area >= least_m2]


def frontage_lots(block: shapely.Polygon, corridor: shapely.Geometry, width_m: tuple[float, float], depth_m: float,
                  rng: np.random.Generator, share: float = 0.49) -> list[F64]:
    """Rectangles (4, 2) side by side along the sides of `block` that lie on a street, their first side the street's.

    Rows of two sides do not overlap at their corner; where a block is too thin for lots on both of its sides they do,
    see `clear_of_earlier`. share: of the block's thickness that a lot may take.
    """
    ring = _corners(block.simplify(1.2))
    depth = min(depth_m, share * thickness(block))
    if depth < _THIN_M * 0.75 or len(ring) < 3:
        return []
    sides = np.roll(ring, -1, axis=0) - ring
    length = np.hypot(sides[:, 0], sides[:, 1])
    middles = ring + sides / 2
    served = shapely.distance(shapely.points(middles), corridor) < 3.0
    rows = served & (length > width_m[0])
    starts = np.where(np.roll(rows, 1), _corner_gaps(sides / length[:, None], depth), 0.0)
    lots: list[F64] = []
    for k in np.flatnonzero(served & (length - starts > width_m[0])):
        unit = sides[k] / length[k]
        cuts = _cuts(float(starts[k]), float(length[k]), width_m, rng)
        front = ring[k] + cuts[:, None] * unit
        back = front + np.array([-unit[1], unit[0]]) * depth
        lots += [np.array([front[i], front[i + 1], back[i + 1], back[i]]) for i in range(len(cuts) - 1)]
    return lots


def _corners(block: shapely.Geometry) -> F64:
    """Outer corners, counter-clockwise."""
    ring = shapely.get_exterior_ring(shapely.orient_polygons(block))
    return np.asarray(shapely.get_coordinates(ring)[:-1])


def clear_of_earlier(lots: list[F64], share: float = 0.3) -> list[int]:
    """Indices of lots that have at most `share` of their own area in common with each lot kept before them."""
    polygons = np.array([shapely.Polygon(lot) for lot in lots], dtype=object)
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = (first > second)
    first, second = first[pairs], second[pairs]
    common = shapely.area(shapely.intersection(polygons[first], polygons[second]))
    clash = common > share * shapely.area(polygons[first])
    rivals: dict[int, list[int]] = {}
    for late, early in zip(first[clash].tolist(), second[clash].tolist(), strict=True):
        rivals.setdefault(late, []).append(early)
    dropped: set[int] = set()
    for late in sorted(rivals):
        if any(early not in dropped for early in rivals[late]):
            dropped.add(late)
    return [k for k in range(len(lots)) if k not in dropped]


def thickness(block: shapely.Polygon) -> float:
    """Shorter side (m) of the rectangle round a block."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(block))
    return float(np.hypot(*np.diff(corners[:3], axis=0).T).min())


def _corner_gaps(units: F64, depth: float) -> F64:
    """How far from its start each side is taken by the row of the side before it."""
    before = np.roll(units, 1, axis=0)
    sine = before[:, 0] * units[:, 1] - before[:, 1] * units[:, 0]
    cosine = np.sum(before * units, axis=1)
    # sine <= 0: the corner is concave and nothing overlaps; cosine < 0: the corner is acute
    gap = np.where(cosine >= 0, sine, 1 / np.maximum(sine, 0.25))
    return np.asarray(np.where(sine > 0, depth * gap + 0.05, 0.0))


def _cuts(start: float, end: float, width_m: tuple[float, float], rng: np.random.Generator) -> F64:
    count = max(round((end - start) / rng.uniform(*width_m)), 1)
    shares = rng.uniform(0.7, 1.35, count)
    return np.asarray(start + (end - start) * np.concatenate([[0], np.cumsum(shares) / shares.sum()]))
