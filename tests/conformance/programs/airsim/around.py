"""Multirotor: teleport, gimbal, wind, fog, a trace line, lines of sight, a sky full of clocks."""

import math
import sys

import airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)

# teleport: up and ahead, keeping what is not changed
pose = client.simGetVehiclePose()
pose.position.x_val += 5
pose.position.z_val -= 40
client.simSetVehiclePose(pose, True)
assert abs(client.simGetVehiclePose().position.z_val - pose.position.z_val) < 2
client.takeoffAsync().join()
client.moveToZAsync(-50, 5).join()

# a gimbal: the camera looks where it is told, relative to its mount
for pitch in (-0.5, -1.0, 0.25):
    client.simSetCameraPose("front_center", airsim.Pose(airsim.Vector3r(0, 0, 0), airsim.to_quaternion(pitch, 0, 0)))
    shown, _, _ = airsim.to_eularian_angles(client.simGetCameraInfo("front_center").pose.orientation)
    assert abs(shown - pitch) < 0.1

# wind from the north drives a drone that holds only its attitude
client.moveToPositionAsync(0, 0, -50, 5).join()
start = client.simGetVehiclePose().position
client.simSetWind(airsim.Vector3r(-10, 0, 0))
client.moveByRollPitchYawZAsync(0, 0, 0, -50, 5).join()
drift = client.simGetVehiclePose().position.x_val - start.x_val
assert drift < -0.5, drift
client.simSetWind(airsim.Vector3r(0, 0, 0))

client.simEnableWeather(True)
client.simSetWeatherParameter(airsim.WeatherParameter.Fog, 0.25)
client.simSetTraceLine([1.0, 0.0, 0.0, 1.0], thickness=10.0)
client.moveByVelocityAsync(5, 0, 0, 2).join()
client.simEnableWeather(False)

# from up here the ground under the home point is in view, what is under the ground is not
home = client.getHomeGeoPoint()
low, _ = client.simGetWorldExtents()
home.altitude = low.altitude - 100
assert client.simTestLineOfSightToPoint(home) is False
home.altitude = low.altitude + 400
assert client.simTestLineOfSightToPoint(home) is True

collision = client.simGetCollisionInfo()
assert isinstance(collision, airsim.CollisionInfo) and isinstance(collision.has_collided, bool)
np.testing.assert_allclose(client.simGetGroundTruthEnvironment().gravity.z_val, 9.8, atol=0.1)
assert math.isfinite(client.getHomeGeoPoint().altitude)
client.reset()
print("done")
