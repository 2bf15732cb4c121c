"""What cameras see at one moment: the one place where a frame is made. What is sent of it is `airsim.images`' business.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.cameras import CameraRef, View, camera_of, reported_pose, seen_from, view_of
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.lens_distortion import distorted
from sim_bridge.embedded.markers import drawn_over
from sim_bridge.embedded.render import Rendered, measure, render
from sim_bridge.embedded.scene_objects import NoWorld
from sim_bridge.embedded.state import State
from sim_bridge.embedded.sun import daylight, light_at
from sim_bridge.embedded.weather import Shot, weathered
from sim_bridge.frames import CameraPose, Intrinsics, NedPose, camera_from_ned

Part = Literal["colour", "lighting", "normals", "labels", "objects", "motion"]
"""What a frame may have beside depth. labels: material and instance as segmentation shows them; objects: material and
instance of what is there, whatever segmentation shows; motion: where the camera was when its last frame with motion was
taken."""
_SEEN = "capture.seen"
"""Key of the state's `extra`: where each camera was at its last frame with motion."""


@dataclass(frozen=True)
class Wanted:
    """One image that is asked for: of which camera, in the shape of which image type, and what it needs."""

    ref: CameraRef
    image_type: int
    parts: frozenset[Part] = frozenset()


@dataclass(frozen=True)
class Frame:
    """What one camera saw. Arrays (H, W); depth in planar metres, inf = sky. None: was not asked for."""

    view: View
    pose: NedPose
    """As replies give it: in the vehicle's local NED, or in global NED for an external camera."""
    eye: CameraPose
    time_ns: int
    state: State
    """Of the simulator when the frame was taken."""
    depth: npt.NDArray[np.float32]
    rgb: npt.NDArray[np.uint8] | None = None
    lighting: npt.NDArray[np.uint8] | None = None
    """(H, W, 3) as `rgb`, of a world of matt grey."""
    normal: npt.NDArray[np.float32] | None = None
    """(H, W, 3) unit, in ENU; zero for the sky."""
    material: npt.NDArray[np.uint16] | None = None
    instance: npt.NDArray[np.uint32] | None = None
    before: CameraPose | None = None
    """Where the camera was when its last frame with motion was taken; the first time, where it is."""

    @property
    def camera(self) -> Intrinsics:
        return self.view.camera


def frames(config: SimulatorConfig, state: State, wanted: Sequence[Wanted], time_ns: int,
           turn: threading.Semaphore) -> list[Frame]:
    """A frame for each image that is wanted, all from one state; those of one camera and shape share theirs.

    turn: taken while rays are cast. Raises NoWorld.
    """
    if state.loaded is None:
        raise NoWorld
    keys = [(want.ref, view_of(config, camera_of(state, want.ref), want.image_type)) for want in wanted]
    parts: dict[tuple[CameraRef, View], set[Part]] = {}
    for key, want in zip(keys, wanted, strict=True):
        parts.setdefault(key, set()).update(want.parts)
    taken: dict[tuple[CameraRef, View], Frame] = {}
    for (ref, view), needed in parts.items():
        with turn:
            taken[ref, view] = _frame(config, state, ref, view, needed, time_ns)
    return [taken[key] for key in keys]


def remembered(state: State, seen: Mapping[CameraRef, CameraPose]) -> State:
    """The state after frames with motion of some cameras, taken from these poses."""
    return replace(state, extra={**state.extra, _SEEN: {**state.extra.get(_SEEN, {}), **seen}})


def _frame(config: SimulatorConfig, state: State, ref: CameraRef, view: View, parts: set[Part], time_ns: int) -> Frame:
    eye, normals = camera_from_ned(seen_from(state, ref)), "normals" in parts
    seen = _rendered(config, state, eye, view, time_ns, normals) if "colour" in parts else None
    shape = seen or _measured(state, eye, view, normals)
    lit = _rendered(config, state, eye, view, time_ns, plain=True) if "lighting" in parts else None
    marked = shape if "objects" in parts else _marked(state, eye, view, shape) if "labels" in parts else None
    before: Mapping[CameraRef, CameraPose] = state.extra.get(_SEEN, {})
    return Frame(
        view, reported_pose(state, ref), eye, time_ns, state, shape.depth,
        None if seen is None else distorted(_plotted(config, state, eye, view, time_ns, seen), view.camera,
                                            camera_of(state, ref).distortion),
        None if lit is None else lit.rgb, shape.normal,
        None if marked is None else marked.material, None if marked is None else marked.instance,
        before.get(ref, eye) if "motion" in parts else None)


def _rendered(config: SimulatorConfig, state: State, eye: CameraPose, view: View, time_ns: int, normals: bool = False,
              plain: bool = False) -> Rendered:
    assert state.loaded is not None
    light = light_at(state.sun_clock, state.light, time_ns, state.loaded.origin)
    return render(state.loaded.scene, state.phase, eye, view.camera, light, state.band, config.samples,
                  normals=normals, ortho_m=view.ortho_width_m, plain=plain)


def _plotted(config: SimulatorConfig, state: State, eye: CameraPose, view: View, time_ns: int,
             seen: Rendered) -> npt.NDArray[np.uint8]:
    """Colours of a frame with the markers that callers plotted."""
    weathered = _weathered(config, state, eye, view, time_ns, seen)
    return drawn_over(weathered, seen.depth, eye, view.camera, view.ortho_width_m, state, time_ns)


def _weathered(config: SimulatorConfig, state: State, eye: CameraPose, view: View, time_ns: int,
               seen: Rendered) -> npt.NDArray[np.uint8]:
    assert state.loaded is not None
    shot = Shot(seen.depth, seen.material, view.camera, eye, state.wind, state.band, view.ortho_width_m,
                daylight(state.sun_clock, time_ns, state.loaded.origin))
    return weathered(seen.rgb, shot, state.weather, time_ns, config.seed)


def _measured(state: State, eye: CameraPose, view: View, normals: bool) -> Rendered:
    assert state.loaded is not None
    return measure(state.loaded.scene, state.phase, eye, view.camera, normals=normals, ortho_m=view.ortho_width_m)


def _marked(state: State, eye: CameraPose, view: View, shape: Rendered) -> Rendered:
    """What segmentation sees: where objects were taken out of it, what is behind them."""
    assert state.loaded is not None
    if state.loaded.labelled is None:
        return shape
    return measure(state.loaded.labelled, state.phase, eye, view.camera, ortho_m=view.ortho_width_m)
