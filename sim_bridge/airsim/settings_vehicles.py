"""Vehicles of settings.json, with their cameras and sensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sim_bridge.airsim.dialects import SimMode
from sim_bridge.embedded.config import (
    DEFAULT_VEHICLE,
    IDENTITY,
    MOUNTS,
    CameraConfig,
    CaptureConfig,
    SensorConfig,
    VehicleConfig,
    VehicleKind,
)
from sim_bridge.errors import InputError
from sim_bridge.frames import NED, NedPose, euler_from_quaternion, quaternion_from_euler

Captures = Callable[[Mapping[str, Any]], Mapping[int, CaptureConfig]]

MOST_VEHICLES = 100
_KINDS: Mapping[str, VehicleKind] = {
    "simpleflight": "simpleflight", "px4multirotor": "simpleflight", "arducopter": "simpleflight",
    "arducoptersolo": "simpleflight", "physxcar": "physxcar", "arducopterrover": "physxcar", "boxcar": "physxcar",
    "cphusky": "physxcar", "pioneer": "physxcar", "computervision": "computervision",
}
_MOUNT_KEYS = ("X", "Y", "Z", "Roll", "Pitch", "Yaw")
_RANGING, _ABOVE_CAR = (5, 6, 7, 8), NedPose(NED(0.0, 0.0, -1.0), IDENTITY.orientation)
"""Sensors that cast rays, and where cars carry them unless told otherwise (DistanceSimpleParams.hpp)."""


def named_vehicles(data: Mapping[str, Any], mode: SimMode,
                   captures: Captures) -> tuple[tuple[VehicleConfig, ...], list[str]]:
    """Vehicles of the section in AirSim's order, and notes on those that are left out or are not what was asked for.

    As in AirSim, those whose type the mode does not have are not made, and those with AutoCreate false neither.
    Raises InputError for a type that AirSim does not have, and for too many.
    """
    section, notes = data.get("Vehicles", {}), []
    if len(section) > MOST_VEHICLES:
        raise InputError(f"settings.json: {len(section)} Vehicles, expected at most {MOST_VEHICLES}")
    made: list[tuple[bool, VehicleConfig]] = []
    for name in sorted(section):
        kind, told = _kind(name, section[name].get("VehicleType", ""))
        if kind != DEFAULT_VEHICLE[mode][1]:
            notes.append(f"settings.json: Vehicles.{name} is left out: {section[name].get('VehicleType')} is not of "
                         f"SimMode {mode}")
        elif section[name].get("AutoCreate", True):
            notes += told
            made.append((section[name].get("IsFpvVehicle", False),
                         _vehicle(name, kind, section[name], data.get("DefaultSensors", {}), captures)))
    if section and not made:
        notes.append(f"settings.json: no vehicle of Vehicles is made, so there is {DEFAULT_VEHICLE[mode][0]}")
    return tuple(vehicle for _, vehicle in sorted(made, key=lambda pair: not pair[0])), notes


def _kind(name: str, text: str) -> tuple[VehicleKind, list[str]]:
    kind = _KINDS.get(text.lower())
    if kind is None:
        raise InputError(f"settings.json: Vehicles.{name}.VehicleType is {text[:40]!r}, expected one of "
                         "SimpleFlight, PhysXCar, ComputerVision")
    return kind, [] if text.lower() == kind else [f"settings.json: Vehicles.{name}: {text} moves as {kind} does here"]


def _vehicle(name: str, kind: VehicleKind, section: Mapping[str, Any], sensors: Mapping[str, Any],
             captures: Captures) -> VehicleConfig:
    start = pose(section, NedPose(NED(0.0, 0.0, math.nan), IDENTITY.orientation))
    cameras = {camera: camera_config(entry, MOUNTS.get(camera, CameraConfig()).mount, captures)
               for camera, entry in section.get("Cameras", {}).items()}
    both = {**sensors, **section.get("Sensors", {})}
    return VehicleConfig(name, kind, start, cameras, tuple(_sensor(key, entry, kind)
                                                           for key, entry in both.items()))


def _sensor(name: str, section: Mapping[str, Any], vehicle: VehicleKind) -> SensorConfig:
    if "SensorType" not in section:
        raise InputError(f"settings.json: the sensor {name[:40]!r} has no SensorType, give it one of 1 to 10")
    options = {key: value for key, value in section.items() if key not in (*_MOUNT_KEYS, "SensorType", "Enabled")
               and not (isinstance(value, float) and math.isnan(value))}
    if not section.get("Enabled", False):
        # kept: AirSim gives no default sensor of its type then
        options["Enabled"] = False
    lifted = vehicle == "physxcar" and section["SensorType"] in _RANGING
    return SensorConfig(name, section["SensorType"], pose(section, _ABOVE_CAR if lifted else IDENTITY), options)


def external_camera(section: Mapping[str, Any], captures: Captures) -> CameraConfig:
    """A camera of ExternalCameras: mounted in global NED."""
    return camera_config(section, IDENTITY, captures)


def camera_config(section: Mapping[str, Any], mount: NedPose, captures: Captures) -> CameraConfig:
    """A camera of settings.json; what it does not say of its pose is that of `mount`."""
    gimbal = section.get("Gimbal", {})
    held = tuple(number(gimbal, key, math.nan) for key in ("Roll", "Pitch", "Yaw"))
    is_held = number(gimbal, "Stabilization", 0.0) > 0 and not all(math.isnan(angle) for angle in held)
    return CameraConfig(pose(section, mount), captures(section), (held[0], held[1], held[2]) if is_held else None)


def pose(section: Mapping[str, Any], base: NedPose) -> NedPose:
    """X, Y, Z in metres and Roll, Pitch, Yaw in degrees; each that is not set is that of `base`."""
    if all(math.isnan(number(section, key, math.nan)) for key in ("Roll", "Pitch", "Yaw")):
        return NedPose(vector(section, base.position), base.orientation)
    roll, pitch, yaw = euler_from_quaternion(base.orientation)
    turned = quaternion_from_euler(number(section, "Roll", roll), number(section, "Pitch", pitch),
                                   number(section, "Yaw", yaw))
    return NedPose(vector(section, base.position), turned)


def vector(section: Mapping[str, Any], base: NED) -> NED:
    """X, Y, Z; each that is not set is that of `base`."""
    return NED(number(section, "X", base.north), number(section, "Y", base.east), number(section, "Z", base.down))


def number(section: Mapping[str, Any], key: str, base: float) -> float:
    """A number, or `base` where it is not set, which NaN says too."""
    value = float(section.get(key, math.nan))
    return base if math.isnan(value) else value
