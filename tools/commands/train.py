"""`mage train`: one training run; with several processes, `accelerate launch -m learn.train --config run.toml`."""

from __future__ import annotations

from pathlib import Path

import tyro


def train(config: tyro.conf.Positional[Path]) -> None:
    """Train the damage model on captured frames and unlabelled real pairs.

    The same command goes on from the last checkpoint after Ctrl-C or a kill.

    Args:
        config: TOML file with the fields of `learn.train.TrainConfig` (see configs/train.toml).
    """
    from learn.settings import TrainConfig
    from learn.train import train as run
    from sim_bridge.config import load_config

    print(f"model: {run(load_config(TrainConfig, config)) / 'model'}")


def main(argv: list[str]) -> None:
    """Parses the arguments and trains."""
    tyro.cli(train, prog="mage train", args=argv)
