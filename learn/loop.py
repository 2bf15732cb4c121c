"""The closed loop: propose scenes, capture them, move them toward the target, learn, judge, propose again.

A run is a folder: `round_NN/{specs.json, frames.zarr, translations/<hash>.zarr, checkpoint/, judgement.json, COMMIT}`
with `ledger.jsonl` above. Every step is resumable by itself and on record when done, so the same command goes on after
Ctrl-C or a kill. Labelled real pairs (`dev`) are mapped and scored at the end and are used for nothing else.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from learn import acquire, rounds
from learn.ledger import Ledger, Record, pin_settings, read_json, read_lines, write_json
from learn.scoring import map_and_score, scorecard_of
from learn.target import Target, find_target
from sim_bridge.config import to_table
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs


@dataclass(frozen=True)
class LoopConfig:
    """Settings of a run (`mage loop run.toml`)."""

    out: Path = Path("runs/loop")
    """Folder of the run."""
    target: Path | None = None
    """Folder of unlabelled real before/after pairs to adapt to and to map."""
    default_target: Path | None = None
    """Used instead where no target is given and this folder exists; adapted to, not mapped."""
    dev: Path | None = None
    """Folder of labelled pairs: mapped and scored at the end, never learned from. Left out where it does not exist."""
    rounds: int = 2
    scenes: int = 12
    """Scenes asked for in each round."""
    candidates: int = 24
    """Candidates that are probed and judged after each round."""
    model_share: float = 0.5
    """Share of a round's scenes that the model asks for; the rest is Sobol and random."""
    random_share: float = 0.15
    probe_size_m: float = 320.0
    """Side of the land that a candidate is probed on; its middle is looked at."""
    probe_px: int = 256
    frame_px: int = 512
    overlap: float = 0.1
    workers: int = 2
    seed: int = 0
    steps: tuple[int, ...] = (150, 250)
    """Training steps of each round; the last number serves all further rounds."""
    acquisitions: Literal["shared", "per_phase"] = "per_phase"
    """per_phase: before and after are each moved to their own acquisition of the target, as real pairs differ."""
    space: dict[str, Any] = field(default_factory=dict)
    """Axes of the scene space: `"layout.density" = [0.2, 0.9]`."""
    base: dict[str, Any] = field(default_factory=dict)
    """What all scenes share, as fields of a SceneSpec: a real place, rule packages, a season (docs/places.md)."""
    realism: dict[str, Any] = field(default_factory=dict)
    """Settings of `domain.train.RealismConfig`."""
    train: dict[str, Any] = field(default_factory=dict)
    """Settings of `learn.train.TrainConfig`."""
    baselines: tuple[dict[str, Any], ...] = ()
    """Scores of others on the same labelled pairs, to stand beside this run's in the report: `name` and F1 figures."""

    def round_dir(self, index: int) -> Path:
        return self.out / f"round_{index:02d}"

    def steps_of(self, index: int) -> int:
        return self.steps[min(index, len(self.steps) - 1)]


Say = Callable[[str], None]

GIVEN = {"realism": ("real", "frames", "out", "seed"),
         "train": ("frames", "translations", "target", "out", "steps", "init", "seed")}
"""Settings of the parts that the loop sets itself."""


def check(config: LoopConfig) -> None:
    """Raises InputError for what cannot be run, before the first step and not at the one that needs it."""
    for name in ("rounds", "scenes", "candidates", "workers", "frame_px", "probe_px"):
        _expect(getattr(config, name) >= 1, name, getattr(config, name), "1 or more")
    for name in ("model_share", "random_share"):
        _expect(0 <= getattr(config, name) <= 1, name, getattr(config, name), "0 to 1")
    _expect(config.probe_px % 32 == 0, "probe_px", config.probe_px, "a multiple of 32")
    _expect(config.seed >= 0, "seed", config.seed, "0 or more")
    _expect(bool(config.steps), "steps", list(config.steps), "the training steps of each round")
    _expect(bool(config.space), "space", config.space, "at least one axis")
    for part, names in GIVEN.items():
        for name in names:
            _expect(name not in getattr(config, part), f"{part}.{name}", getattr(config, part).get(name),
                    "no such setting, the loop sets it itself")
    acquire.scene_space(config.space, config.base)
    if config.target is not None:
        find_pairs(config.target)
    rounds.check_parts(config)


