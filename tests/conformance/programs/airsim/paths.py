"""Multirotor: paths, boxes and surveys, as the published examples fly them."""

import math
import sys

import airsim
import msgpackrpc
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
UP = -45.0


def position():
    at = client.simGetVehiclePose().position
    return np.array([at.x_val, at.y_val, at.z_val])


client.moveToZAsync(UP, 5).join()

# a path flown nose first, with a lookahead of 20 m
points = [(20, 0), (20, -20), (0, -20), (0, 0)]
assert client.moveOnPathAsync([airsim.Vector3r(x, y, UP) for x, y in points], 8, 120,
                              airsim.DrivetrainType.ForwardOnly, airsim.YawMode(False, 0), 20, 1).get() is True
assert np.linalg.norm(position() - (0, 0, UP)) < 5
client.moveToPositionAsync(0, 0, UP, 1).join()
assert np.linalg.norm(position() - (0, 0, UP)) < 1.5
try:
    client.moveOnPathAsync([airsim.Vector3r(5, 0, UP)], 8, 120, airsim.DrivetrainType.ForwardOnly,
                           airsim.YawMode(True, 0), 20, 1).get()
    raise AssertionError("a rate of yaw was taken while flying forward only")
except msgpackrpc.error.RPCError as error:
    assert "Yaw cannot be specified as rate if drivetrain is ForwardOnly" in str(error)

# a box by velocity, keeping height
for vx, vy in ((5, 0), (0, -5), (-5, 0), (0, 5)):
    before = position()
    assert client.moveByVelocityZAsync(vx, vy, UP, 3, airsim.DrivetrainType.MaxDegreeOfFreedom,
                                       airsim.YawMode(False, 0)).get() is True
    moved = position() - before
    assert moved @ (vx, vy, 0) / 5 > 5, moved
    client.hoverAsync().join()

# a survey in lanes, one path for all of it
lanes = []
for lane in range(4):
    y = -15 + 10.0 * lane
    ends = (-15.0, 15.0) if lane % 2 else (15.0, -15.0)
    lanes += [airsim.Vector3r(x, y, UP) for x in ends]
client.moveToPositionAsync(lanes[0].x_val, lanes[0].y_val, UP, 5).join()
client.moveOnPathAsync(lanes, 6, 365, airsim.DrivetrainType.ForwardOnly, airsim.YawMode(False, 0), 5, 1).join()
assert np.linalg.norm(position() - (lanes[-1].x_val, lanes[-1].y_val, UP)) < 4

# facing a point while moving sideways
client.rotateToYawAsync(90).join()
_, _, yaw = airsim.to_eularian_angles(client.simGetVehiclePose().orientation)
assert abs(math.degrees(yaw) - 90) < 6
client.moveToPositionAsync(0, 0, UP, 5, yaw_mode=airsim.YawMode(False, 0)).join()
client.rotateByYawRateAsync(30, 2).join()
_, _, turned = airsim.to_eularian_angles(client.simGetVehiclePose().orientation)
assert 20 < math.degrees(turned) < 80
client.goHomeAsync().join()
client.landAsync().join()
client.armDisarm(False)
client.enableApiControl(False)
print("done")
