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
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES
from sim_bridge.airsim.structs import FLOAT_ITEM, FLOAT_TAG
from sim_bridge.errors import SimulatorError, SimulatorGone

LONG_ARRAY = 64
"""Arrays from this length on must be all float32 to be read here."""

MAX_DEPTH = 16
_FOUR = 0x94
"""Head of an array of four, as replies are."""
_CHUNK_BYTES = 1 << 16
_STARTS = 256
"""How often a message that is still coming is scanned from its start: what comes in more pieces, or is made so that it
takes quadratic time, is read by the general decoder, which goes on where it stopped."""


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

    def __init__(self, buffer: memoryview, checked: tuple[int, int] = (0, 0)) -> None:
        """checked: (start, end) of a list of floats whose tags were looked at while it came."""
        self._buffer, self._checked = buffer, checked
        self.position = 0
        self.shares = False
        """True if what was read holds views of the buffer."""

    def value(self, depth: int = 0) -> Any:
        """The next value. Raises NeedBytes at the end of the buffer, Unusual for what is not read here."""
        tag = self.take_byte()
        # most of a struct's values are its keys
        if 0xA0 <= tag < 0xC0:
            return str(self._take(tag & 0x1F), "utf-8")
        if tag < 0x80 or tag >= 0xE0:
            return tag if tag < 0x80 else tag - 0x100
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if (scalar := _SCALARS.get(tag)) is not None:
            return scalar.unpack(self._take(scalar.size))[0]
        kind, length = self._container(tag)
        return self._body(kind, length, depth)

    def take_byte(self) -> int:
        position = self.position
        if position >= len(self._buffer):
            raise NeedBytes(position + 1)
        self.position = position + 1
        return self._buffer[position]

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
        if 0x80 <= tag < 0xA0:
            return ("map" if tag < 0x90 else "array"), tag & 0x0F
        raise Unusual

    def _body(self, kind: str, length: int, depth: int) -> Any:
        if kind == "bin":
            self.shares |= length > 0
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
        known = max(0, self._checked[1] - start) // FLOAT_ITEM.itemsize if self._checked[0] == start else 0
        if not (items["tag"][known:] == FLOAT_TAG).all():
            raise Unusual
        return items["value"].astype(np.float32)


