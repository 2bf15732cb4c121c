"""Fire: a front runs through vegetation with the wind, embers and radiation set houses alight.

Front: first arrival by shortest path over a grid of fuels (Finney 2002, doi 10.1139/x02-068: minimum travel time).
Head fire speed is 10% of the wind (Cruz & Alexander 2019, doi 10.1007/s13595-019-0829-8) times a factor for the
fuel; the shape of spread is an ellipse with Anderson's (1983) length-to-breadth ratio. Streets and houses slow the
front down and do not stop it: embers cross them.
Houses: lit by the front's embers with a chance that grows with the plants around and differs by neighbourhood, or by
a burning neighbour with a chance that falls with the gap between them (radiation and flame contact, half-value about
6 m, as in the post-fire studies of Cohen 2000 and Gibbons et al. 2012), each with a delay. All draws belong to the
houses and pairs of houses, not to the hour: a longer fire never damages less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse
import scipy.sparse.csgraph
import scipy.special
import shapely

from sim_bridge.hazards import common, ruins
from sim_bridge.hazards.grades import grade
from sim_bridge.spec import Fire
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, World
from sim_bridge.world.shapes import hash_unit

F64 = npt.NDArray[np.float64]

_CELL_M = 4.0
_FUEL = {"lawn_dry": 0.8, "meadow": 0.9, "field_dry": 0.7, "lawn": 0.35, "field_green": 0.3, "vineyard": 0.3,
         "mulch": 0.5, "soil": 0.3}
_FUEL_TREE, _FUEL_HOUSE, _FUEL_BARE = 0.7, 0.25, 0.12
_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))
_HOUSE_GAP_M, _REACH_M = 6.0, 40.0
_HARD_ROOFS = {"roof_tile_red", "roof_metal", "roof_gravel", "roof_membrane", "roof_bitumen"}


@dataclass(frozen=True)
class Ignition:
    """When a house caught fire (minutes after the start of the fire; inf: never) and from what."""

    minute: float
    cause: str


def burn(world: World, fire: Fire, crowns: Sequence[str]) -> Aftermath:
    """The world after the fire; `crowns`: materials of the healthy trees; fields: `arrival_min`, 4 m cells.

    arrival_min is NaN where the front has not come within `fire.hours`.
    """
    arrival = arrival_min(world, fire)
    end = 60 * fire.hours
    ignitions = _ignitions(world, fire, arrival)
    damage = tuple(_damage(world, b, lit, _at(arrival, b), end)
                   for b, lit in zip(world.buildings, ignitions, strict=True))
    states = {row.id: row.state for row in damage}
    after, ground = ruins.remains(world, states, arrival, end, crowns)
    reached = np.where(common.floats(arrival) <= end, common.floats(arrival), np.float32(np.nan))
    field = Grid(reached, arrival.west_m, arrival.south_m, arrival.cell_m)
    return Aftermath(asdict(fire), after, ground, damage, {"arrival_min": field})


def arrival_min(world: World, fire: Fire) -> Grid:
    """Minutes until the front comes to each cell, however long it takes: (n, n) float32."""
    grid = common.coarse_grid(world, max(_CELL_M, world.size_m / 250))
    fuel = _fuel(world, grid)
    ny, nx = fuel.shape
    number = np.arange(ny * nx).reshape(ny, nx)
    rows, columns, minutes = [], [], []
    for dx, dy in (*_STEPS, *((-dx, -dy) for dx, dy in _STEPS)):
        here, there = _shifted(number, dx, dy)
        slowness = 0.5 / fuel.ravel()[here] + 0.5 / fuel.ravel()[there]
        step_m = grid.cell_m * math.hypot(dx, dy)
        rows.append(here)
        columns.append(there)
        minutes.append(step_m * slowness / _speed_m_min(fire, math.degrees(math.atan2(dx, dy))))
    graph = scipy.sparse.csr_array(
        (np.concatenate(minutes), (np.concatenate(rows), np.concatenate(columns))), shape=(ny * nx, ny * nx))
    first = scipy.sparse.csgraph.dijkstra(graph, indices=_ignited_edge(grid, fire), min_only=True)
    return Grid(first.reshape(ny, nx).astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def _speed_m_min(fire: Fire, toward_deg: float) -> float:
    """Speed of spread in a compass direction through the quickest fuel, m/min."""
    wind = max(fire.wind_speed_ms, 0.5)
    # Anderson's ratio is fitted below 8 m/s at the flames, about 0.4 of the open wind
    flames = min(0.4 * wind, 8.0)
    ratio = max(1.0, 0.936 * math.exp(0.2566 * flames) + 0.461 * math.exp(-0.1548 * flames) - 0.397)
    eccentricity = math.sqrt(1 - 1 / ratio**2)
    angle = math.radians(toward_deg - fire.wind_from_deg - 180)
    return 60 * 0.10 * wind * (1 - eccentricity) / (1 - eccentricity * math.cos(angle))


def _fuel(world: World, grid: Grid) -> F64:
    """Share of the quickest speed that each cell allows, with patches of quicker and slower fuel."""
    x, y = common.centres(grid)
    table = np.full(256, _FUEL_BARE)
    for name, value in _FUEL.items():
        table[INDEX[name]] = value
    fuel = table[np.asarray(world.ground.at(*np.meshgrid(x, y)), np.int64)]
    for tree in world.trees:
        iy, ix = grid.cell(tree.x, tree.y)
        fuel[iy, ix] = max(float(fuel[iy, ix]), _FUEL_TREE)
    fuel[common.covered(grid, common.footprints(world))] = _FUEL_HOUSE
    patch = common.patches((len(y), len(x)), 60 / grid.cell_m, common.generator(world, 30))
    return np.asarray(fuel * np.exp(0.3 * np.clip(patch, -2, 2)))


def _shifted(number: npt.NDArray[np.int64], dx: int, dy: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of all cells that have a neighbour (dx, dy) away, and of those neighbours."""
    ny, nx = number.shape
    here = number[max(0, -dy):ny - max(0, dy), max(0, -dx):nx - max(0, dx)]
    there = number[max(0, dy):ny - max(0, -dy), max(0, dx):nx - max(0, -dx)]
    return here.ravel(), there.ravel()


