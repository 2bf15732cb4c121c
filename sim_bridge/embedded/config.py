"""What the embedded simulator is built from: AirSim's settings as values. `airsim/settings.py` reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sim_bridge.frames import NED, Geodetic, NedPose, Quaternion, quaternion_from_euler

IDENTITY = NedPose(NED(0.0, 0.0, 0.0), Quaternion(1.0, 0.0, 0.0, 0.0))
GROUND_START = NedPose(NED(0.0, 0.0, math.nan), IDENTITY.orientation)
REDMOND = Geodetic(47.641468, -122.140165, 122.0)
"""AirSim's default OriginGeopoint."""
NO_WIND = NED(0.0, 0.0, 0.0)
TILE_BYTES = 1_500_000_000
VehicleKind = Literal["computervision", "simpleflight", "physxcar"]
SimMode = Literal["ComputerVision", "Multirotor", "Car"]
DEFAULT_VEHICLE: Mapping[str, tuple[str, VehicleKind]] = {
    "ComputerVision": ("ComputerVision", "computervision"),
    "Multirotor": ("SimpleFlight", "simpleflight"),
    "Car": ("PhysXCar", "physxcar"),
}
"""Name and kind of the vehicle that a mode has without a `Vehicles` section."""


@dataclass(frozen=True)
class CaptureConfig:
    """Shape of one image type of a camera. None: that of the simulator."""

    width: int | None = None
    height: int | None = None
    fov_deg: float | None = None
    """Across the wider side."""
    ortho_width_m: float | None = None
    """Width of the projected area of an orthographic camera; None: perspective."""


@dataclass(frozen=True)
class CameraConfig:
    """One camera: where it is mounted, in the frame of its vehicle (in global NED for an external one)."""

    mount: NedPose = IDENTITY
    captures: Mapping[int, CaptureConfig] = field(default_factory=dict)
    """By image type; types that are not named are those of `SimulatorConfig.camera_defaults`."""
    gimbal: tuple[float, float, float] | None = None
    """(roll, pitch, yaw) in degrees, held level in the world's frame however the vehicle tilts; nan: not held."""


MOUNTS: Mapping[str, CameraConfig] = {
    "front_center": CameraConfig(),
    "front_right": CameraConfig(NedPose(NED(0.0, 0.125, 0.0), IDENTITY.orientation)),
    "front_left": CameraConfig(NedPose(NED(0.0, -0.125, 0.0), IDENTITY.orientation)),
    "bottom_center": CameraConfig(NedPose(NED(0.0, 0.0, 0.0), quaternion_from_euler(0, -90, 0))),
    "back_center": CameraConfig(NedPose(NED(0.0, 0.0, 0.0), quaternion_from_euler(0, 0, 180))),
}
"""Cameras that every vehicle has, in the order of their ids "0" to "4" (AirSim ComputerVisionPawn.cpp)."""


@dataclass(frozen=True)
class SensorConfig:
    """One sensor of a vehicle; what its kind needs beyond the pose is in `options`, by AirSim's own key."""

    name: str
    kind: int
    """AirSim's SensorType: 1 barometer, 2 IMU, 3 GPS, 4 magnetometer, 5 distance, 6 lidar; Cosys: 7 echo, 8 GPU lidar,
    9 UWB, 10 WiFi."""
    mount: NedPose = IDENTITY
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VehicleConfig:
    """One vehicle at its start, in global NED. z nan: on the ground under it (ComputerVision: 0)."""

    name: str
    kind: VehicleKind
    start: NedPose = GROUND_START
    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    """Beside or instead of `MOUNTS`, by name."""
    sensors: tuple[SensorConfig, ...] = ()
    """Beside the five that AirSim gives a multirotor without a `Sensors` section (no lidar, no distance)."""
    api_always: bool = False


@dataclass(frozen=True)
class RecordingConfig:
    """What startRecording writes, below `SimulatorConfig.recording_root`."""

    folder: str = ""
    """Below the recording root; what leads out of it is refused."""
    interval_s: float = 0.05
    on_move: bool = False
    cameras: tuple[Mapping[str, Any], ...] = ()
    """CameraName, ImageType, PixelsAsFloat, VehicleName, Compress, as in settings.json."""


@dataclass(frozen=True)
class AnnotationLayer:
    """One of Cosys' annotation layers."""

    name: str
    kind: int
    """0 RGB, 1 greyscale, 2 texture."""
    default: bool = True
    set_direct: bool = False


@dataclass(frozen=True)
class SimulatorConfig:
    """Where worlds are, what flies in them and how frames are drawn."""

    world_root: Path
    width: int = 512
    height: int = 512
    fov_deg: float = 90.0
    """Across the wider side, of every camera at the start."""
    samples: int = 4
    """Colour samples a pixel."""
    tile_bytes: int = TILE_BYTES
    """What the loaded packages of a grid may hold before those not seen of late are let go."""
    mode: SimMode = "ComputerVision"
    vehicles: tuple[VehicleConfig, ...] = ()
    """Empty: the mode's default vehicle."""
    camera_defaults: Mapping[int, CaptureConfig] = field(default_factory=dict)
    """By image type, before width, height and fov_deg."""
    external_cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    clock_speed: float = 1.0
    steppable: bool = False
    """Time stands still but for a running flight task or a continue call, and then runs as fast as the machine can
    (AirSim's ClockType SteppableClock). Else it follows the wall clock, `clock_speed` times as fast."""
    external_physics: bool = False
    """Vehicles move as callers set them, and not by themselves (AirSim's ExternalPhysicsEngine)."""
    origin: Geodetic = REDMOND
    """Of the world's frame while no world is loaded: a world brings its own."""
    wind: NED = NO_WIND
    clock_start: str = ""
    """Local start of the time of day, `%Y-%m-%d %H:%M:%S`; empty: off."""
    segmentation_init: Literal["", "None"] = ""
    """"None": nothing has an id until one is set."""
    annotation: tuple[AnnotationLayer, ...] = ()
    recording: RecordingConfig = RecordingConfig()
    recording_root: Path | None = None
    """Folder for recordings and voxel grids; None: refused with a message."""
    seed: int = 0
    """Of the sensors' noise."""

    def all_vehicles(self) -> tuple[VehicleConfig, ...]:
        """What is there at the start."""
        name, kind = DEFAULT_VEHICLE[self.mode]
        return self.vehicles or (VehicleConfig(name, kind),)