class ReplyReader:
    """Reads msgpack messages from a socket, one `read` a message."""

    def __init__(self, sock: socket.socket, max_bytes: int = MAX_MESSAGE_BYTES,
                 bound: Callable[[int], int] | None = None) -> None:
        """bound: most bytes of the reply to the request of an id, where less than max_bytes."""
        self._sock = sock
        self._max_bytes = max_bytes
        self._bound = bound
        self._buffer = bytearray()
        self._start = self._filled = 0
        self._short = NeedBytes(1)
        self._starts, self._usual = 0, 0
        self._checked = (0, 0)
        self._general: Any = None
        """The general decoder while it reads a message, the bytes that it was given, and their bound."""
        self._given = self._most = 0

    def read(self, deadline: float) -> Any:
        """The next message; float images as float32 arrays, binaries as memoryviews of a buffer of their own.

        deadline: time.monotonic() in seconds. Raises TimeoutError past it, and may then be called again to go on;
        SimulatorGone at end of file, SimulatorError for a message that is not msgpack or is longer than the bound.
        """
        while self._general is None:
            try:
                self._fill(deadline)
                scanner = Scanner(memoryview(self._buffer)[self._start:self._filled], self._checked)
                message = scanner.value()
            except NeedBytes as need:
                self._short, self._starts = need, self._starts + 1
                if self._starts > _STARTS and need.floats_at is None:
                    self._hand_over()
            except Unusual:
                self._hand_over()
            except ValueError as error:
                raise SimulatorError(f"reply is not msgpack ({error}): is this an AirSim server?") from error
            else:
                self._go_on_after(scanner)
                return message
        return self._read_general(deadline)

    def _fill(self, deadline: float) -> None:
        """Receive until the bytes that are short are there. Raises Unusual as soon as they show that they never will
        be: waiting for an array of float32 that is none would not end."""
        if self._short.total > _CHUNK_BYTES:
            _check_bound(self._short.total, self._largest())
        self._make_room(self._short.total)
        checked, end = self._short.floats_at, self._start + self._short.total
        while self._filled < end:
            if checked is not None:
                tags = np.frombuffer(self._buffer, np.uint8)[self._start + checked:self._filled:FLOAT_ITEM.itemsize]
                if not (tags == FLOAT_TAG).all():
                    raise Unusual
                checked += len(tags) * FLOAT_ITEM.itemsize
                self._checked = (self._short.floats_at or 0, min(checked, end - self._start))
            self._filled += self._receive(memoryview(self._buffer)[self._filled:], deadline)

    def _make_room(self, total: int) -> None:
        held = self._filled - self._start
        if self._start + total <= len(self._buffer) and self._filled < len(self._buffer):
            return
        # one large image and what follows it in one step, or at once if the last was as large; doubling for pieces
        larger = bytearray(max(total + _CHUNK_BYTES, 2 * held, self._usual))
        larger[:held] = memoryview(self._buffer)[self._start:self._filled]
        self._buffer, self._start, self._filled = larger, 0, held

    def _go_on_after(self, scanner: Scanner) -> None:
        if scanner.position > _CHUNK_BYTES:
            _check_bound(scanner.position, self._largest())
        self._short, self._starts, self._checked = NeedBytes(1), 0, (0, 0)
        self._start, self._usual = self._start + scanner.position, scanner.position + _CHUNK_BYTES
        if scanner.shares:
            # a new buffer for the next message: views of this one live in the old
            self._renew(bytes(memoryview(self._buffer)[self._start:self._filled]))
        elif self._start == self._filled:
            self._start = self._filled = 0

    def _renew(self, rest: bytes) -> None:
        self._buffer, self._start, self._filled = bytearray(rest), 0, len(rest)

    def _hand_over(self) -> None:
        """Give the message that has begun to the general decoder."""
        unpacker = msgpack.Unpacker(max_buffer_size=self._max_bytes, strict_map_key=False)
        head = memoryview(self._buffer)[self._start:self._filled]
        self._short, self._starts, self._checked = NeedBytes(1), 0, (0, 0)
        unpacker.feed(head)
        self._general, self._given, self._most = unpacker, len(head), self._largest()

    def _read_general(self, deadline: float) -> Any:
        unpacker = self._general
        while True:
            try:
                message = unpacker.unpack()
            except msgpack.OutOfData:
                space = bytearray(_CHUNK_BYTES)
                count = self._receive(memoryview(space), deadline)
                self._given += count
                _check_bound(self._given, self._most)
                unpacker.feed(memoryview(space)[:count])
            except (ValueError, msgpack.UnpackException) as error:
                raise SimulatorError(f"reply is not msgpack ({error}): is this an AirSim server?") from error
            else:
                self._general = None
                self._renew(unpacker.read_bytes(self._max_bytes))
                return message

    def _receive(self, space: memoryview, deadline: float) -> int:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        try:
            self._sock.settimeout(left_s)
            count = self._sock.recv_into(space)
        except TimeoutError:
            raise
        except OSError as error:
            raise SimulatorGone(f"connection lost ({error}): restart the simulator") from error
        if count == 0:
            raise SimulatorGone("the simulator closed the connection: restart it and run the unit again")
        return count

    def _largest(self) -> int:
        """Most bytes that the message in the buffer may have: as its head says which request it answers."""
        if self._bound is None:
            return self._max_bytes
        scanner = Scanner(memoryview(self._buffer)[self._start:self._filled])
        try:
            head, kind, msgid = scanner.take_byte(), scanner.value(), scanner.value()
        except (NeedBytes, Unusual, ValueError):
            return self._max_bytes
        known = head == _FOUR and kind == 1 and isinstance(msgid, int)
        return min(self._max_bytes, self._bound(msgid)) if known else self._max_bytes


def _check_bound(total: int, most: int) -> None:
    if total > most:
        raise SimulatorError(f"reply of {total} bytes: at most {most} are read, ask for smaller images")
