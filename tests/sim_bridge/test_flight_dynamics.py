"""The compiled flight model: against a plain one, against what mechanics says, and within its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_flight import MAX_TILT, Pids, step

from sim_bridge.embedded import dynamics as d
from sim_bridge.frames import Quaternion, euler_from_quaternion, quaternion_from_euler, rotation_from_quaternion

F64 = d.F64
FRAME, GAINS = d.generic_quad(), d.default_gains()
STILL = np.zeros(6)
MODES = [(0, 0, 0, 0), (1, 1, 1, 0), (1, 1, 1, 4), (2, 2, 1, 0), (2, 2, 2, 4), (3, 3, 1, 3), (3, 3, 2, 4), (4, 4, 1, 4),
         (4, 4, 2, 4)]
OFF = (0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)


def body_at(down: float = -100.0, yaw_deg: float = 0.0) -> F64:
    body = np.zeros(d.BODY_SIZE)
    body[2] = down
    body[d.ORIENTATION:d.VELOCITY] = quaternion_from_euler(0, 0, yaw_deg).array()
    body[d.ERRORS:] = math.nan
    return body


def flown(body: F64, goal: Sequence[float], seconds: float, outside: F64 = STILL, gains: F64 = GAINS) -> F64:
    d.fly(body, np.array(goal, np.float64), gains, FRAME, outside, np.zeros(4), round(seconds * d.STEPS_PER_S))
    return body


def track(body: F64, goal: Sequence[float], seconds: float, outside: F64 = STILL, gains: F64 = GAINS) -> F64:
    """Bodies (N, BODY_SIZE) at 50 Hz."""
    return np.array([flown(body, goal, 0.02, outside, gains).copy() for _ in range(round(seconds * 50))])


def tilts_deg(bodies: F64) -> F64:
    """Angles between the bodies' axes and the vertical."""
    x, y = bodies[:, d.ORIENTATION + 1], bodies[:, d.ORIENTATION + 2]
    return np.degrees(np.arccos(np.clip(1 - 2 * (x * x + y * y), -1, 1)))


def numbers(low: float, high: float, count: int) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(low, high), min_size=count, max_size=count)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MODES), numbers(-8, 8, 4), numbers(-6, 6, 6), numbers(-40, 40, 3), numbers(0, 1, 8),
       numbers(-12, 12, 6), numbers(0, 2, 48))
def test_compiled_step_is_the_plain_one(modes: tuple[int, ...], goals: list[float], motion: list[float],
                                        angles: list[float], rotors: list[float], outside: list[float],
                                        gains: list[float]) -> None:
    body = body_at()
    body[d.ORIENTATION:d.VELOCITY] = quaternion_from_euler(*angles).array()
    body[d.VELOCITY:d.ACCELERATION], body[d.ROTORS:d.GROUNDED] = motion, rotors
    goal, around, own = np.array([*goals, *modes], np.float64), np.array(outside), np.array(gains).reshape(4, 3, 4)
    pids, plain = Pids(), body.copy()
    for _ in range(3):
        plain = step(plain, goal, own, FRAME, around, pids)
    d.fly(body, goal, own, FRAME, around, np.zeros(4), 3)
    if plain[d.ORIENTATION] * body[d.ORIENTATION] < 0:
        plain[d.ORIENTATION:d.VELOCITY] *= -1
    np.testing.assert_allclose(body[:d.GROUNDED], plain[:d.GROUNDED], rtol=1e-9, atol=1e-9)


def test_frame_is_airsims_generic_quad() -> None:
    assert FRAME[d.THRUST] == pytest.approx(4.179446268, abs=1e-6)       # RotorParams.hpp, max_thrust
    assert FRAME[d.TORQUE] == pytest.approx(0.055562, abs=1e-6)          # max_torque
    assert FRAME[d.MASS] == 1.0
    assert FRAME[d.INERTIA:d.DRAG] == pytest.approx([0.0067212, 0.0080407, 0.0142788], abs=1e-7)


