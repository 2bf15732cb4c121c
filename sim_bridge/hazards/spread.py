"""How fast a surface fire runs, and when it first comes to each cell of a raster.

Rate of spread: Rothermel (1972, USDA INT-115) with Albini's (1976, INT-30) changes, as restated by Andrews (2018,
RMRS-GTR-371), for the fuel models of Anderson (1982, INT-122). Instead of Rothermel's wind limit the rate of spread
is kept below the wind at the flames, as Andrews, Cruz & Rothermel (2013, doi 10.1071/WF12122) recommend. Shape: an
ellipse with Anderson's (1983, INT-305) length-to-breadth ratio; wind and slope add up as vectors.
Arrival: minimum travel time over a graph of cells (Finney 2002, doi 10.1139/x02-068). Fast marching would not do: its
speeds do not depend on direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse
import scipy.sparse.csgraph

from sim_bridge.hazards.common import F64, Bool

I64 = npt.NDArray[np.int64]

FT_M, LB_FT2_PER_TON_ACRE = 0.3048, 2000 / 43560
MIDFLAME = 0.4
"""Wind at the flames as a share of the wind at 6-10 m, unsheltered low fuels (Andrews 2012, RMRS-GTR-266)."""
_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2), (3, 1), (1, 3), (3, -1), (1, -3))
_PARTICLE_LB_FT3, _HEAT_BTU_LB, _MINERAL, _SILICA_FREE = 32.0, 8000.0, 0.0555, 0.010
_SIZE_CLASSES_PER_FT = (1200, 192, 96, 48, 16)


@dataclass(frozen=True)
class FuelModel:
    """Loads in tons per acre (1 h, 10 h, 100 h, live), surface-area-to-volume ratio of the 1 h fuel and of the live
    one (1/ft), depth of the bed (ft), moisture of extinction (share)."""

    load: tuple[float, float, float, float]
    surface_per_ft: float
    depth_ft: float
    extinction: float
    live_surface_per_ft: float = 1500.0


FUEL_MODELS: Mapping[str, FuelModel] = {
    "short_grass": FuelModel((0.74, 0, 0, 0), 3500, 1.0, 0.12),
    "timber_grass": FuelModel((2.00, 1.00, 0.50, 0.50), 3000, 1.0, 0.15),
    "tall_grass": FuelModel((3.01, 0, 0, 0), 1500, 2.5, 0.25),
    "chaparral": FuelModel((5.01, 4.01, 2.00, 5.01), 2000, 6.0, 0.20),
    "brush": FuelModel((1.00, 0.50, 0, 2.00), 2000, 2.0, 0.20),
    "closed_litter": FuelModel((1.50, 1.00, 2.50, 0), 2000, 0.2, 0.30),
    "hardwood_litter": FuelModel((2.92, 0.41, 0.15, 0), 2500, 0.2, 0.25),
    "timber": FuelModel((3.01, 2.00, 5.01, 2.00), 2000, 1.0, 0.25),
}
"""Anderson's models 1, 2, 3, 4, 5, 8, 9 and 10."""


@dataclass(frozen=True)
class Bed:
    """A fuel bed at its moisture: rate of spread without wind (m/min), and what wind and slope add to it."""

    calm_m_min: float
    wind_c: float
    wind_b: float
    slope_c: float

    def wind_factor(self, midflame_ms: float | F64) -> F64:
        return np.asarray(self.wind_c * (np.asarray(midflame_ms, np.float64) * 60 / FT_M) ** self.wind_b)

    def effective_ms(self, factor: F64) -> F64:
        """The wind at the flames that would add as much as `factor`."""
        return np.asarray((factor / self.wind_c) ** (1 / self.wind_b) * FT_M / 60)


