"""A server that is found, understood and kept: which dialect it speaks, typed calls, another try where one may be made.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import numpy as np

from sim_bridge.airsim.dialects import AIRSIM, COLOSSEUM, COSYS, Dialect, Signature, all_signatures
from sim_bridge.airsim.structs import BadCast, Codec
from sim_bridge.airsim.transport import Connection
from sim_bridge.errors import DeadlinePassed, SimulatorError, SimulatorGone, UnknownServer

COSYS_VERSIONS = (3, 4)
_READS = ("get", "simGet", "simList", "is", "simIs", "list", "ping", "simTest")
_NOT_READS = ("simGetCollisionInfo",)
"""Forgets the collision once it was read."""
_ABSOLUTE = frozenset((
    "simSetVehiclePose", "simSetObjectPose", "simSetObjectScale", "simSetCameraPose", "simSetCameraFov",
    "simSetDistortionParam", "simSetSegmentationObjectID", "simSetTimeOfDay", "simEnableWeather",
    "simSetWeatherParameter", "simSetWind", "simPause", "enableApiControl", "armDisarm",
    "simSetDetectionFilterRadius", "simAddDetectionFilterMeshName", "simClearDetectionMeshNames",
))
"""Calls that set a value, whatever it was before."""
_RETRY_PAUSE_S = 0.05
_DEFAULTS: Mapping[str, Any] = {"external": False, "annotation_name": "", "ned": True}


def repeatable(method: str) -> bool:
    """True if a call may be made again when it is not known whether the server has seen it."""
    return method in _ABSOLUTE or (method.startswith(_READS) and method not in _NOT_READS)


def find_dialect(connection: Connection, timeout_s: float) -> Dialect:
    """The dialect of the server at the other end (protocol reference, section 2.2). Raises UnknownServer."""
    host, port = connection.address
    try:
        if connection.call("ping", (), timeout_s) is not True:
            raise UnknownServer(f"{host}:{port} does not answer a ping with true: expected an AirSim server")
        version = connection.call("getServerVersion", (), timeout_s)
    except SimulatorError as error:
        raise UnknownServer(f"{host}:{port} is no AirSim server ({error}): expected AirSim 1.8.1, Colosseum, "
                            "Cosys-AirSim 3 or `mage serve`") from error
    if version in COSYS_VERSIONS:
        return COSYS
    if version != 1:
        raise UnknownServer(f"{host}:{port} is a server of version {str(version)[:20]}: expected 1 (AirSim, "
                            "Colosseum), 3 or 4 (Cosys-AirSim)")
    return COLOSSEUM if isinstance(_any_pose(connection, timeout_s), list) else AIRSIM


def _any_pose(connection: Connection, timeout_s: float) -> Any:
    """A pose as the server packs it: of the vehicle, or of an object where there is no vehicle."""
    try:
        return connection.call("simGetVehiclePose", ("",), timeout_s)
    except SimulatorError:
        return connection.call("simGetObjectPose", ("",), timeout_s)


def plain_value(value: Any) -> Any:
    """What msgpack can pack: numpy scalars as Python's, tuples as lists, objects that know how as what they say."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(entry) for entry in value]
    return plain_value(value.to_msgpack()) if hasattr(value, "to_msgpack") else value


