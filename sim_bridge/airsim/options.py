"""What `mage serve` is told: its command line over settings.json over the defaults."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sim_bridge.airsim.dialects import AIRSIM, DIALECTS, MODES, Dialect, dialect_named
from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES
from sim_bridge.airsim.settings import DEFAULT_PORT, TimeOfDay, found_settings, own_settings
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.state import Phase
from sim_bridge.errors import InputError

CONNECTIONS = 256
MAX_SIDE_PX = 8192
_CONFIG_OPTIONS = ("width", "height", "samples", "mode", "clock_speed", "steppable", "recording_root", "seed")
"""Options that are fields of SimulatorConfig; None where they were not given."""


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen and what to serve. port 0 takes a free one."""

    simulator: SimulatorConfig
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    max_message_bytes: int = MAX_MESSAGE_BYTES
    settings: str = "{}"
    """Text of getSettingsString."""
    dialect: Dialect = AIRSIM
    connections: int = CONNECTIONS
    """Clients at once; more are told so and let go."""
    load: str = ""
    """World to load at the start; empty: none."""
    phase: Phase = "before"
    time_of_day: TimeOfDay = field(default_factory=TimeOfDay)
    records: bool = False
    """Recording begins at the start."""
    stop_on_eof: bool = False


def read_options(argv: Sequence[str] | None) -> ServerConfig:
    """The server's configuration; warnings about settings.json go to stderr.

    Raises InputError for what is out of range. Ends the process with code 2 for options that do not exist.
    """
    args = _parser().parse_args(argv)
    dialect = dialect_named(args.dialect)
    settings = found_settings(args.settings, SimulatorConfig(args.world_root), args.mode)
    for line in settings.warnings:
        sys.stderr.write(f"mage serve: {line}\n")
    given = {name: value for name in _CONFIG_OPTIONS if (value := getattr(args, name)) is not None}
    simulator = _sized(replace(settings.simulator, **given), given)
    _check(simulator, args)
    return ServerConfig(
        simulator, args.host or settings.host, settings.port if args.port is None else args.port,
        args.max_message_mib << 20, settings.text or own_settings(simulator), dialect, args.connections, args.load,
        args.phase, settings.time_of_day, settings.records, args.stop_on_eof)


def _sized(config: SimulatorConfig, given: Mapping[str, Any]) -> SimulatorConfig:
    """The configuration with the image size of the command line for the camera defaults too, if it was given."""
    size = {name: given[name] for name in ("width", "height") if name in given}
    return replace(config, camera_defaults={kind: replace(capture, **size)
                                            for kind, capture in config.camera_defaults.items()})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mage serve", description="AirSim server over MAGE's embedded simulator. "
                                     "Options win over settings.json.")
    add = parser.add_argument
    add("--world-root", type=Path, required=True, help="folder of world packages")
    add("--host", help="address to listen on (127.0.0.1)")
    add("--port", type=int, help=f"port to listen on, 0 for a free one (settings.json, else {DEFAULT_PORT})")
    add("--width", type=int, help="image width in pixels (settings.json, else 512)")
    add("--height", type=int, help="image height in pixels (settings.json, else 512)")
    add("--samples", type=int, help="colour samples a pixel (4)")
    add("--dialect", default=AIRSIM.name, help=f"one of {', '.join(DIALECTS)}")
    add("--settings", default="", help="settings.json: its path, or its text; else ./settings.json, then "
                                       "~/Documents/AirSim/settings.json")
    add("--mode", choices=MODES, help="SimMode (settings.json, else ComputerVision)")
    add("--clock-speed", type=float, help="simulated seconds a second (settings.json, else 1)")
    add("--steppable", action="store_const", const=True, help="time passes only in tasks and continue calls")
    add("--recording-root", type=Path, help="folder for recordings and voxel grids; without it they are refused")
    add("--seed", type=int, help="of the sensors' noise (0)")
    add("--load", default="", metavar="WORLD_ID", help="world to load at the start")
    add("--phase", choices=("before", "after"), default="before", help="phase of the world at the start")
    add("--max-message-mib", type=int, default=MAX_MESSAGE_BYTES >> 20, help="longest request read")
    add("--connections", type=int, default=CONNECTIONS, help="clients at once")
    add("--stop-on-eof", action="store_true", help="end when standard input closes")
    return parser


def _check(config: SimulatorConfig, args: argparse.Namespace) -> None:
    if not config.world_root.is_dir():
        raise InputError(f"--world-root {config.world_root}: no such folder, create it or name another one")
    if not (0 < config.width <= MAX_SIDE_PX and 0 < config.height <= MAX_SIDE_PX and 0 < config.fov_deg < 180):
        raise InputError(f"images of {config.width}x{config.height} pixels, {config.fov_deg} degrees: expected sides "
                         f"of 1..{MAX_SIDE_PX} pixels and an angle below 180, correct --width, --height or --settings")
    if config.recording_root is not None and not config.recording_root.is_dir():
        raise InputError(f"--recording-root {config.recording_root}: no such folder, create it or name another one")
    for name, value, low, high in (
            ("--samples", config.samples, 1, 256), ("--clock-speed", config.clock_speed, 1e-3, 1e3),
            ("--max-message-mib", args.max_message_mib, 1, 4096), ("--connections", args.connections, 1, 4096),
            ("--seed", config.seed, 0, 2 ** 63)):
        if not low <= value <= high:
            raise InputError(f"{name} {value}: expected {low:g} to {high:g}")
