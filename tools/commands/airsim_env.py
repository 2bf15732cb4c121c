"""`mage airsim-env`: an environment for the official clients, checked against a simulator of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro


def airsim_env(folder: tyro.conf.Positional[Path], client: Literal["airsim", "cosys"] = "airsim",
               python: str | None = None, scipy: bool = False, check: bool = True) -> None:
    """Make a virtual environment in which an official client works, and check it against `mage serve`.

    `airsim` 1.8.1 with `msgpack-rpc-python` (for AirSim and Colosseum up to 2.2), or `cosysairsim` 3.5.0 (for
    Cosys-AirSim), with numpy 1.26 and opencv. What is there already is kept; a half-made environment is repaired.

    Args:
        folder: Where the environment is, or is to be.
        client: Which client; the two exclude each other, so each needs its own folder.
        python: Interpreter of Python 3.10 to 3.12 to make it with (default: the one that runs this).
        scipy: Add scipy, which some of AirSim's examples import.
        check: Start a simulator over a small world and use the client on it.
    """
    from tools.airsim_env import check_env, make_env, usage

    executable = make_env(folder, client, scipy=scipy, python=python, say=_say)
    if check:
        check_env(executable, client, _say)
    _say(usage(folder, client))


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: list[str]) -> None:
    """Parses the arguments and makes the environment."""
    tyro.cli(airsim_env, prog="mage airsim-env", args=argv)
