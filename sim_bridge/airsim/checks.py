"""Image replies as numpy arrays, checked against what was asked for; each way to be wrong has its own error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.messages import ImageRequest, ImageType
from sim_bridge.errors import (
    EmptyImage,
    FrameError,
    NonFiniteDepth,
    NonFinitePose,
    StaleFrame,
    WrongCount,
    WrongSize,
    WrongType,
)
from sim_bridge.frames import NED, CameraPose, NedPose, camera_from_ned

Precision = Literal["float32", "float16", "unknown"]
AGAIN = (StaleFrame, EmptyImage, NonFinitePose, NonFiniteDepth)
"""Errors that may be gone when the same images are asked for again."""
_DEPTHS = (ImageType.DEPTH_PLANAR, ImageType.DEPTH_PERSPECTIVE)
_SAMPLES = 4096
_TELLING = 64
"""So many different depths, all of them half-precision numbers, are no accident."""
_HEAD_BYTES = 1 << 16
"""Of a reply, and of each image in it, beside the pixels."""


@dataclass(frozen=True)
class Image:
    """One image: (H, W, 3) uint8 RGB, or (H, W) float32 (metres for depth), and where and when it was taken."""

    image_type: ImageType
    pixels: npt.NDArray[Any]
    pose: CameraPose
    time_s: float
    """Server's clock, seconds since 1970."""


def read_images(replies: Sequence[Mapping[str, Any]], requests: Sequence[ImageRequest], bgr: bool, start: NED,
                size: tuple[int, int] | None) -> list[Image]:
    """Images of one simGetImages call. start: origin, in global NED, of the frame in which poses come; size: (width,
    height) that was asked for, None: any.

    Raises WrongCount, EmptyImage, WrongType, WrongSize, NonFinitePose, NonFiniteDepth.
    """
    if len(replies) != len(requests):
        raise WrongCount(f"{len(replies)} images came: expected {len(requests)}, one for each request")
    return [_image(*pair, bgr, start, size) for pair in zip(replies, requests, strict=True)]


def most_bytes(requests: Sequence[ImageRequest], size: tuple[int, int]) -> int:
    """Longest reply to the requests at an image size: 5 bytes a float, 3 a raw pixel, less than 4.1 in a PNG."""
    pixels = size[0] * size[1]
    return _HEAD_BYTES + sum(_HEAD_BYTES + 5 * pixels for _ in requests)


def local_from(pose: NedPose, start: NED) -> NedPose:
    """A pose in global NED in the frame whose origin is `start`."""
    at = pose.position
    return NedPose(NED(at.north - start.north, at.east - start.east, at.down - start.down), pose.orientation)


def global_from(pose: NedPose, start: NED) -> NedPose:
    """Inverse of `local_from`."""
    return local_from(pose, NED(-start.north, -start.east, -start.down))


def camera_pose(pose: NedPose, start: NED) -> CameraPose:
    """Camera in the world's ENU. Raises NonFinitePose."""
    at, turn = pose.position, pose.orientation
    # a sum is finite if all its parts are, and far cheaper than arrays
    if not math.isfinite(at.north + at.east + at.down + turn.w + turn.x + turn.y + turn.z):
        raise NonFinitePose(f"pose is {pose.position}, {pose.orientation}: expected finite numbers")
    return camera_from_ned(global_from(pose, start))


def precision(depth_m: npt.NDArray[np.float32]) -> Precision:
    """What the numbers of a depth image were before they travelled: engines keep 16 bits of each (protocol reference,
    section 8.3). Unknown if too few different ones are there."""
    flat = depth_m.ravel()
    some = np.unique(flat[::max(1, flat.size // _SAMPLES)])
    some = some[np.isfinite(some) & (some < np.finfo(np.float16).max)]
    if (some.astype(np.float16).astype(np.float32) != some).any():
        return "float32"
    return "float16" if len(some) >= _TELLING else "unknown"


def _image(reply: Mapping[str, Any], request: ImageRequest, bgr: bool, start: NED,
           size: tuple[int, int] | None) -> Image:
    width, height = reply["width"], reply["height"]
    what = f"image of type {request.image_type}"
    if width <= 0 or height <= 0 or _length(reply, request) == 0:
        raise EmptyImage(f"{what} was not taken: {reply['message'] or 'no message'}: expected a picture of it")
    if reply["image_type"] != request.image_type or bool(reply["pixels_as_float"]) != request.pixels_as_float:
        raise WrongType(f"{what} came as one of type {reply['image_type']}, as floats: {reply['pixels_as_float']}: "
                        f"expected type {request.image_type}, as floats: {request.pixels_as_float}")
    if size is not None and (width, height) != size:
        raise WrongSize(f"{what} has {width}x{height} pixels: expected {size[0]}x{size[1]}")
    pose = camera_pose(NedPose(reply["camera_position"], reply["camera_orientation"]), start)
    return Image(ImageType(request.image_type), _pixels(reply, request, bgr), pose, reply["time_stamp"] / 1e9)


def _length(reply: Mapping[str, Any], request: ImageRequest) -> int:
    return len(reply["image_data_float" if request.pixels_as_float else "image_data_uint8"])


def _pixels(reply: Mapping[str, Any], request: ImageRequest, bgr: bool) -> npt.NDArray[Any]:
    width, height = reply["width"], reply["height"]
    if request.pixels_as_float:
        return _floats(np.asarray(reply["image_data_float"], np.float32), width, height, request.image_type)
    data = np.frombuffer(reply["image_data_uint8"], np.uint8)
    if request.compress:
        return _png(data, width, height)
    if len(data) != 3 * width * height:
        raise WrongSize(f"{len(data)} bytes came for {width}x{height} pixels: expected {3 * width * height}")
    raw = data.reshape(height, width, 3)
    return cv2.cvtColor(raw, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False) if bgr else raw


def _floats(values: npt.NDArray[np.float32], width: int, height: int, image_type: int) -> npt.NDArray[np.float32]:
    if len(values) != width * height:
        raise WrongSize(f"{len(values)} numbers came for {width}x{height} pixels: expected {width * height}")
    # the least is not a number if any is none: one pass, and no array of flags
    if image_type in _DEPTHS and not float(np.min(values)) >= 0:
        raise NonFiniteDepth(f"least depth is {float(np.min(values))} m: expected distances")
    return values.reshape(height, width)


def _png(data: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    colours = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if colours is None:
        raise FrameError(f"{len(data)} bytes are no PNG: expected one of {width}x{height} pixels")
    if colours.shape != (height, width, 3):
        raise WrongSize(f"PNG has {colours.shape[1]}x{colours.shape[0]} pixels: expected {width}x{height}")
    return cv2.cvtColor(colours, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
