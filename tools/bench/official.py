"""Times of an official client, run by the Python of its own environment, which has none of MAGE:
`python official.py airsim|cosysairsim <port> <JSON list of [camera, form, rounds]>` prints {"camera form": [ms, ...]}.

A frame counts until it is a numpy array. The first, untimed, call pays for the connection.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

FORMS = {"png": (0, False, True), "raw": (0, False, False), "float": (1, True, False)}


def timed(run: Callable[[], object], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - started))
    return times


def frame(module: Any, client: Any, camera: str, form: str) -> None:
    (reply,) = client.simGetImages([module.ImageRequest(camera, *FORMS[form])])
    pixels: Any
    if form == "png":
        pixels = cv2.imdecode(np.frombuffer(reply.image_data_uint8, np.uint8), cv2.IMREAD_COLOR)
    elif form == "raw":
        pixels = np.frombuffer(reply.image_data_uint8, np.uint8).reshape(reply.height, reply.width, 3)
    else:
        pixels = np.array(reply.image_data_float, np.float32).reshape(reply.height, reply.width)
    assert pixels.shape[:2] == (reply.height, reply.width)


def main() -> None:
    module, port = importlib.import_module(sys.argv[1]), int(sys.argv[2])
    client = module.VehicleClient(port=port, timeout_value=600)
    client.ping()
    found = {}
    for camera, form, rounds in json.loads(sys.argv[3]):
        run = client.ping if form == "ping" else partial(frame, module, client, camera, form)
        found[f"{camera} {form}"] = timed(run, rounds)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
