"""The replaying server of the transport bench: the same picture to every client, in every form."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import cosysairsim
import numpy as np
import pytest

from sim_bridge.airsim import adopt, connect
from sim_bridge.airsim.messages import ImageRequest
from tools.bench.bench_transport import _bare_float
from tools.bench.replay import FORMS, SIZES, camera, replaying

WIDTH, HEIGHT = SMALLEST = SIZES[0]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with replaying() as port:
        yield port


def test_all_clients_get_the_same_depths(port: int) -> None:
    counting = np.arange(WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    with connect("127.0.0.1", port) as client:
        depth = client.images(camera(SMALLEST), [ImageRequest(*FORMS["float"])], SMALLEST)[0].pixels
    with socket.create_connection(("127.0.0.1", port)) as sock:
        bare = _bare_float(sock, SMALLEST)
    official = adopt(cosysairsim.VehicleClient(port=port))
    (reply,) = official.simGetImages([cosysairsim.ImageRequest(camera(SMALLEST), *FORMS["float"])])
    official.client.close()
    for seen in (depth, bare, reply.image_data_float.reshape(HEIGHT, WIDTH)):
        np.testing.assert_array_equal(seen, counting)


def test_raw_and_png_show_one_picture(port: int) -> None:
    with connect("127.0.0.1", port) as client:
        raw, png = (client.images(camera(SMALLEST), [ImageRequest(*FORMS[form])], SMALLEST)[0].pixels
                    for form in ("raw", "png"))
    np.testing.assert_array_equal(raw, png)
    assert raw.std() > 5
