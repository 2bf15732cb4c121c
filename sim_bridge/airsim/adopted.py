"""Our transport under a client object of `cosysairsim` or `airsim`: `adopt(client)`, and all its methods go on working.

The official objects keep a `msgpackrpc.Client` in `.client`, which turns every float into a Python object and needs an
event loop of its own. What replaces it has the few methods that they use.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

import numpy as np

from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES
from sim_bridge.airsim.session import plain_value
from sim_bridge.airsim.transport import Connection
from sim_bridge.errors import DeadlinePassed, InputError, MageError, SimulatorGone

DEFAULT_TIMEOUT_S = 3600.0
"""That of the official clients."""
FLOAT_IMAGE = "image_data_float"
_CONNECT_S = 10.0


class HasClient(Protocol):
    """An object that keeps its RPC client in `client`, as `VehicleClient` of both packages does."""

    client: Any


Official = TypeVar("Official", bound=HasClient)


def adopt(client: Official, timeout_s: float | None = None, max_reply_bytes: int = 4 * MAX_MESSAGE_BYTES) -> Official:
    """The same client object, over our transport: float images come as float32 arrays, and any number of threads may
    use it, also inside a running event loop. timeout_s of every call: without it, what the object was made with.

    Raises InputError for an object that is not such a client, SimulatorGone if its server does not answer.
    """
    theirs: Any = getattr(client, "client", None)
    if isinstance(theirs, Transport):
        return client
    address = getattr(theirs, "address", None) or getattr(theirs, "_address", None)
    if address is None or not hasattr(theirs, "call_async"):
        raise InputError(f"{type(client).__name__} cannot be adopted: expected a client object of cosysairsim or "
                         "airsim")
    found = timeout_s or getattr(theirs, "_timeout", None) or DEFAULT_TIMEOUT_S
    ours = Transport(str(address.host), int(address.port), float(found), max_reply_bytes)
    with contextlib.suppress(Exception):
        theirs.close()
    client.client = ours
    return client


class Answer:
    """A result to come, with the methods of `msgpackrpc.future.Future`."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def join(self) -> None:
        """Wait; errors are told by `get`."""
        self._future.exception()

    def get(self) -> Any:
        return _result(self._future)

    @property
    def result(self) -> Any:
        """The result, None while there is none."""
        return self._future.result() if self._future.done() and self._future.exception() is None else None

    @property
    def error(self) -> Any:
        """What the server said was wrong, None if nothing or if it has not answered."""
        error = self._future.exception() if self._future.done() else None
        return None if error is None else str(error)

    def attach_callback(self, callback: Callable[[Answer], Any]) -> None:
        self._future.add_done_callback(lambda _: callback(self))


class Transport:
    """What official client objects use of `msgpackrpc.Client`."""

    def __init__(self, host: str, port: int, timeout_s: float, max_reply_bytes: int) -> None:
        """Raises SimulatorGone."""
        self._target, self._timeout_s, self._max_bytes = (host, port), timeout_s, max_reply_bytes
        self._linking = threading.Lock()
        self._closed = False
        self._link = self._connect()

    @property
    def address(self) -> tuple[str, int]:
        return self._target

    def call(self, method: str, *args: Any) -> Any:
        """Result of an RPC. Raises msgpackrpc's RPCError, TimeoutError or TransportError where that is installed."""
        try:
            return handed(self._live().call(_text(method), _plain(args), self._timeout_s))
        except MageError as error:
            raise _theirs(error) from error

    def call_async(self, method: str, *args: Any) -> Answer:
        """The RPC under way."""
        try:
            return Answer(self._live().submit(_text(method), _plain(args), self._timeout_s, handed))
        except MageError as error:
            raise _theirs(error) from error

    def close(self) -> None:
        self._closed = True
        self._link.close()

    def _live(self) -> Connection:
        with self._linking:
            if self._link.lost is not None and not self._closed:
                self._link = self._connect()
            return self._link

    def _connect(self) -> Connection:
        try:
            sock = socket.create_connection(self._target, min(_CONNECT_S, self._timeout_s))
        except OSError as error:
            raise SimulatorGone(f"{self._target[0]}:{self._target[1]} does not answer ({error}): start the simulator"
                                ) from error
        return Connection(sock, self._max_bytes)


def handed(value: Any, is_image: bool = False) -> Any:
    """A result as official code expects it: bytes, lists and dicts, but float images as float32 arrays."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, np.ndarray):
        return value if is_image else value.tolist()
    if isinstance(value, dict):
        return {key: handed(entry, key == FLOAT_IMAGE) for key, entry in value.items()}
    if isinstance(value, list):
        return np.array(value, np.float32) if is_image else [handed(entry) for entry in value]
    return value


def _plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(plain_value(arg) for arg in args)


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except MageError as error:
        raise _theirs(error) from error


def _theirs(error: MageError) -> Exception:
    """The error as code written for msgpackrpc catches it; ours where that is not installed."""
    try:
        errors = importlib.import_module("msgpackrpc.error")
    except ImportError:
        return error
    kinds: dict[type[MageError], str] = {DeadlinePassed: "TimeoutError", SimulatorGone: "TransportError"}
    made: Exception = getattr(errors, kinds.get(type(error), "RPCError"))(str(error))
    return made
