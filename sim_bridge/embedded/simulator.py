"""The state behind the server: one ComputerVision vehicle with five cameras in a loaded world.

State is one frozen value that is replaced under a lock; a frame is rendered from the value it started with, so calls
that arrive meanwhile never tear it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.grid import MEMORY_BYTES, GridScene
from sim_bridge.embedded.objects import default_id, matching, stencil_ids
from sim_bridge.embedded.render import measure, render
from sim_bridge.embedded.scene import Landscape, Scene
from sim_bridge.embedded.sun import LOWEST_DEG, solar_position, utc_from_local
from sim_bridge.errors import MageError
from sim_bridge.frames import (
    NED,
    Geodetic,
    Intrinsics,
    NedPose,
    Quaternion,
    camera_from_ned,
    intrinsics,
    quaternion_from_euler,
    quaternion_from_rotation,
    rotation_from_quaternion,
)
from sim_bridge.spec import Light
from sim_bridge.world.grid import is_grid, read_grid
from sim_bridge.world.package import read_package

VEHICLE = "ComputerVision"
IDENTITY = NedPose(NED(0.0, 0.0, 0.0), Quaternion(1.0, 0.0, 0.0, 0.0))

MOUNTS: Mapping[str, NedPose] = {
    "front_center": IDENTITY,
    "front_right": NedPose(NED(0.0, 0.125, 0.0), IDENTITY.orientation),
    "front_left": NedPose(NED(0.0, -0.125, 0.0), IDENTITY.orientation),
    "bottom_center": NedPose(NED(0.0, 0.0, 0.0), quaternion_from_euler(0, -90, 0)),
    "back_center": NedPose(NED(0.0, 0.0, 0.0), quaternion_from_euler(0, 0, 180)),
}
"""Cameras in the order of their ids "0" to "4", in the vehicle's body frame (AirSim ComputerVisionPawn.cpp)."""

_ALIASES = {"": "front_center", "fpv": "front_center"} | {str(i): name for i, name in enumerate(MOUNTS)}

Phase = Literal["before", "after"]
Band = Literal["rgb", "nir"]


@dataclass(frozen=True)
class SimulatorConfig:
    """Where worlds are and how frames are drawn."""

    world_root: Path
    width: int = 512
    height: int = 512
    fov_deg: float = 90.0
    """Across the wider side, of every camera at the start."""
    samples: int = 4
    """Colour samples a pixel."""
    tile_bytes: int = MEMORY_BYTES
    """What the loaded packages of a grid may hold before those not seen of late are let go."""


@dataclass(frozen=True)
class Loaded:
    """A world package or a grid of them, ready to draw."""

    world_id: str
    origin: Geodetic
    scene: Landscape

    @property
    def poses(self) -> Mapping[str, NedPose]:
        """Of all objects by name."""
        return self.scene.objects().poses


@dataclass(frozen=True)
class Camera:
    fov_deg: float
    relative: NedPose = IDENTITY
    """Pose relative to its mount."""


