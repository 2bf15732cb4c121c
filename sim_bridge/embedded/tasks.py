"""What a multirotor can be told to do, each a generator that gives commands at 50 Hz of simulated time and ends with
what its call answers.

Which commands, speeds and thresholds: AirSim's MultirotorApiBase.cpp and SimpleFlightApi.hpp. On top of those, a path
ends slowly and its end is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim_bridge.embedded import dynamics as d
from sim_bridge.embedded.pilot import Pilot, Steps

_FARTHEST_M = 1e7
"""A goal beyond is as far as this one: differences of larger numbers mean nothing."""
LONGEST_S = 6 * 3600.0
"""No task takes longer, whatever its timeout: nobody waits for one that cannot end."""
PERIOD_S, ACCURACY_M = 0.02, 0.5
_TAKEOFF_M, _SLOW_M_S, _LANDING_M_S = 2.0, 0.5, 0.2
_STILL_M_S, _STILL_RAD_S = 0.05, 0.01
_STILL_CYCLES = 10
_SLOWING_M_S2, _LAST_M_S = 1.5, 1.0
_ARRIVED_M_S = 0.2
_RC_FULL = 10_000.0
_EPSILON_S = 1e-6


@dataclass(frozen=True)
class Yaw:
    """Where to look: an angle in degrees, or a rate in degrees a second."""

    is_rate: bool = True
    value: float = 0.0

    @property
    def mode(self) -> int:
        return d.ANGLE_RATE if self.is_rate else d.ANGLE_LEVEL

    @property
    def goal(self) -> float:
        return math.radians(self.value)


STRAIGHT = Yaw()


@dataclass(frozen=True)
class Follow:
    """How a path is flown."""

    velocity: float
    timeout_s: float
    forward_only: bool = False
    yaw: Yaw = STRAIGHT
    lookahead: float = -1.0
    adaptive_lookahead: float = 1.0


def faced(yaw: Yaw, north: float, east: float, size: float, forward_only: bool) -> Yaw:
    """Where to look when going somewhere: with ForwardOnly, an angle is from the direction of travel."""
    if not forward_only or yaw.is_rate:
        return yaw
    if size <= ACCURACY_M:
        return STRAIGHT
    return Yaw(False, (yaw.value + math.degrees(math.atan2(east, north)) + 180) % 360 - 180)


def fly_at(pilot: Pilot, north: float, east: float, down: float, yaw: Yaw) -> None:
    """Command a velocity (m/s)."""
    pilot.command((east, north, yaw.goal, down), (d.WORLD_VELOCITY, d.WORLD_VELOCITY, yaw.mode, d.WORLD_VELOCITY))


def fly_level(pilot: Pilot, north: float, east: float, z: float, yaw: Yaw) -> None:
    """Command a velocity (m/s) at a height (down, m)."""
    pilot.command((east, north, yaw.goal, z), (d.WORLD_VELOCITY, d.WORLD_VELOCITY, yaw.mode, d.WORLD_POSITION))


def stay_at(pilot: Pilot, place: Sequence[float], yaw: Yaw) -> None:
    """Command a position."""
    pilot.command((place[1], place[0], yaw.goal, place[2]),
                  (d.WORLD_POSITION, d.WORLD_POSITION, yaw.mode, d.WORLD_POSITION))


def lasting(pilot: Pilot, duration_s: float, command: Callable[[], None]) -> Steps:
    """Command the same until the time is up: true."""
    if duration_s <= 0:
        return True
    end_s = pilot.now_s + min(duration_s, LONGEST_S)
    while pilot.now_s < end_s - _EPSILON_S:
        command()
        yield
    return True


def takeoff(pilot: Pilot, timeout_s: float) -> Steps:
    """Climb 2 m. Raises ValueError for a vehicle that moves."""
    if pilot.speed > _STILL_M_S:
        raise ValueError(f"Cannot perform takeoff because vehicle is already moving with velocity {pilot.speed:f} m/s")
    north, east, down = pilot.position.tolist()
    return (yield from follow(pilot, [(north, east, down - _TAKEOFF_M)], Follow(_SLOW_M_S, timeout_s)))


def land(pilot: Pilot, timeout_s: float) -> Steps:
    """Sink until it has not sunk for some cycles; then the motors idle."""
    end_s = pilot.now_s + min(timeout_s, LONGEST_S)
    still = 0
    while pilot.now_s < end_s - _EPSILON_S:
        fly_at(pilot, 0.0, 0.0, _LANDING_M_S, STRAIGHT)
        yield
        still = still + 1 if pilot.velocity[2] <= _STILL_M_S else 0
        if still > _STILL_CYCLES:
            if pilot.landed:
                pilot.idle()
            return True
    return False


def hover(pilot: Pilot) -> Steps:
    """Stop, and stay where it was told to."""
    return (yield from follow(pilot, [tuple(pilot.position.tolist())], Follow(_SLOW_M_S, LONGEST_S, lookahead=1.0)))


def check_follow(how: Follow) -> float:
    """The lookahead in metres. Raises ValueError in AirSim's words."""
    if how.forward_only and how.yaw.is_rate:
        raise ValueError("Yaw cannot be specified as rate if drivetrain is ForwardOnly")
    stride = how.velocity * PERIOD_S
    if how.lookahead == 0:
        raise ValueError("lookahead distance cannot be 0")
    if how.lookahead < 0:
        return max(stride * (30 if how.adaptive_lookahead > 0 else 40), ACCURACY_M * 1.5)
    if stride > how.lookahead:
        raise ValueError(f"lookahead value {how.lookahead:f} is too small for velocity {how.velocity:f}. "
                         f"It must be at least {stride:f}")
    if how.lookahead < ACCURACY_M:
        raise ValueError(f"lookahead value {how.lookahead:f} is smaller than drone's distance accuracy "
                         f"{ACCURACY_M:f}.")
    return how.lookahead


