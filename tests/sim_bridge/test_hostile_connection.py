"""One connection in this process over a dispatcher of the tests: tasks, stalls, budgets and order."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import msgpack
import pytest

from sim_bridge.airsim import connection as module
from sim_bridge.airsim.connection import Budget, Connection, Service
from sim_bridge.airsim.dispatch import Dispatcher, Pending

MIB = 1 << 20


@dataclass
class Calls:
    """Answers `big n` with n bytes, `task` and `hold` when the test says so, all else at once."""

    tasks: dict[int, Future[None]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)

    def answer(self, message: Any) -> bytes | Pending:
        _, msgid, name, args = message
        if name == "task":
            self.tasks[msgid] = Future()
            return Pending(self.tasks[msgid], lambda _: msgpack.packb([1, msgid, None, True]))
        if name == "hold":
            self.gate.wait(20)
        return msgpack.packb([1, msgid, None, b"x" * args[0] if name == "big" else True])


@dataclass
class Peer:
    """The test's end of a connection, and the server's."""

    sock: socket.socket
    connection: Connection
    calls: Calls
    budget: Budget
    thread: threading.Thread
    unpacker: Any = field(default_factory=lambda: msgpack.Unpacker(max_buffer_size=1 << 30))

    def send(self, *messages: Any) -> None:
        self.sock.sendall(b"".join(msgpack.packb(message) for message in messages))

    def read(self, count: int) -> list[int]:
        """Ids of the next replies."""
        ids: list[int] = []
        while len(ids) < count:
            ids += [message[1] for message in self.unpacker]
            if len(ids) < count:
                data = self.sock.recv(65536)
                assert data, f"closed after {ids}"
                self.unpacker.feed(data)
        return ids


@contextlib.contextmanager
def connected(budget_bytes: int = 64 * MIB) -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(4) as pool:
        sock = socket.create_connection(listener.getsockname(), timeout=10)
        calls, budget = Calls(), Budget(budget_bytes)
        service = Service(cast(Dispatcher, calls), lambda _: pool, budget, 64 * MIB)
        served = Connection(listener.accept()[0], service)
        thread = threading.Thread(target=served.run)
        thread.start()
        with sock:
            try:
                yield Peer(sock, served, calls, budget, thread)
            finally:
                calls.gate.set()
                served.end()
                thread.join(10)
        assert not thread.is_alive()


def left(budget: Budget) -> int:
    return budget._left


def wait_until(holds: Any, timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(holds())


def test_tasks_hold_no_threads_and_end_in_any_order() -> None:
    with connected() as peer:
        peer.send(*([0, n, "task", []] for n in range(100)), [0, 100, "ping", []])
        assert peer.read(1) == [100]
        for n in reversed(range(100)):
            peer.calls.tasks[n].set_result(None)
        assert peer.read(100) == list(reversed(range(100)))
        assert wait_until(lambda: left(peer.budget) == 64 * MIB)


def test_slow_calls_hold_up_what_follows_only_once_eight_are_unanswered() -> None:
    with connected() as peer:
        peer.send([0, 0, "hold", []], [0, 1, "ping", []], [0, 2, "ping", []])
        assert sorted(peer.read(2)) == [1, 2]
        peer.calls.gate.set()
        assert peer.read(1) == [0]


def test_a_task_is_answered_from_its_own_thread_although_nobody_reads() -> None:
    with connected() as peer:
        peer.send([0, 0, "task", []], [0, 1, "big", [32 * MIB]])
        assert wait_until(lambda: 0 in peer.calls.tasks)
        # the reply of 32 MiB stands in the way: the socket's buffers hold less
        assert wait_until(lambda: left(peer.budget) < 40 * MIB)
        started = time.monotonic()
        peer.calls.tasks[0].set_result(None)
        assert time.monotonic() - started < 0.5
        assert peer.read(2) == [1, 0]


def test_replies_arrive_whole_and_in_order_of_their_ends_through_a_slow_reader() -> None:
    with connected() as peer:
        peer.send(*([0, n, "big", [MIB + n]] for n in range(8)))
        got = []
        while len(got) < 8:
            time.sleep(0.001)
            peer.unpacker.feed(peer.sock.recv(1 << 18))
            got += [(message[1], len(message[3])) for message in peer.unpacker]
        assert sorted(got) == [(n, MIB + n) for n in range(8)]
        assert wait_until(lambda: left(peer.budget) == 64 * MIB)


def test_a_reader_that_stalls_is_let_go_and_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.4)
    with connected() as peer:
        peer.send(*([0, n, "big", [8 * MIB]] for n in range(4)))
        assert wait_until(lambda: not peer.thread.is_alive())
        assert wait_until(lambda: left(peer.budget) == 64 * MIB)


def test_more_unsent_bytes_than_the_server_may_hold_cost_the_connection() -> None:
    with connected(budget_bytes=20 * MIB) as peer:
        peer.send(*([0, n, "big", [12 * MIB]] for n in range(4)))
        assert wait_until(lambda: not peer.thread.is_alive())
        # calls that had begun end after the connection
        assert wait_until(lambda: left(peer.budget) == 20 * MIB)


@pytest.mark.parametrize("partial", [msgpack.packb([0, 1, "ping", []])[:-1], b"\xdb\x00\x10\x00\x00" + b"x" * 1000],
                         ids=["request", "string"])
def test_a_message_that_stays_unfinished_ends_the_connection_and_silence_does_not(
        partial: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.3)
    with connected() as peer:
        time.sleep(0.8)
        peer.send([0, 0, "ping", []])
        assert peer.read(1) == [0]
        peer.sock.sendall(partial)
        assert wait_until(lambda: not peer.thread.is_alive(), 5)
        assert peer.sock.recv(10) == b""


def test_a_peer_that_stops_sending_still_reads_what_it_asked_for() -> None:
    with connected() as peer:
        peer.send([0, 0, "hold", []], [0, 1, "big", [4 * MIB]])
        peer.sock.shutdown(socket.SHUT_WR)
        peer.calls.gate.set()
        assert sorted(peer.read(2)) == [0, 1]
        assert peer.sock.recv(1) == b""


def test_a_long_message_leaves_nothing_behind() -> None:
    with connected() as peer:
        peer.send([0, 0, "ping", ["x" * (16 * MIB)]], [0, 1, "ping", []])
        assert sorted(peer.read(2)) == [0, 1]
        assert wait_until(lambda: left(peer.budget) == 64 * MIB)
        peer.send([0, 2, "ping", ["x" * (65 * MIB)]])
        with pytest.raises((AssertionError, OSError)):
            peer.read(1)


def test_values_count_as_what_they_take_in_memory() -> None:
    with connected(budget_bytes=20 * MIB) as peer:
        peer.send([0, 0, "ping", [["ab"] * 100_000]])
        assert peer.read(1) == [0]
        # 1.2 MB on the wire, 24 MB in memory
        with pytest.raises((AssertionError, OSError)):
            peer.send([0, 1, "ping", [["ab"] * 400_000]])
            peer.read(1)


def test_the_end_of_the_server_is_the_end_of_a_connection() -> None:
    with connected() as peer:
        peer.send([0, 0, "task", []], [0, 1, "big", [16 * MIB]])
        assert wait_until(lambda: 0 in peer.calls.tasks)
        peer.connection.end()
        peer.thread.join(5)
        assert not peer.thread.is_alive()
        peer.calls.tasks[0].set_result(None)
        assert wait_until(lambda: left(peer.budget) == 64 * MIB)
