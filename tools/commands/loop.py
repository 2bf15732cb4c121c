"""`mage loop`: an active-learning simulation run, from proposals to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
    from learn.loop import LoopConfig, run_loop
    from sim_bridge.config import load_config
    from sim_bridge.imagery import find_pairs
    from tools.report import write_report

    settings = load_config(LoopConfig, config)
    if target is not None:
        find_pairs(target)
    run = run_loop(replace(settings, out=out or settings.out, target=target or settings.target,
                           seed=settings.seed if seed is None else seed))
    print(f"report: {write_report(run)}")


def main(argv: list[str]) -> None:
    """Parses the arguments and runs."""
    tyro.cli(loop, prog="mage loop", args=argv)
