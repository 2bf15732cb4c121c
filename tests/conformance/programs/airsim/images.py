"""Computer vision mode: poses, cameras and every image type, saved with the client's own helpers."""

import math
import sys
from pathlib import Path

import airsim
import cv2
import numpy as np

client = airsim.VehicleClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
WIDTH, HEIGHT, UP_M = 96, 64, 80.0
NADIR = airsim.to_quaternion(-math.pi / 2, 0, 0)


def pixels_of(response):
    """Raw pixels as the published examples read them."""
    return np.fromstring(response.image_data_uint8, dtype=np.uint8).reshape(response.height, response.width, 3)


# the vehicle goes where it is told, and a camera looks along its own pose relative to it
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(1.5, -2.5, -UP_M), airsim.to_quaternion(0, 0, 0.5)), True)
pose = client.simGetVehiclePose()
assert (pose.position.x_val, pose.position.y_val, pose.position.z_val) == (1.5, -2.5, -UP_M)
np.testing.assert_allclose(airsim.to_eularian_angles(pose.orientation), (0, 0, 0.5), atol=1e-6)
client.simSetCameraPose("0", airsim.Pose(airsim.Vector3r(0, 0, 0), airsim.to_quaternion(0.2618, 0, 0)))
for camera in range(5):
    info = client.simGetCameraInfo(str(camera))
    assert isinstance(info, airsim.CameraInfo) and info.fov == 90
    assert np.shape(info.proj_mat.matrix) == (4, 4) and np.isfinite(info.proj_mat.matrix).all()
pitch, _, yaw = airsim.to_eularian_angles(client.simGetCameraInfo("0").pose.orientation)
np.testing.assert_allclose((pitch, yaw), (0.2618, 0.5), atol=1e-5)
client.simSetCameraPose("0", airsim.Pose())

# a loop over viewpoints, all types in one call, in the forms that the examples ask for
requests = [airsim.ImageRequest("0", airsim.ImageType.DepthVis),
            airsim.ImageRequest("1", airsim.ImageType.DepthPerspective, True),
            airsim.ImageRequest("2", airsim.ImageType.Segmentation), airsim.ImageRequest("3", airsim.ImageType.Scene),
            airsim.ImageRequest("4", airsim.ImageType.DisparityNormalized),
            airsim.ImageRequest("4", airsim.ImageType.SurfaceNormals),
            airsim.ImageRequest("0", airsim.ImageType.Infrared, False, False),
            airsim.ImageRequest("bottom_center", airsim.ImageType.DepthPlanar, True),
            airsim.ImageRequest("fpv", airsim.ImageType.Scene, False, False)]
for step in range(3):
    away = -5.0 - 20 * step
    client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(away, away, away - 60),
                                         airsim.to_quaternion(-step / 3.0, 0, step / 3.0)), True)
    responses = client.simGetImages(requests)
    assert [r.image_type for r in responses] == [r.image_type for r in requests]
    for number, response in enumerate(responses):
        assert (response.width, response.height, response.message) == (WIDTH, HEIGHT, "")
        assert abs(response.camera_position.x_val - away) < 0.2
        name = f"{step}_{number}"
        if response.pixels_as_float:
            airsim.write_pfm(name + ".pfm", airsim.get_pfm_array(response))
            back, scale = airsim.read_pfm(name + ".pfm")
            assert back.shape == (HEIGHT, WIDTH) and scale == 1 and (back > 0).all()
        elif response.compress:
            airsim.write_file(name + ".png", response.image_data_uint8)
            assert cv2.imread(name + ".png").shape == (HEIGHT, WIDTH, 3)
        else:
            airsim.write_png(name + "_raw.png", pixels_of(response))

