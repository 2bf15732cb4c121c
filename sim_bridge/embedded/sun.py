"""Where the sun stands and how it moves: enough for simSetTimeOfDay, good to about a degree."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.spec import Light

LOWEST_DEG = 5.0
"""The sun is drawn at least this high: below, the renderer's sky has no light to give."""
_NIGHT_DEG, _NIGHT = -12.0, 0.03
"""End of nautical twilight, and the share of the light that is left then: far more than in nature, as a camera with
automatic exposure has it."""
FORMAT = "%Y-%m-%d %H:%M:%S"
_YEARS = (1900, 2100)
_LONGEST_S = 1e9
"""Bound on how far a clock runs from its start: about 30 years."""


@dataclass(frozen=True)
class SunClock:
    """Time of day that runs with simulated time, as simSetTimeOfDay sets it."""

    start: datetime | None
    """Local, without summer time; None: the simulated time itself, in UTC."""
    since_ns: int
    """Simulated time of the start."""
    speed: float = 1.0
    """Seconds of the sky in a simulated one."""
    interval_s: float = 60.0
    """Simulated seconds between steps of the sun; 0 or less: it moves without steps."""
    shown_s: float = 0.0
    """What it had run when it was last stopped."""

    def stopped(self, now_ns: int) -> SunClock:
        """The clock, standing at what it shows now."""
        return replace(self, speed=0.0, shown_s=self._run_s(now_ns))

    def utc(self, now_ns: int, place: Geodetic) -> datetime:
        """What it shows at a simulated time."""
        start = _utc(self.since_ns) if self.start is None else self.start - _zone(place)
        return start + timedelta(seconds=self._run_s(now_ns))

    def _run_s(self, now_ns: int) -> float:
        elapsed_s = max(0, now_ns - self.since_ns) / 1e9
        if self.interval_s > 0:
            elapsed_s -= elapsed_s % self.interval_s
        return max(-_LONGEST_S, min(_LONGEST_S, self.shown_s + elapsed_s * self.speed))


def light_at(clock: SunClock | None, light: Light, now_ns: int, place: Geodetic) -> Light:
    """The light of a simulated time: that of a clock, if one runs, in the air of `light`."""
    if clock is None:
        return light
    elevation_deg, azimuth_deg = solar_position(place, clock.utc(now_ns, place))
    return Light(max(LOWEST_DEG, elevation_deg), azimuth_deg, light.haze)


def daylight(clock: SunClock | None, now_ns: int, place: Geodetic) -> float:
    """Share of the light of day that pictures show: 1 while the sun stands as high as it is drawn, then through dusk
    down to that of a night, in which a camera still sees something."""
    if clock is None:
        return 1.0
    elevation_deg, _ = solar_position(place, clock.utc(now_ns, place))
    below = min(max((LOWEST_DEG - elevation_deg) / (LOWEST_DEG - _NIGHT_DEG), 0.0), 1.0)
    return float(_NIGHT ** below)


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


def local_start(text: str, summer_time: bool) -> datetime:
    """Local time, without summer time, of a `%Y-%m-%d %H:%M:%S`. Raises InputError for another form or another age."""
    try:
        start = datetime.strptime(text, FORMAT)
    except ValueError as error:
        raise InputError(f"time {text[:40]!r}: expected YYYY-MM-DD HH:MM:SS, such as 2024-06-21 12:00:00") from error
    if not _YEARS[0] <= start.year < _YEARS[1]:
        raise InputError(f"time {text[:40]!r}: expected a year of {_YEARS[0]} to {_YEARS[1] - 1}")
    return start - timedelta(hours=1 if summer_time else 0)


def _zone(place: Geodetic) -> timedelta:
    """Of the whole hour nearest to the longitude."""
    return timedelta(hours=round(place.lon_deg / 15))


def _utc(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).replace(tzinfo=None)
