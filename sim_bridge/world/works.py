"""Buildings that are not homes: halls, warehouses, tanks, barns, greenhouses, shops, hotels, churches."""

from __future__ import annotations

import math

import numpy as np
import shapely

from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan, box_ring, lot_frame, placed, wing_ring
from sim_bridge.world.shapes import F64, turn

YARD_M = 16.0
"""Depth of the yard in front of a hall, where cars and trucks stand."""


def design_works(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """What stands on a parcel of the uses below; nothing where it is too small."""
    corner, width, depth = lot_frame(parcel)
    draw = {"industry": _hall, "logistics": _sheds, "warehouse": _warehouse, "tanks": _tanks, "nursery": _greenhouses,
            "hotel": _hotel, "church": _church, "commercial": _store, "apartments": _slabs}[parcel.use]
    return draw(parcel, index, corner, width, depth, rng)


def _hall(parcel: Parcel, index: int, corner: F64, width: float, depth: float, rng: np.random.Generator) -> list[Plan]:
    """A works hall behind its yard, with an office in front of it or a smaller hall beside it."""
    if width < 26 or depth < 40:
        return []
    yard = rng.uniform(YARD_M, YARD_M + 8)
    w = min(width - rng.uniform(7, 16), rng.uniform(28, 95))
    d = min(depth - yard - rng.uniform(4, 12), rng.uniform(26, 85))
    x = rng.uniform(3, max(width - w - 3, 3.1))
    ring = wing_ring(w, d, rng) if rng.random() < 0.35 and w * d > 1200 else box_ring(w, d)
    kinds = ["flat", "gable", "sawtooth", "shed"]
    roof = str(rng.choice(kinds, p=[0.55, 0.27, 0.13, 0.05])) if len(ring) == 4 else "flat"
    hall = Plan(placed(parcel, corner, ring + np.array([x, yard])), index, "industrial", roof, int(rng.integers(2, 4)),
                parcel.yaw_deg, _era(rng), look="works", storey_m=3.4, pitch=rng.uniform(0.08, 0.2))
    plans = [hall]
    if rng.random() < 0.55 and yard > 14:
        a, b = rng.uniform(10, 20), rng.uniform(8, min(11, yard - 5))
        office = box_ring(a, b) + np.array([rng.uniform(2, max(width - a - 2, 2.1)), yard - b - 0.7])
        plans.append(Plan(placed(parcel, corner, office), index, "commercial", "flat", int(rng.integers(1, 4)),
                          parcel.yaw_deg, _era(rng), storey_m=3.1))
    left = width - x - w
    if max(left, x) > 14:
        a, b = rng.uniform(8, max(left, x) - 4), rng.uniform(12, max(d * 0.8, 13))
        at = x + w + 2 if left >= x else x - a - 2
        annex = box_ring(a, b) + np.array([at, yard + rng.uniform(0, max(d - b, 0.1))])
        plans.append(Plan(placed(parcel, corner, annex), index, "industrial", str(rng.choice(["gable", "flat"])), 1,
                          parcel.yaw_deg, _era(rng), look="works", storey_m=4.5, pitch=0.15))
    return plans


def _sheds(parcel: Parcel, index: int, corner: F64, width: float, depth: float, rng: np.random.Generator) -> list[Plan]:
    """Logistics: one long low hall with docks on the yard, the rest of the land for containers."""
    if width < 30 or depth < 45:
        return []
    w, d = width - rng.uniform(6, 12), min(rng.uniform(22, 38), depth - 30)
    ring = box_ring(w, d) + np.array([rng.uniform(2.5, width - w - 2.5), depth - d - rng.uniform(2.5, 5)])
    return [Plan(placed(parcel, corner, ring), index, "industrial", "flat", 2, parcel.yaw_deg, "new", look="works",
                 storey_m=4.2)]


def _warehouse(parcel: Parcel, index: int, corner: F64, width: float, depth: float,
               rng: np.random.Generator) -> list[Plan]:
    """A brick or metal store with its gable or its long side to the quay."""
    if width < 14 or depth < 18:
        return []
    gables = int(np.clip(width // rng.uniform(14, 22), 1, 3))
    w, d = (width - rng.uniform(2, 5)) / gables, depth - rng.uniform(4, 10)
    old = rng.random() < 0.6
    storeys = int(rng.integers(2, 5)) if old else 2
    roof = str(rng.choice(["gable", "hip"])) if old else str(rng.choice(["gable", "flat"]))
    return [Plan(placed(parcel, corner, box_ring(w - 0.02, d) + np.array([1 + k * w, rng.uniform(1.0, 2.5)])), index,
                 "industrial", roof, storeys, parcel.yaw_deg, "old" if old else "mid",
                 look="core" if old else "works", storey_m=3.3, pitch=0.45 if old else 0.2, party_walls=True)
            for k in range(gables)]


def _tanks(parcel: Parcel, index: int, corner: F64, width: float, depth: float, rng: np.random.Generator) -> list[Plan]:
    """Round tanks in rows inside a bund."""
    if width < 24 or depth < 24:
        return []
    radius = rng.uniform(5, min(12, width / 4))
    pitch = 2 * radius + rng.uniform(4, 8)
    angle = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    circle = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    height, roof = rng.uniform(0.7, 1.3) * radius, str(rng.choice(["flat", "dome", "cone"]))
    plans = []
    for x in np.arange(radius + 5, width - radius - 4, pitch):
        for y in np.arange(radius + 12, depth - radius - 4, pitch):
            if rng.random() < 0.85:
                ring = circle * rng.choice([1.0, 1.0, 0.7]) + np.array([x, y])
                plans.append(Plan(placed(parcel, corner, ring), index, "tank", roof, 1, parcel.yaw_deg, look="tank",
                                  storey_m=float(np.clip(height, 5, 14)), pitch=0.15))
    return plans


def _greenhouses(parcel: Parcel, index: int, corner: F64, width: float, depth: float,
                 rng: np.random.Generator) -> list[Plan]:
    """Rows of glass, end to end."""
    w, gap = rng.uniform(7, 11), rng.uniform(0.8, 3)
    length = depth - rng.uniform(12, 20)
    if width < 20 or length < 15:
        return []
    return [Plan(placed(parcel, corner, box_ring(w, length) + np.array([x, 10.0])), index, "greenhouse", "gable", 1,
                 parcel.yaw_deg, look="glass", storey_m=2.4, pitch=0.4)
            for x in np.arange(2.0, width - w - 1, w + gap)]


def _hotel(parcel: Parcel, index: int, corner: F64, width: float, depth: float,
           rng: np.random.Generator) -> list[Plan]:
    """A tall slab, or an L round its pool, looking at the sea."""
    if width < 20 or depth < 26:
        return []
    w, d = width - rng.uniform(4, 9), rng.uniform(13, 17)
    ring = box_ring(w, d)
    if rng.random() < 0.5 and w > 30:
        a, e = rng.uniform(12, 15), min(depth - 8, d + rng.uniform(9, 16))
        ring = np.array([[0, 0], [w, 0], [w, e], [w - a, e], [w - a, d], [0, d]])
    storeys = int(rng.integers(3, 9))
    return [Plan(placed(parcel, corner, ring + np.array([rng.uniform(1.5, width - w - 1.5), rng.uniform(4, 8)])), index,
                 "commercial", "flat", storeys, parcel.yaw_deg, "mid" if storeys > 5 else "new", look="pale",
                 soft_storey=bool(rng.random() < 0.4), storey_m=3.0)]


def _church(parcel: Parcel, index: int, corner: F64, width: float, depth: float,
            rng: np.random.Generator) -> list[Plan]:
    """Nave with transept, tower at one end; in the middle of its yard, about east to west."""
    middle = shapely.get_coordinates(shapely.maximum_inscribed_circle(parcel.polygon))
    length = float(np.clip(1.35 * np.hypot(*(middle[1] - middle[0])), 14, 46))
    wide = float(np.clip(0.34 * length, 6.5, 15))
    arm, tower = wide * 0.35, wide * rng.uniform(0.45, 0.6)
    x = length * rng.uniform(0.58, 0.7)
    end = x + wide * 0.7
    nave = np.array([[0, 0], [x, 0], [x, -arm], [end, -arm], [end, 0], [length, 0], [length, wide], [end, wide],
                     [end, wide + arm], [x, wide + arm], [x, wide], [0, wide]])
    spire = box_ring(tower, tower) + np.array([-tower - 0.02, (wide - tower) / 2])
    yaw = float(rng.uniform(-12, 12))
    origin = np.array([length, wide]) / 2
    where = [turn(ring - origin, yaw) + middle[0] for ring in (nave, spire)]
    return [Plan(where[0], index, "church", "gable", 2, yaw, "old", look="church", storey_m=rng.uniform(4, 5.5),
                 pitch=0.9, party_walls=True),
            Plan(where[1], index, "church", "hip", 5, yaw, "old", look="church", storey_m=rng.uniform(4, 6), pitch=1.8,
                 party_walls=True)]


def _store(parcel: Parcel, index: int, corner: F64, width: float, depth: float, rng: np.random.Generator) -> list[Plan]:
    """One large block with its back to the lot's end, its car park in front."""
    if width < 22 or depth < 24:
        return []
    w, d = width * rng.uniform(0.55, 0.88), depth * rng.uniform(0.3, 0.6)
    ring = wing_ring(w, d, rng) + np.array([rng.uniform(0.2, 0.8) * (width - w), depth - d - rng.uniform(3, 5)])
    return [Plan(placed(parcel, corner, ring), index, "commercial", "flat", int(rng.integers(1, 3)), parcel.yaw_deg,
                 _era(rng), storey_m=3.6)]


def _slabs(parcel: Parcel, index: int, corner: F64, width: float, depth: float, rng: np.random.Generator) -> list[Plan]:
    """Flats in one, two or three slabs."""
    if width < 22 or depth < 24:
        return []
    era = _era(rng)
    plans, y, roof = [], rng.uniform(4, 7), str(rng.choice(["flat", "hip", "gable"], p=[0.5, 0.25, 0.25]))
    low, high = {"old": (2, 4), "mid": (2, 6), "new": (2, 5)}[era]
    while y + 12 < depth:
        w, d = width * rng.uniform(0.7, 0.92), rng.uniform(10, 13)
        ring = box_ring(w, d) + np.array([rng.uniform(0.2, 0.8) * (width - w), y])
        storeys = int(rng.integers(low, high))
        soft = storeys > 2 and rng.random() < {"old": 0.2, "mid": 0.35, "new": 0.15}[era]
        plans.append(Plan(placed(parcel, corner, ring), index, "apartments", roof, storeys, parcel.yaw_deg, era,
                          soft_storey=bool(soft), storey_m=2.9))
        y += d + rng.uniform(12, 18)
    return plans


def design_barns(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """Barns, stables and sheds round the yard behind a farmhouse."""
    corner, width, depth = lot_frame(parcel)
    plans = []
    for _ in range(int(rng.integers(0, 4))):
        w, d = rng.uniform(7, 20), rng.uniform(6, 12)
        x, y = rng.uniform(1, max(width - w, 2)), rng.uniform(min(26, depth * 0.55), max(depth - d - 1, 27))
        big = w * d > 90
        plans.append(Plan(placed(parcel, corner, box_ring(w, d) + np.array([x, y])), index, "barn" if big else "garage",
                          str(rng.choice(["gable", "gable", "shed", "gambrel"])) if big else "gable", 1, parcel.yaw_deg,
                          _era(rng), look="farm", storey_m=rng.uniform(3.2, 5.0) if big else 2.4))
    return plans


def _era(rng: np.random.Generator) -> str:
    return str(rng.choice(["old", "mid", "new"], p=[0.3, 0.45, 0.25]))
