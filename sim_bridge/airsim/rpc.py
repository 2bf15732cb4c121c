"""The method table of the server: each method's signature and what it does, and AirSim's literal error strings.

Source: AirSim AirLib/src/api/RpcLibServerBase.cpp (signature A) and rpclib's dispatcher; protocol reference,
sections 2.3, 6 and appendix A.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim_bridge.airsim.images import failed_response, image_response
from sim_bridge.airsim.messages import (
    NAN_POSE,
    ImageRequest,
    ImageType,
    as_bool,
    as_float,
    as_image_requests,
    as_int,
    as_pose,
    as_str,
    pose_struct,
)
from sim_bridge.embedded.console import run_command
from sim_bridge.embedded.simulator import VEHICLE, NoWorld, Simulator
from sim_bridge.errors import MageError
from sim_bridge.frames import Intrinsics, NedPose

SERVER_VERSION = 1
MIN_CLIENT_VERSION = 1
MAX_IMAGES = 32
"""Images in one call: bounds what one request can make the server hold."""

_NEAR_PLANE_M = 0.1


class RpcError(Exception):
    """What the caller is told, literally."""


@dataclass(frozen=True)
class Method:
    """Checks of the arguments in their order, and what is done with them."""

    signature: tuple[Callable[[object], Any], ...]
    run: Callable[..., Any]


class Methods:
    """AirSim's RPCs in ComputerVision mode over one simulator."""

    def __init__(self, simulator: Simulator, settings: str | None = None) -> None:
        """settings: text that getSettingsString answers; by default what describes this server."""
        self._simulator = simulator
        self._settings = settings if settings is not None else _own_settings(simulator)
        self._table = self._connection() | self._control() | self._vehicle() | self._cameras() | self._objects()

    def call(self, name: str, args: object) -> Any:
        """Result of one call, ready to be packed. Raises RpcError with the text that AirSim would answer."""
        if not isinstance(args, list):
            raise RpcError(f"rpclib: arguments of '{name[:80]}' are not an array.")
        method = self._table.get(name)
        if method is None:
            raise RpcError(f"rpclib: server could not find function '{name[:80]}' with argument count {len(args)}.")
        if len(args) != len(method.signature):
            # rpclib swaps the two numbers
            raise RpcError(f"rpclib: client error C0002: Function '{name}' was called with an invalid number of "
                           f"arguments. Expected: {len(args)}, got: {len(method.signature)}")
        try:
            return method.run(*(check(value) for check, value in zip(method.signature, args, strict=True)))
        except (ValueError, OverflowError, MageError) as error:
            raise RpcError(f"rpclib: function '{name}' (called with {len(args)} arg(s)) threw an exception. "
                           f"The exception contained this information: {error}.") from error

    def _connection(self) -> dict[str, Method]:
        return {
            "ping": Method((), lambda: True),
            "getServerVersion": Method((), lambda: SERVER_VERSION),
            "getMinRequiredClientVersion": Method((), lambda: MIN_CLIENT_VERSION),
            "reset": Method((), self._simulator.reset),
            "listVehicles": Method((), lambda: [VEHICLE]),
            "getSettingsString": Method((), lambda: self._settings),
        }

    def _control(self) -> dict[str, Method]:
        simulator = self._simulator
        return {
            "simPause": Method((as_bool,), lambda paused: simulator.update(paused=paused)),
            "simIsPaused": Method((), lambda: simulator.state.paused),
            "simContinueForTime": Method((as_float,), _not_in_this_mode("continueForTime")),
            "simContinueForFrames": Method((as_int,), _not_in_this_mode("continueForFrames")),
            "simRunConsoleCommand": Method((as_str,), self._console),
            "simPrintLogMessage": Method((as_str, as_str, as_int), lambda *_: None),
            "simSetTimeOfDay": Method((as_bool, as_str, as_bool, as_float, as_float, as_bool), self._time_of_day),
        }

    def _vehicle(self) -> dict[str, Method]:
        return {
            "enableApiControl": Method((as_bool, as_str), lambda _, name: _no_vehicle_api(name)),
            "isApiControlEnabled": Method((as_str,), _no_vehicle_api),
            "armDisarm": Method((as_bool, as_str), lambda _, name: _no_vehicle_api(name)),
            "getHomeGeoPoint": Method((as_str,), _no_vehicle_api),
            "cancelLastTask": Method((as_str,), _no_vehicle_api),
            "simSetVehiclePose": Method((as_pose, as_bool, as_str), self._set_vehicle),
            "simGetVehiclePose": Method((as_str,), self._get_vehicle),
        }

    def _cameras(self) -> dict[str, Method]:
        return {
            "simGetImages": Method((as_image_requests, as_str, as_bool), self._images),
            "simGetImage": Method((as_str, as_int, as_str, as_bool), self._image),
            "simGetCameraInfo": Method((as_str, as_str, as_bool), self._camera_info),
            "simSetCameraPose": Method((as_str, as_pose, as_str, as_bool), self._set_camera_pose),
            "simSetCameraFov": Method((as_str, as_float, as_str, as_bool), self._set_camera_fov),
        }

    def _objects(self) -> dict[str, Method]:
        simulator = self._simulator
        return {
            "simListSceneObjects": Method((as_str,), simulator.object_names),
            "simGetObjectPose": Method((as_str,), self._object_pose),
            "simSetSegmentationObjectID": Method((as_str, as_int, as_bool), simulator.set_stencil),
            "simGetSegmentationObjectID": Method((as_str,), simulator.stencil),
        }

    def _console(self, text: str) -> bool:
        run_command(self._simulator, text)
        return True

    def _time_of_day(self, enabled: bool, start: str, summer_time: bool, _speed: float, _interval_s: float,
                     move_sun: bool) -> None:
        self._simulator.set_clock(enabled and move_sun, start, summer_time)

    def _set_vehicle(self, pose: NedPose, _ignore_collision: bool, vehicle: str) -> None:
        _check_vehicle(vehicle)
        self._simulator.update(vehicle=pose)

    def _get_vehicle(self, vehicle: str) -> dict[str, Any]:
        _check_vehicle(vehicle)
        return pose_struct(self._simulator.state.vehicle)

    def _images(self, requests: tuple[ImageRequest, ...], vehicle: str, external: bool) -> list[dict[str, Any]]:
        for request in requests:
            self._check_camera(request.camera_name, vehicle, external)
        if len(requests) > MAX_IMAGES:
            raise ValueError(f"{len(requests)} images in one call: at most {MAX_IMAGES} are drawn")
        coloured = {request.camera_name for request in requests if request.image_type == ImageType.SCENE}
        try:
            frames = self._simulator.capture([request.camera_name for request in requests], coloured)
        except NoWorld as error:
            return [failed_response(request, str(error)) for request in requests]
        return [image_response(frames[request.camera_name], request) for request in requests]

    def _image(self, camera: str, image_type: int, vehicle: str, external: bool) -> bytes:
        request = ImageRequest(image_type, compress=True, camera_name=camera)
        data: bytes = self._images((request,), vehicle, external)[0]["image_data_uint8"]
        return data

    def _camera_info(self, camera: str, vehicle: str, external: bool) -> dict[str, Any]:
        self._check_camera(camera, vehicle, external)
        shape = self._simulator.camera_intrinsics(camera)
        return {"pose": pose_struct(self._simulator.camera_pose(camera)),
                "fov": self._simulator.camera_fov_deg(camera), "proj_mat": {"matrix": _projection(shape)}}

    def _set_camera_pose(self, camera: str, pose: NedPose, vehicle: str, external: bool) -> None:
        self._check_camera(camera, vehicle, external)
        self._simulator.set_camera(camera, relative=pose)

    def _set_camera_fov(self, camera: str, fov_deg: float, vehicle: str, external: bool) -> None:
        self._check_camera(camera, vehicle, external)
        if not 0.01 <= fov_deg <= 170:
            raise ValueError(f"field of view of {fov_deg} degrees is not in 0.01..170")
        self._simulator.set_camera(camera, fov_deg=fov_deg)

    def _object_pose(self, name: str) -> dict[str, Any]:
        pose = self._simulator.object_pose(name)
        return NAN_POSE if pose is None else pose_struct(pose)

    def _check_camera(self, camera: str, vehicle: str, external: bool) -> None:
        _check_vehicle(vehicle)
        try:
            self._simulator.camera_pose(camera)
        except KeyError as error:
            raise ValueError("map::at") from error
        if external:
            raise ValueError("map::at")


