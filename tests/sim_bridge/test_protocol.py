"""Bytes on the wire: what is packed and how it is read back; palettes, patterns, angles, the sun."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from datetime import datetime
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sim_bridge.airsim.client import airsim_fov_deg
from sim_bridge.airsim.decode import ReplyReader
from sim_bridge.airsim.dialects import DIALECTS, MODES, Dialect, signatures
from sim_bridge.airsim.messages import pack_request, pack_response
from sim_bridge.airsim.palette import PaletteReader, static_palette
from sim_bridge.airsim.structs import STRUCTS, BadCast, Codec, Double, pack
from sim_bridge.embedded.objects import PatternError, matching
from sim_bridge.embedded.sun import SunClock, local_start, solar_position
from sim_bridge.errors import InputError, SimulatorError, SimulatorGone
from sim_bridge.frames import NED, Geodetic, NedPose, Quaternion, intrinsics

CODEC = Codec("airsim", arrays=False)
POSE = NedPose(NED(1.0, 2.5, -3.0), Quaternion(1.0, 0.0, 0.0, 0.0))


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def read_in_chunks(data: bytes, sizes: list[int], max_bytes: int = 1 << 26) -> Any:
    """What a ReplyReader makes of bytes that arrive in pieces, and then the end of the file."""
    near, far = socket.socketpair()

    def send() -> None:
        with far:
            start, turn = 0, 0
            with contextlib.suppress(BrokenPipeError):
                while start < len(data):
                    step = sizes[turn % len(sizes)] if sizes else len(data)
                    far.sendall(data[start:start + step])
                    start, turn = start + step, turn + 1

    sender = threading.Thread(target=send)
    sender.start()
    with near:
        try:
            return ReplyReader(near, max_bytes).read(soon())
        finally:
            near.shutdown(socket.SHUT_RDWR)
            sender.join()


def plain(value: Any) -> Any:
    """The value as msgpack would give it: arrays as lists, views as bytes."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


# what is packed

def test_requests_have_the_captured_bytes() -> None:
    assert pack_request(0, "ping", ()) == bytes.fromhex("94 00 00 a4 70696e67 90")
    assert pack_request(1, "getServerVersion", ()) == bytes.fromhex(
        "94 00 01 b0 67657453657276657256657273696f6e 90")
    packed = pack_request(3, "simSetVehiclePose", (CODEC.plain("Pose", POSE), True, ""))
    assert packed.startswith(bytes.fromhex("94 00 03 b1") + b"simSetVehiclePose" + bytes.fromhex("93 82 a8"))
    assert b"\xa5y_val" + bytes.fromhex("cb 4004000000000000") in packed
    assert packed.endswith(bytes.fromhex("c3 a0"))


def test_responses_have_the_captured_bytes() -> None:
    assert pack_response(0, None, True) == bytes.fromhex("94 01 00 c0 c3")
    assert pack_response(1, None, 1) == bytes.fromhex("94 01 01 c0 01")
    assert pack_response(2, None, None) == bytes.fromhex("94 01 02 c0 c0")


def test_floats_travel_as_float32_and_images_as_bin() -> None:
    assert pack_response(0, None, 2.5) == bytes.fromhex("94 01 00 c0 ca 40200000")
    assert pack_response(0, None, Double(2.5)) == bytes.fromhex("94 01 00 c0 cb 4004000000000000")
    assert pack_response(0, None, b"ab") == bytes.fromhex("94 01 00 c0 c4 02") + b"ab"
    values = np.array([1.0, math.inf], np.float32)
    assert pack_response(0, None, [values]) == pack_response(0, None, [[1.0, math.inf]])
    assert pack_response(0, None, [np.zeros(70000, np.float32)])[5:10] == bytes.fromhex("dd 00011170")


def test_types_are_refused_as_rpclib_refuses_them() -> None:
    for kind, wrong in (("bool", 1), ("bool", None), ("int", 1.0), ("int", True), ("int", "1"), ("str", 1),
                        ("f32", "1"), ("f32", False), ("u32", -1), ("Pose", []), ("[ImageRequest]", None),
                        ("[ImageRequest]", [["0", 0, False, False]])):
        with pytest.raises(BadCast, match="std::bad_cast"):
            CODEC.decode(kind, wrong)
    assert CODEC.decode("str", b"bin is taken") == "bin is taken"
    assert CODEC.decode("f32", 3) == 3.0


