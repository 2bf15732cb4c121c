"""The server as a second process: what it answers beside images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import NADIR, SPEC, ids, markers

from sim_bridge.airsim.client import Client
from sim_bridge.classes import CLASS_ID
from sim_bridge.errors import SimulatorError
from sim_bridge.frames import ENU, look_at


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
