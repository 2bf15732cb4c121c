"""What objects of the scene look like, to cameras and to segmentation; their tags; what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from edited_world import (
    ABOVE,
    ASIDE,
    CROWN,
    HOUSE,
    LEVEL,
    at,
    ids,
    package,
    picture,
    scene_of,
    shape,
    spawn,
    state_of,
)

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded import edits, scene_objects
from sim_bridge.embedded.edits import Edits, Skin
from sim_bridge.embedded.objects import PatternError, building_id
from sim_bridge.embedded.overlay import edits_of, mesh_of_thing
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.skins import MAX_FACES, read_texture
from sim_bridge.embedded.state import State
from sim_bridge.frames import NedPose
from sim_bridge.world.materials import INDEX

TOWN = state_of(package(HOUSE, CROWN))
EMPTY = state_of(package())


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


def test_patterns_are_checked() -> None:
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
