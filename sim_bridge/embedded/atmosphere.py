"""Air and magnetic field around a vehicle: the US standard atmosphere of 1976 and a dipole of the earth's field."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim_bridge.frames import NED, Geodetic

SEA_LEVEL_PA = 101325.0
GRAVITY_M_S2 = 9.80665
_EARTH_RADIUS_KM = 6356.766
_EARTH_RADIUS_M = 6378137.0
_GAS_CONSTANT = 287.053
"""Of dry air, J / (kg K)."""
_HYDROSTATIC_K_KM = 34.1632
"""g0 M / R of the standard: the pressure's exponent is this over the lapse rate."""
_LAYERS = ((0.0, 288.15, -6.5), (11.0, 216.65, 0.0), (20.0, 216.65, 1.0), (32.0, 228.65, 2.8), (47.0, 270.65, 0.0),
           (51.0, 270.65, -2.8), (71.0, 214.65, -2.0))
"""Base (geopotential km), temperature there (K), lapse (K / km)."""
_TOP_KM = 84.852
_LOWEST_KM = -5.0
_DEEPEST_M = -5e6
"""Bound on heights below the sea: formulae about the centre of the earth end there."""
_MEAN_FIELD_T = 3.12e-5
_POLE_LAT, _POLE_LON = math.radians(80.31), math.radians(-72.62)


@dataclass(frozen=True)
class Air:
    """State of the air at one height."""

    temperature_k: float
    pressure_pa: float
    density_kg_m3: float


def standard_air(altitude_m: float) -> Air:
    """US Standard Atmosphere 1976 (NOAA-S/T 76-1562), tables 4 and I, up to 86 km; higher up the air of 86 km.

    altitude_m: geometric height above the sea; the standard begins at -5 km, lower it is the air of -5 km.
    """
    height_km = min(max(_geopotential_km(altitude_m / 1000), _LOWEST_KM), _TOP_KM)
    pressure, temperature = SEA_LEVEL_PA, _LAYERS[0][1]
    for (base, warmth, lapse), (top, _, _) in zip(_LAYERS, (*_LAYERS[1:], (_TOP_KM, 0.0, 0.0)), strict=True):
        rise = min(height_km, top) - base
        temperature = warmth + lapse * rise
        if lapse:
            pressure *= (warmth / temperature) ** (_HYDROSTATIC_K_KM / lapse)
        else:
            pressure *= math.exp(-_HYDROSTATIC_K_KM * rise / warmth)
        if height_km <= top:
            break
    return Air(temperature, pressure, pressure / (_GAS_CONSTANT * temperature))


def pressure_altitude_m(pressure_pa: float) -> float:
    """Height at which the standard atmosphere has a pressure, by the altimeter formula that AirSim's barometer uses."""
    return float((1 - (max(pressure_pa, 1.0) / SEA_LEVEL_PA) ** 0.190284) * 145366.45 * 0.3048)


def gravity_m_s2(altitude_m: float) -> float:
    """AirSim's gravity: constant within 10 km of the sea, then by the inverse square (EarthUtils.hpp)."""
    if abs(altitude_m) < 10_000:
        return GRAVITY_M_S2
    return GRAVITY_M_S2 / (1 + max(altitude_m, _DEEPEST_M) / _EARTH_RADIUS_M) ** 2


def magnetic_field_t(place: Geodetic) -> NED:
    """Field of the earth (tesla) in NED by the dipole formula of AirSim's EarthUtils.hpp.

    The formula is kept as AirSim has it, which takes the latitude for the colatitude: the field points the right way
    and changes smoothly, but is up to some ten degrees off; programs see what AirSim's magnetometer shows them.
    """
    lat, east_of_pole = math.radians(place.lat_deg), math.radians(place.lon_deg) - _POLE_LON
    cosine = math.cos(lat) * math.cos(_POLE_LAT) + math.sin(lat) * math.sin(_POLE_LAT) * math.cos(east_of_pole)
    cosine = _within_one(cosine)
    sine = max(math.sqrt(1 - cosine * cosine), 1e-9)
    radius_m = _EARTH_RADIUS_M + max(place.alt_m, _DEEPEST_M)
    strength = _MEAN_FIELD_T * (_EARTH_RADIUS_M / radius_m) ** 3 * math.sqrt(1 + 3 * cosine ** 2)
    near = cosine > math.sin(_POLE_LAT) * math.sin(lat)
    turn = math.sin(east_of_pole) if near else math.cos(east_of_pole)
    declination = math.asin(_within_one(turn * math.cos(_POLE_LAT) / sine))
    inclination = math.atan(2 * cosine / sine)
    level = strength * math.cos(inclination)
    return NED(level * math.cos(declination), level * math.sin(declination), strength * math.sin(inclination))


def _within_one(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _geopotential_km(altitude_km: float) -> float:
    return _EARTH_RADIUS_KM * altitude_km / (_EARTH_RADIUS_KM + max(altitude_km, -1000.0))
