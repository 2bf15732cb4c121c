"""A hand-made world for tests: a flat square with boxes on it, whose pictures follow from trigonometry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim_bridge.frames import Geodetic
from sim_bridge.world.materials import GROUND, INDEX
from sim_bridge.world.model import Aftermath, BuildingDamage, Grid, Mesh, World
from sim_bridge.world.package import Package

SIZE_M = 100.0
CELL_M = 0.25


def box(low: tuple[float, float, float], high: tuple[float, float, float], top: str, side: str,
        instance: int = 0) -> Mesh:
    """Upright box without a floor: material `top` on its lid, `side` on its four walls."""
    corners = [(x, y, z) for z in (low[2], high[2]) for x, y in
               ((low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]))]
    quads = [(4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    faces = np.array([f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))], np.uint32)
    material = np.array([INDEX[top]] * 2 + [INDEX[side]] * 8, np.uint16)
    return Mesh(np.array(corners, np.float32), faces, material, np.full(10, instance, np.uint32),
                np.full((10, 3), 128, np.uint8))


def small_package(before: Sequence[Mesh] = (), after: Sequence[Mesh] = (), ground: str = "concrete",
                  ground_after: str = "concrete", damage: Sequence[BuildingDamage] = ()) -> Package:
    """Package of a flat world at z = 0 with the given meshes on it; all of its land is residential."""
    half = SIZE_M / 2
    plane = Mesh(
        np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.uint32), np.full(2, GROUND, np.uint16), np.zeros(2, np.uint32),
        np.full((2, 3), 128, np.uint8),
    )
    world = World(
        world_id="small", seed=0, size_m=SIZE_M, origin=Geodetic(38.0, -122.0),
        terrain=Grid(np.zeros((2, 2), np.float32), -half, -half, SIZE_M), ground=_raster(INDEX[ground], CELL_M),
        land_use=_raster(2, 1.0), buildings=(), trees=(), vehicles=(), streets=(), water_level_m=None, water=(),
        static=plane, before=Mesh.concatenate(list(before)),
    )
    aftermath = Aftermath({"kind": "none"}, Mesh.concatenate(list(after)), _raster(INDEX[ground_after], CELL_M),
                          tuple(damage))
    return Package(world, aftermath)


def _raster(value: int, cell_m: float) -> Grid:
    n = int(SIZE_M / cell_m)
    values: npt.NDArray[np.uint8] = np.full((n, n), value, np.uint8)
    return Grid(values, -SIZE_M / 2, -SIZE_M / 2, cell_m)
