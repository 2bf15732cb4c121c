"""Images and cameras."""

from __future__ import annotations

from typing import Any

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import vehicle
from sim_bridge.airsim.images import failed_response, image_response
from sim_bridge.airsim.messages import ImageRequest, ImageType
from sim_bridge.embedded.simulator import CameraRef, NoWorld
from sim_bridge.frames import Intrinsics, NedPose

MAX_IMAGES = 32
"""Images in one call: bounds what one request can make the server hold."""
_NEAR_PLANE_M = 0.1


def camera(context: Context, camera_name: str, vehicle_name: str, external: bool) -> CameraRef:
    """The camera of a name, or of an id. Raises ValueError in AirSim's words."""
    if not external:
        vehicle(context, vehicle_name)
    try:
        return context.simulator.find_camera(camera_name, vehicle_name, external)
    except KeyError as error:
        raise ValueError("map::at") from error


@rpc("simGetImages")
def get_images(context: Context, request_adapter: list[dict[str, Any]], vehicle_name: str,
               external: bool = False) -> list[dict[str, Any]]:
    if len(request_adapter) > MAX_IMAGES:
        raise ValueError(f"{len(request_adapter)} images in one call: at most {MAX_IMAGES} are drawn")
    requests = [ImageRequest(**struct) for struct in request_adapter]
    refs = [camera(context, request.camera_name, vehicle_name, external) for request in requests]
    coloured = {ref for ref, request in zip(refs, requests, strict=True) if request.image_type == ImageType.SCENE}
    try:
        frames = context.simulator.capture(refs, coloured)
    except NoWorld as error:
        return [failed_response(request, str(error)) for request in requests]
    return [image_response(frames[ref], request, context.dialect.bgr)
            for ref, request in zip(refs, requests, strict=True)]


@rpc("simGetImage")
def get_image(context: Context, camera_name: str, type: int, vehicle_name: str, external: bool = False,
              annotation_name: str = "") -> bytes:
    request = {"camera_name": camera_name, "image_type": type, "pixels_as_float": False, "compress": True,
               "annotation_name": annotation_name}
    data: bytes = get_images(context, [request], vehicle_name, external)[0]["image_data_uint8"]
    return data


@rpc("simGetCameraInfo")
def get_camera_info(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> dict[str, Any]:
    ref = camera(context, camera_name, vehicle_name, external)
    shape = context.simulator.camera_intrinsics(ref)
    return {"pose": context.simulator.camera_pose(ref), "fov": context.simulator.camera_fov_deg(ref),
            "proj_mat": {"matrix": _projection(shape)}}


@rpc("simSetCameraPose")
def set_camera_pose(context: Context, camera_name: str, pose: NedPose, vehicle_name: str,
                    external: bool = False) -> None:
    context.simulator.set_camera(camera(context, camera_name, vehicle_name, external), relative=pose)


@rpc("simSetCameraFov")
def set_camera_fov(context: Context, camera_name: str, fov_degrees: float, vehicle_name: str,
                   external: bool = False) -> None:
    ref = camera(context, camera_name, vehicle_name, external)
    if not 0.01 <= fov_degrees <= 170:
        raise ValueError(f"field of view of {fov_degrees} degrees is not in 0.01..170")
    context.simulator.set_camera(ref, fov_deg=fov_degrees)


def _projection(shape: Intrinsics) -> list[list[float]]:
    """Reversed-Z matrix with an infinite far plane, rows over (forward, right, down, 1), to clip coordinates."""
    scale = 2 * shape.focal_px
    return [[0.0, scale / shape.width, 0.0, 0.0], [0.0, 0.0, -scale / shape.height, 0.0],
            [0.0, 0.0, 0.0, _NEAR_PLANE_M], [1.0, 0.0, 0.0, 0.0]]
