"""Plants and vehicles: every species grows, wears its season's colours and stays within its size and its budget."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Season
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Mesh, Tree, Vehicle
from sim_bridge.world.plants import SPECIES, crown_material, tree_mesh, trees_mesh
from sim_bridge.world.shapes import F64
from sim_bridge.world.vehicles import HEIGHT_M, vehicle_mesh, vehicles_mesh

SEASONS: tuple[Season, ...] = get_args(Season)
PAINT = (200, 40, 30)


def grown(name: str, share: float = 0.5, x: float = 3.0, y: float = -7.0) -> Tree:
    species = SPECIES[name]
    height, radius = (low + share * (high - low) for low, high in (species.height_m, species.crown_radius_m))
    return Tree(x, y, 5.0, height, radius, name)


def wood(name: str, count: int = 400) -> list[Tree]:
    return [grown(name, k % 7 / 6, float(3 * k % 211), 1.7 * k) for k in range(count)]


def seen_area_m2(mesh: Mesh) -> float:
    """Area of all faces in plan, overlaps counted twice."""
    corners = mesh.vertices[mesh.faces][:, :, :2].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2)


@pytest.mark.parametrize("name", SPECIES)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_plants_keep_their_size(name: str, share: float) -> None:
    tree = grown(name, share)
    for season in SEASONS:
        mesh = tree_mesh(tree, crown_material(tree, season))
        out = np.hypot(mesh.vertices[:, 0] - tree.x, mesh.vertices[:, 1] - tree.y)
        top = mesh.vertices[:, 2].max() - tree.base_m
        assert 0.6 * tree.crown_radius_m < out.max() < 1.35 * tree.crown_radius_m + 0.1
        assert 0.75 * tree.height_m < top < 1.12 * tree.height_m
        assert mesh.vertices[:, 2].min() < tree.base_m + 0.6, "it stands on the ground"
        assert {TABLE[m].semantic for m in mesh.material} == {CLASS_ID["tree"]}


def test_budget_of_triangles() -> None:
    """5,000 trees of all species stay below 0.8 million triangles, the dearest one below 220."""
    counts = {name: len(trees_mesh(wood(name, 40), ["crown_broadleaf"] * 40).faces) / 40 for name in SPECIES}
    assert np.mean(list(counts.values())) * 5000 < 0.8e6 and max(counts.values()) < 220
    bare = len(tree_mesh(grown("oak"), "crown_bare").faces)
    assert bare < 145


@pytest.mark.parametrize("name", SPECIES)
def test_colours_of_the_seasons(name: str) -> None:
    worn = {season: {crown_material(tree, season) for tree in wood(name)} for season in SEASONS}
    assert set().union(*worn.values()) <= set(INDEX)
    species = SPECIES[name]
    assert ("crown_bare" in worn["winter"]) == species.bare_in_winter
    if species.evergreen:
        assert len(set().union(*worn.values())) == 1
    else:
        assert worn["summer"] != worn["winter"] and worn["autumn"] != worn["summer"]


def test_winter_lets_the_ground_be_seen() -> None:
    tree = grown("oak")
    leaves, twigs = (seen_area_m2(tree_mesh(tree, crown)) for crown in ("crown_broadleaf", "crown_bare"))
    assert twigs < 0.5 * np.pi * tree.crown_radius_m**2 < leaves


def test_leafy_faces_look_up_or_out() -> None:
    """Normals of crowns are smoothed over their faces, so that none may look down into the crown's middle."""
    for name in ("oak", "conifer", "palm"):
        tree = grown(name)
        for crown in ("crown_broadleaf", "crown_burnt"):
            mesh = tree_mesh(tree, crown)
            corners = mesh.vertices[mesh.faces[mesh.material == INDEX[crown]]].astype(np.float64)
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            assert (normal[:, 2] > -0.75 * np.linalg.norm(normal, axis=1)).all()


@settings(max_examples=12, deadline=None)
@given(st.permutations(sorted(SPECIES)))
def test_plants_are_the_same_in_any_company(names: list[str]) -> None:
    trees = [grown(name, 0.6, 10.0 * sorted(SPECIES).index(name)) for name in names]
    together = trees_mesh(trees, [crown_material(t, "winter") for t in trees])
    chosen = trees[0]
    alone = tree_mesh(chosen, crown_material(chosen, "winter"))
    there = {tuple(v) for v in together.vertices.tolist()}
    assert {tuple(v) for v in alone.vertices.tolist()} <= there


def test_no_trees_no_mesh() -> None:
    assert len(trees_mesh([], []).faces) == 0 and len(vehicles_mesh([]).faces) == 0


def extent(mesh: Mesh, yaw_deg: float) -> F64:
    angle = np.radians(-yaw_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(np.ptp(mesh.vertices[:, :2].astype(np.float64) @ turn.T, axis=0))


@pytest.mark.parametrize("kind", HEIGHT_M)
def test_vehicles_are_as_long_and_wide_as_they_say(kind: str) -> None:
    for k in range(12):
        vehicle = Vehicle(2.0 + k, 9.0 - 3 * k, 4.0, 30.0, 6.0, 2.2, kind, PAINT)
        mesh = vehicle_mesh(vehicle)
        np.testing.assert_allclose(extent(mesh, 30.0), [6.0, 2.2], rtol=0.03)
        assert {TABLE[m].semantic for m in mesh.material} == {CLASS_ID["vehicle"]}
        assert 4.0 - 0.3 < mesh.vertices[:, 2].min() < 4.6
        assert len(mesh.faces) <= 70
        assert (mesh.instance == 0).all()


def test_cars_come_in_several_models_and_lorries_by_length() -> None:
    cars = [Vehicle(3.0 * k, 0.0, 0.0, 0.0, 4.5, 1.8, "car", PAINT) for k in range(60)]
    shapes = {np.round(vehicle_mesh(replace(car, x=0.0)).vertices, 2).tobytes() for car in cars}
    assert len(shapes) == 1, "the same place, the same model"
    assert len({len(vehicle_mesh(car).faces) for car in cars}) > 1
    truck = Vehicle(0.0, 0.0, 0.0, 0.0, 7.5, 2.4, "truck", PAINT)
    assert len(vehicle_mesh(truck).faces) < len(vehicle_mesh(replace(truck, length_m=15.0)).faces)


def test_wrecks_are_all_of_one_material() -> None:
    kinds = [Vehicle(8.0 * k, 0.0, 0.0, 0.0, 5.0, 2.0, kind, PAINT) for k, kind in enumerate(HEIGHT_M)]
    assert set(vehicles_mesh(kinds, "car_burnt").material.tolist()) == {INDEX["car_burnt"]}
    tints = vehicles_mesh(kinds[:1]).tint
    assert (tints[:, 0] > 2 * tints[:, 2]).any(), "paint shows"
