"""Servers of a few lines for tests of the client: they greet as AirSim does, then do what a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgpack

from sim_bridge.airsim.messages import pack_response
from sim_bridge.airsim.structs import Codec
from sim_bridge.frames import NED, NedPose, Quaternion

CODEC = Codec("airsim", arrays=False)
POSE = NedPose(NED(1.0, 2.5, -3.0), Quaternion(1.0, 0.0, 0.0, 0.0))
HELLO: Mapping[str, Any] = {"ping": True, "getServerVersion": 1, "simGetVehiclePose": CODEC.plain("Pose", POSE)}
"""What `connect` asks first, and what AirSim answers."""
REST: Mapping[str, Any] = {"listVehicles": ["A"], "simRunConsoleCommand": True, "getSettingsString": "{}",
                           "simGetObjectPose": CODEC.plain("Pose", POSE), **HELLO}
Answer = Callable[[socket.socket, list[Any]], Any]


@contextlib.contextmanager
def server_that(answer: Answer, only: tuple[str, ...] = (), hello: Mapping[str, Any] = HELLO) -> Iterator[int]:
    """Port of a server that greets every connection, then does what `answer(socket, request)` does: with all requests,
    or `only` with those of some names while the others have ordinary replies."""
    sockets: list[socket.socket] = []

    def run(sock: socket.socket) -> None:
        unpacker, greeting = msgpack.Unpacker(), list(hello)
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(65536):
                unpacker.feed(data)
                for request in unpacker:
                    if greeting and request[2] == greeting[0]:
                        reply(sock, request, hello[greeting.pop(0)])
                    elif only and request[2] not in only:
                        reply(sock, request, REST.get(request[2]))
                    else:
                        answer(sock, request)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sockets.append(listener.accept()[0])
                threading.Thread(target=run, args=(sockets[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reply(sock: socket.socket, request: list[Any], result: Any) -> None:
    """Answer a request."""
    sock.sendall(pack_response(request[1], None, result))


def image_reply(pose: NedPose = POSE, **changes: Any) -> dict[str, Any]:
    """ImageResponse of 2x2 raw pixels."""
    struct = CODEC.plain("Pose", pose)
    return {"image_data_uint8": bytes(12), "image_data_float": [], "camera_position": struct["position"],
            "camera_orientation": struct["orientation"], "time_stamp": 1, "message": "",
            "pixels_as_float": False, "compress": False, "width": 2, "height": 2, "image_type": 0} | changes


def float_reply(values: Any, **changes: Any) -> dict[str, Any]:
    """ImageResponse of a planar depth image (H, W)."""
    height, width = values.shape
    return image_reply(image_data_uint8=b"", image_data_float=values, image_type=1, pixels_as_float=True,
                       width=width, height=height, **changes)
