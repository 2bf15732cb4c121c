"""All vehicles that move, in one simulated time: what advances them, and how calls reach them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sim_bridge.embedded.clock import CHUNK, Clock
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.pilot import Pilot, Steps
from sim_bridge.embedded.state import ZERO, Kinematics, State, Vehicle
from sim_bridge.errors import MageError
from sim_bridge.frames import NED

_log = logging.getLogger(__name__)
Change = Callable[[Callable[[State], State]], State]
FORCE = "external_force"
"""Key of `State.extra`: force in N, NED, on every vehicle."""


class Fleet:
    """Thread-safe. `change` replaces the simulator's state; it is called with no other lock of the simulator held."""

    def __init__(self, config: SimulatorConfig, state: Callable[[], State], change: Change) -> None:
        self._state, self._change = state, change
        self._pilots: dict[str, Pilot] = {}
        self.clock = Clock(config.clock_speed, config.steppable, self._advance, self._busy)

    def start(self) -> None:
        """Take up the vehicles of the state, and let time pass."""
        with self.clock.held():
            self._sync()
        self.clock.start()

    def close(self) -> None:
        """End all tasks and the time."""
        with self.clock.held():
            for pilot in self._pilots.values():
                self._cancel(pilot)
        self.clock.close()

    @contextmanager
    def piloted(self, name: str) -> Iterator[Pilot]:
        """The pilot of a vehicle ("" is the first), while no time passes. Raises KeyError."""
        with self.clock.held():
            vehicle = self._state().vehicle(name)
            pilot = self._pilots[vehicle.config.name]
            pilot.obeys, pilot.now_s = vehicle.api_enabled, self.clock.now_s
            yield pilot
            self._publish({})

    def do(self, name: str, make: Callable[[Pilot], Steps]) -> Future[bool]:
        """Give a vehicle a task instead of the one it has, whose future gives False. Raises what the task raises
        before its first command, and KeyError."""
        with self.piloted(name) as pilot:
            self._cancel(pilot)
            return pilot.begin(make, self.clock.now_s)

    def cancel(self, name: str) -> None:
        """End a vehicle's task, whose future gives False. Raises KeyError."""
        with self.piloted(name) as pilot:
            self._cancel(pilot)

    def place(self, name: str, kinematics: Kinematics) -> None:
        """Put a vehicle somewhere. Raises KeyError."""
        with self.piloted(name) as pilot:
            pilot.place(kinematics)

    def restart(self, started: Callable[[State], State]) -> None:
        """Change the state such that all vehicles are at their starts: tasks end, all rest."""
        with self.clock.held():
            for pilot in self._pilots.values():
                self._cancel(pilot)
            self._pilots.clear()
            self.clock.pause(False)
            self._change(started)
            self._sync()

    def pause(self, paused: bool) -> None:
        """Stop or go on; ends a continue call."""
        with self.clock.held():
            self.clock.pause(paused)
            self._publish({})

    def continue_for(self, seconds: float) -> Future[None]:
        """See `Clock.continue_for`."""
        with self.clock.held():
            done = self.clock.continue_for(seconds)
            self._publish({})
            return done

    def _sync(self) -> None:
        """Have a pilot for every vehicle that flies."""
        vehicles = self._state().vehicles
        for name, vehicle in vehicles.items():
            if name not in self._pilots and vehicle.config.kind == "simpleflight":
                self._pilots[name] = Pilot()
                self._pilots[name].place(vehicle.kinematics)
                self._pilots[name].body[27] = float(vehicle.landed)
        self._publish({})

    def _busy(self) -> bool:
        return any(pilot.task is not None for pilot in self._pilots.values())

    def _cancel(self, pilot: Pilot) -> None:
        future = pilot.cancel()
        if future is not None:
            self.clock.later(lambda: _answer(future, False))

    def _advance(self, steps: int) -> None:
        state = self._state()
        force: NED = state.extra.get(FORCE, ZERO)
        hits: dict[str, Any] = {}
        for name, pilot in self._pilots.items():
            vehicle = state.vehicles[name]
            before = pilot.position.tolist()
            pilot.advance(steps, state.wind, force)
            try:
                hit = pilot.collide(state, vehicle.start.position, before, self.clock.now_ns)
            except MageError as error:
                _log.error("no collisions: %s", error)
                hit = None
            if hit is not None:
                hits[name] = hit
            if self.clock.steps % CHUNK == 0:
                self._tick(pilot, vehicle)
        self._publish(hits)

    def _tick(self, pilot: Pilot, vehicle: Vehicle) -> None:
        ended = pilot.tick(vehicle, self.clock.now_s)
        if ended is not None:
            future, answer = ended
            self.clock.later(lambda: _answer(future, answer))

    def _publish(self, hits: dict[str, Any]) -> None:
        """Tell the state where all are."""
        def published(state: State) -> State:
            vehicles = dict(state.vehicles)
            for name, pilot in self._pilots.items():
                vehicles[name] = replace(vehicles[name], kinematics=pilot.kinematics(), landed=pilot.landed,
                                         collision=hits.get(name, vehicles[name].collision))
            return replace(state, vehicles=vehicles, time_ns=self.clock.now_ns, paused=self.clock.paused)
        self._change(published)


def _answer(future: Future[Any], answer: Any) -> None:
    if not future.done():
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
