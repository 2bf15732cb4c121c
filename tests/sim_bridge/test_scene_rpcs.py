"""Objects, geometry and markers by their RPCs, through real sockets, in each dialect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from edited_world import package
from serving import SPEC, Running, end, start, write_world

from sim_bridge.airsim.client import Client
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION
from sim_bridge.errors import SimulatorError
from sim_bridge.frames import ENU, NED, NedPose, Quaternion, geodetic_from_enu, look_at
from sim_bridge.spec import SceneSpec
from sim_bridge.world.package import write_package

LEVEL = Quaternion(1.0, 0.0, 0.0, 0.0)
UNIT = NED(1.0, 1.0, 1.0)
EAST = look_at(ENU(20, 0, 0), 60, 0, 0)
UNKNOWN = "0123456789abcdef"


@dataclass(frozen=True)
class Place:
    """A server of one dialect, and its folders."""

    server: Running
    worlds: Path
    records: Path
    dialect: str


EVERY = pytest.mark.parametrize("place", ["airsim", "colosseum", "cosys"], indirect=True)
ONE = pytest.mark.parametrize("place", ["airsim"], indirect=True)


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    worlds, records = tmp_path_factory.mktemp("worlds"), tmp_path_factory.mktemp("records")
    write_world(worlds)
    server = start(worlds, "--dialect", request.param, "--recording-root", str(records))
    yield Place(server, worlds, records, request.param)
    end(server)


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    with place.server.client() as client:
        client.console(f"mage.load {SPEC.world_id}")
        client.set_fov("0", 30.0)
        client.set_pose(EAST)
        yield client


def at(north: float, east: float, down: float) -> NedPose:
    return NedPose(NED(north, east, down), LEVEL)


def spawn(client: Client, name: str, asset: str, pose: NedPose, scale: NED = UNIT) -> str:
    return client.spawn_object(name, asset, pose, scale)


def picture(client: Client) -> Any:
    return client.images("0", [SCENE])[0].pixels.copy()


@EVERY
def test_an_object_is_spawned_shown_moved_scaled_and_destroyed(client: Client) -> None:
    empty = picture(client)
    assert {"1M_Cube_Chamfer", "PointLightBP", "Sphere"} <= set(client.ask("simListAssets"))
    name = spawn(client, "1M_Cube_Chamfer_spawn_17", "1M_Cube_Chamfer", at(0, 20, -4), NED(6, 6, 2))
    assert name == "1M_Cube_Chamfer_spawn_17" and name in client.list_objects()
    assert client.images("0", [DEPTH])[0].pixels[32, 48] == pytest.approx(60 - 5, abs=0.01)
    assert client.ask("simGetObjectScale", object_name=name) == NED(6, 6, 2)
    assert client.ask("simSetObjectScale", object_name=name, scale=NED(6, 6, 4))
    assert client.images("0", [DEPTH])[0].pixels[32, 48] == pytest.approx(60 - 6, abs=0.01)
    assert client.ask("simSetObjectPose", object_name=name, pose=at(3, 21, -10), teleport=True)
    assert client.object_pose(name) == at(3, 21, -10)
    assert (picture(client) != empty).any()
    assert client.destroy_object(name) and not client.destroy_object(name)
    assert (picture(client) == empty).all() and name not in client.list_objects()


@ONE
def test_callers_at_once_get_objects_of_their_own(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: spawn(client, "Box", "Cube", at(0, 20, -4)), range(24)))
    assert sorted(names) == sorted(["Box", *(f"Box{i}" for i in range(1, 24))])


@ONE
def test_without_teleport_an_object_stops_before_what_is_in_its_way(client: Client) -> None:
    name = spawn(client, "Box", "Cube", at(0, 20, -1), NED(2, 2, 2))
    assert client.ask("simSetObjectPose", object_name=name, pose=at(0, -20, -1), teleport=False)
    pose = client.object_pose(name)
    assert pose is not None and pose.position.east == pytest.approx(6, abs=0.1)


@ONE
def test_names_are_counted_on_from_the_greatest(client: Client) -> None:
    names = [spawn(client, "Box", "Cube", at(0, 20, -4)) for _ in range(3)]
    assert names == ["Box", "Box1", "Box2"]
    assert spawn(client, "mage_building", "Cube", at(0, 20, -4)) == "mage_building8"


@EVERY
def test_what_does_not_exist(client: Client) -> None:
    assert client.object_pose("Non-Existent") is None
    nowhere = NedPose(NED(math.nan, math.nan, math.nan), LEVEL)
    assert client.ask("simSetObjectPose", object_name="Non-Existent", pose=nowhere, teleport=True) is False
    assert client.ask("simGetObjectScale", object_name="Non-Existent") == NED(0, 0, 0)
    assert client.ask("simSetObjectScale", object_name="Non-Existent", scale=UNIT) is False
    assert client.destroy_object("Non-Existent") is False
    with pytest.raises(SimulatorError, match="There were no objects with name Nope found in the Registry"):
        spawn(client, "x", "Nope", at(0, 0, 0))
    with pytest.raises(SimulatorError, match="not finite"):
        client.ask("simSetObjectPose", object_name="mage_building_7", pose=nowhere, teleport=True)
    with pytest.raises(SimulatorError, match="scale"):
        spawn(client, "x", "Cube", at(0, 0, 0), NED(1, 1, 1e6))


@ONE
def test_a_vehicle_is_an_object_that_can_be_moved(client: Client) -> None:
    assert client.ask("simSetObjectPose", object_name="ComputerVision", pose=at(1, 2, -3), teleport=True)
    assert client.object_pose("ComputerVision") == at(1, 2, -3)
    assert client.ask("simGetVehiclePose", vehicle_name="") == at(1, 2, -3)
    assert client.ask("simGetObjectScale", object_name="ComputerVision") == UNIT
    assert client.destroy_object("ComputerVision") is False


@EVERY
def test_a_spawned_object_is_segmented_once_it_has_an_id(client: Client, place: Place) -> None:
    before = client.images("0", [SEGMENTATION])[0].pixels.copy()
    name = spawn(client, "thing", "Cube", at(0, 20, -4), NED(6, 6, 2))
    fresh = client.images("0", [SEGMENTATION])[0].pixels.copy()
    assert (fresh == before).all() == (place.dialect != "cosys")
    assert client.set_segmentation_id(name, 200)
    marked = client.images("0", [SEGMENTATION])[0].pixels
    assert (marked[32, 48] != before[32, 48]).any() and (marked[2, 2] == before[2, 2]).all()


@EVERY
def test_tags_by_the_names_of_two_dialects(client: Client, place: Place) -> None:
    if place.dialect == "colosseum":
        assert client.call("simListSceneObjectsByTag", "build.*") == ["mage_building_7"]
    elif place.dialect == "cosys":
        assert client.call("simListSceneObjectsTags", "build.*") == [["mage_building_7", "building"]]
        assert client.call("simGetObjectPose", "building", False) == client.call("simGetObjectPose", "mage_building_7",
                                                                                 True)
    else:
        assert client.object_pose("building") is None


@ONE
def test_materials_and_textures(client: Client, place: Place) -> None:
    plain = picture(client)
    name = spawn(client, "OrangeBall", "OrangeBall", at(0, 20, -10), NED(8, 8, 8))
    orange = picture(client)[32, 48].astype(int)
    assert orange[0] > 1.5 * orange[1] > 1.5 * orange[2]
    cv2.imwrite(str(place.worlds / "sample_texture.png"), np.full((8, 8, 3), (250, 10, 10), np.uint8))
    ask = {"object_name": name, "component_id": 0}
    assert client.ask("simSetObjectMaterialFromTexture", texture_path="sample_texture.png", **ask)
    blue = picture(client)[32, 48].astype(int)
    assert blue[2] > 2 * blue[0]
    assert client.ask("simSetObjectMaterialFromTexture", texture_path="missing.png", **ask) is False
    with pytest.raises(SimulatorError, match="out of the folder"):
        client.ask("simSetObjectMaterialFromTexture", texture_path="/etc/passwd", **ask)
    assert client.ask("simSetObjectMaterial", material_name="/Game/Materials/roof_white.roof_white", **ask)
    assert picture(client)[32, 48].astype(int).sum() > blue.sum()
    assert client.ask("simSetObjectMaterial", material_name="/Game/M_Brick", **ask) is False
    far = {"object_name": name, "component_id": 10**9}
    assert client.ask("simSetObjectMaterial", material_name="ash", **far) is False
    assert client.ask("simSwapTextures", tag="building", tex_id=0, component_id=0, material_id=0) == []
    assert client.destroy_object(name) and (picture(client) == plain).all()


@EVERY
def test_lights_are_objects(client: Client, place: Place) -> None:
    """The steps of AirSim's light_control.py."""
    (light,) = client.list_objects("PointLight.*")
    pose = client.object_pose(light)
    assert pose is not None and client.destroy_object(light)
    fresh = spawn(client, "PointLight", "PointLightBP", pose)
    method = "simSetWorldLightIntensity" if place.dialect == "cosys" else "simSetLightIntensity"
    assert client.call(method, fresh, 100.0) is True
    assert client.call(method, "mage_building_7", 100.0) is False
    if place.dialect == "cosys":
        assert client.call("simSetWorldLightVisibility", fresh, False) is True
        assert client.call("simSetVehicleLightVisibility", "ComputerVision", "x", False) is False
        assert client.call("simSetVehicleLightIntensity", "ComputerVision", "x", 1.0) is False


