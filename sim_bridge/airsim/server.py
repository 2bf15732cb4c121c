"""AirSim's msgpack-rpc server over the embedded simulator: `python -m sim_bridge.airsim.server --world-root DIR`.

One thread reads each connection; requests are answered by a pool, so a slow call delays no other and replies may come
out of order, as rpclib's do. Whatever a peer sends, it can at most lose its own connection.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import msgpack

from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.dialects import AIRSIM, DIALECTS, Dialect, dialect_named
from sim_bridge.airsim.dispatch import Dispatcher
from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES, ImageType
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.errors import InputError

_log = logging.getLogger(__name__)

DEFAULT_PORT = 41451
MAX_SIDE_PX = 8192
_WORKERS = 32
_CONNECTIONS = 64
_PENDING = 8
"""Requests of one connection that may wait or run; its next is read when one of them is answered."""
_CONTAINERS = 100_000
"""Lists and maps in one message: an empty one takes one byte on the wire and sixty in memory."""
_ELEMENTS = 1 << 20
_RECEIVE_BYTES = 1 << 16
_SEND_TIMEOUT_S = 30.0
_ACCEPT_S = 0.25


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen and what to serve. port 0 takes a free one."""

    simulator: SimulatorConfig
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    max_message_bytes: int = MAX_MESSAGE_BYTES
    settings: str | None = None
    """Text of getSettingsString; None: what describes the simulator."""
    dialect: Dialect = AIRSIM


def serve(config: ServerConfig, stop: threading.Event, ready: Callable[[str, int], None]) -> None:
    """Serve until `stop` is set; calls `ready(host, port)` when connections are accepted.

    Raises InputError if the address cannot be listened on.
    """
    settings = _own_settings(config.simulator) if config.settings is None else config.settings
    dispatcher = Dispatcher(Context(Simulator(config.simulator), config.dialect, settings))
    open_now: set[socket.socket] = set()
    with _listen(config.host, config.port) as listener, ThreadPoolExecutor(_WORKERS, "call") as pool:
        ready(config.host, listener.getsockname()[1])
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = listener.accept()
                if len(open_now) >= _CONNECTIONS:
                    sock.close()
                    continue
                open_now.add(sock)
                connection = _Connection(sock, dispatcher, pool, config.max_message_bytes, open_now.discard)
                threading.Thread(target=connection.run, daemon=True, name="connection").start()
        for sock in tuple(open_now):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        pool.shutdown(cancel_futures=True)


