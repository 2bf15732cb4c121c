"""A building before it stands, and the lot's own frame in which it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64, turn


@dataclass(frozen=True)
class Plan:
    """A building before it stands: ring (N, 2) in world x, y, and what it is."""

    ring: F64
    parcel: int
    use: str
    """A `Building.use`, or mobile_home."""
    roof: str
    storeys: int
    yaw_deg: float
    era: str = "mid"
    holes: tuple[F64, ...] = ()
    """Courtyards, clockwise."""
    look: str = "plain"
    """Which roofs and walls it may have: plain or a key of `erect._LOOKS`."""
    soft_storey: bool = False
    storey_m: float = 2.7
    pitch: float | None = None
    """Rise of the roof over half its span; None: as usual."""
    party_walls: bool = False
    """Neighbours in its row may touch it."""


def lot_frame(parcel: Parcel) -> tuple[F64, float, float]:
    """Corner left of the street side, width and depth (m) of the rectangle that surely fits a lot."""
    local = turn(parcel.ring - parcel.ring[0], -parcel.yaw_deg)
    left, right = max(local[0, 0], local[3, 0]), min(local[1, 0], local[2, 0])
    depth = min(local[2, 1], local[3, 1])
    return parcel.ring[0] + turn(np.array([left, 0.0]), parcel.yaw_deg), float(right - left), float(depth)


def placed(parcel: Parcel, corner: F64, local: F64) -> F64:
    """Points of the lot's frame in the world."""
    return turn(local, parcel.yaw_deg) + corner


def box_ring(w: float, d: float) -> F64:
    """Rectangle w x d with a corner at the origin, counter-clockwise."""
    return np.array([[0, 0], [w, 0], [w, d], [0, d]])


def wing_ring(w: float, d: float, rng: np.random.Generator) -> F64:
    """Rectangle, L or T in a w x d box, garage wing towards the street (low y), counter-clockwise."""
    kind = rng.random()
    if d < 9.5 or kind < 0.25:
        return box_ring(w, d)
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
