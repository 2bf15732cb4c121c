"""AirSim's settings.json: where it is found, and what the simulator takes from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from sim_bridge.airsim.messages import ImageType
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.errors import InputError


@dataclass(frozen=True)
class TimeOfDay:
    """Arguments of simSetTimeOfDay at the start."""

    enabled: bool = False
    start: str = ""
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
    port: int = 41451
    time_of_day: TimeOfDay = TimeOfDay()
    warnings: tuple[str, ...] = ()


def found_settings(given: str, base: SimulatorConfig) -> Settings:
    """The settings of a file or a text."""
    if not given:
        return Settings(base)
    try:
        text = Path(given).read_text(encoding="utf-8")
        captures = json.loads(text).get("CameraDefaults", {}).get("CaptureSettings", [])
        scene = next((c for c in captures if c.get("ImageType", 0) == 0), {})
        return Settings(replace(base, width=int(scene.get("Width", base.width)),
                                height=int(scene.get("Height", base.height)),
                                fov_deg=float(scene.get("FOV_Degrees", base.fov_deg))), text)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{given}: not a settings.json ({error}): expected AirSim's settings as JSON") from error


def own_settings(config: SimulatorConfig) -> str:
    """A settings.json that describes a simulator that was started without one."""
    capture = [{"ImageType": int(kind), "Width": config.width, "Height": config.height,
                "FOV_Degrees": config.fov_deg} for kind in ImageType]
    return json.dumps({"SettingsVersion": 1.2, "SimMode": config.mode, "CameraDefaults": {"CaptureSettings": capture}})
