"""Recordings: AirSim's files and columns, what triggers a line, what ends a recording, where it may write."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensing import call, load, simulated
from serving import SPEC, end, start
from small_world import box

from sim_bridge.airsim.calls.registry import Context
from sim_bridge.embedded import recording
from sim_bridge.embedded.config import IDENTITY, RecordingConfig
from sim_bridge.embedded.recording import Moment, Picture, Recording, new_folder, pfm, ppm
from sim_bridge.embedded.state import Kinematics, Vehicle
from sim_bridge.errors import InputError
from sim_bridge.frames import NED, NedPose, quaternion_from_euler

HOUSE = box((-5, -5, 0), (5, 5, 10), "roof_metal", "wall_plaster", instance=7)
COLUMNS = ["VehicleName", "TimeStamp", "POS_X", "POS_Y", "POS_Z", "Q_W", "Q_X", "Q_Y", "Q_Z", "ImageFile"]
POSE = NedPose(NED(-3.25, 1.5, -12.125), quaternion_from_euler(0, -90, 30))


def table(folder: Path) -> list[dict[str, str]]:
    """Lines of the newest recording below a folder, by column."""
    lines = sorted(folder.rglob("airsim_rec.txt"))[-1].read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def header(folder: Path) -> list[str]:
    return next(folder.rglob("airsim_rec.txt")).read_text().splitlines()[0].split("\t")


def eventually(condition: Any) -> None:
    """Waits for what other threads and processes bring about."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Context]:
    context = simulated("Multirotor", recording=RecordingConfig(interval_s=0.1), recording_root=tmp_path)
    load(context, HOUSE)
    yield context
    context.simulator.close()


def test_a_line_for_each_interval_of_simulated_time(flight: Context, tmp_path: Path) -> None:
    call(flight, "startRecording")
    assert call(flight, "isRecording")
    flight.simulator.continue_for(1.0).result(60)
    call(flight, "stopRecording")
    assert not call(flight, "isRecording")
    flight.simulator.continue_for(0.5).result(60)
    assert header(tmp_path) == COLUMNS
    times = [int(row["TimeStamp"]) for row in table(tmp_path)]
    assert len(times) == 11
    assert np.diff(times).tolist() == pytest.approx([100] * 10, abs=1)


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    folders = []
    for run in ("one", "two"):
        context = simulated("Multirotor", recording=RecordingConfig(run, 0.2), recording_root=tmp_path)
        load(context, HOUSE)
        call(context, "startRecording")
        context.simulator.continue_for(0.6).result(60)
        call(context, "stopRecording")
        context.simulator.close()
        (folder,) = (tmp_path / run).iterdir()
        folders.append({path.name: path.read_bytes() for path in folder.rglob("*.*")})
    assert folders[0] == folders[1]
    assert len(folders[0]) == 5


def test_poses_and_pictures_of_computer_vision_mode_are_those_that_were_set(tmp_path: Path) -> None:
    cameras = ({"CameraName": "0", "ImageType": 0, "PixelsAsFloat": False, "Compress": True, "VehicleName": "A"},
               {"CameraName": "0", "ImageType": 1, "PixelsAsFloat": True, "Compress": False, "VehicleName": "A"},
               {"CameraName": "0", "ImageType": 5, "PixelsAsFloat": False, "Compress": False, "VehicleName": "A"})
    context = simulated("ComputerVision", recording=RecordingConfig("", 0.01, cameras=cameras),
                        recording_root=tmp_path)
    load(context, HOUSE)
    context.simulator.place_vehicle("A", POSE)
    call(context, "startRecording")
    eventually(lambda: list(tmp_path.rglob("airsim_rec.txt")) and table(tmp_path))
    call(context, "stopRecording")
    row = table(tmp_path)[0]
    at, q = POSE.position, POSE.orientation
    assert [float(row[name]) for name in COLUMNS[2:9]] == pytest.approx(
        [at.north, at.east, at.down, q.w, q.x, q.y, q.z], abs=1e-6)
    scene, depth, labels = (next(tmp_path.rglob(name)) for name in row["ImageFile"].split(";"))
    assert scene.name.startswith("img_A_0_0_") and scene.suffix == ".png"
    assert (depth.suffix, labels.suffix) == (".pfm", ".ppm")
    wanted = [{"camera_name": "0", "image_type": kind, "pixels_as_float": kind == 1, "compress": False,
               "annotation_name": ""} for kind in (0, 1, 5)]
    shown = call(context, "simGetImages", wanted, "A", False)
    bgr, ids = (np.frombuffer(shown[i]["image_data_uint8"], np.uint8).reshape(48, 64, 3) for i in (0, 2))
    np.testing.assert_array_equal(cv2.imread(str(scene)), bgr)
    np.testing.assert_array_equal(cv2.imread(str(labels)), ids)
    np.testing.assert_array_equal(read_pfm(depth), np.reshape(shown[1]["image_data_float"], (48, 64)))


