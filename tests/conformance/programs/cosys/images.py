"""Computer vision mode of Cosys-AirSim: poses, images in its own signatures and pixel order, detections, drawing."""

import math
import sys

import cosysairsim as airsim
import cv2
import msgpackrpc
import numpy as np

client = airsim.ComputerVisionClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
WIDTH, HEIGHT, UP_M = 96, 64, 80.0
NADIR = airsim.euler_to_quaternion(0, -math.pi / 2, 0)

client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(1.5, -2.5, -UP_M), NADIR), True)
at = client.simGetVehiclePose().position
assert (at.x_val, at.y_val, at.z_val) == (1.5, -2.5, -UP_M)
state = client.getComputerVisionState()
assert state.kinematics_estimated.position.z_val == -UP_M and state.timestamp > 1e18

png, raw, depth, normals, lighting = client.simGetImages([
    airsim.ImageRequest("0", airsim.ImageType.Scene), airsim.ImageRequest("0", airsim.ImageType.Scene, False, False),
    airsim.ImageRequest("0", airsim.ImageType.DepthPlanar, True),
    airsim.ImageRequest("0", airsim.ImageType.SurfaceNormals, False, False),
    airsim.ImageRequest("0", airsim.ImageType.Lighting, False, False)])
colours = airsim.string_to_uint8_array(raw.image_data_uint8).reshape(HEIGHT, WIDTH, 3)
decoded = cv2.imdecode(airsim.string_to_uint8_array(png.image_data_uint8), cv2.IMREAD_UNCHANGED)
np.testing.assert_array_equal(decoded[..., 2::-1], colours)
assert (decoded[..., 3] == 255).all()
assert 20 < airsim.get_pfm_array(depth)[32, 48] < 2 * UP_M
for response in (normals, lighting):
    assert airsim.string_to_uint8_array(response.image_data_uint8).size == WIDTH * HEIGHT * 3
airsim.write_file("scene.png", client.simGetImage("0", airsim.ImageType.Scene))
airsim.write_pfm("depth.pfm", airsim.get_pfm_array(depth))

client.simSetCameraPose("0", airsim.Pose(airsim.Vector3r(0, 0, 0), airsim.euler_to_quaternion(0, 0.25, 0)))
client.simSetCameraFov("0", 60)
info = client.simGetCameraInfo("0")
assert abs(info.fov - 60) < 1e-4 and np.shape(info.proj_mat.matrix) == (4, 4)
_, pitch, _ = airsim.quaternion_to_euler_angles(info.pose.orientation)
assert abs(pitch + math.pi / 2 - 0.25) < 1e-4
client.simSetCameraFov("0", 90)
client.simSetDistortionParams("0", {"K1": 0.125})
assert client.simGetDistortionParams("0")[0] == 0.125
client.simSetDistortionParams("0", {"K1": 0.0})

# objects: global NED, or in the world's own frame; with their tags
house = client.simListSceneObjects("mage_building_.*")[0]
ned, own = client.simGetObjectPose(house), client.simGetObjectPose(house, False)
assert isinstance(ned, airsim.Pose) and isinstance(own, airsim.Pose)
assert client.simGetObjectPose("Non-Existent").position.containsNan()
assert all(len(pair) == 2 for pair in client.simListSceneObjectsTags(".*"))
client.simSetDetectionFilterRadius("0", airsim.ImageType.Scene, 20000)
client.simAddDetectionFilterMeshName("0", airsim.ImageType.Scene, "mage_*")
assert isinstance(client.simGetDetections("0", airsim.ImageType.Scene), list)
client.simClearDetectionMeshNames("0", airsim.ImageType.Scene)
client.simPlotPoints([airsim.Vector3r(0, 0, -5)])
client.simPlotTransforms([airsim.Pose()])
client.simFlushPersistentMarkers()
assert isinstance(client.simSetWorldLightVisibility("Light", True), bool)
assert isinstance(client.simSetWorldLightIntensity("Light", 0.5), bool)
client.simSetExtForce(airsim.Vector3r(0, 0, 0))

# what it sends and AirSim does not take, and the reverse: errors, and the connection goes on
for name, arguments in (("simGetImages", ([], "", False)), ("simGetObjectPose", (house,)),
                        ("simSetLightIntensity", ("a", 1.0))):
    try:
        client.client.call(name, *arguments)
        raise AssertionError(f"{name} took AirSim's arguments")
    except msgpackrpc.error.RPCError as error:
        assert "invalid number of arguments" in str(error) or "could not find function" in str(error)
assert client.ping() is True
print("done")
