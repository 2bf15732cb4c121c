"""The server as a second process, through real sockets: what it answers, what it survives, how it starts and ends."""

from __future__ import annotations

import math
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from small_world import box, small_package

from sim_bridge.airsim.client import Client, connect
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION, ImageRequest, ImageType, pack_request
from sim_bridge.airsim.palette import PaletteReader, static_palette
from sim_bridge.airsim.server import main
from sim_bridge.classes import CLASS_ID
from sim_bridge.errors import SimulatorError, SimulatorGone
from sim_bridge.frames import ENU, CameraPose, look_at
from sim_bridge.spec import SceneSpec
from sim_bridge.world.model import Building, BuildingDamage
from sim_bridge.world.package import write_package

WIDTH, HEIGHT = 96, 64
ROOF_M = 10.0
SPEC = SceneSpec(seed=3)
NADIR = look_at(ENU(0, 0, 0), 100, 0, 0)
PALETTE = PaletteReader(static_palette())


@dataclass(frozen=True)
class Running:
    """A server of ours and where it listens."""

    process: subprocess.Popen[bytes]
    port: int

    def client(self, timeout_s: float = 60.0) -> Client:
        return connect("127.0.0.1", self.port, timeout_s=timeout_s)


def start(root: Path, *options: str) -> Running:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(root), "--port", "0",
         "--width", str(WIDTH), "--height", str(HEIGHT), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line.startswith("mage-serve ready host=127.0.0.1 port="), line
    return Running(process, int(line.rpartition("=")[2]))


def end(server: Running, number: signal.Signals = signal.SIGTERM) -> int:
    server.process.send_signal(number)
    server.process.communicate(timeout=20)
    return server.process.returncode


@pytest.fixture(scope="module")
def world_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """World root with one world: concrete, and a building of 10 m side and height over the origin."""
    root = tmp_path_factory.mktemp("worlds")
    house = box((-5, -5, 0), (5, 5, ROOF_M), "roof_metal", "wall_plaster", instance=7)
    package = small_package(before=[house], damage=[BuildingDamage(7, "destroyed", 4, "test")])
    ring = ((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0))
    building = Building(7, ring, 0.0, ROOF_M, ROOF_M, "flat", "masonry", "house", "roof_metal", "wall_plaster", 0.0)
    write_package(root, SPEC, replace(package.world, buildings=(building,)), package.aftermath)
    return root


@pytest.fixture(scope="module")
def server(world_root: Path) -> Iterator[Running]:
    running = start(world_root)
    yield running
    end(running)


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with server.client() as client:
        client.reset()
        client.console(f"mage.load {SPEC.world_id}")
        client.set_fov("0", 30.0)
        yield client


def markers(client: Client) -> list[str]:
    return client.list_objects("mage_(state|error)_.*")


def ids(client: Client) -> Any:
    return PALETTE.ids(client.images("0", [SEGMENTATION])[0].pixels)


# what it answers

def test_connection_calls(client: Client) -> None:
    assert client.ping()
    assert client.call("getServerVersion") == client.call("getMinRequiredClientVersion") == 1
    assert client.list_vehicles() == ["ComputerVision"]
    assert '"SimMode": "ComputerVision"' in client.settings()
    client.pause()
    assert client.is_paused()
    client.pause(False)
    assert not client.is_paused()


def test_pose_comes_back_and_reset_forgets_it(client: Client) -> None:
    pose = look_at(ENU(12.5, -7.25, 3), 80, 25, 130, heading_deg=40)
    client.set_pose(pose)
    assert client.get_pose().same_as(pose)
    client.reset()
    assert client.call("simGetVehiclePose", "")["position"] == {"x_val": 0, "y_val": 0, "z_val": 0}


