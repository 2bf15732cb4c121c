"""What is built on a parcel: houses of right-angled plan facing the street here, the rest in `works` and `rows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.complexes import design_complex
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan, box_ring, lot_frame, placed, wing_ring
from sim_bridge.world.rows import design_palace, design_row_house
from sim_bridge.world.shapes import F64
from sim_bridge.world.works import design_barns, design_works

__all__ = ["Plan", "draw_plans"]

_ATTEMPTS = 4
"""Designs drawn for a parcel until one fits."""
_AREA_M2 = {"old": (195.0, 45.0), "mid": (255.0, 45.0), "new": (270.0, 36.0)}
"""Rectangle round the footprint of a house, by the time it was built: mean and standard deviation."""
_SMALL_SHARE = {"old": 0.12, "mid": 0.05, "new": 0.02}
"""Cottages of 60 to 120 m2."""
_SHEDS = {"old": (0.4, 0.42, 0.18), "mid": (0.55, 0.37, 0.08), "new": (0.85, 0.15, 0.0)}
"""Chance of none, one and two sheds behind a house."""
_WORKS = ("commercial", "apartments", "industry", "logistics", "tanks", "warehouse", "nursery", "hotel", "church")


def draw_plans(layout: Layout, parcels: Sequence[Parcel], forbidden: shapely.Geometry,
               rng: np.random.Generator) -> tuple[Plan, ...]:
    """What is to be built: nothing on streets or water (`forbidden`), beyond the square or on another building.

    Houses of a row may touch (`Plan.party_walls`), all others stand apart.
    """
    half = layout.size_m / 2 - 1
    allowed = shapely.box(-half, -half, half, half)
    shapely.prepare([allowed, forbidden])
    plans: list[Plan] = []
    for index, parcel in enumerate(parcels):
        for _ in range(_ATTEMPTS):
            fitting = _fitting(_designs(layout, parcel, index, rng), allowed, forbidden)
            plans += fitting
            if fitting:
                break
    return tuple(_apart(plans))


def _fitting(designs: list[Plan], allowed: shapely.Geometry, forbidden: shapely.Geometry) -> list[Plan]:
    """The designs of one parcel that stand on allowed ground and clear of each other; none if the first does not."""
    kept: list[shapely.Polygon] = []
    plans: list[Plan] = []
    for plan in designs:
        polygon = shapely.Polygon(plan.ring)
        free = shapely.contains(allowed, polygon) and not shapely.intersects(forbidden, polygon)
        gap = 0.0 if plan.party_walls else 0.6
        if free and all(polygon.distance(other) >= gap for other in kept):
            kept.append(polygon)
            plans.append(plan)
        elif not kept:
            return []
    return plans


def _apart(plans: list[Plan]) -> list[Plan]:
    """The plans without those that overlap an earlier one (lots of two districts may); only party walls may touch.

    A house of a row that runs into an earlier one is cut back, if enough of it is left.
    """
    polygons = np.array([shapely.Polygon(p.ring) for p in plans], dtype=object)
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    first, second = first[first > second], second[first > second]
    party = np.array([p.party_walls for p in plans], bool)
    touching = party[first] & party[second]
    shared = shapely.area(shapely.intersection(polygons[first], polygons[second]))
    late = set(first[~touching].tolist())
    cut: dict[int, list[int]] = {}
    for k, other in zip(first[touching & (shared > 0.02)].tolist(), second[touching & (shared > 0.02)].tolist(),
                        strict=True):
        cut.setdefault(k, []).append(other)
    for k in sorted(set(cut) - late):
        left = _cut_back(polygons[k], [polygons[j] for j in cut[k] if j not in late])
        if left is None or plans[k].holes:
            late.add(k)
        else:
            polygons[k], plans[k] = left, replace(plans[k], ring=np.asarray(left.exterior.coords)[:-1])
    return [plan for k, plan in enumerate(plans) if k not in late]


def _cut_back(polygon: shapely.Polygon, others: list[shapely.Polygon]) -> shapely.Polygon | None:
    """The polygon without the others and a hand's breadth round them; None if too little is left to live in."""
    taken = shapely.union_all([other.buffer(0.05, join_style="mitre") for other in others])
    open_ground = shapely.difference(polygon, taken).buffer(-0.8, join_style="mitre").buffer(0.8, join_style="mitre")
    left = shapely.orient_polygons(shapely.difference(open_ground, taken))
    if not isinstance(left, shapely.Polygon) or left.interiors or left.area < max(30.0, 0.45 * polygon.area):
        return None
    return left


