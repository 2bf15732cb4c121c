"""All vehicles that move, in one simulated time: what advances them, and how calls reach them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sim_bridge.embedded.car import Car
from sim_bridge.embedded.clock import CHUNK, Clock
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.dynamics import STEPS_PER_S
from sim_bridge.embedded.pilot import Pilot, Steps
from sim_bridge.embedded.state import ZERO, Collision, Kinematics, State, Vehicle
from sim_bridge.errors import MageError
from sim_bridge.frames import NED

_log = logging.getLogger(__name__)
Change = Callable[[Callable[[State], State]], State]
Mover = Pilot | Car
FORCE = "external_force"
"""Key of `State.extra`: force in N, NED, on every vehicle."""


class Fleet:
    """Thread-safe. `change` replaces the simulator's state; it is called with no other lock of the simulator held."""

    def __init__(self, config: SimulatorConfig, state: Callable[[], State], change: Change) -> None:
        self._state, self._change, self._external = state, change, config.external_physics
        self._movers: dict[str, Mover] = {}
        self.clock = Clock(config.clock_speed, config.steppable, self._pass, self._busy)
        self.watcher: Callable[[], None] | None = None
        """Called fifty times a simulated second, while no time passes."""

    def start(self) -> None:
        """Take up the vehicles of the state, and let time pass."""
        with self.clock.held():
            self._sync()
            # compiled here, not within the first command of whoever comes first
            Pilot().advance(1, ZERO, ZERO)
        self.clock.start()

    def close(self) -> None:
        """End all tasks and the time."""
        with self.clock.held():
            for mover in self._movers.values():
                self._cancel(mover)
        self.clock.close()

    @contextmanager
    def moved(self, name: str) -> Iterator[Mover]:
        """What moves a vehicle ("" is the first), while no time passes. Raises KeyError."""
        with self.clock.held():
            vehicle = self._state().vehicle(name)
            mover = self._movers[vehicle.config.name]
            mover.obeys = vehicle.api_enabled
            yield mover
            self._publish({})

    @contextmanager
    def piloted(self, name: str) -> Iterator[Pilot]:
        """The pilot of a multirotor. Raises KeyError."""
        with self.moved(name) as mover:
            if not isinstance(mover, Pilot):
                raise KeyError(name)
            mover.now_s = self.clock.now_s
            yield mover

    @contextmanager
    def driven(self, name: str) -> Iterator[Car]:
        """A car. Raises KeyError."""
        with self.moved(name) as mover:
            if not isinstance(mover, Car):
                raise KeyError(name)
            yield mover

    def do(self, name: str, make: Callable[[Pilot], Steps]) -> Future[bool]:
        """Give a vehicle a task instead of the one it has, whose future gives False. Raises what the task raises
        before its first command, and KeyError."""
        with self.piloted(name) as pilot:
            self._cancel(pilot)
            return pilot.begin(make, self.clock.now_s)

    def cancel(self, name: str) -> None:
        """End a vehicle's task, whose future gives False. Raises KeyError."""
        with self.moved(name) as mover:
            self._cancel(mover)

    def place(self, name: str, kinematics: Kinematics) -> None:
        """Put a vehicle somewhere. Raises KeyError."""
        with self.moved(name) as mover:
            mover.place(kinematics)

    def sync(self) -> None:
        """Take up vehicles that were added to the state."""
        with self.clock.held():
            self._sync()

    def restart(self, started: Callable[[State], State]) -> None:
        """Change the state such that all vehicles are at their starts: tasks end, all rest."""
        with self.clock.held():
            for mover in self._movers.values():
                self._cancel(mover)
            self._movers.clear()
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
        """Have a mover for every vehicle that moves."""
        for name, vehicle in self._state().vehicles.items():
            if name not in self._movers and vehicle.config.kind != "computervision":
                self._movers[name] = _mover(vehicle)
        self._publish({})

    def _busy(self) -> bool:
        return any(mover.busy for mover in self._movers.values())

    def _cancel(self, mover: Mover) -> None:
        future = mover.cancel()
        if future is not None:
            self.clock.later(lambda: _answer(future, False))

    def _pass(self, steps: int) -> None:
        """Let time pass, and have the watcher (a recording that time waits for) look at what has become of it."""
        self._advance(steps)
        if self.watcher is not None and self.clock.steps % CHUNK == 0:
            self.watcher()

    def _advance(self, steps: int) -> None:
        state = self._state()
        hits: dict[str, Collision] = {}
        for name, mover in self._movers.items():
            vehicle = state.vehicles[name]
            if not self._external and (hit := self._moved_on(state, vehicle, mover, steps)) is not None:
                hits[name] = hit
            if self.clock.steps % CHUNK == 0:
                self._tick(mover, vehicle)
        self._publish(hits)

    def _moved_on(self, state: State, vehicle: Vehicle, mover: Mover, steps: int) -> Collision | None:
        force: NED = state.extra.get(FORCE, ZERO)
        before = mover.position.tolist()
        mover.advance(steps, state.wind, force)
        try:
            return mover.collide(state, vehicle.start.position, before, steps / STEPS_PER_S, self.clock.now_ns)
        except (MageError, OSError) as error:
            _log.error("no collisions: %s", error)
            return None

    def _tick(self, mover: Mover, vehicle: Vehicle) -> None:
        ended = mover.tick(vehicle, self.clock.now_s)
        if ended is not None:
            future, answer = ended
            self.clock.later(lambda: _answer(future, answer))

    def _publish(self, hits: dict[str, Collision]) -> None:
        """Tell the state where all are."""
        def published(state: State) -> State:
            vehicles = dict(state.vehicles)
            for name, mover in self._movers.items():
                vehicles[name] = replace(vehicles[name], kinematics=mover.kinematics(), landed=mover.landed,
                                         collision=hits.get(name, vehicles[name].collision))
            return replace(state, vehicles=vehicles, time_ns=self.clock.now_ns, paused=self.clock.paused)
        self._change(published)


def _mover(vehicle: Vehicle) -> Mover:
    mover: Mover = Car() if vehicle.config.kind == "physxcar" else Pilot()
    mover.place(vehicle.kinematics)
    if isinstance(mover, Pilot) and vehicle.landed:
        mover.rest()
    return mover


def _answer(future: Future[Any], answer: Any) -> None:
    if not future.done():
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
