"""Computer vision mode: weather, time of day and lights, each seen in the picture."""

import math
import sys

import airsim
import numpy as np

client = airsim.VehicleClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -60), airsim.to_quaternion(-math.pi / 4, 0, 0)), True)


def shot():
    response = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Scene, False, False)])[0]
    return np.fromstring(response.image_data_uint8, np.uint8).astype(int)


clear = shot()
client.simSetWeatherParameter(airsim.WeatherParameter.Fog, 0.75)
assert (shot() == clear).all(), "weather shows before it was enabled"
client.simSetWeatherParameter(airsim.WeatherParameter.Fog, 0.0)
client.simEnableWeather(True)
for name in ("Rain", "Roadwetness", "Snow", "RoadSnow", "MapleLeaf", "RoadLeaf", "Dust", "Fog"):
    client.simSetWeatherParameter(getattr(airsim.WeatherParameter, name), 0.75)
    if name in ("Rain", "Snow", "Dust", "Fog"):
        assert np.abs(shot() - clear).max() > 0, f"{name} is not to be seen"
    client.simSetWeatherParameter(getattr(airsim.WeatherParameter, name), 0.0)
client.simEnableWeather(False)
assert (shot() == clear).all()

client.simSetTimeOfDay(True, start_datetime="2018-02-12 15:20:00", is_start_datetime_dst=True,
                       celestial_clock_speed=1, update_interval_secs=60, move_sun=True)
afternoon = shot()
client.simSetTimeOfDay(True, "2018-06-21 12:00:00")
assert (afternoon != clear).any() and (shot() != afternoon).any()
client.simSetTimeOfDay(False)
assert (shot() == clear).all()

client.simSetLightIntensity("PointLight_1", 0.5)
print("done")