def _ignited_edge(grid: Grid, fire: Fire) -> npt.NDArray[np.int64]:
    """Cells of the border that face the ignition azimuth within 25 degrees."""
    x, y = np.meshgrid(*common.centres(grid))
    azimuth = np.degrees(np.arctan2(x, y))
    off = np.abs((azimuth - fire.ignition_azimuth_deg + 180) % 360 - 180)
    border = np.ones(x.shape, np.bool_)
    border[1:-1, 1:-1] = False
    return np.flatnonzero(border & (off <= 25))


def _ignitions(world: World, fire: Fire, arrival: Grid) -> list[Ignition]:
    """First ignition of every house by shortest path: source (the front) -> houses -> their neighbours."""
    buildings = world.buildings
    count = len(buildings)
    hood = _neighbourhood(world, arrival)
    by_front = _lit_by_front(world, arrival, hood)
    start, end, delay = _spread_between(world, fire, hood)
    direct = np.flatnonzero(np.isfinite(by_front))
    graph = scipy.sparse.csr_array(
        (np.concatenate([by_front[direct], delay]), (np.concatenate([np.full(len(direct), count), start]),
                                                     np.concatenate([direct, end]))), shape=(count + 1, count + 1))
    minutes, previous = scipy.sparse.csgraph.dijkstra(graph, indices=count, return_predecessors=True)
    return [Ignition(float(minutes[i]), _cause(world, i, int(previous[i]))) for i in range(count)]


def _cause(world: World, index: int, previous: int) -> str:
    if previous < 0:
        return "nothing set it alight"
    if previous == len(world.buildings):
        return "embers of the front"
    gap = shapely.distance(shapely.Polygon(world.buildings[index].footprint),
                           shapely.Polygon(world.buildings[previous].footprint))
    return f"ignited by building {world.buildings[previous].id}, {gap:.0f} m away"