def read_pfm(path: Path) -> Any:
    kind, size, scale, data = path.read_bytes().split(b"\n", 3)
    assert (kind, float(scale)) == (b"Pf", -1.0)
    width, height = (int(word) for word in size.split())
    return np.frombuffer(data, "<f4").reshape(height, width)[::-1]


def test_on_move_only_what_moved_is_recorded(tmp_path: Path) -> None:
    context = simulated("ComputerVision", recording=RecordingConfig("", 0.0, on_move=True), recording_root=tmp_path)
    load(context, HOUSE)
    taken = Recording(new_folder(tmp_path, ""), RecordingConfig("", 0.0, on_move=True), ["computervision"],
                      lambda name: Moment(context.simulator.state.vehicles[name], 1, (Picture("0", 0, "png", b"x"),)))
    for step, down in enumerate((0.0, -1.0, -1.0, -2.0)):
        context.simulator.place_vehicle("A", NedPose(NED(0.0, 0.0, down), IDENTITY.orientation))
        taken.look(context.simulator.state, step)
    assert [float(row["POS_Z"]) for row in table(tmp_path)] == [-1.0, -2.0]


def test_without_a_world_nothing_is_written_and_nothing_breaks(tmp_path: Path) -> None:
    context = simulated("Multirotor", recording=RecordingConfig(interval_s=0.1), recording_root=tmp_path)
    call(context, "startRecording")
    context.simulator.continue_for(0.3).result(60)
    assert call(context, "isRecording")
    assert table(tmp_path) == []
    context.simulator.close()


@pytest.mark.parametrize("folder", ["../elsewhere", "/etc", "a/../../b"])
def test_it_stays_below_its_root(tmp_path: Path, folder: str) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(InputError, match="outside of the recording root"):
        new_folder(tmp_path / "root", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_a_link_out_of_the_root_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="outside"):
        new_folder(tmp_path / "root", "out")


def test_it_is_refused_without_a_root(flight: Context) -> None:
    with pytest.raises(InputError, match="--recording-root"):
        call(simulated("ComputerVision"), "startRecording")


def test_a_camera_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    context = simulated("ComputerVision", recording_root=tmp_path,
                        recording=RecordingConfig(cameras=({"CameraName": "ninth", "ImageType": 0},)))
    with pytest.raises(ValueError, match="map::at"):
        call(context, "startRecording")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=90), st.text(max_size=90))
def test_names_from_the_wire_make_plain_files(vehicle: str, camera: str) -> None:
    name = recording._file_name(vehicle, Picture(camera, 0, "png", b""), 1)
    assert Path(name).name == name and len(name) < 200 and name.isascii() and "/" not in name
    assert Path("/root/images", name).resolve().parent == Path("/root/images")


