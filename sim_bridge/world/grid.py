"""Grids of world packages: larger areas, put together from packages that lie side by side (docs/world-package.md).

A grid is a folder of the world root, named by its id, with one file: grid.json. Its packages lie beside it. One package
may stand in several places. Worlds are not fitted to one another: relief, streets and water end at the seams.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic

VERSION = 1
IDS_A_CELL = 1 << 17
"""Building ids of a cell start at its place in the list times this."""
_TALLEST_M = 80.0
"""What may stand on the highest ground of a package."""


@dataclass(frozen=True)
class Cell:
    """One package of a grid. Its own origin, the centre of its square, lies at (east_m, north_m) of the grid's."""

    world_id: str
    east_m: float
    north_m: float
    size_m: float
    low_m: float
    high_m: float
    """Everything of it lies between these heights."""


@dataclass(frozen=True)
class WorldGrid:
    """Packages side by side, none over another. `origin` is where the grid's ENU frame has its zero."""

    grid_id: str
    origin: Geodetic
    cells: tuple[Cell, ...]

    def first_id(self, place: int) -> int:
        """What the building ids of the cell at a place of the list are counted from."""
        return place * IDS_A_CELL


def write_grid(root: Path, placed: Sequence[tuple[str, float, float]], origin: Geodetic) -> Path:
    """Write the grid of packages (world id, east m, north m) of a world root; returns its folder, root/<grid id>.

    Raises InputError for packages that are missing, overlap, or have more building ids than a cell has room for.
    """
    cells = tuple(_cell(root, *entry) for entry in placed)
    _check_apart(root, cells)
    content = {"origin": asdict(origin), "cells": [asdict(cell) for cell in cells]}
    grid_id = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    folder = root / grid_id
    folder.mkdir(exist_ok=True)
    document = {"format": "mage-grid", "version": VERSION, "grid_id": grid_id, **content}
    work = folder / ".grid.json"
    work.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    work.rename(folder / "grid.json")
    return folder


def is_grid(folder: Path) -> bool:
    """True if a folder of the world root is a grid and not a package."""
    return (folder / "grid.json").is_file()


def read_grid(folder: Path) -> WorldGrid:
    """The grid in `folder`.

    Raises InputError if grid.json is damaged or of a newer MAGE, or if a package is missing.
    """
    path = folder / "grid.json"
    document = _read_json(path)
    if document.get("format") != "mage-grid" or not isinstance(document.get("version"), int):
        raise InputError(f"{path}: not a grid: expected the format mage-grid, write it again")
    if document["version"] > VERSION:
        raise InputError(f"{path}: version {document['version']} is newer than {VERSION}, which this MAGE reads: "
                         "update MAGE")
    try:
        names = {field.name for field in fields(Cell)}
        cells = tuple(Cell(**{name: entry[name] for name in names}) for entry in document["cells"])
        grid = WorldGrid(str(document["grid_id"]), Geodetic(**document["origin"]), cells)
        numbers = np.array([(c.east_m, c.north_m, c.size_m, c.low_m, c.high_m) for c in cells], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}): write it again") from error
    if not len(cells) or not np.isfinite(numbers).all() or not (numbers[:, 2] > 0).all():
        raise InputError(f"{path}: {len(cells)} cells, not all of them with a place and a size: write it again")
    for cell in cells:
        if not (folder.parent / cell.world_id / "world.json").is_file():
            raise InputError(f"{path}: package {cell.world_id} is not beside it: build or copy it there")
    return grid


def _cell(root: Path, world_id: str, east_m: float, north_m: float) -> Cell:
    folder = root / world_id
    document = _read_json(folder / "world.json")
    last = max((row["id"] for row in document["buildings"]), default=0)
    if last >= IDS_A_CELL:
        raise InputError(f"{folder}: building id {last} does not fit a grid: expected ids below {IDS_A_CELL}")
    heights = np.load(folder / "terrain.npy", allow_pickle=False)
    return Cell(world_id, float(east_m), float(north_m), float(document["size_m"]), float(heights.min()) - 10.0,
                float(heights.max()) + _TALLEST_M)


def _check_apart(root: Path, cells: Sequence[Cell]) -> None:
    if not cells:
        raise InputError(f"{root}: a grid of no packages: expected at least one")
    for i, a in enumerate(cells):
        for b in cells[i + 1:]:
            room = (a.size_m + b.size_m) / 2 - 1e-6
            if abs(a.east_m - b.east_m) < room and abs(a.north_m - b.north_m) < room:
                raise InputError(f"{root}: packages at ({a.east_m:g}, {a.north_m:g}) and ({b.east_m:g}, "
                                 f"{b.north_m:g}) m lie over each other: expected them {room:g} m apart")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}): expected the JSON of a package or grid") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: not an object: write it again")
    return document
