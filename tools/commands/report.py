"""`mage report`: a run's report, made again from its files."""

from __future__ import annotations

from pathlib import Path

import tyro


def report(run: tyro.conf.Positional[Path]) -> None:
    """Write report.html of a run: self-contained, opens offline.

    Args:
        run: Folder of a run of `mage loop`.
    """
    from tools.report import write_report

    print(f"report: {write_report(run)}")


def main(argv: list[str]) -> None:
    """Parses the arguments and writes the page."""
    tyro.cli(report, prog="mage report", args=argv)
