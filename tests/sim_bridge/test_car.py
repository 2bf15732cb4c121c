"""Cars: engine, brakes, gears, steering, the ground under their wheels and what stops them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import SPEC, end, start, write_world

from sim_bridge.embedded.car import (
    MAX_STEER_DEG,
    REVERSE_SPEED_M_S,
    SIDEWAYS_M_S2,
    TOP_SPEED_M_S,
    WHEELBASE_M,
    Car,
    Controls,
)
from sim_bridge.embedded.config import IDENTITY, SimulatorConfig, VehicleConfig
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import ZERO
from sim_bridge.frames import NED, NedPose, euler_from_quaternion


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("streets")
    write_world(root)
    return root


@pytest.fixture
def simulator(town: Path) -> Iterator[Simulator]:
    """A car 30 m south of the house over the origin, heading north."""
    yard = NedPose(NED(-30.0, 0.0, math.nan), IDENTITY.orientation)
    vehicles = (VehicleConfig("Car", "physxcar", yard),)
    made = Simulator(SimulatorConfig(town, mode="Car", steppable=True, vehicles=vehicles))
    made.load(SPEC.world_id)
    made.change_vehicle("", api_enabled=True)
    yield made
    made.close()


def drive(simulator: Simulator, seconds: float, controls: Controls) -> Car:
    assert simulator.fleet is not None
    with simulator.fleet.driven("") as car:
        car.controls = controls
    simulator.continue_for(seconds).result(30)
    return car


def driven(controls: Controls, seconds: float, speed: float = 0.0) -> Car:
    """A car on a plane of its own."""
    car = Car()
    car.obeys, car.controls, car.speed = True, controls, speed
    for _ in range(round(seconds * 50)):
        car.advance(12, ZERO, ZERO)
    return car


def test_speeds_up_through_its_gears_and_brakes_to_a_stop() -> None:
    gears, last = [], 0.0
    for seconds in range(1, 30, 2):
        car = driven(Controls(throttle=1.0), seconds)
        assert last < car.speed < TOP_SPEED_M_S
        last = car.speed
        gears.append(car.gear)
        assert 800 <= car.rpm <= 5700
    assert gears == sorted(gears) and gears[0] == 1 and gears[-1] == 5
    assert driven(Controls(brake=1.0), 4.0, speed=20.0).speed == 0.0
    assert driven(Controls(handbrake=True), 1.0, speed=20.0).speed == pytest.approx(20 - 6.25, abs=0.1)
    assert 0 < driven(Controls(), 10.0, speed=20.0).speed < 19


def test_reverse_is_a_gear() -> None:
    back = driven(Controls(throttle=-0.8, is_manual_gear=True, manual_gear=-1), 20.0)
    assert -REVERSE_SPEED_M_S < back.speed < -3
    assert back.position[0] < -20
    assert driven(Controls(throttle=-0.8), 5.0).speed < -2
    assert driven(Controls(throttle=1.0, is_manual_gear=True, manual_gear=0), 5.0).speed == 0.0


@given(st.floats(-1, 1), st.floats(0.5, 4.0))
def test_slow_cars_turn_on_the_bicycles_circle(steering: float, speed: float) -> None:
    """Radius of the rear axle: wheelbase / tan(steering angle)."""
    car = driven(Controls(throttle=0.0, steering=steering), 0.2, speed=speed)
    curvature = math.tan(math.radians(MAX_STEER_DEG) * steering) / WHEELBASE_M
    way = float(np.linalg.norm(car.position[:2]))
    most = SIDEWAYS_M_S2 / speed ** 2
    assert car.yaw == pytest.approx(way * max(-most, min(most, curvature)), rel=0.05, abs=0.01)


def test_fast_cars_do_not_turn_as_their_wheels_do() -> None:
    car = driven(Controls(steering=1.0), 0.2, speed=30.0)
    assert 0 < car.yaw < 1.1 * 0.2 * SIDEWAYS_M_S2 / 29


def test_a_car_starts_on_the_ground_and_stops_at_a_wall(simulator: Simulator) -> None:
    assert simulator.state.vehicle("").start.position.down == pytest.approx(0, abs=1e-3)
    drive(simulator, 3.0, Controls(throttle=0.7))
    moving = simulator.state.vehicle("").kinematics
    assert moving.linear_velocity.north > 5
    assert moving.linear_acceleration.north == pytest.approx(2.9, abs=0.3)
    drive(simulator, 10.0, Controls(throttle=0.7))
    vehicle = simulator.state.vehicle("")
    assert 21.5 < vehicle.kinematics.pose.position.north < 25
    assert vehicle.collision.has_collided and vehicle.collision.object_name == "mage_building_7"


def test_a_car_steers_right_with_a_positive_wheel_and_stays_on_the_ground(simulator: Simulator) -> None:
    drive(simulator, 4.0, Controls(throttle=0.5, steering=0.5))
    pose = simulator.state.vehicle("").kinematics.pose
    assert pose.position.east > 2
    assert euler_from_quaternion(pose.orientation)[2] > 30
    assert pose.position.down == pytest.approx(0, abs=2e-3)


def test_nobody_drives_without_api_control(simulator: Simulator) -> None:
    simulator.change_vehicle("", api_enabled=False)
    assert drive(simulator, 2.0, Controls(throttle=1.0)).speed == 0.0


def test_calls_of_a_car(town: Path) -> None:
    server = start(town, "--mode", "Car", "--steppable")
    with server.client(30.0) as client:
        controls = {"throttle": 0.5, "steering": 0.1, "brake": 0.0, "handbrake": False, "is_manual_gear": False,
                    "manual_gear": 0, "gear_immediate": True}
        client.ask("enableApiControl", is_enabled=True)
        client.ask("setCarControls", controls=controls)
        assert client.ask("getCarControls") == pytest.approx(controls)
        client.continue_for(3.0)
        state = client.ask("getCarState")
        assert state["speed"] == pytest.approx(5.5, abs=1.0)
        assert state["gear"] == 1 and 800 < state["rpm"] < state["maxrpm"]
        assert state["kinematics_estimated"]["linear_velocity"].north > 4
    assert end(server) == 0
