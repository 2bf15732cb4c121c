"""Smoke over a place that still burns: Gaussian plumes that drift away from every burning cell.

Looking straight down, a plume's column is Q / (sqrt(2 pi) sigma_y U): the vertical spread integrates out (Turner 1970,
Workbook of Atmospheric Dispersion Estimates). sigma_y = 0.16 x / sqrt(1 + 0.0004 x): Briggs' urban class D (1973).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.signal

from sim_bridge.hazards import common
from sim_bridge.hazards.common import F64
from sim_bridge.spec import Fire
from sim_bridge.world.model import Grid, World

_CELL_M = 8.0
_HOUSE, _WILD = 30.0, 0.15
"""Optical depth, times metres and metres a second, that a burning house and a square metre of plants give off."""
_HOUSE_FADE_MIN, _WILD_FADE_MIN = 240.0, 40.0


def smoke(world: World, fire: Fire, arrival: Grid, fuel: F64, lit_min: npt.NDArray[np.float64]) -> Grid:
    """Optical depth straight down, float32, 8 m cells, `fire.hours` after the start.

    arrival: minutes until the front comes to a cell, with `fuel`, the share of the fiercest fuel there (same shape);
    lit_min: minute at which each building caught fire (inf: never).
    """
    grid = common.coarse_grid(world, _CELL_M)
    source = _sources(world, fire, arrival, fuel, lit_min, grid)
    plume = _plume(fire, grid.cell_m, grid.values.shape[0])
    depth = scipy.signal.fftconvolve(source, plume, mode="same")
    # eddies tear a plume into billows
    torn = np.exp(0.40 * common.patches(grid.values.shape, 90 / grid.cell_m, common.generator(world, 47))
                  + 0.25 * common.patches(grid.values.shape, 35 / grid.cell_m, common.generator(world, 48)))
    values = np.where(depth > 1e-4, depth * torn, 0.0)
    return Grid(np.clip(values, 0, 6).astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def _sources(world: World, fire: Fire, arrival: Grid, fuel: F64, lit_min: F64, grid: Grid) -> F64:
    now = 60 * fire.hours
    age = now - common.floats(arrival)
    wild = np.where(age >= 0, np.exp(-np.maximum(age, 0) / _WILD_FADE_MIN), 0.0) * fuel * _WILD * arrival.cell_m**2
    out = np.zeros(grid.values.shape)
    x, y = np.meshgrid(*common.centres(arrival))
    np.add.at(out, grid.cell(x.ravel(), y.ravel()), wild.ravel())
    burning = np.flatnonzero(lit_min <= now)
    centre = np.array([np.mean(world.buildings[i].footprint, axis=0) for i in burning]).reshape(-1, 2)
    strength = _HOUSE * np.exp(-(now - lit_min[burning]) / _HOUSE_FADE_MIN)
    np.add.at(out, grid.cell(centre[:, 0], centre[:, 1]), strength)
    return out


def _plume(fire: Fire, cell_m: float, cells: int) -> F64:
    """Column of a unit source in the middle of a (2 cells - 1) square, by the wind."""
    offset = (np.arange(2 * cells - 1) - cells + 1) * cell_m
    east, north = np.meshgrid(offset, offset)
    angle = math.radians(fire.wind_from_deg + 180)
    along = east * math.sin(angle) + north * math.cos(angle)
    across = east * math.cos(angle) - north * math.sin(angle)
    wind = max(fire.wind_speed_ms, 1.0)
    ahead = np.maximum(along, 0.0)
    sigma = 1.2 * cell_m + 0.16 * ahead / np.sqrt(1 + 0.0004 * ahead)
    # a source is a cell wide, so its smoke starts half a cell upwind
    start = np.clip(along / cell_m + 0.5, 0, 1)
    return np.asarray(start * np.exp(-0.5 * (across / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma * wind))
