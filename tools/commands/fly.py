"""`mage fly`: a survey that a multirotor really flies, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def fly(out: Annotated[Path, tyro.conf.arg(aliases=["-o"])], spec: Path | None = None, width: int = 320,
        height: int = 240, overlap: float = 0.6, speed: float = 6.0, wind_before: tuple[float, float] = (0.0, 0.0),
        wind_after: tuple[float, float] = (4.0, -3.0), simulator: str = "", world_root: Path | None = None) -> None:
    """Fly a survey over a scene before and after, through AirSim's protocol, and draw it: planned and flown path,
    footprints, orthomosaics, errors over time.

    Args:
        out: Folder for index.html (self-contained), flight.png, turn.png, ortho_*.png, motion.svg and flight.json.
        spec: A scene as JSON, or a campaign's TOML file, whose first scene is taken; else a village in a flood.
        width: Of the frames, pixels.
        height: Of the frames, pixels.
        overlap: Least share of a frame that its neighbour also sees.
        speed: On the lines, m/s.
        wind_before: Wind of the first flight, towards east and north, m/s.
        wind_after: Wind of the second flight.
        simulator: A running simulator with a multirotor as host:port, instead of starting our own.
        world_root: Folder of world packages, that of the running simulator; else `worlds` in the output folder.
    """
    from tools.fly import FlyConfig, survey
    from tools.fly_report import write_fly_report

    config = FlyConfig(out, spec, width, height, overlap, speed, wind_before, wind_after, simulator, world_root)
    print(f"flight: {write_fly_report(survey(config), out)}")


def main(argv: list[str]) -> None:
    """Parses the arguments and flies."""
    tyro.cli(fly, prog="mage fly", args=argv)