# raw pixels are what the PNG holds, in OpenCV's order
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -UP_M), NADIR), True)
png, raw, planar, perspective, vis, normals = client.simGetImages([
    airsim.ImageRequest("0", airsim.ImageType.Scene), airsim.ImageRequest("0", airsim.ImageType.Scene, False, False),
    airsim.ImageRequest("0", airsim.ImageType.DepthPlanar, True),
    airsim.ImageRequest("0", airsim.ImageType.DepthPerspective, True),
    airsim.ImageRequest("0", airsim.ImageType.DepthVis, True),
    airsim.ImageRequest("0", airsim.ImageType.SurfaceNormals, False, False)])
decoded = cv2.imdecode(airsim.string_to_uint8_array(png.image_data_uint8), cv2.IMREAD_UNCHANGED)
assert decoded.shape == (HEIGHT, WIDTH, 4)
np.testing.assert_array_equal(decoded[..., :3], pixels_of(raw))
single = client.simGetImage("0", airsim.ImageType.Scene)
np.testing.assert_array_equal(cv2.imdecode(airsim.string_to_uint8_array(single), cv2.IMREAD_UNCHANGED), decoded)

# the two depths differ by the cosine of the ray
rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
focal = WIDTH / 2
stretch = np.sqrt(1 + ((columns - WIDTH / 2) ** 2 + (rows - HEIGHT / 2) ** 2) / focal ** 2)
ground = airsim.get_pfm_array(planar) < 10 * UP_M
assert ground.mean() > 0.5, "mostly sky"
np.testing.assert_allclose(airsim.get_pfm_array(perspective)[ground],
                           (airsim.get_pfm_array(planar) * stretch)[ground], rtol=2e-3)
np.testing.assert_allclose(airsim.get_pfm_array(vis), np.clip(airsim.get_pfm_array(planar) / 100, 0, 1), atol=5e-3)
assert pixels_of(normals).std() > 0

# a narrower field of view shows the middle of the wide one
client.simSetCameraFov("0", 45)
assert abs(client.simGetCameraInfo("0").fov - 45) < 1e-4
narrow = airsim.get_pfm_array(client.simGetImages([airsim.ImageRequest("0", airsim.ImageType.DepthPlanar, True)])[0])
assert abs(narrow[HEIGHT // 2, WIDTH // 2] - airsim.get_pfm_array(planar)[HEIGHT // 2, WIDTH // 2]) < 0.5
client.simSetCameraFov("0", 90)

# lens distortion is kept; an external camera looks from where the settings put it
client.simSetDistortionParams("0", {"K1": 0.1, "K2": 0.0, "K3": 0.0, "P1": 0.0, "P2": -0.25})
np.testing.assert_allclose(client.simGetDistortionParams("0"), [0.1, 0, 0, 0, -0.25], atol=1e-6)
client.simSetDistortionParams("0", dict.fromkeys(("K1", "K2", "K3", "P1", "P2"), 0.0))
outside = client.simGetImages([airsim.ImageRequest("fixed1", airsim.ImageType.Scene)], external=True)[0]
assert outside.camera_position.z_val == -60 and len(outside.image_data_uint8) > 100
client.simSetCameraPose("fixed1", airsim.Pose(airsim.Vector3r(3, 4, -70), NADIR), external=True)
assert client.simGetCameraInfo("fixed1", external=True).pose.position.x_val == 3
client.simSetCameraFov("fixed1", 60, external=True)
assert len(client.simGetImage("fixed1", airsim.ImageType.Segmentation, external=True)) > 100

# what the vehicle is and where, as ground truth
truth = client.simGetGroundTruthKinematics()
assert truth.position.z_val == -UP_M and truth.linear_velocity.x_val == 0
around = client.simGetGroundTruthEnvironment()
assert 9.7 < around.gravity.z_val < 9.9 and 8e4 < around.air_pressure < 1.1e5
assert isinstance(around.geo_point, airsim.GeoPoint)
assert client.simGetCollisionInfo().has_collided is False
print("done", len(list(Path.cwd().glob("*.p*"))))
