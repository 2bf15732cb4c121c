"""What is built on a parcel: houses of right-angled plan facing the street, blocks with parking, barns and sheds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.model import Building
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64, turn

Heights = Callable[[F64, F64], F64]
_DARK = (("roof_shingle_grey", 0.55), ("roof_shingle_brown", 0.45))
_LIGHT = (("roof_shingle_light", 0.68), ("roof_tile_red", 0.25), ("roof_metal", 0.07))
_FLAT = (("roof_gravel", 0.35), ("roof_membrane", 0.45), ("roof_bitumen", 0.2))
_ATTEMPTS = 4
"""Designs drawn for a parcel until one fits."""
_MOBILE = (("roof_metal", 0.5), ("roof_membrane", 0.3), ("roof_shingle_light", 0.2))
_HOUSE_FLAT = (("roof_gravel", 0.5), ("roof_bitumen", 0.3), ("roof_membrane", 0.2))
_WALLS = (("wall_plaster", 0.5), ("wall_wood", 0.4), ("wall_brick", 0.1))


@dataclass(frozen=True)
class Plan:
    """A building before it stands: ring (N, 2) in world x, y, and what it is."""

    ring: F64
    parcel: int
    use: str
    roof: str
    storeys: int
    yaw_deg: float


def draw_plans(layout: Layout, parcels: Sequence[Parcel], forbidden: shapely.Geometry,
               rng: np.random.Generator) -> tuple[Plan, ...]:
    """What is to be built: nothing on streets or water (`forbidden`), beyond the square or on another building."""
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


def erect(layout: Layout, plans: Sequence[Plan], heights: Heights, rng: np.random.Generator) -> tuple[Building, ...]:
    """The plans as buildings standing on the ground; ids from 1 in their order."""
    return tuple(_building(layout, k + 1, plan, heights, rng) for k, plan in enumerate(plans))


def _fitting(designs: list[Plan], allowed: shapely.Geometry, forbidden: shapely.Geometry) -> list[Plan]:
    """The designs of one parcel that stand on allowed ground and clear of each other; none if the first does not."""
    kept: list[shapely.Polygon] = []
    plans: list[Plan] = []
    for plan in designs:
        polygon = shapely.Polygon(plan.ring)
        free = shapely.contains(allowed, polygon) and not shapely.intersects(forbidden, polygon)
        if free and all(polygon.distance(other) >= 0.6 for other in kept):
            kept.append(polygon)
            plans.append(plan)
        elif not kept:
            return []
    return plans


def _apart(plans: list[Plan]) -> list[Plan]:
    """The plans without those that touch an earlier one (lots of two districts may overlap)."""
    polygons = np.array([shapely.Polygon(p.ring) for p in plans], dtype=object)
    first, second = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    late = {int(max(a, b)) for a, b in zip(first, second, strict=True) if a != b}
    return [plan for k, plan in enumerate(plans) if k not in late]


def _designs(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    if parcel.use == "house":
        return _house(layout, parcel, index, rng)
    if parcel.use == "mobile":
        return _mobile_home(layout, parcel, index, rng)
    if parcel.use in ("commercial", "apartments"):
        return _block(parcel, index, rng)
    if parcel.use == "farm":
        return [*_house(layout, parcel, index, rng), *_barns(parcel, index, rng)]
    return []


def _frame(parcel: Parcel) -> tuple[F64, float, float]:
    """Corner left of the street side, width and depth (m) of the rectangle that surely fits a lot."""
    local = turn(parcel.ring - parcel.ring[0], -parcel.yaw_deg)
    left, right = max(local[0, 0], local[3, 0]), min(local[1, 0], local[2, 0])
    depth = min(local[2, 1], local[3, 1])
    return parcel.ring[0] + turn(np.array([left, 0.0]), parcel.yaw_deg), float(right - left), float(depth)


def _placed(parcel: Parcel, corner: F64, local: F64) -> F64:
    return turn(local, parcel.yaw_deg) + corner


def _house(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """A house about a third of the lot, set back from the street, and now and then a shed in a back corner."""
    corner, width, depth = _frame(parcel)
    if width < 8.5 or depth < 16:
        return []
    area = float(np.clip(rng.normal(200, 36), 120, 270)) * (0.8 if layout.settlement == "town" else 1.0)
    w = min(width - rng.uniform(1.8, 3.2), rng.uniform(12, 18.5))
    d = float(np.clip(area / w, 8.0, max(min(18.0, depth - 8.5), 8.1)))
    setback = rng.uniform(4.0, 7.0) if parcel.use == "house" else rng.uniform(12, 22)
    x = rng.uniform(0.8, max(width - w - 0.8, 0.9))
    ring = _house_ring(w, d, rng) + np.array([x, min(setback, max(depth - d - 3, 2.5))])
    flat = rng.random() < layout.flat_roof_share
    hip = rng.random() < layout.hip_roof_share
    roof = "flat" if flat else "hip" if hip else "gable"
    storeys = int(rng.choice([1, 2], p=[0.7, 0.3] if layout.settlement != "town" else [0.4, 0.6]))
    plans = [Plan(_placed(parcel, corner, ring), index, "house", roof, storeys, parcel.yaw_deg)]
    if rng.random() < 0.35:
        plans.append(_shed(parcel, corner, width, depth, index, rng))
    return plans


def _mobile_home(layout: Layout, parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """A long narrow home, its short side to the lane."""
    corner, width, depth = _frame(parcel)
    w, d = min(rng.uniform(5.0, 7.8), width - 2), rng.uniform(14, 18.5)
    if w < 4 or depth < d + 2:
        return []
    ring = _box(w, d) + np.array([rng.uniform(0.7, width - w - 0.7), rng.uniform(1.5, depth - d)])
    roof = "flat" if rng.random() < layout.flat_roof_share else "gable"
    return [Plan(_placed(parcel, corner, ring), index, "mobile_home", roof, 1, parcel.yaw_deg)]


def _box(w: float, d: float) -> F64:
    return np.array([[0, 0], [w, 0], [w, d], [0, d]])


def _house_ring(w: float, d: float, rng: np.random.Generator) -> F64:
    """Rectangle, L or T in a w x d box, garage wing towards the street (low y), counter-clockwise."""
    kind = rng.random()
    if d < 9.5 or kind < 0.25:
        return _box(w, d)
    a, b = rng.uniform(0.38, 0.55) * w, min(rng.uniform(2.0, 5.0), d - 6.5)
    if kind < 0.65:
        ring = np.array([[0, 0], [a, 0], [a, b], [w, b], [w, d], [0, d]])
    elif kind < 0.85:
        ring = np.array([[0, 0], [w, 0], [w, d - b], [a, d - b], [a, d], [0, d]])
    else:
        c = rng.uniform(0.1, 0.45) * w
        ring = np.array([[0, b], [c, b], [c, 0], [c + a, 0], [c + a, b], [w, b], [w, d], [0, d]])
    if rng.random() < 0.5:
        ring = np.column_stack([w - ring[::-1, 0], ring[::-1, 1]])
    return ring


def _shed(parcel: Parcel, corner: F64, width: float, depth: float, index: int, rng: np.random.Generator) -> Plan:
    w, d = rng.uniform(2.2, 4.5), rng.uniform(2.2, 4.0)
    x = rng.choice([0.6, max(width - w - 0.6, 0.7)])
    ring = _box(w, d) + np.array([x, depth - d - rng.uniform(0.5, 2.0)])
    return Plan(_placed(parcel, corner, ring), index, "garage", str(rng.choice(["gable", "shed"])), 1, parcel.yaw_deg)


def _block(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """One large block with its back to the lot's end; flats stand in two or three slabs."""
    corner, width, depth = _frame(parcel)
    if width < 22 or depth < 24:
        return []
    if parcel.use == "commercial":
        w, d = width * rng.uniform(0.55, 0.88), depth * rng.uniform(0.3, 0.6)
        ring = _house_ring(w, d, rng) + np.array([rng.uniform(0.2, 0.8) * (width - w), depth - d - rng.uniform(3, 5)])
        return [Plan(_placed(parcel, corner, ring), index, "commercial", "flat", int(rng.integers(1, 3)),
                     parcel.yaw_deg)]
    plans, y, roof = [], rng.uniform(4, 7), str(rng.choice(["flat", "hip", "gable"], p=[0.5, 0.25, 0.25]))
    while y + 12 < depth:
        w, d = width * rng.uniform(0.7, 0.92), rng.uniform(10, 13)
        ring = _box(w, d) + np.array([rng.uniform(0.2, 0.8) * (width - w), y])
        plans.append(Plan(_placed(parcel, corner, ring), index, "apartments", roof, int(rng.integers(2, 4)),
                          parcel.yaw_deg))
        y += d + rng.uniform(12, 18)
    return plans