def _check_vehicle(name: str) -> None:
    if name not in ("", VEHICLE):
        raise ValueError(f"Vehicle Sim-API for '{name[:80]}' is not available. This could either because this is not "
                         "a simulation or this vehicle does not exist")


def _no_vehicle_api(name: str) -> None:
    raise ValueError(f"Vehicle API for '{name[:80]}' is not available. This could either because this is "
                     "simulation-only API or this vehicle does not exist")


def _not_in_this_mode(name: str) -> Callable[[object], None]:
    def refuse(_: object) -> None:
        raise ValueError(f"{name} is not implemented by SimMode")
    return refuse


def _projection(camera: Intrinsics) -> list[list[float]]:
    """Reversed-Z matrix with an infinite far plane, rows over (forward, right, down, 1), to clip coordinates."""
    scale = 2 * camera.focal_px
    return [[0.0, scale / camera.width, 0.0, 0.0], [0.0, 0.0, -scale / camera.height, 0.0],
            [0.0, 0.0, 0.0, _NEAR_PLANE_M], [1.0, 0.0, 0.0, 0.0]]


def _own_settings(simulator: Simulator) -> str:
    config = simulator.config
    capture = [{"ImageType": int(kind), "Width": config.width, "Height": config.height,
                "FOV_Degrees": config.fov_deg} for kind in ImageType]
    return json.dumps({"SettingsVersion": 1.2, "SimMode": VEHICLE, "CameraDefaults": {"CaptureSettings": capture}})
