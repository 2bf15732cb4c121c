"""What a body that moves runs into: the world's surface along its way, and the ground below it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.objects import GROUND, GROUPS
from sim_bridge.embedded.scene import Hits, Landscape, look_up, trace_tiles
from sim_bridge.embedded.state import Phase, State
from sim_bridge.frames import NED
from sim_bridge.world.materials import TABLE

F64 = npt.NDArray[np.float64]

HALF_HEIGHT_M, REACH_M = 0.1, 0.34
"""Half axes of the spheroid that stands for a multirotor: half of its height, and arm and propeller."""
_TOP_M = 9000.0
_FLAT = 0.7
"""A surface whose normal has this much of the vertical can be stood on: up to 45 degrees."""
_UP = NED(0.0, 0.0, -1.0)
_DOWN = np.array([0.0, 0.0, 1.0])
_NO_WAY_M = 1e-9
_tops: WeakKeyDictionary[Landscape, dict[Phase, float]] = WeakKeyDictionary()
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
    t = _cast(state.loaded.scene, state.phase, origins, below, 0.0).t.astype(np.float64)
    return np.where(np.isfinite(t), down - step_m + t, down)


def meet(state: State, before: NED, after: NED, half_height_m: float = HALF_HEIGHT_M,
         reach_m: float = REACH_M) -> Contact | None:
    """What a body meets whose centre went from one place to another in global NED. Raises InputError.

    Two rays: along its way, as long as that and the body's half extent in this direction; and down from above where it
    is now, so that it sinks into no slope. Without a world, and beside it, there is a plane at height 0.
    """
    lowest = max(before.down, after.down) + half_height_m
    if state.loaded is None:
        return _on_plane(after, half_height_m) if before.down <= 0 < lowest else None
    if lowest < _top(state.loaded.scene, state.phase) - reach_m:
        return None
    start, end = before.array(), after.array()
    way = end - start
    far = float(np.linalg.norm(way))
    along = way / far if far > _NO_WAY_M else _DOWN
    over = np.array([end[0], end[1], min(start[2], end[2])])
    hits = _cast(state.loaded.scene, state.phase, _enu(np.stack([start, over])), _enu(np.stack([along, _DOWN])),
                 far + reach_m)
    ahead, below = float(hits.t[0]), float(hits.t[1])
    extent = 1 / math.sqrt((along[0] ** 2 + along[1] ** 2) / reach_m ** 2 + along[2] ** 2 / half_height_m ** 2)
    if far > _NO_WAY_M and ahead < far + extent:
        stays = start + along * max(0.0, ahead - extent)
        return _contact(state, hits, 0, stays - end, start + along * ahead, min(far + extent - ahead, extent))
    if not math.isfinite(below):
        return _from_below(state, end, half_height_m) or (_on_plane(after, half_height_m) if before.down <= 0 else None)
    deep = end[2] + half_height_m - (over[2] + below)
    if deep <= _SLACK_M:
        return None
    return _contact(state, hits, 1, -deep * _DOWN, over + below * _DOWN, float(deep))


def _from_below(state: State, end: F64, half_height_m: float) -> Contact | None:
    """What lies above a body that has nothing below it: it was put under the world, and goes on top."""
    if state.loaded is None:
        return None
    hits = _cast(state.loaded.scene, state.phase, _enu(end[None]), _enu(-_DOWN[None]), 0.0)
    above = float(hits.t[0])
    if not math.isfinite(above):
        return None
    deep = above + half_height_m
    contact = _contact(state, hits, 0, -deep * _DOWN, end - above * _DOWN, deep)
    return replace(contact, normal=_UP)


def _cast(scene: Landscape, phase: Phase, origins: F64, directions: F64, reach_m: float) -> Hits:
    """Nearest hits (N,) of rays (N, 3), ENU, in the tiles under their origins and up to reach_m beside them: for a ray
    along the way of a vehicle, every package that it points to would be loaded else."""
    low = np.tile(-_DOWN, (len(origins), 1))
    tiles = scene.tiles(phase, origins, low, reach_m)
    rays = trace_tiles(tiles, origins, np.ascontiguousarray(directions, np.float32),
                       np.arange(len(origins), dtype=np.int32))
    return look_up(tiles, rays)


def _top(scene: Landscape, phase: Phase) -> float:
    """Global down (m) of the highest point of a world: above it there is nothing to meet."""
    known = _tops.setdefault(scene, {})
    if phase not in known:
        known[phase] = -float(scene.bounds(phase)[1][2])
    return known[phase]


def _contact(state: State, hits: Hits, place: int, moved_by: F64, impact: F64, deep: float) -> Contact:
    instance = int(hits.instance[place])
    normal = _ned(_enu(hits.normal[place:place + 1].astype(np.float64))[0])
    return Contact(moved_by, _ned(impact), normal, deep, _name(state, instance, int(hits.material[place])), instance)


def _on_plane(end: NED, half_height_m: float) -> Contact | None:
    deep = end.down + half_height_m
    return None if deep <= _SLACK_M else Contact(-deep * _DOWN, NED(end.north, end.east, 0.0), _UP, deep, GROUND, -1)


def _name(state: State, instance: int, material: int) -> str:
    """The object that a face belongs to."""
    if instance and state.loaded is not None:
        spawned = {number: name for name, number in state.loaded.scene.objects().spawned.items()}
        return spawned.get(instance, f"{_BUILDING}{instance}")
    return _GROUP_OF_CLASS.get(TABLE[material].semantic, "")


def _enu(values: F64) -> F64:
    """(N, 3) between NED and ENU, either way."""
    return values[:, [1, 0, 2]] * (1.0, 1.0, -1.0)


def _ned(values: F64) -> NED:
    return NED(float(values[0]), float(values[1]), float(values[2]))
