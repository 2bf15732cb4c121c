"""Images and cameras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import vehicle
from sim_bridge.airsim.images import PARTS, failed_response, image_response, refused
from sim_bridge.airsim.messages import ImageRequest
from sim_bridge.embedded import instance_colours, lens
from sim_bridge.embedded.cameras import CameraRef, View, camera_of, posed
from sim_bridge.embedded.capture import Frame, Wanted
from sim_bridge.embedded.lens_distortion import MOST, NAMES, with_coefficient
from sim_bridge.embedded.scene_objects import NoWorld
from sim_bridge.frames import NedPose

MAX_IMAGES, MAX_PIXELS = 32, 1 << 25
"""In one call: bounds what one request can make the server hold. Pixels: of all its images together; one image alone
may be as large as the settings make it."""
_NEAR_PLANE_CM = 10.0
_FAR_ORTHO_CM = 2097152.0 / 8
"""Unreal's near plane, and the far plane of its orthographic cameras (PIPCamera.cpp: WORLD_MAX / 8)."""


def camera(context: Context, camera_name: str, vehicle_name: str, external: bool) -> CameraRef:
    """The camera of a name, or of an id. Raises ValueError in AirSim's words."""
    if not external:
        vehicle(context, vehicle_name)
    try:
        return context.simulator.find_camera(camera_name, vehicle_name, external)
    except KeyError as error:
        raise ValueError("map::at") from error


@rpc("simGetImages", note="vehicles are not drawn; the normals' frame is Unreal's (north, east, up); optical flow is "
                          "by the camera's own motion since its last such image")
def get_images(context: Context, request_adapter: list[dict[str, Any]], vehicle_name: str,
               external: bool = False) -> list[dict[str, Any]]:
    requests = [ImageRequest(**struct) for struct in request_adapter]
    refs = [camera(context, request.camera_name, vehicle_name, external) for request in requests]
    config, dialect = context.simulator.config, context.dialect
    messages = [refused(request, dialect, config) for request in requests]
    wanted = [Wanted(ref, request.image_type, PARTS.get(request.image_type, frozenset()))
              for ref, request, message in zip(refs, requests, messages, strict=True) if not message]
    if len(requests) > MAX_IMAGES:
        raise ValueError(f"{len(requests)} images in one call: at most {MAX_IMAGES} are drawn")
    check_pixels(context, wanted)
    try:
        frames = iter(_captured(context, wanted))
    except NoWorld as error:
        return [failed_response(request, message or str(error))
                for request, message in zip(requests, messages, strict=True)]
    return [failed_response(request, message) if message else image_response(next(frames), request, dialect, config)
            for request, message in zip(requests, messages, strict=True)]


def _captured(context: Context, wanted: list[Wanted]) -> list[Frame]:
    frames = context.simulator.capture(wanted)
    if context.dialect.name != "cosys" or not any("labels" in want.parts for want in wanted):
        return frames
    # what a grid of worlds loads for a picture keeps the ids that it shows there
    later = context.simulator.change(instance_colours.with_registered)
    return [replace(frame, state=instance_colours.of_later(frame.state, later)) for frame in frames]


def check_pixels(context: Context, wanted: list[Wanted]) -> None:
    """Raises ValueError if images are more than one call may make the server hold."""
    cameras = [context.simulator.view(want.ref, want.image_type).camera for want in wanted]
    pixels = sum(shape.width * shape.height for shape in cameras)
    if len(wanted) > 1 and pixels > MAX_PIXELS:
        raise ValueError(f"{pixels} pixels in one call: at most {MAX_PIXELS} are drawn, ask in several calls")


@rpc("simGetImage")
def get_image(context: Context, camera_name: str, type: int, vehicle_name: str, external: bool = False,
              annotation_name: str = "") -> bytes:
    request = {"camera_name": camera_name, "image_type": type, "pixels_as_float": False, "compress": True,
               "annotation_name": annotation_name}
    data: bytes = get_images(context, [request], vehicle_name, external)[0]["image_data_uint8"]
    return data


@rpc("simGetCameraInfo", note="at the start the angle is that of the images, where AirSim's says 89.9")
def get_camera_info(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> dict[str, Any]:
    ref = camera(context, camera_name, vehicle_name, external)
    simulator = context.simulator
    return {"pose": simulator.camera_pose(ref), "fov": lens.lens_of(simulator.state, simulator.config, ref).fov_deg,
            "proj_mat": {"matrix": projection(simulator.view(ref))}}


@rpc("simSetCameraPose", note="a camera of the settings is placed anew, one of the five is moved from its mount")
def set_camera_pose(context: Context, camera_name: str, pose: NedPose, vehicle_name: str,
                    external: bool = False) -> None:
    ref = camera(context, camera_name, vehicle_name, external)
    owner = context.simulator.state.vehicles.get(ref.vehicle)
    context.simulator.change_camera(ref, lambda was: posed(owner, ref.camera, was, pose))


@rpc("simSetCameraFov")
def set_camera_fov(context: Context, camera_name: str, fov_degrees: float, vehicle_name: str,
                   external: bool = False) -> None:
    ref = camera(context, camera_name, vehicle_name, external)
    if not 0.01 <= fov_degrees <= 170:
        raise ValueError(f"field of view of {fov_degrees} degrees is not in 0.01..170")
    context.simulator.change_camera(ref, lambda was: replace(was, fov_deg=fov_degrees))
    lens.change(context.simulator, ref, lambda was: was.seeing(fov_degrees))


@rpc("simGetDistortionParams", note="of each camera its own, where AirSim's are of all cameras")
def get_distortion_params(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> list[float]:
    ref = camera(context, camera_name, vehicle_name, external)
    return list(camera_of(context.simulator.state, ref).distortion)


@rpc("simSetDistortionParam", note="bends the Scene image alone, as in AirSim; unknown names are ignored")
def set_distortion_param(context: Context, camera_name: str, param_name: str, value: float, vehicle_name: str,
                         external: bool = False) -> None:
    ref = camera(context, camera_name, vehicle_name, external)
    if abs(value) > MOST:
        raise ValueError(f"distortion parameter of {value} is not in -{MOST:g}..{MOST:g}")
    if param_name in NAMES:
        context.simulator.change_camera(ref, lambda was: replace(
            was, distortion=with_coefficient(was.distortion, param_name, value)))


def projection(view: View) -> list[list[float]]:
    """Unreal's matrix of reversed depth, to clip coordinates from (forward, right, down, 1) in its centimetres, with
    the signs that AirSim gives it (PIPCamera.cpp)."""
    shape, scale = view.camera, 2 * view.camera.focal_px
    if view.ortho_width_m is None:
        return [[0.0, scale / shape.width, 0.0, 0.0], [0.0, 0.0, -scale / shape.height, 0.0],
                [0.0, 0.0, 0.0, _NEAR_PLANE_CM], [-1.0, 0.0, 0.0, 0.0]]
    across = 2 / (100 * view.ortho_width_m)
    return [[0.0, across, 0.0, 0.0], [0.0, 0.0, -across * shape.width / shape.height, 0.0],
            [1 / _FAR_ORTHO_CM, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]
