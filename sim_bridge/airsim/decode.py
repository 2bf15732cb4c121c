"""Replies off the socket without a Python object for every pixel.

A float image is a msgpack array of `ca` + four big-endian bytes; `msgpack.Unpacker` builds a Python float for each.
`Scanner` walks the few headers of a reply itself, turns long runs of float32 into one numpy array and binaries into
views of the receive buffer. What it does not expect (extensions, long arrays of other things, deep nesting) goes to
`msgpack.Unpacker`, which is slower there but general.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import msgpack
import numpy as np

from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES
from sim_bridge.airsim.structs import FLOAT_ITEM, FLOAT_TAG
from sim_bridge.errors import SimulatorError, SimulatorGone

LONG_ARRAY = 32
"""Arrays from this length on must be all float32 to be read here."""

MAX_DEPTH = 16
_CHUNK_BYTES = 1 << 16


class NeedBytes(Exception):
    """The buffer ends before the message does: at least `total` bytes are needed, if every fifth from `floats_at` on
    is the tag of a float32."""

    def __init__(self, total: int, floats_at: int | None = None) -> None:
        super().__init__(total)
        self.total, self.floats_at = total, floats_at


class Unusual(Exception):
    """The message holds something that the general decoder must read."""


_SCALARS: dict[int, struct.Struct] = {
    tag: struct.Struct(">" + code)
    for tag, code in ((0xCA, "f"), (0xCB, "d"), (0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q"),
                      (0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q"))
}
_LENGTHS: dict[int, tuple[str, struct.Struct]] = {
    tag: (kind, struct.Struct(">" + code))
    for tag, kind, code in ((0xC4, "bin", "B"), (0xC5, "bin", "H"), (0xC6, "bin", "I"),
                            (0xD9, "str", "B"), (0xDA, "str", "H"), (0xDB, "str", "I"),
                            (0xDC, "array", "H"), (0xDD, "array", "I"), (0xDE, "map", "H"), (0xDF, "map", "I"))
}
_CONSTANTS: dict[int, bool | None] = {0xC0: None, 0xC2: False, 0xC3: True}


class Scanner:
    """Reads one msgpack value from the front of a buffer."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self.position = 0

    def value(self, depth: int = 0) -> Any:
        """The next value. Raises NeedBytes at the end of the buffer, Unusual for what is not read here."""
        tag = self._take(1)[0]
        if tag < 0x80 or tag >= 0xE0:
            return tag if tag < 0x80 else tag - 0x100
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _SCALARS:
            return _SCALARS[tag].unpack(self._take(_SCALARS[tag].size))[0]
        kind, length = self._container(tag)
        return self._body(kind, length, depth)

    def _take(self, count: int) -> memoryview:
        end = self.position + count
        if end > len(self._buffer):
            raise NeedBytes(end)
        taken = self._buffer[self.position:end]
        self.position = end
        return taken

    def _container(self, tag: int) -> tuple[str, int]:
        if tag in _LENGTHS:
            kind, length = _LENGTHS[tag]
            return kind, int(length.unpack(self._take(length.size))[0])
        if 0xA0 <= tag < 0xC0:
            return "str", tag & 0x1F
        if 0x80 <= tag < 0xA0:
            return ("map" if tag < 0x90 else "array"), tag & 0x0F
        raise Unusual

    def _body(self, kind: str, length: int, depth: int) -> Any:
        if kind == "bin":
            return self._take(length)
        if kind == "str":
            return str(self._take(length), "utf-8")
        if depth >= MAX_DEPTH:
            raise Unusual
        if kind == "map":
            return self._map(length, depth)
        if length >= LONG_ARRAY:
            return self._floats(length)
        return [self.value(depth + 1) for _ in range(length)]

    def _map(self, length: int, depth: int) -> dict[str, Any]:
        entries = {}
        for _ in range(length):
            key = self.value(depth + 1)
            if not isinstance(key, str):
                raise Unusual
            entries[key] = self.value(depth + 1)
        return entries

    def _floats(self, length: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        start, size = self.position, length * FLOAT_ITEM.itemsize
        if start + size > len(self._buffer):
            raise NeedBytes(start + size, start)
        items = np.frombuffer(self._take(size), FLOAT_ITEM)
        if not (items["tag"] == FLOAT_TAG).all():
            raise Unusual
        return items["value"].astype(np.float32)


class ReplyReader:
    """Reads msgpack messages from a socket, one `read` a message."""

    def __init__(self, sock: socket.socket, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._sock = sock
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._filled = 0

    def read(self, deadline: float) -> Any:
        """The next message; float images as float32 arrays, binaries as memoryviews of a buffer of their own.

        deadline: time.monotonic() in seconds. Raises SimulatorGone at end of file and past the deadline,
        SimulatorError for a message that is not msgpack or is longer than the bound.
        """
        short = NeedBytes(1)
        while True:
            try:
                self._fill(short, deadline)
                scanner = Scanner(memoryview(self._buffer)[:self._filled])
                message = scanner.value()
            except NeedBytes as need:
                short = need
            except Unusual:
                return self._general(deadline)
            except ValueError as error:
                raise SimulatorError(f"reply is not msgpack ({error}): is this an AirSim server?") from error
            else:
                self._keep(bytes(memoryview(self._buffer)[scanner.position:self._filled]))
                return message

    def _fill(self, short: NeedBytes, deadline: float) -> None:
        """Receive until `short.total` bytes are there. Raises Unusual as soon as they show that they never will be:
        waiting for an array of float32 that is none would not end."""
        self._bounded(short.total)
        if short.total > len(self._buffer):
            # one large image and what follows it in one step; doubling for many small pieces
            larger = bytearray(max(short.total + _CHUNK_BYTES, 2 * len(self._buffer)))
            larger[:self._filled] = memoryview(self._buffer)[:self._filled]
            self._buffer = larger
        checked = short.floats_at
        while self._filled < short.total:
            if checked is not None:
                tags = np.frombuffer(self._buffer, np.uint8)[checked:self._filled:FLOAT_ITEM.itemsize]
                if not (tags == FLOAT_TAG).all():
                    raise Unusual
                checked += len(tags) * FLOAT_ITEM.itemsize
            self._filled += self._receive(memoryview(self._buffer)[self._filled:], deadline)

    def _keep(self, rest: bytes) -> None:
        # a new buffer for the next message: arrays and views of the last one live in the old
        self._buffer, self._filled = bytearray(rest), len(rest)

    def _general(self, deadline: float) -> Any:
        unpacker = msgpack.Unpacker(max_buffer_size=self._max_bytes, strict_map_key=False)
        head, total = bytes(memoryview(self._buffer)[:self._filled]), 0
        while True:
            total = self._bounded(total + len(head))
            try:
                unpacker.feed(head)
                message = unpacker.unpack()
            except msgpack.OutOfData:
                space = bytearray(_CHUNK_BYTES)
                head = bytes(space[:self._receive(memoryview(space), deadline)])
            except (ValueError, msgpack.UnpackException) as error:
                raise SimulatorError(f"reply is not msgpack ({error}): is this an AirSim server?") from error
            else:
                self._keep(unpacker.read_bytes(self._max_bytes))
                return message

    def _receive(self, space: memoryview, deadline: float) -> int:
        left_s = deadline - time.monotonic()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._sock.settimeout(left_s)
            count = self._sock.recv_into(space)
        except TimeoutError as error:
            raise SimulatorGone("no complete reply before the deadline: restart the simulator") from error
        except OSError as error:
            raise SimulatorGone(f"connection lost ({error}): restart the simulator") from error
        if count == 0:
            raise SimulatorGone("the simulator closed the connection: restart it and run the unit again")
        return count

    def _bounded(self, total: int) -> int:
        if total > self._max_bytes:
            raise SimulatorError(f"reply of {total} bytes: at most {self._max_bytes} are read, ask for smaller images")
        return total
