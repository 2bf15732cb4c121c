"""Houses wall to wall along the streets of an old town, and those built round a courtyard."""

from __future__ import annotations

import numpy as np

from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan, box_ring, lot_frame, placed
from sim_bridge.world.shapes import F64


def design_row_house(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """A house as wide as its lot, its front on the street, some with a wing behind, some with a shop below."""
    corner, width, depth = lot_frame(parcel)
    if width < 4 or depth < 6:
        return []
    d = depth * rng.uniform(0.82, 1.0)
    front = 0.0 if rng.random() < 0.8 else rng.uniform(0.2, 0.6)
    ring = box_ring(width, d - front)
    if rng.random() < 0.22 and width > 7.5:
        ring = _with_wing(width, d - front, rng)
    shop = parcel.use == "shops"
    storeys = int(rng.choice([2, 3, 4, 5], p=[0.22, 0.40, 0.28, 0.10]))
    roof = str(rng.choice(["gable", "hip", "mansard", "flat"], p=[0.66, 0.12, 0.08, 0.14]))
    era = str(rng.choice(["old", "mid", "new"], p=[0.72, 0.18, 0.10]))
    use = "commercial" if shop else "house" if width < 8 else "apartments"
    return [Plan(placed(parcel, corner, ring + np.array([0.0, front])), index, use,
                 "flat" if era == "new" and rng.random() < 0.5 else roof, storeys, parcel.yaw_deg, era, look="core",
                 soft_storey=bool(shop and rng.random() < 0.6), storey_m=rng.uniform(2.8, 3.3),
                 pitch=rng.uniform(0.4, 0.65), party_walls=True)]


def _with_wing(w: float, d: float, rng: np.random.Generator) -> F64:
    """An L: the main house with a wing along one of its sides, back to the lot's end."""
    main, side = d * rng.uniform(0.55, 0.7), w * rng.uniform(0.4, 0.55)
    ring = np.array([[0, 0], [w, 0], [w, main], [side, main], [side, d], [0, d]])
    return ring if rng.random() < 0.5 else np.column_stack([w - ring[::-1, 0], ring[::-1, 1]])


def design_palace(parcel: Parcel, index: int, rng: np.random.Generator) -> list[Plan]:
    """Four wings round a courtyard; a plain block where the lot is too small for one."""
    corner, width, depth = lot_frame(parcel)
    if width < 8 or depth < 8:
        return []
    wing = rng.uniform(4.8, 6.5)
    holes: tuple[F64, ...] = ()
    if min(width, depth) > 2 * wing + 4:
        yard = np.array([[wing, wing], [wing, depth - wing], [width - wing, depth - wing], [width - wing, wing]])
        holes = (placed(parcel, corner, yard),)
    return [Plan(placed(parcel, corner, box_ring(width, depth)), index, "commercial", "hip" if holes else "gable",
                 int(rng.integers(2, 5)), parcel.yaw_deg, "old", holes=holes, look="core", storey_m=3.6,
                 pitch=0.5, party_walls=True)]