def test_one_call_gives_aligned_images(client: Client) -> None:
    client.set_pose(NADIR)
    scene, depth, segmentation = client.images("0", [SCENE, DEPTH, SEGMENTATION])
    assert scene.pixels.shape == (HEIGHT, WIDTH, 3)
    assert all(image.pose.same_as(NADIR) for image in (scene, depth, segmentation))
    classes = PALETTE.ids(segmentation.pixels)
    assert set(np.unique(classes)) == {CLASS_ID["building"], CLASS_ID["paved"]}
    np.testing.assert_allclose(depth.pixels[classes == CLASS_ID["paved"]], 100.0, atol=1e-3)
    np.testing.assert_allclose(depth.pixels[HEIGHT // 2, WIDTH // 2], 100.0 - ROOF_M, atol=1e-3)
    focal_px = WIDTH / (2 * math.tan(math.radians(15)))
    side_px = 10.0 * focal_px / (100.0 - ROOF_M)
    assert np.count_nonzero(classes[HEIGHT // 2] == CLASS_ID["building"]) == pytest.approx(side_px, abs=1)


def test_geometry_is_the_same_without_colour(client: Client) -> None:
    client.set_pose(look_at(ENU(3, 2, 0), 90, 20, 45))
    _, depth, segmentation = client.images("0", [SCENE, DEPTH, SEGMENTATION])
    alone, ids_alone = client.images("0", [DEPTH, SEGMENTATION])
    np.testing.assert_allclose(alone.pixels, depth.pixels, atol=1e-3)
    assert np.mean(ids_alone.pixels == segmentation.pixels) > 0.99


def test_png_holds_the_same_pixels_as_raw(client: Client) -> None:
    client.set_pose(NADIR)
    for raw in (SCENE, SEGMENTATION):
        plain, packed = client.images("0", [raw, replace(raw, compress=True)])
        np.testing.assert_array_equal(plain.pixels, packed.pixels)
    png = bytes(client.call("simGetImage", "0", 0, "", False))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[25] == 6    # colour type RGBA


def test_every_form_is_answered(client: Client) -> None:
    client.set_pose(NADIR)
    planar, perspective, disparity, visible = (
        image.pixels for image in client.images("0", [ImageRequest(kind, pixels_as_float=True) for kind in (
            ImageType.DEPTH_PLANAR, ImageType.DEPTH_PERSPECTIVE, ImageType.DISPARITY_NORMALIZED,
            ImageType.DEPTH_VIS)]))
    focal_px = WIDTH / (2 * math.tan(math.radians(15)))
    corner = math.hypot(1, (WIDTH / 2 - 0.5) / focal_px, (HEIGHT / 2 - 0.5) / focal_px)
    assert perspective[0, 0] == pytest.approx(planar[0, 0] * corner, rel=1e-5)
    assert disparity[0, 0] == pytest.approx(focal_px * 0.25 / WIDTH / planar[0, 0], rel=1e-5)
    assert visible[HEIGHT // 2, WIDTH // 2] == pytest.approx(0.9, abs=1e-3)
    scene, floats = client.images("0", [SCENE, ImageRequest(ImageType.SCENE, pixels_as_float=True)])
    np.testing.assert_allclose(floats.pixels, scene.pixels[..., 0] / 255, atol=1e-6)
    for kind in (ImageType.SEGMENTATION, ImageType.INFRARED):
        assert client.images("0", [ImageRequest(kind, pixels_as_float=True)])[0].pixels.shape == (HEIGHT, WIDTH)
    with pytest.raises(SimulatorError, match="camera type is not active"):
        client.images("0", [ImageRequest(ImageType.OPTICAL_FLOW)])


def test_sky_is_very_far(client: Client) -> None:
    client.set_pose(CameraPose(ENU(0, 0, 50), look_at(ENU(0, 0, 0), 10, 90, 0).rotation))
    depth, segmentation = client.images("0", [DEPTH, SEGMENTATION])
    assert depth.pixels[0, 0] == 65504
    assert PALETTE.ids(segmentation.pixels)[0, 0] == 0


def test_phase_band_and_light_change_the_picture(client: Client) -> None:
    client.set_pose(NADIR)
    before = ids(client)
    day = client.images("0", [SCENE])[0].pixels
    client.console("mage.phase after")
    assert markers(client) == [f"mage_state_{SPEC.world_id}_after_rgb_ready"]
    assert (before == CLASS_ID["building"]).any()
    assert not (ids(client) == CLASS_ID["building"]).any()
    client.console("mage.phase before")
    client.console("mage.band nir")
    assert markers(client) == [f"mage_state_{SPEC.world_id}_before_nir_ready"]
    assert (client.images("0", [SCENE])[0].pixels != day).any()
    client.console("mage.band rgb")
    client.console("mage.light 10 270 0.5")
    assert (client.images("0", [SCENE])[0].pixels != day).any()


def test_time_of_day_moves_the_sun(client: Client) -> None:
    client.set_pose(NADIR)
    shots = []
    for hour in (9, 12, 17):
        client.set_time_of_day(f"2021-06-20 {hour:02}:00:00")
        shots.append(client.images("0", [SCENE])[0].pixels)
    assert (shots[0] != shots[1]).any()
    assert (shots[1] != shots[2]).any()
    with pytest.raises(SimulatorError, match="does not match format"):
        client.set_time_of_day("noon")
    client.call("simSetTimeOfDay", False, "", False, 1.0, 60.0, True)


def test_objects_and_their_ids(client: Client) -> None:
    assert "mage_building_7" in client.list_objects("mage_building_.*")
    pose = client.object_pose("mage_building_7")
    assert pose is not None and pose.position.array().tolist() == [0, 0, 0]
    assert client.object_pose("nothing") is None
    assert client.segmentation_id("mage_building_7") == CLASS_ID["building"]
    assert client.segmentation_id("nothing") == -1
    assert client.set_segmentation_id("MAGE_BUILDING_.*", 42, is_pattern=True)
    assert not client.set_segmentation_id("MAGE_BUILDING_7", 43)
    assert client.segmentation_id("mage_building_7") == 42
    client.set_segmentation_id("mage_terrain_paved", -1)
    client.set_pose(NADIR)
    assert set(np.unique(ids(client))) == {0, 42}


def test_cameras_stand_where_airsim_mounts_them(client: Client) -> None:
    client.call("simSetVehiclePose", {"position": {"z_val": -100}}, True, "")
    (down,) = client.images("bottom_center", [DEPTH])
    assert down.pose.same_as(look_at(ENU(0, 0, 0), 100, 0, 0))
    right, fov_deg = client.camera_info("1")
    assert right.position.east == pytest.approx(0.125)
    assert fov_deg == 90
    client.call("simSetCameraPose", "1", {"position": {"z_val": -5.0}}, "", False)
    assert client.camera_info("1")[0].position.up == pytest.approx(105)
    client.set_fov("1", 45)
    assert client.camera_info("front_right")[1] == 45


@pytest.mark.parametrize(("call", "text"), [
    (("nope", 1, 2), "rpclib: server could not find function 'nope' with argument count 2."),
    (("simGetImages", [], ""), "rpclib: client error C0002: Function 'simGetImages' was called with an invalid number "
                               "of arguments. Expected: 2, got: 3"),
    (("simPause", 1), "rpclib: function 'simPause' (called with 1 arg(s)) threw an exception. The exception contained "
                      "this information: std::bad_cast."),
    (("simGetVehiclePose", "Bob"), "Vehicle Sim-API for 'Bob' is not available. This could either because this is not "
                                   "a simulation or this vehicle does not exist."),
    (("enableApiControl", True, ""), "Vehicle API for '' is not available. This could either because this is "
                                     "simulation-only API or this vehicle does not exist."),
    (("simContinueForTime", 1.0), "continueForTime is not implemented by SimMode."),
    (("simGetImages", [{"camera_name": "9"}], "", False), "map::at."),
    (("simGetCameraInfo", "0", "Bob", False), "Vehicle Sim-API for 'Bob' is not available."),
    (("simGetImages", [["0", 0, False, False]], "", False), "std::bad_cast."),
    (("simListSceneObjects", "("), "regular expression"),
    (("simSetSegmentationObjectID", "x", 999, False), "-1..255"),
    (("simGetImages", [{}] * 100, "", False), "at most 32"),
    (("simSetCameraFov", "0", 400, "", False), "field of view"),
    (("simSetVehiclePose", {"position": {"x_val": math.nan}}, True, ""), "finite"),
])
def test_errors_are_airsims(client: Client, call: tuple[Any, ...], text: str) -> None:
    with pytest.raises(SimulatorError) as caught:
        client.call(*call)
    assert text.removesuffix(".") in str(caught.value)
    assert client.ping()


@pytest.mark.parametrize(("command", "code"), [
    (f"mage.load {'0' * 16}", "unknown_world"), ("mage.load ../../etc", "bad_world_id"),
    ("mage.load /etc/passwd", "bad_world_id"), (f"mage.load {SPEC.world_id.upper()}x", "bad_world_id"),
    ("mage.load", "bad_argument"), ("mage.phase during", "bad_argument"), ("mage.light a b c", "bad_argument"),
    ("mage.light nan 0 0", "bad_argument"), ("mage.explode now", "unknown_command"),
])
def test_bad_commands_leave_a_marker(client: Client, command: str, code: str) -> None:
    assert client.console(command)
    assert markers(client) == [f"mage_error_{code}"]
    client.console("mage.band rgb")
    assert markers(client) == [f"mage_error_{code}"]
    client.console(f"mage.load {SPEC.world_id}")
    assert markers(client) == [f"mage_state_{SPEC.world_id}_before_rgb_ready"]


def test_a_broken_package_leaves_a_marker(client: Client, world_root: Path) -> None:
    (world_root / ("f" * 16)).mkdir(exist_ok=True)
    client.console(f"mage.load {'f' * 16}")
    assert markers(client) == ["mage_error_bad_package"]
    client.console("stat fps")
    assert markers(client) == ["mage_error_bad_package"]


# what it survives

def exchange(port: int, data: bytes, replies: int) -> list[Any]:
    """Messages that come back for raw bytes; fewer if the server closes the connection."""
    got: list[Any] = []
    unpacker = msgpack.Unpacker()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while len(got) < replies and (chunk := sock.recv(65536)):
                unpacker.feed(chunk)
                got += unpacker
        except TimeoutError:
            raise
        except OSError:
            return got
    return got


@pytest.mark.parametrize("data", [
    b"\xc1", b"GET / HTTP/1.1\r\n\r\n\xc1", b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xdc\xff\xff" + b"\x90" * 65535 + b"\xc1", b"\x81\x90\x90", b"\xdd\x00\x03\x0d\x40" + b"\x90" * 200_000,
    b"\xc6\xff\xff\xff\xff",
], ids=["reserved", "http", "nested", "array", "string", "lists", "list-key", "budget", "bin"])
def test_hostile_bytes_cost_only_their_own_connection(server: Running, data: bytes) -> None:
    exchange(server.port, data, 1)
    with server.client() as client:
        assert client.ping()


def test_odd_messages_are_answered_or_passed_over(server: Running) -> None:
    odd = [[0, 1, "ping", None], [0, 2, "ping", {}], [0, 3, 7, []], [0, 4, b"ping", []], [9, 5, "ping", []],
           [2, "ping", []], [0, "x", "ping", []], [1, 2], 7, {"a": 1}, [0, 6, "ping", []]]
    got = {m[1]: m[2:] for m in exchange(server.port, b"".join(msgpack.packb(m) for m in odd), 6)}
    assert set(got) == {1, 2, 3, 4, 5, 6}
    assert got[5] == got[6] == [None, True]
    assert "not an array" in got[1][0] and "not an array" in got[2][0]
    assert "could not find function" in got[3][0]


def test_a_slow_call_holds_up_no_other_on_its_connection(client: Client, server: Running) -> None:
    structs = [{"camera_name": name, "image_type": 0, "compress": True} for name in ("0", "1", "2", "3", "4")]
    data = pack_request(1, "simGetImages", (structs, "", False)) + pack_request(2, "ping", ())
    assert [message[1] for message in exchange(server.port, data, 2)] == [2, 1]


def test_eight_clients_at_once(client: Client, server: Running) -> None:
    client.set_pose(NADIR)

    def work(number: int) -> bool:
        with server.client() as mine:
            (reply,) = mine.images("3", [DEPTH])
            return all(mine.call("simGetObjectPose", f"none{number}") and mine.ping() for _ in range(20)) \
                and reply.pixels.shape == (HEIGHT, WIDTH)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_one_client_in_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(client.segmentation_id, ["mage_trees", "none"] * 20)) == [CLASS_ID["tree"], -1] * 20


# how it starts and ends

def test_a_taken_port_is_one_clear_line(server: Running, world_root: Path) -> None:
    second = subprocess.run([sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(world_root),
                             "--port", str(server.port)], capture_output=True, text=True, timeout=60)
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.splitlines() == [f"mage serve: 127.0.0.1:{server.port} is in use: stop the other server or "
                                          "choose another --port"]


@pytest.mark.parametrize("options", [["--world-root", "/nowhere"], ["--width", "0"], ["--settings", "/nowhere"]])
def test_wrong_settings_are_one_clear_line(world_root: Path, options: list[str],
                                           capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--world-root", str(world_root), *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1 and told.err.startswith("mage serve: ")


def test_without_a_world_images_say_so_and_settings_set_their_size(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"SettingsVersion": 1.2, "CameraDefaults": {"CaptureSettings": '
                        '[{"ImageType": 0, "Width": 320, "Height": 200, "FOV_Degrees": 60}]}}')
    server = start(tmp_path, "--settings", str(settings), "--stop-on-eof")
    with server.client() as client:
        assert client.settings() == settings.read_text()
        assert client.camera_info("0")[1] == 60
        assert client.list_objects("mage_.*") == []
        with pytest.raises(SimulatorError, match=r"mage\.load"):
            client.images("0", [SCENE])
    server.process.communicate(timeout=20)
    assert server.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_long_requests_end_a_connection_and_a_signal_the_server(world_root: Path, number: signal.Signals) -> None:
    server = start(world_root, "--max-message-mib", "1")
    exchange(server.port, pack_request(0, "simPrintLogMessage", ("x" * (2 << 20), "", 0)), 1)
    with server.client() as client:
        assert client.call("simPrintLogMessage", "x" * 1000, "", 0) is None
        started = time.monotonic()
        assert end(server, number) == 0
        assert time.monotonic() - started < 10
        with pytest.raises(SimulatorGone):
            client.ping()
