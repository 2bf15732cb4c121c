"""Multirotor: two drones on one connection, both flying at once, and a third that is added."""

import sys

import airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
assert client.listVehicles()[:2] == ["Drone1", "Drone2"]
for name in ("Drone1", "Drone2"):
    client.enableApiControl(True, name)
    client.armDisarm(True, name)

first, second = client.takeoffAsync(vehicle_name="Drone1"), client.takeoffAsync(vehicle_name="Drone2")
first.join()
second.join()
assert first.get() is second.get() is True
assert client.getMultirotorState(vehicle_name="Drone1").landed_state == airsim.LandedState.Flying

first = client.moveToPositionAsync(-5, 5, -40, 5, vehicle_name="Drone1")
second = client.moveToPositionAsync(5, -5, -50, 5, vehicle_name="Drone2")
first.join()
second.join()
for name, goal in (("Drone1", (-5, 5, -40)), ("Drone2", (5, -5, -50))):
    at = client.simGetVehiclePose(name).position
    np.testing.assert_allclose((at.x_val, at.y_val, at.z_val), goal, atol=1.5)
    shot = client.simGetImages([airsim.ImageRequest("bottom_center", airsim.ImageType.Scene)], vehicle_name=name)[0]
    assert abs(shot.camera_position.z_val - goal[2]) < 1.5

# each has its own origin: global poses differ by their starts
one, two = client.simGetObjectPose("Drone1").position, client.simGetObjectPose("Drone2").position
np.testing.assert_allclose(two.x_val - one.x_val, 10 + 6, atol=2.5)

assert client.simAddVehicle("Drone3", "simpleflight", airsim.Pose(airsim.Vector3r(-6, 0, 0))) is True
assert client.simAddVehicle("Truck", "physxcar", airsim.Pose()) is False
assert "Drone3" in client.listVehicles()
client.enableApiControl(True, "Drone3")
client.armDisarm(True, "Drone3")
client.takeoffAsync(30, "Drone3").join()
assert client.getMultirotorState("Drone3").landed_state == airsim.LandedState.Flying
client.armDisarm(False, "Drone1")
client.reset()
print("done")
