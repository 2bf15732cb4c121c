"""The objects that the embedded simulator lists, and the segmentation id of every pixel.

One object for each building, one for each class of the rest. A pixel shows its semantic class (`classes.SEMANTIC`)
until the id of its object is set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import re2

from sim_bridge.classes import CLASS_ID
from sim_bridge.frames import ENU, NED, NedPose, Quaternion, ned_from_enu, quaternion_from_euler
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Building, World

U8 = npt.NDArray[np.uint8]

MAX_PATTERN = 512
_PATTERN_MEMORY = 1 << 20

GROUPS: Mapping[str, int] = {
    "mage_terrain_road": CLASS_ID["road"],
    "mage_terrain_paved": CLASS_ID["paved"],
    "mage_terrain_bare": CLASS_ID["bare"],
    "mage_terrain_grass": CLASS_ID["grass"],
    "mage_trees": CLASS_ID["tree"],
    "mage_water": CLASS_ID["water"],
    "mage_vehicles": CLASS_ID["vehicle"],
    "mage_rubble": CLASS_ID["rubble"],
}
"""Objects that are not buildings, and the class whose pixels they own."""

GROUND, LIGHT = "Ground", "PointLight"
"""Names that AirSim's scripts ask for: all terrain under one name, and a light, which is an object and no more."""
TERRAIN = tuple(name for name in GROUPS if name.startswith("mage_terrain_"))

_BUILDING = "mage_building_"
_DIGITS = 10
_CLASS_NAME = {number: name for name, number in CLASS_ID.items()}
_CLASS_OF_MATERIAL = np.array([material.semantic for material in TABLE], np.uint8)
_IDENTITY = NedPose(NED(0.0, 0.0, 0.0), Quaternion(1.0, 0.0, 0.0, 0.0))


_LAMP = NedPose(NED(0.0, 0.0, -10.0), Quaternion(1.0, 0.0, 0.0, 0.0))


class PatternError(ValueError):
    """A regular expression that is too long, malformed, or outside what runs in linear time."""


@dataclass(frozen=True)
class SceneObjects:
    """Pose of every object by name: buildings at the centre of their footprint, groups at the origin."""

    poses: Mapping[str, NedPose]
    spawned: Mapping[str, int] = field(default_factory=dict)
    """Instance of every object that was spawned."""

    @staticmethod
    def of(world: World) -> SceneObjects:
        buildings = {f"{_BUILDING}{b.id}": _building_pose(b) for b in world.buildings}
        return SceneObjects({**SceneObjects.groups().poses, **buildings})

    @staticmethod
    def groups() -> SceneObjects:
        """What every world has."""
        return SceneObjects(dict.fromkeys((*GROUPS, GROUND), _IDENTITY) | {LIGHT: _LAMP})


def moved(objects: SceneObjects, east_m: float, north_m: float, first_id: int) -> SceneObjects:
    """Objects of a tile in the frame and with the ids of its grid; groups stay where they are."""
    poses = dict(objects.poses)
    for name, pose in objects.poses.items():
        if name.startswith(_BUILDING):
            del poses[name]
            at = NED(pose.position.north + north_m, pose.position.east + east_m, pose.position.down)
            poses[f"{_BUILDING}{int(name.removeprefix(_BUILDING)) + first_id}"] = NedPose(at, pose.orientation)
    return SceneObjects(poses)


def building_id(name: str) -> int | None:
    """The instance of a building's name; None for other names."""
    number = name.removeprefix(_BUILDING)
    return int(number) if number != name and number.isdecimal() and len(number) <= _DIGITS else None


def class_of(material: npt.NDArray[np.uint16]) -> U8:
    """Semantic class of each material."""
    classes: U8 = _CLASS_OF_MATERIAL[material]
    return classes


def tags(name: str, vehicles: Iterable[str] = ()) -> tuple[str, ...]:
    """What an object is tagged as: its class, or that it is a vehicle, a light or spawned."""
    if name in (GROUND, *TERRAIN):
        return ("terrain",) if name == GROUND else ("terrain", _CLASS_NAME[GROUPS[name]])
    if name in GROUPS:
        return (_CLASS_NAME[GROUPS[name]],)
    if building_id(name) is not None:
        return ("building",)
    return ("vehicle",) if name in vehicles else ("light",) if name == LIGHT else ("spawned",)


def default_id(name: str) -> int:
    """Segmentation id that an object of the world has until another one is set; what was spawned has none, 0."""
    return GROUPS.get(name, CLASS_ID["building"] if building_id(name) is not None else 0)


def matching(names: Iterable[str], pattern: str, ignore_case: bool = False) -> list[str]:
    """Names that the whole pattern matches. RE2: time linear in the name, memory bounded. Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"regular expression of {len(pattern)} characters: at most {MAX_PATTERN} are accepted")
    options = re2.Options()
    options.max_mem, options.log_errors, options.case_sensitive = _PATTERN_MEMORY, False, not ignore_case
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise PatternError(f"regular expression {pattern[:60]!r} is not accepted: {error}") from error
    return [name for name in names if compiled.fullmatch(name)]


def stencil_ids(material: npt.NDArray[np.uint16], instance: npt.NDArray[np.uint32],
                overrides: Mapping[str, int], spawned: Mapping[str, int] | None = None, bare: bool = False) -> U8:
    """(H, W) uint8 segmentation ids of a rendered frame; an override of -1 is id 0.

    material, instance: (H, W) of `render.Rendered`; 0 where nothing was hit. overrides: ids by object name. spawned:
    instances of the objects that have no number in their name. bare: objects have no id, 0, until one is set.
    """
    by_class = np.zeros(len(CLASS_ID), np.uint8) if bare else np.arange(len(CLASS_ID), dtype=np.uint8)
    for name in GROUPS.keys() & overrides.keys():
        by_class[GROUPS[name]] = max(0, overrides[name])
    ids = by_class[_CLASS_OF_MATERIAL[material]]
    numbers = ((spawned or {}).get(name, building_id(name)) for name in overrides)
    chosen = sorted((number, max(0, stencil)) for number, stencil in zip(numbers, overrides.values(), strict=True)
                    if number is not None)
    if chosen:
        known, stencils = np.array(chosen, np.int64).T
        place = np.minimum(np.searchsorted(known, instance), len(known) - 1)
        ids = np.where(known[place] == instance, stencils[place], ids).astype(np.uint8)
    return ids


def _building_pose(building: Building) -> NedPose:
    x, y = np.mean(building.footprint, axis=0)
    compass_deg = 90.0 - building.yaw_deg
    return NedPose(ned_from_enu(ENU(float(x), float(y), building.base_m)),
                   quaternion_from_euler(0.0, 0.0, math.remainder(compass_deg, 360.0)))