def test_it_ends_when_the_disk_is_nearly_full(flight: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              caplog: pytest.LogCaptureFixture) -> None:
    call(flight, "startRecording")
    flight.simulator.continue_for(0.2).result(60)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=recording.LEAST_FREE_BYTES))
    flight.simulator.continue_for(0.2).result(60)
    assert not call(flight, "isRecording")
    assert "MiB would be left on the disk" in caplog.text
    assert len(table(tmp_path)) == 3


def test_it_ends_when_its_folder_is_gone(flight: Context, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    call(flight, "startRecording")
    shutil.rmtree(next(tmp_path.iterdir()))
    flight.simulator.continue_for(0.4).result(60)
    assert not call(flight, "isRecording")
    assert "No such file" in caplog.text and list(tmp_path.iterdir()) == []


def test_it_ends_at_its_limit(flight: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recording, "MAX_BYTES", 5000)
    call(flight, "startRecording")
    flight.simulator.continue_for(2.0).result(60)
    assert not call(flight, "isRecording")
    assert 0 < sum(path.stat().st_size for path in tmp_path.rglob("*.*")) <= 5000 + 2000


def test_pictures_and_recordings_are_counted(flight: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recording, "MAX_PICTURES", 3)
    monkeypatch.setattr(recording, "MAX_RECORDINGS", 2)
    call(flight, "startRecording")
    flight.simulator.continue_for(1.0).result(60)
    assert not call(flight, "isRecording") and len(list(tmp_path.rglob("*.png"))) == 3
    call(flight, "startRecording")
    with pytest.raises(InputError, match="2 recordings are in"):
        call(flight, "startRecording")


def test_a_new_recording_has_a_folder_of_its_own(flight: Context, tmp_path: Path) -> None:
    call(flight, "startRecording")
    call(flight, "startRecording")
    assert len(list(tmp_path.iterdir())) == 2


def test_cars_have_their_columns(tmp_path: Path) -> None:
    config = simulated("Car", recording_root=tmp_path).simulator.state.vehicles["A"]
    car = (0.5, -0.25, 0.0, 1, False, 3000.0, 8.25)
    moment = Moment(Vehicle(config.config, kinematics=Kinematics(POSE)), 5_000_000, (Picture("", 0, "png", b"x"),), car)
    taken = Recording(new_folder(tmp_path, ""), RecordingConfig(), ["physxcar"], lambda _: moment)
    taken.look(simulated("Car").simulator.state, 0)
    (row,) = table(tmp_path)
    assert [row[name] for name in recording.CAR_COLUMNS] == ["0.5", "-0.25", "0", "1", "0", "3000", "8.25"]
    assert row["ImageFile"] == "img_A__0_5000000.png"


def test_maps_are_read_back() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    kind, size, scale, data = pfm(values).split(b"\n", 3)
    assert (kind, size, scale) == (b"Pf", b"4 3", b"-1")
    np.testing.assert_array_equal(np.frombuffer(data, "<f4").reshape(3, 4)[::-1], values)
    rgb = np.arange(24, dtype=np.uint8)
    picture = cv2.imdecode(np.frombuffer(ppm(rgb.tobytes(), 4, 2), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(picture[..., ::-1].ravel(), rgb)


def test_a_server_that_ends_leaves_whole_files(world_root: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"SettingsVersion": 1.2, "SimMode": "ComputerVision", "Recording": {
        "RecordInterval": 0.01, "Cameras": [{"CameraName": "0", "ImageType": 0, "Compress": True}]}}))
    root = tmp_path / "recordings"
    root.mkdir()
    running = start(world_root, "--settings", str(settings), "--recording-root", str(root))
    with running.client() as client:
        client.console(f"mage.load {SPEC.world_id}")
        client.call("startRecording")
        assert client.call("isRecording")
        eventually(lambda: len(table(root)) > 2)
    assert end(running) == 0
    rows = table(root)
    assert all(cv2.imread(str(next(root.rglob(row["ImageFile"])))) is not None for row in rows)