def test_structs_may_lack_keys_and_have_others() -> None:
    def as_pose(value: Any) -> Any:
        return CODEC.decode("Pose", value)

    assert as_pose({}) == NedPose(NED(0, 0, 0), Quaternion(1, 0, 0, 0))
    assert as_pose({"position": {"x_val": 1, "other": "x"}, "more": None}).position == NED(1, 0, 0)
    zero_turn = {"orientation": dict.fromkeys(("w_val", "x_val", "y_val", "z_val"), 0)}
    assert as_pose(zero_turn).orientation == Quaternion(1, 0, 0, 0)


def test_arrays_may_be_short_or_long() -> None:
    codec = Codec("colosseum", arrays=True)
    assert codec.decode("Pose", [[1]]) == NedPose(NED(1, 0, 0), Quaternion(1, 0, 0, 0))
    assert codec.decode("Vector3r", [1, 2, 3, 4]) == NED(1, 2, 3)
    with pytest.raises(BadCast):
        codec.decode("Pose", {})


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_struct_comes_back_as_it_was(dialect: Dialect) -> None:
    codec = Codec(dialect.name, dialect.arrays)
    for struct in STRUCTS:
        empty = codec.decode(struct, [] if codec.as_array(struct) else {})
        wire = msgpack.unpackb(pack(codec.plain(struct, empty), single=True))
        assert isinstance(wire, list if codec.as_array(struct) else dict)
        assert str(codec.decode(struct, wire)) == str(empty), struct


def test_the_dialects_bind_what_their_sources_bind() -> None:
    """Counts of the protocol reference, section 2.3; Cosys with four RPCs that its client calls and no source binds."""
    counts = {name: [len(signatures(name, mode)) for mode in MODES] for name in DIALECTS}
    assert counts == {"airsim": [93, 123, 96], "colosseum": [96, 126, 99], "cosys": [126, 155, 128]}


# how it is read back

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=60,
)


@given(VALUES, st.lists(st.integers(1, 50), max_size=5))
def test_any_message_reads_as_msgpack_reads_it(value: Any, sizes: list[int]) -> None:
    data = msgpack.packb(value)
    assert plain(read_in_chunks(data, sizes)) == msgpack.unpackb(data)


@given(hnp.arrays(np.float32, st.integers(0, 3000), elements=st.floats(width=32)),
       st.lists(st.integers(1, 4000), max_size=4))
def test_fast_floats_equal_plain_floats(values: np.ndarray, sizes: list[int]) -> None:
    data = pack_response(7, None, [{"image_data_float": values, "width": 3}])
    got = read_in_chunks(data, sizes)[3][0]["image_data_float"]
    slow = msgpack.unpackb(data)[3][0]["image_data_float"]
    np.testing.assert_array_equal(np.asarray(got, np.float32), np.array(slow, np.float32))


@given(st.lists(st.floats(width=32, allow_nan=False) | st.integers(0, 9) | st.text(max_size=3), min_size=32))
def test_long_arrays_of_other_things_take_the_general_way(values: list[Any]) -> None:
    assert plain(read_in_chunks(pack_response(0, None, values), [100]))[3] == plain(
        msgpack.unpackb(pack_response(0, None, values))[3])


def test_messages_in_one_packet_are_read_one_by_one() -> None:
    near, far = socket.socketpair()
    with near, far:
        long_list = ["name"] * 100
        far.sendall(b"".join(pack_response(i, None, v) for i, v in enumerate((1, long_list, 2, long_list, 3))))
        reader = ReplyReader(near)
        assert [plain(reader.read(soon())[3]) for _ in range(5)] == [1, long_list, 2, long_list, 3]


def test_a_large_float_image_is_an_array_at_once() -> None:
    values = np.arange(640 * 480, dtype=np.float32)
    got = read_in_chunks(pack_response(0, None, values), [65536])[3]
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, values)


