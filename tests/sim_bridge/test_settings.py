"""settings.json: where it is found, how it is read, what comes of it, what is told of what does not."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge.airsim.options import read_options
from sim_bridge.airsim.settings import Settings, found_settings, found_text, parsed
from sim_bridge.airsim.settings_schema import markdown, sections
from sim_bridge.embedded.config import MOUNTS, CaptureConfig, SimulatorConfig
from sim_bridge.errors import InputError
from sim_bridge.frames import NED, Geodetic, quaternion_from_euler

BASE = SimulatorConfig(Path("/nowhere"))
DRONES = """{
  // as users write it
  "SettingsVersion": 1.2, "SimMode": "Multirotor", "ClockSpeed": 5, "ClockType": "SteppableClock",
  "LocalHostIp": "127.0.0.2", "ApiServerPort": 41460,
  "OriginGeopoint": {"Latitude": 46.5, "Longitude": 7.25, "Altitude": NaN},
  "Wind": {"X": 3, "Z": -0.5},
  "TimeOfDay": {"Enabled": true, "StartDateTime": "2021-06-01 12:00:00", "CelestialClockSpeed": 10},
  "CameraDefaults": {"CaptureSettings": [
    {"ImageType": 0, "Width": 640, "Height": 480, "FOV_Degrees": 70},
    {"ImageType": 1, "Width": 320, "Height": 240, "ProjectionMode": "Orthographic", "OrthoWidth": 30},
    {"ImageType": -1, "Width": 9},
  ]},
  "Vehicles": {
    "Drone2": {"VehicleType": "SimpleFlight", "X": 4, "Y": 0, "Z": -2, "Yaw": 90},
    "Drone1": {"VehicleType": "simpleflight", "X": NaN, "Cameras": {
      "high_res": {"CaptureSettings": [{"ImageType": 0, "Width": 4320, "Height": 2160}], "X": 0.5, "Pitch": -90},
      "bottom_center": {"X": 0.1, "Y": NaN, "Pitch": NaN, "Gimbal": {"Stabilization": 1, "Pitch": -90, "Roll": NaN}}},
      "Sensors": {"Lidar1": {"SensorType": 6, "Enabled": true, "NumberOfChannels": 16, "Range": 80, "Z": -1},
                  "Far": {"SensorType": 5, "Enabled": false}}},
    "Shadow": {"VehicleType": "SimpleFlight", "AutoCreate": false},
    "Zed": {"VehicleType": "PX4Multirotor", "IsFpvVehicle": true, "UseSerial": false},
  },
  "ExternalCameras": {"fixed1": {"X": 1, "Y": 2, "Z": -3, "Yaw": 45}},
  "Recording": {"Enabled": true, "Folder": "night", "RecordInterval": 0.5, "RecordOnMove": true,
                "Cameras": [{"CameraName": "0", "ImageType": 1, "PixelsAsFloat": true}]},
  "SegmentationSettings": {"InitMethod": "None"},
  "Annotation": [{"Name": "Wet", "Type": 1, "Default": false}],
}"""


def read(text: str, **options: Any) -> Settings:
    return found_settings(text, BASE, options.get("mode"))


def test_everything_that_is_honoured_reaches_the_simulator() -> None:
    found = read(DRONES)
    config = found.simulator
    assert (found.host, found.port, found.text, found.records) == ("127.0.0.2", 41460, DRONES, True)
    assert (config.mode, config.clock_speed, config.steppable) == ("Multirotor", 5.0, True)
    assert config.origin == Geodetic(46.5, 7.25, 122.0)
    assert config.wind == NED(3.0, 0.0, -0.5)
    assert (found.time_of_day.enabled, found.time_of_day.start, found.time_of_day.speed) == (
        True, "2021-06-01 12:00:00", 10.0)
    assert (config.width, config.height, config.fov_deg) == (640, 480, 70.0)
    assert config.camera_defaults == {0: CaptureConfig(640, 480, 70.0), 1: CaptureConfig(320, 240, None, 30.0)}
    assert config.external_cameras["fixed1"].mount.position == NED(1.0, 2.0, -3.0)
    assert config.external_cameras["fixed1"].mount.orientation == quaternion_from_euler(0, 0, 45)
    assert (config.recording.folder, config.recording.interval_s, config.recording.on_move) == ("night", 0.5, True)
    assert config.recording.cameras == ({"CameraName": "0", "ImageType": 1, "PixelsAsFloat": True, "Compress": True,
                                         "VehicleName": ""},)
    assert config.segmentation_init == "None"
    assert [(layer.name, layer.kind, layer.default) for layer in config.annotation] == [("Wet", 1, False)]


def test_vehicles_come_in_the_order_of_their_names_after_the_one_that_is_looked_from() -> None:
    first, second, third = read(DRONES).simulator.vehicles
    assert [v.name for v in (first, second, third)] == ["Zed", "Drone1", "Drone2"]
    assert first.kind == second.kind == "simpleflight"
    assert third.start.position == NED(4.0, 0.0, -2.0)
    assert third.start.orientation == quaternion_from_euler(0, 0, 90)
    assert second.start.position.north == 0.0 and math.isnan(second.start.position.down)
    high, bottom = second.cameras["high_res"], second.cameras["bottom_center"]
    assert high.captures == {0: CaptureConfig(4320, 2160)}
    assert high.mount.orientation == quaternion_from_euler(0, -90, 0)
    assert bottom.mount.position == NED(0.1, 0.0, 0.0)
    assert bottom.mount.orientation == MOUNTS["bottom_center"].mount.orientation
    assert bottom.gimbal is not None and bottom.gimbal[1] == -90 and math.isnan(bottom.gimbal[0])
    lidar, off = second.sensors
    assert off.options == {"Enabled": False}
    assert (lidar.name, lidar.kind, lidar.mount.position.down) == ("Lidar1", 6, -1.0)
    assert lidar.options == {"NumberOfChannels": 16, "Range": 80}


def test_what_is_not_honoured_is_told_by_its_full_name() -> None:
    told = read(DRONES).warnings
    assert told == ("settings.json: Vehicles.Zed: PX4Multirotor moves as simpleflight does here",
                    "settings.json: known, not honoured here: Vehicles.Zed.UseSerial")


@pytest.mark.parametrize(("text", "line"), [
    ('{"Vehicels": {}}', "Vehicels is not a key of AirSim's: did you mean Vehicles (settings)?"),
    ('{"CaptureSettings": []}', "CaptureSettings is not a key of AirSim's: that belongs to Camera"),
    ('{"Vehicles": {"A": {"VehicleType": "SimpleFlight", "Cameras": {"c": {"CaptureSettings": [{}, {"Widht": 3}]}}}}}',
     "Vehicles.A.Cameras.c.CaptureSettings[1].Widht is not a key of AirSim's: did you mean Width (Capture)?"),
    ('{"zzzzz": 1}', "zzzzz is not a key of AirSim's"),
    ('{"a\\nb": 1}', "'a\\nb' is not a key of AirSim's"),
    ('{"SimMode": "Multirotor", "Vehicles": {"C": {"VehicleType": "PhysXCar"}}}',
     "Vehicles.C is left out: PhysXCar is not of SimMode Multirotor"),
    ("{}", "SimMode is empty: ComputerVision is taken, say --mode for another"),
    ('{"SimMode": "SkidVehicle"}', "SimMode SkidVehicle is driven as Car"),
    ('{"ViewMode": "NoDisplay", "Lights": {"a": {}}}', "known, not honoured here: ViewMode, Lights"),
])
def test_one_line_tells_of_it(text: str, line: str) -> None:
    assert f"settings.json: {line}" in read(text).warnings
    assert all("\n" not in told for told in read(text).warnings)


@pytest.mark.parametrize(("text", "line"), [
    ('{"ClockSpeed": "1"}', "ClockSpeed is '1', expected a number"),
    ('{"ClockSpeed": 0}', "ClockSpeed is 0, expected 0.001 to 1000"),
    ('{"ClockSpeed": Infinity}', "ClockSpeed is inf, expected 0.001 to 1000"),
    ('{"ApiServerPort": 1.5}', "ApiServerPort is 1.5, expected a whole number"),
    ('{"ApiServerPort": true}', "ApiServerPort is True, expected a whole number"),
    ('{"TimeOfDay": {"Enabled": 1}}', "TimeOfDay.Enabled is 1, expected true or false"),
    ('{"SimMode": "Boat"}', "SimMode is 'Boat', expected one of Multirotor, Car, ComputerVision, SkidVehicle"),
    ('{"Vehicles": []}', "Vehicles is [], expected {\"name\": {...}}"),
    ('{"Vehicles": {"A": 1}}', "Vehicles.A is 1, expected {...}"),
    ('{"Vehicles": {"A": {}}}', "Vehicles.A.VehicleType is '', expected one of SimpleFlight, PhysXCar"),
    ('{"CameraDefaults": {"CaptureSettings": {}}}', "CameraDefaults.CaptureSettings is {}, expected [{...}]"),
    ('{"CameraDefaults": {"CaptureSettings": [{"Width": 100000}]}}', "[0].Width is 100000, expected 1 to 8192"),
    ('{"Vehicles": {"A": {"VehicleType": "PhysXCar", "Sensors": {"s": {"Enabled": true}}}}, "SimMode": "Car"}',
     "'s' has no SensorType"),
    ('{"Annotation": [{}]}', "a layer of Annotation has no Name"),
    ("{", "not JSON"), ("[1]", "no such file"), ("{" * 200, "not JSON"), ('{"a": ' * 5000, "not JSON"),
])
def test_a_wrong_value_is_one_clear_line(text: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_first_place_that_has_one_is_read(tmp_path: Path) -> None:
    here, home = tmp_path / "here.json", tmp_path / "home.json"
    assert found_text("", (here, home)) == ""
    home.write_text('{"home": 1}')
    assert found_text("", (here, home)) == '{"home": 1}'
    here.write_bytes(b'\xef\xbb\xbf{"here": 1}')
    assert found_text("", (here, home)) == '{"here": 1}'
    assert found_text(str(home), (here,)) == '{"home": 1}'
    assert found_text(' {"inline": 1}', (here,)) == ' {"inline": 1}'
    for bad, words in ((str(tmp_path), "no such file"), ("/dev/zero", "no such file"), ("nowhere", "no such file")):
        with pytest.raises(InputError, match=words):
            found_text(bad, ())


def test_long_files_are_read_or_refused_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    long = json.dumps({"SimMode": "Car", "Vehicles": {f"v{n}": {"VehicleType": "SimpleFlight"} for n in range(50_000)}})
    with pytest.raises(InputError, match="50000 Vehicles"):
        read(long)
    with pytest.raises(InputError, match="comments are read in files of up to 128 KiB"):
        read(long + "// at the end")
    path = tmp_path / "settings.json"
    path.write_bytes(b" " * (5 << 20))
    with pytest.raises(InputError, match="longer than 4 MiB"):
        read(str(path))
    assert len(read(json.dumps({f"key{n}": n for n in range(2000)})).warnings) < 50
    assert time.monotonic() - started < 8


KEYS = st.sampled_from([key for section in sections().values() for key in section]) | st.text(max_size=5)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
                      max_leaves=15)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_json_is_read_or_refused_in_one_line(data: dict[str, object]) -> None:
    try:
        assert all(len(line.splitlines()) == 1 for line in read(json.dumps(data)).warnings)
    except InputError as error:
        assert len(str(error).splitlines()) == 1


def test_comments_and_commas_change_nothing() -> None:
    strict = '{"SimMode": "Car", "ClockSpeed": 2.5, "Wind": {"X": 1}}'
    loose = "/* a\nb */ {'SimMode': \"Car\", // c\n \"ClockSpeed\": 2.5, \"Wind\": {\"X\": 1,},}"
    assert parsed(strict) == parsed(loose)


def test_options_win_over_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '{"SimMode": "Multirotor", "ApiServerPort": 5, "ClockSpeed": 2, "LocalHostIp": "127.0.0.3"}'
    common = ["--world-root", str(tmp_path), "--settings", text]
    config = read_options(common)
    assert (config.host, config.port, config.simulator.mode) == ("127.0.0.3", 5, "Multirotor")
    assert (config.simulator.width, config.simulator.height) == (256, 144)
    config = read_options([*common, "--port", "7", "--host", "127.0.0.1", "--mode", "Car", "--clock-speed", "3",
                           "--width", "64", "--steppable", "--seed", "9", "--recording-root", str(tmp_path)])
    assert (config.host, config.port, config.settings) == ("127.0.0.1", 7, text)
    assert (config.simulator.mode, config.simulator.clock_speed, config.simulator.steppable) == ("Car", 3.0, True)
    assert (config.simulator.width, config.simulator.height, config.simulator.seed) == (64, 144, 9)
    assert config.simulator.recording_root == tmp_path
    assert capsys.readouterr().err == ""


def test_without_a_file_there_is_a_text_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = read_options(["--world-root", str(tmp_path)])
    assert (config.simulator.width, config.port) == (512, 41451)
    assert read(config.settings).simulator.width == 512
    folder = tmp_path / "Documents/AirSim"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text('{"SimMode": "Car"}')
    assert read_options(["--world-root", str(tmp_path)]).simulator.mode == "Car"
    (tmp_path / "settings.json").write_text('{"SimMode": "Multirotor"}')
    assert read_options(["--world-root", str(tmp_path)]).simulator.mode == "Multirotor"


def test_the_page_is_that_of_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "airsim-settings.md"
    assert page.read_text() == markdown()
    kinds = {"bool", "int", "float", "str", "any", *sections()}
    assert {key.kind for section in sections().values() for key in section.values()} <= kinds
