"""How long a ready reply takes to become a numpy array: our client, both official ones and a bare socket, in one run.

A second process sends the same bytes to all. The official clients run in environments of their own, which are made
beside the checkout's when they are not there (`.venv-airsim`, `.venv-cosys`).
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.client import Client, connect
from sim_bridge.airsim.messages import ImageRequest, pack_request
from sim_bridge.airsim.structs import FLOAT_ITEM
from tools.airsim_env import ClientName, make_env
from tools.bench.replay import FORMS, SIZES, camera, image, replaying
from tools.bench.row import row

ROOT = Path(__file__).parents[2]
OFFICIAL: Mapping[str, tuple[ClientName, str]] = {"airsim": ("airsim", ".venv-airsim"),
                                                  "cosysairsim": ("cosys", ".venv-cosys")}
LARGEST = SIZES[-1]
ROUNDS, SMALL_ROUNDS, FLIGHTS = 25, 500, 64
_SLOW = {("airsim", (640, 480)): 1, ("airsim", (1280, 720)): 1}
"""Rounds of what takes seconds: float frames of these sizes."""
AT_LEAST, AT_MOST = 1000.0, 3.0
Times = dict[str, list[float]]


def rows() -> list[dict[str, Any]]:
    """Milliseconds of our client beside those of the others, and the two ratios that have bars."""
    pythons = {name: make_env(ROOT / folder, kind) for name, (kind, folder) in OFFICIAL.items()}
    with replaying() as port:
        ours, bare = _ours_and_bare(port)
        official = {name: _official(python, name, port) for name, python in pythons.items()}
    others = {**official, "bare socket": bare}
    table = [row(f"transport: {_named(case)}", times, "ms", _beside(case, others)) for case, times in ours.items()]
    return table + _ratios(ours, others)


def _ratios(ours: Times, others: Mapping[str, Times]) -> list[dict[str, Any]]:
    """Of the largest float frame: airsim's over ours, ours over the bare socket's round by round."""
    case = f"{camera(LARGEST)} float"
    own, bare, slow = ours[case], others["bare socket"][case], others["airsim"][case]
    return [
        row(f"transport: {_named(case)}, airsim 1.8.1 / ours", [time_ms / statistics.median(own) for time_ms in slow],
            "times", f"{len(slow)} round of airsim, median of ours", least=AT_LEAST),
        row(f"transport: {_named(case)}, ours / bare socket",
            [mine / its for mine, its in zip(own, bare, strict=True)], "times",
            "bare socket and numpy.frombuffer, in turn", most=AT_MOST),
    ]


def _named(case: str) -> str:
    size, form = case.rsplit(" ", 1)
    return {"ping": "small call", "pings": f"small call, {FLIGHTS} in flight"}.get(form, f"{size} {form}")


def _beside(case: str, others: Mapping[str, Times]) -> str:
    found = {name: times[case] for name, times in others.items() if case in times}
    return ", ".join(f"{name} {statistics.median(times):.4g} ms" for name, times in found.items()) or "-"


def _in_turn(runs: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Milliseconds of each round of each after an untimed one, taken in turn: what slows the machine slows all."""
    times: Times = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - started))
    return {name: found[1:] for name, found in times.items()}


def _ours_and_bare(port: int) -> tuple[Times, Times]:
    """Times of our client, and of the bare socket for float frames."""
    ours: Times = {}
    bare: Times = {}
    with connect("127.0.0.1", port) as client, socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours |= _in_turn({" ping": client.ping}, SMALL_ROUNDS)
        flights = _in_turn({" pings": partial(_in_flight, client)}, SMALL_ROUNDS // FLIGHTS)
        ours |= {case: [time_ms / FLIGHTS for time_ms in times] for case, times in flights.items()}
        for size in SIZES:
            runs = {form: partial(client.images, camera(size), [ImageRequest(*FORMS[form])], size) for form in FORMS}
            ours |= {f"{camera(size)} {form}": _in_turn({form: runs[form]}, ROUNDS)[form] for form in ("png", "raw")}
            pair = _in_turn({"ours": runs["float"], "bare": partial(_bare_float, sock, size)}, ROUNDS)
            ours[f"{camera(size)} float"], bare[f"{camera(size)} float"] = pair["ours"], pair["bare"]
        _check(client.images(camera(LARGEST), [ImageRequest(*FORMS["float"])])[0].pixels, LARGEST)
    return ours, bare


def _in_flight(client: Client) -> None:
    for future in [client.submit("ping") for _ in range(FLIGHTS)]:
        future.result()


def _bare_float(sock: socket.socket, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    (width, height), (kind, as_float, compress) = size, FORMS["float"]
    struct = {"camera_name": camera(size), "image_type": kind, "pixels_as_float": as_float, "compress": compress}
    # what no client can do without: receive a known number of bytes, find the array, convert its byte order
    sock.sendall(pack_request(0, "simGetImages", ([struct], "", False)))
    # four bytes of the message and one of its list of images stand before the image
    reply, filled = bytearray(5 + _length(size)), 0
    while filled < len(reply):
        filled += sock.recv_into(memoryview(reply)[filled:])
    count = width * height
    head = (b"\xdc" + count.to_bytes(2, "big")) if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")
    items = np.frombuffer(reply, FLOAT_ITEM, count, reply.find(head) + len(head))
    depth: npt.NDArray[np.float32] = items["value"].astype(np.float32).reshape(height, width)
    _check(depth, size)
    return depth


@lru_cache
def _length(size: tuple[int, int]) -> int:
    return len(image(size, "float"))


def _check(depth: npt.NDArray[Any], size: tuple[int, int]) -> None:
    if depth.shape != size[::-1] or depth[-1, -1] != np.float32(size[0] * size[1] - 1):
        raise ValueError("the image did not arrive whole")


def _official(python: Path, name: str, port: int) -> Times:
    cases: list[tuple[str, str, int]] = [("", "ping", SMALL_ROUNDS)]
    cases += [(camera(size), form, _SLOW.get((name, size), 5) if form == "float" else ROUNDS)
              for size in SIZES for form in FORMS]
    script = Path(__file__).with_name("official.py")
    done = subprocess.run([python, script, name, str(port), json.dumps(cases)], stdout=subprocess.PIPE, check=True)
    found: Times = json.loads(done.stdout)
    return found
