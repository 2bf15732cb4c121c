"""Vehicles against the world: the ground they start and land on, walls, slopes, what they hit and how it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flights import Flight, flying
from small_world import SIZE_M, box, small_package

from sim_bridge.embedded import tasks
from sim_bridge.embedded.cameras import find_camera, seen_from
from sim_bridge.embedded.config import IDENTITY, SimulatorConfig, VehicleConfig
from sim_bridge.embedded.contact import HALF_HEIGHT_M, REACH_M, meet
from sim_bridge.embedded.grid import GridScene
from sim_bridge.embedded.simulator import Simulator, global_pose
from sim_bridge.embedded.state import Loaded, State
from sim_bridge.embedded.tasks import Follow
from sim_bridge.frames import NED, Geodetic, NedPose
from sim_bridge.spec import SceneSpec
from sim_bridge.world.grid import read_grid, write_grid
from sim_bridge.world.materials import GROUND
from sim_bridge.world.model import Building, BuildingDamage, Mesh
from sim_bridge.world.package import Package, read_package, write_package

SPEC = SceneSpec(seed=3)
SLOPE = 0.25
ROOF_M = 10.0


def world_of(before: list[Mesh], static: Mesh | None = None) -> Package:
    """The small world with house 7 over east -5..5, north 15..25, whatever its meshes show."""
    package = small_package(before=before, damage=[BuildingDamage(7, "destroyed", 4, "test")])
    ring = ((-5.0, 15.0), (5.0, 15.0), (5.0, 25.0), (-5.0, 25.0))
    house = Building(7, ring, 0.0, ROOF_M, ROOF_M, "flat", "masonry", "house", "roof_metal", "wall_plaster", 0.0)
    return replace(package, world=replace(package.world, buildings=(house,), static=static or package.world.static))


def hillside() -> Mesh:
    """Ground that rises to the north by SLOPE, 3 m high in the middle."""
    half = SIZE_M / 2
    corners = [(x, y, 3 + SLOPE * y) for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
    return Mesh(np.array(corners, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.uint32),
                np.full(2, GROUND, np.uint16), np.zeros(2, np.uint32), np.full((2, 3), 128, np.uint8))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("town")
    package = world_of([box((-5, 15, 0), (5, 25, ROOF_M), "roof_metal", "wall_plaster", instance=7)])
    write_package(root, SPEC, package.world, package.aftermath)
    return root


@pytest.fixture(scope="module")
def hill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hill")
    package = world_of([], hillside())
    write_package(root, SPEC, package.world, package.aftermath)
    return root


@pytest.fixture
def flight(town: Path) -> Iterator[Flight]:
    with flying(town) as started:
        started.simulator.load(SPEC.world_id)
        yield started.control()


def at(north: float, east: float, down: float = math.nan) -> NedPose:
    return NedPose(NED(north, east, down), IDENTITY.orientation)


def go(flight: Flight, place: tuple[float, float, float], speed: float = 3.0, timeout_s: float = 30.0) -> bool:
    return flight.do(lambda pilot: tasks.follow(pilot, [place], Follow(speed, timeout_s)))


def test_vehicles_start_on_what_is_under_them_once_a_world_is_loaded(town: Path) -> None:
    vehicles = (VehicleConfig("Yard", "simpleflight"), VehicleConfig("Roof", "simpleflight", at(20, 0)),
                VehicleConfig("Cellar", "simpleflight", at(20, 0, 4.0)),
                VehicleConfig("Sky", "simpleflight", at(20, 0, -30.0)))
    with flying(town, vehicles=vehicles) as yard:
        yard.simulator.load(SPEC.world_id)
        state = yard.simulator.state
        downs = {name: vehicle.start.position.down for name, vehicle in state.vehicles.items()}
        assert downs == pytest.approx({"Yard": 0.0, "Roof": -ROOF_M, "Cellar": -ROOF_M, "Sky": -30.0}, abs=1e-3)
        assert {name for name, vehicle in state.vehicles.items() if vehicle.landed} == {"Yard", "Roof", "Cellar"}
        assert all(vehicle.kinematics.pose.position == NED(0, 0, 0) for vehicle in state.vehicles.values())
        yard.wait(5)
        fallen = yard.simulator.state.vehicles["Sky"]
        assert fallen.landed and fallen.kinematics.pose.position.down == pytest.approx(30 - ROOF_M, abs=0.01)


def test_an_added_vehicle_starts_on_the_ground_and_flies(flight: Flight) -> None:
    simulator = flight.simulator
    assert simulator.add_vehicle("Second", "simpleflight", at(20, 2, 0.0))
    assert not simulator.add_vehicle("Second", "simpleflight", at(0, 0, 0.0))
    assert not simulator.add_vehicle("Third", "physxcar", at(0, 0, 0.0))
    assert not simulator.add_vehicle("", "simpleflight", at(0, 0, 0.0))
    second = Flight(simulator, "Second").control()
    assert second.vehicle.start.position.down == pytest.approx(-ROOF_M, abs=1e-3)
    assert second.do(lambda pilot: tasks.takeoff(pilot, 20))
    assert second.place[2] < -1.5


def test_a_wall_stops_and_is_told(flight: Flight) -> None:
    flight.do(lambda pilot: tasks.takeoff(pilot, 20))
    assert not go(flight, (40, 0, -3), timeout_s=12)
    assert flight.place[0] < 15 - 0.5 * REACH_M
    collision = flight.vehicle.collision
    assert collision.has_collided
    assert collision.object_name == "mage_building_7"
    assert collision.normal.array() == pytest.approx([-1, 0, 0], abs=1e-3)
    assert collision.impact_point.north == pytest.approx(15, abs=1e-3)
    assert collision.time_ns <= flight.simulator.now_ns()


@pytest.mark.parametrize("down", [-3.0, -8.0, -40.0])
def test_slanted_ways_begin_from_the_ground(flight: Flight, down: float) -> None:
    path = [(30.0, -30.0, down)]
    assert flight.do(lambda pilot: tasks.follow(pilot, path, Follow(5.0, 60.0)))
    np.testing.assert_allclose(flight.place, path[0], atol=1.5)


def test_cameras_of_a_landed_vehicle_see_the_ground(town: Path) -> None:
    with flying(town, width=8, height=8) as flight:
        flight.simulator.load(SPEC.world_id)
        pose = seen_from(flight.simulator.state, find_camera(flight.simulator.state, "bottom_center", "", False))
        assert -0.5 < pose.position.down < -0.05


def test_lands_on_a_roof_and_does_not_sink(flight: Flight) -> None:
    flight.do(lambda pilot: tasks.takeoff(pilot, 20))
    assert go(flight, (0, 0, -14))
    assert go(flight, (20, 0, -14))
    assert flight.do(lambda pilot: tasks.land(pilot, 60))
    flight.wait(10)
    assert flight.vehicle.landed
    assert flight.place[2] == pytest.approx(-ROOF_M, abs=2e-3)
    assert flight.vehicle.collision.object_name == "mage_building_7"


@pytest.mark.parametrize("fall", [5.0, 60.0])
def test_a_fall_ends_on_the_ground(flight: Flight, fall: float) -> None:
    flight.simulator.change_vehicle("", api_enabled=False)
    flight.simulator.place_vehicle("", at(0, 30, -fall))
    flight.wait(15)
    assert flight.vehicle.landed
    assert flight.place == pytest.approx([0, 30, 0], abs=2e-3)


def test_flying_into_a_slope_never_sinks_below_it(hill: Path) -> None:
    with flying(hill) as flight:
        flight.simulator.load(SPEC.world_id)
        flight.control()
        assert flight.vehicle.start.position.down == pytest.approx(-3, abs=1e-3)
        flight.do(lambda pilot: tasks.takeoff(pilot, 20))
        assert flight.simulator.fleet is not None
        flight.simulator.pause(True)
        flight.simulator.fleet.do("", lambda pilot: tasks.lasting(
            pilot, 8.0, lambda: tasks.fly_level(pilot, 5, 0, -1.0, tasks.STRAIGHT)))
        for _ in range(80):
            flight.wait(0.1)
            north, _, down = global_pose(flight.vehicle).position.array()
            assert -down > 3 + SLOPE * north - 0.02
        assert flight.vehicle.collision.has_collided


def test_what_is_put_under_the_world_comes_out_on_top(hill: Path) -> None:
    with flying(hill) as flight:
        flight.simulator.load(SPEC.world_id)
        flight.simulator.place_vehicle("", at(20, 10, 0.0))
        flight.wait(1)
        north, _, down = global_pose(flight.vehicle).position.array()
        assert flight.vehicle.landed
        assert -down == pytest.approx(3 + SLOPE * north, abs=2e-3)


def test_beyond_the_world_there_is_a_plane(flight: Flight) -> None:
    flight.simulator.change_vehicle("", api_enabled=False)
    flight.simulator.place_vehicle("", at(0, 3 * SIZE_M, -3))
    flight.wait(5)
    assert flight.vehicle.landed and abs(flight.place[2]) < 2e-3


def test_rays_find_what_is_in_the_way_and_nothing_else(flight: Flight) -> None:
    state = flight.simulator.state
    assert meet(state, NED(10, 0, -5), NED(14, 0, -5)) is None
    wall = meet(state, NED(10, 0, -5), NED(14.9, 0, -5))
    assert wall is not None and wall.object_id == 7 and not wall.is_ground
    assert wall.moved_by == pytest.approx([0.1 - REACH_M, 0, 0], abs=1e-4)
    ground = meet(state, NED(0, 0, -1), NED(0, 0, 0.5))
    assert ground is not None and ground.is_ground
    assert ground.moved_by == pytest.approx([0, 0, -0.5 - HALF_HEIGHT_M], abs=1e-4)
    assert meet(state, NED(20, 0, -40), NED(20, 0, -30)) is None


def test_packages_of_a_grid_are_flown_and_landed_on(town: Path, tmp_path: Path) -> None:
    (tmp_path / SPEC.world_id).symlink_to(town / SPEC.world_id)
    placed = [(SPEC.world_id, 0.0, 0.0), (SPEC.world_id, SIZE_M, 0.0)]
    folder = write_grid(tmp_path, placed, Geodetic(38.0, -122.0))
    with flying(tmp_path, vehicles=(VehicleConfig("One", "simpleflight", at(20, SIZE_M)),)) as flight:
        flight.simulator.load(folder.name)
        flight.control()
        assert flight.vehicle.start.position.down == pytest.approx(-ROOF_M, abs=1e-3)
        flight.do(lambda pilot: tasks.takeoff(pilot, 20))
        go(flight, (-20, 0, -5))
        flight.do(lambda pilot: tasks.land(pilot, 120))
        assert global_pose(flight.vehicle).position.down == pytest.approx(0, abs=2e-3)


def test_only_the_package_under_a_vehicle_is_loaded(tmp_path: Path) -> None:
    package, names, read = world_of([]), [], []
    for seed in (3, 4, 5):
        spec = SceneSpec(seed=seed)
        write_package(tmp_path, spec, package.world, package.aftermath)
        names.append(spec.world_id)
    folder = write_grid(tmp_path, [(name, i * SIZE_M, 0.0) for i, name in enumerate(names)], Geodetic(38.0, -122.0))

    def noted(path: Path) -> Package:
        read.append(path.name)
        return read_package(path)
    scene = GridScene(tmp_path, read_grid(folder), read=noted)
    state = State({}, loaded=Loaded("grid", Geodetic(38.0, -122.0), scene))
    assert meet(state, NED(0, 0, -0.5), NED(0, 0.3, -0.5)) is None
    assert read == names[:1]
    assert meet(state, NED(0, 49.8, -0.5), NED(0, 50.1, -0.5)) is None
    assert read == names[:2]


def test_a_world_without_time_of_its_own_moves_nothing(town: Path) -> None:
    simulator = Simulator(SimulatorConfig(town))
    simulator.load(SPEC.world_id)
    assert simulator.fleet is None
    assert simulator.state.vehicle("").start.position.down == 0.0
    simulator.place_vehicle("", at(1, 2, -3))
    assert simulator.state.vehicle("").kinematics.pose == at(1, 2, -3)
    simulator.close()
