"""The server as a second process: what it survives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgpack
import pytest
from serving import HEIGHT, NADIR, WIDTH, Running, exchange

from sim_bridge.airsim.client import Client
from sim_bridge.airsim.messages import DEPTH, pack_request
from sim_bridge.classes import CLASS_ID


@pytest.mark.parametrize("data", [
    b"\xc1", b"GET / HTTP/1.1\r\n\r\n\xc1", b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xdc\xff\xff" + b"\x90" * 65535 + b"\xc1", b"\x81\x90\x90", b"\xdd\x00\x03\x0d\x40" + b"\x90" * 200_000,
    b"\xc6\xff\xff\xff\xff",
], ids=["reserved", "http", "nested", "array", "string", "lists", "list-key", "budget", "bin"])
def test_hostile_bytes_cost_only_their_own_connection(server: Running, data: bytes) -> None:
    exchange(server.port, data, 1)
    with server.client() as client:
        assert client.ping()


def test_odd_messages_are_answered_or_passed_over(server: Running) -> None:
    odd = [[0, 1, "ping", None], [0, 2, "ping", {}], [0, 3, 7, []], [0, 4, b"ping", []], [9, 5, "ping", []],
           [2, "ping", []], [0, "x", "ping", []], [1, 2], 7, {"a": 1}, [0, 6, "ping", []]]
    got = {m[1]: m[2:] for m in exchange(server.port, b"".join(msgpack.packb(m) for m in odd), 6)}
    assert set(got) == {1, 2, 3, 4, 5, 6}
    assert got[5] == got[6] == [None, True]
    assert "not an array" in got[1][0] and "not an array" in got[2][0]
    assert "could not find function" in got[3][0]


def test_a_slow_call_holds_up_no_other_on_its_connection(client: Client, server: Running) -> None:
    structs = [{"camera_name": name, "image_type": 0, "compress": True} for name in ("0", "1", "2", "3", "4")]
    data = pack_request(1, "simGetImages", (structs, "", False)) + pack_request(2, "ping", ())
    assert [message[1] for message in exchange(server.port, data, 2)] == [2, 1]


def test_eight_clients_at_once(client: Client, server: Running) -> None:
    client.set_pose(NADIR)

    def work(number: int) -> bool:
        with server.client() as mine:
            (reply,) = mine.images("3", [DEPTH])
            return all(mine.call("simGetObjectPose", f"none{number}") and mine.ping() for _ in range(20)) \
                and reply.pixels.shape == (HEIGHT, WIDTH)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_one_client_in_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(client.segmentation_id, ["mage_trees", "none"] * 20)) == [CLASS_ID["tree"], -1] * 20
