"""Peers that do harm, against a server process: it stays up, answers the others, and gives their memory back."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
from serving import SPEC, Running, end, exchange, start

from sim_bridge.airsim.messages import pack_request

MIB = 1 << 20
QUICK_S = 3.0
"""A frame takes a third of it on a free core; tests may share theirs."""
PING = pack_request(0, "ping", ())
IMAGES = [{"camera_name": "0", "image_type": 1, "pixels_as_float": True, "compress": False}]


@pytest.fixture(scope="module")
def sturdy(world_root: Path) -> Iterator[Running]:
    """A server of frames that no socket's buffers hold, its world loaded, for at most 60 clients."""
    running = start(world_root, "--width", "640", "--height", "640", "--load", SPEC.world_id, "--connections", "60")
    yield running
    assert end(running) == 0


def rss(server: Running) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def settled_rss(server: Running, most: int, timeout_s: float = 10.0) -> int:
    """Memory of the server once it is below `most`, or when time is up."""
    until = time.monotonic() + timeout_s
    while (now := rss(server)) > most and time.monotonic() < until:
        time.sleep(0.1)
    return now


def linked(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def ping_s(server: Running) -> float:
    """How long a new client waits for its ping."""
    started = time.monotonic()
    assert exchange(server.port, PING, 1) == [[1, 0, None, True]]
    return time.monotonic() - started


def frame_request(msgid: int, count: int = 4) -> bytes:
    return pack_request(msgid, "simGetImages", (IMAGES * count, "", False))


def test_clients_that_never_read_hold_up_nobody(sturdy: Running) -> None:
    exchange(sturdy.port, frame_request(0), 1)
    before = rss(sturdy)
    greedy = [linked(sturdy) for _ in range(4)]
    for sock in greedy:
        sock.sendall(b"".join(frame_request(n) for n in range(20)))
    time.sleep(1.0)
    assert max(ping_s(sturdy) for _ in range(5)) < QUICK_S
    for sock in greedy:
        sock.close()
    assert settled_rss(sturdy, before + 100 * MIB) < before + 100 * MIB
    assert ping_s(sturdy) < QUICK_S


def test_clients_killed_in_the_middle_of_a_reply_leave_nothing(sturdy: Running) -> None:
    exchange(sturdy.port, frame_request(0), 1)
    before = rss(sturdy)
    for _ in range(4):
        with linked(sturdy) as sock:
            sock.sendall(frame_request(0))
            assert sock.recv(1000)
            # reset instead of an orderly end, as when the process dies
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert settled_rss(sturdy, before + 60 * MIB) < before + 60 * MIB
    assert ping_s(sturdy) < QUICK_S


def test_begun_messages_of_many_peers_are_bounded(sturdy: Running) -> None:
    before = rss(sturdy)
    held = [linked(sturdy) for _ in range(40)]
    for sock in held[:20]:
        # lists in lists, each of a million values that never come
        sock.sendall(b"\xdd\x00\x0f\xff\xff" * 400)
    for sock in held[20:]:
        sock.sendall(b"\xc6\x03\xff\xff\xff" + b"x" * MIB)
    time.sleep(0.5)
    assert rss(sturdy) < before + 200 * MIB
    assert ping_s(sturdy) < QUICK_S
    for sock in held:
        sock.close()
    assert settled_rss(sturdy, before + 60 * MIB) < before + 60 * MIB


def test_more_clients_than_there_is_room_for_are_told_so(sturdy: Running) -> None:
    held = [linked(sturdy) for _ in range(60)]
    for sock in held:
        sock.sendall(PING)
        assert sock.recv(100)
    (reply,) = exchange(sturdy.port, PING, 1)
    assert reply[:2] == [1, 0] and "60 clients are connected already" in reply[2]
    held.pop().close()
    until = time.monotonic() + 5
    while exchange(sturdy.port, PING, 1) != [[1, 0, None, True]]:
        assert time.monotonic() < until
    for sock in held:
        sock.close()


def test_fifty_clients_at_once_are_all_answered(sturdy: Running) -> None:
    socks = [linked(sturdy) for _ in range(50)]
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("ping", ()), ("simGetVehiclePose", ("",)), ("simListSceneObjects", (".*",)), ("listVehicles", ())]
    for sock in socks:
        sock.sendall(b"".join(pack_request(n, *calls[n % 4]) for n in range(40)))
    for sock in socks:
        unpacker, ids = msgpack.Unpacker(), []
        while len(ids) < 40:
            unpacker.feed(sock.recv(65536))
            ids += [message[1] for message in unpacker if message[2] is None]
        assert sorted(ids) == list(range(40))
        sock.close()


@pytest.mark.parametrize("text", ["(a+)+$", "(.*)*" * 200, "a{1000}{1000}", "[" * 5000, "(" * 3000 + ")" * 3000])
def test_patterns_take_no_time(sturdy: Running, text: str) -> None:
    started = time.monotonic()
    (reply,) = exchange(sturdy.port, pack_request(0, "simListSceneObjects", (text,)), 1)
    assert time.monotonic() - started < 2.0
    assert reply[2] is None or isinstance(reply[2], str)
