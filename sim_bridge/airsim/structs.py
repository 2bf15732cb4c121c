"""The structs of the protocol, and values to and from the wire by their declared types, for client and server alike.

Types are written as in `rpcs.txt`: `bool int u8 u16 u32 u64 f32 f64 str bytes void`, enums (ints), `[T]`, `(T, T)` and
structs. A struct is a dict of all its keys; `Vector3r`, `Quaternionr`, `Pose` and `GeoPoint` are NED, Quaternion,
NedPose and Geodetic. On the wire a struct is a map, or in Colosseum's dialect the array of its values in order.

Sources: RpcLibAdaptorsBase.hpp, MultirotorRpcLibAdaptors.hpp, CarRpcLibAdaptors.hpp; rpclib's define_map.hpp and
define_array.hpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from sim_bridge.frames import NED, Geodetic, NedPose, Quaternion

Fields = tuple[tuple[str, str], ...]
Convert = Callable[[Any], Any]

FLOAT_ITEM = np.dtype([("tag", "u1"), ("value", ">f4")])
"""One value of a float list on the wire: `ca`, then four big-endian bytes."""
FLOAT_TAG = 0xCA


class BadCast(ValueError):
    """A value on the wire does not have the type that is asked for."""

    def __init__(self) -> None:
        super().__init__("std::bad_cast")


def _fields(text: str) -> Fields:
    return tuple((name, kind) for name, kind in (part.split(":") for part in text.split()))


_KINEMATICS = "position:Vector3r orientation:Quaternionr linear_velocity:Vector3r angular_velocity:Vector3r " \
              "linear_acceleration:Vector3r angular_acceleration:Vector3r"
_ANCHORS = "{0}X:[f32] {0}Y:[f32] {0}Z:[f32]"
_BEACONS = "time_stamp:u64 pose:Pose allBeaconsId:[f32] " + _ANCHORS.format("allBeacons")


def _ranges(a: str, b: str) -> str:
    return (f"{a}_time_stamp:[u64] {a}_anchorId:[str] {_ANCHORS.format(a + '_anchorPos')} {a}_valid_range:[bool] "
            f"{a}_distance:[f32] {a}_rssi:[f32] {b}_tagId:[str] {_ANCHORS.format(b + '_tagPos')} {b}_ranges:[[int]]")


STRUCTS: Mapping[str, Fields] = {name: _fields(text) for name, text in {
    "Vector2r": "x_val:f32 y_val:f32",
    "Vector3r": "x_val:f32 y_val:f32 z_val:f32",
    "Quaternionr": "w_val:f32 x_val:f32 y_val:f32 z_val:f32",
    "Pose": "position:Vector3r orientation:Quaternionr",
    "GeoPoint": "latitude:f64 longitude:f64 altitude:f32",
    "YawMode": "is_rate:bool yaw_or_rate:f32",
    "ImageRequest": "camera_name:str image_type:ImageType pixels_as_float:bool compress:bool",
    "ImageResponse": "image_data_uint8:bytes image_data_float:[f32] camera_position:Vector3r camera_name:str "
                     "camera_orientation:Quaternionr time_stamp:u64 message:str pixels_as_float:bool compress:bool "
                     "width:int height:int image_type:ImageType",
    "CameraInfo": "pose:Pose fov:f32 proj_mat:ProjectionMatrix",
    "ProjectionMatrix": "matrix:[[f32]]",
    "KinematicsState": _KINEMATICS,
    "EnvironmentState": "position:Vector3r geo_point:GeoPoint gravity:Vector3r air_pressure:f32 temperature:f32 "
                        "air_density:f32",
    "CollisionInfo": "has_collided:bool penetration_depth:f32 time_stamp:u64 normal:Vector3r impact_point:Vector3r "
                     "position:Vector3r object_name:str object_id:int",
    "MultirotorState": "collision:CollisionInfo kinematics_estimated:KinematicsState gps_location:GeoPoint "
                       "timestamp:u64 landed_state:int rc_data:RCData",
    "RCData": "timestamp:u64 pitch:f32 roll:f32 throttle:f32 yaw:f32 left_z:f32 right_z:f32 switches:u16 "
              "vendor_id:str is_initialized:bool is_valid:bool",
    "RotorStates": "rotors:[RotorState] timestamp:u64",
    "RotorState": "thrust:f32 torque_scaler:f32 speed:f32",
    "CarState": "speed:f32 gear:int rpm:f32 maxrpm:f32 handbrake:bool kinematics_estimated:KinematicsState "
                "timestamp:u64",
    "CarControls": "throttle:f32 steering:f32 brake:f32 handbrake:bool is_manual_gear:bool manual_gear:int "
                   "gear_immediate:bool",
    "ImuData": "time_stamp:u64 orientation:Quaternionr angular_velocity:Vector3r linear_acceleration:Vector3r",
    "BarometerData": "time_stamp:u64 altitude:f32 pressure:f32 qnh:f32",
    "MagnetometerData": "time_stamp:u64 magnetic_field_body:Vector3r magnetic_field_covariance:[f32]",
    "GpsData": "time_stamp:u64 gnss:GnssReport is_valid:bool",
    "GnssReport": "geo_point:GeoPoint eph:f32 epv:f32 velocity:Vector3r fix_type:int time_utc:u64",
    "DistanceSensorData": "time_stamp:u64 distance:f32 min_distance:f32 max_distance:f32 relative_pose:Pose",
    "LidarData": "time_stamp:u64 point_cloud:[f32] pose:Pose segmentation:[int]",
    "DetectionInfo": "name:str geo_point:GeoPoint box2D:Box2D box3D:Box3D relative_pose:Pose",
    "Box2D": "min:Vector2r max:Vector2r",
    "Box3D": "min:Vector3r max:Vector3r",
    "MeshPositionVertexBuffersResponse": "position:Vector3r orientation:Quaternionr vertices:[f32] indices:[u32] "
                                         "name:str",
    "ComputerVisionState": "kinematics_estimated:KinematicsState timestamp:u64",
    "GPULidarData": "time_stamp:u64 point_cloud:[f32] pose:Pose",
    "EchoData": "time_stamp:u64 point_cloud:[f32] groundtruth:[str] pose:Pose passive_beacons_point_cloud:[f32] "
                "passive_beacons_groundtruth:[str]",
    "MarLocUwbSensorData": _BEACONS,
    "WifiSensorData": _BEACONS,
    "MarLocUwbReturnMessage": _ranges("mur", "mura"),
    "WifiReturnMessage": _ranges("wr", "wra"),
}.items()}

ALWAYS_ARRAYS = ("MarLocUwbSensorData", "WifiSensorData")
"""Structs that Cosys packs as arrays although its other structs are maps."""

_OWN_FIELDS: Mapping[tuple[str, str], Fields] = {
    ("cosys", "ImageRequest"): (*STRUCTS["ImageRequest"], ("annotation_name", "str")),
    ("cosys", "ImageResponse"): (*STRUCTS["ImageResponse"], ("annotation_name", "str")),
    ("cosys", "LidarData"): _fields("time_stamp:u64 point_cloud:[f32] groundtruth:[str] pose:Pose"),
    ("colosseum", "MultirotorState"): (*STRUCTS["MultirotorState"], ("ready", "bool"), ("ready_message", "str"),
                                       ("can_arm", "bool")),
}
_DEFAULTS: Mapping[tuple[str, str], Any] = {("Quaternionr", "w_val"): 1.0, ("ImageRequest", "compress"): True,
                                            ("YawMode", "is_rate"): True}
"""Of keys that do not come; all others are zero, false or empty."""

_INTS = {"u8": (0, 1 << 8), "u16": (0, 1 << 16), "u32": (0, 1 << 32), "u64": (0, 1 << 64),
         "int": (-1 << 63, 1 << 63)}
_ENUMS = ("ImageType", "WeatherParameter", "DrivetrainType", "LandedState", "ObsAvoidanceStrategy")
_FLOATS = ("f32", "f64")


@dataclass(frozen=True)
class Codec:
    """Values to and from the wire in one dialect."""

    dialect: str
    arrays: bool

    def fields(self, struct: str) -> Fields:
        return _OWN_FIELDS.get((self.dialect, struct), STRUCTS[struct])

    def as_array(self, struct: str) -> bool:
        return self.arrays or struct in ALWAYS_ARRAYS

    def decode(self, kind: str, value: Any) -> Any:
        """A value off the wire as its type says. Missing keys keep their defaults and unknown ones are ignored, as in
        rpclib. Raises BadCast."""
        return _decoder(self, kind)(value)

    def plain(self, kind: str, value: Any) -> Any:
        """What msgpack shall pack for a value of ours: dicts or lists, Python numbers whatever numpy made of them."""
        return _plainer(self, kind)(value)


def _default(codec: Codec, struct: str, key: str, kind: str) -> Any:
    """What a key that does not come holds, as it would have come."""
    if (struct, key) in _DEFAULTS:
        return _DEFAULTS[struct, key]
    if kind in STRUCTS:
        return [] if codec.as_array(kind) else {}
    if kind.startswith("["):
        return []
    zeros: dict[str, Any] = {"bool": False, "str": "", "bytes": b"", **dict.fromkeys(_FLOATS, 0.0)}
    return zeros.get(kind, 0)


def _item_kind(kind: str) -> str:
    return kind[1:-1]


@lru_cache
def _decoder(codec: Codec, kind: str) -> Convert:
    if kind in _SCALAR_DECODERS:
        return _SCALAR_DECODERS[kind]
    if kind in _INTS or kind in _ENUMS:
        low, high = _INTS["int" if kind in _ENUMS else kind]
        return lambda value: _int_within(value, low, high)
    if kind.startswith("[") and _item_kind(kind) in _FLOATS:
        return _decode_floats
    if kind.startswith("["):
        item: Convert = _decoder(codec, _item_kind(kind))
        return lambda value: [item(entry) for entry in _as_list(value)]
    if kind.startswith("("):
        parts: list[Convert] = [_decoder(codec, part) for part in _item_kind(kind).split(", ")]
        return lambda value: tuple(part(entry) for part, entry in zip(parts, _as_list(value), strict=True))
    return _struct_decoder(codec, kind)


def _struct_decoder(codec: Codec, struct: str) -> Convert:
    decoders: list[tuple[str, Any, Convert]] = [(key, _default(codec, struct, key, kind), _decoder(codec, kind))
                                                for key, kind in codec.fields(struct)]
    build: Convert = _BUILDERS.get(struct, _same)

    def from_map(value: Any) -> Any:
        if not isinstance(value, dict):
            raise BadCast
        return build({key: decode(value.get(key, default)) for key, default, decode in decoders})

    def from_array(value: Any) -> Any:
        entries = _as_list(value)
        # an array that is too short leaves defaults, one that is too long is cut
        return build({key: decode(entries[place] if place < len(entries) else default)
                      for place, (key, default, decode) in enumerate(decoders)})

    return from_array if codec.as_array(struct) else from_map


@lru_cache
def _plainer(codec: Codec, kind: str) -> Convert:
    if kind in _SCALAR_PLAINERS:
        return _SCALAR_PLAINERS[kind]
    if kind in _INTS or kind in _ENUMS:
        return int
    if kind.startswith("[") and _item_kind(kind) in _FLOATS:
        return lambda value: value if isinstance(value, np.ndarray) else [float(v) for v in value]
    if kind.startswith("["):
        item: Convert = _plainer(codec, _item_kind(kind))
        return lambda value: value if isinstance(value, Packed) else [item(entry) for entry in value]
    if kind.startswith("("):
        parts: list[Convert] = [_plainer(codec, part) for part in _item_kind(kind).split(", ")]
        return lambda value: [part(entry) for part, entry in zip(parts, value, strict=True)]
    plainers: list[tuple[str, Convert]] = [(key, _plainer(codec, field)) for key, field in codec.fields(kind)]
    take: Convert = _TAKERS.get(kind, _same)
    if codec.as_array(kind):
        return lambda value: [plain(take(value)[key]) for key, plain in plainers]
    return lambda value: {key: plain(take(value)[key]) for key, plain in plainers}


def _same(value: Any) -> Any:
    return value


def _decode_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise BadCast


def _int_within(value: Any, low: int, high: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value < high:
        return value
    raise BadCast


def _decode_float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise BadCast


def _decode_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    # rpclib takes bin for a string
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    raise BadCast


def _decode_bytes(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return value
    raise BadCast


def _decode_void(value: Any) -> None:
    if value is not None:
        raise BadCast


def _as_list(value: Any) -> Any:
    if isinstance(value, (list, np.ndarray)):
        return value
    raise BadCast


def _decode_floats(value: Any) -> npt.NDArray[np.float32]:
    """A float32 array; one that the socket's reader has already made is handed on as it is."""
    if isinstance(value, np.ndarray):
        return value
    return np.array([_decode_float(entry) for entry in _as_list(value)], np.float32)


