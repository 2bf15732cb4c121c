"""A car on the ground: a kinematic bicycle (Rajamani, Vehicle Dynamics and Control, 2.2) with an engine, brakes and a
gearbox, on what its four wheels stand on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.contact import heights_under, meet
from sim_bridge.embedded.dynamics import STEPS_PER_S
from sim_bridge.embedded.state import Collision, Kinematics, State, Vehicle
from sim_bridge.frames import NED, NedPose, euler_from_quaternion, quaternion_from_euler, rotation_from_quaternion

F64 = npt.NDArray[np.float64]

WHEELBASE_M, TRACK_M, HALF_LENGTH_M, HALF_HEIGHT_M = 2.7, 1.6, 2.3, 0.7
MAX_STEER_DEG, TOP_SPEED_M_S, REVERSE_SPEED_M_S = 35.0, 45.0, 8.0
PULL_M_S2, BRAKE_M_S2, HANDBRAKE_M_S2, ROLLING_M_S2 = 4.5, 8.0, 6.0, 0.25
SIDEWAYS_M_S2 = 7.0
"""What the tyres hold: at speed, the wheels turn the car no faster than this allows."""
MAX_RPM, IDLE_RPM = 5700.0, 800.0
_SHIFT_M_S = (7.0, 13.0, 20.0, 29.0)
"""Speeds above which the automatic gearbox takes the next gear."""
_STILL_M_S = 0.02


@dataclass(frozen=True)
class Controls:
    """AirSim's CarControls."""

    throttle: float = 0.0
    steering: float = 0.0
    """-1 (left) to 1."""
    brake: float = 0.0
    handbrake: bool = False
    is_manual_gear: bool = False
    manual_gear: int = 0
    gear_immediate: bool = True


PARKED = Controls()


