"""`mage errors`: what a map got wrong on labelled tiles."""

from __future__ import annotations

from pathlib import Path

import tyro


def run(maps: Path, truth: Path, out: Path) -> None:
    """Show each labelled tile before, true, mapped and wrong, and count the kinds of error.

    Truth is only read: nothing of it reaches training or thresholds.

    Args:
        maps: Folder of maps, one folder a tile with damage.tif, such as runs/demo/map/dev.
        truth: Folder of <id>_pre.*, <id>_post.* and <id>_damage.tif.
        out: HTML file to write.
    """
    from tools.errors import write_errors

    write_errors(maps, truth, out)


def main(argv: list[str]) -> None:
    """Parses the arguments and runs."""
    tyro.cli(run, prog="mage errors", args=argv)
