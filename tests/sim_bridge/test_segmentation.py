"""Segmentation ids of AirSim and Colosseum, colours and annotation layers of Cosys-AirSim."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from inside import HEIGHT, WIDTH, Inside, RpcFailed, inside, two_houses

from sim_bridge.airsim.messages import ImageType
from sim_bridge.airsim.palette import static_palette
from sim_bridge.airsim.structs import Codec, pack, packed_vectors
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.config import AnnotationLayer
from sim_bridge.embedded.instance_colours import COLOURS, Colour, colour_map, colour_of, painted
from sim_bridge.embedded.objects import GROUPS
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, NED, look_at
from sim_bridge.world.materials import TABLE

ABOVE = look_at(ENU(0, 0, 0), 60, 0, 0)
ROOF, LAWN = (HEIGHT // 2, WIDTH // 2), (0, 0)
LAYERS = (AnnotationLayer("paint", 0, set_direct=True), AnnotationLayer("index", 0), AnnotationLayer("shade", 1),
          AnnotationLayer("cloth", 2), AnnotationLayer("empty", 0, default=False))


@pytest.fixture
def airsim(tmp_path: Path) -> Inside:
    found = inside(tmp_path)
    found.place(ABOVE)
    return found


@pytest.fixture
def cosys(tmp_path: Path) -> Inside:
    found = inside(tmp_path, "cosys", annotation=LAYERS)
    found.place(ABOVE)
    return found


# ids

def test_an_exact_name_is_case_sensitive_and_a_pattern_is_not(airsim: Inside) -> None:
    assert not airsim.call("simSetSegmentationObjectID", "MAGE_building_7", 9, False)
    assert airsim.call("simSetSegmentationObjectID", "MAGE_building_[0-9]+", 77, True)
    assert not airsim.call("simSetSegmentationObjectID", "building_7", 9, True)      # the whole name
    assert airsim.call("simGetSegmentationObjectID", "mage_building_7") == 77
    assert airsim.call("simGetSegmentationObjectID", "mage_building_12") == 77
    assert airsim.call("simGetSegmentationObjectID", "MAGE_building_7") == -1
    assert airsim.call("simGetSegmentationObjectID", "mage_trees") == CLASS_ID["tree"]
    assert tuple(airsim.picture(ImageType.SEGMENTATION)[ROOF]) == tuple(static_palette()[77])


@pytest.mark.parametrize(("asked", "kept", "grey"), [(255, 255, 255), (256, 255, 255), (2**40, 255, 255),
                                                     (-1, -1, CLASS_ID["grass"]), (-9, -1, CLASS_ID["grass"])])
def test_ids_beyond_the_table_are_its_last_and_negative_ones_take_out_of_the_picture(airsim: Inside, asked: int,
                                                                                     kept: int, grey: int) -> None:
    assert airsim.call("simSetSegmentationObjectID", "mage_building_7", asked, False)
    assert airsim.call("simGetSegmentationObjectID", "mage_building_7") == kept
    assert airsim.picture(ImageType.INFRARED)[ROOF][0] == grey


def test_patterns_that_could_run_for_ever_are_refused(airsim: Inside) -> None:
    with pytest.raises(RpcFailed, match="regular expression"):
        airsim.call("simSetSegmentationObjectID", "(?=a)(a+)+$", 1, True)


def test_without_start_up_ids_only_what_was_named_shows(tmp_path: Path) -> None:
    server = inside(tmp_path, segmentation_init="None")
    server.place(ABOVE)
    assert not server.picture(ImageType.INFRARED).any()
    assert server.call("simGetSegmentationObjectID", "mage_building_7") == 0
    server.call("simSetSegmentationObjectID", "mage_building_7", 19, False)
    grey = server.picture(ImageType.INFRARED)
    assert grey[ROOF][0] == 19
    assert np.count_nonzero(grey[..., 0]) < grey[..., 0].size / 2


# Cosys' colours

def test_the_list_of_colours_is_that_of_cosysairsim() -> None:
    colours = colour_map()
    # of `colormap.npy` in the package cosysairsim 3.5.0, as bytes
    digest = "4f4a998f1b6b5293eedb9a1e4c9acab98037ee7cf09f9421b0ef3c1db1964dab"
    assert hashlib.sha256(colours.tobytes()).hexdigest() == digest
    assert colours[:8].tolist() == [[255, 255, 255], [255, 255, 127], [255, 127, 255], [255, 127, 127],
                                    [127, 255, 255], [127, 255, 127], [127, 127, 255], [127, 127, 127]]
    assert colours[-3:].tolist() == [[252, 252, 248], [252, 252, 250], [252, 252, 252]]
    used = np.zeros((256, 256, 256), np.bool_)
    used[tuple(colours.T)] = True
    assert np.count_nonzero(used) == COLOURS == 140**3


def test_entry_i_of_the_list_has_colour_i(cosys: Inside) -> None:
    names = cosys.call("simListInstanceSegmentationObjects")
    assert set(names) == {*GROUPS, "mage_building_7", "mage_building_12"}
    for place, name in enumerate(names):
        assert cosys.call("simGetSegmentationObjectID", name) == place
    picture = cosys.picture(ImageType.SEGMENTATION)
    assert tuple(picture[ROOF]) == colour_of(names.index("mage_building_7"))
    assert tuple(picture[LAWN]) == colour_of(names.index("mage_terrain_grass"))
    assert {tuple(c) for c in picture.reshape(-1, 3)} <= {colour_of(place) for place in range(len(names))}
    poses = cosys.call("simListInstanceSegmentationPoses", True, False)
    assert len(poses) == len(names)
    assert poses[names.index("mage_building_12")]["position"]["y_val"] == pytest.approx(18)


def test_an_object_takes_any_colour_of_the_list_and_may_share_it(cosys: Inside) -> None:
    assert cosys.call("simSetSegmentationObjectID", "mage_building_7", 2_000_000, False)
    assert tuple(cosys.picture(ImageType.SEGMENTATION)[ROOF]) == tuple(colour_map()[2_000_000])
    assert cosys.call("simSetSegmentationObjectID", ".*BUILDING.*", 3, True)
    assert [cosys.call("simGetSegmentationObjectID", f"mage_building_{i}") for i in (7, 12)] == [3, 3]
    assert cosys.call("simSetSegmentationObjectID", "mage_building_7", COLOURS, False)
    assert tuple(cosys.picture(ImageType.SEGMENTATION)[ROOF]) == (0, 0, 0)
    assert not cosys.call("simSetSegmentationObjectID", "nobody", 3, False)
    assert cosys.call("simGetSegmentationObjectID", "nobody") == -1


def test_ids_stay_when_objects_come_later(cosys: Inside) -> None:
    first = cosys.call("simListInstanceSegmentationObjects")
    cosys.call("simSpawnObject", "Crate", "Cube", {}, {"x_val": 1, "y_val": 1, "z_val": 1}, False, False)
    assert cosys.call("simListInstanceSegmentationObjects")[:len(first)] == first


def test_ids_outlive_what_a_grid_lets_go_and_end_with_the_world(cosys: Inside) -> None:
    first = cosys.call("simListInstanceSegmentationObjects")
    made = two_houses()
    house, hut = made.world.buildings
    present = cosys.simulator.state.loaded
    assert present is not None
    later = Scene(replace(made, world=replace(made.world, buildings=(hut, replace(house, id=30)))))
    cosys.simulator.update(loaded=replace(present, scene=later))
    cosys.picture(ImageType.SEGMENTATION)
    assert cosys.call("simListInstanceSegmentationObjects") == [*first, "mage_building_30"]
    poses = cosys.call("simListInstanceSegmentationPoses", True, False)
    assert math.isnan(poses[first.index("mage_building_7")]["position"]["x_val"])
    assert not math.isnan(poses[-1]["position"]["x_val"])
    cosys.simulator.update(loaded=replace(present, world_id="another", scene=later))
    assert cosys.call("simListInstanceSegmentationObjects")[-2:] == ["mage_building_12", "mage_building_30"]


def test_the_whole_list_travels_in_one_reply() -> None:
    few = colour_map()[:70_000].astype(np.float32)
    plain = Codec("cosys", arrays=False).plain("[Vector3r]", [NED(*(float(v) for v in row)) for row in few[:100]])
    assert packed_vectors(few[:100]) == pack(plain, single=True)
    assert len(packed_vectors(few)) == 5 + 34 * len(few)


@given(st.data())
def test_painting_is_looking_up_each_pixel(data: st.DataObject) -> None:
    material = data.draw(arrays(np.uint16, (3, 4), elements=st.integers(0, len(TABLE) - 1)))
    instance = data.draw(arrays(np.uint32, (3, 4), elements=st.sampled_from([0, 1, 7, 2**20, 2**30 + 1])))
    names = [*GROUPS, "mage_building_1", "mage_building_7", "mage_building_99", "Crate"]
    colours: dict[str, Colour] = {name: (i + 1, 2 * i, 255 - i)
                                  for i, name in enumerate(data.draw(st.lists(st.sampled_from(names), unique=True)))}
    spawned = {"Crate": 2**30 + 1}
    found = painted(material, instance, colours, spawned)
    owners = {1: "mage_building_1", 7: "mage_building_7", 2**30 + 1: "Crate"}
    classes = {number: name for name, number in GROUPS.items()}
    for place in np.ndindex(3, 4):
        own = owners.get(int(instance[place]), "") if instance[place] else classes.get(
            TABLE[int(material[place])].semantic, "")
        assert tuple(found[place]) == colours.get(own, (0, 0, 0))


# Cosys' annotation layers

def test_layers_with_default_list_all_objects_in_black(cosys: Inside) -> None:
    names = cosys.call("simListInstanceSegmentationObjects")
    for layer in ("paint", "index", "shade", "cloth"):
        assert cosys.call("simListAnnotationObjects", layer) == names
        assert not cosys.picture(ImageType.ANNOTATION, layer=layer).any()
    assert cosys.call("simListAnnotationObjects", "empty") == cosys.call("simListAnnotationObjects", "none") == []
    poses = cosys.call("simListAnnotationPoses", "paint", True, True)
    assert len(poses) == len(names)
    assert not any(math.isnan(pose["position"]["x_val"]) for pose in poses)


def test_direct_colours(cosys: Inside) -> None:
    assert cosys.call("simGetAnnotationObjectColor", "paint", "mage_building_7") == "0,0,0"
    assert cosys.call("simSetAnnotationObjectColor", "paint", "mage_building_7", 255, 10, 300, False)
    assert cosys.call("simGetAnnotationObjectColor", "paint", "mage_building_7") == "255,10,44"
    picture = cosys.picture(ImageType.ANNOTATION, layer="paint")
    assert tuple(picture[ROOF]) == (255, 10, 44)
    assert not picture[LAWN].any()
    assert not cosys.call("simSetAnnotationObjectID", "paint", "mage_building_7", 3, False)
    assert cosys.call("simGetAnnotationObjectID", "paint", "mage_building_7") == -1


def test_colours_by_index(cosys: Inside) -> None:
    assert cosys.call("simGetAnnotationObjectID", "index", "mage_trees") == COLOURS - 1
    assert cosys.call("simSetAnnotationObjectID", "index", "MAGE_.*ING_7", 1000, True)
    assert cosys.call("simGetAnnotationObjectID", "index", "mage_building_7") == 1000
    assert tuple(cosys.picture(ImageType.ANNOTATION, layer="index")[ROOF]) == colour_of(1000)
    assert not cosys.call("simSetAnnotationObjectColor", "index", "mage_building_7", 1, 2, 3, False)
    assert cosys.call("simGetAnnotationObjectColor", "index", "mage_building_7") == ""


def test_grey_values(cosys: Inside) -> None:
    assert cosys.call("simSetAnnotationObjectValue", "shade", "mage_building_7", 0.76, False)
    assert cosys.call("simGetAnnotationObjectValue", "shade", "mage_building_7") == pytest.approx(0.76)
    # what Cosys' documentation says of 0.76
    assert tuple(cosys.picture(ImageType.ANNOTATION, layer="shade")[ROOF]) == (194, 194, 194)
    assert cosys.call("simSetAnnotationObjectValue", "shade", "mage_building_7", 7.0, False)
    assert cosys.call("simGetAnnotationObjectValue", "shade", "mage_building_7") == 1
    assert cosys.call("simGetAnnotationObjectValue", "index", "mage_building_7") == 0


def test_calls_add_no_objects(cosys: Inside) -> None:
    assert not cosys.call("simSetAnnotationObjectID", "empty", "mage_building_7", 3, False)
    assert cosys.call("simGetAnnotationObjectID", "empty", "mage_building_7") == -1
    assert not cosys.call("simSetAnnotationObjectColor", "none", "mage_building_7", 1, 2, 3, False)
    assert not cosys.call("simSetAnnotationObjectColor", "paint", "nobody", 1, 2, 3, False)


def test_textures_are_absent(cosys: Inside) -> None:
    assert not cosys.call("simSetAnnotationObjectTextureByPath", "cloth", "mage_trees", "/a.png", False)
    assert not cosys.call("simEnableAnnotationObjectTextureByPath", "cloth", "mage_trees", False)
    assert cosys.call("simGetAnnotationObjectTexturePath", "cloth", "mage_trees") == ""
