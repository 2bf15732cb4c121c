"""Multirotor: connect, read the sensors, take off, fly to a point, hover, take pictures, land, reset."""

import pprint
import sys

import airsim
import numpy as np

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
assert client.isApiControlEnabled() is False
client.enableApiControl(True)
assert client.isApiControlEnabled() is True

state = client.getMultirotorState()
assert "kinematics_estimated" in pprint.pformat(state)
assert state.landed_state == airsim.LandedState.Landed and state.timestamp > 1e18
imu = client.getImuData()
assert -10.5 < imu.linear_acceleration.z_val < -9, "at rest an accelerometer feels the ground push it up"
barometer, magnetometer, gps = client.getBarometerData(), client.getMagnetometerData(), client.getGpsData()
assert 9e4 < barometer.pressure < 1.1e5
assert 0.2 < magnetometer.magnetic_field_body.get_length() < 0.7, "gauss"
home = client.getHomeGeoPoint()
assert abs(gps.gnss.geo_point.latitude - home.latitude) < 1e-3
assert gps.is_valid is True and gps.gnss.fix_type == 3

assert client.armDisarm(True) is True
assert client.takeoffAsync().get() is True
state = client.getMultirotorState()
assert state.landed_state == airsim.LandedState.Flying
start = client.simGetVehiclePose().position
rotors = client.getRotorStates()
assert len(rotors.rotors) == 4 and all(rotor["speed"] > 0 for rotor in rotors.rotors)

client.moveToPositionAsync(-10, 10, -50, 5).join()
at = client.simGetVehiclePose().position
np.testing.assert_allclose((at.x_val, at.y_val, at.z_val), (-10, 10, -50), atol=1.5)
assert client.hoverAsync().get() is True
still = client.simGetGroundTruthKinematics()
assert still.linear_velocity.get_length() < 1.0
estimated = client.getMultirotorState().kinematics_estimated
assert estimated.position.distance_to(still.position) < 1.0
assert client.getBarometerData().altitude - barometer.altitude > 30
assert client.getGpsData().gnss.geo_point.altitude - gps.gnss.geo_point.altitude > 30

responses = client.simGetImages([
    airsim.ImageRequest("0", airsim.ImageType.DepthVis),
    airsim.ImageRequest("1", airsim.ImageType.DepthPerspective, True),
    airsim.ImageRequest("1", airsim.ImageType.Scene), airsim.ImageRequest("1", airsim.ImageType.Scene, False, False)])
for number, response in enumerate(responses):
    assert abs(response.camera_position.x_val + 10) < 2
    if response.pixels_as_float:
        airsim.write_pfm(f"{number}.pfm", airsim.get_pfm_array(response))
    elif response.compress:
        airsim.write_file(f"{number}.png", response.image_data_uint8)
    else:
        pixels = np.fromstring(response.image_data_uint8, dtype=np.uint8)
        airsim.write_png(f"{number}.png", pixels.reshape(response.height, response.width, 3))

# a path by GPS, home again, down
client.moveToGPSAsync(home.latitude + 2e-4, home.longitude, home.altitude + 45, 5).join()
at = client.simGetVehiclePose().position
assert 15 < at.x_val < 30 and abs(at.y_val) < 3
client.moveToZAsync(-30, 5).join()
assert abs(client.simGetVehiclePose().position.z_val + 30) < 1.5
client.moveToPositionAsync(0, 0, start.z_val, 5).join()
client.landAsync().join()
assert client.getMultirotorState().landed_state == airsim.LandedState.Landed
client.takeoffAsync().join()
client.goHomeAsync().join()

client.reset()
assert client.isApiControlEnabled() is False
state = client.getMultirotorState()
assert state.landed_state == airsim.LandedState.Landed
client.armDisarm(False)
client.enableApiControl(False)
print("done")