_SCALAR_DECODERS: Mapping[str, Convert] = {
    "bool": _decode_bool, "f32": _decode_float, "f64": _decode_float, "str": _decode_str, "bytes": _decode_bytes,
    "void": _decode_void,
}


class Packed(bytes):
    """A value of a reply that is msgpack already."""


class Double(float):
    """A float that travels with 64 bits; in replies every other float is AirSim's `real_T`, 32 bits."""


_SCALAR_PLAINERS: Mapping[str, Convert] = {
    "bool": bool, "f32": float, "f64": Double, "str": str, "bytes": _same, "void": lambda _: None,
}


def _vector(struct: dict[str, float]) -> NED:
    return NED(struct["x_val"], struct["y_val"], struct["z_val"])


def _quaternion(struct: dict[str, float]) -> Quaternion:
    """Unit; a zero quaternion means no rotation (scripts send it)."""
    values = [struct[key] for key in ("w_val", "x_val", "y_val", "z_val")]
    length = math.hypot(*values)
    if not math.isfinite(length):
        return Quaternion(math.nan, math.nan, math.nan, math.nan)
    return Quaternion(*(v / length for v in values)) if length > 1e-9 else Quaternion(1.0, 0.0, 0.0, 0.0)


_BUILDERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "Vector3r": _vector,
    "Quaternionr": _quaternion,
    "Pose": lambda struct: NedPose(struct["position"], struct["orientation"]),
    "GeoPoint": lambda struct: Geodetic(struct["latitude"], struct["longitude"], struct["altitude"]),
}
_TAKERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "Vector3r": lambda v: {"x_val": v.north, "y_val": v.east, "z_val": v.down},
    "Quaternionr": lambda q: {"w_val": q.w, "x_val": q.x, "y_val": q.y, "z_val": q.z},
    "Pose": lambda pose: {"position": pose.position, "orientation": pose.orientation},
    "GeoPoint": lambda place: {"latitude": place.lat_deg, "longitude": place.lon_deg, "altitude": place.alt_m},
}


