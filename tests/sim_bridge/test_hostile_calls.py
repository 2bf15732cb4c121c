"""Every RPC of every dialect and mode with random arguments, right and wrong, over a real socket: each request has one
reply, an error in words or a result of the declared type, and nothing of the server's inside shows."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import SPEC, exchange

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.dialects import DIALECTS, MODES, Signature, SimMode, signatures
from sim_bridge.airsim.messages import pack_request
from sim_bridge.airsim.options import ServerConfig
from sim_bridge.airsim.server import serve
from sim_bridge.airsim.structs import Codec
from sim_bridge.embedded.config import SimulatorConfig

COMBINATIONS = [(dialect, mode) for dialect in DIALECTS for mode in MODES]
SOME = [("airsim", "ComputerVision"), ("airsim", "Multirotor"), ("colosseum", "Multirotor"), ("cosys", "Multirotor"),
        ("cosys", "Car")]
INSIDE = re.compile(r"information: [A-Z]\w*\.$")
"""The name of an exception instead of words."""
NAMES = ["", "0", "front_center", "ComputerVision", "SimpleFlight", "PhysXCar", "mage_building_7", "mage_.*", "rgb",
         "imu", "../../etc/passwd", "é\\0\\n", "(", "x" * 300, "mage.load " + SPEC.world_id, "mage.phase after"]
HUGE = ("simGetInstanceSegmentationColorMap",)
"""2,744,000 vectors at once: a reply of the size that tests of its own read."""
INTS = {"bool": (0, 1), "u8": (0, 255), "u16": (0, 2**16 - 1), "u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1),
        "int": (-2**31, 2**31)}
WRONG: st.SearchStrategy[Any] = st.sampled_from([
    None, True, -1, 0, 255, 2**31, 2**63, 2**64 - 1, float("nan"), float("inf"), -1e308, 3e38, "", "0", "x" * 5000,
    b"", b"\xff\xfe", [], {}, [0.0] * 500, [None], {"a": 1}, {"x_val": float("nan")}, {"position": None},
]) | st.integers(1, 200).map(lambda depth: _nested(depth))


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@dataclass
class Fuzzed:
    """A server in this process, and one connection to it."""

    dialect: str
    mode: SimMode
    port: int
    sock: socket.socket
    replies: dict[int, list[Any]] = field(default_factory=dict)
    sent: dict[int, tuple[Signature, Sequence[Any]]] = field(default_factory=dict)
    unpacker: Any = field(default_factory=msgpack.Unpacker)

    def call(self, signature: Signature, args: Sequence[Any]) -> int:
        msgid = len(self.sent)
        self.sent[msgid] = signature, args
        self.sock.sendall(pack_request(msgid, signature.name, tuple(args)))
        return msgid

    def read(self, wanted: Sequence[int], timeout_s: float) -> bool:
        """Whether all of the ids were answered in time."""
        until = time.monotonic() + timeout_s
        while not set(wanted) <= self.replies.keys() and time.monotonic() < until:
            self.sock.settimeout(max(0.01, until - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                data = self.sock.recv(1 << 20)
                assert data, "the server closed the connection"
                self.unpacker.feed(data)
                for reply in self.unpacker:
                    assert reply[0] == 1 and reply[1] not in self.replies, reply
                    self.replies[reply[1]] = reply[2:]
        return set(wanted) <= self.replies.keys()


@contextlib.contextmanager
def fuzzed(root: Path, dialect: str, mode: SimMode) -> Iterator[Fuzzed]:
    simulator = SimulatorConfig(root, 16, 12, samples=1, mode=mode, clock_speed=100.0)
    config = ServerConfig(simulator, port=0, dialect=DIALECTS[dialect], load=SPEC.world_id)
    stop, ports = threading.Event(), []
    started = threading.Event()

    def ready(_: str, port: int) -> None:
        ports.append(port)
        started.set()

    thread = threading.Thread(target=serve, args=(config, stop, ready))
    thread.start()
    assert started.wait(30)
    try:
        with socket.create_connection(("127.0.0.1", ports[0]), timeout=10) as sock:
            yield Fuzzed(dialect, mode, ports[0], sock)
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def typed(codec: Codec, kind: str) -> st.SearchStrategy[Any]:
    """Values of a declared type as they travel."""
    if kind == "bool":
        return st.booleans()
    if kind in INTS:
        low, high = INTS[kind]
        return st.integers(low, high) | st.integers(0, 12)
    if kind in ("f32", "f64"):
        return st.floats(-500, 500, width=32) | st.sampled_from([0, 1, -1, 1e-30, 3e38, 90.0])
    if kind == "str":
        return st.sampled_from(NAMES) | st.text(max_size=20)
    if kind == "bytes":
        return st.binary(max_size=20)
    if kind.startswith("["):
        return st.lists(typed(codec, kind[1:-1]), max_size=4)
    if kind[0] == "(":
        return st.tuples(*(typed(codec, part) for part in kind[1:-1].split(", "))).map(list)
    if kind in ("ImageType", "WeatherParameter", "DrivetrainType", "LandedState", "ObsAvoidanceStrategy"):
        return st.integers(-1, 13)
    fields = codec.fields(kind)
    values = st.tuples(*(typed(codec, field_kind) for _, field_kind in fields))
    if codec.as_array(kind):
        return values.map(list)
    return values.map(lambda entries: dict(zip((name for name, _ in fields), entries, strict=True)))


def arguments(codec: Codec, signature: Signature) -> st.SearchStrategy[list[Any]]:
    """Right ones, or with some of them wrong, or too many or too few."""
    right = [typed(codec, kind) for _, kind in signature.args]
    mixed = st.tuples(*(part | part | WRONG for part in right)).map(list)
    return st.tuples(*right).map(list) | mixed | st.lists(WRONG, max_size=len(right) + 2)


def check_reply(codec: Codec, signature: Signature, args: Sequence[Any], reply: list[Any]) -> None:
    error, result = reply
    said = f"{signature.name}{tuple(args)}"[:600]
    if error is None:
        codec.decode(signature.returns, result)
        return
    assert isinstance(error, str) and result is None, said
    assert not INSIDE.search(error), f"{said}: {error}"


def fuzz(peer: Fuzzed, examples: int, derandomize: bool) -> list[str]:
    """What went wrong, a line for each RPC; tasks that take their time are ended at last."""
    codec = Codec(peer.dialect, DIALECTS[peer.dialect].arrays)
    wrong = [line for signature in signatures(peer.dialect, peer.mode).values()
             if signature.name not in HUGE for line in fuzz_one(peer, codec, signature, examples, derandomize)]
    exchange(peer.port, pack_request(0, "reset", ()), 1)
    if not peer.read(list(peer.sent), 20):
        late = {peer.sent[msgid][0].name for msgid in peer.sent.keys() - peer.replies.keys()}
        wrong.append(f"never answered: {sorted(late)}")
    for msgid, reply in peer.replies.items():
        try:
            check_reply(codec, *peer.sent[msgid], reply)
        except Exception as error:
            wrong.append(f"{peer.sent[msgid][0].name}, late: {error}"[:700])
    if exchange(peer.port, pack_request(0, "ping", ()), 1) != [[1, 0, None, True]]:
        wrong.append("ping is not answered any more")
    return wrong


def fuzz_one(peer: Fuzzed, codec: Codec, signature: Signature, examples: int, derandomize: bool) -> list[str]:
    @settings(max_examples=examples, derandomize=derandomize, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(arguments(codec, signature))
    def one(args: list[Any]) -> None:
        msgid = peer.call(signature, args)
        # a flight task is answered when it ends, which the rest of the test does not wait for
        if peer.read([msgid], 0.05 if signature.group in ("Multirotor only", "Simulation control") else 5.0):
            check_reply(codec, signature, args, peer.replies[msgid])

    try:
        one()
    except Exception as error:
        return [f"{signature.name}: {error!r}"[:700]]
    return []


@pytest.mark.parametrize(("dialect", "mode"), SOME)
def test_every_request_has_one_reply_that_is_as_declared(world_root: Path, dialect: str, mode: SimMode) -> None:
    with fuzzed(world_root, dialect, mode) as peer:
        wrong = fuzz(peer, 2, derandomize=True)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "mode"), COMBINATIONS)
def test_many_requests_have_one_reply_each(world_root: Path, dialect: str, mode: SimMode) -> None:
    with fuzzed(world_root, dialect, mode) as peer:
        wrong = fuzz(peer, 60, derandomize=False)
    assert wrong == [], "\n".join(wrong)


@pytest.fixture(scope="module")
def plain(world_root: Path) -> Iterator[Fuzzed]:
    with fuzzed(world_root, "cosys", "Multirotor") as peer:
        yield peer


REQUESTS = [pack_request(n, name, args) for n, (name, args) in enumerate((
    ("ping", ()), ("simSetVehiclePose", ({"position": {"x_val": 1.0}}, True, "")), ("simListSceneObjects", (".*",)),
    ("simGetImages", ([{"camera_name": "0", "image_type": 0}], "")), ("nope", ([[[1.5]]], {"a": b"b"}))))]


@settings(max_examples=40)
@given(st.sampled_from(REQUESTS), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
       st.integers(0, 200), st.binary(max_size=12))
def test_mutated_messages_cost_their_own_connection_at_most(
        plain: Fuzzed, request_bytes: bytes, changes: list[tuple[int, int]], cut: int, after: bytes) -> None:
    data = bytearray(request_bytes)
    for place, value in changes:
        data[place % len(data)] = value
    for reply in exchange(plain.port, bytes(data[:cut]) + after, 50):
        assert len(reply) == 4 and reply[0] == 1 and (reply[2] is None or isinstance(reply[2], str))
    assert exchange(plain.port, pack_request(7, "ping", ()), 1) == [[1, 7, None, True]]


@settings(max_examples=40)
@given(st.binary(max_size=400))
def test_random_bytes_cost_their_own_connection_at_most(plain: Fuzzed, data: bytes) -> None:
    exchange(plain.port, data, 50)
    assert exchange(plain.port, pack_request(7, "ping", ()), 1) == [[1, 7, None, True]]


def test_what_is_bound_is_answered_by_something() -> None:
    bound = {name for dialect, mode in COMBINATIONS for name in signatures(dialect, mode)}
    assert set(CALLS) <= bound
