"""Computer vision mode: objects found in a camera's view, by wild card and distance."""

import math
import sys

import airsim

client = airsim.VehicleClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
client.simSetVehiclePose(airsim.Pose(airsim.Vector3r(0, 0, -120), airsim.to_quaternion(-math.pi / 2, 0, 0)), True)

assert client.simGetDetections("0", airsim.ImageType.Scene) == []
client.simSetDetectionFilterRadius("0", airsim.ImageType.Scene, 200 * 100)
client.simAddDetectionFilterMeshName("0", airsim.ImageType.Scene, "mage_building_*")
found = client.simGetDetections("0", airsim.ImageType.Scene)
assert found
for thing in found:
    assert isinstance(thing, airsim.DetectionInfo) and thing.name.startswith("mage_building_")
    assert 0 <= thing.box2D.min.x_val <= thing.box2D.max.x_val <= 96
    assert 0 <= thing.box2D.min.y_val <= thing.box2D.max.y_val <= 64
    assert thing.box3D.min.x_val > 0 and thing.box3D.max.x_val > 0, "ahead of the camera"
    assert isinstance(thing.geo_point.latitude, float) and isinstance(thing.relative_pose, airsim.Pose)
client.simSetDetectionFilterRadius("0", airsim.ImageType.Scene, 10 * 100)
assert client.simGetDetections("0", airsim.ImageType.Scene) == []
client.simSetDetectionFilterRadius("0", airsim.ImageType.Scene, 200 * 100)
client.simClearDetectionMeshNames("0", airsim.ImageType.Scene)
assert client.simGetDetections("0", airsim.ImageType.Scene) == []
print("done", len(found))
