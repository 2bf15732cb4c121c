"""One step of a multirotor in plain numpy, vectors and matrices, against which the compiled one is held."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sim_bridge.embedded import dynamics as d
from sim_bridge.frames import Quaternion, euler_from_quaternion, quaternion_from_rotation, rotation_from_quaternion

F64 = d.F64
STEP_S = 1 / d.STEPS_PER_S
MAX_TILT, MAX_RATE, MAX_SPEED = math.pi / 5.5, 2.5, 6.0
ROTOR_SIDES = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
"""Forward and right of front right, rear left, front left, rear right."""
SPIN = np.array([1, 1, -1, -1])


@dataclass
class Pids:
    """Integrals and last errors by controller and axis."""

    integral: F64 = field(default_factory=lambda: np.zeros((4, 4)))
    last: F64 = field(default_factory=lambda: np.full((4, 4), np.nan))


def pid(pids: Pids, gains: F64, kind: int, axis: int, error: float) -> float:
    keep = 0.9999 ** (STEP_S / 0.003) if (kind, axis) == (2, 3) else 1.0
    integral = np.clip(pids.integral[kind, axis] * keep + gains[kind, 1, axis] * error * STEP_S, -1, 1)
    slope = np.nan_to_num((error - pids.last[kind, axis]) / STEP_S)
    pids.integral[kind, axis], pids.last[kind, axis] = integral, error
    return float(np.clip(gains[kind, 0, axis] * error + integral + gains[kind, 2, axis] * slope, -1, 1))


def signals(body: F64, goal: F64, gains: F64, pids: Pids) -> F64:
    """What the mixer asks of the rotors (4,)."""
    if not goal[4:].any():
        return np.clip(goal[:4], 0, 1)
    angles = np.radians(euler_from_quaternion(Quaternion(*body[d.ORIENTATION:d.VELOCITY])))
    position, velocity = body[[1, 0, 2]], body[d.VELOCITY + np.array([1, 0, 2])]
    wanted = {0: 0, 1: 1, 3: 2}
    error = {}
    for axis, place in wanted.items():
        if goal[4 + axis] >= d.WORLD_VELOCITY:
            speed = goal[axis]
            if goal[4 + axis] == d.WORLD_POSITION:
                speed = MAX_SPEED * pid(pids, gains, 3, axis, float(goal[axis] - position[place]))
            error[axis] = speed - velocity[place]
    heading = np.array([[math.cos(angles[2]), -math.sin(angles[2])], [math.sin(angles[2]), math.cos(angles[2])]])
    right, ahead = heading @ [error.get(0, 0.0), error.get(1, 0.0)]
    controls = np.zeros(4)
    for axis, off in ((0, right), (1, ahead), (2, 0.0)):
        value, mode = goal[axis], goal[4 + axis]
        if mode >= d.WORLD_VELOCITY:
            value = (1 if axis == 0 else -1) * MAX_TILT * pid(pids, gains, 2, axis, off)
        if mode >= d.ANGLE_LEVEL:
            turn = math.remainder(value - angles[axis], 2 * math.pi)
            value = MAX_RATE * pid(pids, gains, 1, axis, turn)
        controls[axis] = pid(pids, gains, 0, axis, value - body[d.RATE + axis]) if mode else value
    controls[3] = goal[3]
    if 3 in error:
        controls[3] = max(0.3, (1 - pid(pids, gains, 2, 3, error[3])) / 2)
    if controls[3] < 0.05:
        controls[:3] = 0
    mixer = np.column_stack([-ROTOR_SIDES[:, 1], ROTOR_SIDES[:, 0], SPIN, np.ones(4)])
    asked = mixer @ controls
    asked = asked - min(0.0, asked.min())
    return np.clip(asked / max(1.0, asked.max()), 0, 1)


def step(body: F64, goal: F64, gains: F64, frame: F64, outside: F64, pids: Pids) -> F64:
    """The body after one step; for one in the air."""
    after = body.copy()
    asked = signals(body, goal, gains, pids)
    keep = math.exp(-STEP_S / frame[d.LAG])
    rotors = asked + (body[d.ROTORS:d.SIGNALS] - asked) * keep
    turn = rotation_from_quaternion(Quaternion(*body[d.ORIENTATION:d.VELOCITY]))
    velocity, acceleration = body[d.VELOCITY:d.RATE], body[d.ACCELERATION:d.TURNING]
    middle = velocity + acceleration * STEP_S / 2
    air = turn.T @ (middle - outside[:3])
    thrust = np.array([0, 0, -frame[d.THRUST] * rotors.sum()])
    force = turn @ (thrust - frame[d.DRAG:d.THRUST] * air * np.abs(air)) + outside[3:]
    fresh = force / frame[d.MASS] + [0, 0, frame[d.GRAVITY]]
    rates = body[d.RATE:d.ACCELERATION] + body[d.TURNING:d.ROTORS] * STEP_S / 2
    inertia = frame[d.INERTIA:d.DRAG]
    arms = np.column_stack([ROTOR_SIDES * frame[d.ARM], np.zeros(4)])
    torque = np.cross(arms, np.outer(rotors, [0, 0, -frame[d.THRUST]])).sum(axis=0)
    torque[2] += SPIN @ asked * frame[d.TORQUE]
    bend = (torque - np.cross(rates, inertia * rates)) / inertia
    after[:3] = body[:3] + middle * STEP_S
    after[d.ORIENTATION:d.VELOCITY] = quaternion_from_rotation(turn @ rodrigues(rates * STEP_S)).array()
    after[d.VELOCITY:d.RATE] = velocity + (acceleration + fresh) * STEP_S / 2
    after[d.RATE:d.ACCELERATION] = body[d.RATE:d.ACCELERATION] + (body[d.TURNING:d.ROTORS] + bend) * STEP_S / 2
    after[d.ACCELERATION:d.TURNING], after[d.TURNING:d.ROTORS] = fresh, bend
    after[d.ROTORS:d.SIGNALS], after[d.SIGNALS:d.GROUNDED] = rotors, asked
    return after


def rodrigues(turn: F64) -> F64:
    """Rotation matrix of a rotation vector (rad)."""
    angle = float(np.linalg.norm(turn))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = turn / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
