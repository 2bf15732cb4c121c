"""Where the sun stands: enough for simSetTimeOfDay, good to about a degree."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sim_bridge.frames import Geodetic

LOWEST_DEG = 5.0
"""The sun is drawn at least this high: below, the renderer's sky has no light to give."""


def solar_position(place: Geodetic, when: datetime) -> tuple[float, float]:
    """(elevation, azimuth clockwise from north) of the sun in degrees; `when` in UTC.

    Low-precision formulae of the Astronomical Almanac (Michalsky 1988): 0.01 degree between 1950 and 2050,
    without refraction.
    """
    days = (when - datetime(2000, 1, 1, 12)).total_seconds() / 86400
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 4e-7 * days)
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    sidereal = math.radians((280.46062 + 360.98564737 * days + place.lon_deg) % 360)
    hour, latitude = sidereal - ascension, math.radians(place.lat_deg)
    east = -math.cos(declination) * math.sin(hour)
    north = math.sin(declination) * math.cos(latitude) - math.cos(declination) * math.cos(hour) * math.sin(latitude)
    up = math.sin(declination) * math.sin(latitude) + math.cos(declination) * math.cos(hour) * math.cos(latitude)
    return math.degrees(math.asin(up)), math.degrees(math.atan2(east, north)) % 360


def utc_from_local(text: str, summer_time: bool, place: Geodetic) -> datetime:
    """UTC of a local `%Y-%m-%d %H:%M:%S`; the zone is the whole hour nearest to the longitude. Raises ValueError."""
    offset_h = round(place.lon_deg / 15) + (1 if summer_time else 0)
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S") - timedelta(hours=offset_h)
