"""How long ten simulated minutes of flight take: a lawnmower over one square kilometre, flown twice through a server.

The server's time stands still but for a task or a continue call, and then runs as fast as the machine can.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim_bridge.airsim.client import Client
from sim_bridge.frames import NED
from sim_bridge.workers import SimulatorSettings, start_simulator
from tools.bench.row import row
from tools.bench.square_km import LAYOUT, package, world_root

FLIGHT_S, LOOK_S = 600.0, 1.0
SPEED_M_S, HEIGHT_M, LINE_M, BETWEEN_M = 8.0, 60.0, 400.0, 40.0
MOST_S = 20.0
_HOW: dict[str, Any] = {"velocity": SPEED_M_S, "timeout_sec": 3e38, "drivetrain": 0, "lookahead": -1.0,
                        "adaptive_lookahead": 1.0, "yaw_mode": {"is_rate": True, "yaw_or_rate": 0.0}}


def rows() -> list[dict[str, Any]]:
    """Seconds for the flight as it is flown in lock-step and looked at every second, and whether the second is as the
    first; seconds for the same time in one call."""
    folder = package()
    with _served(folder) as client:
        first_s, first = _flown(client)
        at_once_s = _at_once(client)
    with _served(folder) as client:
        second_s, second = _flown(client)
    differing = sum(a != b for a, b in zip(first, second, strict=True))
    looks = f"{len(first)} looks at pose, velocities and time, {round(_length(first))} m"
    return [row("flight: ten simulated minutes, looked at every second", [first_s, second_s], "s", looks, most=MOST_S),
            row("flight: ten simulated minutes in one call", [at_once_s], "s", "moveByVelocity", most=MOST_S),
            row("flight: looks in which two flights differ by a bit", [float(differing)], "", looks, most=0.0)]


@contextmanager
def _served(folder: Path) -> Iterator[Client]:
    """A client of a server process of its own, on one core, the vehicle in its hands."""
    options = ("--mode", "Multirotor", "--steppable", "--load", folder.name)
    simulator = start_simulator(SimulatorSettings(world_root(), 64, 64, options=options))
    try:
        os.sched_setaffinity(simulator.process.pid, {min(os.sched_getaffinity(0))})
        simulator.client.take_control()
        yield simulator.client
    finally:
        simulator.client.close()
        # the server ends with its input
        assert simulator.process.stdin is not None
        simulator.process.stdin.close()
        simulator.process.wait(30)


def _flown(client: Client) -> tuple[float, list[Any]]:
    """Wall seconds of the flight from the ground, and what was seen at every look."""
    began = time.perf_counter()
    client.pause()
    climb = client.submit("takeoff", timeout_sec=20.0)
    seen = [_look(client) for _ in range(round(8 / LOOK_S))]
    if climb.result(60) is not True:
        raise ValueError("the vehicle did not take off")
    client.submit("moveOnPath", path=_lawnmower(), **_HOW)
    seen += [_look(client) for _ in range(round(FLIGHT_S / LOOK_S) - len(seen))]
    return time.perf_counter() - began, seen


def _look(client: Client) -> Any:
    client.continue_for(LOOK_S)
    state = client.state()
    return state["timestamp"], state["kinematics_estimated"]


def _at_once(client: Client) -> float:
    client.pause(False)
    began = time.perf_counter()
    done = client.submit("moveByVelocity", vx=0.5, vy=0.0, vz=0.0, duration=FLIGHT_S, drivetrain=0,
                         yaw_mode=_HOW["yaw_mode"], timeout_s=600.0)
    if done.result(600) is not True:
        raise ValueError("the flight was cut short")
    return time.perf_counter() - began


def _lawnmower() -> list[NED]:
    """Lines to and fro, longer than can be flown in the time."""
    west = -LAYOUT.size_m / 2 + 100
    corners = []
    for line in range(20):
        ends = (-LINE_M / 2, LINE_M / 2) if line % 2 == 0 else (LINE_M / 2, -LINE_M / 2)
        corners += [NED(north, west + line * BETWEEN_M, -HEIGHT_M) for north in ends]
    return corners


def _length(seen: list[Any]) -> float:
    places = [kinematics["position"] for _, kinematics in seen]
    return float(sum(((b.north - a.north) ** 2 + (b.east - a.east) ** 2 + (b.down - a.down) ** 2) ** 0.5
                     for a, b in pairwise(places)))
