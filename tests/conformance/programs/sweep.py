"""Every public method of an official client once, through the method itself, and the type of each answer.

`python sweep.py MODULE CLASS PORT EXPECTED` inside the client's environment. EXPECTED is a JSON file: `returns`, the
type that each bound call declares; `errors`, the text that some calls answer in this mode. Prints a JSON object:
`called`, the names that went over the wire; `wrong`, a line for each answer that is not as it should be.
"""

import importlib
import inspect
import json
import math
import sys
from pathlib import Path

NOT_SENT = {"switch1", "switch2", "switch3", "switch4", "switch5", "switch6", "switch7", "switch8", "ready",
            "ready_message", "can_arm", "vendor_id"}
"""Attributes of the clients' classes that no server sends."""
NOT_AS_DECLARED = {"altitude": float, "pressure": float, "qnh": float, "fix_type": int, "point_cloud": list,
                   "segmentation": list, "magnetic_field_covariance": list, "collision": object,
                   "pixels_as_float": bool, "passive_beacons_point_cloud": list, "groundtruth": list,
                   "passive_beacons_groundtruth": list,
                   "vertices": list, "indices": list, "image_data_float": list, "image_data_uint8": (bytes, bytearray)}
"""Attributes whose default in the client's class has another type than what servers send."""
OWN_KEYS = {"UwbData", "WifiData"}
"""Classes of `cosysairsim` whose attributes have other names than the server's keys."""
SKIPPED = {"getClientVersion", "getMinRequiredServerVersion"}
"""Methods that answer without asking the server."""


class Recorder:
    """The client's transport, and the names that went through it."""

    def __init__(self, transport, called):
        self._transport, self._called = transport, called

    def call(self, method, *args):
        self._called.append(method)
        return self._transport.call(method, *args)

    def call_async(self, method, *args):
        self._called.append(method)
        return self._transport.call_async(method, *args)


def arguments_by_name(m, client):
    """A sensible value for each parameter that has no default, by its name."""
    up, still = m.Vector3r(0.0, 0.0, -30.0), m.Quaternionr(0.0, 0.0, 0.0, 1.0)
    building = client.simListSceneObjects("mage_building_.*")[0]
    asset = "1M_Cube_Chamfer"
    here = m.GeoPoint()
    here.latitude, here.longitude, here.altitude = 38.47, -122.72, 300.0
    there = m.GeoPoint()
    there.latitude, there.longitude, there.altitude = 38.4702, -122.72, 300.0
    state = m.KinematicsState()
    for key in ("linear_velocity", "angular_velocity", "linear_acceleration", "angular_acceleration"):
        setattr(state, key, m.Vector3r())
    state.position, state.orientation = up, still
    return {
        "is_enabled": True, "arm": True, "is_paused": False, "seconds": 0.05, "frames": 2, "enable": True,
        "light_name": "PointLight", "intensity": 0.5, "is_visible": True, "tags": "mage, wall", "fov_degrees": 80.0,
        "object_name": building, "where_it_is": client.simGetObjectPose(building),
        "mesh_name": building, "material_name": "wall_brick", "texture_path": "brick.png",
        "param": m.WeatherParameter.Fog, "val": 0.2, "camera_name": "0", "image_type": m.ImageType.Scene,
        "requests": [m.ImageRequest("0", m.ImageType.Scene), m.ImageRequest("1", m.ImageType.DepthPlanar, True)],
        "preset_lens_settings": "12mm Prime f/2.8", "preset_filmback_settings": "35mm Full Aperture",
        "sensor_width": 36.0, "sensor_height": 24.0, "focal_length": 35.0, "focus_distance": 1000.0,
        "focus_aperture": 4.0, "point": here, "point1": here, "point2": there, "command": "stat fps",
        "pose": m.Pose(up, still), "ignore_collision": True, "color_rgba": [1.0, 0.0, 0.0, 1.0],
        "scale_vector": m.Vector3r(1.0, 1.0, 1.0), "scale": m.Vector3r(1.0, 1.0, 1.0), "asset_name": asset,
        "level_name": "no_such_level", "object_id": 20, "radius_cm": 20000, "message": "sweep",
        "distortion_params": {"K1": 0.01, "P2": -0.01}, "param_name": "K2", "value": 0.02, "state": state,
        "points": [up, m.Vector3r(5.0, 0.0, -30.0)], "points_start": [up], "points_end": [m.Vector3r(1.0, 1.0, -3.0)],
        "strings": ["a"], "positions": [up], "poses": [m.Pose(up, still)], "names": ["a"],
        "wind": m.Vector3r(0.5, 0.0, 0.0), "ext_force": m.Vector3r(0.0, 0.0, 0.0), "position": up, "x": 8, "y": 8,
        "z": 8, "res": 2.0, "of": "sweep.binvox", "vehicle_type": "", "annotation_name": "Grey", "r": 10, "g": 20,
        "b": 30, "greyscale_value": 0.5, "distance_sensor_name": "", "lidar_name": "", "echo_name": "",
        "controls": m.CarControls(0.3, 0.1, 0.0), "vx": 0.5, "vy": 0.0, "vz": 0.0, "vx_max": 1.0, "vy_max": 1.0,
        "z_min": -1.0, "duration": 0.1, "path": [m.Vector3r(0.0, 0.0, -31.0), m.Vector3r(1.0, 0.0, -31.0)],
        "velocity": 3.0, "latitude": 38.47, "longitude": -122.72, "altitude": 50.0, "yaw": 0.0, "yaw_rate": 0.1,
        "roll": 0.0, "pitch": 0.0, "throttle": 0.6, "roll_rate": 0.0, "pitch_rate": 0.0,
        "front_right_pwm": 0.6, "rear_left_pwm": 0.6, "front_left_pwm": 0.6, "rear_right_pwm": 0.6,
    }


