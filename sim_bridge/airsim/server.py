"""AirSim's msgpack-rpc server over the embedded simulator: `python -m sim_bridge.airsim.server --world-root DIR`.

One thread reads each connection; requests are answered by pools, so a slow call delays no other and replies may come
out of order, as rpclib's do. Whatever a peer sends, it can at most lose its own connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.connection import Budget, Connection, Service
from sim_bridge.airsim.dispatch import HEAVY, PROMPT, Dispatcher
from sim_bridge.airsim.messages import pack_response
from sim_bridge.airsim.options import ServerConfig, read_options
from sim_bridge.airsim.settings import TimeOfDay
from sim_bridge.embedded.console import WORLD_ID
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.errors import InputError, MageError

_log = logging.getLogger(__name__)

_QUICK_WORKERS, _HEAVY_WORKERS = 16, 4
_BUDGET_BYTES = 1 << 30
_ACCEPT_S = 0.25
_REFUSED_S = 2.0
"""How long the socket of a refused peer stays open, so that it reads why."""
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 7 << 20
"""Blocks from here on are the system's own: they cost nothing until they are written to and are gone when they are
freed. Less than a list of as many values as a message may announce; more than what a frame of 512x512 needs."""
_ENDING_S = 10.0
"""Calls that still run this long after the server was told to end are not waited for."""


def serve(config: ServerConfig, stop: threading.Event, ready: Callable[[str, int], None]) -> None:
    """Serve until `stop` is set; calls `ready(host, port)` when connections are accepted.

    Raises InputError if the address cannot be listened on or the world cannot be loaded.
    """
    with _listen(config.host, config.port) as listener, _simulator(config) as simulator, \
            ThreadPoolExecutor(_QUICK_WORKERS, "call") as quick, ThreadPoolExecutor(_HEAVY_WORKERS, "frame") as heavy:
        context = Context(simulator, config.dialect, config.settings)
        _start_clock(context, config.time_of_day)
        if config.records:
            CALLS["startRecording"].run(context)
        at_once = _AtOnce()

        def pool_of(message: object) -> Executor:
            return heavy if _named(message, HEAVY) else at_once if _named(message, PROMPT) else quick

        service = Service(Dispatcher(context), pool_of, Budget(max(_BUDGET_BYTES, 4 * config.max_message_bytes)),
                          config.max_message_bytes)
        ready(config.host, listener.getsockname()[1])
        open_now = _accept(listener, service, config.connections, stop)
        listener.close()
        for connection in tuple(open_now):
            connection.end()
        CALLS["stopRecording"].run(context)
        simulator.reset()
        for pool in (quick, heavy):
            pool.shutdown(wait=False, cancel_futures=True)


def _named(message: object, names: Collection[str]) -> bool:
    name = message[-2] if isinstance(message, list) and len(message) in (3, 4) else None
    return isinstance(name, str) and name in names


class _AtOnce(Executor):
    """Runs a call where it is read, before the next is read."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done = Future[Any]()
        done.set_result(fn(*args, **kwargs))
        return done


@contextlib.contextmanager
def _simulator(config: ServerConfig) -> Iterator[Simulator]:
    simulator = Simulator(config.simulator)
    try:
        if config.load:
            _load(simulator, config.load)
        simulator.update(phase=config.phase)
        yield simulator
    finally:
        simulator.close()


def _load(simulator: Simulator, world_id: str) -> None:
    root = simulator.config.world_root
    if not WORLD_ID.fullmatch(world_id) or not (root / world_id).is_dir():
        raise InputError(f"--load {world_id}: no such world in {root}, name one of its folders")
    try:
        simulator.load(world_id)
    except (MageError, OSError, ValueError, KeyError) as error:
        raise InputError(f"--load {world_id}: not a world package ({error}), build it anew") from error


def _start_clock(context: Context, clock: TimeOfDay) -> None:
    if not clock.enabled:
        return
    try:
        CALLS["simSetTimeOfDay"].run(context, True, clock.start, clock.is_dst, clock.speed, clock.interval_s,
                                     clock.move_sun)
    except (ValueError, MageError) as error:
        raise InputError(f"TimeOfDay.StartDateTime {clock.start!r}: {error}") from error


def _accept(listener: socket.socket, service: Service, most: int, stop: threading.Event) -> set[Connection]:
    """Take connections until `stop` is set; those that are open then."""
    open_now: set[Connection] = set()
    refused: deque[tuple[float, socket.socket]] = deque(maxlen=64)
    while not stop.is_set():
        while refused and refused[0][0] < time.monotonic():
            refused.popleft()[1].close()
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        except OSError as error:
            # no descriptors left, or the peer is gone already
            _log.warning("connection not taken: %s", error)
            stop.wait(_ACCEPT_S)
            continue
        if len(open_now) >= most:
            _refuse(sock, most)
            refused.append((time.monotonic() + _REFUSED_S, sock))
        else:
            _begin(sock, service, open_now)
    return open_now


def _begin(sock: socket.socket, service: Service, open_now: set[Connection]) -> None:
    def run() -> None:
        try:
            connection.run()
        finally:
            open_now.discard(connection)

    connection = Connection(sock, service)
    open_now.add(connection)
    try:
        threading.Thread(target=run, daemon=True, name="connection").start()
    except (OSError, RuntimeError) as error:
        _log.warning("connection not taken: %s", error)
        open_now.discard(connection)
        sock.close()


def _refuse(sock: socket.socket, most: int) -> None:
    """Answer the first request that a client sends, whose id is 0 in all that are published."""
    with contextlib.suppress(OSError):
        sock.settimeout(0)
        sock.send(pack_response(0, f"{most} clients are connected already: close one, or raise --connections", None))
        sock.shutdown(socket.SHUT_WR)


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=128)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is in use: stop the other server or choose another --port" if taken else f"cannot be opened ({error})"
        raise InputError(f"{host}:{port} {why}") from error
    listener.settimeout(_ACCEPT_S)
    return listener


def _say_ready(host: str, port: int) -> None:
    sys.stdout.write(f"mage-serve ready host={host} port={port}\n")
    sys.stdout.flush()


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # raw descriptor: a buffered read would hold stdin's lock while the interpreter ends
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        while stdin.read(4096):
            pass
    stop.set()


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_in_time(stop: threading.Event, over: threading.Event) -> None:
    """A call that hangs, or a frame that takes minutes, does not keep the process."""
    stop.wait()
    if not over.wait(_ENDING_S):
        os._exit(0)


def _keep_no_large_blocks() -> None:
    """glibc's own threshold grows, so that one greedy client would leave the server large for ever."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM. Returns the exit code: 2 if it could not start."""
    _keep_no_large_blocks()
    stop, over = threading.Event(), threading.Event()
    try:
        config = read_options(argv)
        threading.Thread(target=_end_in_time, args=(stop, over), daemon=True, name="ending").start()
        if config.stop_on_eof:
            threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
        with _stopped_by_signals(stop):
            serve(config, stop, _say_ready)
    except InputError as error:
        sys.stderr.write(f"mage serve: {error}\n")
        return 2
    finally:
        over.set()
        stop.set()
    return 0


if __name__ == "__main__":
    sys.exit(main())
