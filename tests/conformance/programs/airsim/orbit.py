"""Multirotor on the wall clock: a circle flown by commands that nobody waits for, while the state is asked again."""

import math
import sys
import time

import airsim

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
RADIUS, SPEED, UP = 6.0, 3.0, -45.0
client.moveToPositionAsync(RADIUS, 0, UP, 5).join()
turned, last, count, end = 0.0, 0.0, 0, time.time() + 60
while turned < 2 * math.pi and time.time() < end:
    at = client.getMultirotorState().kinematics_estimated.position
    angle = math.atan2(at.y_val, at.x_val)
    turned += (angle - last + math.pi) % (2 * math.pi) - math.pi
    last = angle
    ahead = angle + 0.4
    dx, dy = RADIUS * math.cos(ahead) - at.x_val, RADIUS * math.sin(ahead) - at.y_val
    length = math.hypot(dx, dy)
    client.moveByVelocityZAsync(SPEED * dx / length, SPEED * dy / length, UP, 1,
                                airsim.DrivetrainType.MaxDegreeOfFreedom,
                                airsim.YawMode(False, math.degrees(ahead) + 180))
    count += 1
    assert 2 < math.hypot(at.x_val, at.y_val) < 15 and abs(at.z_val - UP) < 8
    time.sleep(0.02)
assert turned >= 2 * math.pi, f"turned {math.degrees(turned):.0f} degrees in {count} commands"
client.moveToPositionAsync(0, 0, UP, 5).join()
client.reset()
print("done", count)