def test_replies_that_end_early_or_are_too_long_are_errors() -> None:
    data = pack_response(0, None, np.zeros(1000, np.float32))
    for cut in (0, 3, 7, 100, len(data) - 1):
        with pytest.raises(SimulatorGone, match="closed"):
            read_in_chunks(data[:cut], [])
    for value in (np.zeros(50_000, np.float32), ["name"] * 50_000, bytes(250_000)):
        with pytest.raises(SimulatorError, match="at most 200000"):
            read_in_chunks(pack_response(0, None, value), [], max_bytes=200_000)
    with pytest.raises(SimulatorError, match="msgpack"):
        read_in_chunks(b"\xc1" * 10, [])
    with pytest.raises(SimulatorError, match="msgpack"):
        read_in_chunks(b"\x91" * 100_000, [])
    with pytest.raises(SimulatorError, match="msgpack"):
        read_in_chunks(b"\xa2\xff\xff", [])


# palette, patterns, angles, sun

def test_palette_is_airsims() -> None:
    palette = static_palette()
    anchors = {0: (0, 0, 0), 1: (153, 108, 6), 2: (112, 105, 191), 19: (0, 53, 65), 20: (146, 52, 70),
               42: (92, 31, 106), 254: (162, 203, 118), 255: (255, 255, 255)}
    assert {i: tuple(palette[i].tolist()) for i in anchors} == anchors
    for channel in palette[1:255].T:
        assert len(np.unique(channel)) == 254


def test_palette_reads_back_and_refuses_other_colours() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    reader = PaletteReader(static_palette())
    np.testing.assert_array_equal(reader.ids(static_palette()[ids]), ids)
    with pytest.raises(SimulatorError, match=r"\(1, 2, 3\) at row 0, column 1"):
        reader.ids(np.array([[[0, 0, 0], [1, 2, 3]]], np.uint8))


def test_patterns_match_whole_names() -> None:
    names = ["mage_building_1", "mage_building_12", "mage_trees"]
    assert matching(names, "mage_building_.") == ["mage_building_1"]
    assert matching(names, "MAGE_.*") == []
    assert matching(names, "MAGE_.*", ignore_case=True) == names


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "a*" * 200 + "b", "(.*.*.*.*.*)*y", "(x+x+)+y"])
def test_no_pattern_takes_long(pattern: str) -> None:
    started = time.monotonic()
    assert matching(["a" * 5000 + "c", "x" * 5000], pattern) == []
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("pattern", ["[", "(a)\\1", "(?:(?:(?:a?){1000}){1000}){1000}b", "a" * 600])
def test_patterns_that_cannot_be_bounded_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="regular expression"):
        matching(["a"], pattern)


def test_the_angle_spans_the_wider_side() -> None:
    assert airsim_fov_deg(intrinsics(640, 480, 60)) == pytest.approx(60)
    upright = intrinsics(480, 640, 60)
    assert airsim_fov_deg(upright) == pytest.approx(2 * math.degrees(math.atan(320 / upright.focal_px)))


@pytest.mark.parametrize(("when", "place", "elevation_deg", "azimuth_deg"), [
    # NREL SPA worked example (Reda and Andreas 2004): zenith 50.11 degrees with refraction, azimuth 194.34
    (datetime(2003, 10, 17, 19, 30, 30), Geodetic(39.742476, -105.1786), 39.87, 194.34),
    (datetime(2024, 6, 20, 12, 2), Geodetic(0.0, 0.0), 66.56, 0.0),
])
def test_sun_stands_where_almanacs_say(when: datetime, place: Geodetic, elevation_deg: float,
                                       azimuth_deg: float) -> None:
    elevation, azimuth = solar_position(place, when)
    assert elevation == pytest.approx(elevation_deg, abs=0.05)
    assert math.remainder(azimuth - azimuth_deg, 360) == pytest.approx(0, abs=0.5)


def test_local_time_uses_the_zone_of_the_longitude() -> None:
    clock = SunClock(local_start("2021-07-01 12:00:00", True), 0)
    assert clock.utc(0, Geodetic(38, -122)) == datetime(2021, 7, 1, 19)
    with pytest.raises(InputError, match="expected YYYY-MM-DD"):
        local_start("noon", False)
