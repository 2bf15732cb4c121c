"""Housing complexes: slabs with stepped fronts and white flat roofs, lanes between them, long roofs over the cars."""

from __future__ import annotations

import numpy as np

from sim_bridge.world.canvas import Canvas
from sim_bridge.world.materials import INDEX
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan, box_ring, lot_frame, placed
from sim_bridge.world.shapes import F64

SLAB_M, CARPORT_M, LANE_M, GREEN_M = 15.0, 5.2, 6.8, 4.0
"""Depths of what follows one another from the street: slab, green, carports, lane, carports, green, slab."""


def rows(depth: float) -> list[tuple[str, float, float]]:
    """What lies between which distances (m) from the street: slab, carport, lane."""
    found: list[tuple[str, float, float]] = []
    order = (("green", GREEN_M), ("slab", SLAB_M), ("green", GREEN_M), ("carport", CARPORT_M), ("lane", LANE_M),
             ("carport", CARPORT_M))
    y = 0.0
    while True:
        for kind, size in order:
            if y + size > depth - 2:
                return found
            if kind != "green":
                found.append((kind, y, y + size))
            y += size


def design_complex(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """Slabs and carports of a lot; nothing where it is too small."""
    corner, width, depth = lot_frame(parcel)
    if width < 24 or depth < 22:
        return []
    storeys, roof = int(rng.integers(2, 4)), str(rng.choice(["flat", "flat", "hip"]))
    plans = []
    for kind, y0, y1 in rows(depth):
        if kind == "slab":
            count = max(round((width - 6) / rng.uniform(26, 42)), 1)
            step = (width - 6) / count
            plans += [Plan(placed(parcel, corner, _stepped(step - 4, y1 - y0, rng) + np.array([3 + k * step, y0])),
                           index, "apartments", roof, storeys, parcel.yaw_deg, "new", look="white", storey_m=2.9)
                      for k in range(count)]
        if kind == "carport" and rng.random() < 0.75:
            plans += _carports(parcel, index, corner, (width, y0), rng)
    return plans


def _stepped(w: float, d: float, rng: np.random.Generator) -> F64:
    """A slab whose front springs back and forth by flats of about 8 m, counter-clockwise."""
    count = max(round(w / rng.uniform(7, 10)), 1)
    xs = np.linspace(0, w, count + 1)
    depths = np.where(np.arange(count) % 2 == 0, 0.0, rng.uniform(1.2, 2.2)) * (rng.random() < 0.8)
    front = [(x, y) for k, y in enumerate(depths) for x in (xs[k], xs[k + 1])]
    ring = np.array([*front, (w, d), (0, d)])
    same = np.all(np.isclose(ring, np.roll(ring, -1, axis=0)), axis=1)
    return np.asarray(ring[~same], np.float64)


def _carports(parcel: Parcel, index: int, corner: F64, place: tuple[float, float],
              rng: np.random.Generator) -> list[Plan]:
    """Flat roofs over bays of 2.7 m, in groups with gaps between them."""
    width, y = place
    plans, x = [], rng.uniform(2, 6)
    while x + 11 < width - 3:
        w = min(2.7 * int(rng.integers(4, 13)), width - 3 - x)
        ring = box_ring(w, CARPORT_M - 0.2) + np.array([x, y])
        plans.append(Plan(placed(parcel, corner, ring), index, "garage", "flat", 1, parcel.yaw_deg, "new",
                          look="carport", storey_m=2.4))
        x += w + rng.uniform(4, 14)
    return plans


def paint_complex(canvas: Canvas, parcel: Parcel) -> None:
    """Lanes and bays; what lies between them stays green."""
    corner, width, depth = lot_frame(parcel)
    for kind, y0, y1 in rows(depth):
        if kind != "slab":
            name = "asphalt_worn" if kind == "lane" else "parking"
            ring = np.array([[1.5, y0], [width - 1.5, y0], [width - 1.5, y1], [1.5, y1]])
            canvas.fill(placed(parcel, corner, ring), INDEX[name])