class _Connection:
    """One peer: a stream of requests in, replies out in the order in which they are done."""

    def __init__(self, sock: socket.socket, dispatcher: Dispatcher, pool: ThreadPoolExecutor, max_bytes: int,
                 closed: Callable[[socket.socket], None]) -> None:
        self._sock, self._dispatcher, self._pool, self._closed = sock, dispatcher, pool, closed
        self._max_bytes = max_bytes
        self._sending = threading.Lock()
        self._slots = threading.Semaphore(_PENDING)
        sock.settimeout(_SEND_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Read requests until the peer is gone or sends what is not msgpack."""
        try:
            for message in _messages(self._sock, self._max_bytes):
                self._slots.acquire()
                self._pool.submit(self._dispatcher.answer, message, self._send)
            # a peer may stop sending and still read what it asked for
            for _ in range(_PENDING):
                self._slots.acquire(timeout=_SEND_TIMEOUT_S)
        except (OSError, RuntimeError, ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
            _log.info("connection ended: %s: %s", type(error).__name__, error)
        finally:
            self._closed(self._sock)
            self._sock.close()

    def _send(self, reply: bytes) -> None:
        try:
            if reply:
                with self._sending:
                    self._sock.sendall(reply)
        except OSError as error:
            _log.info("reply not sent: %s", error)
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        finally:
            self._slots.release()


class _Budget:
    """Hook for every list and map of a message: raises ValueError beyond the bound."""

    def __init__(self) -> None:
        self.left = _CONTAINERS

    def __call__(self, container: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"more than {_CONTAINERS} lists and maps in one message")
        return container


def _messages(sock: socket.socket, max_bytes: int) -> Iterator[object]:
    budget = _Budget()
    unpacker = msgpack.Unpacker(
        max_buffer_size=max_bytes, max_array_len=_ELEMENTS, max_map_len=_ELEMENTS, list_hook=budget,
        object_hook=budget, strict_map_key=False, unicode_errors="replace",
    )
    while True:
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except TimeoutError:
            continue
        if not data:
            return
        unpacker.feed(data)
        for message in unpacker:
            budget.left = _CONTAINERS
            yield message


def _own_settings(config: SimulatorConfig) -> str:
    capture = [{"ImageType": int(kind), "Width": config.width, "Height": config.height,
                "FOV_Degrees": config.fov_deg} for kind in ImageType]
    return json.dumps({"SettingsVersion": 1.2, "SimMode": config.mode, "CameraDefaults": {"CaptureSettings": capture}})


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=_CONNECTIONS)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is in use: stop the other server or choose another --port" if taken else f"cannot be opened ({error})"
        raise InputError(f"{host}:{port} {why}") from error
    listener.settimeout(_ACCEPT_S)
    return listener


def read_settings(path: Path, base: SimulatorConfig) -> tuple[SimulatorConfig, str]:
    """Image size and field of view of a settings.json (CameraDefaults.CaptureSettings of Scene), and its text.

    Raises InputError for a file that is not JSON or has sizes out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        captures = json.loads(text).get("CameraDefaults", {}).get("CaptureSettings", [])
        scene: dict[str, Any] = next((c for c in captures if c.get("ImageType", 0) == 0), {})
        config = SimulatorConfig(base.world_root, int(scene.get("Width", base.width)),
                                 int(scene.get("Height", base.height)),
                                 float(scene.get("FOV_Degrees", base.fov_deg)), base.samples)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a settings.json ({error}): expected AirSim's settings as JSON") from error
    return config, text


def _check(config: SimulatorConfig) -> None:
    if not config.world_root.is_dir():
        raise InputError(f"--world-root {config.world_root}: no such folder, create it or name another one")
    if not (0 < config.width <= MAX_SIDE_PX and 0 < config.height <= MAX_SIDE_PX and 0 < config.fov_deg < 180):
        raise InputError(f"images of {config.width}x{config.height} pixels, {config.fov_deg} degrees: expected sides "
                         f"of 1..{MAX_SIDE_PX} pixels and an angle below 180, correct --width, --height or --settings")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mage serve", description="AirSim server over MAGE's embedded simulator")
    parser.add_argument("--world-root", type=Path, required=True, help="folder of world packages")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on, 0 for a free one")
    parser.add_argument("--width", type=int, default=512, help="image width in pixels")
    parser.add_argument("--height", type=int, default=512, help="image height in pixels")
    parser.add_argument("--samples", type=int, default=4, help="colour samples a pixel")
    parser.add_argument("--settings", type=Path, help="settings.json with CaptureSettings")
    parser.add_argument("--dialect", default=AIRSIM.name, help=f"one of {', '.join(DIALECTS)}")
    parser.add_argument("--max-message-mib", type=int, default=MAX_MESSAGE_BYTES >> 20, help="longest request read")
    parser.add_argument("--stop-on-eof", action="store_true", help="end when standard input closes")
    return parser.parse_args(argv)


def _config(args: argparse.Namespace) -> ServerConfig:
    simulator = SimulatorConfig(args.world_root, args.width, args.height, samples=max(1, args.samples))
    settings = None
    if args.settings is not None:
        simulator, settings = read_settings(args.settings, simulator)
    _check(simulator)
    return ServerConfig(simulator, args.host, args.port, max(1, args.max_message_mib) << 20, settings,
                        dialect_named(args.dialect))


def _say_ready(host: str, port: int) -> None:
    sys.stdout.write(f"mage-serve ready host={host} port={port}\n")
    sys.stdout.flush()


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # raw descriptor: a buffered read would hold stdin's lock while the interpreter ends
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        while stdin.read(4096):
            pass
    stop.set()


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM. Returns the exit code: 2 if it could not start."""
    args = _arguments(argv)
    stop = threading.Event()
    try:
        config = _config(args)
        _stop_on_signals(stop)
        if args.stop_on_eof:
            threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
        serve(config, stop, _say_ready)
    except InputError as error:
        sys.stderr.write(f"mage serve: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
