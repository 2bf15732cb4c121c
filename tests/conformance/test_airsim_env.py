"""`mage airsim-env`: makes, keeps, repairs, and says in one line what is in its way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim_bridge.errors import InputError
from tools.airsim_env import make_env, recipe_of, usage


def mage(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tools.cli", "airsim-env", *map(str, arguments)], capture_output=True,
                          text=True, timeout=300, check=False, env=environment or None)


def check_refusal(result: subprocess.CompletedProcess[str], *parts: object) -> None:
    """One line on standard error with all of `parts`, exit code 2."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert (result.returncode, len(lines)) == (2, 1), result.stderr
    assert all(str(part) in lines[0] for part in parts), lines[0]


def test_every_version_is_pinned() -> None:
    for client in ("airsim", "cosys"):
        pins = recipe_of(client, scipy=True).pins
        assert all(pin.count("==") == 1 for pin in pins)
        assert next(pin for pin in pins if pin.startswith("numpy==")).startswith("numpy==1.")
    assert "airsim==1.8.1" in recipe_of("airsim").pins
    assert not set(recipe_of("airsim").pins) & {"rpc-msgpack==0.6"}


def test_usage_is_what_can_be_typed() -> None:
    text = usage(Path("my env"), "cosys")
    assert "source 'my env/bin/activate'" in text and "--dialect cosys" in text and "import cosysairsim" in text


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    check_refusal(mage(tmp_path), tmp_path, "in use by something else")
    assert (tmp_path / "thesis.tex").read_text() == "x"
    check_refusal(mage(tmp_path / "thesis.tex"), "is a file")


def test_the_other_clients_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mage-airsim-env").write_text("cosys")
    with pytest.raises(InputError, match="environment of the cosys client"):
        make_env(tmp_path, "airsim")


def test_a_python_that_will_not_do(tmp_path: Path) -> None:
    check_refusal(mage(tmp_path / "env", "--python", "/nowhere/python"), "cannot be run", "3.10 or 3.11 or 3.12")
    assert not (tmp_path / "env").exists()
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3 14\n")
    old.chmod(0o755)
    check_refusal(mage(tmp_path / "env", "--python", old), "is Python 3.14")


@pytest.mark.slow
def test_no_network_is_said_and_the_same_command_goes_on(tmp_path: Path) -> None:
    offline = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
               "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}
    result = mage(tmp_path / "env", "--client", "cosys", **offline)
    check_refusal(result, "package index cannot be reached", "goes on from here")
    said: list[str] = []
    make_env(tmp_path / "env", "cosys", say=said.append)
    assert not [line for line in said if line.startswith("making")]
    _check_repairs(tmp_path / "env")


def _check_repairs(folder: Path) -> None:
    """What is there is kept; what is lost or broken comes back, and nothing else."""
    said: list[str] = []
    python = make_env(folder, "cosys", say=said.append)
    assert said == []
    packages = next(folder.glob("lib/python*/site-packages"))
    shutil.rmtree(next(packages.glob("tornado-*.dist-info")))
    make_env(folder, "cosys", say=said.append)
    assert [line for line in said if line.startswith("step")] == [
        "step 2 of 3: msgpack==1.2.4, tornado==6.5.2, rpc-msgpack==0.6"]
    (packages / "cosysairsim" / "client.py").write_text("broken")
    make_env(folder, "cosys", say=said.append)
    python.unlink()
    make_env(folder, "cosys", say=said.append)
    assert subprocess.run([python, "-c", "import cosysairsim, cv2"], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("client", "module"), [("airsim", "airsim"), ("cosys", "cosysairsim")])
def test_the_command_uses_the_client_and_says_how_to(client: Any, module: str, official: Any) -> None:
    folder = official(client).parents[1]
    result = mage(folder, "--client", client, "--scipy")
    assert result.returncode == 0, result.stderr
    for line in ("Connected!", "pose: set and read back", "images: PNG of", f"import {module}", f"--dialect {client}"):
        assert line in result.stdout
