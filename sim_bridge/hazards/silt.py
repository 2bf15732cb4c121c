"""What water leaves behind when it falls: silt on streets and lawns, wet ground, stains on walls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import common
from sim_bridge.hazards.common import F64, Bool
from sim_bridge.world.materials import INDEX, TABLE, WALL
from sim_bridge.world.model import Grid, Mesh, World

_BANK_M = 0.22
"""Ground up to this much above the water is muddy."""
_SEMANTIC = np.array([m.semantic for m in TABLE])
_WALLS = np.array([m.surface == WALL for m in TABLE])
_LEFT = {"road": ("road_silted", "road_wet"), "paved": ("paved_silted", "paved_silted"),
         "grass": ("lawn_silted", None), "bare": ("mud", "soil_wet"), "rubble": ("mud", "soil_wet")}
"""Class -> material under thick silt, and where there is little of it (None: as it was)."""


def silted(world: World, peak: Grid, speed_ms: F64) -> Grid:
    """Ground after the water: `peak` is its greatest depth (m), speed_ms how fast it was (same raster). Silt is thick
    where the water stood deep and slow. Ground that is still under water has its silt as well."""
    ground = world.ground
    values, shape = ground.values.copy(), ground.values.shape
    rng = common.generator(world, 10)
    blot = common.patches(shape, 7 / ground.cell_m, rng) + 0.5 * common.patches(shape, 1.8 / ground.cell_m, rng)
    depth = common.resampled(peak, ground)
    fast = common.resampled(Grid(speed_ms.astype(np.float32), peak.west_m, peak.south_m, peak.cell_m), ground)
    thick = blot + np.minimum(depth, 1.5) - 0.6 * np.minimum(fast, 2) > 0.55
    reached = depth > 0.01
    values[reached & (values == INDEX["pool_water"])] = INDEX["flood_water"]
    classes = _SEMANTIC[ground.values]
    for name, (under, beside) in _LEFT.items():
        mine = reached & (classes == CLASS_ID[name])
        values[mine & thick] = INDEX[under]
        if beside is not None:
            values[mine & ~thick] = INDEX[beside]
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)


def shore(world: World, above: Grid, wet: Bool) -> Grid:
    """Ground while the water stands: mud along its edge, ragged, on what is not paved. above: height of the ground
    over the water (m) on the raster of `wet`."""
    ground = world.ground
    near = Grid(common.distance_m(wet, above.cell_m) < 6.0, above.west_m, above.south_m, above.cell_m)
    ragged = common.patches(ground.values.shape, 5 / ground.cell_m, common.generator(world, 10))
    height = common.resampled(above, ground) + 0.4 * _BANK_M * ragged
    soft = np.isin(_SEMANTIC, [CLASS_ID["grass"], CLASS_ID["bare"]])[ground.values]
    muddy = (height < _BANK_M) & (common.resampled(near, ground) > 0.5) & soft
    values = np.where(muddy, np.uint8(INDEX["mud"]), ground.values).astype(np.uint8)
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)


def stained(mesh: Mesh, marks_m: dict[int, float]) -> Mesh:
    """Buildings (by instance) with their walls stained up to a height z: faces are cut along the mark."""
    ids = np.array(sorted(marks_m), np.int64)
    if not len(ids):
        return mesh
    mark = np.array([marks_m[int(i)] for i in ids])
    place = np.clip(np.searchsorted(ids, mesh.instance), 0, len(ids) - 1)
    mine = (ids[place] == mesh.instance) & _WALLS[mesh.material]
    level = np.where(mine, mark[place], -np.inf)
    mine &= mesh.vertices[mesh.faces][..., 2].min(axis=1) < level
    if not mine.any():
        return mesh
    below, above = split(common.select(mesh, mine), level[mine])
    index = np.full(len(below.faces), INDEX["wall_stained"], np.uint16)
    marked = Mesh(below.vertices, below.faces, index, below.instance, below.tint)
    return Mesh.concatenate([common.select(mesh, ~mine), above, marked])


def split(mesh: Mesh, level_m: F64) -> tuple[Mesh, Mesh]:
    """The parts of every face below and above a height z of its own (F,)."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    under = corners[..., 2] < level_m[:, None]
    low, high = [(corners[under.all(axis=1)], np.flatnonzero(under.all(axis=1)))], [
        (corners[~under.any(axis=1)], np.flatnonzero(~under.any(axis=1)))]
    for alone_low in (True, False):
        rows = np.flatnonzero(under.sum(axis=1) == (1 if alone_low else 2))
        lone = np.argmax(under[rows] == alone_low, axis=1)
        turned = corners[rows[:, None], (lone[:, None] + np.arange(3)) % 3]
        a, b, c = turned[:, 0], turned[:, 1], turned[:, 2]
        p, q = (_at(a, other, level_m[rows]) for other in (b, c))
        tip = (np.stack([a, p, q], 1), rows)
        rest = (np.concatenate([np.stack([p, b, c], 1), np.stack([p, c, q], 1)]), np.tile(rows, 2))
        (low if alone_low else high).append(tip)
        (high if alone_low else low).append(rest)
    return _mesh(mesh, low), _mesh(mesh, high)


def _at(a: F64, b: F64, level: F64) -> F64:
    share = (level - a[:, 2]) / (b[:, 2] - a[:, 2])
    return np.asarray(a + share[:, None] * (b - a))


def _mesh(source: Mesh, parts: list[tuple[F64, npt.NDArray[np.int64]]]) -> Mesh:
    corners = np.concatenate([part for part, _ in parts])
    origin = np.concatenate([rows for _, rows in parts])
    return Mesh(corners.reshape(-1, 3).astype(np.float32), np.arange(3 * len(corners), dtype=np.uint32).reshape(-1, 3),
                source.material[origin], source.instance[origin], source.tint[origin])
