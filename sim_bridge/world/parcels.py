"""Who uses which land: lots in the blocks of the settlement, farmsteads on country roads, fields and woods beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.fields import cut_fields
from sim_bridge.world.organic import clear_of_earlier, frontage_lots, thickness
from sim_bridge.world.shapes import F64
from sim_bridge.world.shore import BEACH_M, QUAY_M, STRIP_M
from sim_bridge.world.streets import Block, Era, Network, Warp
from sim_bridge.world.terrain import Relief, water_kind

LAND_USE_OF = {
    "house": "residential", "mobile": "residential", "townhouse": "residential", "court": "residential",
    "apartments": "residential", "complex": "residential", "commercial": "commercial", "shops": "commercial",
    "palace": "commercial",
    "hotel": "commercial", "industry": "industrial", "logistics": "industrial", "tanks": "industrial",
    "warehouse": "industrial", "depot": "industrial", "solar": "industrial",
    "farm": "agriculture", "nursery": "agriculture", "orchard": "agriculture", "vineyard": "agriculture",
    "garden": "agriculture", "church": "public",
    "plaza": "public", "beach": "public", "quay": "public", "camp": "park", "park": "park",
    "vacant": "vacant", "wood": "forest",
}
"""Land use (a name of `classes.LAND_USE`) of each use of a parcel; every kind of countryside not named is field."""

_MOBILE_LOT_M = 11.0
"""Width of a lot in a park of mobile homes."""
_BLOCK_SHARES = {
    "suburb": {"house": 0.82, "mobile": 0.04, "commercial": 0.03, "apartments": 0.01, "complex": 0.03, "park": 0.04,
               "vacant": 0.02, "solar": 0.01},
    "town": {"house": 0.54, "commercial": 0.15, "apartments": 0.11, "complex": 0.11, "park": 0.06, "vacant": 0.03},
    "rural": {"house": 0.88, "vacant": 0.09, "solar": 0.03},
}
"""What becomes of a block between planned streets."""
_FRONT = {
    "coastal": ({"hotel": 0.6, "apartments": 0.25, "commercial": 0.1, "park": 0.05},),
    "riverside": ({"warehouse": 0.9, "vacant": 0.1}, {"apartments": 0.6, "hotel": 0.25, "park": 0.15}),
}
"""What looks at the water: one of these themes a block."""


@dataclass(frozen=True)
class Parcel:
    """Land under one use. ring: (N, 2), counter-clockwise; of lots, N = 4 and the first side is the street's.

    use: a key of `LAND_USE_OF` or of `fields.FIELDS`. yaw_deg: direction of the street side, or of a field's rows.
    """

    ring: F64
    use: str
    yaw_deg: float
    era: Era = "mid"

    @property
    def polygon(self) -> shapely.Polygon:
        return shapely.Polygon(self.ring)


def divide(layout: Layout, relief: Relief, network: Network, rng: np.random.Generator) -> tuple[Parcel, ...]:
    """Countryside first, then everything that lies upon it, in the order in which the ground is painted."""
    fields = [Parcel(np.asarray(shapely.orient_polygons(piece).exterior.coords)[:-1], use, row)
              for piece, use, row in cut_fields(layout, network.open_land, rng)]
    lots = [parcel for block in network.blocks for parcel in _block(layout, network, block, rng)]
    lots += _waterfront(layout, relief)
    lots += _cells(layout, network, rng)
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
    shares = _BLOCK_SHARES[layout.settlement]
    use = str(rng.choice(list(shares), p=list(shares.values())))
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
                lots.append(replace(_lot(ring, use if rng.random() < layout.density else "vacant"), era=district.era))
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


def _cells(layout: Layout, network: Network, rng: np.random.Generator) -> list[Parcel]:
    """Blocks without a frame: the land inside them, then the lots along their streets."""
    if not network.cells:
        return []
    order = np.argsort([cell.centroid.distance(shapely.Point(0, 0)) for cell in network.cells], kind="stable")
    special = _landmarks(layout, [network.cells[k] for k in order])
    grounds, lots = list[Parcel](), list[Parcel]()
    for place, k in enumerate(order.tolist()):
        cell = network.cells[k]
        ring = np.asarray(shapely.orient_polygons(cell).exterior.coords)[:-1]
        if place in special:
            grounds.append(_lot(_long_side_first(ring), special[place]))
            continue
        inner, found = _cell(layout, cell, network, rng)
        grounds.append(_lot(ring, inner))
        lots += found
    kept = clear_of_earlier([lot.ring for lot in lots])
    return [*grounds, *(lots[k] for k in kept)]


def _landmarks(layout: Layout, cells: Sequence[shapely.Polygon]) -> dict[int, str]:
    """Squares and churches by the position of their cell, cells counted from the centre outwards."""
    if layout.settlement not in ("old_town", "village"):
        return {}
    roomy = [k for k, cell in enumerate(cells) if 500 < cell.area < 9000]
    if layout.settlement == "village":
        return dict(zip(roomy, ("church",), strict=False))
    count = max(round(layout.size_m**2 / 160000), 1)
    step = max(len(roomy) // count, 2)
    return {k: use for start in range(0, len(roomy), step)
            for k, use in zip(roomy[start:start + 2], ("plaza", "church"), strict=False)}


def _cell(layout: Layout, cell: shapely.Polygon, network: Network,
          rng: np.random.Generator) -> tuple[str, list[Parcel]]:
    """What lies inside a block and the lots round it."""
    settlement = layout.settlement

    def lots(width_m: tuple[float, float], depth_m: float, uses: dict[str, float], share: float = 0.49,
             streets: shapely.Geometry = network.corridor) -> list[Parcel]:
        return _lots_along(layout, cell, streets, width_m, depth_m, uses, rng, share)

    if settlement in _FRONT and cell.distance(network.front) < 3 and cell.area > 600:
        theme = _FRONT[settlement][int(rng.integers(0, len(_FRONT[settlement])))]
        return "park" if "hotel" in theme else "vacant", lots((24.0, 50.0), 44.0, theme, 0.97, network.front)
    if settlement == "old_town":
        if rng.random() < 0.05 or cell.area < 150:
            return "park", []
        wide = rng.random() < 0.1
        size, depth = ((17.0, 28.0), rng.uniform(17, 25)) if wide else ((6.5, 12.5), rng.uniform(9, 13.5))
        return "court", lots(size, depth, {"palace": 1.0} if wide else {"townhouse": 0.62, "shops": 0.38})
    if settlement == "village":
        inner = str(rng.choice(["orchard", "meadow", "garden"], p=[0.3, 0.35, 0.35]))
        return inner, lots((13.0, 23.0), rng.uniform(19, 30), {"house": 0.86, "farm": 0.14})
    if settlement == "industrial":
        theme = {"industry": 0.66, "logistics": 0.19, "tanks": 0.07, "commercial": 0.08}
        inner = "depot" if rng.random() < 0.55 else "vacant"
        return inner, lots((30.0, 78.0), rng.uniform(48, 100), theme, 0.49 if thickness(cell) > 105 else 0.97)
    if rng.random() < (0.12 if layout.settlement == "suburb" else 0.28):
        return "vacant", lots((34.0, 62.0), 44.0, {"commercial": 0.35, "apartments": 0.5, "park": 0.15}, 0.97)
    width = rng.uniform(12.5, 17)
    return "park", lots((width, width * 1.25), rng.uniform(21, 29), {"house": 1.0})


def _lots_along(layout: Layout, cell: shapely.Polygon, corridor: shapely.Geometry, width_m: tuple[float, float],
                depth_m: float, uses: dict[str, float], rng: np.random.Generator, share: float) -> list[Parcel]:
    rings = frontage_lots(cell, corridor, width_m, depth_m, rng, share)
    # rows of an old town, works and hotels stand closer than the houses that `density` is about
    built = rng.random(len(rings)) < (layout.density if "house" in uses else layout.density**0.25)
    kinds = rng.choice(list(uses), len(rings), p=list(uses.values()))
    era: Era = ("old", "mid", "new")[int(rng.choice(3, p=[0.4, 0.4, 0.2]))]
    empty = "court" if layout.settlement == "old_town" else "vacant"
    return [replace(_lot(ring, str(use) if there else empty), era=era)
            for ring, use, there in zip(rings, kinds, built, strict=True)]


def _long_side_first(ring: F64) -> F64:
    sides = np.roll(ring, -1, axis=0) - ring
    return np.roll(ring, -int(np.hypot(*sides.T).argmax()), axis=0)


def _waterfront(layout: Layout, relief: Relief) -> list[Parcel]:
    """Beach or quay along the water."""
    kind = water_kind(layout)
    if kind not in STRIP_M or relief.axis is None:
        return []
    half = layout.size_m / 2
    square = shapely.box(-half, -half, half, half)
    water = shapely.union_all(relief.water)
    band = water.buffer(BEACH_M if kind == "sea" else QUAY_M + 5).difference(water).intersection(square)
    ground = "beach" if kind == "sea" else "quay"
    return [Parcel(np.asarray(shapely.orient_polygons(p).exterior.coords)[:-1], ground, 0.0)
             for p in shapely.get_parts(band) if isinstance(p, shapely.Polygon)]


def _farmsteads(layout: Layout, network: Network, rng: np.random.Generator) -> list[Parcel]:
    """Large lots along country roads and tracks; in rural places as many as the density asks for."""
    if layout.settlement not in ("rural", "village"):
        return []
    lots: list[Parcel] = []
    for street in network.streets:
        line = shapely.LineString(street.line)
        share = layout.density * (0.85 if street.kind == "primary" else 0.4)
        share *= 1.0 if layout.settlement == "rural" else 0.45 if street.kind in ("primary", "track") else 0.0
        for start in np.arange(5.0, line.length - 60, rng.uniform(48, 70)):
            for side in (-1, 1):
                ring = _roadside(line, float(start), float(rng.uniform(30, 46)), side, street.width_m / 2 + 2,
                                 float(rng.uniform(40, 70)))
                if rng.random() < share:
                    lots.append(_lot(ring, "nursery" if rng.random() < 0.06 else "farm"))
    open_land = shapely.buffer(network.open_land, 2)
    lots = [lot for lot in lots if not shapely.intersects(lot.polygon, network.corridor)
            and shapely.contains(open_land, shapely.Point(lot.ring.mean(axis=0)))]
    return [lots[k] for k in clear_of_earlier([lot.ring for lot in lots], 0.0)]


def _roadside(line: shapely.LineString, start: float, width: float, side: int, gap: float, depth: float) -> F64:
    """Rectangle beside a road, its first side along the road, counter-clockwise."""
    a = np.array(line.interpolate(start).coords[0])
    b = np.array(line.interpolate(start + width).coords[0])
    along = (b - a) / np.linalg.norm(b - a)
    inward = np.array([-along[1], along[0]]) * side
    corners = [a + gap * inward, b + gap * inward, b + (gap + depth) * inward, a + (gap + depth) * inward]
    return np.array(corners if side > 0 else [corners[1], corners[0], corners[3], corners[2]])