@ONE
def test_levels_are_worlds(client: Client, place: Place) -> None:
    other = SceneSpec(seed=4)
    assert client.ask("simLoadLevel", level_name=SPEC.world_id) is False
    for name in (other.world_id, UNKNOWN, "../worlds", "Blocks", ""):
        assert client.ask("simLoadLevel", level_name=name) is False
    spawn(client, "thing", "Cube", at(0, 20, -4))
    client.reset()
    assert "thing" in client.list_objects()
    client.console(f"mage.load {SPEC.world_id}")
    assert "thing" not in client.list_objects()
    made = package()
    write_package(place.worlds, other, replace(made.world, buildings=()), replace(made.aftermath, damage=()))
    client.ask("simSetVehiclePose", pose=at(1, 2, -3), ignore_collision=True, vehicle_name="")
    assert client.ask("simLoadLevel", level_name=other.world_id) is True
    assert client.list_objects("mage_(state|building)_.*") == [f"mage_state_{other.world_id}_before_rgb_ready"]
    assert client.ask("simGetVehiclePose", vehicle_name="") == at(0, 0, 0)


@ONE
def test_lines_of_sight_and_extents(client: Client) -> None:
    low, high = client.ask("simGetWorldExtents")
    assert low.lat_deg < high.lat_deg and low.lon_deg < high.lon_deg
    assert high.alt_m - low.alt_m == pytest.approx(10, abs=0.1)
    middle = type(low)((low.lat_deg + high.lat_deg) / 2, (low.lon_deg + high.lon_deg) / 2, low.alt_m)

    def point(east: float, north: float, up: float) -> Any:
        return geodetic_from_enu(ENU(east, north, up), middle)

    def sees(a: Any, b: Any) -> Any:
        return client.ask("simTestLineOfSightBetweenPoints", point1=a, point2=b)
    assert sees(point(-20, 0, 5), point(20, 0, 5)) is False
    assert sees(point(-20, 0, 25), point(20, 0, 25)) is True
    assert client.ask("simTestLineOfSightToPoint", point=point(20, 0, 1), vehicle_name="") is True
    assert client.ask("simTestLineOfSightToPoint", point=point(-40, 0, 1), vehicle_name="") is True
    assert client.ask("simTestLineOfSightToPoint", point=point(-7, 0, 1), vehicle_name="") is False
    with pytest.raises(SimulatorError, match=r"point near the earth|from the world"):
        sees(type(low)(80.0, 10.0, 0.0), low)


