"""Simulated time: behind the wall clock, stepped, paused and continued; the same calls give the same flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flights import Flight, flying, recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.embedded import tasks
from sim_bridge.embedded.clock import CHUNK, LONGEST_S, STEPPED_START_NS, Clock
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.dynamics import STEPS_PER_S
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import Kinematics
from sim_bridge.embedded.tasks import Follow
from sim_bridge.frames import NED, NedPose, Quaternion

PATH = [(0, 30, -8), (25, 30, -12), (0, 0, -5)]


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    with flying(tmp_path) as started:
        yield started


def test_time_stands_still_but_for_what_is_done(flight: Flight) -> None:
    assert flight.simulator.now_ns() == STEPPED_START_NS
    time.sleep(0.1)
    assert flight.simulator.now_ns() == STEPPED_START_NS
    began = time.monotonic()
    assert flight.do(lambda pilot: tasks.lasting(pilot, 120.0, lambda: pilot.hold()))
    assert flight.simulator.now_ns() == STEPPED_START_NS + 120_000_000_000
    assert time.monotonic() - began < 60


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=6))
def test_continue_passes_the_nearest_whole_steps_and_pauses(stretches: list[float]) -> None:
    moved: list[int] = []
    clock = Clock(1.0, False, moved.append, lambda: False)
    with clock.held():
        clock.pause(True)
    clock.start()
    for seconds in stretches:
        before = clock.steps
        with clock.held():
            done = clock.continue_for(seconds)
        done.result(10)
        steps = clock.steps - before
        assert steps == (max(1, round(seconds * STEPS_PER_S)) if seconds else 0)
        assert clock.paused
    clock.close()
    assert sum(moved) == clock.steps
    assert max(moved, default=0) <= CHUNK


def test_a_paused_task_waits_and_goes_on_in_lock_step(flight: Flight) -> None:
    fleet = flight.simulator.fleet
    assert fleet is not None
    flight.simulator.pause(True)
    task = fleet.do("", lambda pilot: tasks.takeoff(pilot, 20))
    time.sleep(0.05)
    assert not flight.place.any()
    flight.wait(1.5)
    assert flight.simulator.now_ns() == STEPPED_START_NS + 1_500_000_000
    assert flight.simulator.state.paused
    assert -1.2 < flight.place[2] < -0.2 and not task.done()
    flight.simulator.pause(False)
    assert task.result(10)


def test_a_pause_ends_a_continue_call(flight: Flight) -> None:
    going = flight.simulator.continue_for(LONGEST_S)
    flight.simulator.pause(True)
    assert going.result(5) is None
    stopped = flight.simulator.now_ns()
    time.sleep(0.05)
    assert flight.simulator.now_ns() == stopped


@pytest.mark.parametrize("seconds", [-1.0, 1e9, float("nan")])
def test_continuing_beyond_reason_is_refused(flight: Flight, seconds: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        flight.simulator.continue_for(seconds)


def flight_of(root: Path, every_s: float) -> bytes:
    with flying(root) as flight:
        flight.do(lambda pilot: tasks.takeoff(pilot, 20))
        places = recorded(flight, lambda pilot: tasks.follow(pilot, PATH, Follow(6, 1e9)), every_s)
        flight.do(tasks.hover)
        flight.do(lambda pilot: tasks.land(pilot, 90))
        return places.tobytes() + repr((flight.vehicle.kinematics, flight.simulator.now_ns())).encode()


def test_the_same_calls_give_the_same_flight_to_the_bit(tmp_path: Path) -> None:
    first = flight_of(tmp_path, 0.1)
    assert len(first) > 1000
    assert flight_of(tmp_path, 0.1) == first


def test_with_physics_elsewhere_vehicles_stay_as_they_are_put(tmp_path: Path) -> None:
    with flying(tmp_path, external_physics=True) as flight:
        motion = Kinematics(NedPose(NED(1, 2, -30), Quaternion(1, 0, 0, 0)), linear_velocity=NED(3, 0, 0))
        flight.simulator.move_vehicle("", motion)
        flight.wait(2.0)
        assert flight.vehicle.kinematics == motion


def test_time_follows_the_wall_at_its_speed(tmp_path: Path) -> None:
    for speed in (1.0, 5.0):
        simulator = Simulator(SimulatorConfig(tmp_path, mode="Multirotor", clock_speed=speed))
        began, start = time.monotonic(), simulator.now_ns()
        time.sleep(0.4)
        passed, wall = (simulator.now_ns() - start) / 1e9, time.monotonic() - began
        simulator.pause(True)
        stopped = simulator.now_ns()
        time.sleep(0.1)
        assert simulator.now_ns() == stopped
        simulator.pause(False)
        simulator.close()
        assert 0.2 * speed < passed <= speed * wall + 0.02


def test_continuing_runs_ahead_of_the_wall_and_does_not_catch_up_later(tmp_path: Path) -> None:
    simulator = Simulator(SimulatorConfig(tmp_path, mode="Multirotor"))
    simulator.pause(True)
    start, began = simulator.now_ns(), time.monotonic()
    simulator.continue_for(30.0).result(20)
    assert simulator.now_ns() - start == 30_000_000_000
    assert time.monotonic() - began < 20
    simulator.pause(False)
    time.sleep(0.1)
    assert 0 < simulator.now_ns() - start - 30_000_000_000 < 5_000_000_000
    simulator.close()


def test_nothing_runs_once_a_simulator_is_closed_and_waiting_calls_end(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    simulator = Simulator(SimulatorConfig(tmp_path, mode="Multirotor"))
    simulator.change_vehicle("", api_enabled=True)
    assert simulator.fleet is not None
    task = simulator.fleet.do("", lambda pilot: tasks.follow(pilot, [(900, 0, -9)], Follow(5, 1e9)))
    simulator.pause(True)
    going = simulator.continue_for(LONGEST_S)
    simulator.close()
    assert task.result(5) is False
    assert going.result(5) is None
    assert set(threading.enumerate()) == before


def test_a_simulator_of_still_cameras_has_no_clock_of_its_own(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    simulator = Simulator(SimulatorConfig(tmp_path))
    assert set(threading.enumerate()) == before
    assert abs(simulator.now_ns() - time.time_ns()) < 1_000_000_000
    with pytest.raises(ValueError, match="continueForTime is not implemented by SimMode"):
        simulator.continue_for(1.0)


def test_whoever_asks_is_heard_while_time_runs(flight: Flight) -> None:
    fleet = flight.simulator.fleet
    assert fleet is not None
    flight.simulator.continue_for(LONGEST_S)
    waits = []
    for _ in range(20):
        began = time.monotonic()
        with fleet.piloted("") as pilot:
            assert np.isfinite(pilot.position).all()
        waits.append(time.monotonic() - began)
    flight.simulator.pause(True)
    assert float(np.median(waits)) < 0.25
