"""The server under many clients, and over many frames: nobody waits long, and memory does not grow."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import psutil

from sim_bridge.airsim.messages import ImageType, pack_request
from sim_bridge.hazards import strike
from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.package import write_package
from tools.bench.row import row

CLIENTS, CALLS, ROUNDS = 50, 200, 3
FRAMES, FIRST_FRAMES = 10_000, 100
WIDTH, HEIGHT = 64, 48
MOST_LATENCY_S, MOST_GROWTH_MB = 1.0, 20.0
SPEC = SceneSpec(seed=5, layout=Layout(size_m=128.0))
_MIXED: Sequence[tuple[str, tuple[Any, ...]]] = (
    ("ping", ()), ("simGetVehiclePose", ("",)), ("simListSceneObjects", ("mage_building_.*",)), ("listVehicles", ()))
_FRAME = pack_request(0, "simGetImages", ([
    {"camera_name": "bottom_center", "image_type": int(kind), "pixels_as_float": kind == ImageType.DEPTH_PLANAR,
     "compress": False} for kind in (ImageType.SCENE, ImageType.DEPTH_PLANAR, ImageType.SEGMENTATION)], "", False))


def rows() -> list[dict[str, Any]]:
    """Rows of 50 clients at once, alone and while another draws frames, and of memory over 10,000 frames."""
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(SPEC)
        write_package(Path(folder), SPEC, world, strike(world, SPEC))
        process, port = _serve(folder)
        try:
            return [*_crowd(port, "idle"), *_crowd(port, "drawing"), *_memory(process, port)]
        finally:
            process.terminate()
            process.wait()


def _serve(root: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", root, "--port", "0", "--width", str(WIDTH),
         "--height", str(HEIGHT), "--samples", "1", "--settings", "{}", "--mode", "ComputerVision", "--load",
         SPEC.world_id], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().rpartition("=")[2])


def _crowd(port: int, state: str) -> list[dict[str, Any]]:
    """Requests a second, worst wait and answers of CLIENTS at once, each with CALLS small calls one after another."""
    stop = threading.Event()
    painter = threading.Thread(target=_draw, args=(port, stop))
    if state == "drawing":
        painter.start()
    rates, worst, answered = [], [], 0
    for _ in range(ROUNDS):
        waits: list[list[float]] = [[] for _ in range(CLIENTS)]
        threads = [threading.Thread(target=_ask, args=(port, mine)) for mine in waits]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered += sum(map(len, waits))
        rates.append(sum(map(len, waits)) / (time.perf_counter() - started))
        worst.append(max(max(mine, default=float("inf")) for mine in waits))
    stop.set()
    if state == "drawing":
        painter.join()
    name, asked = f"server, {CLIENTS} clients at once, {state}", ROUNDS * CLIENTS * CALLS
    return [row(f"{name}: small calls", rates, "1/s", f"{CALLS} calls each"),
            row(f"{name}: longest wait", worst, "s", f"{CALLS} calls each", most=MOST_LATENCY_S),
            row(f"{name}: answered", [100 * answered / asked], "%", f"{asked} calls", least=100)]


def _ask(port: int, waits: list[float]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        unpacker = msgpack.Unpacker()
        for number in range(CALLS):
            started = time.perf_counter()
            sock.sendall(pack_request(number, *_MIXED[number % len(_MIXED)]))
            reply = _reply(sock, unpacker)
            if reply[1] == number and reply[2] is None:
                waits.append(time.perf_counter() - started)


def _reply(sock: socket.socket, unpacker: Any) -> Any:
    while True:
        for reply in unpacker:
            return reply
        if not (data := sock.recv(1 << 18)):
            raise ValueError("the server closed the connection")
        unpacker.feed(data)


def _draw(port: int, stop: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        unpacker = msgpack.Unpacker()
        while not stop.is_set():
            _frames(sock, unpacker, 1)


def _memory(process: subprocess.Popen[str], port: int) -> list[dict[str, Any]]:
    """How much larger the server is after FRAMES frames than after FIRST_FRAMES."""
    server = psutil.Process(process.pid)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        unpacker = msgpack.Unpacker()
        _frames(sock, unpacker, FIRST_FRAMES)
        before, started = server.memory_info().rss, time.perf_counter()
        _frames(sock, unpacker, FRAMES - FIRST_FRAMES)
        seconds = time.perf_counter() - started
        grown_mb = (server.memory_info().rss - before) / 1e6
    return [row(f"server, memory after {FRAMES} frames over that after {FIRST_FRAMES}", [grown_mb], "MB",
                f"{before / 1e6:.0f} MB", most=MOST_GROWTH_MB),
            row(f"server, frames of {WIDTH}x{HEIGHT}: colour, depth, ids", [(FRAMES - FIRST_FRAMES) / seconds], "1/s",
                "one client")]


def _frames(sock: socket.socket, unpacker: Any, count: int) -> None:
    for _ in range(count):
        sock.sendall(_FRAME)
        error, images = _reply(sock, unpacker)[2:]
        if error is not None or len(images[0]["image_data_uint8"]) != WIDTH * HEIGHT * 3:
            raise ValueError(f"no frame but {error or images[0]['message']}")
