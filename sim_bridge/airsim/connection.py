"""One peer of the server: requests in, replies out in the order in which they are done, whatever the peer does.

A thread reads; calls run in the server's pools; a reply is sent at once by whoever has it as far as the socket takes it
without waiting, and the rest by a thread that lives while there is a rest. So no worker ever waits for a reader.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import msgpack

from sim_bridge.airsim.dispatch import Dispatcher, Pending

_log = logging.getLogger(__name__)

STALL_S = 30.0
"""A peer that takes nothing of a waiting reply, or sends nothing of a begun message, for so long is let go."""
_CALLS = 8
"""Calls of one connection that run or whose replies are not sent; its next request is read when one of them is."""
_TASKS = 256
"""Flight tasks of one connection under way: they hold up none of its calls."""
_CONTAINERS = 100_000
"""Lists and maps in one message: an empty one takes one byte on the wire and sixty in memory."""
_ELEMENTS = 1 << 20
"""Values in the lists and maps of one message, all together."""
_ELEMENT_BYTES = 60
"""What a value takes in memory, however short it was on the wire."""
_RECEIVE_BYTES = 1 << 16
_SEND_BYTES = 1 << 20
_KEPT_BUFFER_BYTES = 1 << 20
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 60_000))


class Budget:
    """Bytes that all connections together may hold: requests being read or answered, and replies not yet sent."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Raises ValueError if so much is not left."""
        with self._lock:
            if count > self._left:
                raise ValueError(f"{count} bytes more than the server may hold for all its connections")
            self._left -= count

    def give(self, count: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += count


@dataclass(frozen=True)
class Service:
    """What all connections share."""

    dispatcher: Dispatcher
    pool_of: Callable[[object], Executor]
    """Where a message is answered."""
    budget: Budget
    max_message_bytes: int


@dataclass(frozen=True)
class _Reply:
    data: memoryview
    held: int
    """Bytes that its request holds of the budget."""
    task: bool


class Connection:
    """One peer. `run` reads until it is gone."""

    def __init__(self, sock: socket.socket, service: Service) -> None:
        self._sock, self._service = sock, service
        self._changed = threading.Condition()
        self._calls = self._tasks = 0
        self._queue: deque[_Reply] = deque()
        self._sending = self._over = False

    def run(self) -> None:
        """Read requests until the peer is gone, stalls or sends what is not msgpack; then close the socket."""
        service = self._service
        try:
            prepare(self._sock)
            for message, held in read_messages(self._sock, service.max_message_bytes, service.budget):
                if not self._admitted():
                    service.budget.give(held)
                    return
                service.pool_of(message).submit(self._answer, message, held)
            # a peer may stop sending and still read what it asked for
            with self._changed:
                self._changed.wait_for(lambda: self._over or not self._calls + self._tasks, STALL_S)
        except (OSError, RuntimeError, ValueError, TypeError, MemoryError, msgpack.UnpackException) as error:
            _log.info("connection ended: %s: %s", type(error).__name__, error)
        finally:
            self._close()

    def end(self) -> None:
        """Let the peer go, from any thread."""
        with self._changed:
            self._end()

    def _admitted(self) -> bool:
        """Wait until another call may run; False: the connection is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or (self._calls < _CALLS and self._tasks < _TASKS))
            self._calls += 1
            return not self._over

    def _answer(self, message: object, held: int) -> None:
        # what a peer asked for before it went is not drawn any more
        answer = b"" if self._over else self._service.dispatcher.answer(message)
        if not isinstance(answer, Pending):
            self._reply(answer, held, task=False)
            return
        with self._changed:
            self._calls, self._tasks = self._calls - 1, self._tasks + 1
            self._changed.notify_all()
        pending = answer
        pending.task.add_done_callback(lambda done: self._reply(pending.reply(done), held, task=True))

    def _reply(self, data: bytes, held: int, task: bool) -> None:
        """Send what the socket takes at once, leave the rest to a thread. Never waits, never raises."""
        with self._changed:
            rest = memoryview(data)[self._send_now(data):]
            if not rest or self._over:
                self._done(held, task)
                return
            try:
                self._service.budget.take(len(rest))
            except ValueError as error:
                _log.warning("connection ended: %s", error)
                self._end()
                self._done(held, task)
                return
            self._queue.append(_Reply(rest, held, task))
            if not self._sending:
                self._sending = True
                threading.Thread(target=self._send_rest, daemon=True, name="sender").start()

    def _send_now(self, data: bytes) -> int:
        """How many bytes went out without waiting."""
        if self._over or self._queue or not data:
            return 0
        try:
            # the socket has a timeout, so its descriptor does not block
            return os.write(self._sock.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lost(error)
            return 0

    def _send_rest(self) -> None:
        while (reply := self._first()) is not None:
            try:
                self._send_all(reply.data)
            except OSError as error:
                with self._changed:
                    self._lost(error)
            with self._changed:
                self._queue.popleft()
                self._service.budget.give(len(reply.data))
                self._done(reply.held, reply.task)

    def _first(self) -> _Reply | None:
        """The reply whose turn it is; it stays in the queue, so that later ones line up behind it."""
        with self._changed:
            self._sending = bool(self._queue)
            self._changed.notify_all()
            return self._queue[0] if self._queue else None

    def _send_all(self, data: memoryview) -> None:
        sent = 0
        while sent < len(data) and not self._over:
            # each piece has the socket's whole timeout: slow readers may take their time, stalled ones not
            sent += self._sock.send(data[sent:sent + _SEND_BYTES])

    def _done(self, held: int, task: bool) -> None:
        if task:
            self._tasks -= 1
        else:
            self._calls -= 1
        self._service.budget.give(held)
        self._changed.notify_all()

    def _lost(self, error: OSError) -> None:
        _log.info("reply not sent: %s", error)
        self._end()

    def _end(self) -> None:
        self._over = True
        self._changed.notify_all()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        with self._changed:
            self._end()
            # a closed descriptor may be another connection's by the time a sender uses it
            self._changed.wait_for(lambda: not self._sending)
            self._sock.close()


def prepare(sock: socket.socket) -> None:
    """No delays, bounded waits, and probes that find a peer whose machine is gone."""
    sock.settimeout(STALL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Values:
    """Hook for every list and map of a message, which counts them and what is in them. Raises ValueError beyond the
    bounds."""

    def __init__(self) -> None:
        self.containers = self.elements = 0

    def __call__(self, container: Any) -> Any:
        self.containers += 1
        self.elements += len(container)
        if self.containers > _CONTAINERS or self.elements > _ELEMENTS:
            raise ValueError(f"more than {_CONTAINERS} lists and maps or {_ELEMENTS} values in one message")
        return container

    def taken_bytes(self) -> int:
        """What they may take in memory; counting starts anew."""
        taken = _ELEMENT_BYTES * (self.containers + self.elements)
        self.containers = self.elements = 0
        return taken


def read_messages(sock: socket.socket, max_bytes: int, budget: Budget) -> Iterator[tuple[object, int]]:
    """Messages off a socket, each with the bytes that it holds of the budget: whoever takes one gives them back.

    Ends when the peer stops sending. Raises OSError, ValueError or msgpack's exceptions for what is no message, too
    long, or not finished in time.
    """
    unpacker, values = _unpacker(max_bytes)
    fed = taken = 0
    try:
        while data := _receive(sock, between=fed == taken):
            budget.take(len(data))
            fed += len(data)
            unpacker.feed(data)
            for message in unpacker:
                memory = values.taken_bytes()
                budget.take(memory)
                size, taken = unpacker.tell() - taken, unpacker.tell()
                yield message, size + memory
            if fed == taken and fed >= _KEPT_BUFFER_BYTES:
                # an unpacker never gives back the buffer of its longest message
                unpacker, values = _unpacker(max_bytes)
                fed = taken = 0
    finally:
        budget.give(fed - taken)


def _unpacker(max_bytes: int) -> tuple[Any, _Values]:
    values = _Values()
    return msgpack.Unpacker(
        max_buffer_size=max_bytes, max_array_len=_ELEMENTS, max_map_len=_ELEMENTS, list_hook=values,
        object_hook=values, strict_map_key=False, unicode_errors="replace"), values


def _receive(sock: socket.socket, between: bool) -> bytes:
    """What comes next, empty at the end. Between messages a peer may be silent as long as it lives."""
    while True:
        try:
            return sock.recv(_RECEIVE_BYTES)
        except TimeoutError as error:
            # a dead peer's ETIMEDOUT has a number, the socket's own timeout has none
            if error.errno is not None or not between:
                raise
