"""The simulator behind the server: vehicles with cameras in a loaded world.

State is one frozen value that is replaced under a lock; a frame is rendered from the value it started with, so calls
that arrive meanwhile never tear it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.config import IDENTITY, MOUNTS, CameraConfig, SimulatorConfig, VehicleConfig
from sim_bridge.embedded.grid import GridScene
from sim_bridge.embedded.objects import default_id, matching, stencil_ids
from sim_bridge.embedded.render import measure, render
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.state import Camera, Kinematics, Loaded, State, Vehicle
from sim_bridge.embedded.sun import SunClock, light_at, local_start
from sim_bridge.errors import MageError
from sim_bridge.frames import (
    NED,
    Geodetic,
    Intrinsics,
    NedPose,
    camera_from_ned,
    intrinsics,
    quaternion_from_rotation,
    rotation_from_quaternion,
)
from sim_bridge.world.grid import is_grid, read_grid
from sim_bridge.world.package import read_package

_ALIASES = {"": "front_center", "fpv": "front_center"} | {str(i): name for i, name in enumerate(MOUNTS)}


@dataclass(frozen=True)
class CameraRef:
    """One camera of the simulator, by the names it has there."""

    vehicle: str
    """Empty for an external camera."""
    camera: str


@dataclass(frozen=True)
class Frame:
    """What one camera saw. Arrays (H, W); depth in planar metres, inf = sky."""

    camera: Intrinsics
    pose: NedPose
    """As replies give it: in the vehicle's local NED, or in global NED for an external camera."""
    time_ns: int
    rgb: npt.NDArray[np.uint8] | None
    depth: npt.NDArray[np.float32]
    ids: npt.NDArray[np.uint8]


class NoWorld(MageError):
    """An image was asked for before a world was loaded."""

    kind = "no-world"