def bed(fuel: FuelModel, dead_moisture: float, live_moisture: float = 1.0) -> Bed:
    """The bed of a fuel model; moistures of the dead fuel (all sizes) and of the live one, share of dry mass."""
    load = np.array(fuel.load) * LB_FT2_PER_TON_ACRE
    surface = np.array([fuel.surface_per_ft, 109.0, 30.0, fuel.live_surface_per_ft])
    moisture = np.array([dead_moisture] * 3 + [live_moisture])
    area = surface * load / _PARTICLE_LB_FT3
    groups = (slice(0, 3), slice(3, 4))
    share = np.array([area[g].sum() for g in groups]) / area.sum()
    weights = [area[g] / area[g].sum() if area[g].sum() > 0 else area[g] for g in groups]
    sigma = float(sum(s * float(w @ surface[g]) for s, w, g in zip(share, weights, groups, strict=True)))
    packing = float(load.sum()) / fuel.depth_ft / _PARTICLE_LB_FT3
    relative = packing / (3.348 * sigma**-0.8189)
    extinction = (fuel.extinction, _live_extinction(fuel, load, surface, dead_moisture))
    heat = sum(_net_load(load[g], surface[g], w) * _damping(float(moisture[g][0]), limit)
               for g, w, limit in zip(groups, weights, extinction, strict=True))
    flux = math.exp((0.792 + 0.681 * sigma**0.5) * (packing + 0.1)) / (192 + 0.2595 * sigma)
    sink = sum(s * float(w @ (np.exp(-138 / surface[g]) * (250 + 1116 * moisture[g])))
               for s, w, g in zip(share, weights, groups, strict=True))
    intensity = _reaction_velocity(sigma, relative) * heat * _HEAT_BTU_LB * 0.174 * _SILICA_FREE**-0.19
    calm_ft_min = intensity * flux / (load.sum() / fuel.depth_ft * sink)
    wind_c = 7.47 * math.exp(-0.133 * sigma**0.55) * relative ** -(0.715 * math.exp(-3.59e-4 * sigma))
    return Bed(float(calm_ft_min) * FT_M, wind_c, 0.02526 * sigma**0.54, 5.275 * packing**-0.3)


def _reaction_velocity(sigma: float, relative_packing: float) -> float:
    fastest = sigma**1.5 / (495 + 0.0594 * sigma**1.5)
    a = 133 * sigma**-0.7913
    return float(fastest * relative_packing**a * math.exp(a * (1 - relative_packing)))


def _net_load(load: F64, surface: F64, weight: F64) -> float:
    """Load without minerals, weighted by size class (Albini 1976)."""
    size = np.searchsorted(-np.array(_SIZE_CLASSES_PER_FT), -surface)
    share = np.array([weight[size == s].sum() for s in size])
    return float(share @ load) * (1 - _MINERAL)


def _damping(moisture: float, extinction: float) -> float:
    r = min(moisture / extinction, 1.0)
    return max(1 - 2.59 * r + 5.11 * r**2 - 3.52 * r**3, 0.0)


def _live_extinction(fuel: FuelModel, load: F64, surface: F64, dead_moisture: float) -> float:
    if load[3] == 0:
        return fuel.extinction
    dead = float(load[:3] @ np.exp(-138 / surface[:3]))
    ratio = dead / float(load[3] * math.exp(-500 / surface[3]))
    return max(2.9 * ratio * (1 - dead_moisture / fuel.extinction) - 0.226, fuel.extinction)


def rate_of_spread_m_min(fuel: FuelModel, dead_moisture: float, midflame_ms: float, slope: float = 0.0,
                         live_moisture: float = 1.0) -> float:
    """Speed of the head of a fire with wind and slope (tangent) in one direction, m/min."""
    own = bed(fuel, dead_moisture, live_moisture)
    speed = own.calm_m_min * (1 + float(own.wind_factor(midflame_ms)) + own.slope_c * slope**2)
    return min(speed, 60 * midflame_ms) if midflame_ms > 1 else speed


