"""`mage loop`: an active-learning simulation run, from proposals to a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro


def loop(config: tyro.conf.Positional[Path], out: Path | None = None, target: Path | None = None,
         seed: int | None = None) -> None:
    """Run the loop: propose scenes, capture, translate, train, judge, and again; then map and score.

    The same command goes on where a stopped run was.

    Args:
        config: TOML file with the fields of `learn.loop.LoopConfig` (see configs/demo.toml).
        out: Folder of the run, instead of the one in the file.
        target: Folder of unlabelled real before/after pairs to adapt to and to map.
        seed: Seed of the run.
    """
    from learn.ledger import read_json
    from learn.loop import LoopConfig, run_loop
    from sim_bridge.config import load_config
    from sim_bridge.imagery import find_pairs
    from tools.report import write_report

    settings = load_config(LoopConfig, config)
    if target is not None:
        find_pairs(target)
    run = run_loop(replace(settings, out=out or settings.out, target=target or settings.target,
                           seed=settings.seed if seed is None else seed))
    print(figures(read_json(run / "summary.json")))
    print(f"report: {write_report(run)}")


def figures(summary: Mapping[str, Any]) -> str:
    """The figures that a reader of the terminal wants: scores, and seconds by stage."""
    kind = "real_dev" if summary["real_dev"] else "simulated_dev"
    scores = " ".join(f"{name}={value:.3f}" for name, value in (summary[kind] or {}).items())
    seconds = " ".join(f"{name}={value:.0f}" for name, value in summary["seconds"].items())
    return f"scores ({kind}): {scores or 'none, no labelled pairs were given'}\nseconds: {seconds}"


def main(argv: list[str]) -> None:
    """Parses the arguments and runs."""
    tyro.cli(loop, prog="mage loop", args=argv)