class Simulator:
    """Thread-safe: every method may be called from any worker."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._rendering = threading.Semaphore(2)
        self._state = State({vehicle.name: new_vehicle(vehicle) for vehicle in config.all_vehicles()},
                            {name: Camera(camera) for name, camera in config.external_cameras.items()},
                            wind=config.wind)
        self.start_ns = self.now_ns()
        if config.clock_start:
            self.update(sun_clock=SunClock(local_start(config.clock_start, False), self.start_ns))

    @property
    def state(self) -> State:
        return self._state

    def update(self, **changes: Any) -> None:
        """Replace fields of the state."""
        self.change(lambda state: replace(state, **changes))

    def change(self, step: Callable[[State], State]) -> State:
        """Replace the state by what `step` makes of it, under the lock; returns the new one."""
        with self._lock:
            self._state = step(self._state)
            return self._state

    def change_vehicle(self, name: str, **changes: Any) -> None:
        """Replace fields of one vehicle. Raises KeyError."""
        self.change(lambda state: state.with_vehicle(name, **changes))

    def place_vehicle(self, name: str, pose: NedPose) -> None:
        """Put a vehicle, at rest, at a pose in its local NED. Raises KeyError."""
        self.change_vehicle(name, kinematics=Kinematics(pose))

    def note(self, command: str, code: str | None) -> None:
        """Remember or forget (None) that a console command failed."""
        def noted(state: State) -> State:
            others = {name: kept for name, kept in state.errors.items() if name != command}
            return replace(state, errors=others if code is None else {**others, command: code})
        self.change(noted)

    def load(self, world_id: str) -> None:
        """Load a package or a grid of the world root, unless it is the present one. Raises InputError, OSError."""
        present = self._state.loaded
        if present is None or present.world_id != world_id:
            present = self._read(world_id)
        self.update(loaded=present, phase="before", stencils={}, errors={})

    def _read(self, world_id: str) -> Loaded:
        folder = self.config.world_root / world_id
        if is_grid(folder):
            grid = read_grid(folder)
            return Loaded(world_id, grid.origin, GridScene(self.config.world_root, grid, self.config.tile_bytes))
        package = read_package(folder)
        return Loaded(world_id, package.world.origin, Scene(package))

    @property
    def origin(self) -> Geodetic:
        """Of the world's frame."""
        loaded = self._state.loaded
        return loaded.origin if loaded else self.config.origin

    def now_ns(self) -> int:
        """The simulated time in nanoseconds since 1970."""
        return time.time_ns()

    def reset(self) -> None:
        """Vehicles back to their starts; the world and its light stay."""
        def started(state: State) -> State:
            vehicles = {name: replace(new_vehicle(vehicle.config), cameras=vehicle.cameras)
                        for name, vehicle in state.vehicles.items()}
            return replace(state, vehicles=vehicles, paused=False)
        self.change(started)

    def pause(self, paused: bool) -> None:
        self.update(paused=paused)

    def continue_for(self, seconds: float) -> Future[None]:
        """Let simulated time pass and pause again."""
        raise NotImplementedError

    def find_camera(self, name: str, vehicle: str = "", external: bool = False) -> CameraRef:
        """The camera of a name, an id "0" to "4" or an alias. Raises KeyError."""
        state = self._state
        if external:
            return CameraRef("", _known(state.external, name))
        owner = state.vehicle(vehicle)
        return CameraRef(owner.config.name, _known(owner.cameras, name if name in owner.cameras
                                                   else _ALIASES.get(name, name)))

    def set_camera(self, ref: CameraRef, **changes: Any) -> None:
        """Replace fields of a camera."""
        def changed(state: State) -> State:
            if not ref.vehicle:
                camera = replace(state.external[ref.camera], **changes)
                return replace(state, external={**state.external, ref.camera: camera})
            cameras = state.vehicles[ref.vehicle].cameras
            camera = replace(cameras[ref.camera], **changes)
            return state.with_vehicle(ref.vehicle, cameras={**cameras, ref.camera: camera})
        self.change(changed)

    def camera_pose(self, ref: CameraRef) -> NedPose:
        """Pose of a camera, in local NED of its vehicle."""
        return reported_pose(self._state, ref)

    def camera_fov_deg(self, ref: CameraRef) -> float:
        """Field of view across the wider side."""
        return camera_of(self._state, ref).fov_deg or self.config.fov_deg

    def camera_intrinsics(self, ref: CameraRef) -> Intrinsics:
        """Shape of a camera's images."""
        width, height = self.config.width, self.config.height
        # AirSim's angle spans the wider side, upright images included (PIPCamera.cpp)
        focal_px = intrinsics(max(width, height), 1, self.camera_fov_deg(ref)).focal_px
        return Intrinsics(width, height, focal_px)

    def object_names(self, pattern: str) -> list[str]:
        """Names of objects and of the state's marker that the pattern matches. Raises PatternError."""
        state = self._state
        names = list(state.loaded.poses) if state.loaded else []
        return matching([*names, *state.vehicles, *_markers(state)], pattern)

    def object_pose(self, name: str) -> NedPose | None:
        """Global pose of an object or a vehicle."""
        state = self._state
        if name in state.vehicles:
            return global_pose(state.vehicles[name])
        return state.loaded.poses.get(name) if state.loaded else None

    def set_stencil(self, name: str, stencil: int, is_pattern: bool) -> bool:
        """Give objects a segmentation id; False if none has that name. Raises PatternError, ValueError."""
        if not -1 <= stencil <= 255:
            raise ValueError(f"segmentation id {stencil} is not in -1..255")
        found: list[str] = []

        def changed(state: State) -> State:
            names = list(state.loaded.poses) if state.loaded else []
            found.extend(matching(names, name, ignore_case=True) if is_pattern else [n for n in names if n == name])
            return replace(state, stencils={**state.stencils, **dict.fromkeys(found, stencil)})
        self.change(changed)
        return bool(found)

    def stencil(self, name: str) -> int:
        """Segmentation id of an object; -1 if there is none of that name."""
        state = self._state
        if state.loaded is None or name not in state.loaded.poses:
            return -1
        return state.stencils.get(name, default_id(name))

    def capture(self, refs: Sequence[CameraRef], coloured: Collection[CameraRef]) -> dict[CameraRef, Frame]:
        """One frame for each camera, all from one state; for cameras not in `coloured` only geometry is cast.

        Raises NoWorld.
        """
        state = self._state
        loaded = state.loaded
        if loaded is None:
            raise NoWorld("no world is loaded: run the console command mage.load <world_id>")
        return {ref: self._frame(state, loaded, ref, ref in coloured) for ref in dict.fromkeys(refs)}

    def _frame(self, state: State, loaded: Loaded, ref: CameraRef, colour: bool) -> Frame:
        camera = self.camera_intrinsics(ref)
        eye = camera_from_ned(seen_from(state, ref))
        light = light_at(state.sun_clock, state.light, self.now_ns(), loaded.origin)
        with self._rendering:
            seen = (render(loaded.scene, state.phase, eye, camera, light, state.band, self.config.samples) if colour
                    else measure(loaded.scene, state.phase, eye, camera))
        ids = stencil_ids(seen.material, seen.instance, state.stencils)
        return Frame(camera, reported_pose(state, ref), self.now_ns(), seen.rgb if colour else None, seen.depth, ids)


