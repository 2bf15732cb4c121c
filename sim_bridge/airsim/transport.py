"""One connection with many requests in flight, shared by threads: who waits reads, for all who wait.

Of the threads that wait for replies one leads: it reads the socket, hands every reply to whom it is for, and passes the
lead on when its own is there. So a lone call costs no switch of threads, and a long call holds up no short one. For
requests that nobody waits for (`submit`) a thread leads as long as any of them is open. No event loop is involved.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sim_bridge.airsim.decode import ReplyReader
from sim_bridge.airsim.messages import pack_request
from sim_bridge.errors import DeadlinePassed, MageError, SimulatorError, SimulatorGone

_TICK_S = 0.25
"""How late a request that nobody waits for may be given up."""
Convert = Callable[[Any], Any]


class _Waiter:
    """A thread that waits, or will."""

    def __init__(self) -> None:
        self.ready = False
        self.wake: threading.Event | None = None


@dataclass(eq=False)
class _Pending:
    """One request on its way."""

    method: str
    deadline: float
    max_bytes: int
    waiter: _Waiter
    future: Future[Any] | None = None
    convert: Convert | None = None
    done: bool = False
    result: Any = None
    error: MageError | None = None


class Connection:
    """A connected socket. Every method may be called from any thread."""

    def __init__(self, sock: socket.socket, max_reply_bytes: int) -> None:
        """max_reply_bytes: bound of any reply; a call may set a lower one of its own."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address: tuple[str, int] = sock.getpeername()[:2]
        # two objects of one socket: each has a timeout of its own
        self._out, self._in = sock, sock.dup()
        self._max_bytes = max_reply_bytes
        self._reader = ReplyReader(self._in, max_reply_bytes, self._bound_of)
        self._sending, self._lock = threading.Lock(), threading.Lock()
        self._open: dict[int, _Pending] = {}
        self._msgid = 0
        self._leads = False
        self._followers: dict[_Waiter, None] = {}
        self._attendant, self._attends = _Waiter(), False
        self._settled: list[_Pending] = []
        """Requests that nobody waits for and that are done."""
        self._lost: MageError | None = None

    @property
    def lost(self) -> MageError | None:
        """Why this connection can no longer be used, if so."""
        return self._lost

    def call(self, method: str, args: tuple[Any, ...], timeout_s: float, max_bytes: int | None = None) -> Any:
        """Result of a request; the caller's thread waits.

        Raises SimulatorError if the server answers with an error or with nonsense, DeadlinePassed, SimulatorGone.
        """
        pending = _Pending(method, time.monotonic() + timeout_s, max_bytes or self._max_bytes, _Waiter())
        self._send(pending, args)
        self._wait(pending.waiter, pending.deadline)
        self._give_up(pending)
        if pending.error is not None:
            raise pending.error
        return pending.result

    def submit(self, method: str, args: tuple[Any, ...], timeout_s: float, convert: Convert,
               max_bytes: int | None = None) -> Future[Any]:
        """The request's result to come, as `convert` makes it; it has the errors of `call`."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        pending = _Pending(method, time.monotonic() + timeout_s, max_bytes or self._max_bytes, self._attendant,
                           future, convert)
        try:
            self._send(pending, args)
        except MageError as error:
            if not pending.done:
                future.set_exception(error)
                return future
        self._attend()
        return future

    def close(self) -> None:
        """End the connection: all who wait get SimulatorGone."""
        self._fail(SimulatorGone("the connection is closed: connect again"))

    def _bound_of(self, msgid: int) -> int:
        pending = self._open.get(msgid)
        return pending.max_bytes if pending else self._max_bytes

    def _send(self, pending: _Pending, args: tuple[Any, ...]) -> None:
        with self._lock:
            msgid, self._msgid = self._msgid, (self._msgid + 1) % (1 << 30)
        request = pack_request(msgid, pending.method, args)
        with self._lock:
            if self._lost is not None:
                raise SimulatorGone(str(self._lost))
            self._open[msgid] = pending
        try:
            with self._sending:
                self._out.settimeout(max(1e-3, pending.deadline - time.monotonic()))
                self._out.sendall(request)
        except BaseException as error:
            # part of a request may be under way: nothing that follows could be understood
            gone = SimulatorGone(f"connection lost ({error}): restart the simulator")
            self._fail(gone)
            if isinstance(error, OSError):
                raise gone from error
            raise

    def _wait(self, waiter: _Waiter, deadline: float) -> None:
        """Returns when the waiter is ready, the connection lost, or the deadline past."""
        while not self._take_lead(waiter):
            assert waiter.wake is not None
            try:
                in_time = waiter.ready or waiter.wake.wait(max(0.0, deadline - time.monotonic()))
            finally:
                with self._lock:
                    self._followers.pop(waiter, None)
                    self._pass_lead()
            if waiter.ready or not in_time:
                return
        try:
            self._lead(waiter, deadline)
        finally:
            with self._lock:
                self._leads = False
                self._pass_lead()
            if self._lost is not None:
                self._shut()

    def _take_lead(self, waiter: _Waiter) -> bool:
        """True if the thread now leads; else it follows, or need not even wait."""
        with self._lock:
            if not (self._leads or waiter.ready or self._lost):
                self._leads = True
                return True
            waiter.wake = waiter.wake or threading.Event()
            waiter.wake.clear()
            if not waiter.ready:
                self._followers[waiter] = None
            return False

    def _pass_lead(self) -> None:
        """Wakes one who follows, to lead. The lock is held."""
        if not self._leads and self._followers:
            follower = next(iter(self._followers))
            if follower.wake is not None:
                follower.wake.set()

    def _lead(self, waiter: _Waiter, deadline: float) -> None:
        try:
            while not waiter.ready:
                self._deliver(self._reader.read(deadline))
        except TimeoutError:
            return
        except MageError as error:
            self._fail(error)
        except BaseException:
            # interrupted in the midst of a message: its rest would be read as another one
            self._fail(SimulatorGone("the connection was interrupted: connect again"))
            raise

    def _deliver(self, message: Any) -> None:
        if not isinstance(message, list) or len(message) != 4 or message[0] != 1:
            raise SimulatorError("reply is not [1, id, error, result]: is this an AirSim server?")
        with self._lock:
            # an unknown id is that of a request that was given up
            pending = self._open.pop(message[1], None) if isinstance(message[1], int) else None
            if pending is not None:
                said = None if message[2] is None else SimulatorError(f"{pending.method}: {_text(message[2])}")
                self._finish(pending, message[3], said)

    def _finish(self, pending: _Pending, result: Any, error: MageError | None) -> None:
        """The lock is held."""
        if pending.done:
            return
        pending.result, pending.error, pending.done = result, error, True
        if pending.future is not None:
            # settled by the thread that attends, which then does not lead: what it runs may call us again
            self._settled.append(pending)
        pending.waiter.ready = True
        if pending.waiter.wake is not None:
            pending.waiter.wake.set()

    def _give_up(self, pending: _Pending) -> None:
        with self._lock:
            if not pending.done:
                self._open = {msgid: other for msgid, other in self._open.items() if other is not pending}
                self._finish(pending, None, DeadlinePassed(f"{pending.method}: no complete reply before the deadline: "
                                                           "restart the simulator or wait longer"))

    def _fail(self, error: MageError) -> None:
        """Everyone who waits gets `error`, as will all who come later."""
        with self._lock:
            self._lost = self._lost or error
            waiting, self._open = list(self._open.values()), {}
            for pending in waiting:
                # an error of one's own: threads write their traces into it
                self._finish(pending, None, type(error)(*error.args))
            leads = self._leads
        with contextlib.suppress(OSError):
            self._out.shutdown(socket.SHUT_RDWR)
        if not leads:
            self._shut()

    def _shut(self) -> None:
        # not while another thread sends: the number of a closed socket is soon another file's
        with self._sending:
            self._in.close()
            self._out.close()

    def _attend(self) -> None:
        """Have a thread wait for the requests that nobody waits for."""
        with self._lock:
            if self._attends:
                return
            self._attends = True
        threading.Thread(target=self._serve, daemon=True, name="airsim-replies").start()

    def _serve(self) -> None:
        while True:
            with self._lock:
                settled, self._settled = self._settled, []
                deadlines = [p.deadline for p in self._open.values() if p.future is not None]
                attends = self._attends = bool(settled or deadlines)
                self._attendant.ready = False
            for pending in settled:
                _settle(pending)
            if not attends:
                return
            if not settled:
                self._wait(self._attendant, min(*deadlines, time.monotonic() + _TICK_S))
                self._give_up_late()

    def _give_up_late(self) -> None:
        with self._lock:
            late = [p for p in self._open.values() if p.future is not None and p.deadline <= time.monotonic()]
        for pending in late:
            self._give_up(pending)


def _settle(pending: _Pending) -> None:
    future = pending.future
    assert future is not None
    if pending.error is not None:
        future.set_exception(pending.error)
        return
    try:
        value = pending.result if pending.convert is None else pending.convert(pending.result)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(value)


def _text(error: Any) -> str:
    return bytes(error).decode("utf-8", "replace") if isinstance(error, (bytes, memoryview)) else str(error)