def test_free_fall_follows_quadratic_drag() -> None:
    """Speed v_t tanh(g t / v_t), depth v_t^2 / g ln cosh(g t / v_t) (Taylor, Classical Mechanics, 2.4)."""
    body = flown(body_at(0.0), OFF, 2.0)
    terminal = math.sqrt(FRAME[d.MASS] * FRAME[d.GRAVITY] / FRAME[d.DRAG + 2])
    x = FRAME[d.GRAVITY] * 2.0 / terminal
    assert body[d.VELOCITY + 2] == pytest.approx(terminal * math.tanh(x), rel=2e-3)
    assert body[2] == pytest.approx(terminal ** 2 / FRAME[d.GRAVITY] * math.log(math.cosh(x)), rel=2e-3)
    assert body[[0, 1]].tolist() == [0.0, 0.0]


def test_without_air_a_fall_keeps_its_energy() -> None:
    frame = FRAME.copy()
    frame[d.DRAG:d.THRUST] = 0.0
    body = body_at(0.0)
    body[d.VELOCITY:d.RATE] = (3.0, -2.0, -15.0)
    body[d.ACCELERATION + 2] = frame[d.GRAVITY]
    d.fly(body, np.array(OFF), GAINS, frame, STILL, np.zeros(4), 1200)
    assert body[:3] == pytest.approx([6.0, -4.0, -30.0 + frame[d.GRAVITY] * 2.0], abs=1e-9)
    energy = (body[d.VELOCITY:d.RATE] ** 2).sum() / 2 - frame[d.GRAVITY] * body[2]
    assert energy == pytest.approx((9 + 4 + 225) / 2, rel=1e-12)


def test_spin_without_torque_keeps_its_angular_momentum() -> None:
    body = body_at()
    body[d.RATE:d.ACCELERATION] = (2.0, -1.0, 3.0)
    inertia = FRAME[d.INERTIA:d.DRAG]
    before = turned(body, inertia * body[d.RATE:d.ACCELERATION])
    flown(body, OFF, 2.0)
    after = turned(body, inertia * body[d.RATE:d.ACCELERATION])
    assert after == pytest.approx(before, abs=2e-2 * float(np.linalg.norm(before)))


def turned(body: F64, vector: F64) -> F64:
    return rotation_from_quaternion(Quaternion(*body[d.ORIENTATION:d.VELOCITY])) @ vector


def test_hover_stays_where_it_is() -> None:
    body = track(body_at(-20.0), (0, 0, 0, -20.0, 4, 4, 1, 4), 20)
    assert np.abs(body[100:, :2]).max() < 1e-6
    assert np.abs(body[500:, 2] + 20).max() < 0.02
    thrust = body[-1, d.ROTORS:d.SIGNALS].sum() * FRAME[d.THRUST]
    assert thrust == pytest.approx(FRAME[d.MASS] * FRAME[d.GRAVITY], rel=1e-3)


def test_step_of_position_overshoots_and_settles_as_its_gains_say() -> None:
    bodies = track(body_at(), (0, 10.0, 0, -100.0, 4, 4, 1, 4), 20)
    north = bodies[:, 0]
    assert 11.0 < north.max() < 13.5
    assert np.abs(north[600:] - 10).max() < 0.15
    stiffer = GAINS.copy()
    stiffer[2, 0, :2] = 0.6
    assert track(body_at(), (0, 10.0, 0, -100.0, 4, 4, 1, 4), 20, gains=stiffer)[:, 0].max() < 10.8


def test_limits_of_tilt_and_of_speed_towards_a_position() -> None:
    bodies = track(body_at(), (0, 500.0, 0, -100.0, 4, 4, 1, 4), 20)
    assert bodies[:, d.VELOCITY].max() < 6.0
    assert bodies[:, d.VELOCITY].max() > 5.5
    hard = track(body_at(), (1e6, -1e6, 0, 0.0, 3, 3, 1, 3), 20)
    angles = np.array([euler_from_quaternion(Quaternion(*body[d.ORIENTATION:d.VELOCITY])) for body in hard])
    assert np.abs(angles[:, :2]).max() < math.degrees(MAX_TILT) + 2.0
    assert np.linalg.norm(hard[:, d.VELOCITY:d.RATE], axis=1).max() < 60


