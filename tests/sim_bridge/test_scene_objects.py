"""Objects of the scene: spawned, moved, scaled, destroyed, given other materials, and what cameras then see."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from edited_world import (
    ABOVE,
    CAMERA,
    CROWN,
    HOUSE,
    LEVEL,
    at,
    content,
    ids,
    package,
    picture,
    scene_of,
    shape,
    state_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded import edits, scene_objects
from sim_bridge.embedded.assets import NAMES, asset
from sim_bridge.embedded.edits import FIRST_SPAWNED, Edits, Skin, free_name
from sim_bridge.embedded.objects import PatternError, building_id
from sim_bridge.embedded.overlay import edits_of, mesh_of_thing
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.skins import MAX_FACES, read_texture
from sim_bridge.embedded.state import State
from sim_bridge.frames import NED, NedPose, Quaternion, rotation_from_quaternion
from sim_bridge.world.materials import INDEX

UNIT = (1.0, 1.0, 1.0)
ASIDE = at(0, 20, -5)
TOWN = state_of(package(HOUSE, CROWN))
EMPTY = state_of(package())
numbers = st.floats(-20, 20, allow_nan=False, width=32)
factors = st.floats(0.25, 4, allow_nan=False, width=32)


@st.composite
def poses(draw: st.DrawFn) -> NedPose:
    values = [draw(st.floats(-1, 1, width=32)) for _ in range(4)]
    length = math.hypot(*values)
    turn = Quaternion(*(v / length for v in values)) if length > 1e-3 else LEVEL
    return NedPose(NED(draw(numbers), draw(numbers), draw(numbers) - 10), turn)


def spawn(state: State, name: str = "thing", asset_name: str = "Cube", pose: NedPose = ASIDE,
          scale: tuple[float, float, float] = UNIT) -> tuple[State, str]:
    return scene_objects.spawn(state, name, asset_name, pose, scale)


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


# look

def test_a_material_is_that_of_its_slot_and_carries_its_class() -> None:
    burnt, done = scene_objects.change(TOWN, "mage_building_7", skins={0: Skin("ash")})
    assert done
    assert set(np.unique(shape(burnt).material[shape(burnt).instance == 7])) == {INDEX["ash"]}
    slanted = shape(burnt, pose=ABOVE)
    assert INDEX["wall_plaster"] not in slanted.material[slanted.instance == 7]
    walls, _ = scene_objects.change(TOWN, "mage_building_7", skins={1: Skin("wall_brick")})
    assert set(np.unique(shape(walls).material[shape(walls).instance == 7])) == {INDEX["roof_metal"]}


def test_a_texture_shows_on_what_it_was_put(tmp_path: Path) -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = (0, 0, 255), (255, 0, 0)                       # BGR: red, then blue
    cv2.imwrite(str(tmp_path / "halves.png"), halves)
    texture = read_texture(tmp_path / "halves.png")
    assert texture is not None
    state, name = spawn(EMPTY, "board", "Plane", at(0, 0, -5), (30, 30, 1))
    state, done = scene_objects.change(state, name, skins={0: Skin(texture=texture)})
    seen = picture(state, ABOVE).rgb.astype(int)
    assert done
    assert (seen[36, 40, 0] > 2 * seen[36, 40, 2]) and (seen[36, 56, 2] > 2 * seen[36, 56, 0])
    mesh, _ = mesh_of_thing(scene_of(EMPTY), name, edits_of(scene_of(state)).things[name], "before")
    assert 1000 < len(mesh.faces) <= MAX_FACES


def test_what_is_no_picture_is_no_texture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_bytes(b"not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    assert read_texture(tmp_path / "text.png") is None
    assert read_texture(tmp_path / "empty.png") is None
    assert read_texture(tmp_path / "nothing.png") is None
    assert read_texture(tmp_path) is None


# segmentation

def test_a_spawned_object_shows_in_segmentation_only_once_it_has_an_id() -> None:
    state, name = spawn(EMPTY, pose=at(0, 0, -3), scale=(8, 8, 2))
    assert ids(state) == [CLASS_ID["grass"]]
    state, found = scene_objects.set_stencil(state, name, 42, False)
    assert found and ids(state) == [CLASS_ID["grass"], 42]
    state, _ = scene_objects.destroy(state, name)
    state, again = spawn(state, name, pose=at(0, 0, -3), scale=(8, 8, 2))
    assert again == name and ids(state) == [CLASS_ID["grass"]]


def test_a_registered_object_shows_at_once() -> None:
    state, _ = scene_objects.spawn(EMPTY, "thing", "Cube", at(0, 0, -3), (8, 8, 2), registered=True)
    assert state.loaded is not None and state.loaded.labelled is None


def test_an_id_of_minus_one_shows_what_is_behind() -> None:
    assert ids(TOWN) == sorted([CLASS_ID["grass"], CLASS_ID["building"], CLASS_ID["tree"]])
    hidden, _ = scene_objects.set_stencil(TOWN, "mage_building_7", -1, False)
    assert ids(hidden) == sorted([CLASS_ID["grass"], CLASS_ID["tree"]])
    assert (shape(hidden).instance == 7).any()
    shown, _ = scene_objects.set_stencil(hidden, "mage_building_.*", 9, True)
    assert ids(shown) == sorted([CLASS_ID["grass"], CLASS_ID["tree"], 9])


def test_ground_is_all_terrain_and_patterns_do_not_mind_case() -> None:
    state, found = scene_objects.set_stencil(TOWN, r"ground[\w]*", 22, True)
    assert found and ids(state) == sorted([22, CLASS_ID["building"], CLASS_ID["tree"]])
    assert scene_objects.stencil_of(state, "ground") == scene_objects.stencil_of(state, "mage_terrain_road") == 22
    assert scene_objects.set_stencil(TOWN, "ground", 3, False)[1] is False
    assert scene_objects.stencil_of(state, "nothing") == -1


def test_ids_are_checked() -> None:
    with pytest.raises(ValueError, match=r"-1\.\.255"):
        scene_objects.set_stencil(TOWN, "mage_trees", 256, False)
    with pytest.raises(PatternError):
        scene_objects.set_stencil(TOWN, "(", 1, True)


# names and tags

def test_tags_find_objects() -> None:
    state, name = spawn(TOWN)
    assert scene_objects.tagged(state, "building|spawned") == [("mage_building_7", "building"), (name, "spawned")]
    assert dict(scene_objects.tagged(state, ".*"))["mage_terrain_road"] == "terrain"
    assert scene_objects.named_or_tagged(state, "tree") == "mage_trees"
    assert scene_objects.named_or_tagged(state, "nothing") is None


def test_only_the_names_of_buildings_have_numbers() -> None:
    assert building_id("mage_building_12") == 12
    assert [building_id(name) for name in ("mage_building_", "mage_building_x", "mage_trees",
                                           "mage_building_" + "9" * 5000)] == [None] * 4


# what is refused

@pytest.mark.parametrize("pose", [at(math.nan, 0, 0), at(0, math.inf, 0), at(0, 2e5, 0)])
def test_poses_beyond_the_world_are_refused(pose: NedPose) -> None:
    with pytest.raises(ValueError, match=r"finite|farther"):
        spawn(TOWN, pose=pose)
    with pytest.raises(ValueError, match=r"finite|farther"):
        scene_objects.change(TOWN, "mage_building_7", pose=pose)
    assert scene_objects.change(TOWN, "nothing", pose=pose) == (TOWN, False)


@pytest.mark.parametrize("scale", [(math.nan, 1, 1), (1, math.inf, 1), (1, 1, -2000.0)])
def test_scales_beyond_reason_are_refused(scale: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="scale"):
        spawn(TOWN, scale=scale)


def test_unknown_assets_and_the_worlds_own_names_are_refused_in_airsims_words() -> None:
    with pytest.raises(ValueError, match="There were no objects with name Nope found in the Registry"):
        spawn(TOWN, asset_name="Nope")
    for name in ("mage_state_x_before_rgb_ready", "mage_error_x", "mage_building_9", "x" * 300):
        with pytest.raises(ValueError, match="Engine could not spawn Cube because of a stale reference of same name"):
            spawn(TOWN, name)


def test_terrain_stays() -> None:
    for name in ("mage_terrain_grass", "Ground"):
        assert scene_objects.change(TOWN, name, pose=at(0, 0, 0)) == (TOWN, False)
        assert scene_objects.destroy(TOWN, name) == (TOWN, False)


def test_there_is_room_for_so_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MAX_CHANGED", 3)
    state = TOWN
    for _ in range(3):
        state, _ = spawn(state)
    with pytest.raises(ValueError, match="destroy some first"):
        spawn(state)
    with pytest.raises(ValueError, match="destroy some first"):
        scene_objects.change(state, "mage_building_7", scale=(2, 2, 2))
    assert scene_objects.destroy(state, "mage_building_7")[1]


def test_so_many_objects_may_have_a_texture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MAX_TEXTURED", 1)
    skin = {0: Skin(texture=np.zeros((4, 4, 3), np.uint8))}
    state, first = spawn(TOWN)
    state, second = spawn(state)
    state, _ = scene_objects.change(state, first, skins=skin)
    assert scene_objects.change(state, first, scale=(2, 2, 2))[1] and scene_objects.change(state, second, pose=ASIDE)[1]
    with pytest.raises(ValueError, match="texture"):
        scene_objects.change(state, second, skins=skin)


def test_without_a_world_nothing_is_spawned() -> None:
    with pytest.raises(scene_objects.NoWorld):
        spawn(State({}))
    assert scene_objects.set_stencil(State({}), ".*", 1, True)[1] is False


def test_a_world_is_as_it_was_when_it_is_loaded_again() -> None:
    state, _ = spawn(TOWN)
    assert state.loaded is not None
    fresh = scene_objects.unchanged(state.loaded)
    assert isinstance(fresh.scene, Scene) and fresh.labelled is None and not Edits()
    assert fresh.poses["mage_trees"].orientation == LEVEL
