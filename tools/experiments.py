"""`make experiments`: what realism and unlabelled real pairs each add, at the demo's length, over several seeds.

Every variant trains on the frames of one finished run and is scored on labelled real pairs that no variant learns
from. Runs are kept and resumed; results go to `results.json` and to the terminal, mean and standard deviation.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from learn.ledger import read_json, write_json
from sim_bridge.config import from_table, load_config
from sim_bridge.errors import InputError

SCORES = ("localisation_f1", "no_damage_f1", "destroyed_f1", "combined")
VARIANTS = {
    "realism + unlabelled": (True, True),
    "no unlabelled": (True, False),
    "no realism": (False, True),
    "raw synthetic": (False, False),
}


@dataclass(frozen=True)
class ExperimentConfig:
    """Settings of a comparison."""

    run: Path = Path("runs/demo")
    """A finished run of the loop: its frames, translations and target are used."""
    dev: Path = Path("../shared/real/xbd_santa_rosa/dev_labelled")
    out: Path = Path("runs/experiments")
    variants: tuple[str, ...] = tuple(VARIANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 400
    train: dict[str, Any] = field(default_factory=dict)
    """Settings of `learn.train.TrainConfig` that all variants share."""


def train_settings(config: ExperimentConfig, variant: str, seed: int, out: Path) -> dict[str, Any]:
    """Settings of one run of one variant."""
    realism, unlabelled = VARIANTS[variant]
    rounds = sorted(config.run.glob("round_*"))
    if not rounds:
        raise InputError(f"{config.run} holds no rounds: expected a finished run, `make demo` makes one")
    summary = read_json(config.run / "summary.json")
    settings: dict[str, Any] = {**config.train, "frames": [str(r / "frames.zarr") for r in rounds], "seed": seed,
                                "steps": config.steps, "out": str(out)}
    if realism:
        settings["translations"] = [str(next((r / "translations").glob("*.zarr"))) for r in rounds]
    if unlabelled:
        settings["target"] = summary["target"]["folder"]
    return settings


def run_one(config: ExperimentConfig, variant: str, seed: int) -> dict[str, float]:
    """Trains, maps and scores one variant with one seed, unless that is on record."""
    from learn.mapping import map_pairs
    from learn.scoring import score_maps
    from learn.settings import TrainConfig
    from learn.train import train

    folder = config.out / f"{variant.replace(' ', '_').replace('+', 'and')}_seed{seed}"
    if not (folder / "scores.json").exists():
        train(from_table(TrainConfig, train_settings(config, variant, seed, folder), variant))
        map_pairs(config.dev, folder / "model", folder / "map")
        write_json(folder / "scores.json", score_maps(config.dev, folder / "map")["scores"])
    return dict(read_json(folder / "scores.json"))


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: mean and standard deviation over seeds."""
    lines = ["| variant | seeds | " + " | ".join(SCORES) + " |", "|---|--:|" + "--:|" * len(SCORES)]
    for variant, runs in results.items():
        cells = []
        for name in SCORES:
            values = [run[name] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} ± {spread:.3f}")
        lines.append(f"| {variant} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare(config: tyro.conf.Positional[Path]) -> None:
    """Run the comparison.

    Args:
        config: TOML file with the fields of ExperimentConfig.
    """
    settings = load_config(ExperimentConfig, config)
    results: dict[str, list[dict[str, float]]] = {variant: [] for variant in settings.variants}
    for seed in settings.seeds:
        for variant in settings.variants:
            results[variant].append(run_one(settings, variant, seed))
            write_json(settings.out / "results.json", results)
            print(json.dumps({"variant": variant, "seed": seed, **results[variant][-1]}), flush=True)
    print(table(results))


def main() -> int:
    """Runs the comparison and returns the exit code."""
    try:
        tyro.cli(compare, prog="python -m tools.experiments")
    except InputError as error:
        print(f"experiments: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("experiments: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
