"""When houses catch fire, and from what.

Radiation: a burning house is a panel of 84 kW/m2 as wide as its plan and half as high again as its ridge; wood
catches above 12.6 kW/m2 (Law 1963, Fire Research Technical Paper 5, the basis of the separation distances of BR 187).
That gives 5 to 15 m between houses; a front in plants reaches a wall from 10 m at most (Cohen 2004, doi
10.1139/x04-049: walls survived crown fires from there), so that most of its houses are lit by embers.
Embers: the front's light a house with a chance that grows with the plants around it; a burning house's fall with the
distance, farther downwind (the pattern of Himoto & Tanaka 2008, doi 10.1016/j.firesaf.2007.12.008).
A neighbourhood that is kept bare or is defended resists as a whole, which is why houses survive in groups. All draws
belong to houses and pairs of houses, not to the hour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse
import scipy.sparse.csgraph
import scipy.special
import shapely

from sim_bridge.hazards import common
from sim_bridge.hazards.common import F64
from sim_bridge.spec import Fire
from sim_bridge.world.model import Building, Grid, World
from sim_bridge.world.shapes import hash_unit

I64 = npt.NDArray[np.int64]

EMITTED_KW_M2, CRITICAL_KW_M2 = 84.0, 12.6
_FLAMES = 1.5
"""Height of the radiating panel, ridges."""
_REACH_M = 60.0
_RESISTANCE_SIGMA, _HOOD_RESISTANCE, _PLACE_SIGMA = 0.35, 0.5, 0.7
_HARD = ("masonry", "reinforced_masonry", "concrete_frame", "steel_light")
_HARD_ROOFS = ("roof_tile", "roof_metal", "roof_gravel", "roof_membrane", "roof_bitumen", "roof_concrete", "roof_slate")


@dataclass(frozen=True)
class Ignition:
    """When a house caught fire (minutes after the start of the fire; inf: never) and from what."""

    minute: float
    cause: str


def ignitions(world: World, fire: Fire, arrival: Grid) -> list[Ignition]:
    """First ignition of every building, by shortest path: front -> buildings -> their neighbours.

    arrival: minutes at which the front comes to each cell.
    """
    count = len(world.buildings)
    if not count:
        return []
    hood = _neighbourhood(world, arrival)
    by_front = _lit_by_front(world, arrival, hood)
    start, end, delay, how = _between(world, fire, hood)
    direct = np.flatnonzero(np.isfinite(by_front))
    graph = scipy.sparse.csr_array(
        (np.concatenate([by_front[direct], delay]), (np.concatenate([np.full(len(direct), count), start]),
                                                     np.concatenate([direct, end]))), shape=(count + 1, count + 1))
    minutes, previous = scipy.sparse.csgraph.dijkstra(graph, indices=count, return_predecessors=True)
    heat = {(int(a), int(b)): h for a, b, h in zip(start, end, how, strict=True) if h > 0}
    return [Ignition(float(minutes[i]), _cause(world, i, int(previous[i]), heat)) for i in range(count)]


def view_factor(width_m: F64, height_m: F64, gap_m: F64) -> F64:
    """Share of what a rectangle radiates that meets a point opposite its centre (Howell's catalogue, C-3, times 4)."""
    x, y = width_m / 2 / gap_m, height_m / 2 / gap_m
    rx, ry = np.sqrt(1 + x**2), np.sqrt(1 + y**2)
    return np.asarray(2 / math.pi * (x / rx * np.arctan(y / rx) + y / ry * np.arctan(x / ry)))


def lit_share(gap_m: F64, width_m: float = 12.0, ridge_m: float = 5.0) -> tuple[F64, F64]:
    """(kW/m2 on the wall, share of wood-framed houses that it lights) across a gap to one burning house of width_m:
    what the simulated shares are compared with; embers come on top."""
    width = np.full(np.shape(gap_m), width_m)
    flux = EMITTED_KW_M2 * view_factor(width, np.full_like(width, _FLAMES * ridge_m), np.asarray(gap_m, np.float64))
    spread = math.hypot(_RESISTANCE_SIGMA, _HOOD_RESISTANCE * math.hypot(1.0, _PLACE_SIGMA))
    return flux, np.asarray(scipy.special.ndtr(np.log(flux / CRITICAL_KW_M2) / spread))


def _cause(world: World, index: int, previous: int, heat: dict[tuple[int, int], float]) -> str:
    if previous < 0:
        return "nothing set it alight"
    if previous == len(world.buildings):
        return "embers of the front"
    other = world.buildings[previous]
    gap = shapely.distance(shapely.Polygon(world.buildings[index].footprint), shapely.Polygon(other.footprint))
    flux = heat.get((previous, index))
    by = f"{flux:.0f} kW/m2" if flux else "embers"
    return f"ignited by building {other.id}, {gap:.0f} m away ({by})"


def _neighbourhood(world: World, arrival: Grid) -> F64:
    """How readily each building's neighbourhood burns, standard normal in patches of about 150 m, about a mean of
    its place."""
    rng = common.generator(world, 31)
    patch = common.patches(arrival.values.shape, 150 / arrival.cell_m, rng) + _PLACE_SIGMA * (rng.standard_normal() - 1)
    centre = np.array([np.mean(b.footprint, axis=0) for b in world.buildings]).reshape(-1, 2)
    return patch[arrival.cell(centre[:, 0], centre[:, 1])].astype(np.float64)


def _hard(building: Building) -> bool:
    return building.roof_material.startswith(_HARD_ROOFS) and building.typology in _HARD


def _lit_by_front(world: World, arrival: Grid, hood: F64) -> F64:
    """Minutes at which embers light each building; inf for those that they spare."""
    plants = shapely.STRtree([shapely.Point(t.x, t.y) for t in world.trees])
    plans = common.footprints(world)
    which, _ = plants.query(plans, predicate="dwithin", distance=8.0)
    near = np.minimum(np.bincount(which, minlength=len(plans)), 8)
    tough = np.array([1.2 * b.roof_material.startswith(_HARD_ROOFS) + 1.8 * _hard(b) for b in world.buildings])
    rng = common.generator(world, 32)
    chance, delay = rng.random(len(plans)), rng.exponential(12, len(plans))
    lit = chance < scipy.special.expit(0.15 * near + 3.0 * hood - tough - 0.7)
    return np.asarray(np.where(lit, _at(arrival, world) + 2 + delay, np.inf))


def _at(arrival: Grid, world: World) -> F64:
    centre = np.array([np.mean(b.footprint, axis=0) for b in world.buildings]).reshape(-1, 2)
    return np.asarray(arrival.at(centre[:, 0], centre[:, 1]), np.float64)


def _between(world: World, fire: Fire, hood: F64) -> tuple[I64, I64, F64, F64]:
    """Pairs of buildings between which fire passes: from, to, minutes until the neighbour has caught it, and the heat
    that did it (kW/m2; 0 for embers)."""
    plans = common.footprints(world)
    start, end = shapely.STRtree(plans).query(plans, predicate="dwithin", distance=_REACH_M)
    start, end = start[start != end], end[start != end]
    gap = np.maximum(shapely.distance(plans[start], plans[end]), 0.3)
    ids = np.array([b.id for b in world.buildings])
    seed = world.seed & 0xFFFFFF
    resists = np.exp(_RESISTANCE_SIGMA * _normal(hash_unit(seed, 37, ids)) - _HOOD_RESISTANCE * hood)
    resists *= np.array([2.0 if _hard(b) else 1.0 for b in world.buildings])
    flux = _flux(world, plans, start, gap)
    radiates = flux > CRITICAL_KW_M2 * resists[end]
    catches = hash_unit(seed, 33, ids[start], ids[end]) < _ember_chance(fire, plans, start, end, gap) * (
        scipy.special.expit(0.5 + 2.5 * hood[end]) / np.maximum(resists[end], 0.5))
    passes = radiates | catches
    delay = np.where(radiates, 6 + 14 * hash_unit(seed, 34, ids[start], ids[end]),
                     12 + 60 * hash_unit(seed, 38, ids[start], ids[end]))
    return start[passes], end[passes], delay[passes], np.where(radiates, flux, 0.0)[passes]


def _flux(world: World, plans: npt.NDArray[np.object_], start: I64, gap: F64) -> F64:
    width = np.sqrt(shapely.area(plans))
    height = np.array([_FLAMES * b.ridge_m for b in world.buildings])
    return np.asarray(EMITTED_KW_M2 * view_factor(width[start], height[start], gap))


def _ember_chance(fire: Fire, plans: npt.NDArray[np.object_], start: I64, end: I64, gap: F64) -> F64:
    centre = shapely.get_coordinates(shapely.centroid(plans))
    step = centre[end] - centre[start]
    downwind = np.cos(np.arctan2(step[:, 0], step[:, 1]) - math.radians(fire.wind_from_deg + 180))
    reach = 5.0 + 1.2 * fire.wind_speed_ms * np.maximum(downwind, 0.0) ** 2
    return np.asarray(0.35 * np.exp(-gap / reach))


def _normal(uniform: F64) -> F64:
    return np.asarray(scipy.special.ndtri(np.clip(uniform, 1e-4, 1 - 1e-4)))