def pack(value: Any, single: bool) -> bytes:
    """msgpack of plain values; single: floats with 32 bits but for `Double`, as servers answer, else with 64, as the
    official clients ask. Float32 arrays are lists of floats."""
    parts: list[bytes] = []
    _pack_into(parts, msgpack.Packer(use_single_float=single), value)
    return b"".join(parts)


def _pack_into(parts: list[bytes], packer: Any, value: Any) -> None:
    if isinstance(value, dict):
        parts.append(packer.pack_map_header(len(value)))
        for key, entry in value.items():
            parts.append(packer.pack(key))
            _pack_into(parts, packer, entry)
    elif isinstance(value, (list, tuple)):
        parts.append(packer.pack_array_header(len(value)))
        for entry in value:
            _pack_into(parts, packer, entry)
    elif isinstance(value, np.ndarray):
        parts += [packer.pack_array_header(value.size), pack_floats(value)]
    elif isinstance(value, Packed):
        parts.append(value)
    elif isinstance(value, Double):
        parts.append(msgpack.packb(float(value)))
    else:
        parts.append(packer.pack(value))


def packed_vectors(values: npt.NDArray[np.floating]) -> Packed:
    """The list of vectors (N, 3) as Vector3r maps of float32."""
    names = [bytes([0xA5]) + name.encode() for name in ("x_val", "y_val", "z_val")]
    item = np.dtype([("map", "u1"), *[(f"{part}{k}", layout) for k in range(3) for part, layout in
                                      (("name", "S6"), ("tag", "u1"), ("value", ">f4"))]])
    items = np.empty(len(values), item)
    items["map"] = 0x83
    for k, name in enumerate(names):
        items[f"name{k}"], items[f"tag{k}"], items[f"value{k}"] = name, FLOAT_TAG, values[:, k]
    return Packed(msgpack.Packer().pack_array_header(len(values)) + items.tobytes())


def pack_floats(values: npt.NDArray[np.floating]) -> bytes:
    """The elements of a msgpack array of float32, without its header."""
    items = np.empty(values.size, FLOAT_ITEM)
    items["tag"] = FLOAT_TAG
    items["value"] = values.ravel()
    return items.tobytes()
