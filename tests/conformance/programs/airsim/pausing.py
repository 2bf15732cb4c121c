"""Multirotor: time stands still, runs for a while, and stands again."""

import sys

import airsim

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
client.moveToZAsync(-40, 5).join()


def seconds():
    return client.getMultirotorState().timestamp / 1e9


client.simPause(True)
assert client.simIsPause() is True
start, height = seconds(), client.simGetVehiclePose().position.z_val
task = client.moveByVelocityAsync(0, 0, -2, 3600)
assert seconds() == start and client.simGetVehiclePose().position.z_val == height
client.simContinueForTime(2)
assert client.simIsPause() is True
assert abs(seconds() - start - 2) < 0.1
climbed = client.simGetVehiclePose().position.z_val
assert climbed < height - 1, "two seconds passed and nothing moved"
client.simContinueForFrames(30)
assert client.simIsPause() is True and seconds() > start + 2
assert client.simGetVehiclePose().position.z_val < climbed
shots = [client.simGetImages([airsim.ImageRequest("3", airsim.ImageType.Scene)])[0] for _ in range(2)]
assert shots[0].image_data_uint8 == shots[1].image_data_uint8, "a frame changed while time stood still"
# cameras are 0.1 m above the vehicle's lowest point
assert abs(shots[0].camera_position.z_val + 0.1 - client.simGetVehiclePose().position.z_val) < 0.02
client.simPause(False)
assert client.simIsPause() is False
client.hoverAsync().join()
assert task.get() is False
client.reset()
assert client.simIsPause() is False
print("done")
