"""Multirotor of Cosys-AirSim: fly, look, record the state, in its own names."""

import sys

import cosysairsim as airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
first, second = client.takeoffAsync(vehicle_name="Drone1"), None
client.enableApiControl(True, "Drone2")
client.armDisarm(True, "Drone2")
second = client.takeoffAsync(vehicle_name="Drone2")
first.join()
second.join()
assert client.getMultirotorState("Drone2").landed_state == airsim.LandedState.Flying

client.moveToPositionAsync(-10, 10, -50, 5).join()
at = client.simGetVehiclePose().position
np.testing.assert_allclose((at.x_val, at.y_val, at.z_val), (-10, 10, -50), atol=1.5)
client.moveByVelocityBodyFrameAsync(2, 0, 0, 1).join()
client.moveOnPathAsync([airsim.Vector3r(0, 0, -50), airsim.Vector3r(10, 0, -50)], 5).join()
client.rotateToYawAsync(45).join()
_, _, yaw = airsim.quaternion_to_euler_angles(client.simGetVehiclePose().orientation)
assert abs(np.degrees(yaw) - 45) < 6
raw = client.simGetPhysicsRawKinematics("Drone1")
assert isinstance(raw, airsim.KinematicsState)
raw.position = airsim.Vector3r(3, 4, -55)
client.simSetPhysicsRawKinematics(raw, "Drone1")
assert isinstance(client.simSetVehicleLightVisibility("Drone1", "light", True), bool)
assert isinstance(client.simSetVehicleLightIntensity("Drone1", "light", 1.0), bool)
responses = client.simGetImages([airsim.ImageRequest("bottom_center", airsim.ImageType.Scene),
                                 airsim.ImageRequest("0", airsim.ImageType.DepthPerspective, True)])
assert len(responses[0].image_data_uint8) > 100 and airsim.get_pfm_array(responses[1]).shape == (64, 96)
client.simPause(True)
client.simContinueForTime(0.5)
assert client.simIsPause() is True
client.simPause(False)
client.landAsync().join()
client.reset()
print("done")
