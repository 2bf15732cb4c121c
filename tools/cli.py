"""`mage`: one command, a sub-command for each part. Settings come from TOML files and flags; errors are one line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from sim_bridge.errors import InputError, MageError

COMMANDS = {
    "world": "build world packages, describe them, draw galleries and tables of them",
    "serve": "start the embedded simulator: an AirSim server over a folder of world packages",
    "airsim-env": "make an environment in which AirSim's official Python client works, and check it",
    "capture": "fly campaigns over scenes: before and after frames with their labels, into a Zarr store",
    "fly": "fly a survey by multirotor before and after, and draw it: paths, footprints, orthomosaics, errors",
    "realism": "fit the realism pipeline to a real sensor, and move frames toward it",
    "train": "train the damage model on frames and unlabelled real pairs",
    "loop": "run the active-learning loop: propose, capture, translate, train, judge",
    "map": "map damage of a before/after pair, or of a folder of pairs",
    "errors": "show and count what maps of labelled tiles got wrong",
    "report": "write a run's report as one self-contained page",
}


def usage() -> str:
    """The text of `mage --help`."""
    rows = "\n".join(f"  {name:10s} {text}" for name, text in COMMANDS.items())
    return f"usage: mage <command> [options]\n\n{rows}\n\n`mage <command> --help` explains each."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0 done, 1 failed, 2 bad input, 130 stopped by Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        return _fail(f"mage: {name!r} is not a command: expected one of {', '.join(COMMANDS)}", 2)
    try:
        command: Callable[[list[str]], None] = importlib.import_module(f"tools.commands.{name.replace('-', '_')}").main
        command(arguments[1:])
    except InputError as error:
        return _fail(f"mage {name}: {error}", 2)
    except MageError as error:
        return _fail(f"mage {name}: {error}", 2 if error.kind in ("simulator-gone", "deadline") else 1)
    except KeyboardInterrupt:
        return _fail(f"mage {name}: stopped; the same command goes on from here", 130)
    return 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())


def _fail(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    run()