@EVERY
def test_the_rotation_to_an_object(client: Client, place: Place) -> None:
    if place.dialect == "colosseum":
        client.ask("simSetVehiclePose", pose=at(0, 20, -1), ignore_collision=True, vehicle_name="")
        spawn(client, "target", "Cube", at(0, 30, -11))
        assert client.call("simFindLookAtRotation", "", "target") == pytest.approx([45, 0, 90])
        assert client.call("simFindLookAtRotation", "", "nothing") == [0, 0, 0]


@ONE
def test_a_voxel_grid_is_written_below_the_recording_root(client: Client, place: Place) -> None:
    ask = {"position": NED(0, 0, -5), "x": 20, "y": 20, "z": 12, "res": 1.0}
    assert client.ask("simCreateVoxelGrid", output_file="grids/a.binvox", **ask) is True
    head = (place.records / "grids" / "a.binvox").read_bytes().split(b"data\n")[0]
    assert head == b"#binvox 1\ndim 20 12 20\ntranslate -10 -10 -6\nscale 0.05\n"
    for path in ("../a.binvox", "/tmp/a.binvox"):
        with pytest.raises(SimulatorError, match="out of the folder"):
            client.ask("simCreateVoxelGrid", output_file=path, **ask)
    with pytest.raises(SimulatorError, match="expected"):
        client.ask("simCreateVoxelGrid", output_file="b.binvox", **{**ask, "res": 1e-6})
    assert client.ask("simCreateVoxelGrid", output_file="grids", **ask) is False
    assert [path.name for path in place.records.rglob("*.binvox")] == ["a.binvox"]


