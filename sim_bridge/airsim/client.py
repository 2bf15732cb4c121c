"""AirSim client on plain sockets: one connection, a deadline for every call, images as numpy arrays.

Every wait is finite. A lost, silent or babbling server raises SimulatorGone or SimulatorError and closes the
connection; the caller restarts the simulator and runs its unit again.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.decode import ReplyReader
from sim_bridge.airsim.dialects import AIRSIM, Dialect, all_signatures
from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES, ImageRequest, ImageType, pack_request
from sim_bridge.airsim.structs import BadCast, Codec
from sim_bridge.errors import SimulatorError, SimulatorGone, StaleFrame
from sim_bridge.frames import CameraPose, Intrinsics, NedPose, camera_from_ned, ned_from_camera

SERVER_VERSION = 1
FOLLOWED_CAMERAS = ("", "0", "front_center")
"""Cameras at the vehicle's origin, whose measured pose must be the one that was set."""
_DEFAULTS: Mapping[str, Any] = {"vehicle_name": "", "external": False, "annotation_name": "", "ned": True}
_LOOKS = 5
"""How often a call whose frames were taken elsewhere is made before it is given up."""


@dataclass(frozen=True)
class Image:
    """One image: (H, W, 3) uint8 RGB, or (H, W) float32 (metres for depth), and where and when it was taken."""

    image_type: ImageType
    pixels: npt.NDArray[Any]
    pose: CameraPose
    time_s: float
    """Server's clock, seconds since 1970."""


def connect(host: str = "127.0.0.1", port: int = 41451, timeout_s: float = 60.0,
            max_reply_bytes: int = 4 * MAX_MESSAGE_BYTES) -> Client:
    """Connection to an AirSim server; timeout_s bounds every call.

    Raises SimulatorGone if nothing answers there, SimulatorError if the server is not AirSim 1.8.1.
    """
    try:
        sock = socket.create_connection((host, port), timeout_s)
    except OSError as error:
        raise SimulatorGone(f"{host}:{port} does not answer ({error}): start the simulator") from error
    client = Client(sock, timeout_s, max_reply_bytes)
    try:
        version = client.call("getServerVersion")
        if version != SERVER_VERSION:
            raise SimulatorError(f"{host}:{port} is a server of version {version}: expected {SERVER_VERSION}, "
                                 "AirSim 1.8.1 or `mage serve`")
    except BaseException:
        client.close()
        raise
    return client


def airsim_fov_deg(camera: Intrinsics) -> float:
    """The angle that `simSetCameraFov` takes: across the wider side of the image (PIPCamera.cpp)."""
    return 2 * math.degrees(math.atan2(max(camera.width, camera.height), 2 * camera.focal_px))


