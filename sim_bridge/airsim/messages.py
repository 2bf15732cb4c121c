"""Enums, image requests and the packing of whole messages of AirSim's protocol, shared by client and server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sim_bridge.airsim.structs import pack

MAX_MESSAGE_BYTES = 64 << 20
"""Bound on one message unless the caller sets another: a 4096x3072 float image is 60 MiB."""


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
    LIGHTING = 10
    """Cosys only, as is the next."""
    ANNOTATION = 11


class WeatherParameter(IntEnum):
    RAIN = 0
    ROAD_WETNESS = 1
    SNOW = 2
    ROAD_SNOW = 3
    MAPLE_LEAF = 4
    ROAD_LEAF = 5
    DUST = 6
    FOG = 7
    ENABLED = 8


@dataclass(frozen=True)
class ImageRequest:
    """One image of a simGetImages call, in the form in which it shall travel."""

    image_type: int
    pixels_as_float: bool = False
    compress: bool = False
    camera_name: str = ""
    annotation_name: str = ""


SCENE = ImageRequest(ImageType.SCENE)
DEPTH = ImageRequest(ImageType.DEPTH_PLANAR, pixels_as_float=True)
SEGMENTATION = ImageRequest(ImageType.SEGMENTATION)
"""The three modalities in their exact forms: raw colour, float metres, raw palette."""


def pack_request(msgid: int, method: str, args: tuple[Any, ...]) -> bytes:
    """`[0, msgid, method, args]` of plain values; floats travel with 64 bits, as the official client's do."""
    return pack([0, msgid, method, list(args)], single=False)


def pack_response(msgid: int, error: str | None, result: object) -> bytes:
    """`[1, msgid, error, result]` of plain values; floats with 32 bits, `Double` with 64."""
    return pack([1, msgid, error, result], single=True)
