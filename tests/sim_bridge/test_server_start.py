"""The server as a second process: how it starts and ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import SPEC, Running, end, exchange, start

from sim_bridge.airsim.messages import SCENE, pack_request
from sim_bridge.airsim.server import main
from sim_bridge.errors import SimulatorError, SimulatorGone


def test_a_taken_port_is_one_clear_line(server: Running, world_root: Path) -> None:
    second = subprocess.run([sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(world_root),
                             "--port", str(server.port)], capture_output=True, text=True, timeout=60)
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr.splitlines() == [f"mage serve: 127.0.0.1:{server.port} is in use: stop the other server or "
                                          "choose another --port"]


@pytest.mark.parametrize("options", [
    ["--world-root", "/nowhere"], ["--width", "0"], ["--settings", "/nowhere"], ["--settings", '{"ClockSpeed": "1"}'],
    ["--dialect", "klingon"], ["--clock-speed", "0"], ["--recording-root", "/nowhere"], ["--connections", "0"],
    ["--load", "../.."], ["--load", "0" * 16], ["--host", "256.0.0.1"], ["--port", "99999"],
    ["--settings", '{"TimeOfDay": {"Enabled": true, "StartDateTime": "noon"}}'],
])
def test_wrong_settings_are_one_clear_line(world_root: Path, options: list[str],
                                           capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--world-root", str(world_root), "--mode", "ComputerVision", "--port", "0", *options]) == 2
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


@pytest.mark.parametrize("dialect", ["colosseum", "cosys"])
def test_a_server_starts_as_it_is_told_and_ends_although_vehicles_fly(world_root: Path, dialect: str) -> None:
    text = '{"Vehicles": {"Drone1": {"VehicleType": "SimpleFlight"}}, "ViewMode": "NoDisplay"}'
    server = start(world_root, "--mode", "Multirotor", "--dialect", dialect, "--load", SPEC.world_id, "--phase",
                   "after", "--settings", text)
    flight = pack_request(0, "enableApiControl", (True, "")) + pack_request(1, "takeoff", (20.0, ""))
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as pilot:
        pilot.sendall(flight)
        asked = [pack_request(n, name, args) for n, (name, args) in enumerate((
            ("listVehicles", ()), ("simListSceneObjects", ("mage_state_.*",)), ("simIsPaused", ())))]
        got = {reply[1]: reply[3] for reply in exchange(server.port, b"".join(asked), 3)}
        assert got == {0: ["Drone1"], 1: [f"mage_state_{SPEC.world_id}_after_rgb_ready"], 2: False}
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        _, told = server.process.communicate(timeout=20)
        assert server.process.returncode == 0
        assert time.monotonic() - started < 8
    assert told.decode() == "mage serve: settings.json: known, not honoured here: ViewMode\n"


def test_the_time_of_day_of_the_settings_moves_the_sun(world_root: Path) -> None:
    text = '{"TimeOfDay": {"Enabled": true, "StartDateTime": "2021-06-20 17:00:00"}}'
    server = start(world_root, "--load", SPEC.world_id, "--settings", text, "--mode", "ComputerVision")
    shots = []
    for call in (("simSetVehiclePose", ({"position": {"z_val": -80.0}}, True, "")),
                 ("simSetTimeOfDay", (False, "", False, 1.0, 60.0, True))):
        exchange(server.port, pack_request(0, *call), 1)
        ((*_, image),) = exchange(server.port, pack_request(1, "simGetImage", ("3", 0, "", False)), 1)
        shots.append(bytes(image))
    assert end(server) == 0
    assert len(shots[0]) > 100 and shots[0] != shots[1]
