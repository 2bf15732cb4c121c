"""Instance segmentation of Cosys-AirSim: one colour for each component, paired with names as its scripts do."""

import math
import sys

import cosysairsim as airsim
import numpy as np

client = airsim.ComputerVisionClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -110), airsim.euler_to_quaternion(0, -math.pi / 2, 0)), True)

names = client.simListInstanceSegmentationObjects()
assert names and len(names) == len(set(names))
colours = airsim.load_colormap()
assert colours.shape == (2744000, 3)
poses = client.simListInstanceSegmentationPoses(ned=True)
assert len(poses) == len(names) and all(isinstance(pose, airsim.Pose) for pose in poses)
assert len(client.simListInstanceSegmentationPoses(True, True)) <= len(names)


def colours_seen():
    response = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Segmentation, False, False)])[0]
    pixels = airsim.string_to_uint8_array(response.image_data_uint8).reshape(-1, 3)
    return {tuple(int(v) for v in colour) for colour in np.unique(pixels, axis=0)}


# entry i of the list has colour i of the map, and what is seen is nothing else
of = {tuple(int(v) for v in colours[i]): name for i, name in enumerate(names)}
seen = colours_seen()
assert len(of) == len(names)
known = [of[colour] for colour in seen if colour in of]
assert len(known) > 3 and len(seen - set(of)) <= 1, (len(known), seen - set(of))
assert any(name.startswith("mage_building") for name in known)

# an id that is set is the index of its colour; a pattern reaches several
house = next(name for name in known if name.startswith("mage_building"))
assert client.simSetSegmentationObjectID(house, 2000) is True
assert client.simGetSegmentationObjectID(house) == 2000
assert tuple(int(v) for v in colours[2000]) in colours_seen()
assert client.simSetSegmentationObjectID("mage_building.*", 3000, True) is True
assert tuple(int(v) for v in colours[3000]) in colours_seen()
assert client.simGetSegmentationObjectID("Non-Existent") == -1
assert client.simSetSegmentationObjectID("Non-Existent", 5) is False
print("done", len(names), len(known))
