"""A frame in each of the forms in which AirSim sends images (protocol reference, section 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.dialects import Dialect
from sim_bridge.airsim.messages import ImageRequest, ImageType
from sim_bridge.airsim.palette import static_palette
from sim_bridge.embedded import annotation, instance_colours
from sim_bridge.embedded.capture import Frame, Part
from sim_bridge.embedded.config import IDENTITY, AnnotationLayer, SimulatorConfig
from sim_bridge.embedded.motion import flow_colours, optical_flow
from sim_bridge.embedded.objects import stencil_ids
from sim_bridge.frames import Intrinsics, NedPose

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SKY_M = np.float32(65504.0)
"""Depth of the sky: the largest half-precision number, which is as far as AirSim's own depth reaches."""
PARTS: Mapping[int, frozenset[Part]] = {
    ImageType.SCENE: frozenset({"colour"}), ImageType.LIGHTING: frozenset({"lighting"}),
    ImageType.SURFACE_NORMALS: frozenset({"normals"}), ImageType.SEGMENTATION: frozenset({"labels"}),
    ImageType.INFRARED: frozenset({"labels"}), ImageType.ANNOTATION: frozenset({"labels"}),
    ImageType.OPTICAL_FLOW: frozenset({"motion"}), ImageType.OPTICAL_FLOW_VIS: frozenset({"motion"}),
}
"""What each image type needs of a frame beside depth."""
INACTIVE = "Can't take screenshot because none camera type is not active"
NO_LAYER = "Can't take screenshot because none annotation name does not exist for this camera"

_BASELINE_M = 0.25
"""Distance of front_left and front_right, for DisparityNormalized."""


def refused(request: ImageRequest, dialect: Dialect, config: SimulatorConfig) -> str:
    """Why an image cannot be taken, in AirSim's words; empty if it can."""
    last = ImageType.ANNOTATION if dialect.name == "cosys" else ImageType.OPTICAL_FLOW_VIS
    if not 0 <= request.image_type <= last:
        return INACTIVE
    if request.image_type == ImageType.ANNOTATION and layer_named(config, request.annotation_name) is None:
        return NO_LAYER
    return ""


def layer_named(config: SimulatorConfig, name: str) -> AnnotationLayer | None:
    return next((layer for layer in config.annotation if layer.name == name), None)


def image_response(frame: Frame, request: ImageRequest, dialect: Dialect, config: SimulatorConfig) -> dict[str, Any]:
    """ImageResponse struct of one request, raw pixels in the dialect's order."""
    response = _empty_response(request, frame.pose, frame.time_ns)
    kind, values = request.image_type, _FLOATS.get(request.image_type)
    if request.pixels_as_float:
        floats = _red(colours(frame, request, dialect, config)) if values is None else values(frame)
        return response | _size(floats) | {"image_data_float": floats}
    picture = colours(frame, request, dialect, config) if kind not in _GREY else _grey(_FLOATS[kind](frame))
    data = _png(picture) if request.compress else (picture[..., ::-1] if dialect.bgr else picture).tobytes()
    return response | _size(picture) | {"image_data_uint8": data}


def failed_response(request: ImageRequest, message: str) -> dict[str, Any]:
    """ImageResponse struct without an image."""
    return _empty_response(request, IDENTITY, 0) | {"message": message}


def colours(frame: Frame, request: ImageRequest, dialect: Dialect, config: SimulatorConfig) -> U8:
    """(H, W, 3) uint8 RGB of an image type that is made of colours."""
    if request.image_type == ImageType.SEGMENTATION:
        return _segmentation(frame, dialect, config)
    if request.image_type == ImageType.INFRARED:
        return np.repeat(_ids(frame, config)[..., None], 3, axis=2)
    if request.image_type == ImageType.ANNOTATION:
        layer = layer_named(config, request.annotation_name)
        return _painted(frame, {} if layer is None else annotation.colours(frame.state, layer))
    return _COLOURS[request.image_type](frame)


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


def _red(picture: U8) -> F32:
    """(H, W) float32 in [0, 1]: the red channel, as the engine's float targets hold."""
    return picture[..., 0].astype(np.float32) / np.float32(255)