def new_vehicle(config: VehicleConfig) -> Vehicle:
    """A vehicle at its start."""
    position = config.start.position
    down = 0.0 if math.isnan(position.down) else position.down
    start = NedPose(NED(position.north, position.east, down), IDENTITY.orientation)
    cameras = {name: Camera(camera) for name, camera in {**MOUNTS, **config.cameras}.items()}
    return Vehicle(config, start, Kinematics(NedPose(NED(0.0, 0.0, 0.0), config.start.orientation)), cameras)


def global_pose(vehicle: Vehicle) -> NedPose:
    """Pose of a vehicle in global NED."""
    return _moved(vehicle.kinematics.pose, vehicle.start.position)


def camera_of(state: State, ref: CameraRef) -> Camera:
    return state.vehicles[ref.vehicle].cameras[ref.camera] if ref.vehicle else state.external[ref.camera]


def seen_from(state: State, ref: CameraRef) -> NedPose:
    """Pose of a camera in global NED."""
    pose = reported_pose(state, ref)
    return _moved(pose, state.vehicles[ref.vehicle].start.position) if ref.vehicle else pose


def reported_pose(state: State, ref: CameraRef) -> NedPose:
    """Pose of a camera as replies give it: in local NED of its vehicle, external ones in global NED."""
    camera = camera_of(state, ref)
    body = state.vehicles[ref.vehicle].kinematics.pose if ref.vehicle else IDENTITY
    return compose(compose(body, camera.config.mount), camera.relative)


def compose(outer: NedPose, inner: NedPose) -> NedPose:
    """The pose `inner`, given in the frame of `outer`, in the frame in which `outer` is given."""
    turn = rotation_from_quaternion(outer.orientation)
    position = outer.position.array() + turn @ inner.position.array()
    turned = turn @ rotation_from_quaternion(inner.orientation)
    return NedPose(NED(*(float(v) for v in position)), quaternion_from_rotation(turned))


def _moved(pose: NedPose, by: NED) -> NedPose:
    at = pose.position
    return NedPose(NED(at.north + by.north, at.east + by.east, at.down + by.down), pose.orientation)


def _known(cameras: Mapping[str, CameraConfig] | Mapping[str, Camera], name: str) -> str:
    if name not in cameras:
        raise KeyError(name)
    return name


def _markers(state: State) -> list[str]:
    if state.errors:
        return [f"mage_error_{code}" for code in sorted(set(state.errors.values()))]
    if state.loaded is None:
        return []
    return [f"mage_state_{state.loaded.world_id}_{state.phase}_{state.band}_ready"]
