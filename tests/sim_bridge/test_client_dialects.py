"""The client, and cosysairsim's own client object on our transport, against `mage serve` in each dialect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cosysairsim
import msgpackrpc
import numpy as np
import pytest
from serving import HEIGHT, NADIR, SPEC, WIDTH, Running, end, start

from sim_bridge.airsim import Client, adopt, connect
from sim_bridge.airsim.dialects import DIALECTS
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION
from sim_bridge.capture import prepare, take
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.scene import Phase
from sim_bridge.errors import InputError, SimulatorError
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.spec import Light


@pytest.fixture(scope="module")
def colosseum_server(world_root: Path) -> Iterator[Running]:
    running = start(world_root, "--dialect", "colosseum")
    yield running
    end(running)


@pytest.fixture(scope="module")
def cosys_server(world_root: Path) -> Iterator[Running]:
    running = start(world_root, "--dialect", "cosys")
    yield running
    end(running)


@pytest.fixture(params=DIALECTS)
def speaking(request: pytest.FixtureRequest) -> tuple[str, Running]:
    name = "server" if request.param == "airsim" else f"{request.param}_server"
    return request.param, request.getfixturevalue(name)


@pytest.fixture
def there(speaking: tuple[str, Running]) -> Iterator[Client]:
    with speaking[1].client() as client:
        client.reset()
        client.console(f"mage.load {SPEC.world_id}")
        client.set_fov("0", 30.0)
        client.set_pose(NADIR)
        yield client


def test_every_dialect_is_met_and_read_alike(there: Client, speaking: tuple[str, Running]) -> None:
    assert there.dialect.name == speaking[0]
    scene, depth, segmentation = there.images("0", [SCENE, DEPTH, SEGMENTATION], size=(WIDTH, HEIGHT))
    classes = there.classes(segmentation.pixels)
    assert set(np.unique(classes)) == {CLASS_ID["building"], CLASS_ID["paved"]}
    np.testing.assert_allclose(depth.pixels[classes == CLASS_ID["paved"]], 100.0, atol=1e-3)
    measured = there.measured()
    assert (measured.dialect, measured.bgr) == (speaking[0], DIALECTS[speaking[0]].bgr) and measured.bgr_seen
    assert measured.palette_seen == (speaking[0] != "cosys")
    roof, lawn = scene.pixels[HEIGHT // 2, WIDTH // 2].astype(int), scene.pixels[2, 2].astype(int)
    assert np.abs(roof - lawn).max() > 3


def test_capture_works_in_every_dialect(there: Client) -> None:
    camera = intrinsics(WIDTH, HEIGHT, 30.0)
    for phase, roof in (("before", "building"), ("after", "paved")):
        prepare(there, SPEC.world_id, cast(Phase, phase), Light())
        shot = take(there, NADIR, camera)
        assert shot.pose.same_as(NADIR) and shot.semantic[HEIGHT // 2, WIDTH // 2] == CLASS_ID[roof]
        assert shot.depth[HEIGHT // 2, WIDTH // 2] == pytest.approx(90 if phase == "before" else 100, abs=1e-3)


def test_measuring_leaves_ids_as_they_were(there: Client) -> None:
    names = ["mage_building_7", "mage_terrain_paved", "mage_trees"]
    had = [there.segmentation_id(name) for name in names]
    there.measured()
    assert [there.segmentation_id(name) for name in names] == had


def test_a_tilted_view_tells_the_precision_of_depths(there: Client) -> None:
    there.set_pose(look_at(ENU(0, 0, 0), 60, 40, 30))
    there.images("0", [DEPTH])
    assert there.measured().depth_precision == "float32"


def test_typed_calls_work_in_every_dialect(there: Client) -> None:
    assert "mage_building_7" in there.list_objects("mage_building_.*")
    pose = there.object_pose("mage_building_7")
    assert pose is not None and pose.position.north == 0
    assert there.camera_info("0")[0].same_as(NADIR)
    with pytest.raises(SimulatorError, match=r"could not find function|no RPC"):
        there.takeoff().result()


def test_flights_are_told_in_the_worlds_frame(world_root: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"SettingsVersion": 1.2, "SimMode": "Multirotor", "ClockType": "SteppableClock", '
                        '"Vehicles": {"A": {"VehicleType": "SimpleFlight"}, '
                        '"B": {"VehicleType": "SimpleFlight", "X": 20, "Y": 8}}}')
    running = start(world_root, "--settings", str(settings))
    try:
        with running.client() as first:
            first.console(f"mage.load {SPEC.world_id}")
            check_flight(first, 0.0, 0.0)
        with connect("127.0.0.1", running.port, vehicle="B") as second:
            check_flight(second, 8.0, 20.0)
    finally:
        end(running)


def check_flight(client: Client, east_m: float, north_m: float) -> None:
    at = client.get_pose().position
    assert (at.east, at.north) == pytest.approx((east_m, north_m), abs=0.05)
    client.take_control()
    assert client.takeoff().result(60)
    flight = client.move_to(ENU(east_m + 5, north_m + 3, 15), 5.0)
    assert client.ping() and flight.result(60)
    there = client.get_pose().position
    assert (there.east, there.north, there.up) == pytest.approx((east_m + 5, north_m + 3, 15), abs=1.0)


# cosysairsim's own object on our transport

@pytest.fixture
def official(cosys_server: Running) -> Iterator[Any]:
    client = adopt(cosysairsim.VehicleClient(port=cosys_server.port, timeout_value=20))
    client.client.call("simRunConsoleCommand", f"mage.load {SPEC.world_id}")
    yield client
    client.client.close()


def test_an_adopted_object_goes_on_as_before(official: Any, capsys: pytest.CaptureFixture[str]) -> None:
    official.confirmConnection()
    assert "Server Ver:4" in capsys.readouterr().out.replace("Server Version: ", "Server Ver:")
    assert adopt(official) is official and official.ping()
    pose = cosysairsim.Pose(cosysairsim.Vector3r(np.float32(1.5), 2, -50), cosysairsim.Quaternionr(0, 0, 0, 1))
    official.simSetVehiclePose(pose, True)
    back = official.simGetVehiclePose()
    assert isinstance(back, cosysairsim.Pose) and back.position.x_val == 1.5
    assert "mage_trees" in official.simListSceneObjects("mage_.*")


def test_an_adopted_object_gets_arrays_and_bytes(official: Any) -> None:
    Request, Type = cosysairsim.ImageRequest, cosysairsim.ImageType
    depth, raw = official.simGetImages([Request("bottom_center", Type.DepthPlanar, True),
                                        Request("bottom_center", Type.Scene, False, False)])
    assert isinstance(depth.image_data_float, np.ndarray) and depth.image_data_float.dtype == np.float32
    assert depth.image_data_float.shape == (WIDTH * HEIGHT,) and isinstance(raw.image_data_uint8, bytes)
    assert len(raw.image_data_uint8) == 3 * WIDTH * HEIGHT
    assert official.simGetImage("bottom_center", Type.Scene)[:4] == b"\x89PNG"


def test_errors_reach_an_adopted_object_as_its_own(official: Any) -> None:
    with pytest.raises(msgpackrpc.error.RPCError, match="could not find function"):
        official.client.call("nope")
    answer = official.client.call_async("nope")
    answer.join()
    assert "nope" in answer.error and answer.result is None
    with pytest.raises(msgpackrpc.error.RPCError):
        answer.get()
    good = official.client.call_async("ping")
    assert good.get() is True and good.result is True and good.error is None
    official.client.close()
    with pytest.raises(msgpackrpc.error.TransportError):
        official.ping()


def test_an_adopted_object_works_in_threads_and_in_a_running_loop(official: Any) -> None:
    done: list[bool] = []
    threads = [threading.Thread(target=lambda: done.extend(official.ping() for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()

    async def work() -> bool:
        return bool(official.ping())

    assert asyncio.run(work())
    for thread in threads:
        thread.join()
    assert done == [True] * 80


def test_other_objects_are_not_adopted() -> None:
    with pytest.raises(InputError, match="cannot be adopted"):
        adopt(object())
