"""How long one float depth image takes to cross a socket: our client against a bare socket and numpy.

A second process replays one ready reply, so nothing but transport and decoding is timed.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.client import Client
from sim_bridge.airsim.messages import DEPTH, ImageType, pack_request, pack_response
from sim_bridge.airsim.structs import FLOAT_ITEM, Codec
from sim_bridge.frames import NED, Quaternion

WIDTH, HEIGHT, ROUNDS = 1280, 720, 15
BAR = 3.0
"""Our client may take this many times as long as the bare socket."""
_HEADER = b"\xdd" + (WIDTH * HEIGHT).to_bytes(4, "big")


def rows() -> list[dict[str, Any]]:
    """The measurement as rows {name, value, unit, spread, against, bar, met}; times in ms, spread between quartiles."""
    ours, bare = measure()
    value, against = statistics.median(ours), statistics.median(bare)
    quartiles = statistics.quantiles(ours, n=4)
    return [{
        "name": f"transport: {WIDTH}x{HEIGHT} float depth", "value": value, "unit": "ms",
        "spread": quartiles[2] - quartiles[0], "against": against, "bar": BAR * against,
        "met": value <= BAR * against,
    }]


def measure(rounds: int = ROUNDS) -> tuple[list[float], list[float]]:
    """Times in ms with our client and with a bare socket, taken in turn from one server."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs = context.Pipe()
    server = context.Process(target=_replay, args=(theirs,), daemon=True)
    server.start()
    try:
        port = int(ours_end.recv())
        with socket.create_connection(("127.0.0.1", port)) as bare, \
                Client(socket.create_connection(("127.0.0.1", port)), 30.0, 1 << 28) as client:
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            size = len(_ready_reply())
            pairs = [(_timed(lambda: _ours(client)), _timed(lambda: _bare(bare, size))) for _ in range(rounds + 1)]
    finally:
        server.kill()
        server.join()
    # the first pair pays for connections and imports
    return [ours for ours, _ in pairs[1:]], [bare_ms for _, bare_ms in pairs[1:]]


def _timed(run: Callable[[], npt.NDArray[np.float32]]) -> float:
    started = time.perf_counter()
    depth = run()
    taken_ms = 1e3 * (time.perf_counter() - started)
    if depth.shape != (HEIGHT, WIDTH) or depth[-1, -1] != np.float32(WIDTH * HEIGHT - 1):
        raise ValueError("the image did not arrive whole")
    return taken_ms


def _ours(client: Client) -> npt.NDArray[np.float32]:
    return client.images("bench", [DEPTH])[0].pixels


def _bare(sock: socket.socket, size: int) -> npt.NDArray[np.float32]:
    """What no client can do without: receive a known number of bytes, find the array, convert its byte order."""
    sock.sendall(pack_request(0, "simGetImages", ()))
    reply, filled = bytearray(size), 0
    while filled < size:
        filled += sock.recv_into(memoryview(reply)[filled:])
    start = reply.find(_HEADER) + len(_HEADER)
    items = np.frombuffer(reply, FLOAT_ITEM, WIDTH * HEIGHT, start)
    return items["value"].astype(np.float32).reshape(HEIGHT, WIDTH)


def _ready_reply() -> bytes:
    """Packed reply to request 0 with one float image of 0, 1, 2, ..."""
    image = {
        "image_data_uint8": b"", "image_data_float": np.arange(WIDTH * HEIGHT, dtype=np.float32),
        "camera_position": NED(0.0, 0.0, 0.0), "camera_name": "bench",
        "camera_orientation": Quaternion(1.0, 0.0, 0.0, 0.0), "time_stamp": 1, "message": "",
        "pixels_as_float": True, "compress": False, "width": WIDTH, "height": HEIGHT,
        "image_type": int(ImageType.DEPTH_PLANAR),
    }
    return pack_response(0, None, Codec("airsim", arrays=False).plain("[ImageResponse]", [image]))


def _replay(port: Connection) -> None:
    """Server process: answers every request on two connections with the ready reply."""
    body = memoryview(_ready_reply())[3:]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.send(listener.getsockname()[1])
        threads = [threading.Thread(target=_answer, args=(listener.accept()[0], body)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _answer(sock: socket.socket, body: memoryview) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    requests = msgpack.Unpacker()
    while data := sock.recv(65536):
        requests.feed(data)
        for request in requests:
            # ids stay below 128 here, which is one byte
            sock.sendall(bytes((0x94, 0x01, request[1])))
            sock.sendall(body)
