"""Fire: a front runs through plants with the wind, embers and radiation set houses alight, and houses their
neighbours.

Front: `spread` (Rothermel's rate of spread, Anderson's ellipse, Finney's minimum travel time). Where nothing grows,
embers carry the front on, at 2% of the wind: streets slow a fire down and do not stop it. Houses: `ignition`. Nothing
but the hour decides how far it has come, so that a longer fire never damages less.
Shares: of the buildings that burn, 4.1% are put out before they are lost (CAL FIRE's inspection of the Camp Fire: 622
damaged, 14,518 destroyed; Troy et al. 2022, doi 10.1071/WF21176), most of them hardly touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import common, ruins
from sim_bridge.hazards.grades import grade
from sim_bridge.hazards.ignition import Ignition, ignitions
from sim_bridge.hazards.smoke import smoke
from sim_bridge.hazards.spread import FUEL_MODELS, MIDFLAME, Spread, arrival, bed, ellipse, merged
from sim_bridge.spec import Fire
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, World
from sim_bridge.world.shapes import hash_unit

I64 = npt.NDArray[np.int64]

SAVED_SHARE = 622 / (622 + 14518)
"""Of the buildings that caught fire, those that were damaged and not destroyed."""
_CELL_M = 4.0
_EMBER_SPEED = 0.02
_MOST_CELLS = 250
_NONE, _GRASS, _TALL, _LITTER, _WOOD, _BRUSH, _HOUSE = range(7)
_MODEL = {_GRASS: "short_grass", _TALL: "timber_grass", _LITTER: "closed_litter", _WOOD: "hardwood_litter",
          _BRUSH: "brush"}
_SMOKES = np.array([0.02, 0.25, 0.45, 0.2, 0.8, 1.0, 0.1])
_TALL_NAMES, _WET_NAMES = ("meadow", "vineyard", "vine_row", "rapeseed", "crop_ripe"), ("lawn", "field_green", "crop")
_BARREN = ("gravel", "sand", "ballast", "rail", "soil", "plough")


def burn(world: World, fire: Fire, crowns: Sequence[str]) -> Aftermath:
    """The world after the fire; `crowns`: materials of the healthy trees. Fields: `arrival_min` (4 m cells, NaN where
    the front has not come within `fire.hours`) and, until `fire.out_hours`, `smoke`."""
    first = arrival_min(world, fire)
    end = 60 * fire.hours
    lit = ignitions(world, fire, first)
    damage = tuple(_damage(world, b, own, _at(first, b), fire) for b, own in zip(world.buildings, lit, strict=True))
    states = {row.id: row.state for row in damage}
    after, ground = ruins.remains(world, states, first, end, crowns, fire.hours < fire.out_hours)
    reached = np.where(common.floats(first) <= end, common.floats(first), np.float32(np.nan))
    fields = {"arrival_min": Grid(reached, first.west_m, first.south_m, first.cell_m)}
    if fire.hours < fire.out_hours:
        minutes = np.array([own.minute for own in lit])
        fields["smoke"] = smoke(world, fire, first, _SMOKES[_fuel(world, first)], minutes)
    return Aftermath(asdict(fire), after, ground, damage, fields)


def arrival_min(world: World, fire: Fire) -> Grid:
    """Minutes until the front comes to each cell, however long it takes: (n, n) float32."""
    grid = common.coarse_grid(world, max(_CELL_M, world.size_m / _MOST_CELLS))
    spread = _spread(world, fire, grid)
    patch = common.patches(grid.values.shape, 60 / grid.cell_m, common.generator(world, 30))
    uneven = Spread(spread.head_m_min * np.exp(0.3 * np.clip(patch, -2, 2)), spread.east, spread.north,
                    spread.eccentricity)
    first = arrival(uneven, grid.cell_m, _ignited_edge(grid, fire))
    return Grid(first.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def _spread(world: World, fire: Fire, grid: Grid) -> Spread:
    """The ellipse of every cell: by its fuel, or by flying embers where there is none."""
    fuel = _fuel(world, grid)
    x, y = common.centres(grid)
    height = world.height_at(x[None, :], y[:, None])
    rise_north, rise_east = (np.asarray(g) for g in np.gradient(height, grid.cell_m))
    toward = fire.wind_from_deg + 180
    wind = max(MIDFLAME * fire.wind_speed_ms, 0.05)
    parts = []
    for kind, name in _MODEL.items():
        own = bed(FUEL_MODELS[name], fire.fuel_moisture * (1.5 if kind == _LITTER else 1.0), 0.8)
        parts.append((fuel == kind, ellipse(own, wind, toward, rise_east, rise_north)))
    whole = merged(fuel.shape, parts)
    embers = _embers(fire, fuel.shape, toward)
    slow = whole.head_m_min < embers.head_m_min
    return merged(fuel.shape, [(~slow, whole), (slow, embers)])


def _embers(fire: Fire, shape: tuple[int, ...], toward_deg: float) -> Spread:
    speed = 60 * _EMBER_SPEED * max(fire.wind_speed_ms, 0.5)
    angle, full = math.radians(toward_deg), np.ones(shape)
    return Spread(speed * full, math.sin(angle) * full, math.cos(angle) * full, 0.8 * full)


def _fuel(world: World, grid: Grid) -> I64:
    """Kind of fuel of every cell (ny, nx): by the ground, the trees above it, the houses."""
    x, y = common.centres(grid)
    fuel = _ground_fuel()[np.asarray(world.ground.at(*np.meshgrid(x, y)), np.int64)]
    if world.trees:
        at = np.array([[t.x, t.y] for t in world.trees])
        kind = np.array([_BRUSH if t.height_m < 3 else _WOOD for t in world.trees])
        iy, ix = grid.cell(at[:, 0], at[:, 1])
        np.maximum.at(fuel, (iy, ix), kind)
    fuel[common.covered(grid, common.footprints(world))] = _HOUSE
    return np.asarray(fuel, np.int64)


def _ground_fuel() -> I64:
    table = np.zeros(256, np.int64)
    for index, material in enumerate(TABLE):
        if material.semantic == CLASS_ID["grass"]:
            table[index] = _LITTER if material.name in _WET_NAMES else (
                _TALL if material.name in _TALL_NAMES else _GRASS)
        elif material.semantic == CLASS_ID["bare"]:
            table[index] = _NONE if material.name in _BARREN else _LITTER
    for name in ("field_dry", "stubble"):
        table[INDEX[name]] = _GRASS
    table[INDEX["forest_floor"]] = _WOOD
    return table


def _ignited_edge(grid: Grid, fire: Fire) -> I64:
    """Cells of the border that face the ignition azimuth within 25 degrees."""
    x, y = np.meshgrid(*common.centres(grid))
    azimuth = np.degrees(np.arctan2(x, y))
    off = np.abs((azimuth - fire.ignition_azimuth_deg + 180) % 360 - 180)
    border = np.ones(x.shape, np.bool_)
    border[1:-1, 1:-1] = False
    return np.flatnonzero(border & (off <= 25))


def _at(first: Grid, building: Building) -> float:
    centre = np.mean(building.footprint, axis=0)
    return float(first.at(centre[0], centre[1]))


def _damage(world: World, building: Building, lit: Ignition, front_min: float, fire: Fire) -> BuildingDamage:
    """A lit house has lost its roof after 15 to 30 min, unless it is put out; of those, one in six lost part of it."""
    seed, end = world.seed & 0xFFFFFF, 60 * fire.hours
    luck, pace = (float(hash_unit(seed, purpose, building.id)) for purpose in (35, 36))
    if lit.minute <= end:
        fate = "roof_scorched" if luck < 5 / 6 * SAVED_SHARE else "partly_burnt" if luck < SAVED_SHARE else "burnt_down"
        burning = fate == "burnt_down" and end - lit.minute < 15 + 15 * pace
        state = "on_fire" if burning else fate
        cause = f"{lit.cause}, {lit.minute:.0f} min after the fire began"
    elif front_min <= end:
        state, cause = "spared", f"the front passed after {front_min:.0f} min and did not light it"
    else:
        state, cause = "not_reached", f"the fire had not come within {end:.0f} min"
    return BuildingDamage(building.id, state, grade("fire", state), cause)

