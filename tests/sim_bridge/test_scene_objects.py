"""Objects of the scene: spawned, moved, scaled and destroyed, and what cameras then see."""

from __future__ import annotations

import numpy as np
import pytest
from edited_world import (
    ABOVE,
    CAMERA,
    CROWN,
    HOUSE,
    at,
    content,
    factors,
    package,
    picture,
    poses,
    scene_of,
    shape,
    spawn,
    state_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_bridge.embedded import scene_objects
from sim_bridge.embedded.assets import NAMES, asset
from sim_bridge.embedded.edits import FIRST_SPAWNED, free_name
from sim_bridge.embedded.overlay import edits_of, mesh_of_thing
from sim_bridge.frames import NedPose, rotation_from_quaternion
from sim_bridge.world.materials import INDEX

TOWN = state_of(package(HOUSE, CROWN))
EMPTY = state_of(package())


# laws

@settings(max_examples=15, deadline=None)
@given(poses(), st.tuples(factors, factors, factors), st.sampled_from(NAMES))
def test_spawning_and_destroying_leaves_the_picture_as_it_was(pose: NedPose, scale: tuple[float, float, float],
                                                              kind: str) -> None:
    state, name = spawn(TOWN, "thing", kind, pose, scale)
    assert name in scene_objects.object_names(state)
    gone, done = scene_objects.destroy(state, name)
    assert done and scene_of(gone) is scene_of(TOWN)


@settings(max_examples=25, deadline=None)
@given(poses(), st.sampled_from(["mage_building_7", "thing", "mage_trees"]))
def test_a_pose_that_was_set_comes_back(pose: NedPose, name: str) -> None:
    state, _ = spawn(TOWN)
    moved, done = scene_objects.change(state, name, pose=pose)
    assert done and moved.loaded is not None and moved.loaded.poses[name] == pose


@settings(max_examples=10, deadline=None)
@given(poses())
def test_a_building_moved_away_and_back_is_drawn_as_before(pose: NedPose) -> None:
    assert TOWN.loaded is not None
    home = TOWN.loaded.poses["mage_building_7"]
    moved, _ = scene_objects.change(TOWN, "mage_building_7", pose=pose)
    assert scene_of(moved) is not scene_of(TOWN)
    back, _ = scene_objects.change(moved, "mage_building_7", pose=home)
    assert scene_of(back) is scene_of(TOWN)


@settings(max_examples=30, deadline=None)
@given(poses(), st.tuples(factors, factors, factors), st.sampled_from(["Cube", "Sphere", "Cylinder", "1M_Cube"]))
def test_a_mesh_has_its_scale_along_its_own_axes(pose: NedPose, scale: tuple[float, float, float], kind: str) -> None:
    state, name = spawn(EMPTY, "thing", kind, pose, scale)
    mesh, _ = mesh_of_thing(scene_of(EMPTY), name, edits_of(scene_of(state)).things[name], "before")
    ned = mesh.vertices.astype(np.float64)[:, [1, 0, 2]] * (1, 1, -1)
    local = (ned - pose.position.array()) @ rotation_from_quaternion(pose.orientation)
    np.testing.assert_allclose(local.max(axis=0) - local.min(axis=0), scale, atol=2e-5)
    np.testing.assert_allclose(local.max(axis=0) + local.min(axis=0), 0, atol=2e-5)


@given(st.lists(st.text("ab12", max_size=4), max_size=8), st.text("ab12", min_size=1, max_size=3))
def test_a_new_name_is_free_where_it_does_not_end_in_digits(names: list[str], wanted: str) -> None:
    name = free_name(wanted, names)
    assert name.startswith(wanted)
    assert name not in names or wanted[-1].isdigit()


def test_names_are_counted_on_as_airsim_does() -> None:
    assert free_name("Cube", ["Ball"]) == "Cube"
    assert free_name("Cube", ["Cube"]) == "Cube1"
    assert free_name("Cube", ["MyCube7", "Cube_12x"]) == "Cube8"
    assert free_name("Cube", ["Cube", "Cube1", "Cube10"]) == "Cube11"


# drawing

def test_a_cube_is_where_and_as_high_as_it_was_put() -> None:
    state, _ = spawn(EMPTY, pose=at(0, 0, -4), scale=(6, 4, 2))
    seen = shape(state)
    metre_px = CAMERA.focal_px / (60 - 5)
    on_it = seen.instance == FIRST_SPAWNED
    assert seen.depth[36, 48] == pytest.approx(60 - 5, abs=1e-3)
    assert seen.depth[2, 2] == pytest.approx(60, abs=1e-3)
    rows, columns = np.nonzero(on_it)
    assert np.ptp(rows) + 1 == pytest.approx(6 * metre_px, abs=1.01)          # north is up in the picture
    assert np.ptp(columns) + 1 == pytest.approx(4 * metre_px, abs=1.01)


def test_a_yaw_turns_clockwise_seen_from_above() -> None:
    state, _ = spawn(EMPTY, pose=at(0, 0, -1, yaw_deg=45), scale=(12, 1, 1))
    rows, columns = np.nonzero(shape(state).instance == FIRST_SPAWNED)
    assert np.corrcoef(rows, columns)[0, 1] < -0.9          # from the south-west to the north-east


def test_a_spawned_thing_throws_its_shadow_on_the_ground() -> None:
    state, _ = spawn(EMPTY, "ball", "Sphere", at(0, 0, -12), (8, 8, 8))
    before, after = picture(EMPTY, ABOVE).rgb.astype(int), picture(state, ABOVE)
    ground = after.instance == 0
    darker = (before - after.rgb).sum(axis=2) > 60
    assert 50 < int((darker & ground).sum()) < int((after.instance > 0).sum())


def test_a_sphere_is_lit_as_a_round_thing() -> None:
    state, _ = spawn(EMPTY, "ball", "Sphere", at(0, 0, -20), (20, 20, 20))
    seen = picture(state, ABOVE)
    grey = seen.rgb[36, :, 1].astype(int)[seen.instance[36] > 0]
    assert len(np.unique(grey)) > 15          # facets would be few, wide and each of one grey


def test_a_destroyed_building_leaves_the_picture_of_a_world_without_it() -> None:
    gone, done = scene_objects.destroy(TOWN, "mage_building_7")
    assert done
    bare = state_of(package(CROWN))
    assert content(picture(gone)) == content(picture(bare))
    assert "mage_building_7" not in scene_objects.object_names(gone)


def test_destroyed_trees_leave_the_picture_of_a_world_without_them() -> None:
    gone, _ = scene_objects.destroy(TOWN, "mage_trees")
    assert content(picture(gone)) == content(picture(state_of(package(HOUSE))))


def test_a_moved_building_keeps_its_instance_and_leaves_its_place() -> None:
    moved, _ = scene_objects.change(TOWN, "mage_building_7", pose=at(-10, -12, 0))
    seen = shape(moved)
    assert seen.depth[36, 48] == pytest.approx(60, abs=1e-3)
    rows, columns = np.nonzero(seen.instance == 7)
    assert len(rows) > 100 and rows.mean() > 46 and columns.mean() < 36


def test_what_the_hazard_left_of_a_building_moves_with_it() -> None:
    moved, _ = scene_objects.change(TOWN, "mage_building_7", pose=at(-10, -12, 0))
    seen = shape(moved, phase="after")
    heights = 60 - seen.depth[seen.instance == 7]
    assert heights.max() == pytest.approx(3, abs=1e-3)


def test_a_scaled_building_stands_on_its_ground() -> None:
    tall, _ = scene_objects.change(TOWN, "mage_building_7", scale=(1, 1, 2))
    assert shape(tall).depth[36, 48] == pytest.approx(60 - 20, abs=1e-3)
    assert scene_objects.scale_of(tall, "mage_building_7") == (1, 1, 2)


def test_a_scale_of_zero_is_nothing_to_see() -> None:
    flat, _ = scene_objects.change(TOWN, "mage_building_7", scale=(1, 0, 1))
    assert not (shape(flat).instance == 7).any()


def test_edits_that_nothing_came_of_cost_the_renderer_nothing() -> None:
    light, name = spawn(TOWN, "lamp", "PointLightBP")
    assert content(picture(light)) == content(picture(TOWN))
    assert scene_objects.is_light(light, name)
    assert scene_objects.set_light(light, name, 5.0)[1]
    assert not scene_objects.set_light(light, "mage_building_7", 5.0)[1]


def test_the_picture_does_not_tell_what_else_was_there_before() -> None:
    both, first = spawn(TOWN, "a", "Cone", at(0, 15, -5), (5, 5, 5))
    both, _ = spawn(both, "b", "Cylinder", at(12, -10, -4), (4, 4, 8))
    left, _ = scene_objects.destroy(both, first)
    alone, _ = spawn(TOWN, "b", "Cylinder", at(12, -10, -4), (4, 4, 8))
    assert (picture(left).rgb == picture(alone).rgb).all() and (picture(left).depth == picture(alone).depth).all()
    assert (picture(both).rgb != picture(alone).rgb).any()


def test_two_orders_of_the_same_edits_give_the_same_picture() -> None:
    a, _ = spawn(TOWN, "a", "Cube", at(3, 14, -6))
    a, _ = scene_objects.destroy(a, "mage_building_7")
    b, _ = scene_objects.destroy(TOWN, "mage_building_7")
    b, _ = spawn(b, "a", "Cube", at(3, 14, -6))
    assert content(picture(a)) == content(picture(b))


@settings(max_examples=len(NAMES), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES))
def test_every_asset_is_a_mesh_of_known_materials(kind: str) -> None:
    made = asset(kind)
    assert made is not None
    assert made.is_light == (len(made.mesh.faces) == 0)
    assert made.curved.shape == made.mesh.material.shape
    assert not (made.mesh.material == INDEX["ground"]).any()
