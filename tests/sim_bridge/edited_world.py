"""The small world of `small_world` as a simulator's state, for tests that change what is in it."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st
from small_world import box, small_package

from sim_bridge.embedded import scene_objects
from sim_bridge.embedded.objects import stencil_ids
from sim_bridge.embedded.render import Rendered, measure, render
from sim_bridge.embedded.scene import Landscape, Phase, Scene
from sim_bridge.embedded.state import Loaded, State
from sim_bridge.frames import (
    ENU,
    NED,
    CameraPose,
    Geodetic,
    NedPose,
    Quaternion,
    intrinsics,
    look_at,
    quaternion_from_euler,
)
from sim_bridge.spec import Light
from sim_bridge.world.model import Building, BuildingDamage, Mesh
from sim_bridge.world.package import Package

CAMERA = intrinsics(96, 72, 40.0)
ABOVE = look_at(ENU(0, 0, 0), 60, 0, 0)
ASLANT = look_at(ENU(0, 0, 2), 60, 40, 200)
LEVEL = Quaternion(1.0, 0.0, 0.0, 0.0)
HOUSE = box((-5, -5, 0), (5, 5, 10.0), "roof_metal", "wall_plaster", instance=7)
RUIN = box((-4, -4, 0), (4, 4, 3.0), "rubble_brick", "rubble_brick", instance=7)
CROWN = box((12, 8, 2), (16, 12, 6.0), "crown_conifer", "crown_conifer")
UNIT = (1.0, 1.0, 1.0)
RING = ((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0))


def package(*meshes: Mesh, ruin: Mesh = RUIN) -> Package:
    """Lawn with some meshes on it, and building 7 listed."""
    made = small_package(before=meshes, after=[ruin], ground="lawn", damage=[BuildingDamage(7, "collapsed", 4, "test")])
    house = Building(7, RING, 0.0, 10.0, 10.0, "flat", "masonry", "house", "roof_metal", "wall_plaster", 0.0)
    return replace(made, world=replace(made.world, buildings=(house,)))


def state_of(made: Package) -> State:
    return State({}, loaded=Loaded("small", Geodetic(38.0, -122.0, 0.0), Scene(made)))


def scene_of(state: State) -> Landscape:
    assert state.loaded is not None
    return state.loaded.scene


def picture(state: State, pose: CameraPose = ASLANT, phase: Phase = "before") -> Rendered:
    return render(scene_of(state), phase, pose, CAMERA, Light())


def shape(state: State, pose: CameraPose = ABOVE, phase: Phase = "before") -> Rendered:
    return measure(scene_of(state), phase, pose, CAMERA)


def ids(state: State, pose: CameraPose = ABOVE) -> list[int]:
    """Segmentation ids that a camera sees."""
    assert state.loaded is not None
    seen = measure(state.loaded.labelled or state.loaded.scene, "before", pose, CAMERA)
    found = stencil_ids(seen.material, seen.instance, state.stencils, state.loaded.scene.objects().spawned)
    return sorted(set(found.ravel().tolist()))


def content(seen: Rendered) -> list[bytes]:
    return [array.tobytes() for array in vars(seen).values() if array is not None]


def at(north: float, east: float, down: float, yaw_deg: float = 0.0) -> NedPose:
    return NedPose(NED(north, east, down), quaternion_from_euler(0.0, 0.0, yaw_deg))


ASIDE = at(0, 20, -5)
numbers = st.floats(-20, 20, allow_nan=False, width=32)
factors = st.floats(0.25, 4, allow_nan=False, width=32)


@st.composite
def poses(draw: st.DrawFn) -> NedPose:
    """Poses over the world."""
    values = [draw(st.floats(-1, 1, width=32)) for _ in range(4)]
    length = math.hypot(*values)
    turn = Quaternion(*(v / length for v in values)) if length > 1e-3 else LEVEL
    return NedPose(NED(draw(numbers), draw(numbers), draw(numbers) - 10), turn)


def spawn(state: State, name: str = "thing", asset_name: str = "Cube", pose: NedPose = ASIDE,
          scale: tuple[float, float, float] = UNIT) -> tuple[State, str]:
    return scene_objects.spawn(state, name, asset_name, pose, scale)