class Session:
    """A server and how to talk to it. Every method may be called from any thread, also inside a running event loop."""

    def __init__(self, host: str, port: int, timeout_s: float, max_reply_bytes: int, retries: int,
                 vehicle: str = "") -> None:
        """vehicle: of all calls that have one, "" for the server's first. Raises SimulatorGone, UnknownServer."""
        self._target = (host, port)
        self._timeout_s, self._max_reply_bytes, self._retries = timeout_s, max_reply_bytes, retries
        self.vehicle = vehicle
        self._linking = threading.Lock()
        self._closed = False
        self._link, self.dialect = self._connect()
        self.address = self._link.address
        self._codec = Codec(self.dialect.name, self.dialect.arrays)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection: calls under way and later ones raise SimulatorGone."""
        self._closed = True
        self._link.close()

    def call(self, method: str, *args: Any, timeout_s: float | None = None, max_bytes: int | None = None) -> Any:
        """Result of any RPC as it comes: structs as dicts or lists, long float lists as float32 arrays, binaries as
        memoryviews. max_bytes bounds the reply.

        A lost connection is made again. Calls that may be repeated (`repeatable`) then are, within the deadline. Raises
        SimulatorError if the server answers with an error or with nonsense, DeadlinePassed, SimulatorGone.
        """
        plain = tuple(plain_value(arg) for arg in args)
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        left = self._retries if repeatable(method) else 0
        while True:
            link = None
            try:
                link = self._live_link()
                return link.call(method, plain, deadline - time.monotonic(), max_bytes)
            except SimulatorGone as error:
                # what never left may be sent again, whatever it is
                if self._closed or isinstance(error, DeadlinePassed) or not left:
                    raise
            left -= 1
            time.sleep(max(0.0, min(_RETRY_PAUSE_S * 2 ** (self._retries - left), deadline - time.monotonic())))

    def ask(self, method: str, *, timeout_s: float | None = None, max_bytes: int | None = None, **values: Any) -> Any:
        """Typed result of an RPC of this server's dialect; `values` are its arguments by the server's own names.

        Arguments that are left out have AirSim's defaults; those that this dialect does not have are dropped. Structs
        are dicts of all their keys; vectors, quaternions, poses and geo points are those of `frames`. Raises what
        `call` raises, and SimulatorError if the server answers with another type or the dialect lacks the RPC.
        """
        signature = self._signature(method)
        result = self.call(method, *self._arguments(signature, values), timeout_s=timeout_s, max_bytes=max_bytes)
        return self._decoded(signature, result)

    def submit(self, method: str, *, timeout_s: float | None = None, **values: Any) -> Future[Any]:
        """`ask` without waiting: many requests may be under way. Not repeated if the connection is lost.

        `asyncio.wrap_future(client.submit(...))` can be awaited in an event loop.
        """
        signature = self._signature(method)
        return self._live_link().submit(method, self._arguments(signature, values),
                                        self._timeout_s if timeout_s is None else timeout_s,
                                        lambda result: self._decoded(signature, result))

    def has(self, method: str) -> bool:
        """True if this server's dialect has an RPC, in one mode or another."""
        return method in all_signatures(self.dialect.name)

    def _signature(self, method: str) -> Signature:
        found = all_signatures(self.dialect.name).get(method)
        if found is None:
            raise SimulatorError(f"{method} is no RPC of the dialect {self.dialect.name}: see docs/airsim-coverage.md")
        return found

    def _arguments(self, signature: Signature, values: Mapping[str, Any]) -> tuple[Any, ...]:
        defaults = {**_DEFAULTS, "vehicle_name": self.vehicle}
        return tuple(self._codec.plain(kind, values.get(name, defaults.get(name))) for name, kind in signature.args)

    def _decoded(self, signature: Signature, result: Any) -> Any:
        try:
            return self._codec.decode(signature.returns, result)
        except (BadCast, ValueError) as error:
            raise SimulatorError(f"{signature.name} answered {str(result)[:80]!r}: expected {signature.returns}, is "
                                 f"this an AirSim server of the dialect {self.dialect.name}?") from error

    def _live_link(self) -> Connection:
        link = self._link
        if link.lost is None and not self._closed:
            return link
        with self._linking:
            if self._closed:
                raise SimulatorGone("the connection is closed: connect again")
            if self._link.lost is not None:
                self._link, dialect = self._connect()
                if dialect != self.dialect:
                    self.close()
                    raise UnknownServer(f"the server now speaks the dialect {dialect.name}, not {self.dialect.name}: "
                                        "connect again")
                self.forget()
            return self._link

    def forget(self) -> None:
        """Drop what was learnt from the server: it may be another one."""

    def _connect(self) -> tuple[Connection, Dialect]:
        host, port = self._target
        try:
            sock = socket.create_connection((host, port), self._timeout_s)
        except OSError as error:
            raise SimulatorGone(f"{host}:{port} does not answer ({error}): start the simulator") from error
        connection = Connection(sock, self._max_reply_bytes)
        try:
            return connection, find_dialect(connection, self._timeout_s)
        except BaseException:
            connection.close()
            raise
