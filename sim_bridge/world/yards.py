"""Fences round the back yards of houses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim_bridge.classes import CLASS_ID
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Grid, Mesh
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan
from sim_bridge.world.shapes import F64, boxes

_OPEN = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["road"], CLASS_ID["water"])]
"""Materials of the ground that no fence may cross."""
_HEIGHT_M, _THICK_M, _PIECE_M, _FRONT_M = 1.8, 0.12, 7.0, 7.0


def fence_mesh(parcels: Sequence[Parcel], plans: Sequence[Plan], ground: Grid, heights: Callable[[F64, F64], F64],
               rng: np.random.Generator) -> Mesh:
    """Board fences along the back and one side of most lots with a house; neighbours share theirs."""
    pieces = [np.zeros((0, 2, 2))]
    for index in sorted({plan.parcel for plan in plans if plan.use == "house" and plan.look != "core"}):
        if rng.random() < 0.8 and len(parcels[index].ring) == 4:
            a, _, c, d = parcels[index].ring
            front = a + (d - a) * min(_FRONT_M / float(np.hypot(*(d - a))), 0.8)
            pieces += [_cut(front, d), _cut(d, c)]
    ends = np.concatenate(pieces)
    middle = ends.mean(axis=1)
    ends = ends[~np.isin(ground.at(middle[:, 0], middle[:, 1]), _OPEN)]
    along = ends[:, 1] - ends[:, 0]
    base = np.stack([heights(ends[:, k, 0], ends[:, k, 1]) for k in (0, 1)]).min(axis=0)
    sizes = np.column_stack([np.hypot(along[:, 0], along[:, 1]), np.full(len(ends), _THICK_M)])
    tint = 128 * rng.uniform(0.75, 1.25, (len(ends), 1)) * np.ones(3)
    return boxes(ends.mean(axis=1), sizes, np.degrees(np.arctan2(along[:, 1], along[:, 0])), base - 0.3,
                 base + _HEIGHT_M, "fence", tint)


def _cut(a: F64, b: F64) -> F64:
    """Pieces (N, 2, 2) of the way from a to b, none longer than `_PIECE_M`, so that fences follow the slope."""
    count = max(int(np.ceil(np.hypot(*(b - a)) / _PIECE_M)), 1)
    points = a + np.linspace(0, 1, count + 1)[:, None] * (b - a)
    return np.stack([points[:-1], points[1:]], axis=1)
