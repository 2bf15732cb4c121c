"""What callers ask of and do to the objects of the loaded world: each a function of the simulator's state.

Functions that change something give the new state with their answer. Object names are exact; where AirSim takes tags as
well, the first object that has the tag answers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sim_bridge.embedded import edits as changes
from sim_bridge.embedded.edits import UNIT, Edits, Scale, Skin
from sim_bridge.embedded.objects import (
    GROUND,
    GROUPS,
    LIGHT,
    TERRAIN,
    building_id,
    default_id,
    matching,
    tags,
)
from sim_bridge.embedded.overlay import edited, edits_of
from sim_bridge.embedded.state import Loaded, State
from sim_bridge.errors import MageError
from sim_bridge.frames import NedPose


class NoWorld(MageError):
    """A world is needed, and none is loaded."""

    kind = "no-world"

    def __init__(self) -> None:
        super().__init__("no world is loaded: run the console command mage.load <world_id>")


def object_names(state: State) -> list[str]:
    """All objects of the world, then the vehicles."""
    return [*(state.loaded.poses if state.loaded else ()), *state.vehicles]


def named_or_tagged(state: State, text: str) -> str | None:
    """The object of a name, or the first that has the tag."""
    names = object_names(state)
    if text in names:
        return text
    return next((name for name in names if text in tags(name, state.vehicles)), None)


def tagged(state: State, pattern: str) -> list[tuple[str, str]]:
    """Objects with the first of their tags that the whole pattern matches. Raises PatternError."""
    pairs = [(name, tag) for name in object_names(state) for tag in tags(name, state.vehicles)]
    fitting = set(matching({tag for _, tag in pairs}, pattern))
    first: dict[str, str] = {}
    for name, tag in pairs:
        if tag in fitting:
            first.setdefault(name, tag)
    return list(first.items())


def scale_of(state: State, name: str) -> Scale | None:
    """Scale of an object; None if there is none of that name."""
    if name not in object_names(state):
        return None
    thing = present_edits(state).things.get(name)
    return thing.scale if thing else UNIT


def present_edits(state: State) -> Edits:
    return edits_of(state.loaded.scene) if state.loaded else Edits()


def can_change(state: State, name: str) -> bool:
    """Whether an object may be moved, scaled, destroyed: terrain may not, vehicles are not of the world, and groups of
    a grid of worlds lie in many of them."""
    if state.loaded is None or name not in state.loaded.poses or name in (GROUND, *TERRAIN):
        return False
    return name not in GROUPS or state.loaded.scene.whole


def spawn(state: State, wanted: str, asset: str, pose: NedPose, scale: Scale,
          registered: bool = False) -> tuple[State, str]:
    """A new object, and the name it got; registered: segmentation shows it from the first. Raises NoWorld, ValueError
    in AirSim's words."""
    if state.loaded is None:
        raise NoWorld
    edits, name = changes.spawned(present_edits(state), wanted, asset, pose, scale, object_names(state), registered)
    return with_edits(state, edits), name


def destroy(state: State, name: str) -> tuple[State, bool]:
    """The state without an object, or the same and False."""
    if not can_change(state, name):
        return state, False
    kept = {other: stencil for other, stencil in state.stencils.items() if other != name}
    return with_edits(replace(state, stencils=kept), changes.destroyed(present_edits(state), name)), True


def change(state: State, name: str, *, pose: NedPose | None = None, scale: Scale | None = None,
           skins: Mapping[int, Skin] | None = None) -> tuple[State, bool]:
    """The state with another pose, scale or look of an object of the world, or the same and False. Raises ValueError
    for numbers that are out of bounds."""
    if state.loaded is None or not can_change(state, name):
        return state, False
    home = edited(state.loaded.scene, Edits()).objects().poses.get(name, state.loaded.poses[name])
    return with_edits(state, changes.changed(present_edits(state), name, home, pose=pose, scale=scale,
                                             skins=skins)), True


def is_light(state: State, name: str) -> bool:
    if state.loaded is None or name not in state.loaded.poses:
        return False
    thing = present_edits(state).things.get(name)
    return name == LIGHT or bool(thing and thing.asset and changes.known_asset(thing.asset).is_light)


def set_light(state: State, name: str, intensity: float) -> tuple[State, bool]:
    """The state with another intensity of a light, or the same and False."""
    if state.loaded is None or not is_light(state, name):
        return state, False
    edits = changes.changed(present_edits(state), name, state.loaded.poses[name], intensity=intensity)
    return with_edits(state, edits), True


def set_stencil(state: State, name: str, stencil: int, is_pattern: bool) -> tuple[State, bool]:
    """The state with a segmentation id of one object, or of all that the whole pattern matches in any case. Ids above
    255 count as 255, as in Unreal, and negative ones as -1: out of the picture. Raises PatternError."""
    stencil = min(max(stencil, -1), 255)
    names = object_names(state)
    found = matching(names, name, ignore_case=True) if is_pattern else [n for n in names if n == name]
    ids = dict.fromkeys(TERRAIN, stencil) if GROUND in found else {}
    return labelled(replace(state, stencils={**state.stencils, **ids, **dict.fromkeys(found, stencil)})), bool(found)


def stencil_of(state: State, name: str, bare: bool = False) -> int:
    """Segmentation id of an object, whose name may be in lower case; -1 if there is none of that name. bare: objects
    have no id, 0, until one is set."""
    names = object_names(state)
    found = name if name in names else next((other for other in names if other.lower() == name), None)
    return -1 if found is None else state.stencils.get(found, 0 if bare else default_id(found))


def with_edits(state: State, edits: Edits) -> State:
    """The state with other changes to its world."""
    if state.loaded is None:
        raise NoWorld
    return labelled(replace(state, loaded=replace(state.loaded, scene=edited(state.loaded.scene, edits))))


def unchanged(loaded: Loaded) -> Loaded:
    """A world as it was loaded."""
    return replace(loaded, scene=edited(loaded.scene, Edits()), labelled=None)


def labelled(state: State) -> State:
    """The state with the scene that segmentation sees: without spawned objects that have no id, and without those whose
    id is -1; through these shows what is behind them (AirSim draws ids into a depth buffer of their own)."""
    if state.loaded is None:
        return state
    edits = present_edits(state)
    unseen = {name for name, thing in edits.spawned.items()
              if state.stencils.get(name, 0 if thing.registered else -1) < 0}
    of_world = {name for name, stencil in state.stencils.items()
                if stencil < 0 and (name in GROUPS or building_id(name) is not None) and can_change(state, name)}
    if not unseen | of_world:
        return replace(state, loaded=replace(state.loaded, labelled=None))
    left = Edits({name: thing for name, thing in edits.things.items() if name not in unseen | of_world},
                 edits.destroyed | of_world)
    return replace(state, loaded=replace(state.loaded, labelled=edited(state.loaded.scene, left)))