class Car:
    """Not thread-safe: used under `Clock.held()`."""

    def __init__(self) -> None:
        self.controls = PARKED
        self.obeys = False
        self.speed = 0.0
        """m/s, negative in reverse."""
        self._place = np.zeros(3)
        self.yaw, self._pitch, self._roll = 0.0, 0.0, 0.0     # rad
        self._turning = 0.0
        self._motion = Kinematics()

    landed = True
    busy = False

    @property
    def position(self) -> F64:
        """(3,) local NED of the middle of the wheels, on the ground."""
        return self._place

    @property
    def used(self) -> Controls:
        """What the car obeys: without API control nobody drives."""
        return self.controls if self.obeys else PARKED

    @property
    def gear(self) -> int:
        """-1 reverse, 0 neutral, 1 to 5."""
        used = self.used
        if used.is_manual_gear:
            return max(-1, min(5, used.manual_gear))
        if self.speed < -_STILL_M_S or (used.throttle < 0 and self.speed < _STILL_M_S):
            return -1
        return 1 + sum(self.speed > limit for limit in _SHIFT_M_S)

    @property
    def rpm(self) -> float:
        """Of the engine, by speed in its gear; revving in neutral."""
        gear = self.gear
        if gear == 0:
            part = abs(self.used.throttle)
        else:
            part = abs(self.speed) / (REVERSE_SPEED_M_S if gear < 0 else (*_SHIFT_M_S, TOP_SPEED_M_S)[gear - 1])
        return IDLE_RPM + (MAX_RPM - IDLE_RPM) * min(1.0, part)

    def kinematics(self) -> Kinematics:
        return self._motion

    def place(self, kinematics: Kinematics) -> None:
        """Put it somewhere; of its motion, only the speed ahead is kept."""
        pose = kinematics.pose
        self._place = pose.position.array()
        roll, pitch, yaw = (math.radians(v) for v in euler_from_quaternion(pose.orientation))
        self.yaw, self._pitch, self._roll = yaw, pitch, roll
        ahead = rotation_from_quaternion(pose.orientation)[:, 0]
        self.speed = max(-REVERSE_SPEED_M_S, min(TOP_SPEED_M_S, float(kinematics.linear_velocity.array() @ ahead)))
        self._motion = kinematics

    def cancel(self) -> Future[bool] | None:
        """A car has no tasks."""
        return None

    def tick(self, vehicle: Vehicle, now_s: float) -> None:
        self.obeys = vehicle.api_enabled

    def advance(self, steps: int, wind: NED, force: NED) -> None:
        """Drive on for some steps, on a plane."""
        step_s = steps / STEPS_PER_S
        before = self.speed
        self.speed = self._sped(step_s)
        steer = math.radians(MAX_STEER_DEG) * max(-1.0, min(1.0, self.used.steering))
        pace = (before + self.speed) / 2
        turn = pace * math.tan(steer) / WHEELBASE_M
        most = SIDEWAYS_M_S2 / max(abs(pace), 1e-6)
        self._turning = max(-most, min(most, turn))
        yaw = self.yaw + self._turning * step_s / 2
        self._place = self._place + pace * step_s * np.array([math.cos(yaw), math.sin(yaw), 0.0])
        self.yaw += self._turning * step_s

    def _sped(self, step_s: float) -> float:
        """Speed after a step: engine, then what slows, which never turns it around."""
        used, gear = self.used, self.gear
        push = max(-1.0, min(1.0, used.throttle))
        brake = BRAKE_M_S2 * max(0.0, min(1.0, used.brake)) + (HANDBRAKE_M_S2 if used.handbrake else 0.0)
        speed = self.speed
        if gear < 0:
            speed -= PULL_M_S2 * abs(push) * max(0.0, 1 + speed / REVERSE_SPEED_M_S) * step_s
        elif gear > 0:
            speed += PULL_M_S2 * max(0.0, push) * max(0.0, 1 - (speed / TOP_SPEED_M_S) ** 2) * step_s
            brake += BRAKE_M_S2 * max(0.0, -push) if speed > 0 else 0.0
        slow = (brake + ROLLING_M_S2) * step_s
        return math.copysign(max(0.0, abs(speed) - slow), speed)

    def collide(self, state: State, start: NED, before: Sequence[float], step_s: float,
                now_ns: int) -> Collision | None:
        """Stop at what stands in the way, and stand on the ground. start: of its local NED."""
        was = np.array(before)
        contact = meet(state, _global(start, was, HALF_HEIGHT_M), _global(start, self._place, HALF_HEIGHT_M),
                       HALF_HEIGHT_M / 2, HALF_LENGTH_M)
        collision = None
        if contact is not None and not contact.is_ground:
            self.speed, self._place = 0.0, was
            impact = NED(contact.impact.north - start.north, contact.impact.east - start.east,
                         contact.impact.down - start.down)
            collision = Collision(True, contact.penetration_m, now_ns, contact.normal, impact, _ned(was),
                                  contact.object_name, contact.object_id)
        self._stand(state, start)
        self._remember(was, step_s)
        return collision

    def _stand(self, state: State, start: NED) -> None:
        """Take height and attitude from the ground under the four wheels."""
        ahead = np.array([math.cos(self.yaw), math.sin(self.yaw)]) * WHEELBASE_M / 2
        right = np.array([-math.sin(self.yaw), math.cos(self.yaw)]) * TRACK_M / 2
        middle = self._place[:2] + np.array([start.north, start.east])
        wheels = middle + np.stack([ahead + right, ahead - right, -ahead + right, -ahead - right])
        down = heights_under(state, wheels, start.down + float(self._place[2])) - start.down
        self._place[2] = float(down.mean())
        self._pitch = math.atan2(float(down[2:].mean() - down[:2].mean()), WHEELBASE_M)
        self._roll = math.atan2(float(down[[0, 2]].mean() - down[[1, 3]].mean()), TRACK_M)

    def _remember(self, was: F64, step_s: float) -> None:
        turn = quaternion_from_euler(math.degrees(self._roll), math.degrees(self._pitch), math.degrees(self.yaw))
        velocity = (self._place - was) / step_s
        last = self._motion.linear_velocity.array()
        self._motion = replace(
            self._motion, pose=NedPose(_ned(self._place), turn), linear_velocity=_ned(velocity),
            linear_acceleration=_ned((velocity - last) / step_s), angular_velocity=NED(0.0, 0.0, self._turning))


def _global(start: NED, local: F64, up_m: float) -> NED:
    return NED(start.north + float(local[0]), start.east + float(local[1]), start.down + float(local[2]) - up_m)


def _ned(values: F64) -> NED:
    return NED(float(values[0]), float(values[1]), float(values[2]))