def own_arguments(m, values):
    """Arguments of methods to which a name means something else."""
    return {
        "moveToPositionAsync": (1.0, 0.0, -31.0, 3.0), "moveToZAsync": (-31.0, 2.0), "landAsync": (60,),
        "moveByVelocityZAsync": (0.5, 0.0, -31.0, 0.1), "moveByVelocityZBodyFrameAsync": (0.5, 0.0, -31.0, 0.1),
        "moveByAngleZAsync": (0.0, 0.0, -31.0, 0.0, 0.1), "moveByRollPitchYawZAsync": (0.0, 0.0, 0.0, -31.0, 0.1),
        "moveByRollPitchYawrateZAsync": (0.0, 0.0, 0.0, -31.0, 0.1),
        "moveByAngleRatesZAsync": (0.0, 0.0, 0.0, -31.0, 0.1),
        # where it is, lest the vehicle fly into it
        "simSetObjectPose": (values["object_name"], values["where_it_is"]),
        "simSetVehicleLightVisibility": ("", "light", True), "simSetVehicleLightIntensity": ("", "light", 1.0),
        "simSpawnObject": ("sweep_object", values["asset_name"], values["pose"], values["scale"]),
        "simDestroyObject": ("sweep_object",), "simAddVehicle": ("sweep", values["vehicle_type"], values["pose"]),
    }


def direct_calls(m):
    """Calls that no method of a client makes."""
    echo = {"time_stamp": 1, "point_cloud": [1.0, 2.0, 3.0], "groundtruth": [], "pose": m.Pose(),
            "passive_beacons_point_cloud": [], "passive_beacons_groundtruth": []}
    return {"setSafety": (1, 1.0, 0, 1.0, m.Vector3r(), 100.0, -100.0, 0.0, ""), "setEchoData": ("", "", echo),
            "getSettingsString": (), "listVehicles": ()}


def methods_of(client):
    """Public methods in the order in which the classes declare them, the base class first."""
    found = {}
    for kind in reversed(type(client).__mro__):
        for name, method in vars(kind).items():
            if inspect.isfunction(method) and not name.startswith("_") and name not in SKIPPED:
                found[name] = method
    last = ("goHomeAsync", "landAsync", "cancelLastTask")
    return [name for name in found if name not in last] + [name for name in last if name in found]


def arguments_of(method, by_name):
    """Values of the parameters that have no default. Raises KeyError for a name that the table lacks."""
    parameters = list(inspect.signature(method).parameters.values())
    return [by_name[p.name] for p in parameters if p.default is inspect.Parameter.empty]


