"""Multirotor: velocities in both frames, attitudes, rates, motors, gains, remote control and tasks that are cut off."""

import math
import sys

import airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
UP = -60.0


def state():
    truth = client.simGetGroundTruthKinematics()
    at, v = truth.position, truth.linear_velocity
    return np.array([at.x_val, at.y_val, at.z_val]), np.array([v.x_val, v.y_val, v.z_val])


def level():
    client.moveToPositionAsync(0, 0, UP, 5).join()
    client.hoverAsync().join()


level()
client.moveByVelocityAsync(3, 0, 0, 3).join()
(_, velocity), (at, _) = state(), state()
assert abs(velocity[0] - 3) < 0.8 and at[0] > 4, velocity
level()
client.rotateToYawAsync(90).join()
before, _ = state()
client.moveByVelocityBodyFrameAsync(3, 0, 0, 3).join()
after, velocity = state()
assert velocity[1] > 2 and after[1] - before[1] > 4, "ahead is east when the nose points there"
client.moveByVelocityZBodyFrameAsync(0, 3, UP, 3).join()
last, velocity = state()
assert velocity[0] < -2 and abs(last[2] - UP) < 2, "the right is south then"
level()
client.rotateToYawAsync(0).join()

# angles: the client turns the signs of pitch and yaw to the server's
before, _ = state()
client.moveByRollPitchYawZAsync(0.15, 0, 0, UP, 2).join()
after, _ = state()
assert after[1] - before[1] > 0.5, "rolling right goes right"
level()
before, _ = state()
client.moveByRollPitchYawZAsync(0, 0.15, 0, UP, 2).join()
assert state()[0][0] - before[0] > 0.5, "pitching forward goes forward"
level()
client.moveByRollPitchYawrateZAsync(0, 0, 0.5, UP, 2).join()
_, _, yaw = airsim.to_eularian_angles(client.simGetVehiclePose().orientation)
assert -1.6 < yaw < -0.4, "to the left, in the frame of front, left and up"
level()
client.moveByRollPitchYawThrottleAsync(0, 0, 0, 1.0, 1).join()
assert state()[1][2] < -1, "all throttle climbs"
client.moveByRollPitchYawrateThrottleAsync(0, 0, 0, 0.6, 0.2).join()
level()
client.moveByAngleRatesZAsync(0, 0, 0.5, UP, 1).join()
client.moveByAngleRatesThrottleAsync(0, 0, 0, 0.6, 0.2).join()
level()
client.moveByMotorPWMsAsync(0.9, 0.9, 0.9, 0.9, 1).join()
assert state()[1][2] < -0.5, "motors alone climb"
level()
client.moveByAngleZAsync(0, 0, UP, 0, 0.2).join()
client.moveByAngleThrottleAsync(0, 0, 0.6, 0, 0.2).join()

# gains, remote control and manual flight are taken
client.setAngleLevelControllerGains(airsim.AngleLevelControllerGains())
client.setAngleRateControllerGains(airsim.AngleRateControllerGains())
client.setVelocityControllerGains(airsim.VelocityControllerGains())
client.setPositionControllerGains(airsim.PositionControllerGains())
client.moveByManualAsync(vx_max=1, vy_max=1, z_min=UP - 10, duration=0.5).join()
client.moveByRC(rcdata=airsim.RCData(pitch=0.0, throttle=0.6, is_initialized=True, is_valid=True))
level()

# one task at a time: the next one ends it, and it answers false
long = client.moveByVelocityAsync(1, 0, 0, 3600)
client.moveToPositionAsync(0, 0, UP, 5).join()
assert long.get() is False
long = client.rotateByYawRateAsync(10, 3600)
client.cancelLastTask()
assert long.get() is False
assert client.moveByVelocityAsync(1, 0, 0, 0).get() is True
assert client.moveByVelocityZAsync(1, 0, UP, 0).get() is False

# the truth can be set
there = client.simGetGroundTruthKinematics()
there.position = airsim.Vector3r(5, 6, UP)
there.linear_velocity = airsim.Vector3r(0, 0, 0)
client.simSetKinematics(there, True)
assert np.linalg.norm(state()[0] - (5, 6, UP)) < 1
assert math.isfinite(client.getRotorStates().rotors[0]["thrust"])
client.reset()
print("done")