@EVERY
def test_meshes_are_in_unreals_frame(client: Client) -> None:
    spawn(client, "Box", "Cube", at(3, 20, -4), NED(2, 4, 6))
    found = {mesh["name"]: mesh for mesh in client.ask("simGetMeshPositionVertexBuffers")}
    assert list(found) == ["mage_building_7", "box"]
    corners = np.asarray(found["box"]["vertices"]).reshape(-1, 3)
    assert found["box"]["position"] == NED(300, 2000, 400)
    assert corners.min(axis=0).tolist() == [200, 1800, 100] and corners.max(axis=0).tolist() == [400, 2200, 700]
    assert max(found["box"]["indices"]) == len(corners) - 1 and len(found["box"]["indices"]) == 36


@ONE
def test_markers_show_in_scene_images_for_their_time(client: Client) -> None:
    plain, depth = picture(client), client.images("0", [DEPTH])[0].pixels.copy()
    line = {"points": [NED(-5, 20, -1), NED(5, 20, -1)], "color_rgba": [1, 0, 1, 1], "thickness": 100.0}
    client.ask("simPlotLineStrip", duration=-1.0, is_persistent=True, **line)
    marked = picture(client)
    assert marked[32, 48].tolist() == [255, 0, 255] and (marked != plain).any(axis=2).sum() < 400
    assert (client.images("0", [DEPTH])[0].pixels == depth).all()
    client.ask("simFlushPersistentMarkers")
    assert (picture(client) == plain).all()
    client.ask("simPlotPoints", points=[NED(0, 20, -1)], color_rgba=[0, 0, 1, 1], size=5.0, duration=1000.0,
               is_persistent=False)
    client.ask("simFlushPersistentMarkers")
    assert picture(client)[32, 48].tolist() == [0, 0, 255]
    client.console(f"mage.load {SPEC.world_id}")
    client.set_pose(EAST)
    assert (picture(client) == plain).all()


@ONE
def test_every_plot_call_is_taken(client: Client) -> None:
    points, poses = [NED(-5, 20, -1), NED(5, 22, -1)], [at(0, 20, -1), at(3, 20, -1)]
    look: dict[str, Any] = {"color_rgba": [1, 1, 0, 1], "duration": 100.0}
    client.ask("simPlotArrows", points_start=points, points_end=points[::-1], thickness=5.0, arrow_size=100.0,
               is_persistent=False, **look)
    client.ask("simPlotLineList", points=points * 2, thickness=5.0, is_persistent=False, **look)
    client.ask("simPlotTransforms", poses=poses, scale=300.0, thickness=30.0, duration=100.0, is_persistent=False)
    client.ask("simPlotStrings", strings=["a", "b"], positions=points, scale=1.0, **look)
    client.ask("simPlotTransformsWithNames", poses=poses, names=["a", "b"], tf_scale=300.0, tf_thickness=30.0,
               text_scale=1.0, text_color_rgba=[1, 1, 1, 1], duration=100.0)
    client.ask("simPlotPoints", points=[], size=1.0, is_persistent=False, **look)
    seen = {tuple(colour) for colour in picture(client).reshape(-1, 3).tolist()}
    assert {(255, 0, 0), (0, 255, 0), (255, 255, 0)} <= seen
    with pytest.raises(SimulatorError, match="at most"):
        client.ask("simPlotPoints", points=[NED(0, 0, 0)] * 20_001, size=1.0, is_persistent=True, **look)