def _expect(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{name} is {value!r}: expected {expected}")


def say_now(line: str) -> None:
    """Prints at once, so that a pipe or a log shows how far the run is."""
    print(line, flush=True)


def run_loop(config: LoopConfig, say: Say = say_now) -> Path:
    """Runs or resumes a loop; returns its folder. Raises InputError for settings that cannot be run."""
    check(config)
    config.out.mkdir(parents=True, exist_ok=True)
    pin_settings(config.out / "config.json", to_table(config))
    ledger = Ledger(config.out)
    progress = Progress(len(_plan(config)) + 1, say)
    progress.next("target")
    target = find_target(config, ledger)
    say(target.sentence)
    for name, index, work in _plan(config):
        progress.next(name if index is None else f"round {index + 1} of {config.rounds}: {name}")
        ledger.step(name, index, partial(work, config, ledger, target, index or 0))
        if name == "judge" and not (config.round_dir(index or 0) / "COMMIT").exists():
            write_json(config.round_dir(index or 0) / "COMMIT", {"round": index, "time": time.time()})
    write_json(config.out / "summary.json", summary(config, ledger, target))
    return config.out


Step = Callable[[LoopConfig, Ledger, Target, int], Record]


def _plan(config: LoopConfig) -> list[tuple[str, int | None, Step]]:
    steps: list[tuple[str, int | None, Step]] = []
    for index in range(config.rounds):
        steps += [("propose", index, rounds.propose), ("capture", index, rounds.capture)]
        if index == 0:
            steps.append(("realism", index, rounds.realism))
        steps += [("translate", index, rounds.translate), ("train", index, rounds.train),
                  ("judge", index, rounds.judge)]
    return [*steps, ("scorecard", None, scorecard_of), ("map", None, map_and_score)]


@dataclass
class Progress:
    """Says which step of how many is at work, and how long the run has taken."""

    steps: int
    say: Say
    at: int = 0
    start: float = field(default_factory=time.monotonic)

    def next(self, name: str) -> None:
        self.at += 1
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        self.say(f"[{self.at:2d}/{self.steps}] {name}  ({minutes}:{seconds:02d} since start)")


def summary(config: LoopConfig, ledger: Ledger, target: Target) -> Record:
    """Every figure of the report, from the ledger alone."""
    mapped = ledger.done("map") or {}
    return {
        "target": dataclasses.asdict(target.fact),
        "real_dev": mapped.get("scores") if mapped.get("kind") == "real" else None,
        "simulated_dev": mapped.get("scores") if mapped.get("kind") == "simulated" else None,
        "real_dev_tiles": mapped.get("tiles", []),
        "target_maps": mapped.get("target_maps"),
        "scorecard": ledger.done("scorecard"),
        "realism": ledger.done("realism", 0),
        "rounds": [round_summary(config, ledger, index) for index in range(config.rounds)],
        "baselines": list(config.baselines) if mapped.get("kind") == "real" else [],
        "seconds": {name: round(value, 1) for name, value in ledger.seconds().items()},
        "seed": config.seed,
        "command": " ".join(["mage", *sys.argv[1:]]),
        "commit": _commit(),
    }


def round_summary(config: LoopConfig, ledger: Ledger, index: int) -> Record:
    """What was asked for in a round and why, what its steps left on record, and its learning curve."""
    folder = config.round_dir(index)
    steps = {name: ledger.done(name, index) for name in ("propose", "capture", "translate", "train", "judge")}
    requests = [{name: value for name, value in request.items() if name not in ("point", "spec")}
                | {"hazard": request["spec"]["hazard"]} for request in read_json(folder / "specs.json")]
    return {**steps, "requests": requests, "curve": list(read_lines(folder / "checkpoint" / "metrics.jsonl"))}


def _commit() -> str | None:
    """The commit of this checkout, or None outside one or without git."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(__file__).parent
    out = subprocess.run([git, "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    return out.stdout.strip() or None

