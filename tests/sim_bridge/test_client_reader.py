"""Replies that come in pieces: reading may stop at any byte and go on, and takes time in proportion to the bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import reply, server_that

from sim_bridge.airsim import connect
from sim_bridge.airsim.decode import ReplyReader
from sim_bridge.airsim.messages import pack_response
from sim_bridge.errors import SimulatorError

RESULTS = st.lists(
    st.integers(-5, 5) | st.text(max_size=5) | st.binary(max_size=200) | st.just([1] * 100)
    | st.integers(1, 400).map(lambda n: np.arange(n, dtype=np.float32)),
    min_size=1, max_size=6)


def read_all(data: bytes, count: int, sizes: list[int], reader_timeout_s: float = 0.0) -> list[Any]:
    """Messages of bytes that come in pieces of some sizes, each piece only when the reader has given up waiting."""
    near, far = socket.socketpair()
    got: list[Any] = []
    with near, far:
        reader, start, turn = ReplyReader(near), 0, 0
        while len(got) < count:
            try:
                got.append(reader.read(time.monotonic() + reader_timeout_s))
            except TimeoutError:
                step = sizes[turn % len(sizes)]
                far.sendall(data[start:start + step])
                reader_timeout_s = 0.002
                start, turn = start + step, turn + 1
    return got


def same(result: Any, sent: Any) -> bool:
    return bool(np.array_equal(np.asarray(result), np.asarray(sent))) if isinstance(sent, (list, np.ndarray)) \
        else bytes(result) == sent if isinstance(sent, bytes) else result == sent


@settings(max_examples=40, deadline=None)
@given(RESULTS, st.lists(st.integers(50, 900), min_size=1, max_size=4))
def test_a_reader_that_gave_up_goes_on_where_it_stopped(results: list[Any], sizes: list[int]) -> None:
    data = b"".join(pack_response(i, None, result) for i, result in enumerate(results))
    got = read_all(data, len(results), sizes)
    assert [message[1] for message in got] == list(range(len(results)))
    assert all(same(message[3], sent) for message, sent in zip(got, results, strict=True))


def test_arrays_and_views_outlive_the_next_messages() -> None:
    """What was handed out must not change when the buffer takes in more."""
    near, far = socket.socketpair()
    with near, far:
        reader = ReplyReader(near)
        far.sendall(pack_response(0, None, [bytes(range(200)), np.arange(100, dtype=np.float32)]))
        first = reader.read(time.monotonic() + 5)[3]
        for turn in range(20):
            far.sendall(pack_response(1, None, [b"\xff" * (200 + turn), np.full(100, 7, np.float32)]))
            reader.read(time.monotonic() + 5)
    assert bytes(first[0]) == bytes(range(200)) and first[1].tolist() == list(range(100))


def test_small_things_in_small_pieces_take_no_quadratic_time() -> None:
    near, far = socket.socketpair()
    data = pack_response(0, None, [[[i] * 20 for i in range(50)] for _ in range(60)] + [[]] * 3)

    def send() -> None:
        with contextlib.suppress(OSError):
            for start in range(0, len(data), 50):
                far.sendall(data[start:start + 50])
                time.sleep(1e-5)

    sender = threading.Thread(target=send)
    with near, far:
        sender.start()
        started = time.process_time()
        assert ReplyReader(near).read(time.monotonic() + 20)[3] == msgpack.unpackb(data)[3]
        sender.join()
    assert time.process_time() - started < 3


def test_a_bound_of_one_reply_does_not_bind_the_others() -> None:
    sizes = {"small": 100, "large": 200_000}

    def answer(sock: socket.socket, request: list[Any]) -> None:
        reply(sock, request, bytes(sizes[request[2]]))

    with server_that(answer) as port, connect("127.0.0.1", port) as client:
        assert len(client.call("large")) == 200_000
        assert len(client.call("small", max_bytes=1000)) == 100
        with pytest.raises(SimulatorError, match="at most 100000"):
            client.call("large", max_bytes=100_000)
        assert len(client.call("large")) == 200_000


def test_many_threads_and_many_flights_share_one_connection() -> None:
    def answer(sock: socket.socket, request: list[Any]) -> None:
        reply(sock, request, request[3][0] if request[3] else True)

    def work(client: Any, number: int) -> bool:
        flights = [client.submit("ping") for _ in range(5)]
        echoed = [client.call("echo", number * 1000 + i) for i in range(30)]
        return echoed == [number * 1000 + i for i in range(30)] and all(f.result(10) for f in flights)

    with server_that(answer) as port, connect("127.0.0.1", port, timeout_s=10) as client, \
            ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda number: work(client, number), range(48)))
