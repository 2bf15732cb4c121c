"""A minimal client in Colosseum's manner: structs as lists of their values in order, of exactly their length.

Its lengths are those of Colosseum's Python classes (PythonClient/airsim/types.py), which raise unless a list fits.
"""

from __future__ import annotations

import itertools
import socket
from types import TracebackType
from typing import Any

import msgpack

SHAPES: dict[str, list[Any]] = {
    "Vector2r": [float] * 2, "Vector3r": [float] * 3, "Quaternionr": [float] * 4, "GeoPoint": [float] * 3,
    "Pose": ["Vector3r", "Quaternionr"],
    "ImageResponse": [bytes, list, "Vector3r", str, "Quaternionr", int, str, bool, bool, int, int, int],
    "ProjectionMatrix": [list], "CameraInfo": ["Pose", float, "ProjectionMatrix"],
    "KinematicsState": ["Vector3r", "Quaternionr", "Vector3r", "Vector3r", "Vector3r", "Vector3r"],
    "EnvironmentState": ["Vector3r", "GeoPoint", "Vector3r", float, float, float],
    "CollisionInfo": [bool, float, int, "Vector3r", "Vector3r", "Vector3r", str, int],
    "RCData": [int, float, float, float, float, float, float, int, str, bool, bool],
    "MultirotorState": ["CollisionInfo", "KinematicsState", "GeoPoint", int, int, "RCData", bool, str, bool],
    "RotorState": [float] * 3, "RotorStates": [list, int],
    "CarState": [float, int, float, float, bool, "KinematicsState", int],
    "CarControls": [float, float, float, bool, bool, int, bool],
    "ImuData": [int, "Quaternionr", "Vector3r", "Vector3r"], "BarometerData": [int, float, float, float],
    "MagnetometerData": [int, "Vector3r", list],
    "GnssReport": ["GeoPoint", float, float, "Vector3r", int, int], "GpsData": [int, "GnssReport", bool],
    "DistanceSensorData": [int, float, float, float, "Pose"], "LidarData": [int, list, "Pose", list],
    "Box2D": ["Vector2r", "Vector2r"], "Box3D": ["Vector3r", "Vector3r"],
    "DetectionInfo": [str, "GeoPoint", "Box2D", "Box3D", "Pose"],
    "MeshPositionVertexBuffersResponse": ["Vector3r", "Quaternionr", list, list, str],
}
"""Each struct's entries in order: a Python type, or the name of a struct."""
IDENTITY = [1.0, 0.0, 0.0, 0.0]


class Colosseum:
    """One connection; `call` sends a request and reads replies until its own is there."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._unpacker = msgpack.Unpacker(max_buffer_size=1 << 26)
        self._numbers = itertools.count()
        self._replies: dict[int, tuple[Any, Any]] = {}

    def __enter__(self) -> Colosseum:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._socket.close()

    def send(self, method: str, *arguments: Any) -> int:
        """Number of a request that is now under way."""
        number = next(self._numbers)
        self._socket.sendall(msgpack.packb([0, number, method, list(arguments)]))
        return number

    def result(self, number: int) -> Any:
        """Result of a request. Raises RuntimeError with the server's text if it was refused."""
        while number not in self._replies:
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server hung up")
            self._unpacker.feed(data)
            for kind, of, error, value in self._unpacker:
                assert kind == 1
                self._replies[of] = (error, value)
        error, value = self._replies.pop(number)
        if error is not None:
            raise RuntimeError(error)
        return value

    def call(self, method: str, *arguments: Any) -> Any:
        return self.result(self.send(method, *arguments))


def check_shape(struct: Any, value: Any, where: str = "") -> Any:
    """The value, which has exactly the struct's entries, of their types."""
    if isinstance(struct, type):
        assert type(value) is struct, f"{where}: {value!r:.80} is no {struct.__name__}"
        return value
    shape = SHAPES[struct]
    assert isinstance(value, list) and len(value) == len(shape), f"{where}{struct}: {value!r:.200}"
    for number, (entry, part) in enumerate(zip(value, shape, strict=True)):
        check_shape(part, entry, f"{where}{struct}[{number}] ")
    return value
