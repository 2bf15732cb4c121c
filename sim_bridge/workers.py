"""Simulator processes, each owned by the worker that started it, and the pool of workers.

Nothing outlives its owner: a simulator ends when its standard input closes, which the operating system does for any
death of its worker; a pool's worker ends when its line to the coordinator closes.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from sim_bridge.airsim.client import Client, connect
from sim_bridge.errors import InputError, SimulatorGone

_READY = re.compile(r"mage-serve ready host=(\S+) port=(\d+)")


@dataclass(frozen=True)
class SimulatorSettings:
    """What a simulator of ours is started with."""

    world_root: Path
    width: int
    height: int
    samples: int = 4
    start_timeout_s: float = 60.0
    call_timeout_s: float = 120.0
    options: tuple[str, ...] = ()
    """Further options of the server."""


@dataclass(frozen=True)
class Simulator:
    """A simulator of ours: its process and a connection to it."""

    process: subprocess.Popen[str]
    address: tuple[str, int]
    client: Client


_own = threading.local()
_alive: set[subprocess.Popen[str]] = set()


def own_simulator(settings: SimulatorSettings) -> Client:
    """Connection to this worker's own simulator, which is started if there is none or if it died.

    Raises SimulatorGone if it does not become ready in time.
    """
    held: dict[SimulatorSettings, Simulator] = _own.__dict__.setdefault("held", {})
    found = held.get(settings)
    if found is None or found.process.poll() is not None:
        held[settings] = found = start_simulator(settings)
    return found.client


def drop_simulators() -> None:
    """End this worker's own simulators; the next `own_simulator` starts afresh."""
    for simulator in _own.__dict__.pop("held", {}).values():
        simulator.client.close()
        _end(simulator.process)


def start_simulator(settings: SimulatorSettings) -> Simulator:
    """Start an embedded simulator on a free port and connect to it. Raises SimulatorGone if it is not ready in time."""
    command = [sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(settings.world_root),
               "--port", "0", "--width", str(settings.width), "--height", str(settings.height),
               "--samples", str(settings.samples), "--mode", "ComputerVision", "--settings", "{}",
               "--stop-on-eof", *settings.options]
    with tempfile.TemporaryFile() as said:
        # its own session: Ctrl-C in the terminal reaches the coordinator alone, which then ends everything in order
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                                   text=True, start_new_session=True)
        _alive.add(process)
        try:
            address = _wait_ready(process, settings.start_timeout_s, said)
            return Simulator(process, address, connect(*address, timeout_s=settings.call_timeout_s))
        except BaseException:
            _end(process)
            raise


def _wait_ready(process: subprocess.Popen[str], timeout_s: float, said: IO[bytes]) -> tuple[str, int]:
    assert process.stdout is not None
    deadline, line = time.monotonic() + timeout_s, ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0 and selector.select(left_s):
            chunk = os.read(process.stdout.fileno(), 4096).decode(errors="replace")
            line += chunk
            if found := _READY.search(line):
                return found[1], int(found[2])
            if not chunk:
                said.seek(0)
                last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise SimulatorGone(f"simulator ended before it was ready, saying {last!r}: correct that and run again")
    raise SimulatorGone(f"simulator was not ready after {timeout_s:g} s: raise start_timeout_s or free the machine")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    _alive.discard(process)


@atexit.register
def _end_all() -> None:
    for process in tuple(_alive):
        _end(process)


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Pool of spawned processes that ends with this block, or with this process, whatever its units are doing."""
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_follow, initargs=(theirs,))
    try:
        yield pool
        pool.shutdown()
    finally:
        ours.close()
        theirs.close()
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def held_interrupt() -> Iterator[None]:
    """Keeps Ctrl-C back until the block ends. Processes started within inherit that for good: from the first moment
    on, the terminal's Ctrl-C is the coordinator's alone."""
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _follow(coordinator: Connection) -> None:
    """In a worker: leave Ctrl-C to the coordinator, and end as soon as its end of the line closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()


def _end_with(coordinator: Connection) -> None:
    with contextlib.suppress(OSError):
        coordinator.poll(None)
    for process in tuple(_alive):
        process.kill()
    os._exit(1)


def parse_address(address: str) -> tuple[str, int]:
    """(host, port) of 'host:port'. Raises InputError."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"simulator address is {address!r}: expected host:port, for example 127.0.0.1:41451")
    return host, int(port)
