"""Computer vision mode: marks drawn into the world, log and console, lens and film."""

import sys

import airsim

client = airsim.VehicleClient(port=int(sys.argv[1]))
client.confirmConnection()
client.reset()
here = airsim.Vector3r(0, 0, -5)
path = [airsim.Vector3r(x, y, -5) for x, y in zip(range(10), range(0, 20, 2), strict=True)]
poses = [airsim.Pose(point, airsim.to_quaternion(0, 0, 0.1 * i)) for i, point in enumerate(path)]

client.simFlushPersistentMarkers()
client.simPlotPoints(path, color_rgba=[1.0, 0.0, 0.0, 1.0], size=25, duration=20.0, is_persistent=False)
client.simPlotLineStrip(path, [0.0, 1.0, 0.0, 1.0], 5.0, 20.0, True)
client.simPlotLineList(path, is_persistent=True)
client.simPlotArrows(path[:-1], path[1:], [1.0, 1.0, 0.0, 1.0], 10.0, 20.0, 5.0, False)
client.simPlotStrings([f"point {i}" for i in range(len(path))], path, scale=1, color_rgba=[1.0, 1.0, 1.0, 1.0])
client.simPlotTransforms(poses, 35, 5, 20.0, True)
client.simPlotTransformsWithNames(poses, [f"pose {i}" for i in range(len(poses))], tf_scale=45, tf_thickness=5,
                                  text_scale=5, text_color_rgba=[1.0, 0.0, 0.0, 1.0], duration=20.0)
client.simPlotPoints([here])
client.simFlushPersistentMarkers()
client.simPrintLogMessage("Iteration: ", "1", 0)
assert client.simRunConsoleCommand("stat fps") is True
assert isinstance(client.simLoadLevel("Blocks"), bool)
assert "SettingsVersion" in client.client.call("getSettingsString")
assert client.listVehicles() == ["ComputerVision"]

presets = client.simGetPresetLensSettings("0")
films = client.simGetPresetFilmbackSettings("0")
assert isinstance(presets, list) and isinstance(films, list)
if presets:
    client.simSetPresetLensSettings(presets[0], "0")
if films:
    client.simSetPresetFilmbackSettings(films[0], "0")
assert isinstance(client.simGetLensSettings("0"), str) and isinstance(client.simGetFilmbackSettings("0"), str)
assert isinstance(client.simSetFilmbackSettings(36.0, 24.0, "0"), float)
client.simSetFocalLength(35.0, "0")
assert isinstance(client.simGetFocalLength("0"), float)
client.simEnableManualFocus(True, "0")
client.simSetFocusDistance(5000.0, "0")
assert isinstance(client.simGetFocusDistance("0"), float)
client.simSetFocusAperture(4.0, "0")
assert isinstance(client.simGetFocusAperture("0"), float)
client.simEnableFocusPlane(False, "0")
assert isinstance(client.simGetCurrentFieldOfView("0"), str)
client.simSetCameraFov("0", 90)
print("done", len(presets), len(films))