def _barns(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    corner, width, depth = _frame(parcel)
    plans = []
    for _ in range(int(rng.integers(0, 3))):
        w, d = rng.uniform(7, 18), rng.uniform(6, 11)
        ring = _box(w, d) + np.array([rng.uniform(1, max(width - w, 2)), rng.uniform(26, max(depth - d - 1, 27))])
        plans.append(Plan(_placed(parcel, corner, ring), index, "industrial" if w * d > 90 else "garage", "gable", 1,
                          parcel.yaw_deg))
    return plans


def _pick(options: Sequence[tuple[str, float]], rng: np.random.Generator) -> str:
    weights = np.array([weight for _, weight in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))][0]


def _building(layout: Layout, number: int, plan: Plan, heights: Heights, rng: np.random.Generator) -> Building:
    ring = plan.ring
    sides = np.roll(ring, -1, axis=0) - ring
    yaw = plan.yaw_deg + (0.0 if np.ptp(turn(ring, -plan.yaw_deg), axis=0).argmax() == 0 else 90.0)
    shed = plan.use == "garage"
    eaves = rng.uniform(2.1, 2.5) if shed else 2.7 * plan.storeys + rng.uniform(-0.1, 0.5)
    eaves += rng.uniform(1.0, 3.0) if plan.use in ("commercial", "industrial") else 0.0
    span = float(np.sort(np.hypot(*sides.T))[-2:].mean()) if len(ring) > 4 else float(np.hypot(*sides.T).min())
    mobile = plan.use == "mobile_home"
    pitch = rng.uniform(0.12, 0.2) if mobile else rng.uniform(0.3, 0.5)
    rise = 0.0 if plan.roof == "flat" else min(span, 11.0) / 2 * pitch
    dark = rng.random() < layout.dark_roof_share
    metal = plan.use == "industrial" or (shed and rng.random() < 0.4)
    flat = _HOUSE_FLAT if plan.use == "house" else _FLAT
    pale = _MOBILE if mobile else _LIGHT
    material = _pick(flat if plan.roof == "flat" else _DARK if dark else pale, rng)
    wall = _pick(_WALLS, rng)
    typology = {"apartments": "masonry", "commercial": "concrete_frame", "industrial": "steel_light",
                "mobile_home": "mobile_home"}.get(plan.use, "masonry" if wall == "wall_brick" else "wood_light")
    return Building(
        id=number, footprint=tuple((float(x), float(y)) for x, y in ring),
        base_m=float(heights(ring[:, 0], ring[:, 1]).min()), eaves_m=float(eaves), ridge_m=float(eaves + rise),
        roof=plan.roof, typology=typology, use="house" if mobile else plan.use,
        roof_material="roof_metal" if metal and plan.roof != "flat" else material, wall_material=wall,
        yaw_deg=float(math.remainder(yaw, 360.0)),
    )
