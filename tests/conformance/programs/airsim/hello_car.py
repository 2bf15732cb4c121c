"""Car: drive forward, steer, brake, reverse, read the state, take pictures, reset."""

import sys

import airsim
import numpy as np

client = airsim.CarClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
assert client.isApiControlEnabled() is True
controls = airsim.CarControls()


def drive(seconds):
    """Let simulated time pass under the present controls."""
    client.setCarControls(controls)
    client.simPause(True)
    client.simContinueForTime(seconds)
    client.simPause(False)
    return client.getCarState()


state = client.getCarState()
assert abs(state.speed) < 0.5 and isinstance(state.kinematics_estimated, airsim.KinematicsState)
start = state.kinematics_estimated.position
controls.throttle = 0.5
state = drive(2)
assert state.speed > 0.5 and state.gear >= 1 and 0 < state.rpm <= state.maxrpm
forward = state.kinematics_estimated.position
assert forward.distance_to(start) > 0.5
back = client.getCarControls()
assert (back.throttle, back.steering, back.handbrake) == (0.5, 0, False)

controls.steering = 1
yaw = airsim.to_eularian_angles(state.kinematics_estimated.orientation)[2]
state = drive(1)
turned = airsim.to_eularian_angles(state.kinematics_estimated.orientation)[2] - yaw
assert turned > 0.02, "steering right turns right"

controls.throttle, controls.steering, controls.brake = 0, 0, 1
state = drive(3)
assert abs(state.speed) < 0.5
controls.brake = 0
controls.throttle, controls.is_manual_gear, controls.manual_gear = -0.5, True, -1
state = drive(2)
assert state.speed < -0.2 and state.gear == -1
controls.is_manual_gear, controls.manual_gear, controls.throttle, controls.handbrake = False, 0, 0, True
state = drive(2)
assert state.handbrake is True and abs(state.speed) < 0.5

responses = client.simGetImages([
    airsim.ImageRequest("0", airsim.ImageType.DepthVis),
    airsim.ImageRequest("1", airsim.ImageType.DepthPerspective, True),
    airsim.ImageRequest("3", airsim.ImageType.Scene), airsim.ImageRequest("1", airsim.ImageType.Scene, False, False)])
assert [response.width for response in responses] == [96] * 4
airsim.write_pfm("1.pfm", airsim.get_pfm_array(responses[1]))
pixels = np.fromstring(responses[3].image_data_uint8, dtype=np.uint8)
airsim.write_png("3.png", np.flipud(pixels.reshape(64, 96, 3)))
assert isinstance(client.simGetCollisionInfo().has_collided, bool)
assert client.getDistanceSensorData("Distance", "Car1").distance > 0
assert len(client.getLidarData("Lidar", "Car1").point_cloud) % 3 == 0
client.simSetTimeOfDay(True, "2018-02-12 06:20:00")
client.simSetTimeOfDay(False)
assert client.simAddVehicle("Car9", "PhysXCar", airsim.Pose(airsim.Vector3r(8, 0, 0), airsim.Quaternionr())) is True
client.enableApiControl(True, "Car9")
client.setCarControls(airsim.CarControls(0.2), "Car9")
client.armDisarm(True, "Car9")
client.reset()
assert client.getCarState().kinematics_estimated.position.distance_to(start) < 1
client.enableApiControl(False)
print("done")
