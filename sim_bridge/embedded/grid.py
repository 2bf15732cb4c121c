"""A grid of packages as the simulator holds it: those near the camera's view, loaded as they are flown over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.config import TILE_BYTES
from sim_bridge.embedded.objects import SceneObjects, moved
from sim_bridge.embedded.scene import Landscape, Phase, Scene, Tile
from sim_bridge.world.grid import IDS_A_CELL, Cell, WorldGrid
from sim_bridge.world.model import BuildingDamage
from sim_bridge.world.package import Package, read_package

MEMORY_BYTES = TILE_BYTES
_FARTHEST_M = 5000.0
"""Where rays that do not go down are taken to end."""


class GridScene(Landscape):
    """Packages side by side, each loaded when a ray may meet it. Those least recently seen go when all together hold
    more than `memory_bytes`; what one picture needs is held however much it is."""

    whole = False

    def __init__(self, root: Path, grid: WorldGrid, memory_bytes: int = MEMORY_BYTES,
                 read: Callable[[Path], Package] = read_package) -> None:
        self.grid = grid
        self._root, self._memory_bytes, self._read = root, memory_bytes, read
        self._held: OrderedDict[str, Scene] = OrderedDict()
        self._loading = Lock()
        self._listed: tuple[tuple[str, ...], SceneObjects] | None = None

    def tiles(self, phase: Phase, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
              margin_m: float = 0.0) -> tuple[Tile, ...]:
        """The cells over which rays may pass below the tallest things, and those up to margin_m beside them.

        Raises InputError if a package cannot be read.
        """
        places = cells_seen(self.grid, origins, directions, margin_m)
        with self._loading:
            drawn = {world_id: self._scene(world_id).drawn(phase)
                     for world_id in dict.fromkeys(self.grid.cells[place].world_id for place in places)}
            self._let_go(keep=drawn.keys())
        return tuple(Tile(drawn[cell.world_id], cell.east_m, cell.north_m, self.grid.first_id(place))
                     for place, cell in ((place, self.grid.cells[place]) for place in places))

    def _scene(self, world_id: str) -> Scene:
        if world_id not in self._held:
            self._held[world_id] = Scene(self._read(self._root / world_id))
        self._held.move_to_end(world_id)
        return self._held[world_id]

    def _let_go(self, keep: Collection[str]) -> None:
        for world_id in list(self._held):
            if self.held_bytes() <= self._memory_bytes:
                return
            if world_id not in keep:
                del self._held[world_id]

    def held_bytes(self) -> int:
        """About what the loaded packages take."""
        return sum(scene.held_bytes() for scene in self._held.values())

    def holder(self, phase: Phase, instance: int) -> Tile | None:
        """The cell of a building, loaded if need be."""
        place = instance // IDS_A_CELL
        if not instance or place >= len(self.grid.cells):
            return None
        cell = self.grid.cells[place]
        with self._loading:
            return Tile(self._scene(cell.world_id).drawn(phase), cell.east_m, cell.north_m, self.grid.first_id(place))

    def bounds(self, phase: Phase) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """See `Landscape.bounds`; heights are those that everything of the cells lies between."""
        low = [(cell.east_m - cell.size_m / 2, cell.north_m - cell.size_m / 2, cell.low_m) for cell in self.grid.cells]
        high = [(cell.east_m + cell.size_m / 2, cell.north_m + cell.size_m / 2, cell.high_m)
                for cell in self.grid.cells]
        return np.min(np.array(low), axis=0), np.max(np.array(high), axis=0)

    def _loaded(self) -> list[tuple[int, Cell, Scene]]:
        held = dict(self._held)
        return [(place, cell, held[cell.world_id]) for place, cell in enumerate(self.grid.cells)
                if cell.world_id in held]

    def land_use(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Use of the parcels under points (m) of loaded cells, 0 elsewhere."""
        east, north = np.asarray(x, np.float64), np.asarray(y, np.float64)
        use = np.zeros(east.shape, np.uint8)
        for _, cell, scene in self._loaded():
            here = ((np.abs(east - cell.east_m) <= cell.size_m / 2) & (np.abs(north - cell.north_m) <= cell.size_m / 2))
            use[here] = scene.land_use(east[here] - cell.east_m, north[here] - cell.north_m)
        return use

    def damage(self) -> tuple[BuildingDamage, ...]:
        """What the hazard did to the buildings of loaded cells."""
        return tuple(replace(row, id=row.id + self.grid.first_id(place))
                     for place, _, scene in self._loaded() for row in scene.damage())

    def objects(self) -> SceneObjects:
        """Buildings of loaded cells, as an engine lists what it has streamed in."""
        held = tuple(self._held)
        if self._listed is None or self._listed[0] != held:
            poses = dict(SceneObjects.groups().poses)
            for place, cell, scene in self._loaded():
                poses |= moved(scene.objects(), cell.east_m, cell.north_m, self.grid.first_id(place)).poses
            self._listed = held, SceneObjects(poses)
        return self._listed[1]


def cells_seen(grid: WorldGrid, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
               margin_m: float) -> list[int]:
    """Places of the cells under the box around what rays (N, 3) from origins (N, 3) or (1, 3) may meet."""
    origin, direction = np.asarray(origins, np.float64), np.asarray(directions, np.float64)
    down = np.minimum(direction[:, 2], -1e-9)
    far = _FARTHEST_M / np.maximum(np.linalg.norm(direction, axis=1), 1e-9)
    ends = []
    for level in (min(cell.low_m for cell in grid.cells), max(cell.high_m for cell in grid.cells)):
        t = np.clip((level - origin[:, 2]) / down, 0.0, far)
        ends.append(origin[:, :2] + direction[:, :2] * t[:, None])
    box = np.concatenate(ends)
    low, high = box.min(axis=0) - margin_m, box.max(axis=0) + margin_m
    return [place for place, cell in enumerate(grid.cells)
            if (low[0] <= cell.east_m + cell.size_m / 2 and cell.east_m - cell.size_m / 2 <= high[0]
                and low[1] <= cell.north_m + cell.size_m / 2 and cell.north_m - cell.size_m / 2 <= high[1])]
