"""Every method of the official clients once, against servers of each mode: nothing is left out, all types are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conformance_settings import COSYS, SETTINGS

from sim_bridge.airsim.dialects import signatures

pytestmark = pytest.mark.slow

TOO_LARGE = {"simGetInstanceSegmentationColorMap"}
"""Of no use to the official clients: the reply is near the bound of their buffer, and they bring the map as a file."""
NO_API = "Vehicle API for '' is not available. This could either because this is simulation-only API or this vehicle"
CV_ERRORS = {
    **dict.fromkeys(("enableApiControl", "armDisarm", "isApiControlEnabled", "getHomeGeoPoint", "cancelLastTask",
                     "getImuData", "getBarometerData", "getMagnetometerData", "getGpsData", "getDistanceSensorData",
                     "getLidarData", "getGPULidarData", "getEchoData", "getUWBData", "getUWBSensorData", "getWifiData",
                     "getWifiSensorData", "simSetDistanceSensorPose", "simSetLidarPose", "simSetGPULidarPose",
                     "simSetEchoPose", "setEchoData"), NO_API),
    "simContinueForTime": "continueForTime is not implemented by SimMode",
    "simContinueForFrames": "continueForFrames is not implemented by SimMode",
}
NO_WIND = {"simSetWind": "setWind not implemented by SimMode"}
ERRORS: dict[str, dict[str, str]] = {"ComputerVision": {**CV_ERRORS, **NO_WIND}, "Car": NO_WIND,
                                     "Multirotor": {"setSafety": "The setSafety call requires safety_eval_ptr_"}}
CLASSES = {("airsim", "ComputerVision"): "VehicleClient", ("cosys", "ComputerVision"): "ComputerVisionClient",
           ("airsim", "Multirotor"): "MultirotorClient", ("cosys", "Multirotor"): "MultirotorClient",
           ("airsim", "Car"): "CarClient", ("cosys", "Car"): "CarClient"}
TYPES = {"ComputerVision": "computervision", "Multirotor": "simpleflight", "Car": "physxcar"}


@pytest.mark.parametrize("mode", ["ComputerVision", "Multirotor", "Car"])
@pytest.mark.parametrize("client", ["airsim", "cosys"])
def test_every_method_answers_with_its_type(client: Any, mode: Any, serving: Any, run: Any, tmp_path: Path) -> None:
    bound = signatures(client, mode)
    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps({
        "returns": {name: signature.returns for name, signature in bound.items()}, "vehicle_type": TYPES[mode],
        "errors": ERRORS[mode]}))
    # its own servers: what it spawns and sets stays there
    port = serving(client, mode, (COSYS if client == "cosys" else SETTINGS)[mode], "--steppable", "--seed", "1")
    module = {"airsim": "airsim", "cosys": "cosysairsim"}[client]
    out = run(client, "sweep.py", module, CLASSES[client, mode], port, expected)
    result = json.loads(out.rpartition("@@")[2])
    assert set(bound) - set(result["called"]) - TOO_LARGE == set()
    assert result["wrong"] == []
