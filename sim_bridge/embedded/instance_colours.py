"""Cosys-AirSim's instance segmentation: a colour for each object, from a fixed list of 2,744,000.

Source: Cosys-AirSim ObjectAnnotator.cpp (FColorGenerator). An object's id is a place in that list, given in the order
in which objects are first seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.objects import GROUND, GROUPS, LIGHT, TERRAIN, building_id, class_of, matching
from sim_bridge.embedded.state import State

U8 = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

COLOURS = 2_744_000
BLACK: Colour = (0, 0, 0)
_KEY = "instance_colours"
_LEAST, _EVERY = 79, 149
"""Levels of a channel: the odd ones from 79, beyond 149 all; not 149 itself, which unlabelled things show."""
# what an 8 bit level comes back as after it was linear with 8 bits (GammaCorrectionTable_); other levels stay
_SHOWN = {87: 86, 89: 88, 91: 90, 97: 96, 99: 98, 103: 102, 107: 106, 111: 110, 115: 114, 121: 120, 123: 122}


@dataclass(frozen=True)
class Instances:
    """Which objects of a world have a colour, and which."""

    world_id: str = ""
    ids: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Place in the list of colours of each object, in the order in which they were registered."""


@lru_cache(maxsize=1)
def colour_map() -> U8:
    """(2744000, 3) uint8 RGB as pictures show them, all different. Read only."""
    levels = np.array([_SHOWN.get(level, level) for level in _levels()], np.uint8)
    colours: U8 = levels[np.concatenate([_shell(newest) for newest in range(len(levels))])]
    colours.flags.writeable = False
    return colours


def colour_of(place: int) -> Colour:
    """The colour of an id; black beyond the list, as in Cosys-AirSim."""
    red, green, blue = colour_map()[place] if 0 <= place < COLOURS else BLACK
    return int(red), int(green), int(blue)


def registered(state: State) -> Instances:
    """Every object that pictures may show, with its id: what is there for the first time comes after all others."""
    if state.loaded is None:
        return Instances()
    kept: Instances = state.extra.get(_KEY, Instances())
    if kept.world_id != state.loaded.world_id:
        kept = Instances(state.loaded.world_id)
    fresh = [name for name in state.loaded.poses if name not in kept.ids and name not in (GROUND, LIGHT)]
    if not fresh:
        return kept
    return replace(kept, ids={**kept.ids, **{name: len(kept.ids) + i for i, name in enumerate(fresh)}})


def with_registered(state: State) -> State:
    """The state in which all present objects have their id."""
    return replace(state, extra={**state.extra, _KEY: registered(state)})


def of_later(state: State, later: State) -> State:
    """A state with the ids that a later one has: of what came into the world while its frame was taken, too."""
    return replace(state, extra={**state.extra, _KEY: registered(later)})


def with_id(state: State, name: str, place: int, is_pattern: bool) -> tuple[State, bool]:
    """The state with another id of one object, or of all that the whole pattern matches in any case; and whether there
    is any. An id may be given twice, as in Cosys-AirSim. Raises PatternError."""
    instances = registered(state)
    found = named(instances.ids, name, is_pattern)
    ids = {**instances.ids, **dict.fromkeys(found, place)}
    return replace(state, extra={**state.extra, _KEY: replace(instances, ids=ids)}), bool(found)


def named(names: Mapping[str, object], name: str, is_pattern: bool) -> list[str]:
    """Names that a call means; `Ground` is all terrain. Raises PatternError."""
    known = [*names, *([GROUND] if TERRAIN[0] in names else [])]
    found = matching(known, name, ignore_case=True) if is_pattern else [name] if name in known else []
    return [*(TERRAIN if GROUND in found else ()), *(one for one in found if one != GROUND)]


def painted(material: npt.NDArray[np.uint16], instance: npt.NDArray[np.uint32], colours: Mapping[str, Colour],
            spawned: Mapping[str, int]) -> U8:
    """(H, W, 3) the colour of each pixel's object; black where none has one.

    material, instance: (H, W) of `render.Rendered`. spawned: instances of objects without a number in their name.
    """
    by_class = np.zeros((len(CLASS_ID), 3), np.uint8)
    for name in GROUPS.keys() & colours.keys():
        by_class[GROUPS[name]] = colours[name]
    picture: U8 = by_class[class_of(material)]
    places = np.flatnonzero(instance)
    if places.size:
        known, table = _table(colours, spawned)
        own = instance.ravel()[places]
        row = np.minimum(np.searchsorted(known, own), len(known) - 1)
        picture.reshape(-1, 3)[places] = np.where((known[row] == own)[:, None], table[row], np.uint8(0))
    return picture


def _table(colours: Mapping[str, Colour], spawned: Mapping[str, int]) -> tuple[npt.NDArray[np.uint32], U8]:
    """Instances in ascending order, one at least, and their colours."""
    rows = {spawned.get(name, building_id(name)): colour for name, colour in colours.items()}
    known = sorted(number for number in rows if number is not None) or [0]
    return np.array(known, np.uint32), np.array([rows.get(number, BLACK) for number in known], np.uint8)


def _levels() -> Sequence[int]:
    """The 140 levels, in the order in which the list comes to use them: halves, quarters, eighths of 256..."""
    order: list[int] = []
    step = 256
    while step >= 1:
        order += range(step - 1, 257, 2 * step)
        step //= 2
    # the generator's table ends after 256 entries, of which the first is 0
    return [level for level in order[:255]
            if level > _EVERY or (_LEAST <= level < _EVERY and level % 2)]


def _shell(newest: int) -> npt.NDArray[np.int64]:
    """(N, 3) places of levels: all colours in which the level `newest` is, and of the others only those before it."""
    older = np.arange(newest)
    fixed = np.array([newest])
    parts = []
    for red, green, blue in ((0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)):
        axes = [fixed if is_fixed else older for is_fixed in (red, green, blue)]
        parts.append(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    return np.concatenate(parts)
