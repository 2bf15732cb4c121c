"""A server process that sends ready replies, so that nothing but transport and decoding is timed: the same bytes to
every client that asks."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

import cv2
import msgpack
import numpy as np

from sim_bridge.airsim.messages import ImageType, pack_response
from sim_bridge.airsim.structs import Codec, pack
from sim_bridge.frames import NED, NedPose, Quaternion

SIZES = ((256, 144), (640, 480), (1280, 720))
FORMS: Mapping[str, tuple[int, bool, bool]] = {
    "png": (int(ImageType.SCENE), False, True),
    "raw": (int(ImageType.SCENE), False, False),
    "float": (int(ImageType.DEPTH_PLANAR), True, False),
}
"""Image type, pixels_as_float and compress of each."""
_CODEC = Codec("airsim", arrays=False)
_POSE = NedPose(NED(0.0, 0.0, 0.0), Quaternion(1.0, 0.0, 0.0, 0.0))


def camera(size: tuple[int, int]) -> str:
    """Name of the camera whose frames have a size."""
    return f"{size[0]}x{size[1]}"


@contextlib.contextmanager
def replaying() -> Iterator[int]:
    """Port of the server."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        yield int(ours.recv())
    finally:
        server.kill()
        server.join()


def image(size: tuple[int, int], form: str) -> bytes:
    """One packed ImageResponse: depths 0, 1, 2, ... m, or a picture of low contrast and some noise."""
    (width, height), (image_type, as_float, compress) = size, FORMS[form]
    depth = np.arange(width * height if as_float else 0, dtype=np.float32)
    data = b"" if as_float else _picture(width, height, compress)
    return pack(_CODEC.plain("ImageResponse", {
        "image_data_uint8": data, "image_data_float": depth, "camera_position": _POSE.position,
        "camera_name": camera(size), "camera_orientation": _POSE.orientation, "time_stamp": 1, "message": "",
        "pixels_as_float": as_float, "compress": compress, "width": width, "height": height, "image_type": image_type,
    }), single=True)


def _picture(width: int, height: int, compress: bool) -> bytes:
    noise = np.random.default_rng(0).integers(0, 8, (height, width, 3))
    slope = np.linspace(0, 120, width)[None, :, None] * np.array([0.3, 0.6, 1.0])
    bgr = (noise + slope + 20).astype(np.uint8)
    if not compress:
        return bytes(bgr.tobytes())
    return bytes(cv2.imencode(".png", cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA))[1].tobytes())


def _serve(port: Connection) -> None:
    images = {(camera(size), FORMS[form]): image(size, form) for size in SIZES for form in FORMS}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.send(listener.getsockname()[1])
        while True:
            threading.Thread(target=_answer, args=(listener.accept()[0], images), daemon=True).start()


def _answer(sock: socket.socket, images: Mapping[tuple[str, tuple[int, bool, bool]], bytes]) -> None:
    small = {"ping": True, "getServerVersion": 1, "getMinRequiredClientVersion": 1, "listVehicles": ["bench"],
             "simGetVehiclePose": _CODEC.plain("Pose", _POSE), "simGetObjectPose": _CODEC.plain("Pose", _POSE)}
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    requests = msgpack.Unpacker()
    while data := sock.recv(65536):
        requests.feed(data)
        for request in requests:
            if request[2] != "simGetImages":
                sock.sendall(pack_response(request[1], None, small[request[2]]))
                continue
            asked = [images.get(_key(struct), b"\x80") for struct in request[3][0]]
            head = b"\x94\x01" + msgpack.packb(request[1]) + b"\xc0" + bytes((0x90 + len(asked),))
            sock.sendall(head + asked[0] if len(asked) == 1 else b"".join([head, *asked]))


def _key(struct: Mapping[str, Any]) -> tuple[str, tuple[int, bool, bool]]:
    return struct["camera_name"], (struct["image_type"], struct["pixels_as_float"], struct["compress"])
