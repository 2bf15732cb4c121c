"""What a run adapts to: a folder of real pairs, or, where there is none, a second simulated sensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from learn.ledger import Ledger, Record
from learn.simulated import make_simulated_target
from sim_bridge.imagery import find_pairs, read_rgb

if TYPE_CHECKING:
    from learn.loop import LoopConfig


@dataclass(frozen=True)
class TargetFact:
    """What the report says of the target."""

    kind: str
    """real or simulated."""
    folder: str
    pairs: int
    gsd_m: float | None


@dataclass(frozen=True)
class Target:
    """Where the unlabelled pairs are, and the labelled ones that the run is scored on (None: no scores)."""

    fact: TargetFact
    folder: Path
    dev: Path | None
    map_it: bool
    """True if the user named this target: its pairs are mapped at the end."""

    @property
    def sentence(self) -> str:
        if self.fact.kind == "simulated":
            return (f"NOTE: no real target was given or found, so the target is SIMULATED: {self.fact.pairs} pairs of "
                    "a second simulated sensor. Scores say nothing about real images.")
        return f"target: {self.fact.pairs} real unlabelled pairs in {self.folder}"


def find_target(config: LoopConfig, ledger: Ledger) -> Target:
    """The target of a run: the folder asked for, else the default one if it is there, else a simulated one."""
    named = config.target is not None
    folder = config.target or config.default_target
    if folder is None or (not named and not folder.is_dir()):
        made = config.out / "simulated_target"
        ledger.step("target", None, lambda: make_simulated_target(config, made))
        return Target(_fact("simulated", made / "unlabelled"), made / "unlabelled", made / "dev_labelled", False)
    dev = config.dev if config.dev is not None and config.dev.is_dir() else None
    fact: Record = ledger.step("target", None, lambda: vars(_fact("real", folder)))
    return Target(TargetFact(**fact), folder, dev, named)


def _fact(kind: str, folder: Path) -> TargetFact:
    pairs = find_pairs(folder)
    return TargetFact(kind, str(folder), len(pairs), read_rgb(pairs[0].pre).gsd_m)