def _designs(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    if parcel.use == "house":
        return _house(layout, parcel, index, rng)
    if parcel.use == "mobile":
        return _mobile_home(layout, parcel, index, rng)
    if parcel.use in ("townhouse", "shops"):
        return design_row_house(parcel, index, rng)
    if parcel.use == "palace":
        return design_palace(parcel, index, rng)
    if parcel.use == "farm":
        return [*_house(layout, parcel, index, rng), *design_barns(parcel, index, rng)]
    if parcel.use == "complex":
        return design_complex(parcel, index, rng)
    return design_works(parcel, index, rng) if parcel.use in _WORKS else []


def _house(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """A house about a third of the lot, set back from the street; sheds and garden houses behind many."""
    corner, width, depth = lot_frame(parcel)
    if width < 8.5 or depth < 16:
        return []
    area = _house_area(layout, parcel, rng)
    w = float(np.clip(np.sqrt(area * rng.uniform(1.0, 1.9)), 7.5, width - rng.uniform(1.8, 3.2)))
    d = float(np.clip(area / w, 6.6, max(min(18.0, depth - 8.5), 6.7)))
    setback = rng.uniform(4.0, 7.0) if parcel.use == "house" else rng.uniform(7, 20)
    if layout.settlement == "village":
        setback = rng.uniform(1.0, 6.0)
    x = rng.uniform(0.8, max(width - w - 0.8, 0.9))
    ring = wing_ring(w, d, rng) + np.array([x, min(setback, max(depth - d - 3, 2.5))])
    flat, hip = rng.random() < layout.flat_roof_share, rng.random() < layout.hip_roof_share
    storeys = int(rng.choice([1, 2], p=_storeys(layout, parcel.era)))
    look = "country" if layout.settlement in ("village", "coastal") else "plain"
    roof = "flat" if flat else "hip" if hip else "gable"
    plans = [Plan(placed(parcel, corner, ring), index, "house", roof, storeys, parcel.yaw_deg, parcel.era, look=look)]
    sheds = int(rng.choice(3, p=_SHEDS[parcel.era]))
    return plans + [_shed(parcel, corner, width, depth, index, rng) for _ in range(sheds)]


def _house_area(layout: Layout, parcel: Parcel, rng: np.random.Generator) -> float:
    if rng.random() < _SMALL_SHARE[parcel.era]:
        return float(rng.uniform(60, 120))
    mean, spread = _AREA_M2[parcel.era]
    scale = {"town": 0.8, "village": 0.78, "coastal": 0.8, "riverside": 0.8}.get(layout.settlement, 1.0)
    return float(np.clip(rng.normal(mean, spread), 85, 330)) * scale


def _storeys(layout: Layout, era: str) -> tuple[float, float]:
    if layout.settlement in ("town", "coastal", "riverside", "village"):
        return 0.4, 0.6
    return {"old": (0.85, 0.15), "mid": (0.7, 0.3), "new": (0.35, 0.65)}[era]


def _mobile_home(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """A long narrow home, its short side to the lane."""
    corner, width, depth = lot_frame(parcel)
    w, d = min(rng.uniform(5.0, 7.8), width - 2), rng.uniform(14, 18.5)
    if w < 4 or depth < d + 2:
        return []
    ring = box_ring(w, d) + np.array([rng.uniform(0.7, width - w - 0.7), rng.uniform(1.5, depth - d)])
    roof = "flat" if rng.random() < layout.flat_roof_share else "gable"
    return [Plan(placed(parcel, corner, ring), index, "mobile_home", roof, 1, parcel.yaw_deg)]


def _shed(parcel: Parcel, corner: F64, width: float, depth: float, index: int, rng: np.random.Generator) -> Plan:
    """A shed in a back corner; now and then a garden house or a second garage."""
    big = rng.random() < 0.2
    w, d = (rng.uniform(4.5, 7.5), rng.uniform(5, 8.5)) if big else (rng.uniform(2.2, 4.5), rng.uniform(2.2, 4.0))
    x = rng.choice([0.6, max(width - w - 0.6, 0.7)])
    ring = box_ring(w, d) + np.array([x, depth - d - rng.uniform(0.5, 2.0)])
    return Plan(placed(parcel, corner, ring), index, "garage", str(rng.choice(["gable", "shed"])), 1, parcel.yaw_deg)
