"""What callers have changed in a world: spawned, moved, scaled, destroyed and re-materialed objects, as one value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.assets import Asset, asset
from sim_bridge.frames import NedPose

MAX_CHANGED = 500
"""Objects that may be spawned or altered at a time."""
MAX_TEXTURED = 32
"""Of these, how many may have a texture, for which faces are cut into thousands."""
MAX_SLOTS = 16
MAX_NAME = 200
FARTHEST_M = 100_000.0
"""From the origin, of an object's position in each axis."""
LARGEST_SCALE = 1000.0
FIRST_SPAWNED = 1 << 30
"""Instance ids of spawned objects begin here; those of buildings, in grids too, are all below."""
RESERVED = ("mage_state_", "mage_error_", "mage_building_")
"""Names that begin so are the world's own, and markers of the state."""
Scale = tuple[float, float, float]
UNIT: Scale = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Skin:
    """What one slot of an object is drawn with instead of its own material."""

    material: str = ""
    """A name of `materials.TABLE`; empty: paint with a texture on it."""
    texture: npt.NDArray[np.uint8] | None = None
    """(H, W, 3) RGB."""


@dataclass(frozen=True)
class Thing:
    """A spawned object, or one of the world's that is not as the world has it."""

    pose: NedPose
    scale: Scale = UNIT
    asset: str = ""
    """Empty for an object of the world."""
    instance: int = 0
    """Of a spawned object, from `FIRST_SPAWNED` on."""
    registered: bool = False
    """A spawned object that segmentation shows from the first."""
    skins: Mapping[int, Skin] = field(default_factory=dict)
    """By slot: materials of the object in the order in which its faces first use them."""
    intensity: float = 1.0
    """Of a light."""


@dataclass(frozen=True)
class Edits:
    things: Mapping[str, Thing] = field(default_factory=dict)
    """By name."""
    destroyed: frozenset[str] = frozenset()
    """Objects of the world that are gone."""

    def __bool__(self) -> bool:
        return bool(self.things or self.destroyed)

    @property
    def hidden(self) -> frozenset[str]:
        """Objects of the world that are not drawn where the world has them."""
        return self.destroyed | {name for name, thing in self.things.items() if not thing.asset}

    @property
    def spawned(self) -> Mapping[str, Thing]:
        return {name: thing for name, thing in self.things.items() if thing.asset}


def free_name(wanted: str, names: Iterable[str]) -> str:
    """The name that a new object gets: as wanted, or with the greatest number that ends a name which contains it, plus
    one (AirSim WorldSimApi::spawnObject)."""
    alike = [name for name in names if wanted in name]
    if not alike:
        return wanted
    numbers = [match.group() for name in alike if (match := re.search(r"[0-9]{1,9}$", name))]
    return f"{wanted}{max((int(number) for number in numbers), default=0) + 1}"


def spawned(edits: Edits, wanted: str, asset_name: str, pose: NedPose, scale: Scale, names: Iterable[str],
            registered: bool = False) -> tuple[Edits, str]:
    """Edits with one object more, and its name. Raises ValueError, in AirSim's words where it has some."""
    made = known_asset(asset_name)
    if len(wanted) > MAX_NAME or wanted.startswith(RESERVED):
        raise ValueError(f"Engine could not spawn {asset_name} because of a stale reference of same name: names have "
                         f"at most {MAX_NAME} characters and do not begin with {', '.join(RESERVED)}")
    taken = frozenset(names)
    name = free_name(wanted, taken)
    if name in taken:
        raise ValueError(f"Engine could not spawn {asset_name} because of a stale reference of same name")
    _check_room(edits, name)
    used = max((thing.instance for thing in edits.things.values()), default=0)
    thing = Thing(within_reach(pose), UNIT if made.is_light else _sized(scale), asset_name,
                  max(FIRST_SPAWNED, used + 1), registered)
    return replace(edits, things={**edits.things, name: thing}), name


def known_asset(name: str) -> Asset:
    """Raises ValueError, in AirSim's words, if there is none of that name."""
    found = asset(name)
    if found is None:
        raise ValueError(f"There were no objects with name {name[:80]} found in the Registry")
    return found


def destroyed(edits: Edits, name: str) -> Edits:
    """Edits without an object, spawned or of the world."""
    gone = frozenset() if name in edits.spawned else frozenset([name])
    return Edits({key: thing for key, thing in edits.things.items() if key != name}, edits.destroyed | gone)


def changed(edits: Edits, name: str, home: NedPose, *, pose: NedPose | None = None, scale: Scale | None = None,
            skins: Mapping[int, Skin] | None = None, intensity: float | None = None) -> Edits:
    """Edits with another pose, scale, skin or intensity of one object; home: its pose in the world, if it is of the
    world. Raises ValueError."""
    _check_room(edits, name)
    thing = edits.things.get(name, Thing(home))
    thing = replace(thing, pose=thing.pose if pose is None else within_reach(pose),
                    scale=thing.scale if scale is None else _sized(scale),
                    skins={**thing.skins, **(skins or {})},
                    intensity=thing.intensity if intensity is None else intensity)
    others = [other for key, other in edits.things.items() if key != name]
    if _has_texture(thing) and sum(map(_has_texture, others)) >= MAX_TEXTURED:
        raise ValueError(f"{MAX_TEXTURED} objects have a texture: destroy some first")
    if thing == Thing(home):
        return replace(edits, things={key: kept for key, kept in edits.things.items() if key != name})
    return replace(edits, things={**edits.things, name: thing})


def _has_texture(thing: Thing) -> bool:
    return any(skin.texture is not None for skin in thing.skins.values())


def _check_room(edits: Edits, name: str) -> None:
    if name not in edits.things and len(edits.things) >= MAX_CHANGED:
        raise ValueError(f"{MAX_CHANGED} objects are spawned or altered: destroy some first")


def within_reach(pose: NedPose) -> NedPose:
    """The pose. Raises ValueError if it is not finite, or too far away."""
    at, turn = pose.position, pose.orientation
    values = (at.north, at.east, at.down)
    if not all(math.isfinite(v) for v in (*values, turn.w, turn.x, turn.y, turn.z)):
        raise ValueError("the pose is not finite")
    if max(abs(v) for v in values) > FARTHEST_M:
        raise ValueError(f"{values} m is farther than {FARTHEST_M:g} m from the origin in an axis")
    return pose


def _sized(scale: Scale) -> Scale:
    if not all(math.isfinite(s) and abs(s) <= LARGEST_SCALE for s in scale):
        raise ValueError(f"scale {scale} is not within {LARGEST_SCALE:g}")
    return scale
