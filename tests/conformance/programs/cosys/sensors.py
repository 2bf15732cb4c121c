"""Multirotor of Cosys-AirSim: its lidars and radars, and sensors moved by call."""

import sys

import cosysairsim as airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
client.moveToZAsync(-30, 5).join()

lidar = client.getLidarData("Lidar")
points = np.array(lidar.point_cloud, dtype=np.float32).reshape(-1, 3)
assert len(points) > 50 and len(lidar.groundtruth) == len(points)
assert any(name.startswith("mage_") for name in lidar.groundtruth)
gpu = client.getGPULidarData("GpuLidar")
assert len(gpu.point_cloud) % 5 == 0 and isinstance(gpu.pose, airsim.Pose)
echo = client.getEchoData("Echo")
assert isinstance(echo.point_cloud, list) and isinstance(echo.pose, airsim.Pose)
for answer in (client.getUWBData(), client.getUWBSensorData(), client.getWifiData(), client.getWifiSensorData()):
    assert answer is not None

pose = airsim.Pose(airsim.Vector3r(0, 0, -1), airsim.euler_to_quaternion(0, -np.pi / 2, 0))
client.simSetLidarPose("Lidar", pose)
client.simSetGPULidarPose("GpuLidar", pose)
client.simSetEchoPose("Echo", pose)
client.simSetDistanceSensorPose("Distance", pose)
below = client.getDistanceSensorData("Distance")
assert 0 < below.distance < 100 and isinstance(below.relative_pose, airsim.Pose)
for name in ("getImuData", "getBarometerData", "getMagnetometerData", "getGpsData"):
    assert getattr(client, name)().time_stamp > 1e18
client.reset()
print("done", len(points), len(gpu.point_cloud))