def _grey(values: F32) -> U8:
    """(H, W, 3). Float targets saturate at 1 when they are read as colours, as the engine's do."""
    return np.repeat(np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _segmentation(frame: Frame, dialect: Dialect, config: SimulatorConfig) -> U8:
    if dialect.name != "cosys":
        return static_palette()[_ids(frame, config)]
    ids = instance_colours.registered(frame.state).ids
    table = instance_colours.colour_map()
    known = {name: place for name, place in ids.items() if 0 <= place < instance_colours.COLOURS}
    return _painted(frame, dict(zip(known, map(tuple, table[list(known.values())]), strict=True)))


def _painted(frame: Frame, by_name: Mapping[str, instance_colours.Colour]) -> U8:
    assert frame.material is not None and frame.instance is not None
    return instance_colours.painted(frame.material, frame.instance, by_name, _spawned(frame))


def _ids(frame: Frame, config: SimulatorConfig) -> U8:
    """(H, W) stencil ids."""
    assert frame.material is not None and frame.instance is not None
    return stencil_ids(frame.material, frame.instance, frame.state.stencils, _spawned(frame),
                       config.segmentation_init == "None")


def _spawned(frame: Frame) -> Mapping[str, int]:
    return frame.state.loaded.scene.objects().spawned if frame.state.loaded else {}


def _scene(frame: Frame) -> U8:
    assert frame.rgb is not None
    return frame.rgb


def _lighting(frame: Frame) -> U8:
    assert frame.lighting is not None
    return frame.lighting


def _normals(frame: Frame) -> U8:
    """Unreal's world axes, which are north, east and up, each from -1..1 to 0..255; 128 everywhere is the sky."""
    assert frame.normal is not None
    colours: U8 = np.floor(frame.normal[..., [1, 0, 2]] * 127.5 + 128).clip(0, 255).astype(np.uint8)
    return colours


def _flow(frame: Frame) -> U8:
    """Red: to the right, green: up, both as shares of the picture; like the engine's, without what is negative."""
    picture = np.zeros((*frame.depth.shape, 3), np.uint8)
    picture[..., :2] = np.clip(optical_flow(frame) * 255 + 0.5, 0, 255)
    return picture


def _flow_picture(frame: Frame) -> U8:
    return flow_colours(optical_flow(frame))


def _rightward(frame: Frame) -> F32:
    """What a float image of one channel can say of flow."""
    return np.ascontiguousarray(optical_flow(frame)[..., 0])


def _planar(frame: Frame) -> F32:
    return _within(frame.depth)


def _perspective(frame: Frame) -> F32:
    return _within(frame.depth if frame.view.ortho_width_m else frame.depth * _ray_lengths(frame.camera))


def _within(depth_m: F32) -> F32:
    bounded: F32 = np.minimum(depth_m, SKY_M)
    return bounded


def _visible(frame: Frame) -> F32:
    """0 at the camera, 1 from 100 m on."""
    visible: F32 = np.minimum(frame.depth / np.float32(100), np.float32(1))
    return visible


def _disparity(frame: Frame) -> F32:
    """(Xl - Xr) / width of a pair with AirSim's baseline."""
    if frame.view.ortho_width_m:
        return np.full_like(frame.depth, _BASELINE_M / frame.view.ortho_width_m)
    scale_m = frame.camera.focal_px * _BASELINE_M / frame.camera.width
    return (scale_m / np.maximum(frame.depth, 1e-3)).astype(np.float32)


_COLOURS: Mapping[int, Callable[[Frame], U8]] = {
    ImageType.SCENE: _scene, ImageType.LIGHTING: _lighting, ImageType.SURFACE_NORMALS: _normals,
    ImageType.OPTICAL_FLOW: _flow, ImageType.OPTICAL_FLOW_VIS: _flow_picture,
}
_FLOATS: Mapping[int, Callable[[Frame], F32]] = {
    ImageType.DEPTH_PLANAR: _planar, ImageType.DEPTH_PERSPECTIVE: _perspective, ImageType.DEPTH_VIS: _visible,
    ImageType.DISPARITY_NORMALIZED: _disparity, ImageType.OPTICAL_FLOW: _rightward,
}
_GREY = (ImageType.DEPTH_PLANAR, ImageType.DEPTH_PERSPECTIVE, ImageType.DEPTH_VIS, ImageType.DISPARITY_NORMALIZED)


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