def wrong_struct(value, where):
    """What is wrong with an object that the client made of an answer."""
    kind = type(value)
    if kind.__name__ in OWN_KEYS:
        return
    for name, default in vars(kind).items():
        if name.startswith("_") or callable(default) or isinstance(default, (staticmethod, classmethod)):
            continue
        if name not in vars(value):
            if name not in NOT_SENT and (kind.__name__, name) != ("CarState", "collision"):
                yield f"{where}.{name} was not sent"
        elif not right_attribute(name, default, vars(value)[name]):
            yield f"{where}.{name} is {vars(value)[name]!r}, unlike {default!r}"
        elif hasattr(default, "to_msgpack") and name not in NOT_AS_DECLARED:
            yield from wrong_struct(vars(value)[name], f"{where}.{name}")


def right_attribute(name, default, value):
    if name in NOT_AS_DECLARED:
        return isinstance(value, NOT_AS_DECLARED[name])
    if hasattr(default, "to_msgpack"):
        return type(value) is type(default)
    if isinstance(default, (bool, str, list, bytes)):
        return isinstance(value, type(default))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def wrong_answer(returns, value):
    """What is wrong with an answer, given the type that the server declares."""
    if returns.startswith("["):
        if not isinstance(value, (list, tuple)):
            return [f"{type(value).__name__} instead of a list"]
        inner = returns[1:-1]
        return [text for entry in value[:50] for text in wrong_answer(inner, entry)]
    if returns.startswith("("):
        return [] if isinstance(value, (list, tuple)) and len(value) == returns.count(",") + 1 else [repr(value)]
    plain = {"bool": bool, "str": str, "f32": float, "f64": float, "int": int, "bytes": (bytes, bytearray),
             "void": type(None)}
    if returns in plain:
        return [] if isinstance(value, plain[returns]) else [f"{value!r:.80} instead of {returns}"]
    if isinstance(value, dict):
        return [f"a bare dict instead of {returns}"]
    return list(wrong_struct(value, type(value).__name__)) if hasattr(value, "to_msgpack") else []


def swept(client, name, arguments, called, expected):
    """Lines about what was wrong with one method's answer."""
    start = len(called)
    try:
        value = getattr(client, name)(*arguments)
        if type(value).__name__ == "Future":
            value.join()
            value = value.get()
    except Exception as error:
        texts = [expected["errors"][rpc] for rpc in called[start:] if rpc in expected["errors"]]
        if type(error).__name__ == "RPCError" and any(text in str(error) for text in texts):
            return []
        return [f"{name}: {type(error).__name__}: {error}"]
    calls = called[start:]
    if missed := [rpc for rpc in calls if rpc in expected["errors"]]:
        return [f"{name}: answered, expected {expected['errors'][missed[0]]!r}"]
    if len(set(calls)) != 1 or value is None:
        return []
    if name == "simGetLidarSegmentation":
        return wrong_answer("[int]", value)
    return [f"{name}: {text}" for text in wrong_answer(expected["returns"][calls[0]], value)]


def main(module, kind, port, expected_path):
    m = importlib.import_module(module)
    expected = json.loads(Path(expected_path).read_text(encoding="utf-8"))
    client = getattr(m, kind)(port=int(port), timeout_value=60)
    by_name = arguments_by_name(m, client)
    by_name["vehicle_type"] = expected["vehicle_type"]
    own = own_arguments(m, by_name)
    if module == "cosysairsim":
        own["simSetLightIntensity"] = (by_name["light_name"], math.pi)
    called, wrong = [], []
    client.client = Recorder(client.client, called)
    for name in methods_of(client):
        try:
            arguments = own.get(name) or arguments_of(getattr(client, name), by_name)
        except KeyError as error:
            wrong.append(f"{name}: no value for its parameter {error}")
            continue
        wrong += swept(client, name, arguments, called, expected)
        if name.startswith("simContinue"):
            client.simPause(False)
        if name == "reset" and "takeoff" in expected["returns"]:
            client.enableApiControl(True)
    for name, arguments in direct_calls(m).items():
        if name in expected["returns"]:
            wrong += swept(client.client, "call", [name, *arguments], called, expected)
    print("@@" + json.dumps({"called": sorted(set(called)), "wrong": wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
