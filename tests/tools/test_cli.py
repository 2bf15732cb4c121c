"""The command line as a user meets it: help, and each kind of bad input in one clear line with exit code 2."""

import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import rasterio

from sim_bridge.store import open_frames, read

COMMANDS = ("world", "serve", "airsim-env", "capture", "realism", "train", "loop", "map", "report")


def mage(*arguments, timeout=120):
    return subprocess.run([sys.executable, "-m", "tools.cli", *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout)


def tif(path, bands=3, dtype="uint8", size=64):
    pixels = np.random.default_rng(0).integers(0, 255, (bands, size, size)).astype(dtype)
    with rasterio.open(path, "w", driver="GTiff", width=size, height=size, count=bands, dtype=dtype, crs="EPSG:32633",
                       transform=rasterio.transform.from_origin(500000, 5000000, 0.5, 0.5)) as out:
        out.write(pixels)
    return path


def checks(result, *parts):
    """One line on standard error that says all of `parts`, exit code 2, no traceback."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1, result.stderr
    for part in parts:
        assert str(part) in lines[0]


def test_help_names_every_command():
    text = mage("--help").stdout
    assert all(f"  {name}" in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = mage(name, "--help")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) > 5


def test_unknown_command():
    checks(mage("dance"), "'dance' is not a command", "capture, fly")


def test_unknown_key_in_a_config(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("scenez = 3\n")
    checks(mage("loop", config), config, "'scenez' is not known", "scenes")
    config.write_text("[campaign]\noutt = 'x'\n")
    checks(mage("capture", config), "'outt' is not known")
    checks(mage("train", tmp_path / "none.toml"), "none.toml cannot be read")


def test_unknown_axis_of_the_space(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(f'out = "{tmp_path / "run"}"\n[space]\n"layout.desnity" = [0, 1]\n')
    checks(mage("loop", config), "desnity")


def test_folders_of_images_that_are_missing_or_empty(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(f'out = "{tmp_path / "run"}"\n')
    checks(mage("loop", config, "--target", tmp_path / "nowhere"), tmp_path / "nowhere", "is not a folder")
    (tmp_path / "empty").mkdir()
    assert not (tmp_path / "run").exists()
    checks(mage("map", "--pairs", tmp_path / "empty", "--model", tmp_path, "-o", tmp_path / "o"), "holds no images")


def test_rasters_that_cannot_be_mapped(tmp_path):
    good = tif(tmp_path / "good.tif", size=128)
    cut = tmp_path / "cut.tif"
    cut.write_bytes(good.read_bytes()[:9000])
    cases = {cut: "cannot be read", tif(tmp_path / "one.tif", 1): "has 1 band(s): expected 3",
             tif(tmp_path / "deep.tif", 3, "uint16"): "is uint16: expected uint8"}
    for path, message in cases.items():
        checks(mage("map", "--pre", path, "--post", good, "--model", tmp_path, "-o", tmp_path / "o"), path, message)


def test_a_folder_that_is_no_model(tmp_path):
    good = tif(tmp_path / "good.tif")
    checks(mage("map", "--pre", good, "--post", good, "--model", tmp_path, "-o", tmp_path / "o"), tmp_path, "expected")


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        checks(mage("serve", "--world-root", tmp_path, "--port", port), port, "in use")


def test_simulator_that_is_not_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "campaign.toml"
    config.write_text(f'scenes = 1\n[campaign]\nout = "{tmp_path / "frames.zarr"}"\nwidth = 64\nheight = 64\n'
                      '[space]\n"layout.size_m" = [120, 121]\n')
    checks(mage("capture", config, "--simulator", f"127.0.0.1:{port}"), f"127.0.0.1:{port}")


def test_a_served_simulator_captures_for_a_second_process(tmp_path):
    config = tmp_path / "campaign.toml"
    config.write_text(f'scenes = 1\n[campaign]\nout = "{tmp_path}"\nwidth = 64\nheight = 64\n'
                      '[space]\n"layout.size_m" = [120, 121]\n"view.gsd_m" = [1.5, 1.6]\n')
    (tmp_path / "worlds").mkdir()
    command = [sys.executable, "-m", "tools.cli", "serve", "--world-root", str(tmp_path / "worlds"), "--port", "0",
               "--width", "64", "--height", "64"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = re.search(r"ready host=127\.0\.0\.1 port=(\d+)", server.stdout.readline())[1]
        result = mage("capture", config, "--simulator", f"127.0.0.1:{port}")
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert result.returncode == 0, result.stderr
    frames = open_frames(tmp_path / "frames.zarr")
    captured = read(frames, "captured").all(axis=1)
    assert captured.any() and (read(frames, "agreement_depth")[captured] > 0.99).all()
