"""Computer vision mode: what a wrong call answers arrives as RPCError with AirSim's own words."""

import sys

import airsim
import msgpackrpc

client = airsim.MultirotorClient(port=int(sys.argv[1]))
client.confirmConnection()
TEMPLATE = ("rpclib: function '{}' (called with {} arg(s)) threw an exception. The exception contained this "
            "information: {}.")
NO_API = ("Vehicle API for '{}' is not available. This could either because this is simulation-only API or this "
          "vehicle does not exist")
NO_SIM_API = ("Vehicle Sim-API for '{}' is not available. This could either because this is not a simulation or this "
              "vehicle does not exist")


def said(call):
    """The text of the error that a call ends with."""
    try:
        call()
    except msgpackrpc.error.RPCError as error:
        return error.args[0]
    return None


assert said(lambda: client.client.call("nope", 1, 2)) == (
    "rpclib: server could not find function 'nope' with argument count 2.")
assert said(lambda: client.takeoffAsync().get()) == (
    "rpclib: server could not find function 'takeoff' with argument count 2.")
assert said(lambda: client.client.call("simGetImages", [], "")) == (
    "rpclib: client error C0002: Function 'simGetImages' was called with an invalid number of arguments. Expected: 2, "
    "got: 3")
for name, arguments in (("simPause", (1,)), ("simPause", (None,)), ("simListSceneObjects", (1,)),
                        ("simGetVehiclePose", (None,)), ("simSetCameraFov", ("0", "wide", "", False)),
                        ("simGetImages", ([["0", 0, True, True]], "", False)),
                        ("simGetImages", ([{"image_type": 0.5}], "", False)),
                        ("simContinueForFrames", (-1,)), ("simSetWeatherParameter", (0.5, 0.5))):
    text = said(lambda name=name, arguments=arguments: client.client.call(name, *arguments))
    assert text == TEMPLATE.format(name, len(arguments), "std::bad_cast"), text
assert said(lambda: client.enableApiControl(True)) == TEMPLATE.format("enableApiControl", 2, NO_API.format(""))
assert said(lambda: client.getImuData()) == TEMPLATE.format("getImuData", 2, NO_API.format(""))
assert said(lambda: client.simGetVehiclePose("Bob")) == TEMPLATE.format(
    "simGetVehiclePose", 1, NO_SIM_API.format("Bob"))
assert said(lambda: client.simContinueForTime(1)) == TEMPLATE.format(
    "simContinueForTime", 1, "continueForTime is not implemented by SimMode")
assert said(lambda: client.simContinueForFrames(1)) == TEMPLATE.format(
    "simContinueForFrames", 1, "continueForFrames is not implemented by SimMode")

# what is accepted: missing keys, keys that nobody knows, whole numbers for floats, bytes for text
client.client.call("simSetVehiclePose", {}, True, "")
client.client.call("simSetVehiclePose", {"position": {"x_val": 3, "w": 1}, "extra": 1}, True, "")
assert client.simGetVehiclePose().position.x_val == 3
assert client.client.call("simListSceneObjects", b"mage_.*")
print("done")
