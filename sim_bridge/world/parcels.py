"""Who uses which land: lots in the blocks of the settlement, farmsteads on country roads, fields and woods beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
import shapely.affinity
import shapely.ops

from sim_bridge.spec import Layout
from sim_bridge.world.shapes import F64
from sim_bridge.world.streets import Block, Network, Warp

_COUNTRY = ("field_dry", "meadow", "vineyard", "field_green", "wood", "savanna", "soil")

_MOBILE_LOT_M = 11.0
"""Width of a lot in a park of mobile homes."""


@dataclass(frozen=True)
class Parcel:
    """Land under one use. ring: (N, 2), counter-clockwise; of lots, N = 4 and the first side is the street's.

    use: house, mobile, farm, vacant, park, commercial, apartments, or a kind of countryside (field_dry, meadow,
    vineyard, field_green, wood, savanna, soil). yaw_deg: direction of the street side, or of a field's rows.
    """

    ring: F64
    use: str
    yaw_deg: float

    @property
    def polygon(self) -> shapely.Polygon:
        return shapely.Polygon(self.ring)


def divide(layout: Layout, network: Network, rng: np.random.Generator) -> tuple[Parcel, ...]:
    """Countryside first, then everything that lies upon it, in the order in which the ground is painted."""
    fields = _fields(layout, network.open_land, rng)
    lots = [parcel for block in network.blocks for parcel in _block(layout, network, block, rng)]
    half = layout.size_m / 2
    inside = [p for p in lots if np.all(np.abs(p.ring.mean(axis=0)) < half - 2)]
    return (*fields, *_farmsteads(layout, network, rng), *inside)


def bay_rows(depth_m: float) -> F64:
    """Where rows of parking bays begin, from the street side of a commercial lot `depth_m` deep."""
    return np.arange(5.0, depth_m - 9, 17.0)


def _lot(ring: F64, use: str) -> Parcel:
    side = ring[1] - ring[0]
    return Parcel(ring, use, math.degrees(math.atan2(side[1], side[0])))


def _block(layout: Layout, network: Network, block: Block, rng: np.random.Generator) -> list[Parcel]:
    """A block as a whole (shops, flats, a park, waste land) or cut into two rows of house lots."""
    district = network.districts[block.district]
    middle = district.warp(np.array([[(block.u0 + block.u1) / 2, (block.v0 + block.v1) / 2]]))[0]
    if not district.area.buffer(20).contains(shapely.Point(middle)) or block.u1 - block.u0 < 24:
        return []
    uses = ("house", "mobile", "commercial", "apartments", "park", "vacant")
    suburb = layout.settlement == "suburb"
    shares = (0.87, 0.04, 0.03, 0.01, 0.03, 0.02) if suburb else (0.62, 0.0, 0.16, 0.14, 0.05, 0.03)
    use = str(rng.choice(uses, p=shares))
    if use in ("house", "mobile"):
        return _house_lots(layout, network, block, use, rng)
    count = max(round((block.u1 - block.u0) / rng.uniform(55, 90)), 1)
    edges = np.linspace(block.u0, block.u1, count + 1)
    return [_lot(district.warp(np.array([[a, block.v0], [b, block.v0], [b, block.v1], [a, block.v1]])), use)
            for a, b in pairwise(edges)]


def _house_lots(layout: Layout, network: Network, block: Block, use: str,
                rng: np.random.Generator) -> list[Parcel]:
    district = network.districts[block.district]
    width = district.lot_width_m if use == "house" else _MOBILE_LOT_M
    back = (block.v0 + block.v1) / 2 + rng.uniform(-2, 2)
    lots = []
    for front, flip in ((block.v0, False), (block.v1, True)):
        for a, b in _lot_edges(block.u0, block.u1, width, rng):
            ring = _square_on(district.warp, (b, a) if flip else (a, b), front, back)
            inside = district.area.contains(shapely.Point(ring.mean(axis=0)))
            if inside:
                lots.append(_lot(ring, use if rng.random() < layout.density else "vacant"))
    return lots


def _square_on(warp: Warp, ends: tuple[float, float], front: float, back: float) -> F64:
    """Lot between u = `ends` along v = `front`, its sides square on the street in sheared frames."""
    corner = np.array([[u, front] for u in ends])
    here = warp(corner)
    step = np.array([[0.5, 0.0], [0.0, 0.5]])
    du, dv = (warp(corner + s) - warp(corner - s) for s in step)
    length = np.hypot(du[:, 0], du[:, 1])
    normal = np.column_stack([-du[:, 1], du[:, 0]]) / length[:, None]
    depth = (back - front) * np.sum(dv * normal, axis=1)
    inner = here + normal * depth[:, None]
    return np.array([here[0], here[1], inner[1], inner[0]])


def _lot_edges(u0: float, u1: float, width: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    count = max(round((u1 - u0) / width), 1)
    shares = rng.uniform(0.85, 1.2, count)
    edges = u0 + (u1 - u0) * np.concatenate([[0], np.cumsum(shares) / shares.sum()])
    return [(float(a), float(b)) for a, b in pairwise(edges)]


def _farmsteads(layout: Layout, network: Network, rng: np.random.Generator) -> list[Parcel]:
    """Large lots along country roads; in rural places as many as the density asks for."""
    if layout.settlement != "rural":
        return []
    lots: list[Parcel] = []
    taken: shapely.Geometry = shapely.Polygon()
    for street in network.streets:
        line = shapely.LineString(street.line)
        for start in np.arange(5.0, line.length - 60, rng.uniform(48, 70)):
            for side in (-1, 1):
                ring = _roadside(line, float(start), float(rng.uniform(30, 46)), side, street.width_m / 2 + 2, rng)
                polygon = shapely.Polygon(ring)
                if rng.random() > layout.density * 0.75 or shapely.intersects(polygon, taken):
                    continue
                taken = shapely.union(taken, polygon.buffer(3))
                lots.append(_lot(ring, "farm"))
    return [lot for lot in lots if not shapely.intersects(lot.polygon, network.corridor)]


def _roadside(line: shapely.LineString, start: float, width: float, side: int, gap: float,
              rng: np.random.Generator) -> F64:
    """Rectangle beside a road, its first side along the road, counter-clockwise."""
    a = np.array(line.interpolate(start).coords[0])
    b = np.array(line.interpolate(start + width).coords[0])
    along = (b - a) / np.linalg.norm(b - a)
    inward = np.array([-along[1], along[0]]) * side
    depth = rng.uniform(40, 70)
    corners = [a + gap * inward, b + gap * inward, b + (gap + depth) * inward, a + (gap + depth) * inward]
    return np.array(corners if side > 0 else [corners[1], corners[0], corners[3], corners[2]])


def _fields(layout: Layout, open_land: shapely.Geometry, rng: np.random.Generator) -> list[Parcel]:
    """Open land cut in irregular halves until the pieces are of a field's size, each under one cover."""
    shares = rng.dirichlet(np.array([1.2, 1.2, 0.9, 0.4, 0.3 + 1.6 * layout.tree_density, 1.0, 0.3]))
    pieces = [p for p in shapely.get_parts(open_land) if isinstance(p, shapely.Polygon) and p.area > 1]
    heading, target = rng.uniform(0, 180), rng.uniform(6000, 30000)
    done: list[Parcel] = []
    while pieces:
        piece = pieces.pop()
        if piece.area < target * rng.uniform(0.6, 1.6):
            use = str(rng.choice(_COUNTRY, p=shares))
            done.append(Parcel(np.asarray(piece.exterior.coords)[:-1], use, heading + 90.0 * int(rng.integers(0, 2))))
        else:
            pieces += _halves(piece, heading, rng)
    return done


def _halves(piece: shapely.Polygon, heading: float, rng: np.random.Generator) -> list[shapely.Polygon]:
    """The piece cut across its longer extent, about along `heading` or at right angles to it."""
    turned = shapely.affinity.rotate(piece, -heading, origin=(0, 0))
    x0, y0, x1, y1 = turned.bounds
    share = rng.uniform(0.35, 0.65)
    lean = rng.uniform(-0.08, 0.08) * (x1 - x0 + y1 - y0)
    if x1 - x0 > y1 - y0:
        x = x0 + share * (x1 - x0)
        cut = shapely.LineString([(x - lean, y0 - 1), (x + lean, y1 + 1)])
    else:
        y = y0 + share * (y1 - y0)
        cut = shapely.LineString([(x0 - 1, y - lean), (x1 + 1, y + lean)])
    parts = shapely.get_parts(shapely.ops.split(turned, cut))
    return [shapely.affinity.rotate(p, heading, origin=(0, 0)) for p in parts if isinstance(p, shapely.Polygon)]
