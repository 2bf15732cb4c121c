"""Computer vision mode: objects of the scene, their ids and materials, lines of sight, meshes."""

import math
import sys

import airsim
import numpy as np

client = airsim.VehicleClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
NADIR = airsim.to_quaternion(-math.pi / 2, 0, 0)


def ids_seen():
    """Colours of a raw segmentation frame."""
    response = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Segmentation, False, False)])[0]
    colours = np.fromstring(response.image_data_uint8, np.uint8).reshape(-1, 3)
    return {tuple(int(v) for v in colour[::-1]) for colour in np.unique(colours, axis=0)}


# lists are full matches and know case
names = client.simListSceneObjects()
houses = client.simListSceneObjects("mage_building_.*")
assert houses and set(houses) < set(names)
assert client.simListSceneObjects("mage_building") == [] == client.simListSceneObjects("MAGE_.*")

# what is not there has a pose of NaN, and cannot be moved
nowhere = client.simGetObjectPose("Non-Existent")
assert nowhere.position.containsNan()
assert client.simSetObjectPose("Non-Existent", nowhere) is False
assert client.simGetObjectScale("Non-Existent").x_val == 0

# a spawned object is found, moved, scaled, seen and destroyed
assets = client.simListAssets()
assert "1M_Cube_Chamfer" in assets
at = airsim.Pose(airsim.Vector3r(5, 5, -60))
cube = client.simSpawnObject("cube", "1M_Cube_Chamfer", at, airsim.Vector3r(4, 4, 4), True)
second = client.simSpawnObject("cube", "1M_Cube_Chamfer", airsim.Pose(airsim.Vector3r(25, 5, -60)),
                               airsim.Vector3r(1, 1, 1))
assert cube == "cube" and second != cube and second in client.simListSceneObjects("cube.*")
assert client.simGetObjectPose(cube).position.z_val == -60
np.testing.assert_allclose([client.simGetObjectScale(cube).x_val], [4])
assert client.simSetObjectScale(cube, airsim.Vector3r(6, 6, 2)) is True
assert client.simGetObjectScale(cube).z_val == 2
assert client.simSetObjectPose(cube, airsim.Pose(airsim.Vector3r(0, 0, -60)), True) is True
moved = client.simGetObjectPose(cube)
assert (moved.position.x_val, moved.position.z_val) == (0, -60)

# it has no segmentation until it is given one; ids are colours of AirSim's palette
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -80), NADIR), True)
assert client.simSetSegmentationObjectID(cube, 20) is True
assert client.simGetSegmentationObjectID(cube) == 20
assert (146, 52, 70) in ids_seen()
assert client.simSetSegmentationObjectID("MAGE_.*", 42, True) is True
assert (92, 31, 106) in ids_seen()
assert client.simSetSegmentationObjectID("MAGE_.*", 42) is False
assert client.simGetSegmentationObjectID("Non-Existent") == -1
float_ids = client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Segmentation, True)])[0]
assert airsim.get_pfm_array(float_ids).shape == (64, 96)

# infrared is the id as grey
grey = np.fromstring(client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.Infrared, False, False)])[0]
                     .image_data_uint8, np.uint8).reshape(-1, 3)
assert set(np.unique(grey)) <= {0, 20, 42}

# materials and textures
client.simSetObjectMaterial(cube, "wall_brick")
client.simSetObjectMaterialFromTexture(cube, "sample_texture.jpg")
assert isinstance(client.simSwapTextures("mage", 0), list)

# lines of sight: to a point high above, and not through the ground
low, high = client.simGetWorldExtents()
assert low.latitude < high.latitude and low.longitude < high.longitude
sky, under = airsim.GeoPoint(), airsim.GeoPoint()
for point, height in ((sky, 500.0), (under, -500.0)):
    point.latitude, point.longitude = (low.latitude + high.latitude) / 2, (low.longitude + high.longitude) / 2
    point.altitude = high.altitude + height
assert client.simTestLineOfSightToPoint(sky) is True
assert client.simTestLineOfSightBetweenPoints(sky, under) is False

# meshes and voxels
meshes = client.simGetMeshPositionVertexBuffers()
assert meshes and all(len(m.vertices) % 3 == 0 == len(m.indices) % 3 for m in meshes)
assert all(max(m.indices) < len(m.vertices) // 3 for m in meshes if m.indices)
assert client.simCreateVoxelGrid(airsim.Vector3r(0, 0, -10), 20, 20, 20, 2.0, "grid.binvox") is True

assert client.simDestroyObject(cube) is True
assert cube not in client.simListSceneObjects()
assert client.simDestroyObject("Non-Existent") is False
assert client.simDestroyObject(second) is True
print("done", len(names), len(meshes))
