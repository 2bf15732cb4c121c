"""What the client makes of servers that misbehave: every wait ends, every wrong image has its name."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgpack
import numpy as np
import pytest
from scripted_server import CODEC, HELLO, POSE, float_reply, image_reply, reply, server_that

from sim_bridge.airsim import connect
from sim_bridge.airsim.checks import precision
from sim_bridge.airsim.messages import DEPTH, SCENE, ImageRequest, pack_response
from sim_bridge.airsim.session import repeatable
from sim_bridge.errors import (
    DeadlinePassed,
    EmptyImage,
    NonFiniteDepth,
    NonFinitePose,
    SimulatorError,
    SimulatorGone,
    StaleFrame,
    UnknownServer,
    WrongCount,
    WrongSize,
    WrongType,
)
from sim_bridge.frames import ENU, look_at

PNG = ImageRequest(0, compress=True)


# who is there

def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SimulatorGone, match="does not answer"):
        connect("127.0.0.1", port, timeout_s=2)


@pytest.mark.parametrize(("hello", "dialect"), [
    (HELLO, "airsim"), (HELLO | {"simGetVehiclePose": [[0, 0, 0], [1, 0, 0, 0]]}, "colosseum"),
    (HELLO | {"getServerVersion": 3}, "cosys"), (HELLO | {"getServerVersion": 4}, "cosys"),
])
def test_the_dialect_is_found(hello: dict[str, Any], dialect: str) -> None:
    with server_that(reply_none, hello=hello) as port, connect("127.0.0.1", port) as client:
        assert client.dialect.name == dialect


@pytest.mark.parametrize("hello", [HELLO | {"getServerVersion": 2}, HELLO | {"getServerVersion": "1"},
                                   HELLO | {"ping": 7}])
def test_other_servers_are_refused(hello: dict[str, Any]) -> None:
    with server_that(reply_none, hello=hello) as port, pytest.raises(UnknownServer, match="expected"):
        connect("127.0.0.1", port, timeout_s=2)


@pytest.mark.parametrize("babble", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xc1", msgpack.packb([1, 2]),
                                    msgpack.packb({})])
def test_babble_is_an_error(babble: bytes) -> None:
    with server_that(lambda sock, _: sock.sendall(babble)) as port, connect("127.0.0.1", port) as client, \
            pytest.raises(SimulatorError):
        client.ping()
    with server_that(lambda sock, _: sock.sendall(babble), hello={}) as port, pytest.raises(UnknownServer):
        connect("127.0.0.1", port)


def reply_none(sock: socket.socket, request: list[Any]) -> None:
    reply(sock, request, None)


# waiting

def test_a_silent_server_is_given_up_in_time() -> None:
    with server_that(lambda *_: None) as port, connect("127.0.0.1", port, timeout_s=0.3) as client:
        started = time.monotonic()
        with pytest.raises(DeadlinePassed, match="deadline"):
            client.ping()
        with pytest.raises(DeadlinePassed):
            client.submit("simGetVehiclePose").result()
        assert time.monotonic() - started < 2
    with pytest.raises(SimulatorGone, match="closed"):
        client.ping()


def test_a_late_reply_is_passed_over_and_the_next_one_heard() -> None:
    held: list[list[Any]] = []

    def late(sock: socket.socket, request: list[Any]) -> None:
        held.append(request)
        if len(held) == 2:
            reply(sock, held[0], "late")
            reply(sock, [0, 999], "of nobody")
            reply(sock, request, "in time")

    with server_that(late) as port, connect("127.0.0.1", port) as client:
        with pytest.raises(DeadlinePassed):
            client.call("any", timeout_s=0.1)
        assert client.call("any") == "in time"


def test_a_deadline_in_mid_message_loses_nothing_of_the_next() -> None:
    first, released = np.arange(1000, dtype=np.float32), threading.Event()

    def halting(sock: socket.socket, request: list[Any]) -> None:
        if request[2] == "first":
            whole = pack_response(request[1], None, first)
            sock.sendall(whole[:2001])
            released.wait(5)
            sock.sendall(whole[2001:])
        else:
            reply(sock, request, "second")

    with server_that(halting) as port, connect("127.0.0.1", port) as client:
        with pytest.raises(DeadlinePassed):
            client.call("first", timeout_s=0.1)
        released.set()
        assert client.call("second") == "second"


def test_replies_may_come_in_any_order_to_many_threads() -> None:
    waiting: list[list[Any]] = []

    def backwards(sock: socket.socket, request: list[Any]) -> None:
        waiting.append(request)
        if len(waiting) == 8:
            for held in reversed(waiting):
                reply(sock, held, held[3][0])
            waiting.clear()

    with server_that(backwards) as port, connect("127.0.0.1", port, timeout_s=10) as client, \
            ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            assert list(pool.map(lambda n: client.call("echo", n), range(8))) == list(range(8))


def test_a_long_call_holds_up_no_short_one() -> None:
    held: list[list[Any]] = []

    def patient(sock: socket.socket, request: list[Any]) -> None:
        if request[2] == "takeoff":
            held.append(request)
        else:
            reply(sock, request, True)

    with server_that(patient) as port, connect("127.0.0.1", port, timeout_s=5) as client, ThreadPoolExecutor(1) as pool:
        long = pool.submit(client.call, "takeoff", 20.0, "")
        flight = client.takeoff()
        started = time.monotonic()
        assert all(client.ping() for _ in range(50))
        assert time.monotonic() - started < 2
        assert not (long.done() or flight.done())
        client.close()
        for lost in (long, flight):
            with pytest.raises(SimulatorGone):
                lost.result(5)


def test_many_requests_are_in_flight_at_once() -> None:
    seen: list[list[Any]] = []

    def at_last(sock: socket.socket, request: list[Any]) -> None:
        seen.append(request)
        if len(seen) == 100:
            for held in seen:
                reply(sock, held, True)

    with server_that(at_last) as port, connect("127.0.0.1", port, timeout_s=5) as client:
        assert all(future.result() for future in [client.submit("ping") for _ in range(100)])


def test_what_a_result_sets_off_may_call_again() -> None:
    with server_that(lambda sock, request: reply(sock, request, True)) as port, \
            connect("127.0.0.1", port, timeout_s=5) as client:
        then: list[bool] = []
        done = threading.Event()
        future = client.submit("ping")
        future.add_done_callback(lambda _: (then.append(client.ping()), done.set()))
        assert done.wait(5) and then == [True]


def test_it_works_inside_a_running_event_loop() -> None:
    async def work(port: int) -> tuple[bool, list[bool]]:
        with connect("127.0.0.1", port, timeout_s=5) as client:
            both = asyncio.gather(*(asyncio.wrap_future(client.submit("ping")) for _ in range(10)))
            return client.ping(), await both

    with server_that(lambda sock, request: reply(sock, request, True)) as port:
        assert asyncio.run(work(port)) == (True, [True] * 10)


# losing the connection

def test_a_server_that_dies_in_mid_reply_is_gone() -> None:
    def die(sock: socket.socket, request: list[Any]) -> None:
        sock.sendall(pack_response(request[1], None, np.zeros(1000, np.float32))[:500])
        sock.shutdown(socket.SHUT_RDWR)

    with server_that(die) as port, connect("127.0.0.1", port) as client, pytest.raises(SimulatorGone):
        client.call("any")


def test_what_may_be_repeated_is_and_nothing_else() -> None:
    calls: list[str] = []

    def fickle(sock: socket.socket, request: list[Any]) -> None:
        calls.append(request[2])
        if len(calls) == 1:
            sock.shutdown(socket.SHUT_RDWR)
        else:
            reply(sock, request, True)

    with server_that(fickle) as port, connect("127.0.0.1", port, timeout_s=5) as client:
        assert client.ping() and calls == ["ping", "ping"]
        calls.clear()
        with pytest.raises(SimulatorGone):
            client.console("step once")
        assert calls == ["simRunConsoleCommand"]
        assert client.console("and go on")


def test_only_what_sets_or_reads_is_repeated() -> None:
    safe = ("ping", "simGetImages", "simGetVehiclePose", "simSetVehiclePose", "getImuData", "listVehicles", "simPause",
            "isRecording", "simIsPaused")
    unsafe = ("simGetCollisionInfo", "takeoff", "moveToPosition", "simSpawnObject", "simDestroyObject", "reset",
              "simContinueForTime", "simRunConsoleCommand", "simAddVehicle", "startRecording", "simSwapTextures")
    assert all(map(repeatable, safe)) and not any(map(repeatable, unsafe))


def test_a_lost_connection_fails_all_who_wait() -> None:
    seen: list[str] = []

    def die_at_four(sock: socket.socket, request: list[Any]) -> None:
        seen.append(request[2])
        if len(seen) == 4:
            sock.shutdown(socket.SHUT_RDWR)

    with server_that(die_at_four) as port, connect("127.0.0.1", port, timeout_s=10) as client, \
            ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(client.call, "takeoff") for _ in range(4)]:
            assert isinstance(future.exception(5), SimulatorGone)


# wrong images

@pytest.mark.parametrize(("request_", "replies", "error"), [
    (SCENE, [], WrongCount),
    (SCENE, [image_reply(), image_reply()], WrongCount),
    (SCENE, [image_reply(width=0, message="camera is not set")], EmptyImage),
    (SCENE, [image_reply(image_data_uint8=b"")], EmptyImage),
    (SCENE, [image_reply(width=3)], WrongSize),
    (SCENE, [image_reply(image_data_uint8=b"short")], WrongSize),
    (SCENE, [image_reply(width=1, height=4)], WrongSize),
    (SCENE, [image_reply(image_type=1)], WrongType),
    (DEPTH, [image_reply(image_type=1)], EmptyImage),
    (SCENE, [image_reply(camera_position={"x_val": math.nan})], NonFinitePose),
    (SCENE, [image_reply(camera_orientation={"w_val": math.inf})], NonFinitePose),
    (DEPTH, [float_reply(np.array([[1, math.nan], [3, 4]], np.float32))], NonFiniteDepth),
    (DEPTH, [float_reply(np.array([[1, -1], [3, 4]], np.float32))], NonFiniteDepth),
    (PNG, [image_reply(compress=True)], SimulatorError),
    (SCENE, [{"width": 2}], SimulatorError),
    (SCENE, [image_reply(width="2")], SimulatorError),
])
def test_wrong_images_have_their_own_errors(request_: ImageRequest, replies: list[Any],
                                            error: type[SimulatorError]) -> None:
    with server_that(lambda sock, request: reply(sock, request, replies), only=("simGetImages",)) as port, \
            connect("127.0.0.1", port) as client, pytest.raises(error) as caught:
        client.images("0", [request_], size=(2, 2))
    assert error is SimulatorError or caught.type is error


def test_a_frame_that_was_empty_once_is_asked_for_again() -> None:
    sent = [[image_reply(image_data_uint8=b"", compress=True)], [float_reply(np.ones((2, 2), np.float32))]]
    with server_that(lambda sock, request: reply(sock, request, sent.pop(0)), only=("simGetImages",)) as port, \
            connect("127.0.0.1", port) as client:
        assert client.images("0", [DEPTH])[0].pixels.shape == (2, 2)


def test_frames_from_another_pose_are_asked_for_again_then_refused() -> None:
    calls: list[str] = []

    def stale(sock: socket.socket, request: list[Any]) -> None:
        calls.append(request[2])
        reply(sock, request, [float_reply(np.ones((2, 2), np.float32))])

    with server_that(stale, only=("simGetImages",)) as port, connect("127.0.0.1", port) as client:
        client.set_pose(look_at(ENU(0, 0, 0), 100, 0, 0))
        with pytest.raises(StaleFrame):
            client.images("0", [DEPTH])
        assert 1 < len(calls) < 10


def test_replies_are_bounded_by_what_was_asked() -> None:
    large = float_reply(np.ones((400, 400), np.float32))
    with server_that(lambda sock, request: reply(sock, request, [large]), only=("simGetImages",)) as port, \
            connect("127.0.0.1", port) as client:
        assert client.images("0", [DEPTH])[0].pixels.shape == (400, 400)
        with pytest.raises(SimulatorError, match="at most"):
            client.images("0", [DEPTH], size=(100, 100))


def test_bgr_becomes_rgb_and_floats_keep_their_bits() -> None:
    depth = np.array([[1, 2], [3, math.inf]], np.float32)
    replies = [image_reply(image_data_uint8=bytes(range(12))), float_reply(depth)]
    with server_that(lambda sock, request: reply(sock, request, replies), only=("simGetImages",)) as port, \
            connect("127.0.0.1", port) as client:
        scene, metres = client.images("0", [SCENE, DEPTH])
    assert scene.pixels[0].tolist() == [[2, 1, 0], [5, 4, 3]]
    np.testing.assert_array_equal(metres.pixels, depth)


def test_poses_are_the_worlds_wherever_the_vehicle_started() -> None:
    sent: list[Any] = []
    local = CODEC.plain("Pose", POSE)
    seen = {**local, "position": {"x_val": 11.0, "y_val": 22.5, "z_val": -3.0}}

    def started(sock: socket.socket, request: list[Any]) -> None:
        sent.append(request)
        reply(sock, request, seen if request[2] == "simGetObjectPose" else
              None if request[2] == "simSetVehiclePose" else [float_reply(np.ones((2, 2), np.float32))])

    with server_that(started, only=("simGetObjectPose", "simSetVehiclePose", "simGetImages")) as port, \
            connect("127.0.0.1", port) as client:
        assert client.get_pose().position == ENU(22.5, 11.0, 3.0)
        assert client.images("0", [DEPTH])[0].pose.position == ENU(22.5, 11.0, 3.0)
        client.set_pose(client.get_pose())
    assert sent[-1][3][0]["position"] == pytest.approx({"x_val": 1.0, "y_val": 2.5, "z_val": -3.0})


def test_depths_of_sixteen_bits_are_told_from_full_ones() -> None:
    metres = np.linspace(40, 90, 10_000, dtype=np.float32).reshape(100, 100)
    assert precision(metres) == "float32"
    assert precision(metres.astype(np.float16).astype(np.float32)) == "float16"
    assert precision(np.full((100, 100), 100.0, np.float32)) == "unknown"
