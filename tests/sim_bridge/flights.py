"""Multirotors in a simulator of the test's own process, for tests of tasks, contact and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.pilot import Pilot, Steps
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import Vehicle

F64 = np.ndarray[Any, np.dtype[np.float64]]
WAIT_S = 30.0


@dataclass(frozen=True)
class Flight:
    """One vehicle of a simulator whose time runs only while something has to be done."""

    simulator: Simulator
    name: str = ""

    @property
    def vehicle(self) -> Vehicle:
        return self.simulator.state.vehicle(self.name)

    @property
    def place(self) -> F64:
        return self.vehicle.kinematics.pose.position.array()

    @property
    def velocity(self) -> F64:
        return self.vehicle.kinematics.linear_velocity.array()

    @property
    def now_s(self) -> float:
        return self.simulator.now_ns() / 1e9

    def control(self) -> Flight:
        self.simulator.change_vehicle(self.name, api_enabled=True)
        return self

    def do(self, make: Callable[[Pilot], Steps]) -> bool:
        """Do a task to its end."""
        assert self.simulator.fleet is not None
        return self.simulator.fleet.do(self.name, make).result(WAIT_S)

    def wait(self, seconds: float) -> None:
        """Let time pass, and stop it."""
        self.simulator.continue_for(seconds).result(WAIT_S)


@contextmanager
def flying(root: Path, **options: Any) -> Iterator[Flight]:
    """A multirotor under API control, on the ground."""
    simulator = Simulator(SimulatorConfig(root, **{"mode": "Multirotor", "steppable": True, **options}))
    try:
        yield Flight(simulator).control()
    finally:
        simulator.close()


def recorded(flight: Flight, make: Callable[[Pilot], Steps], every_s: float = 0.1, most_s: float = 120.0) -> F64:
    """Places (N, 3) of a flight, looked at in lock-step while it does a task."""
    assert flight.simulator.fleet is not None
    flight.simulator.pause(True)
    task = flight.simulator.fleet.do(flight.name, make)
    places = [flight.place]
    while not task.done() and len(places) * every_s < most_s:
        flight.wait(every_s)
        places.append(flight.place)
    flight.simulator.pause(False)
    return np.array(places)