def eccentricity(effective_ms: F64) -> F64:
    """Of the ellipse of spread, by the wind at the flames; Anderson's ratio, kept within the winds it was fitted to."""
    wind = np.minimum(effective_ms, 8.0)
    ratio = np.maximum(0.936 * np.exp(0.2566 * wind) + 0.461 * np.exp(-0.1548 * wind) - 0.397, 1.0)
    return np.asarray(np.sqrt(1 - 1 / ratio**2))


@dataclass(frozen=True)
class Spread:
    """Ellipses of spread, one a cell (ny, nx): speed of the head (m/min), its direction (x east, y north, unit) and
    eccentricity."""

    head_m_min: F64
    east: F64
    north: F64
    eccentricity: F64

    def toward(self, dx: int, dy: int) -> F64:
        """Speed (m/min) towards dx cells east and dy cells north."""
        length = math.hypot(dx, dy)
        along = (self.east * dx + self.north * dy) / length
        return np.asarray(self.head_m_min * (1 - self.eccentricity) / (1 - self.eccentricity * along))


def ellipse(own: Bed, midflame_ms: float, toward_deg: float, rise_east: F64, rise_north: F64) -> Spread:
    """Spread of one fuel bed under a wind that blows towards a compass direction, on slopes (tangents, uphill)."""
    angle = math.radians(toward_deg)
    steep = np.hypot(rise_east, rise_north)
    wind, climb = float(own.wind_factor(midflame_ms)), own.slope_c * steep
    east = wind * math.sin(angle) + climb * rise_east
    north = wind * math.cos(angle) + climb * rise_north
    factor = np.hypot(east, north)
    effective = own.effective_ms(factor)
    # without wind the limit would stop a fire that creeps uphill
    head = np.minimum(own.calm_m_min * (1 + factor), 60 * np.maximum(effective, 1.0))
    unit = np.maximum(factor, 1e-9)
    return Spread(head, east / unit, north / unit, eccentricity(effective))


def arrival(spread: Spread, cell_m: float, ignited: I64) -> F64:
    """Minutes (ny, nx) until the fire first comes to each cell from the `ignited` ones (indices into the flat raster);
    inf where it cannot come."""
    shape = spread.head_m_min.shape
    number = np.arange(spread.head_m_min.size).reshape(shape)
    rows: list[I64] = []
    columns: list[I64] = []
    minutes: list[F64] = []
    for dx, dy in (*_STEPS, *((-dx, -dy) for dx, dy in _STEPS)):
        here, there = _shifted(number, dx, dy)
        slowness = 1 / np.maximum(spread.toward(dx, dy).ravel(), 1e-6)
        rows.append(here)
        columns.append(there)
        minutes.append(cell_m * math.hypot(dx, dy) * (slowness[here] + slowness[there]) / 2)
    graph = scipy.sparse.csr_array((np.concatenate(minutes), (np.concatenate(rows), np.concatenate(columns))),
                                   shape=(number.size, number.size))
    first = scipy.sparse.csgraph.dijkstra(graph, indices=ignited, min_only=True)
    return np.asarray(first.reshape(shape))


def _shifted(number: I64, dx: int, dy: int) -> tuple[I64, I64]:
    """Numbers of all cells that have a neighbour (dx, dy) away, and of those neighbours."""
    ny, nx = number.shape
    here = number[max(0, -dy):ny - max(0, dy), max(0, -dx):nx - max(0, dx)]
    there = number[max(0, dy):ny - max(0, -dy), max(0, dx):nx - max(0, -dx)]
    return here.ravel(), there.ravel()


def merged(shape: tuple[int, int], parts: Sequence[tuple[Bool, Spread]]) -> Spread:
    """One raster of ellipses out of those of several fuels; each part counts where its mask (ny, nx) is true."""
    fields = [np.zeros(shape) for _ in range(4)]
    for mask, part in parts:
        values = (part.head_m_min, part.east, part.north, part.eccentricity)
        for field, value in zip(fields, values, strict=True):
            field[mask] = value[mask]
    return Spread(*fields)
