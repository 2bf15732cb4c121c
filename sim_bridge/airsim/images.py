"""A rendered frame in each of the forms in which AirSim sends images (protocol reference, section 8)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.messages import ImageRequest, ImageType
from sim_bridge.airsim.palette import static_palette
from sim_bridge.embedded.config import IDENTITY
from sim_bridge.embedded.simulator import Frame
from sim_bridge.frames import Intrinsics, NedPose

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SKY_M = np.float32(65504.0)
"""Depth of the sky: the largest half-precision number, which is as far as AirSim's own depth reaches."""

_BASELINE_M = 0.25
"""Distance of front_left and front_right, for DisparityNormalized."""

_INACTIVE = "Can't take screenshot because none camera type is not active"


def image_response(frame: Frame, request: ImageRequest, bgr: bool) -> dict[str, Any]:
    """ImageResponse struct of one request, raw pixels in the dialect's order.

    An image type that is not drawn has size 0 and says so in `message`."""
    response = _empty_response(request, frame.pose, frame.time_ns)
    if request.pixels_as_float:
        values = _as_float(frame, request.image_type)
        if values is not None:
            return response | _size(values) | {"image_data_float": values}
    else:
        colours = _as_colours(frame, request.image_type)
        if colours is not None:
            data = _png(colours) if request.compress else (colours[..., ::-1] if bgr else colours).tobytes()
            return response | _size(colours) | {"image_data_uint8": data}
    return response | {"message": _INACTIVE}


def failed_response(request: ImageRequest, message: str) -> dict[str, Any]:
    """ImageResponse struct without an image."""
    return _empty_response(request, IDENTITY, 0) | {"message": message}


def _empty_response(request: ImageRequest, pose: NedPose, time_ns: int) -> dict[str, Any]:
    return {
        "image_data_uint8": b"", "image_data_float": [],
        "camera_position": pose.position, "camera_name": request.camera_name,
        "camera_orientation": pose.orientation, "time_stamp": time_ns, "message": "",
        "pixels_as_float": request.pixels_as_float, "compress": request.compress,
        "width": 0, "height": 0, "image_type": int(request.image_type), "annotation_name": request.annotation_name,
    }


def _size(pixels: npt.NDArray[Any]) -> dict[str, int]:
    return {"width": pixels.shape[1], "height": pixels.shape[0]}


def _as_float(frame: Frame, image_type: int) -> F32 | None:
    """(H, W) float32: metres for depth; for colours the red channel in [0, 1], as the engine's float targets hold."""
    if image_type in _FLOATS:
        return _FLOATS[image_type](frame)
    colours = _as_colours(frame, image_type)
    return None if colours is None else colours[..., 0].astype(np.float32) / np.float32(255)


def _as_colours(frame: Frame, image_type: int) -> U8 | None:
    """(H, W, 3) uint8 RGB. Float targets saturate at 1, as the engine's do when they are read as colours."""
    if image_type == ImageType.SCENE:
        return frame.rgb
    if image_type == ImageType.SEGMENTATION:
        return static_palette()[frame.ids]
    if image_type == ImageType.INFRARED:
        return np.repeat(frame.ids[..., None], 3, axis=2)
    if image_type in _FLOATS:
        grey = np.clip(_FLOATS[image_type](frame) * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return None


def _planar(frame: Frame) -> F32:
    return _within(frame.depth)


def _perspective(frame: Frame) -> F32:
    return _within(frame.depth * _ray_lengths(frame.camera))


def _within(depth_m: F32) -> F32:
    bounded: F32 = np.minimum(depth_m, SKY_M)
    return bounded


def _visible(frame: Frame) -> F32:
    """0 at the camera, 1 from 100 m on."""
    visible: F32 = np.minimum(frame.depth / np.float32(100), np.float32(1))
    return visible


def _disparity(frame: Frame) -> F32:
    """(Xl - Xr) / width of a pair with AirSim's baseline."""
    scale_m = frame.camera.focal_px * _BASELINE_M / frame.camera.width
    return (scale_m / np.maximum(frame.depth, 1e-3)).astype(np.float32)


_FLOATS = {
    int(ImageType.DEPTH_PLANAR): _planar,
    int(ImageType.DEPTH_PERSPECTIVE): _perspective,
    int(ImageType.DEPTH_VIS): _visible,
    int(ImageType.DISPARITY_NORMALIZED): _disparity,
}


def _ray_lengths(camera: Intrinsics) -> F32:
    """(H, W) length of each pixel's ray whose component along the optical axis is 1."""
    columns = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal_px
    rows = (np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal_px
    return np.sqrt(1 + columns[None, :] ** 2 + rows[:, None] ** 2).astype(np.float32)


def _png(rgb: U8) -> bytes:
    # light compression: the reader is on the same machine or network, and waits
    done, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return data.tobytes()
