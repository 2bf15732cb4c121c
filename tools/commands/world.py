"""`mage world`: build world packages, and see what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim_bridge.spec import Settlement

Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


def build(spec: tyro.conf.Positional[Path], out: Out, scenes: int | None = None) -> None:
    """Build the world packages of a scene, or of all scenes of a campaign; those that are there are kept.

    Args:
        spec: A scene as JSON (or a list of scenes), or a campaign's TOML file: `[[scene]]` tables or a `[space]`.
        out: World root: a folder for each package, named by its world_id.
        scenes: Number of scenes drawn from the space, instead of the one in the file.
    """
    from tools.worlds import build_worlds

    for path in build_worlds(spec, out, scenes):
        print(path)


def info(folder: tyro.conf.Positional[Path]) -> None:
    """Say what is in a world package: counts, classes, grades, fields, memory.

    Args:
        folder: The package, as `mage world build` wrote it.
    """
    from tools.worlds import describe

    print(describe(folder))


def gallery(out: Out, settlements: tuple[Settlement, ...] = (), hazards: tuple[str, ...] = (), size: float = 240.0,
            px: int = 256, seed: int = 5, real: Path | None = None) -> None:
    """Draw contact sheets: every settlement before and after every hazard, with labels beside; resumable.

    Args:
        out: Folder for index.html (self-contained), contact.png, sheets and frames.
        settlements: Those to show; all if none is named.
        hazards: Those to show; all if none is named.
        size: Side of each world, metres.
        px: Side of each picture, pixels.
        seed: Of the worlds.
        real: Folder of real tiles to set beside the nearest rendered ones.
    """
    from tools.gallery import Gallery, draw_gallery

    plan = Gallery(hazards=hazards, size_m=size, px=px, seed=seed)
    if settlements:
        plan = Gallery(settlements, hazards, size, px, seed)
    print(f"gallery: {draw_gallery(out, plan, real)}")


def tables(out: Out, size: float = 160.0, seed: int = 5) -> None:
    """Write the state-to-grade tables and the object x phase tables, with a rendered example of each cell; resumable.

    Args:
        out: Folder for index.html (self-contained) and the examples found so far.
        size: Side of the worlds in which examples are looked for, metres.
        seed: Of the worlds.
    """
    from tools.tables import draw_tables

    print(f"tables: {draw_tables(out, size, seed)}")


def curves(out: Out, seeds: int = 30, size: float = 160.0) -> None:
    """Draw damage against intensity in many simulated worlds beside the published curves.

    Args:
        out: Folder for index.html (self-contained).
        seeds: Draws of every hazard in every world.
        size: Side of the worlds, metres.
    """
    from tools.hazard_curves import draw_curves

    print(f"curves: {draw_curves(out, seeds, size)}")


def main(argv: list[str]) -> None:
    """Parses the arguments and runs a sub-command."""
    tyro.extras.subcommand_cli_from_dict({"build": build, "export": build, "info": info, "gallery": gallery,
                                          "tables": tables, "curves": curves}, prog="mage world", args=argv)
