"""`mage realism`: fit the pipeline to a real sensor, or move frames toward it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro


def fit(config: tyro.conf.Positional[Path]) -> None:
    """Fit sensor profile and diffusion proposer to unlabelled real images.

    Args:
        config: TOML file with the fields of `domain.train.RealismConfig` (see configs/realism.toml).
    """
    from sim_bridge.config import from_table, load_table

    table = load_table(config)                              # before torch is loaded
    from domain.train import RealismConfig, fit_realism

    print(f"pipeline: {fit_realism(from_table(RealismConfig, table, str(config)))}")


def apply(frames: Path, pipeline: Path, out: Path, seed: int = 0, strength: float = 1.0,
          acquisitions: Literal["shared", "per_phase"] = "shared") -> None:
    """Translate every frame of a store; labels stay true, so they are not copied.

    Args:
        frames: Frame store, frames.zarr.
        pipeline: Folder that `mage realism fit` wrote.
        out: Translation store to write.
        seed: Seed of the sensor noise and of the diffusion.
        strength: 0 leaves the frames as they are, 1 moves them all the way.
        acquisitions: shared moves before and after alike; per_phase moves each to its own acquisition of the target, as
            the loop does.
    """
    from domain.pipeline import RealismPipeline
    from domain.translate import translate_store
    from sim_bridge.errors import InputError

    if not (pipeline / "model_index.json").is_file():
        raise InputError(f"{pipeline} is not a realism pipeline: expected the folder that `mage realism fit` wrote")
    moved = translate_store(frames, RealismPipeline.from_pretrained(pipeline), out, seed, strength, acquisitions)
    print(f"translated: {moved}")


def main(argv: list[str]) -> None:
    """Parses the arguments and runs `fit` or `apply`."""
    tyro.extras.subcommand_cli_from_dict({"fit": fit, "apply": apply}, prog="mage realism", args=argv)