class Client:
    """Typed calls on one connection; safe to share between threads, one call at a time."""

    def __init__(self, sock: socket.socket, timeout_s: float, max_reply_bytes: int,
                 dialect: Dialect = AIRSIM) -> None:
        self.dialect = dialect
        self._codec = Codec(dialect.name, dialect.arrays)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address: tuple[str, int] = sock.getpeername()[:2]
        self._sock: socket.socket | None = sock
        self._reader = ReplyReader(sock, max_reply_bytes)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._msgid = 0
        self._asked: CameraPose | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; later calls raise SimulatorGone."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def call(self, method: str, *args: object, timeout_s: float | None = None) -> Any:
        """Result of any RPC, structs as dicts, long float lists as float32 arrays, binaries as memoryviews.

        Raises SimulatorError if the server answers with an error or with nonsense, SimulatorGone if it does not
        answer before the deadline. A connection that broke a promise is closed.
        """
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            msgid, self._msgid = self._msgid, (self._msgid + 1) % (1 << 30)
            try:
                self._send(pack_request(msgid, method, args), deadline)
                error, result = self._reply_to(msgid, deadline)
            except BaseException:
                self.close()
                raise
        if error is not None:
            raise SimulatorError(f"{method}: {error}")
        return result

    def ask(self, method: str, *, timeout_s: float | None = None, **values: Any) -> Any:
        """Typed result of an RPC of this server's dialect; `values` are its arguments by the server's own names.

        Arguments that are left out have AirSim's defaults; those that this dialect does not have are dropped. Raises
        SimulatorError if the server answers with an error or another type, SimulatorGone.
        """
        signature = all_signatures(self.dialect.name)[method]
        args = [self._codec.plain(kind, values.get(name, _DEFAULTS.get(name))) for name, kind in signature.args]
        result = self.call(method, *args, timeout_s=timeout_s)
        try:
            return self._codec.decode(signature.returns, result)
        except BadCast as error:
            raise SimulatorError(f"{method} answered {str(result)[:80]!r}: expected {signature.returns}, is this an "
                                 f"AirSim server of the dialect {self.dialect.name}?") from error

    def _send(self, request: bytes, deadline: float) -> None:
        if self._sock is None:
            raise SimulatorGone("the connection is closed: connect again")
        try:
            self._sock.settimeout(max(1e-3, deadline - time.monotonic()))
            self._sock.sendall(request)
        except OSError as error:
            raise SimulatorGone(f"connection lost ({error}): restart the simulator") from error

    def _reply_to(self, msgid: int, deadline: float) -> tuple[Any, Any]:
        while True:
            message = self._reader.read(deadline)
            if not isinstance(message, list) or len(message) != 4 or message[0] != 1:
                raise SimulatorError("reply is not [1, id, error, result]: is this an AirSim server?")
            if message[1] == msgid:
                return message[2], message[3]

    def ping(self) -> bool:
        return bool(self.call("ping"))

    def reset(self) -> None:
        """Vehicle back to its start."""
        self._asked = None
        self.call("reset")

    def list_vehicles(self) -> list[str]:
        return [str(name) for name in self.call("listVehicles")]

    def settings(self) -> str:
        """The server's settings.json as text."""
        return str(self.call("getSettingsString"))

    def pause(self, paused: bool = True) -> None:
        self.call("simPause", bool(paused))

    def is_paused(self) -> bool:
        return bool(self.call("simIsPaused"))

    def console(self, command: str, timeout_s: float | None = None) -> bool:
        """Run a console command. True says that it was taken, not that it worked."""
        return bool(self.call("simRunConsoleCommand", command, timeout_s=timeout_s))

    def set_pose(self, pose: CameraPose) -> None:
        """Put the vehicle, and with it camera "0", at a pose."""
        self._asked = pose
        self.ask("simSetVehiclePose", pose=ned_from_camera(pose), ignore_collision=True)

    def get_pose(self) -> CameraPose:
        return camera_from_ned(self.ask("simGetVehiclePose"))

    def set_fov(self, camera_name: str, fov_deg: float) -> None:
        """Field of view of a camera across its wider side; `airsim_fov_deg` computes it."""
        self.ask("simSetCameraFov", camera_name=camera_name, fov_degrees=fov_deg)

    def camera_info(self, camera_name: str) -> tuple[CameraPose, float]:
        """(pose, field of view in degrees across the wider side) of a camera."""
        info = self.ask("simGetCameraInfo", camera_name=camera_name)
        return camera_from_ned(info["pose"]), info["fov"]

    def list_objects(self, pattern: str = ".*") -> list[str]:
        """Names of objects that the whole regular expression matches, case-sensitive."""
        return [str(name) for name in self.call("simListSceneObjects", pattern)]

    def object_pose(self, name: str) -> NedPose | None:
        """Pose of an object in global NED, None if there is none of that name."""
        pose: NedPose = self.ask("simGetObjectPose", object_name=name)
        return None if math.isnan(pose.position.north) else pose

    def set_segmentation_id(self, name: str, segmentation_id: int, is_pattern: bool = False) -> bool:
        """Give objects a segmentation id, -1 to remove them from the image. True if any has that name."""
        return bool(self.call("simSetSegmentationObjectID", name, int(segmentation_id), bool(is_pattern)))

    def segmentation_id(self, name: str) -> int:
        """Segmentation id of the object with this lower-case name, -1 if there is none."""
        return int(self.call("simGetSegmentationObjectID", name.lower()))

    def set_time_of_day(self, local_time: str, summer_time: bool = False) -> None:
        """Move the sun to where it stands at `%Y-%m-%d %H:%M:%S`; the clock then stands still."""
        self.call("simSetTimeOfDay", True, local_time, bool(summer_time), 0.0, 60.0, True)

    def images(self, camera_name: str, requests: Sequence[ImageRequest]) -> list[Image]:
        """Images of one camera, all of one moment and in the order of the requests.

        Colours are RGB; float images float32. Raises StaleFrame if, after some tries, they were still not taken where
        `set_pose` put the vehicle, SimulatorError if an image is missing or not as asked for, SimulatorGone.
        """
        wanted = self._asked if camera_name in FOLLOWED_CAMERAS else None
        structs = [{**vars(request), "camera_name": camera_name} for request in requests]
        for _ in range(_LOOKS):
            replies = self.ask("simGetImages", request_adapter=structs)
            if len(replies) != len(requests):
                raise SimulatorError(f"{len(replies)} images came: expected {len(requests)}")
            taken = [_image(*pair, self.dialect.bgr) for pair in zip(replies, requests, strict=True)]
            if all(wanted is None or image.pose.same_as(wanted) for image in taken):
                return taken
        raise StaleFrame(f"{_LOOKS} frames were taken at {[image.pose.position for image in taken]}: expected "
                         f"{wanted}, restart the simulator")


def _image(reply: Mapping[str, Any], request: ImageRequest, bgr: bool) -> Image:
    """One ImageResponse, checked against what was asked for. Raises SimulatorError."""
    width, height = reply["width"], reply["height"]
    if width <= 0 or height <= 0 or reply["image_type"] != request.image_type:
        raise SimulatorError(f"image of type {request.image_type} was not taken: "
                             f"{reply['message'] or 'no message'}: expected a picture of it")
    if not all(math.isfinite(v) for v in reply["camera_position"].array()):
        raise SimulatorError(f"image was taken at {reply['camera_position']}: expected a finite position")
    try:
        pose = camera_from_ned(NedPose(reply["camera_position"], reply["camera_orientation"]))
        return Image(ImageType(request.image_type), _pixels(reply, request, bgr), pose, reply["time_stamp"] / 1e9)
    except (TypeError, ValueError) as error:
        raise SimulatorError(f"image reply is not as asked for ({error}): is this an AirSim server?") from error


def _pixels(reply: Mapping[str, Any], request: ImageRequest, bgr: bool) -> npt.NDArray[Any]:
    width, height = reply["width"], reply["height"]
    if request.pixels_as_float:
        return np.asarray(reply["image_data_float"], np.float32).reshape(height, width)
    data = np.frombuffer(reply["image_data_uint8"], np.uint8)
    if not request.compress:
        raw = data.reshape(height, width, 3)
        return np.ascontiguousarray(raw[..., ::-1]) if bgr else raw
    colours = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if colours is None or colours.shape != (height, width, 3):
        raise ValueError(f"no PNG of {width}x{height} pixels")
    return np.ascontiguousarray(colours[..., ::-1]).astype(np.uint8, copy=False)
