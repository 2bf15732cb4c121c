"""Multirotor with lidar and distance sensor: clouds as arrays of points, heights that agree."""

import sys

import airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
client.moveToPositionAsync(0, 0, -30, 5).join()
client.hoverAsync().join()

lidar = client.getLidarData(lidar_name="Lidar", vehicle_name="Drone1")
points = np.array(lidar.point_cloud, dtype=np.float32).reshape(-1, 3)
assert len(points) > 50 and len(lidar.segmentation) in (0, len(points))
lengths = np.linalg.norm(points, axis=1)
assert (lengths > 1).all() and (lengths <= 60.5).all()
assert isinstance(lidar.pose, airsim.Pose) and lidar.time_stamp > 1e18
assert (points[:, 2] > 0).mean() > 0.9, "the beams point down"
client.getLidarData()

below = client.getDistanceSensorData(distance_sensor_name="Distance", vehicle_name="Drone1")
assert 0.2 <= below.min_distance < below.distance < below.max_distance
pitch, _, _ = airsim.to_eularian_angles(below.relative_pose.orientation)
assert abs(pitch + np.pi / 2) < 1e-3
down = client.simGetImages([airsim.ImageRequest("bottom_center", airsim.ImageType.DepthPlanar, True)])[0]
assert abs(airsim.get_pfm_array(down)[32, 48] - below.distance) < 8

# noise differs from one reading to the next once time has passed, and not before
imu = client.getImuData("Imu", "Drone1")
client.moveByVelocityAsync(0, 0, 0, 0.5).join()
later = client.getImuData("Imu", "Drone1")
assert later.time_stamp > imu.time_stamp and later.linear_acceleration.z_val != imu.linear_acceleration.z_val
for name in ("getBarometerData", "getMagnetometerData", "getGpsData"):
    assert getattr(client, name)(vehicle_name="Drone2").time_stamp > 1e18
client.reset()
print("done", len(points))
