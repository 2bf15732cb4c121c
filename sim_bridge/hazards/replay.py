"""Replay: the grades that the source of a real place carries, drawn as a hazard of one kind leaves them.

A grade says what can be seen, not which state the structure is in: of the states of that grade, the building takes the
one that its kind fails in, or one by a draw of its own. Where the grades ask for water or fire, the field is the one
that just explains them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import scipy.spatial
import shapely

from sim_bridge.hazards import common, earthquake, ruins
from sim_bridge.hazards.grades import grade, order
from sim_bridge.spec import Replay
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, World
from sim_bridge.world.shapes import hash_unit, mesh_of

_BURNT_AROUND_M = 14.0
_WET_AROUND_M = 22.0
_CELL_M = 2.0
_FILM_M = 0.04
_SHORE_SLOPE = 0.12
_LEVEL_M = {"water_at_wall": 0.25, "surrounded": 0.6, "inundated": 1.2, "submerged": 1.8}
"""Height of the water above the ground of a building."""
_NEIGHBOURS = 6


def replay(world: World, hazard: Replay, crowns: Sequence[str]) -> Aftermath:
    """The world after its source's grades (`World.source_grades`); `crowns`: materials of the healthy trees.

    Buildings without a grade stay as they were; their cause says so. Flood: field `depth_m`; fire: `arrival_min`, 0
    where it burnt, NaN elsewhere.
    """
    draw: dict[str, Callable[[], Aftermath]] = {
        "earthquake": lambda: earthquake.fallen(world, _damage(world, hazard), asdict(hazard), {}),
        "fire": lambda: _burnt(world, hazard, crowns),
        "flood": lambda: _flooded(world, hazard),
    }
    return draw[hazard.event]()


def state_of(building: Building, event: str, wanted: int, luck: float) -> str:
    """State of the event's table whose grade is `wanted`; `luck` in 0 to 1 chooses among several."""
    if event == "earthquake" and wanted >= 2:
        severe = 3 if luck < 0.5 else 4
        state = earthquake.state_of(building, {2: 2, 3: severe, 4: 5}[wanted])
        if grade(event, state) == wanted:
            return state
    fitting = [state for state in order(event) if grade(event, state) == wanted and state != "on_fire"]
    return fitting[0] if wanted == 1 else fitting[min(int(luck * len(fitting)), len(fitting) - 1)]


def _damage(world: World, hazard: Replay) -> tuple[BuildingDamage, ...]:
    luck = hash_unit(world.seed & 0xFFFFFF, 90, np.array([b.id for b in world.buildings]))
    rows = []
    for building, u in zip(world.buildings, luck, strict=True):
        told = world.source_grades.get(building.id)
        state = state_of(building, hazard.event, told or 1, float(u))
        cause = f"grade {told} in the source" if told else "no grade in the source"
        rows.append(BuildingDamage(building.id, state, grade(hazard.event, state), cause))
    return tuple(rows)


def _burnt(world: World, hazard: Replay, crowns: Sequence[str]) -> Aftermath:
    """Fire came to every building with damage and what stands around it."""
    damage = _damage(world, hazard)
    hurt = {row.id for row in damage if row.grade > 1}
    grid = common.coarse_grid(world, _CELL_M)
    near = [shapely.Polygon(b.footprint).buffer(_BURNT_AROUND_M) for b in world.buildings if b.id in hurt]
    came = common.covered(grid, near)
    # far beyond any hour rather than infinite: the raster is interpolated
    arrival = Grid(np.where(came, 0, 1e6).astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)
    states = {row.id: row.state for row in damage}
    after, ground = ruins.remains(world, states, arrival, 60.0, crowns, False) if hurt else (world.before, world.ground)
    field = Grid(np.where(came, 0, np.nan).astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)
    return Aftermath(asdict(hazard), after, ground, damage, {"arrival_min": field})


def _flooded(world: World, hazard: Replay) -> Aftermath:
    """Water that stands at each damaged building as high as its state says, and between them as high as they ask.

    What the source calls destroyed is gone from its place: water that covers a roof would cover a whole town.
    """
    damage = _damage(world, hazard)
    wet = [(b, row.state) for b, row in zip(world.buildings, damage, strict=True) if row.grade > 1]
    grid = common.coarse_grid(world, _CELL_M)
    if not wet:
        return Aftermath(asdict(hazard), world.before, world.ground, damage, {"depth_m": grid})
    levels = np.array([b.base_m + _LEVEL_M[state] for b, state in wet])
    depth = _depth(world, grid, [b for b, _ in wet], levels)
    surface = Grid(depth.values, grid.west_m, grid.south_m, grid.cell_m)
    gone = np.array([row.id for row in damage if row.grade == 4], np.uint32)
    left = common.select(world.before, ~np.isin(world.before.instance, gone))
    return Aftermath(asdict(hazard), Mesh.concatenate([left, _sheet(world, surface)]), world.ground, damage,
                     {"depth_m": surface})


def _depth(world: World, grid: Grid, wet: Sequence[Building], levels_m: np.ndarray) -> Grid:
    """Depth over the ground (0 where dry): levels between the nearest wet buildings, none near dry ones."""
    x, y = np.meshgrid(*common.centres(grid))
    centres = np.array([np.mean(b.footprint, axis=0) for b in wet])
    count = min(_NEIGHBOURS, len(wet))
    distance, index = scipy.spatial.cKDTree(centres).query(np.column_stack([x.ravel(), y.ravel()]),
                                                           k=[*range(1, count + 1)])
    weight = 1 / (distance + 1) ** 2
    level = ((weight * levels_m[index]).sum(axis=1) / weight.sum(axis=1)).reshape(x.shape)
    plans = [shapely.Polygon(b.footprint) for b in wet]
    near = common.distance_m(common.covered(grid, plans), grid.cell_m)
    ids = {b.id for b in wet}
    dry = [shapely.Polygon(b.footprint).buffer(3) for b in world.buildings if b.id not in ids]
    allowed = (near < _WET_AROUND_M) & ~common.covered(grid, dry)
    # it runs out towards the edge of what it may cover, where it would stand like a wall
    most = _FILM_M + _SHORE_SLOPE * common.distance_m(~allowed, grid.cell_m)
    depth = np.where(allowed, np.clip(level - world.height_at(x, y), 0, most), 0)
    return Grid(depth.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def _sheet(world: World, depth: Grid) -> Mesh:
    """The water's surface over the wet cells, two triangles each, its corners at the mean of the cells around."""
    values = common.floats(depth)
    x, y = np.meshgrid(*common.centres(depth))
    level = np.where(values > _FILM_M, world.height_at(x, y) + values, np.nan)
    padded = np.pad(level, 1, constant_values=np.nan)
    around = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    known = ~np.isnan(around)
    corner = np.where(known, around, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    ny, nx = values.shape
    gx, gy = np.meshgrid(depth.west_m + depth.cell_m * np.arange(nx + 1),
                         depth.south_m + depth.cell_m * np.arange(ny + 1))
    iy, ix = np.nonzero(values > _FILM_M)
    sw = iy * (nx + 1) + ix
    ne = sw + nx + 2
    faces = np.concatenate([np.column_stack([sw, sw + 1, ne]), np.column_stack([sw, ne, ne - 1])])
    used, faces = np.unique(faces, return_inverse=True)
    vertices = np.stack([gx, gy, corner], -1).reshape(-1, 3)[used]
    return mesh_of(vertices, faces.reshape(-1, 3), np.full(len(faces.reshape(-1, 3)), INDEX["flood_water"]))
