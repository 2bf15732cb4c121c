"""The simulator behind the server: vehicles with cameras in a loaded world.

State is one frozen value that is replaced under a lock; a frame is rendered from the value it started with, so calls
that arrive meanwhile never tear it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from sim_bridge.embedded import cameras, capture, markers, scene_objects
from sim_bridge.embedded.cameras import CameraRef, View
from sim_bridge.embedded.capture import Frame, Wanted
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.fleet import Fleet
from sim_bridge.embedded.grid import GridScene
from sim_bridge.embedded.objects import matching
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.scene_objects import NoWorld as NoWorld
from sim_bridge.embedded.starts import added, grounds, new_vehicle, restarted
from sim_bridge.embedded.state import Camera, Kinematics, Loaded, State, Vehicle
from sim_bridge.embedded.sun import SunClock, local_start
from sim_bridge.frames import Geodetic, NedPose
from sim_bridge.world.grid import is_grid, read_grid
from sim_bridge.world.package import read_package

Answer = TypeVar("Answer")


class Simulator:
    """Thread-safe: every method may be called from any worker."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._rendering = threading.Semaphore(2)
        self._state = State({vehicle.name: new_vehicle(vehicle) for vehicle in config.all_vehicles()},
                            {name: Camera(camera) for name, camera in config.external_cameras.items()},
                            wind=config.wind)
        self.fleet = None if config.mode == "ComputerVision" else Fleet(config, lambda: self._state, self.change)
        if self.fleet is not None:
            self.fleet.start()
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
        self.move_vehicle(name, Kinematics(pose))

    def move_vehicle(self, name: str, kinematics: Kinematics) -> None:
        """Put a vehicle somewhere with a motion of its own. Raises KeyError."""
        if self.fleet is None:
            self.change_vehicle(name, kinematics=kinematics)
        else:
            self.fleet.place(name, kinematics)

    def add_vehicle(self, name: str, kind: str, pose: NedPose) -> bool:
        """Add a vehicle that starts at a global pose; False if there can be none of that name and kind."""
        vehicle = added(self.config, self._state, name, kind, pose)
        if vehicle is None:
            return False
        self.change(lambda state: replace(state, vehicles={**state.vehicles, name: vehicle}))
        if self.fleet is not None:
            self.fleet.sync()
        return True

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
        present = scene_objects.unchanged(present)
        known = self._state.loaded is not None and self._state.loaded.world_id == world_id
        self.update(loaded=present, phase="before", stencils={}, errors={})
        self.change(markers.cleared)
        if self.fleet is not None and not known:
            self._restart()

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
        return self._state.time_ns or time.time_ns()

    def reset(self) -> None:
        """Vehicles back to their starts, tasks cancelled; the world and its light stay."""
        self._restart()

    def _restart(self) -> None:
        ground = grounds(self._state)
        if self.fleet is None:
            self.change(lambda state: restarted(state, ground))
        else:
            self.fleet.restart(lambda state: restarted(state, ground))

    def close(self) -> None:
        """End simulated time and all tasks."""
        if self.fleet is not None:
            self.fleet.close()

    def pause(self, paused: bool) -> None:
        """Stop simulated time or let it go on."""
        if self.fleet is None:
            self.update(paused=paused)
        else:
            self.fleet.pause(paused)

    def continue_for(self, seconds: float) -> Future[None]:
        """Let simulated time pass and pause again. Raises ValueError, also where there is no simulated time."""
        if self.fleet is None:
            raise ValueError("continueForTime is not implemented by SimMode")
        return self.fleet.continue_for(seconds)

    def find_camera(self, name: str, vehicle: str = "", external: bool = False) -> CameraRef:
        """See `cameras.find_camera`."""
        return cameras.find_camera(self._state, name, vehicle, external)

    def change_camera(self, ref: CameraRef, step: Callable[[Camera], Camera]) -> None:
        """Replace a camera by what `step` makes of it."""
        self.change(lambda state: cameras.with_camera(state, ref, step(cameras.camera_of(state, ref))))

    def camera_pose(self, ref: CameraRef) -> NedPose:
        """Pose of a camera as replies give it, see `cameras.reported_pose`."""
        return cameras.reported_pose(self._state, ref)

    def view(self, ref: CameraRef, image_type: int = 0) -> View:
        """Shape of one image type of a camera; 0 is the scene's colours."""
        return cameras.view_of(self.config, cameras.camera_of(self._state, ref), image_type)

    def object_names(self, pattern: str) -> list[str]:
        """Names of objects and of the state's marker that the pattern matches. Raises PatternError."""
        state = self._state
        return matching([*scene_objects.object_names(state), *_markers(state)], pattern)

    def object_pose(self, name: str) -> NedPose | None:
        """Global pose of an object or a vehicle."""
        state = self._state
        if name in state.vehicles:
            return global_pose(state.vehicles[name])
        return state.loaded.poses.get(name) if state.loaded else None

    def change_objects(self, step: Callable[[State], tuple[State, Answer]]) -> Answer:
        """What a step of `scene_objects` answers, after the state was replaced by what it makes of it."""
        answers: list[Answer] = []

        def changed(state: State) -> State:
            after, answer = step(state)
            answers.append(answer)
            return after
        self.change(changed)
        return answers[0]

    def set_stencil(self, name: str, stencil: int, is_pattern: bool) -> bool:
        """See `scene_objects.set_stencil`."""
        return self.change_objects(lambda state: scene_objects.set_stencil(state, name, stencil, is_pattern))

    def stencil(self, name: str) -> int:
        """See `scene_objects.stencil_of`."""
        return scene_objects.stencil_of(self._state, name, self.config.segmentation_init == "None")

    def capture(self, wanted: Sequence[Wanted]) -> list[Frame]:
        """A frame for each image that is wanted, all from one state and moment. Raises NoWorld."""
        state = self._state
        taken = capture.frames(self.config, state, wanted, state.time_ns or time.time_ns(), self._rendering)
        if moving := {want.ref: frame.eye for want, frame in zip(wanted, taken, strict=True)
                      if "motion" in want.parts}:
            self.change(lambda state: capture.remembered(state, moving))
        return taken


def global_pose(vehicle: Vehicle) -> NedPose:
    """Pose of a vehicle in global NED."""
    return cameras.moved(vehicle.kinematics.pose, vehicle.start.position)


def _markers(state: State) -> list[str]:
    if state.errors:
        return [f"mage_error_{code}" for code in sorted(set(state.errors.values()))]
    if state.loaded is None:
        return []
    return [f"mage_state_{state.loaded.world_id}_{state.phase}_{state.band}_ready"]
