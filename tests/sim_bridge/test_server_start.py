"""The server as a second process: how it starts and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import Running, end, exchange, start

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
