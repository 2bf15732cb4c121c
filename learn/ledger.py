"""What a run has done: one JSON line a step in `ledger.jsonl`, written after the step's files are complete.

A step that is on record is never run again; one that is not is run from wherever its own files allow. Time spent on a
step that was interrupted is on record too, so that the total is what the user waited.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim_bridge.errors import InputError

Record = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The record of one run folder."""

    run: Path

    @property
    def path(self) -> Path:
        return self.run / "ledger.jsonl"

    def records(self) -> list[Record]:
        return list(read_lines(self.path))

    def done(self, step: str, round_index: int | None = None) -> Record | None:
        """Result of a finished step, or None."""
        for record in self.records():
            if record["step"] == step and record["round"] == round_index and record["done"]:
                return dict(record["result"])
        return None

    def seconds(self) -> dict[str, float]:
        """Seconds by step name over all rounds, interrupted attempts included, and `total`."""
        spent: dict[str, float] = {}
        for record in self.records():
            spent[record["step"]] = spent.get(record["step"], 0.0) + record["seconds"]
        return {**spent, "total": sum(spent.values())}

    def step(self, name: str, round_index: int | None, work: Callable[[], Record]) -> Record:
        """Runs `work` unless the step is on record; returns its result, which has to be JSON."""
        earlier = self.done(name, round_index)
        if earlier is not None:
            return earlier
        start, result = time.monotonic(), None
        try:
            result = work()
            return result
        finally:
            self._append({"step": name, "round": round_index, "done": result is not None, "result": result or {},
                          "seconds": round(time.monotonic() - start, 3), "time": time.time()})

    def _append(self, record: Record) -> None:
        self.run.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a") as file:
            file.write("\n" * torn + json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1))
    part.replace(path)


def read_json(path: Path) -> Any:
    """JSON of a file of ours. Raises InputError if it is missing or not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): expected JSON of ours, run the step again") from error


def pin_settings(path: Path, settings: Record) -> None:
    """Keeps a run's settings beside it. Raises InputError if the run was begun with others."""
    if not path.exists():
        write_json(path, settings)
        return
    kept = read_json(path)
    changed = [name for name in sorted({*kept, *settings}) if kept.get(name) != settings.get(name)]
    if changed:
        name = changed[0]
        raise InputError(f"{path.parent} was begun with {name} = {kept.get(name)!r}, now it is {settings.get(name)!r}: "
                         "give another --out, or delete the folder to start anew")


def read_lines(path: Path) -> Iterator[Record]:
    """Records of a JSON-lines file, none if it is missing; a line that a kill tore off is passed over."""
    if not path.exists():
        return
    for line in filter(None, path.read_text().splitlines()):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
