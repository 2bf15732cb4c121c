"""The simulator's state: frozen values, replaced as a whole under one lock, so that no reader sees half a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sim_bridge.embedded.config import IDENTITY, CameraConfig, VehicleConfig
from sim_bridge.embedded.scene import Landscape
from sim_bridge.embedded.sun import SunClock
from sim_bridge.frames import NED, Geodetic, NedPose
from sim_bridge.spec import Light

Phase = Literal["before", "after"]
Band = Literal["rgb", "nir"]
ZERO = NED(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Loaded:
    """A world package or a grid of them, ready to draw."""

    world_id: str
    origin: Geodetic
    scene: Landscape
    labelled: Landscape | None = None
    """What segmentation sees, where that is not the whole scene; see `scene_objects.labelled`."""

    @property
    def poses(self) -> Mapping[str, NedPose]:
        """Of all objects by name."""
        return self.scene.objects().poses


@dataclass(frozen=True)
class Camera:
    """A camera as it is now."""

    config: CameraConfig
    fov_deg: float | None = None
    """Across the wider side, of all image types, once it was set; else as configured."""
    relative: NedPose = IDENTITY
    """Pose relative to its mount."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """K1, K2, K3, P1, P2."""


@dataclass(frozen=True)
class Kinematics:
    """Motion of a vehicle: pose in its local NED, rates in the world's axes but angular ones in the body's."""

    pose: NedPose = IDENTITY
    linear_velocity: NED = ZERO
    angular_velocity: NED = ZERO
    linear_acceleration: NED = ZERO
    angular_acceleration: NED = ZERO


@dataclass(frozen=True)
class Collision:
    has_collided: bool = False
    penetration_m: float = 0.0
    time_ns: int = 0
    normal: NED = ZERO
    impact_point: NED = ZERO
    position: NED = ZERO
    object_name: str = ""
    object_id: int = -1


@dataclass(frozen=True)
class Vehicle:
    """One vehicle. Its local NED has its origin at `start`, in global NED."""

    config: VehicleConfig
    start: NedPose = IDENTITY
    kinematics: Kinematics = Kinematics()
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    api_enabled: bool = False
    armed: bool = False
    landed: bool = True
    collision: Collision = Collision()


@dataclass(frozen=True)
class Weather:
    """AirSim's weather, all in 0..1."""

    enabled: bool = False
    rain: float = 0.0
    road_wetness: float = 0.0
    snow: float = 0.0
    road_snow: float = 0.0
    leaves: float = 0.0
    road_leaves: float = 0.0
    dust: float = 0.0
    fog: float = 0.0


@dataclass(frozen=True)
class State:
    vehicles: Mapping[str, Vehicle]
    """In order of creation: the first is the one that "" names."""
    external: Mapping[str, Camera] = field(default_factory=dict)
    loaded: Loaded | None = None
    phase: Phase = "before"
    band: Band = "rgb"
    light: Light = field(default_factory=Light)
    sun_clock: SunClock | None = None
    """Of simSetTimeOfDay while it is enabled."""
    weather: Weather = Weather()
    wind: NED = ZERO
    paused: bool = False
    time_ns: int = 0
    """Simulated time since 1970 at which all this holds; 0 where the wall's clock is the only one."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Code of each console command that failed, until it succeeds or another world is loaded."""
    stencils: Mapping[str, int] = field(default_factory=dict)
    """Segmentation ids that were set, by object."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Values of single features (detection filters, annotation layers, lens settings), each a key that one module
    owns."""

    def vehicle(self, name: str) -> Vehicle:
        """The vehicle of a name; "" is the first. Raises KeyError."""
        return self.vehicles[name] if name else next(iter(self.vehicles.values()))

    def with_vehicle(self, name: str, **changes: Any) -> State:
        """The state with fields of one vehicle replaced. Raises KeyError."""
        key = name or next(iter(self.vehicles))
        return replace(self, vehicles={**self.vehicles, key: replace(self.vehicles[key], **changes)})