def follow(pilot: Pilot, path: Sequence[Sequence[float]], how: Follow) -> Steps:
    """Fly along points (local NED), towards a place on the path some way ahead of the nearest; true at its end.

    Raises ValueError in AirSim's words.
    """
    if not path:
        return True
    lookahead = check_follow(how)
    line = np.clip(np.array([pilot.position, *path], np.float64), -_FARTHEST_M, _FARTHEST_M)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    end_s, total = pilot.now_s + min(how.timeout_s, LONGEST_S), float(along[-1])
    done, aside = 0.0, 0.0
    while pilot.now_s < end_s - _EPSILON_S:
        goal = _point(line, along, done + lookahead + aside)
        _approach(pilot, goal, line[-1], total - done, how)
        yield
        here = _point(line, along, done)
        way, moved = goal - here, pilot.position - here
        length = float(np.linalg.norm(way))
        if length > 0:
            ahead = float(moved @ way) / length
            if how.adaptive_lookahead:
                aside = float(np.linalg.norm(moved - way * (ahead / length))) * how.adaptive_lookahead
            done = min(total, done + max(0.0, ahead))
        if _arrived(pilot, line[-1], total, done):
            pilot.hold(line[-1].tolist())
            return True
    return False


def _point(line: d.F64, along: d.F64, distance: float) -> d.F64:
    """The point (3,) at a distance from the start of a line, its end beyond that."""
    first = min(int(np.searchsorted(along, distance, side="right")), len(along) - 1) - 1
    length = along[first + 1] - along[first]
    part = min(1.0, (distance - along[first]) / length) if length > 0 else 1.0
    point: d.F64 = line[first] + (line[first + 1] - line[first]) * part
    return point


def _approach(pilot: Pilot, goal: d.F64, last: d.F64, left_m: float, how: Follow) -> None:
    """Command the velocity towards a point, lower near the path's end; close to the end, the end itself."""
    way = goal - pilot.position
    distance = float(np.linalg.norm(way))
    yaw = faced(how.yaw, float(way[0]), float(way[1]), distance, how.forward_only)
    if distance < ACCURACY_M:
        stay_at(pilot, last.tolist(), yaw)
        return
    speed = min(how.velocity, max(_LAST_M_S, math.sqrt(2 * _SLOWING_M_S2 * left_m)))
    north, east, down = (way * (speed / distance)).tolist()
    fly_at(pilot, north, east, down, yaw)


def _arrived(pilot: Pilot, last: d.F64, total: float, done: float) -> bool:
    """At the end of a path: passed, or near and slow where there is no way to it."""
    near = total - done < ACCURACY_M and float(np.linalg.norm(last - pilot.position)) < ACCURACY_M
    return (total > ACCURACY_M and done >= total) or (near and pilot.speed < _ARRIVED_M_S and pilot.obeys)


def rotate_to(pilot: Pilot, yaw_deg: float, timeout_s: float, margin_deg: float) -> Steps:
    """Turn on the spot; true when it looks there, within the margin, and turns no more."""
    if timeout_s <= 0:
        return True
    end_s = pilot.now_s + min(timeout_s, LONGEST_S)
    place, target = pilot.position.tolist(), (yaw_deg + 180) % 360 - 180
    while pilot.now_s < end_s - _EPSILON_S:
        near = abs((pilot.yaw_deg - target + 180) % 360 - 180) <= margin_deg
        if near and abs(pilot.body[d.RATE + 2]) <= _STILL_RAD_S:
            stay_at(pilot, place, STRAIGHT)
            return True
        stay_at(pilot, place, STRAIGHT if near else Yaw(False, target))
        yield
    return False


def rotate_by(pilot: Pilot, rate_deg_s: float, duration_s: float) -> Steps:
    """Turn on the spot for a while."""
    place = pilot.position.tolist()
    return (yield from lasting(pilot, duration_s, lambda: stay_at(pilot, place, Yaw(True, rate_deg_s))))


def in_heading(pilot: Pilot, x: float, y: float) -> tuple[float, float]:
    """North and east of what is ahead and to the right now."""
    cosine, sine = math.cos(math.radians(pilot.yaw_deg)), math.sin(math.radians(pilot.yaw_deg))
    return x * cosine - y * sine, x * sine + y * cosine


def by_hand(pilot: Pilot, most: tuple[float, float, float], duration_s: float, forward_only: bool, yaw: Yaw) -> Steps:
    """Fly as the sticks of the last moveByRC say: most m/s north and east, most metres of height."""
    start_deg = pilot.yaw_deg

    def command() -> None:
        rc: dict[str, Any] = pilot.rc
        if not rc.get("is_valid"):
            return
        x, y = rc["pitch"] * most[1] / _RC_FULL, rc["roll"] * most[0] / _RC_FULL
        cosine, sine = math.cos(math.radians(start_deg)), math.sin(math.radians(start_deg))
        north, east = x * cosine + y * sine, y * cosine - x * sine
        look = Yaw(yaw.is_rate, yaw.value + rc["yaw"] * 100 / _RC_FULL)
        height = float(pilot.position[2]) + rc["throttle"] / _RC_FULL * most[2]
        fly_level(pilot, north, east, height, faced(look, north, east, math.hypot(north, east), forward_only))

    return (yield from lasting(pilot, duration_s, command))
