"""Annotation layers of Cosys-AirSim: colours, indices, greys and textures of objects, and their images."""

import math
import sys

import cosysairsim as airsim
import numpy as np

client = airsim.ComputerVisionClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -110), airsim.euler_to_quaternion(0, -math.pi / 2, 0)), True)


def layer(name):
    """Pixels of a layer's image."""
    response = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Annotation, False, False, name)])[0]
    assert response.annotation_name == name and response.message == ""
    return airsim.string_to_uint8_array(response.image_data_uint8).reshape(response.height, response.width, 3)


for name in ("Grey", "Colour", "Index", "Texture"):
    objects = client.simListAnnotationObjects(name)
    assert len(client.simListAnnotationPoses(name)) == len(objects) > 0, name
    assert layer(name).shape == (64, 96, 3)
houses = [name for name in client.simListAnnotationObjects("Colour") if name.startswith("mage_building")]

assert client.simSetAnnotationObjectColor("Colour", houses[0], 10, 200, 30) is True
assert [int(v) for v in client.simGetAnnotationObjectColor("Colour", houses[0]).split(",")[:3]] == [10, 200, 30]
assert client.simSetAnnotationObjectColor("Colour", "mage_building.*", 10, 200, 30, True) is True
assert (layer("Colour") == (10, 200, 30)).all(axis=2).any()

assert client.simSetAnnotationObjectID("Index", "mage_building.*", 7, True) is True
assert client.simGetAnnotationObjectID("Index", houses[0]) == 7
assert (layer("Index") == airsim.load_colormap()[7]).all(axis=2).any()

assert client.simSetAnnotationObjectValue("Grey", "mage_building.*", 0.5, True) is True
assert abs(client.simGetAnnotationObjectValue("Grey", houses[0]) - 0.5) < 1e-6
assert len(np.unique(layer("Grey"))) > 1

assert isinstance(client.simSetAnnotationObjectTextureByPath("Texture", houses[0], "/none.png"), bool)
assert isinstance(client.simEnableAnnotationObjectTextureByPath("Texture", houses[0]), bool)
assert isinstance(client.simGetAnnotationObjectTexturePath("Texture", houses[0]), str)

missing = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Annotation, False, False, "None")])[0]
assert missing.width == 0 and "annotation name does not exist" in missing.message
assert len(client.simGetImage("0", airsim.ImageType.Annotation, "", "Colour")) > 100
print("done", len(houses))
