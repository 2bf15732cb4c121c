"""One multirotor: its body, what its controllers were told last, and the task that tells them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim_bridge.embedded import dynamics as d
from sim_bridge.embedded.contact import HALF_HEIGHT_M, Contact, meet
from sim_bridge.embedded.state import Collision, Kinematics, State, Vehicle
from sim_bridge.frames import NED, NedPose, Quaternion

Steps = Generator[None, None, bool]
"""A task: it commands, yields until the next command is due, and ends with what its call answers."""
AXES = ("roll", "pitch", "yaw", "throttle")
HOLD_AFTER_S = 0.06
"""Without a command for that long, a vehicle under API control stays where it is (Params.hpp `api_goal_timeout`)."""
_IDLE_THROTTLE = 0.1 / 1.5
_RESTITUTION, _FRICTION = 0.55, 0.5
_RESTING_M_S = 0.3
_MOST_WIND_M_S, _MOST_FORCE_N, _MOST_MOTION = 200.0, 1e4, 1e3
"""Whatever is asked for beyond these: more, and a step would no longer follow from the one before."""
ANGLES = (d.ANGLE_LEVEL, d.ANGLE_LEVEL, d.ANGLE_RATE, d.PASSTHROUGH)
_IDLE = (0.0, 0.0, 0.0, _IDLE_THROTTLE)


@dataclass
class Task:
    """What a vehicle is doing, and who waits for it."""

    steps: Steps
    future: Future[bool]


class Pilot:
    """Not thread-safe: used under `Clock.held()`."""

    def __init__(self) -> None:
        self.body = np.zeros(d.BODY_SIZE)
        self.goal = np.zeros(8)
        self.gains = d.default_gains()
        self.frame = d.generic_quad()
        self.task: Task | None = None
        self.rc: dict[str, Any] = {}
        self.obeys = False
        """Whether it is under API control: commands are ignored else, as by SimpleFlight."""
        self.now_s = 0.0
        """Simulated seconds since the start, as tasks see them."""
        self._commanded_s = 0.0
        self._holding = False
        self._output, self._outside = np.zeros(4), np.zeros(6)
        self.reset()

    def reset(self) -> None:
        """On the ground at the start, at rest, with the gains that it has."""
        self.body[:] = 0.0
        self.body[d.ORIENTATION] = self.body[d.GROUNDED] = 1.0
        self.body[d.ERRORS:d.ERRORS + 16] = math.nan
        self.obeys, self.rc = False, {}
        self._set(_IDLE, ANGLES)

    # what it is

    @property
    def busy(self) -> bool:
        """Whether it has a task."""
        return self.task is not None

    @property
    def landed(self) -> bool:
        return bool(self.body[d.GROUNDED])

    @property
    def position(self) -> d.F64:
        """(3,) local NED."""
        return self.body[d.POSITION:d.POSITION + 3]

    @property
    def velocity(self) -> d.F64:
        """(3,) m/s."""
        return self.body[d.VELOCITY:d.VELOCITY + 3]

    @property
    def speed(self) -> float:
        return float(np.linalg.norm(self.velocity))

    @property
    def yaw_deg(self) -> float:
        w, x, y, z = self.body[d.ORIENTATION:d.ORIENTATION + 4]
        return math.degrees(math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))

    def kinematics(self) -> Kinematics:
        body = self.body.tolist()
        vectors = [NED(*body[k:k + 3]) for k in (d.POSITION, d.VELOCITY, d.RATE, d.ACCELERATION, d.TURNING)]
        pose = NedPose(vectors[0], Quaternion(*body[d.ORIENTATION:d.ORIENTATION + 4]))
        return Kinematics(pose, *vectors[1:])

    # what it is told

    def command(self, values: Sequence[float], modes: Sequence[int]) -> None:
        """Goals of the four axes, see `dynamics.control`; ignored without API control."""
        if self.obeys:
            self._commanded_s, self._holding = self.now_s, False
            self._set(values, modes)

    def _set(self, values: Sequence[float], modes: Sequence[int]) -> None:
        for axis in range(4):
            if self.goal[4 + axis] != modes[axis]:
                # what both modes control goes on; the rest starts anew
                last = min(int(self.goal[4 + axis]), modes[axis])
                for kind in range(last, 4):
                    self.body[d.INTEGRALS + 4 * kind + axis], self.body[d.ERRORS + 4 * kind + axis] = 0.0, math.nan
        self.goal[:4], self.goal[4:] = values, modes

    def hold(self, place: Sequence[float] | None = None) -> None:
        """Stay at a place (None: here), in local NED, without turning."""
        if self.obeys:
            north, east, down = self.position if place is None else place
            self._holding = True
            self._set((east, north, 0.0, down), (d.WORLD_POSITION, d.WORLD_POSITION, d.ANGLE_RATE, d.WORLD_POSITION))

    def idle(self) -> None:
        """Motors at the idle throttle, until the next command."""
        self._holding = True
        self._set(_IDLE, ANGLES)

    def stop(self) -> None:
        """Motors off, until the next command."""
        self._holding = True
        self._set((0.0, 0.0, 0.0, 0.0), (d.ANGLE_RATE, d.ANGLE_RATE, d.ANGLE_RATE, d.PASSTHROUGH))

    def set_gains(self, kind: int, gains: d.F64) -> None:
        """p, i, d (3, 4) of one controller."""
        self.gains[kind] = gains
        self.body[d.INTEGRALS:d.INTEGRALS + 16], self.body[d.ERRORS:d.ERRORS + 16] = 0.0, math.nan

    def place(self, kinematics: Kinematics) -> None:
        """Put it somewhere, with a motion of its own. It lands there if that is on the ground, or stays or falls."""
        self.body[:] = 0.0
        self.body[d.ERRORS:d.ERRORS + 16] = math.nan
        at, turn = kinematics.pose.position, kinematics.pose.orientation
        self.body[:d.VELOCITY] = (at.north, at.east, at.down, turn.w, turn.x, turn.y, turn.z)
        for place, vector in ((d.VELOCITY, kinematics.linear_velocity), (d.RATE, kinematics.angular_velocity),
                              (d.ACCELERATION, kinematics.linear_acceleration),
                              (d.TURNING, kinematics.angular_acceleration)):
            self.body[place:place + 3] = _bounded(vector, _MOST_MOTION)
        if self.obeys and self.task is None:
            self.hold()

    def rest(self) -> None:
        """Stand on the ground, level."""
        yaw = math.radians(self.yaw_deg) / 2
        self.body[d.ORIENTATION:d.VELOCITY] = (math.cos(yaw), 0.0, 0.0, math.sin(yaw))
        self.body[d.VELOCITY:d.ROTORS] = 0.0
        self.body[d.GROUNDED] = 1.0

    # what it does

    def begin(self, make: Callable[[Pilot], Steps], now_s: float) -> Future[bool]:
        """Do something else from now on. Whatever it did must have been cancelled. Raises what the task raises."""
        self.now_s = now_s
        steps, future = make(self), Future[bool]()
        try:
            next(steps)
        except StopIteration as end:
            future.set_result(bool(end.value))
            return future
        self.task = Task(steps, future)
        return future

    def cancel(self) -> Future[bool] | None:
        """Stop doing what it does; gives the future that is to be told False."""
        task, self.task = self.task, None
        if task is None:
            return None
        task.steps.close()
        return task.future

    def tick(self, vehicle: Vehicle, now_s: float) -> tuple[Future[bool], bool | Exception] | None:
        """Take the next command from the task; gives its future and answer once it is done."""
        self.now_s, self.obeys = now_s, vehicle.api_enabled
        if self.task is None:
            self._untasked()
            return None
        try:
            next(self.task.steps)
        except StopIteration as end:
            return self._finished(bool(end.value))
        except Exception as error:
            return self._finished(error)
        return None

    def _finished(self, answer: bool | Exception) -> tuple[Future[bool], bool | Exception] | None:
        task, self.task = self.task, None
        return None if task is None else (task.future, answer)

    def _untasked(self) -> None:
        if not self.obeys:
            self._holding = False
            self._set(*_sticks(self.rc))
        elif self._holding:
            return
        elif self.landed:
            self.idle()
        elif self.now_s - self._commanded_s > HOLD_AFTER_S:
            self.hold()

    def advance(self, steps: int, wind: NED, force: NED) -> None:
        """Fly on for some steps, through nothing but air."""
        self._outside[:] = (*_bounded(wind, _MOST_WIND_M_S), *_bounded(force, _MOST_FORCE_N))
        d.fly(self.body, self.goal, self.gains, self.frame, self._outside, self._output, steps)

    def collide(self, state: State, start: NED, before: Sequence[float], step_s: float,
                now_ns: int) -> Collision | None:
        """Stop at what stands in the way from `before` (local NED) to where it is now. start: of its local NED."""
        if self.landed:
            return None
        contact = meet(state, _centre(start, before), _centre(start, self.position.tolist()))
        if contact is None:
            return None
        self._bounce(contact)
        here = NED(*self.position.tolist())
        return Collision(True, contact.penetration_m, now_ns, contact.normal, _less(contact.impact, start), here,
                         contact.object_name, contact.object_id)

    def _bounce(self, contact: Contact) -> None:
        """Lose speed as AirSim's FastPhysicsEngine has it: friction and a bounce, or rest on the ground at once."""
        self.position[:] += contact.moved_by
        normal, velocity = contact.normal.array(), self.velocity
        into = float(velocity @ normal)
        falls = velocity[2] > max(abs(velocity[0]), abs(velocity[1])) or self.speed < _RESTING_M_S
        if contact.is_ground and falls:
            self.rest()
        elif into < 0:
            bounce = 1 + (_RESTITUTION if into < -_RESTING_M_S else 0.0)
            along = velocity - into * normal
            self.velocity[:] = along * (1 - _FRICTION) + into * (1 - bounce) * normal
            self.body[d.RATE:d.ACCELERATION] *= 0.9
            self.body[d.ACCELERATION:d.ROTORS] = 0.0


def _sticks(rc: dict[str, Any]) -> tuple[Sequence[float], Sequence[int]]:
    """Goals and modes of a remote control, as RemoteControl.hpp has them; without one, level and idle."""
    if not rc.get("is_valid"):
        return _IDLE, ANGLES
    tilt = math.pi / 5.5
    goal = (rc["roll"] * tilt, -rc["pitch"] * tilt, rc["yaw"] * math.pi, max(rc["throttle"], _IDLE_THROTTLE))
    rates = rc["switches"] & 1
    return goal, (d.ANGLE_RATE, d.ANGLE_RATE, d.ANGLE_RATE, d.PASSTHROUGH) if rates else ANGLES


def _bounded(vector: NED, most: float) -> tuple[float, float, float]:
    return (max(-most, min(most, vector.north)), max(-most, min(most, vector.east)), max(-most, min(most, vector.down)))


def _centre(start: NED, local: Sequence[float]) -> NED:
    north, east, down = local
    return NED(start.north + north, start.east + east, start.down + down - HALF_HEIGHT_M)


def _less(point: NED, start: NED) -> NED:
    return NED(point.north - start.north, point.east - start.east, point.down - start.down)