def test_velocity_is_reached_but_for_the_drag() -> None:
    body = track(body_at(yaw_deg=37.0), (-3.0, 5.0, math.radians(37), 0.0, 3, 3, 2, 3), 8)[-1]
    assert body[d.VELOCITY:d.RATE] == pytest.approx([5.0, -3.0, 0.0], abs=0.35)


def test_wind_drifts_a_vehicle_that_holds_its_level_and_leans_one_that_holds_its_place() -> None:
    wind = np.array([0.0, 6.0, 0.0, 0.0, 0.0, 0.0])
    drifted = flown(body_at(), (0, 0, 0, -100.0, 2, 2, 1, 4), 10, wind)
    assert drifted[1] > 5 and abs(drifted[0]) < 0.1
    held = flown(body_at(), (0, 0, 0, -100.0, 4, 4, 1, 4), 30, wind)
    assert 0.0 < held[1] < 0.5
    roll, _, _ = euler_from_quaternion(Quaternion(*held[d.ORIENTATION:d.VELOCITY]))
    assert roll < -0.5


def test_external_force_accelerates_by_its_mass() -> None:
    body = flown(body_at(), (0, 0, 0, 0, 0, 0, 0, 0), 0.1, np.array([0, 0, 0, 2.0, -1.0, -9.80665]))
    assert body[d.VELOCITY:d.RATE] == pytest.approx([0.2, -0.1, 0.0], abs=2e-3)


def test_yaw_turns_the_short_way_and_by_rate() -> None:
    body = track(body_at(yaw_deg=170.0), (0, 0, math.radians(-170), -100.0, 4, 4, 2, 4), 0.5)
    yaws = [euler_from_quaternion(Quaternion(*b[d.ORIENTATION:d.VELOCITY]))[2] for b in body]
    assert all(abs(yaw) > 165 for yaw in yaws)
    turning = flown(body_at(), (0, 0, 0.5, -100.0, 4, 4, 1, 4), 4)
    assert turning[d.RATE + 2] == pytest.approx(0.5, abs=0.01)


def test_rest_ends_when_thrust_exceeds_weight() -> None:
    body = body_at(0.0)
    body[d.GROUNDED] = 1.0
    flown(body, (0.5,) * 4 + (0,) * 4, 1.0)
    assert body[2] == 0.0 and body[d.GROUNDED] == 1.0 and not body[d.VELOCITY:d.ROTORS].any()
    flown(body, (0.7,) * 4 + (0,) * 4, 1.0)
    assert body[2] < -0.3 and body[d.GROUNDED] == 0.0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MODES), numbers(-1e9, 1e9, 4), numbers(-1e3, 1e3, 6), numbers(-200, 200, 3),
       numbers(-1e4, 1e4, 3), numbers(-1e6, 1e6, 48))
def test_nothing_that_is_asked_for_leads_to_what_is_no_number(
        modes: tuple[int, ...], goals: list[float], motion: list[float], wind: list[float], force: list[float],
        gains: list[float]) -> None:
    body = body_at()
    body[d.VELOCITY:d.ACCELERATION] = motion
    flown(body, (*goals, *modes), 5.0, np.array([*wind, *force]), np.array(gains).reshape(4, 3, 4))
    assert np.isfinite(body[:d.INTEGRALS]).all()
    assert np.abs(body[d.VELOCITY:d.RATE]).max() < 1e4
    assert tilts_deg(body[None]).shape == (1,)


def test_same_flight_in_pieces_is_the_same_to_the_bit() -> None:
    goal = (4.0, -2.0, 0.3, -90.0, 3, 3, 1, 4)
    whole, parts = flown(body_at(), goal, 3.0), body_at()
    for steps in (1, 7, 12, 500, 1280):
        flown(parts, goal, steps / d.STEPS_PER_S)
    assert whole.tobytes() == parts.tobytes()
