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
    from sim_bridge.config import from_table, load_table

    table = load_table(config)                              # before torch is loaded
    from learn.settings import TrainConfig
    from learn.train import train as run

    print(f"model: {run(from_table(TrainConfig, table, str(config))) / 'model'}")


def main(argv: list[str]) -> None:
    """Parses the arguments and trains."""
    tyro.cli(train, prog="mage train", args=argv)