@dataclass(frozen=True)
class State:
    cameras: Mapping[str, Camera]
    loaded: Loaded | None = None
    phase: Phase = "before"
    band: Band = "rgb"
    light: Light = field(default_factory=Light)
    clock_light: Light | None = None
    """Light of simSetTimeOfDay while it is enabled."""
    vehicle: NedPose = IDENTITY
    paused: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    """Code of each console command that failed, until it succeeds or another world is loaded."""
    stencils: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """What one camera saw. Arrays (H, W); depth in planar metres, inf = sky."""

    camera: Intrinsics
    pose: NedPose
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
        self._state = State({name: Camera(config.fov_deg) for name in MOUNTS})

    @property
    def state(self) -> State:
        return self._state

    def update(self, **changes: Any) -> None:
        """Replace fields of the state."""
        with self._lock:
            self._state = replace(self._state, **changes)

    def note(self, command: str, code: str | None) -> None:
        """Remember or forget (None) that a console command failed."""
        with self._lock:
            others = {name: kept for name, kept in self._state.errors.items() if name != command}
            self._state = replace(self._state, errors=others if code is None else {**others, command: code})

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

    def reset(self) -> None:
        """Vehicle back to its start; the world and its light stay."""
        self.update(vehicle=IDENTITY, paused=False)

    def set_camera(self, name: str, **changes: Any) -> None:
        """Change `fov_deg` or `relative` of a camera. Raises KeyError for an unknown one."""
        name = camera_name(name)
        with self._lock:
            camera = replace(self._state.cameras[name], **changes)
            self._state = replace(self._state, cameras={**self._state.cameras, name: camera})

    def camera_pose(self, name: str) -> NedPose:
        """Pose of a camera in local NED. Raises KeyError for an unknown one."""
        return _camera_pose(self._state, camera_name(name))

    def camera_fov_deg(self, name: str) -> float:
        """Field of view across the wider side. Raises KeyError for an unknown camera."""
        return self._state.cameras[camera_name(name)].fov_deg

    def camera_intrinsics(self, name: str) -> Intrinsics:
        """Shape of a camera's images. Raises KeyError for an unknown one."""
        return self._intrinsics(self._state.cameras[camera_name(name)])

    def object_names(self, pattern: str) -> list[str]:
        """Names of objects and of the state's marker that the pattern matches. Raises PatternError."""
        state = self._state
        names = list(state.loaded.poses) if state.loaded else []
        return matching([*names, *_markers(state)], pattern)

    def object_pose(self, name: str) -> NedPose | None:
        loaded = self._state.loaded
        return loaded.poses.get(name) if loaded else None

    def set_stencil(self, name: str, stencil: int, is_pattern: bool) -> bool:
        """Give objects a segmentation id; False if none has that name. Raises PatternError, ValueError."""
        if not -1 <= stencil <= 255:
            raise ValueError(f"segmentation id {stencil} is not in -1..255")
        with self._lock:
            names = list(self._state.loaded.poses) if self._state.loaded else []
            found = matching(names, name, ignore_case=True) if is_pattern else [n for n in names if n == name]
            stencils = {**self._state.stencils, **dict.fromkeys(found, stencil)}
            self._state = replace(self._state, stencils=stencils)
        return bool(found)

    def stencil(self, name: str) -> int:
        """Segmentation id of an object; -1 if there is none of that name."""
        state = self._state
        if state.loaded is None or name not in state.loaded.poses:
            return -1
        return state.stencils.get(name, default_id(name))

    def set_clock(self, enabled: bool, local_time: str, summer_time: bool) -> None:
        """Move the sun to where it stands at a local time (empty: now), or back. Raises ValueError."""
        state = self._state
        place = state.loaded.origin if state.loaded else Geodetic(47.641468, -122.140165, 122.0)
        if not enabled:
            self.update(clock_light=None)
            return
        when = (utc_from_local(local_time, summer_time, place) if local_time
                else datetime.now(UTC).replace(tzinfo=None))
        elevation_deg, azimuth_deg = solar_position(place, when)
        self.update(clock_light=Light(max(LOWEST_DEG, elevation_deg), azimuth_deg, state.light.haze))

    def capture(self, names: Sequence[str], coloured: Collection[str]) -> dict[str, Frame]:
        """One frame for each camera name, all from one state; for cameras not in `coloured` only geometry is cast.

        Raises KeyError for an unknown camera, NoWorld.
        """
        state = self._state
        loaded = state.loaded
        if loaded is None:
            raise NoWorld("no world is loaded: run the console command mage.load <world_id>")
        return {name: self._frame(state, loaded, camera_name(name), name in coloured)
                for name in dict.fromkeys(names)}

    def _frame(self, state: State, loaded: Loaded, name: str, colour: bool) -> Frame:
        pose, camera = _camera_pose(state, name), self._intrinsics(state.cameras[name])
        eye, light = camera_from_ned(pose), state.clock_light or state.light
        with self._rendering:
            seen = (render(loaded.scene, state.phase, eye, camera, light, state.band, self.config.samples) if colour
                    else measure(loaded.scene, state.phase, eye, camera))
        ids = stencil_ids(seen.material, seen.instance, state.stencils)
        return Frame(camera, pose, time.time_ns(), seen.rgb if colour else None, seen.depth, ids)

    def _intrinsics(self, camera: Camera) -> Intrinsics:
        width, height = self.config.width, self.config.height
        # AirSim's angle spans the wider side, upright images included (PIPCamera.cpp)
        focal_px = intrinsics(max(width, height), 1, camera.fov_deg).focal_px
        return Intrinsics(width, height, focal_px)


def camera_name(name: str) -> str:
    """Name of a camera from its name, id or alias. Raises KeyError."""
    name = _ALIASES.get(name, name)
    if name not in MOUNTS:
        raise KeyError(name)
    return name


def _camera_pose(state: State, name: str) -> NedPose:
    return _compose(_compose(state.vehicle, MOUNTS[name]), state.cameras[name].relative)


def _compose(outer: NedPose, inner: NedPose) -> NedPose:
    turn = rotation_from_quaternion(outer.orientation)
    position = outer.position.array() + turn @ inner.position.array()
    turned = turn @ rotation_from_quaternion(inner.orientation)
    return NedPose(NED(*(float(v) for v in position)), quaternion_from_rotation(turned))


def _markers(state: State) -> list[str]:
    if state.errors:
        return [f"mage_error_{code}" for code in sorted(set(state.errors.values()))]
    if state.loaded is None:
        return []
    return [f"mage_state_{state.loaded.world_id}_{state.phase}_{state.band}_ready"]
