"""AirSim's settings.json: where it is found, how it is read, and what the simulator takes from it.

Sources: AirSimSettings.hpp, docs/settings.md (AirSim 1.8.1, Cosys-AirSim 3); protocol reference, section 12. The keys
are in `settings_keys.txt`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import json5

from sim_bridge.airsim.dialects import SimMode
from sim_bridge.airsim.messages import ImageType
from sim_bridge.airsim.settings_schema import check
from sim_bridge.airsim.settings_vehicles import external_camera, named_vehicles, number, vector
from sim_bridge.embedded.config import AnnotationLayer, CaptureConfig, RecordingConfig, SimulatorConfig
from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic

STRICT_BYTES, LENIENT_BYTES = 4 << 20, 128 << 10
"""Longest file read, and longest one with comments: the lenient parser takes about ten seconds a MiB."""
AIRSIM_SIZE = (256, 144)
DEFAULT_PORT = 41451
_SHOWN = 40


@dataclass(frozen=True)
class TimeOfDay:
    """Arguments of simSetTimeOfDay at the start."""

    enabled: bool = False
    start: str = ""
    """Local, `%Y-%m-%d %H:%M:%S`; empty: now."""
    is_dst: bool = False
    speed: float = 1.0
    interval_s: float = 60.0
    move_sun: bool = True


@dataclass(frozen=True)
class Settings:
    """What a settings.json says, over the defaults."""

    simulator: SimulatorConfig
    text: str = ""
    """As it was read; empty: there was none."""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    time_of_day: TimeOfDay = TimeOfDay()
    records: bool = False
    """Recording begins at the start."""
    warnings: tuple[str, ...] = ()


def found_settings(given: str, base: SimulatorConfig, mode: SimMode | None) -> Settings:
    """The settings of a path or of JSON text, or of the first file where AirSim looks; `mode` wins over theirs.

    Raises InputError for what cannot be read, is no settings.json, or has a wrong value.
    """
    text = found_text(given, (Path("settings.json"), Path.home() / "Documents/AirSim/settings.json"))
    if not text:
        return Settings(replace(base, mode=mode or base.mode))
    data = parsed(text)
    findings = check(data)
    chosen, notes = _mode(data, mode)
    simulator, more = _simulator(data, base, chosen)
    return Settings(simulator, text, data.get("LocalHostIp") or "127.0.0.1", data.get("ApiServerPort", DEFAULT_PORT),
                    _time_of_day(data.get("TimeOfDay", {})), data.get("Recording", {}).get("Enabled", False),
                    (*notes, *more, *findings.lines()))


def found_text(given: str, places: Sequence[Path]) -> str:
    """The text that was given, of the file that was given, or of the first place that exists; empty if none does.

    Raises InputError for a file that cannot be read or is too long.
    """
    if given.lstrip().startswith("{"):
        return given
    try:
        path = Path(given) if given else next((place for place in places if place.is_file()), None)
        if path is None:
            return ""
        if not path.is_file():
            raise InputError(f"--settings {given}: no such file, name a settings.json or give its text")
        with path.open("rb") as file:
            content = file.read(STRICT_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"settings.json {given!r}: cannot be read ({error})") from error
    if len(content) > STRICT_BYTES:
        raise InputError(f"{path}: longer than {STRICT_BYTES >> 20} MiB, which no settings.json is")
    return text if text.strip() else "{}"


def parsed(text: str) -> dict[str, Any]:
    """JSON, or JSON with comments, trailing commas and other loose ends. Raises InputError."""
    try:
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            if len(text) > LENIENT_BYTES:
                raise InputError(f"settings.json: {error}; comments are read in files of up to "
                                 f"{LENIENT_BYTES >> 10} KiB") from error
            data = json5.loads(text)
    except (ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"settings.json: not JSON ({said}): expected AirSim's settings") from error
    if not isinstance(data, dict):
        raise InputError(f"settings.json: {str(data)[:_SHOWN]!r} is not AirSim's settings, expected {{...}}")
    return data


def own_settings(config: SimulatorConfig) -> str:
    """A settings.json that describes a simulator that was started without one."""
    capture = [{"ImageType": int(kind), "Width": config.width, "Height": config.height,
                "FOV_Degrees": config.fov_deg} for kind in ImageType]
    return json.dumps({"SettingsVersion": 1.2, "SimMode": config.mode, "CameraDefaults": {"CaptureSettings": capture}})


_MODES: Mapping[str, SimMode] = {"multirotor": "Multirotor", "car": "Car", "computervision": "ComputerVision",
                                 "skidvehicle": "Car"}


def _mode(data: Mapping[str, Any], given: SimMode | None) -> tuple[SimMode, list[str]]:
    text = data.get("SimMode", "")
    if given is not None:
        return given, []
    if not text:
        return "ComputerVision", ["settings.json: SimMode is empty: ComputerVision is taken, say --mode for another"]
    notes = ["settings.json: SimMode SkidVehicle is driven as Car"] if text.lower() == "skidvehicle" else []
    return _MODES[text.lower()], notes


def _simulator(data: Mapping[str, Any], base: SimulatorConfig, mode: SimMode) -> tuple[SimulatorConfig, list[str]]:
    captures = capture_configs(data.get("CameraDefaults", {}))
    scene = captures.get(int(ImageType.SCENE), CaptureConfig())
    vehicles, notes = named_vehicles(data, mode, capture_configs)
    is_off = data.get("SegmentationSettings", {}).get("InitMethod", "").lower() == "none" \
        or not data.get("InitialInstanceSegmentation", True)
    return replace(
        base, mode=mode, width=scene.width or AIRSIM_SIZE[0], height=scene.height or AIRSIM_SIZE[1],
        fov_deg=scene.fov_deg or base.fov_deg, vehicles=vehicles, camera_defaults=captures,
        external_cameras={name: external_camera(camera, capture_configs)
                          for name, camera in data.get("ExternalCameras", {}).items()},
        clock_speed=number(data, "ClockSpeed", base.clock_speed),
        steppable=data.get("ClockType", "").lower() == "steppableclock",
        external_physics=data.get("PhysicsEngineName", "").lower() == "externalphysicsengine",
        origin=_origin(data.get("OriginGeopoint", {}), base.origin), wind=vector(data.get("Wind", {}), base.wind),
        segmentation_init="None" if is_off else "", annotation=_annotation(data.get("Annotation", [])),
        recording=_recording(data.get("Recording", {}))), notes


def capture_configs(camera: Mapping[str, Any]) -> dict[int, CaptureConfig]:
    """CaptureSettings by image type; of several for one type the last counts."""
    found = {}
    for entry in camera.get("CaptureSettings", []):
        is_flat = entry.get("ProjectionMode", "").lower() == "orthographic"
        fov_deg, ortho_width_m = number(entry, "FOV_Degrees", math.nan), number(entry, "OrthoWidth", math.nan)
        found[entry.get("ImageType", 0)] = CaptureConfig(
            entry.get("Width"), entry.get("Height"), None if math.isnan(fov_deg) else fov_deg,
            ortho_width_m if is_flat and not math.isnan(ortho_width_m) else None)
    return {kind: capture for kind, capture in found.items() if kind >= 0}


def _origin(section: Mapping[str, Any], base: Geodetic) -> Geodetic:
    return Geodetic(number(section, "Latitude", base.lat_deg), number(section, "Longitude", base.lon_deg),
                    number(section, "Altitude", base.alt_m))


def _time_of_day(section: Mapping[str, Any]) -> TimeOfDay:
    return TimeOfDay(section.get("Enabled", False), section.get("StartDateTime", ""),
                     section.get("StartDateTimeDst", False), number(section, "CelestialClockSpeed", 1.0),
                     number(section, "UpdateIntervalSecs", 60.0), section.get("MoveSun", True))


def _annotation(layers: Sequence[Mapping[str, Any]]) -> tuple[AnnotationLayer, ...]:
    if any(not layer.get("Name") for layer in layers):
        raise InputError("settings.json: a layer of Annotation has no Name, give it one")
    return tuple(AnnotationLayer(layer["Name"], layer.get("Type", 0), layer.get("Default", True),
                                 layer.get("SetDirect", False)) for layer in layers)


def _recording(section: Mapping[str, Any]) -> RecordingConfig:
    cameras = tuple({"CameraName": entry.get("CameraName", str(entry.get("CameraID", 0))),
                     "ImageType": entry.get("ImageType", 0), "PixelsAsFloat": entry.get("PixelsAsFloat", False),
                     "Compress": entry.get("Compress", True), "VehicleName": entry.get("VehicleName", "")}
                    for entry in section.get("Cameras", []))
    return RecordingConfig(section.get("Folder", ""), number(section, "RecordInterval", 0.05),
                           section.get("RecordOnMove", False), cameras)
