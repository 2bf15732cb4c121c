"""Structs, enums and packing of AirSim's dialect 1.8.1 (structs as maps), shared by client and server.

Source: AirSim AirLib/include/api/RpcLibAdaptorsBase.hpp; keys are in the order of serialisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from sim_bridge.frames import NED, NedPose, Quaternion

MAX_MESSAGE_BYTES = 64 << 20
"""Bound on one message unless the caller sets another: a 4096x3072 float image is 60 MiB."""

FLOAT_ITEM = np.dtype([("tag", "u1"), ("value", ">f4")])
"""One value of a float image on the wire: `ca`, then four big-endian bytes."""

FLOAT_TAG = 0xCA


class BadCast(ValueError):
    """A value on the wire does not have the type that the method's signature asks for."""

    def __init__(self) -> None:
        super().__init__("std::bad_cast")


class Double(float):
    """A float that travels with 64 bits; every other float is AirSim's `real_T`, 32 bits."""


class ImageType(IntEnum):
    SCENE = 0
    DEPTH_PLANAR = 1
    DEPTH_PERSPECTIVE = 2
    DEPTH_VIS = 3
    DISPARITY_NORMALIZED = 4
    SEGMENTATION = 5
    SURFACE_NORMALS = 6
    INFRARED = 7
    OPTICAL_FLOW = 8
    OPTICAL_FLOW_VIS = 9


@dataclass(frozen=True)
class ImageRequest:
    """One image of a simGetImages call, in the form in which it shall travel."""

    image_type: int
    pixels_as_float: bool = False
    compress: bool = False
    camera_name: str = ""


SCENE = ImageRequest(ImageType.SCENE)
DEPTH = ImageRequest(ImageType.DEPTH_PLANAR, pixels_as_float=True)
SEGMENTATION = ImageRequest(ImageType.SEGMENTATION)
"""The three modalities in their exact forms: raw colour, float metres, raw palette."""


def as_bool(value: object) -> bool:
    """A bool only; AirSim refuses ints. Raises BadCast."""
    if isinstance(value, bool):
        return value
    raise BadCast


def as_int(value: object) -> int:
    """An int within 64 bits, not a bool, not a float. Raises BadCast."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadCast


def as_float(value: object) -> float:
    """Any number. Raises BadCast."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise BadCast


def as_str(value: object) -> str:
    """str, or bin that rpclib takes for one. Raises BadCast."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise BadCast


def as_struct(value: object) -> Mapping[str, Any]:
    """A map; missing keys keep their defaults and unknown ones are ignored, as in rpclib. Raises BadCast."""
    if isinstance(value, dict):
        return value
    raise BadCast


def as_list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    raise BadCast


def as_pose(value: object) -> NedPose:
    """Pose struct. A zero quaternion means no rotation. Raises BadCast, ValueError for numbers that are not finite."""
    struct = as_struct(value)
    position = as_struct(struct.get("position", {}))
    orientation = as_struct(struct.get("orientation", {}))
    place = [as_float(position.get(key, 0.0)) for key in ("x_val", "y_val", "z_val")]
    turn = [as_float(orientation.get(key, default)) for key, default in
            (("w_val", 1.0), ("x_val", 0.0), ("y_val", 0.0), ("z_val", 0.0))]
    if not all(math.isfinite(v) and abs(v) < 1e9 for v in place + turn):
        raise ValueError("pose has a component that is not a finite number")
    length = math.hypot(*turn)
    turn = [v / length for v in turn] if length > 1e-9 else [1.0, 0.0, 0.0, 0.0]
    return NedPose(NED(*place), Quaternion(*turn))


def as_image_requests(value: object) -> tuple[ImageRequest, ...]:
    """List of ImageRequest structs. Raises BadCast."""
    return tuple(_as_image_request(as_struct(entry)) for entry in as_list(value))


def _as_image_request(struct: Mapping[str, Any]) -> ImageRequest:
    return ImageRequest(
        image_type=as_int(struct.get("image_type", 0)),
        pixels_as_float=as_bool(struct.get("pixels_as_float", False)),
        compress=as_bool(struct.get("compress", True)),
        camera_name=as_str(struct.get("camera_name", "")),
    )


def vector_struct(v: NED) -> dict[str, float]:
    return {"x_val": float(v.north), "y_val": float(v.east), "z_val": float(v.down)}


def quaternion_struct(q: Quaternion) -> dict[str, float]:
    return {"w_val": float(q.w), "x_val": float(q.x), "y_val": float(q.y), "z_val": float(q.z)}


def pose_struct(pose: NedPose) -> dict[str, dict[str, float]]:
    return {"position": vector_struct(pose.position), "orientation": quaternion_struct(pose.orientation)}


NAN_POSE = {
    "position": dict.fromkeys(("x_val", "y_val", "z_val"), math.nan),
    "orientation": dict.fromkeys(("w_val", "x_val", "y_val", "z_val"), math.nan),
}
"""What simGetObjectPose answers for an object that does not exist."""


def image_request_struct(request: ImageRequest, camera_name: str) -> dict[str, Any]:
    return {"camera_name": camera_name, "image_type": int(request.image_type),
            "pixels_as_float": request.pixels_as_float, "compress": request.compress}


def pack_request(msgid: int, method: str, args: tuple[Any, ...]) -> bytes:
    """`[0, msgid, method, args]`; Python floats travel with 64 bits, as the official client's do."""
    packed: bytes = msgpack.packb([0, msgid, method, list(args)])
    return packed


def pack_response(msgid: int, error: str | None, result: object) -> bytes:
    """`[1, msgid, error, result]`; floats with 32 bits, `Double` with 64, float32 arrays as lists of floats."""
    parts: list[bytes] = [b"\x94\x01"]
    packer = msgpack.Packer(use_single_float=True)
    for value in (msgid, error, result):
        _pack_into(parts, packer, value)
    return b"".join(parts)


def _pack_into(parts: list[bytes], packer: msgpack.Packer, value: object) -> None:
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
    elif isinstance(value, Double):
        parts.append(msgpack.packb(float(value)))
    else:
        parts.append(packer.pack(value))


def pack_floats(values: npt.NDArray[np.float32]) -> bytes:
    """The elements of a msgpack array of float32, without its header."""
    items = np.empty(values.size, FLOAT_ITEM)
    items["tag"] = FLOAT_TAG
    items["value"] = values.ravel()
    return items.tobytes()
