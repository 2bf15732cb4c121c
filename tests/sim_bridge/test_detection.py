"""Detections: filters, what is seen, and the boxes and poses that are said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inside import ROOF_M, Inside, RpcFailed, inside

from sim_bridge.airsim.dialects import DIALECTS
from sim_bridge.embedded.config import CaptureConfig
from sim_bridge.embedded.detection import MAX_CHARACTERS, MAX_NAMES
from sim_bridge.frames import (
    ENU,
    NED,
    CameraPose,
    enu_from_ned,
    look_at,
    ned_from_camera,
    project,
    rotation_from_quaternion,
)

ABOVE = look_at(ENU(0, 0, 0), 60, 0, 0)
ASLANT = look_at(ENU(3, 0, 2), 50, 45, 160, heading_deg=20)


@pytest.fixture(params=list(DIALECTS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    found = inside(tmp_path, request.param)
    found.place(ABOVE)
    return found


@pytest.fixture
def airsim(tmp_path: Path) -> Inside:
    found = inside(tmp_path)
    found.place(ABOVE)
    return found


def detections(server: Inside, kind: int = 0) -> dict[str, Any]:
    found = server.call("simGetDetections", "0", kind, "", *([""] if server.dialect == "cosys" else [False]))
    if server.dialect == "colosseum":
        return {row[0]: row for row in found}
    assert len({row["name"] for row in found}) == len(found)
    return {row["name"]: row for row in found}


def look_for(server: Inside, pattern: str, kind: int = 0) -> None:
    last = [""] if server.dialect == "cosys" else [False]
    server.call("simAddDetectionFilterMeshName", "0", kind, pattern, "", *last)


def corners(row: Any) -> list[tuple[float, float]]:
    return [(row["box2D"][end]["x_val"], row["box2D"][end]["y_val"]) for end in ("min", "max")]


def test_nothing_is_detected_before_it_is_looked_for(server: Inside) -> None:
    assert detections(server) == {}
    look_for(server, "mage_building_7")
    assert list(detections(server)) == ["mage_building_7"]
    assert detections(server, kind=5) == {}                      # each image type has its own filter
    last = [""] if server.dialect == "cosys" else [False]
    server.call("simClearDetectionMeshNames", "0", 0, "", *last)
    assert detections(server) == {}


@pytest.mark.parametrize(("pattern", "count"), [
    ("mage_building_*", 2), ("MAGE_BUILDING_?", 1), ("mage_building_??", 1), ("building*", 0), ("*", 4), ("*_1?", 1),
    ("mage.building.7", 0), ("", 0), ("mage_building_[0-9]*", 0)])
def test_stars_and_question_marks_are_all_there_is(airsim: Inside, pattern: str, count: int) -> None:
    look_for(airsim, pattern)
    found = [name for name in detections(airsim) if name != "Ground"]
    assert len(found) == count


def test_the_radius_is_in_centimetres_to_the_objects_place(airsim: Inside) -> None:
    look_for(airsim, "mage_building_*")
    airsim.call("simSetDetectionFilterRadius", "0", 0, 6100, "", False)
    assert list(detections(airsim)) == ["mage_building_7"]       # the other is hypot(60, 18) m away
    airsim.call("simSetDetectionFilterRadius", "0", 0, 6300, "", False)
    assert len(detections(airsim)) == 2
    airsim.call("simSetDetectionFilterRadius", "0", 0, -1, "", False)
    assert detections(airsim) == {}


def test_what_is_hidden_or_out_of_sight_is_not_detected(airsim: Inside) -> None:
    look_for(airsim, "mage_building_*")
    airsim.place(look_at(ENU(0, 0, 2), 20, 89, 270))             # the hut is behind the house
    assert list(detections(airsim)) == ["mage_building_7"]
    airsim.place(look_at(ENU(0, 0, 200), 20, 0, 0))
    airsim.call("simSetDetectionFilterRadius", "0", 0, 1e6, "", False)
    assert len(detections(airsim)) == 2                          # far away, but there
    airsim.place(look_at(ENU(0, 200, 0), 50, 0, 0))
    assert detections(airsim) == {}


@pytest.mark.parametrize("pose", [ABOVE, ASLANT])
def test_the_box_is_tight_around_the_objects_pixels(airsim: Inside, pose: CameraPose) -> None:
    airsim.place(pose)
    look_for(airsim, "mage_building_7")
    airsim.call("simSetSegmentationObjectID", "mage_building_7", 200, False)
    rows, columns = np.nonzero(airsim.picture(7)[..., 0] == 200)
    low, high = corners(detections(airsim)["mage_building_7"])
    assert low == (columns.min(), rows.min())
    assert high == (columns.max() + 1, rows.max() + 1)
    camera = airsim.simulator.view(airsim.simulator.find_camera("0")).camera
    box = np.array([(x, y, z) for x in (-5, 5) for y in (-5, 5) for z in (0, ROOF_M)], float)
    pixels, _ = project(box, pose, camera)
    np.testing.assert_allclose([*low, *high], [*pixels.min(axis=0), *pixels.max(axis=0)], atol=1.0)


@pytest.mark.parametrize("pose", [ABOVE, ASLANT])
def test_the_box_in_space_and_the_pose_are_relative_to_the_camera(airsim: Inside, pose: CameraPose) -> None:
    airsim.place(pose)
    look_for(airsim, "mage_building_12")
    row = detections(airsim)["mage_building_12"]
    camera = ned_from_camera(pose)
    turn = rotation_from_quaternion(camera.orientation)
    for end, corner in (("min", (-3, 15, 0)), ("max", (3, 21, -4))):      # least and most of north, east, height
        said = [row["box3D"][end][axis] for axis in ("x_val", "y_val", "z_val")]
        np.testing.assert_allclose(camera.position.array() + turn @ said, corner, atol=1e-3)
    position = row["relative_pose"]["position"]
    place = camera.position.array() + turn @ [position[axis] for axis in ("x_val", "y_val", "z_val")]
    np.testing.assert_allclose(place, (0, 18, 0), atol=1e-3)
    assert row["geo_point"]["longitude"] > -122
    assert row["geo_point"]["latitude"] == pytest.approx(38, abs=1e-5)


def test_a_group_is_one_object_around_what_is_seen_of_it(airsim: Inside) -> None:
    look_for(airsim, "mage_trees")
    row = detections(airsim)["mage_trees"]
    camera = ned_from_camera(ABOVE)
    turn = rotation_from_quaternion(camera.orientation)
    ends = [camera.position.array() + turn @ [row["box3D"][end][axis] for axis in ("x_val", "y_val", "z_val")]
            for end in ("min", "max")]
    top = [enu_from_ned(NED(*(float(v) for v in end))).up for end in ends]
    assert top[1] == pytest.approx(6, abs=0.1)
    assert ends[0][1] == pytest.approx(-16, abs=1.1)


def test_orthographic_cameras_detect_too(tmp_path: Path) -> None:
    server = inside(tmp_path, camera_defaults={0: CaptureConfig(64, 48, None, 64.0)})
    server.place(ABOVE)
    look_for(server, "mage_building_12")
    row = detections(server)["mage_building_12"]
    assert corners(row) == [(32 + 15, 21), (32 + 21, 27)]
    assert row["box3D"]["max"]["y_val"] == pytest.approx(21, abs=1)


def test_filters_are_bounded_and_cameras_checked(airsim: Inside) -> None:
    with pytest.raises(RpcFailed, match="characters are kept"):
        look_for(airsim, "x" * (MAX_CHARACTERS + 1))
    for number in range(MAX_NAMES):
        look_for(airsim, f"name{number}")
    with pytest.raises(RpcFailed, match=f"of {MAX_NAMES} names"):
        look_for(airsim, "one more")
    with pytest.raises(RpcFailed, match="map::at"):
        airsim.call("simGetDetections", "nose", 0, "", False)
    with pytest.raises(RpcFailed, match="image type"):
        airsim.call("simGetDetections", "0", 99, "", False)


def test_without_a_world_nothing_is_detected(airsim: Inside) -> None:
    look_for(airsim, "*")
    airsim.simulator.update(loaded=None)
    assert detections(airsim) == {}


def test_boxes_of_a_mesh_are_found_once(airsim: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    look_for(airsim, "mage_building_*")
    first = detections(airsim)
    counted = _Counted()
    monkeypatch.setattr("sim_bridge.embedded.detection.np.argsort", counted)
    assert detections(airsim) == first
    assert counted.calls == 1                                    # of the picture, not of the world's faces


class _Counted:
    """np.argsort that counts."""

    def __init__(self) -> None:
        self.calls, self._sort = 0, np.argsort

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        return self._sort(*args, **options)
