"""`make bench`: every bar, measured side by side in one run; prints a table and writes runs/bench.json."""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

MODULES = ("bench_render", "bench_transport", "bench_store", "bench_realism", "bench_train", "bench_map",
           "bench_world", "bench_flight", "bench_server")
COLUMNS = ("name", "value", "unit", "spread", "against", "bar", "met")


@dataclass(frozen=True)
class BenchConfig:
    """Which benchmarks to run, and where to write."""

    out: Path = Path("runs/bench.json")
    only: tuple[str, ...] = ()
    """Names of benchmarks (render, transport, store, realism, train, map, world, flight, server); all without it."""


def run(config: BenchConfig) -> list[dict[str, Any]]:
    """Runs the benchmarks and writes the rows; a row is a dict of COLUMNS."""
    rows: list[dict[str, Any]] = []
    for module in MODULES:
        if config.only and module.removeprefix("bench_") not in config.only:
            continue
        start = time.monotonic()
        found = importlib.import_module(f"tools.bench.{module}").rows()
        print(f"{module}: {len(found)} rows in {time.monotonic() - start:.0f} s", file=sys.stderr)
        rows += found
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_text(json.dumps(rows, indent=1))
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as a table."""
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in COLUMNS))
    Console(width=160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    show(run(tyro.cli(BenchConfig, prog="python -m tools.bench")))
