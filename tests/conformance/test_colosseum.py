"""Colosseum's dialect: every struct an array of exactly its length, both ways; its own calls; two drones at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from colosseum_client import IDENTITY, Colosseum, check_shape
from conformance_settings import SETTINGS

pytestmark = pytest.mark.slow
NADIR = [0.5 ** 0.5, 0.0, -(0.5 ** 0.5), 0.0]


def _connected(serving: Any, mode: str) -> Colosseum:
    client = Colosseum(serving("colosseum", mode, SETTINGS[mode], "--steppable"))
    assert client.call("ping") is True and client.call("getServerVersion") == 1
    client.call("reset")
    return client


def test_computer_vision(serving: Any) -> None:
    with _connected(serving, "ComputerVision") as client:
        client.call("simSetVehiclePose", [[1.0, 2.0, -80.0], NADIR], True, "")
        position, orientation = check_shape("Pose", client.call("simGetVehiclePose", ""))
        assert position == [1, 2, -80] and np.allclose(orientation, NADIR)
        check_shape("KinematicsState", client.call("simGetGroundTruthKinematics", ""))
        check_shape("EnvironmentState", client.call("simGetGroundTruthEnvironment", ""))
        check_shape("CollisionInfo", client.call("simGetCollisionInfo", ""))
        check_shape("CameraInfo", client.call("simGetCameraInfo", "0", "", False))
        for point in client.call("simGetWorldExtents"):
            check_shape("GeoPoint", point)
        # arrays that are too short keep defaults, extra entries are ignored; maps are refused
        client.call("simSetVehiclePose", [[1.0, 2.0, -80.0, 7.0], [], 5], True, "")
        with pytest.raises(RuntimeError, match="std::bad_cast"):
            client.call("simSetVehiclePose", {"position": {"x_val": 1.0}}, True, "")


def test_images_are_bgr(serving: Any) -> None:
    with _connected(serving, "ComputerVision") as client:
        client.call("simSetVehiclePose", [[0.0, 0.0, -80.0], NADIR], True, "")
        requests = [["0", 0, False, False], ["0", 1, True, False], ["0", 5, False, True]]
        scene, depth, png = client.call("simGetImages", requests, "", False)
        for response in (scene, depth, png):
            check_shape("ImageResponse", response)
            assert response[9:11] == [96, 64]
        assert len(scene[0]) == 96 * 64 * 3 and len(depth[1]) == 96 * 64 and depth[0] == b""
        assert png[0][:4] == b"\x89PNG" and isinstance(client.call("simGetImage", "0", 0, "", False), bytes)


def test_objects_and_what_colosseum_adds(serving: Any) -> None:
    with _connected(serving, "ComputerVision") as client:
        house = client.call("simListSceneObjects", "mage_building_.*")[0]
        assert np.isfinite(check_shape("Pose", client.call("simGetObjectPose", house))[0]).all()
        assert isinstance(client.call("simListSceneObjectsByTag", ".*"), list)
        assert len(check_shape("Vector3r", client.call("simFindLookAtRotation", "", house))) == 3
        assert client.call("simFindLookAtRotation", "", "Non-Existent") == [0, 0, 0]
        client.call("simSetExtForce", [0.0, 0.0, 0.0])
        name = client.call("simSpawnObject", "cube", "1M_Cube_Chamfer", [[0.0, 0.0, -50.0], IDENTITY], [1.0, 1.0, 1.0],
                           False, False)
        assert check_shape("Vector3r", client.call("simGetObjectScale", name)) == [1, 1, 1]
        assert client.call("simDestroyObject", name) is True
        meshes = client.call("simGetMeshPositionVertexBuffers")
        check_shape("MeshPositionVertexBuffersResponse", meshes[0])
        client.call("simSetVehiclePose", [[0.0, 0.0, -100.0], NADIR], True, "")
        client.call("simSetDetectionFilterRadius", "0", 0, 20000.0, "", False)
        client.call("simAddDetectionFilterMeshName", "0", 0, "mage_building_*", "", False)
        found = client.call("simGetDetections", "0", 0, "", False)
        assert found and all(check_shape("DetectionInfo", thing)[0].startswith("mage_building") for thing in found)
        client.call("simClearDetectionMeshNames", "0", 0, "", False)


def test_multirotor(serving: Any) -> None:
    with _connected(serving, "Multirotor") as client:
        for name in ("Drone1", "Drone2"):
            client.call("enableApiControl", True, name)
            assert client.call("armDisarm", True, name) is True
        tasks = [client.send("takeoff", 20.0, name) for name in ("Drone1", "Drone2")]
        assert client.call("ping") is True
        assert [client.result(task) for task in tasks] == [True, True]
        state = check_shape("MultirotorState", client.call("getMultirotorState", "Drone1"))
        assert state[4] == 1
        assert client.call("moveToPosition", 5.0, 0.0, -40.0, 5.0, 3e38, 0, [False, 0.0], -1.0, 1.0, "Drone1") is True
        assert client.call("moveOnPath", [[0.0, 0.0, -40.0], [0.0, 5.0, -40.0]], 5.0, 3e38, 0, [True, 0.0], -1.0, 1.0,
                           "Drone1") is True
        assert np.allclose(client.call("simGetVehiclePose", "Drone1")[0], [0, 5, -40], atol=2)
        rotors, _ = check_shape("RotorStates", client.call("getRotorStates", "Drone1"))
        assert len(rotors) == 4 and all(check_shape("RotorState", rotor) for rotor in rotors)
        for call, struct, sensor in (("getImuData", "ImuData", "Imu"), ("getBarometerData", "BarometerData", ""),
                                     ("getMagnetometerData", "MagnetometerData", ""), ("getGpsData", "GpsData", ""),
                                     ("getDistanceSensorData", "DistanceSensorData", "Distance"),
                                     ("getLidarData", "LidarData", "Lidar")):
            check_shape(struct, client.call(call, sensor, "Drone1"))
        check_shape("GeoPoint", client.call("getHomeGeoPoint", "Drone1"))


def test_car(serving: Any) -> None:
    with _connected(serving, "Car") as client:
        client.call("enableApiControl", True, "")
        client.call("setCarControls", [0.5, 0.0, 0.0, False, False, 0, True], "")
        assert check_shape("CarControls", client.call("getCarControls", ""))[0] == 0.5
        check_shape("CarState", client.call("getCarState", ""))
