"""What a multirotor can be told to do: where it ends, what the calls answer, and who cancels whom."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from flights import F64, Flight, flying, recorded

from sim_bridge.embedded import tasks
from sim_bridge.embedded.config import IDENTITY, VehicleConfig
from sim_bridge.embedded.tasks import Follow, Yaw
from sim_bridge.frames import NED, NedPose, euler_from_quaternion

NO_TIMEOUT = 3e38


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    with flying(tmp_path) as started:
        yield started


@pytest.fixture
def aloft(flight: Flight) -> Flight:
    flight.do(lambda pilot: tasks.takeoff(pilot, 20))
    flight.do(tasks.hover)
    return flight


def yaw_deg(flight: Flight) -> float:
    return euler_from_quaternion(flight.vehicle.kinematics.pose.orientation)[2]


def distances(places: F64, corners: F64) -> F64:
    """From each place (N, 3) to a line through corners (M, 3)."""
    best = np.full(len(places), np.inf)
    for a, b in pairwise(corners):
        t = np.clip((places - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        best = np.minimum(best, np.linalg.norm(places - a - t[:, None] * (b - a), axis=1))
    return best


def test_takes_off_two_metres_and_lands_where_it_was(flight: Flight) -> None:
    assert flight.vehicle.landed
    assert flight.do(lambda pilot: tasks.takeoff(pilot, 20))
    assert not flight.vehicle.landed
    flight.wait(5)
    assert flight.place == pytest.approx([0, 0, -2], abs=0.05)
    flight.simulator.pause(False)
    assert flight.do(lambda pilot: tasks.land(pilot, 60))
    assert flight.vehicle.landed
    flight.wait(5)
    assert flight.place == pytest.approx([0, 0, 0], abs=1e-3)
    assert not flight.velocity.any()


def test_takeoff_of_a_moving_vehicle_is_refused_in_airsims_words(flight: Flight) -> None:
    flight.do(lambda pilot: tasks.lasting(pilot, 2, lambda: tasks.fly_at(pilot, 2, 0, -1, tasks.STRAIGHT)))
    with pytest.raises(ValueError, match=r"Cannot perform takeoff because vehicle is already moving with velocity \d"):
        flight.do(lambda pilot: tasks.takeoff(pilot, 20))


def test_goes_to_a_place_and_stays_there(aloft: Flight) -> None:
    assert aloft.do(lambda pilot: tasks.follow(pilot, [(30, -20, -15)], Follow(5, NO_TIMEOUT)))
    assert np.linalg.norm(aloft.place - [30, -20, -15]) < 1.5
    aloft.wait(15)
    assert aloft.place == pytest.approx([30, -20, -15], abs=0.1)
    assert np.linalg.norm(aloft.velocity) < 0.1


def test_a_timeout_is_of_simulated_time_and_answers_false(aloft: Flight) -> None:
    start = aloft.now_s
    assert not aloft.do(lambda pilot: tasks.follow(pilot, [(1000, 0, -5)], Follow(5, 3.0)))
    assert aloft.now_s - start == pytest.approx(3.0, abs=0.021)


def test_follows_a_square_within_what_its_speed_allows(aloft: Flight) -> None:
    square = [(0, 40, -10), (40, 40, -10), (40, 0, -10), (0, 0, -10)]
    aloft.do(lambda pilot: tasks.follow(pilot, [(0, 0, -10)], Follow(3, NO_TIMEOUT)))
    aloft.do(tasks.hover)
    places = recorded(aloft, lambda pilot: tasks.follow(pilot, square, Follow(4, NO_TIMEOUT)))
    off = distances(places, np.array([(0.0, 0.0, -10.0), *square]))
    assert off.max() < 2.5
    assert np.median(off) < 0.3
    # every corner was passed
    assert all(np.linalg.norm(places - corner, axis=1).min() < 2.5 for corner in square)


def test_looks_ahead_where_it_may_only_fly_forward(aloft: Flight) -> None:
    how = Follow(4, NO_TIMEOUT, forward_only=True, yaw=Yaw(False, 0.0))
    aloft.do(lambda pilot: tasks.follow(pilot, [(0, 60, -2)], how))
    assert yaw_deg(aloft) == pytest.approx(90, abs=4)
    aloft.do(lambda pilot: tasks.follow(pilot, [(0, 10, -2)], Follow(4, NO_TIMEOUT, True, Yaw(False, 45.0))))
    assert yaw_deg(aloft) == pytest.approx(-45, abs=5)


@pytest.mark.parametrize(("how", "said"), [
    (Follow(5, 10, forward_only=True), "Yaw cannot be specified as rate if drivetrain is ForwardOnly"),
    (Follow(5, 10, lookahead=0), "lookahead distance cannot be 0"),
    (Follow(50, 10, lookahead=0.6), r"lookahead value 0\.600000 is too small for velocity 50\.000000\. It must be at "
                                    r"least 1\.000000"),
    (Follow(5, 10, lookahead=0.3), r"lookahead value 0\.300000 is smaller than drone's distance accuracy 0\.500000\."),
])
def test_paths_that_cannot_be_flown_are_refused_in_airsims_words(aloft: Flight, how: Follow, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        aloft.do(lambda pilot: tasks.follow(pilot, [(1, 2, -3)], how))


def test_an_empty_path_is_done(aloft: Flight) -> None:
    assert aloft.do(lambda pilot: tasks.follow(pilot, [], Follow(5, 10)))


def test_a_velocity_lasts_its_time_and_then_the_place_is_held(aloft: Flight) -> None:
    start = aloft.now_s
    assert aloft.do(lambda pilot: tasks.lasting(pilot, 4.0, lambda: tasks.fly_at(pilot, 0, 3, 0, tasks.STRAIGHT)))
    assert aloft.now_s - start == pytest.approx(4.0, abs=0.021)
    assert aloft.velocity[1] == pytest.approx(3, abs=0.3)
    there = aloft.place
    aloft.wait(15)
    assert np.linalg.norm(aloft.velocity) < 0.05
    assert np.linalg.norm(aloft.place - there) < 0.5


def test_no_time_passes_for_a_duration_of_none(aloft: Flight) -> None:
    start = aloft.now_s
    assert aloft.do(lambda pilot: tasks.lasting(pilot, 0.0, lambda: tasks.fly_at(pilot, 5, 0, 0, tasks.STRAIGHT)))
    assert aloft.do(lambda pilot: tasks.rotate_to(pilot, 90, 0.0, 5))
    assert aloft.now_s == start


def test_turns_to_an_angle_and_at_a_rate(aloft: Flight) -> None:
    assert aloft.do(lambda pilot: tasks.rotate_to(pilot, 200, 20, 3))
    assert yaw_deg(aloft) == pytest.approx(-160, abs=3)
    before = yaw_deg(aloft)
    assert aloft.do(lambda pilot: tasks.rotate_by(pilot, 30, 2))
    assert (yaw_deg(aloft) - before + 360) % 360 == pytest.approx(60, abs=12)
    assert aloft.place == pytest.approx([0, 0, -2], abs=0.2)


def test_a_new_task_ends_the_old_one_with_false(aloft: Flight) -> None:
    simulator = aloft.simulator
    assert simulator.fleet is not None
    simulator.pause(True)
    first = simulator.fleet.do("", lambda pilot: tasks.follow(pilot, [(90, 0, -9)], Follow(5, NO_TIMEOUT)))
    aloft.wait(2)
    second = simulator.fleet.do("", lambda pilot: tasks.lasting(
        pilot, 1.0, lambda: tasks.fly_at(pilot, 0, 1, 0, tasks.STRAIGHT)))
    assert first.result(5) is False
    assert not second.done()
    simulator.fleet.cancel("")
    assert second.result(5) is False
    simulator.fleet.cancel("")
    third = simulator.fleet.do("", tasks.hover)
    simulator.reset()
    assert third.result(5) is False
    assert aloft.vehicle.landed and not aloft.vehicle.api_enabled


def test_a_task_that_is_refused_ends_the_old_one_all_the_same(aloft: Flight) -> None:
    fleet = aloft.simulator.fleet
    assert fleet is not None
    aloft.simulator.pause(True)
    first = fleet.do("", tasks.hover)
    with pytest.raises(ValueError, match="lookahead"):
        fleet.do("", lambda pilot: tasks.follow(pilot, [(1, 2, -3)], Follow(5, 10, lookahead=0)))
    assert first.result(5) is False


def test_without_api_control_commands_are_ignored(flight: Flight) -> None:
    flight.simulator.change_vehicle("", api_enabled=False)
    assert not flight.do(lambda pilot: tasks.takeoff(pilot, 2))
    assert flight.vehicle.landed and not flight.place.any()


def test_without_api_control_in_the_air_it_falls(aloft: Flight) -> None:
    aloft.simulator.change_vehicle("", api_enabled=False)
    aloft.wait(3)
    assert aloft.vehicle.landed


def test_wind_moves_it_downwind_of_where_it_shall_be(aloft: Flight) -> None:
    aloft.simulator.update(wind=NED(8.0, 0.0, 0.0))
    aloft.wait(20)
    north, east, _ = aloft.place
    assert 0.1 < north < 1.0
    assert abs(east) < 0.05


def test_two_vehicles_fly_in_the_same_time(tmp_path: Path) -> None:
    starts = [NedPose(NED(0.0, y, math.nan), IDENTITY.orientation) for y in (0.0, 10.0)]
    vehicles = tuple(VehicleConfig(f"Drone{i}", "simpleflight", start) for i, start in enumerate(starts))
    with flying(tmp_path, vehicles=vehicles) as first:
        second = Flight(first.simulator, "Drone1").control()
        fleet = first.simulator.fleet
        assert fleet is not None
        first.simulator.pause(True)
        going = [fleet.do(name, lambda pilot: tasks.takeoff(pilot, 20)) for name in ("Drone0", "Drone1")]
        first.wait(2.0)
        assert first.place.tolist() == second.place.tolist()
        assert first.place[2] < -0.5
        first.wait(5.0)
        assert [task.result(1) for task in going] == [True, True]
        assert second.vehicle.start.position.east == 10.0


def test_sticks_fly_it_by_hand(aloft: Flight) -> None:
    assert aloft.simulator.fleet is not None
    sticks = {"pitch": 5000.0, "roll": 0.0, "throttle": 0.0, "yaw": 0.0, "switches": 0, "is_valid": True}
    with aloft.simulator.fleet.piloted("") as pilot:
        pilot.rc = sticks
    assert aloft.do(lambda pilot: tasks.by_hand(pilot, (4.0, 4.0, 10.0), 5.0, False, tasks.STRAIGHT))
    assert aloft.velocity[0] == pytest.approx(2.0, abs=0.3)
