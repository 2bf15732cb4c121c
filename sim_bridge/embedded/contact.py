"""What a body that moves runs into: the world's surface along its way, and the ground below it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.objects import GROUND, GROUPS
from sim_bridge.embedded.state import State
from sim_bridge.frames import NED
from sim_bridge.world.materials import TABLE

F64 = npt.NDArray[np.float64]

HALF_HEIGHT_M, REACH_M = 0.1, 0.34
"""Half axes of the spheroid that stands for a multirotor: half of its height, and arm and propeller."""
_TOP_M = 9000.0
_FLAT = 0.7
"""A surface whose normal has this much of the vertical can be stood on: up to 45 degrees."""
_UP = NED(0.0, 0.0, -1.0)
_SLACK_M = 1e-3
"""Rays are that exact: what is less deep has not sunk."""
_BUILDING = "mage_building_"
_GROUP_OF_CLASS = {class_id: name for name, class_id in GROUPS.items()}


@dataclass(frozen=True)
class Contact:
    """A point of a surface that was met. All in global NED."""

    moved_by: F64
    """(3,) from where the body's centre would be to where it stays."""
    impact: NED
    normal: NED
    penetration_m: float
    object_name: str
    object_id: int

    @property
    def is_ground(self) -> bool:
        return -self.normal.down > _FLAT


def ground_down(state: State, north: float, east: float) -> float:
    """Global down (m) of what is highest at a place; 0 where there is no world. Raises InputError for a tile that
    cannot be read."""
    if state.loaded is None:
        return 0.0
    hits = state.loaded.scene.cast(np.array([[east, north, _TOP_M]]), np.array([[0.0, 0.0, -1.0]]), state.phase)
    t = float(hits.t[0])
    return t - _TOP_M if math.isfinite(t) else 0.0


def heights_under(state: State, places: F64, down: float, step_m: float = 1.5) -> F64:
    """Global down (N,) of the ground under places (N, 2), north and east, looked for from step_m above `down`; the same
    as `down` where there is none. Without a world: 0. Raises InputError."""
    if state.loaded is None:
        return np.zeros(len(places))
    origins = np.column_stack([places[:, ::-1], np.full(len(places), step_m - down)])
    below = np.tile([0.0, 0.0, -1.0], (len(places), 1))
    t = state.loaded.scene.cast(origins, below, state.phase).t.astype(np.float64)
    return np.where(np.isfinite(t), down - step_m + t, down)


def meet(state: State, before: NED, after: NED, half_height_m: float = HALF_HEIGHT_M,
         reach_m: float = REACH_M) -> Contact | None:
    """What a body meets whose centre went from one place to another in global NED.

    Two rays: along its way, as long as that and the body's half extent in this direction; and down from above where it
    is now, so that it sinks into no slope. Without a world, and beside it, there is a plane at height 0.
    """
    start, end = before.array(), after.array()
    way = end - start
    far = float(np.linalg.norm(way))
    if state.loaded is None:
        return _on_plane(end, half_height_m) if before.down <= 0 else None
    along = way / far if far > 1e-9 else np.array([0.0, 0.0, 1.0])
    over = np.array([end[0], end[1], min(start[2], end[2])])
    hits = state.loaded.scene.cast(_enu(np.stack([start, over])), _enu(np.stack([along, [0.0, 0.0, 1.0]])), state.phase)
    things = [(_name(int(hits.instance[i]), int(hits.material[i])), int(hits.instance[i])) for i in range(2)]
    normals = _enu(hits.normal.astype(np.float64))
    extent = 1 / math.sqrt((along[0] ** 2 + along[1] ** 2) / reach_m ** 2 + along[2] ** 2 / half_height_m ** 2)
    if far > 1e-9 and float(hits.t[0]) < far + extent and float(normals[0] @ along) < 0:
        place = start + along * max(0.0, float(hits.t[0]) - extent)
        deep = min(far + extent - float(hits.t[0]), extent)
        return Contact(place - end, _ned(start + along * float(hits.t[0])), _ned(normals[0]), deep, *things[0])
    clear = float(hits.t[1])
    if not math.isfinite(clear):
        return _on_plane(end, half_height_m) if before.down <= 0 else None
    surface = over[2] + clear
    if end[2] + half_height_m <= surface + _SLACK_M:
        return None
    place = np.array([end[0], end[1], surface - half_height_m])
    return Contact(place - end, NED(float(end[0]), float(end[1]), surface), _ned(normals[1]),
                   float(end[2] + half_height_m - surface), *things[1])


def _on_plane(end: F64, half_height_m: float) -> Contact | None:
    if end[2] + half_height_m <= _SLACK_M:
        return None
    deep = float(end[2] + half_height_m)
    return Contact(np.array([0.0, 0.0, -deep]), NED(float(end[0]), float(end[1]), 0.0), _UP, deep, GROUND, -1)


def _name(instance: int, material: int) -> str:
    """The object that a face belongs to."""
    if instance:
        return f"{_BUILDING}{instance}"
    return _GROUP_OF_CLASS.get(TABLE[material].semantic, "")


def _enu(values: F64) -> F64:
    """(N, 3) between NED and ENU, either way."""
    return values[:, [1, 0, 2]] * (1.0, 1.0, -1.0)


def _ned(values: F64) -> NED:
    return NED(float(values[0]), float(values[1]), float(values[2]))
