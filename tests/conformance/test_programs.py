"""Programs in the manner of AirSim's published examples, run with the unmodified clients against real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conformance_settings import COSYS, SETTINGS

pytestmark = pytest.mark.slow

VISION = ("images", "objects", "detection", "weather", "markers", "errors")
FLIGHT = ("hello_drone", "paths", "control", "two_drones", "pausing", "around", "sensors", "recording")
COSYS_VISION = ("images", "segmentation", "annotation")
COSYS_FLIGHT = ("hello_drone", "sensors")


@pytest.mark.parametrize("program", VISION)
def test_computer_vision(program: str, serving: Any, run: Any) -> None:
    port = serving("airsim", "ComputerVision", SETTINGS["ComputerVision"], "--steppable")
    assert "done" in run("airsim", f"airsim/{program}.py", port)


@pytest.mark.parametrize("program", FLIGHT)
def test_multirotor(program: str, serving: Any, run: Any, recordings: Path) -> None:
    port = serving("airsim", "Multirotor", SETTINGS["Multirotor"], "--steppable")
    assert "done" in run("airsim", f"airsim/{program}.py", port, recordings)


def test_multirotor_on_the_wall_clock(serving: Any, run: Any) -> None:
    port = serving("airsim", "Multirotor", SETTINGS["Multirotor"], "--clock-speed", "3")
    assert "done" in run("airsim", "airsim/orbit.py", port)


def test_car(serving: Any, run: Any) -> None:
    port = serving("airsim", "Car", SETTINGS["Car"], "--steppable")
    assert "done" in run("airsim", "airsim/hello_car.py", port)


@pytest.mark.parametrize("program", COSYS_VISION)
def test_cosys_computer_vision(program: str, serving: Any, run: Any) -> None:
    port = serving("cosys", "ComputerVision", COSYS["ComputerVision"], "--steppable")
    assert "done" in run("cosys", f"cosys/{program}.py", port)


@pytest.mark.parametrize("program", COSYS_FLIGHT)
def test_cosys_multirotor(program: str, serving: Any, run: Any) -> None:
    port = serving("cosys", "Multirotor", COSYS["Multirotor"], "--steppable")
    assert "done" in run("cosys", f"cosys/{program}.py", port)
