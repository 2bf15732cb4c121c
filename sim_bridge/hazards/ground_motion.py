"""Ground motion: how hard the ground shakes, by magnitude, distance, depth and ground.

Median: Chiou & Youngs (2014), Earthquake Spectra 30(3), one of the NGA-West2 relations, as `pygmm` evaluates it: peak
ground acceleration of a vertical strike-slip rupture whose top lies where the model's average has it. The spec names a
point, not a fault, so the distance to that point (epicentral distance and depth) stands for the distance to the
rupture. Beyond the model's range, magnitude and vs30 are taken at its border.

Residual: within one event, normal in ln PGA with the model's own standard deviation at magnitude 6.5 and above, 0.49,
and correlated over distance h as exp(-3 h / 8.5 km), which is Jayaram & Baker (2009), doi 10.1002/eqe.922, for PGA
where vs30 is not clustered. Its mean over the place is taken out, so that what the spec asks for is what the
place feels as a whole.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim_bridge.hazards import common
from sim_bridge.hazards.common import F64
from sim_bridge.spec import Earthquake
from sim_bridge.world.model import Grid, World

WITHIN_EVENT = 0.49
"""Standard deviation of ln PGA within an event: sigma_2 = 0.3762 times sqrt(0.7 + 1) (measured vs30)."""
CORRELATION_KM = 8.5
"""Distance at which the residuals' correlation has fallen to exp(-3)."""

_MAGNITUDES, _VS30_MS = (3.5, 8.5), (180.0, 1500.0)
_CELL_M = 5.0
_WAVES = 400
_SUPPORTS = 9


def median_pga_g(magnitude: float, rupture_km: npt.ArrayLike, vs30_ms: float) -> F64:
    """Median peak ground acceleration, g, at distances of `rupture_km` (any shape, at least 0) from the rupture.

    Between the nearest and the farthest distance, values are interpolated in the logarithm of both.
    """
    distance = np.maximum(np.asarray(rupture_km, np.float64), 0.1)
    supports = np.geomspace(float(distance.min()), float(distance.max()) * (1 + 1e-9), _SUPPORTS)
    values = [_chiou_youngs_2014(magnitude, km, vs30_ms) for km in supports]
    return np.asarray(np.exp(np.interp(np.log(distance), np.log(supports), np.log(values))))


def _chiou_youngs_2014(magnitude: float, rupture_km: float, vs30_ms: float) -> float:
    # slow to load, and most scenes hold no earthquake
    import pygmm

    scenario = pygmm.Scenario(
        mag=float(np.clip(magnitude, *_MAGNITUDES)), v_s30=float(np.clip(vs30_ms, *_VS30_MS)), mechanism="SS", dip=90,
        dist_rup=float(rupture_km), dist_jb=float(rupture_km), dist_x=float(rupture_km))
    return float(pygmm.ChiouYoungs2014(scenario).pga)


def shaking(world: World, quake: Earthquake) -> Grid:
    """Peak ground acceleration over the world, g, float32, 5 m cells. The residual belongs to the world alone."""
    grid = common.coarse_grid(world, _CELL_M)
    x, y = common.centres(grid)
    azimuth = math.radians(quake.epicentre_azimuth_deg)
    east = x[None, :] / 1000 - quake.epicentre_distance_km * math.sin(azimuth)
    north = y[:, None] / 1000 - quake.epicentre_distance_km * math.cos(azimuth)
    median = median_pga_g(quake.magnitude, np.sqrt(east**2 + north**2 + quake.depth_km**2), quake.vs30_ms)
    residual = correlated(x / 1000, y / 1000, CORRELATION_KM / 3, common.generator(world, 20))
    values = median * np.exp(WITHIN_EVENT * (residual - residual.mean()))
    return Grid(values.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def correlated(x: F64, y: F64, length: float, rng: np.random.Generator) -> F64:
    """Normal noise (ny, nx) of mean 0 and variance 1 at columns x and rows y, correlated as exp(-distance / length).

    A sum of cosine waves whose wave numbers follow the spectral density of that covariance in the plane (Shinozuka
    1971, doi 10.1121/1.1912338): the same numbers on every machine, as no matrix is factored.
    """
    radius = np.sqrt((1 - rng.random(_WAVES)) ** -2 - 1) / length
    turn, phase = rng.uniform(0, 2 * np.pi, (2, _WAVES))
    field = np.zeros((len(y), len(x)))
    for k in range(_WAVES):
        wave_x = np.exp(1j * radius[k] * np.cos(turn[k]) * x)
        wave_y = np.exp(1j * (radius[k] * np.sin(turn[k]) * y + phase[k]))
        field += (wave_y[:, None] * wave_x[None, :]).real
    return np.asarray(field * math.sqrt(2 / _WAVES))
