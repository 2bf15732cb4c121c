"""Comings and goings: vehicles differ between the pictures, everything else of an unharmed place does not."""

import numpy as np

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import strike
from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Vehicle
from sim_bridge.world.traffic import present, with_traffic

VEHICLE = np.array([m.semantic == CLASS_ID["vehicle"] for m in TABLE])


def cars(n):
    return [Vehicle(1.7 * k, -3.1 * k, 0.0, 0.0, 4.5, 1.8, "car", (128, 128, 128)) for k in range(n)]


def test_shares_of_cars_that_come_go_and_stay():
    seen = [v.seen for v in with_traffic(cars(3000), 5)]
    shares = [seen.count(name) / 3000 for name in ("before", "after", "both")]
    assert np.allclose(shares, [0.35, 0.35, 0.30], atol=0.04)


def test_a_car_stays_what_it_is_whoever_else_is_there():
    many, few = with_traffic(cars(50), 7), with_traffic(cars(50)[::7], 7)
    assert few == many[::7]
    assert with_traffic(cars(50), 8) != many
    assert with_traffic([], 1) == ()


def test_each_phase_draws_its_own_vehicles_and_the_same_rest():
    spec = SceneSpec(5, Layout(size_m=150.0, density=1.0, street_pattern="grid"))
    world = build_world(spec)
    after = strike(world, spec).after
    assert present(world.vehicles, "before") != present(world.vehicles, "after")

    def rest(mesh):
        kept = ~VEHICLE[mesh.material]
        return np.sort(mesh.vertices[mesh.faces[kept]].reshape(-1, 9), axis=0)

    assert np.array_equal(rest(world.before), rest(after))
    assert VEHICLE[after.material].any() and VEHICLE[world.before.material].any()