def _neighbourhood(world: World, arrival: Grid) -> F64:
    """How readily each building's neighbourhood burns, standard normal, patches of about 110 m: plants kept or cut,
    people who stay and put embers out. It is why houses survive in groups."""
    patch = common.patches(arrival.values.shape, 110 / arrival.cell_m, common.generator(world, 31))
    centre = np.array([np.mean(b.footprint, axis=0) for b in world.buildings]).reshape(-1, 2)
    return patch[arrival.cell(centre[:, 0], centre[:, 1])].astype(np.float64)


def _lit_by_front(world: World, arrival: Grid, hood: F64) -> F64:
    """Minutes at which embers light each building; inf for those that they spare."""
    plants = shapely.STRtree([shapely.Point(t.x, t.y) for t in world.trees])
    rng = common.generator(world, 32)
    chance, delay = rng.random(len(world.buildings)), rng.exponential(12, len(world.buildings))
    minutes = np.full(len(world.buildings), np.inf)
    for i, building in enumerate(world.buildings):
        plan = shapely.Polygon(building.footprint)
        near = len(plants.query(plan, predicate="dwithin", distance=8.0))
        iy, ix = arrival.cell(plan.centroid.x, plan.centroid.y)
        logit = -0.2 + 0.15 * min(near, 8) + 2.5 * float(hood[i])
        logit -= 0.7 * (building.roof_material in _HARD_ROOFS) + 1.0 * (building.use == "commercial")
        if chance[i] < 1 / (1 + math.exp(-logit)):
            minutes[i] = float(arrival.values[iy, ix]) + 2 + delay[i]
    return minutes


def _spread_between(world: World, fire: Fire,
                    hood: F64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], F64]:
    """Pairs of buildings between which fire passes: from, to, and how long the neighbour takes to catch it (min)."""
    plans = common.footprints(world)
    if not len(plans):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    start, end = shapely.STRtree(plans).query(plans, predicate="dwithin", distance=_REACH_M)
    start, end = start[start != end], end[start != end]
    gap = shapely.distance(plans[start], plans[end])
    centre = shapely.get_coordinates(shapely.centroid(plans))
    step = centre[end] - centre[start]
    downwind = np.cos(np.arctan2(step[:, 0], step[:, 1]) - math.radians(fire.wind_from_deg + 180))
    reach = _HOUSE_GAP_M * (1 + 0.05 * fire.wind_speed_ms * downwind)
    ids = np.array([b.id for b in world.buildings])
    seed = world.seed & 0xFFFFFF
    chance = np.exp2(-gap / np.maximum(reach, 1.0)) * scipy.special.expit(1.5 + 2.5 * hood[end])
    passes = hash_unit(seed, 33, ids[start], ids[end]) < 0.85 * chance
    delay = 10 + 50 * hash_unit(seed, 34, ids[start], ids[end])
    return start[passes], end[passes], delay[passes]


def _at(arrival: Grid, building: Building) -> float:
    centre = np.mean(building.footprint, axis=0)
    return float(arrival.at(centre[0], centre[1]))


def _damage(world: World, building: Building, lit: Ignition, front_min: float, end_min: float) -> BuildingDamage:
    """A lit house has lost its roof in about 20 min; few are put out; some that the front passes are scorched."""
    seed = world.seed & 0xFFFFFF
    luck, pace = (float(hash_unit(seed, purpose, building.id)) for purpose in (35, 36))
    if lit.minute <= end_min:
        burning = end_min - lit.minute
        saved = luck < 0.04
        state = "partly_burnt" if saved or burning < 12 + 15 * pace else "burnt_down"
        cause = f"{lit.cause}, {lit.minute:.0f} min after the fire began"
    elif front_min <= end_min:
        state = "roof_scorched" if luck > 0.94 else "spared"
        cause = f"the front passed after {front_min:.0f} min" + (
            ": embers on the roof" if state == "roof_scorched" else " and did not light it")
    else:
        state, cause = "not_reached", f"the fire had not come within {end_min:.0f} min"
    return BuildingDamage(building.id, state, grade("fire", state), cause)
