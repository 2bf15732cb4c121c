"""Comings and goings: which vehicles stand in the picture before, which in the one after, which in both.

Between two pictures of a place, most cars have moved, whatever else happened: a changed car is no damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim_bridge.world.model import Vehicle
from sim_bridge.world.shapes import hash_unit

_LEAVES = {"car": 0.35, "van": 0.35, "truck": 0.4, "boat": 0.15, "container": 0.1, "tent": 0.0}
"""Chance that a vehicle is only there before; as likely, it is only there after."""
_PURPOSE = 71


def with_traffic(vehicles: Sequence[Vehicle], seed: int) -> tuple[Vehicle, ...]:
    """The vehicles with `seen` drawn: by where each stands, so that no other vehicle shifts it."""
    table = np.array([[v.x, v.y] for v in vehicles], np.float64).reshape(-1, 2)
    luck = hash_unit(seed & 0xFFFFFF, _PURPOSE, table[:, 0], table[:, 1])
    return tuple(replace(v, seen=_seen(float(u), _LEAVES[v.kind])) for v, u in zip(vehicles, luck, strict=True))


def _seen(luck: float, leaves: float) -> str:
    return "before" if luck < leaves else "after" if luck < 2 * leaves else "both"


def present(vehicles: Sequence[Vehicle], phase: str) -> tuple[Vehicle, ...]:
    """The vehicles that stand there in a phase, before or after."""
    return tuple(v for v in vehicles if v.seen in (phase, "both"))
