"""A quadrotor in flight: rigid body, four rotors and the cascade of controllers that drives them, as one compiled step.

Frame, mass, inertia, drag, propellers and gains are those that AirSim publishes for its SimpleFlight multirotor
(MultiRotorParams.hpp `setupFrameGenericQuad`, RotorParams.hpp, MultiRotorPhysicsBody.hpp, simple_flight Params.hpp), so
that a program sees here what it sees there. Unlike SimpleFlight, velocities are controlled in the heading's frame, not
the tilted body's, and the height's integral survives a change of mode: neither loses height when a command changes.
Axes of commands are AirSim's: roll (or east), pitch (or north), yaw, throttle (or down). All in SI units and NED.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.rays import inner, kernel

F64 = npt.NDArray[np.float64]

STEPS_PER_S = 600
"""Physics runs at this rate: 50 Hz of commands and 60 Hz of frames are whole numbers of its steps."""

# a body: one array, so that a step has nothing to allocate
POSITION, ORIENTATION, VELOCITY, RATE, ACCELERATION, TURNING = 0, 3, 7, 10, 13, 16
ROTORS = 19
"""Filtered signals of front right, rear left, front left, rear right, each 0..1."""
SIGNALS = 23
"""What the mixer asks of them."""
GROUNDED = 27
INTEGRALS, ERRORS = 28, 44
"""Of each controller (rate, level, velocity, position) and axis, four by four."""
BODY_SIZE = 60

PASSTHROUGH, ANGLE_RATE, ANGLE_LEVEL, WORLD_VELOCITY, WORLD_POSITION = range(5)
"""What the goal of an axis is. All four passed through: the goals are the rotors' own signals."""

# a frame
MASS, INERTIA, DRAG, THRUST, TORQUE, ARM, LAG, GRAVITY = 0, 1, 4, 7, 8, 9, 10, 11
FRAME_SIZE = 12

_MAX_RATE, _MAX_TILT, _MAX_SPEED = 2.5, math.pi / 5.5, 6.0
_MIN_CLIMB_THROTTLE, _MIN_ANGLING_THROTTLE = 0.3, 0.05
_Z_DISCOUNT = 0.9999 ** (1000 / 3 / STEPS_PER_S)
"""SimpleFlight forgets this much of the height's integral in each of its 3 ms steps."""
_HALF_TURN = math.pi
_FASTEST_TURN = 100.0
"""rad/s: nothing damps a body that is spun by its motors, and the gyroscopic terms grow with the square."""


def generic_quad() -> F64:
    """AirSim's generic quadrotor of 1 kg with GWS 9x5 propellers, as a frame."""
    mass, motor, arm, height = 1.0, 0.055, 0.2275, 0.025
    x, y, z = 0.18, 0.11, 0.04
    density, diameter, turns = 1.225, 0.2286, 6396.667 / 60
    leg = arm / math.sqrt(2)
    box, off = (mass - 4 * motor) / 12, 4 * motor
    rim, disc = 4 * math.pi * diameter * 0.01, 4 * math.pi * diameter ** 2
    factor = 1.3 / 4 / 2 * density
    return np.array([
        mass,
        box * (y * y + z * z) + off * (leg * leg + height * height),
        box * (x * x + z * z) + off * (leg * leg + height * height),
        box * (x * x + y * y) + off * 2 * leg * leg,
        factor * (y * z + rim), factor * (x * z + rim), factor * (x * y + disc),
        0.109919 * density * turns ** 2 * diameter ** 4,
        0.040164 * density * turns ** 2 * diameter ** 5 / (2 * math.pi),
        leg, 0.005, 9.80665,
    ])


def default_gains() -> F64:
    """Gains (4, 3, 4): rate, level, velocity, position; p, i, d; by axis. SimpleFlight's."""
    gains = np.zeros((4, 3, 4))
    gains[0, 0], gains[1, 0] = (0.25, 0.25, 0.25, 1.0), (2.5, 2.5, 2.5, 1.0)
    gains[2, 0], gains[2, 1] = (0.2, 0.2, 0.0, 2.0), (0.0, 0.0, 0.0, 2.0)
    gains[3, 0] = (0.25, 0.25, 0.0, 0.25)
    return gains


@inner
def clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@inner
def pid(body: F64, gains: F64, kind: int, axis: int, error: float, step_s: float) -> float:
    """Output in -1..1 of one controller; keeps its integral, bounded by the same, and its last error."""
    slot = 4 * kind + axis
    discount = _Z_DISCOUNT if kind == 2 and axis == 3 else 1.0
    integral = clip(body[INTEGRALS + slot] * discount + step_s * error * gains[kind, 1, axis], -1.0, 1.0)
    last = body[ERRORS + slot]
    slope = 0.0 if math.isnan(last) else (error - last) / step_s
    body[INTEGRALS + slot], body[ERRORS + slot] = integral, error
    return clip(gains[kind, 0, axis] * error + integral + gains[kind, 2, axis] * slope, -1.0, 1.0)


@inner
def between_turns(angle: float) -> float:
    """An angle's equal in -pi..pi."""
    return angle - 2 * _HALF_TURN * math.floor((angle + _HALF_TURN) / (2 * _HALF_TURN))


@inner
def wanted_velocity(body: F64, goal: F64, gains: F64, axis: int, place: int, step_s: float) -> float:
    """Velocity (m/s) that an axis is to have; place: of its coordinate in a vector."""
    if goal[4 + axis] == WORLD_POSITION:
        return _MAX_SPEED * pid(body, gains, 3, axis, goal[axis] - body[POSITION + place], step_s)
    return float(goal[axis])


@inner
def control(body: F64, goal: F64, gains: F64, angles: tuple[float, float, float], step_s: float,
            output: F64) -> None:
    """Fills output (4,) with roll, pitch and yaw in -1..1 and throttle in 0..1. goal: (8,) values, then modes."""
    east = wanted_velocity(body, goal, gains, 0, 1, step_s) if goal[4] >= WORLD_VELOCITY else 0.0
    north = wanted_velocity(body, goal, gains, 1, 0, step_s) if goal[5] >= WORLD_VELOCITY else 0.0
    cosine, sine = math.cos(angles[2]), math.sin(angles[2])
    east, north = east - body[VELOCITY + 1], north - body[VELOCITY]
    for axis in range(3):
        mode, value = goal[4 + axis], goal[axis]
        if mode >= WORLD_VELOCITY:
            error = cosine * east - sine * north if axis == 0 else -(cosine * north + sine * east)
            sign = 1.0 if axis == 0 else -1.0
            value = sign * _MAX_TILT * pid(body, gains, 2, axis, sign * error, step_s)
        if mode >= ANGLE_LEVEL:
            value = _MAX_RATE * pid(body, gains, 1, axis, between_turns(value - angles[axis]), step_s)
        output[axis] = value if mode == PASSTHROUGH else pid(body, gains, 0, axis, value - body[RATE + axis], step_s)
    output[3] = goal[3]
    if goal[7] >= WORLD_VELOCITY:
        down = wanted_velocity(body, goal, gains, 3, 2, step_s) - body[VELOCITY + 2]
        output[3] = max((1.0 - pid(body, gains, 2, 3, down, step_s)) / 2, _MIN_CLIMB_THROTTLE)


@inner
def mix(output: F64, body: F64) -> None:
    """Signals of the rotors of an X frame: shifted up where one would be negative, scaled down where one is above 1."""
    roll, pitch, yaw, throttle = output[0], output[1], output[2], output[3]
    if throttle < _MIN_ANGLING_THROTTLE or body[GROUNDED] > 0:
        # on its legs it cannot lean: told to all the same, its rotors would never lift it
        roll, pitch, yaw = 0.0, 0.0, 0.0
    body[SIGNALS] = throttle - roll + pitch + yaw
    body[SIGNALS + 1] = throttle + roll - pitch + yaw
    body[SIGNALS + 2] = throttle + roll + pitch - yaw
    body[SIGNALS + 3] = throttle - roll - pitch - yaw
    least = min(body[SIGNALS], body[SIGNALS + 1], body[SIGNALS + 2], body[SIGNALS + 3])
    lift = -least if least < 0 else 0.0
    most = max(body[SIGNALS], body[SIGNALS + 1], body[SIGNALS + 2], body[SIGNALS + 3]) + lift
    for k in range(4):
        body[SIGNALS + k] = clip((body[SIGNALS + k] + lift) / max(most, 1.0), 0.0, 1.0)


@inner
def turned(body: F64, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A vector of the body's axes in the world's."""
    w, i, j, k = body[ORIENTATION], body[ORIENTATION + 1], body[ORIENTATION + 2], body[ORIENTATION + 3]
    a, b, c = 2 * (j * z - k * y), 2 * (k * x - i * z), 2 * (i * y - j * x)
    return x + w * a + j * c - k * b, y + w * b + k * a - i * c, z + w * c + i * b - j * a


@inner
def unturned(body: F64, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A vector of the world's axes in the body's."""
    w, i, j, k = body[ORIENTATION], -body[ORIENTATION + 1], -body[ORIENTATION + 2], -body[ORIENTATION + 3]
    a, b, c = 2 * (j * z - k * y), 2 * (k * x - i * z), 2 * (i * y - j * x)
    return x + w * a + j * c - k * b, y + w * b + k * a - i * c, z + w * c + i * b - j * a


@inner
def euler(body: F64) -> tuple[float, float, float]:
    """Roll, pitch, yaw in radians."""
    w, x, y, z = body[ORIENTATION], body[ORIENTATION + 1], body[ORIENTATION + 2], body[ORIENTATION + 3]
    return (math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)), math.asin(clip(2 * (w * y - z * x), -1.0, 1.0)),
            math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


@inner
def turn_by(body: F64, x: float, y: float, z: float, step_s: float) -> None:
    """Turn the body at a rate (rad/s, its own axes) for a step."""
    speed = math.sqrt(x * x + y * y + z * z)
    half = speed * step_s / 2
    s = math.sin(half) / speed if speed > 1e-12 else step_s / 2
    c, x, y, z = math.cos(half), x * s, y * s, z * s
    w, i, j, k = body[ORIENTATION], body[ORIENTATION + 1], body[ORIENTATION + 2], body[ORIENTATION + 3]
    a, b = w * c - i * x - j * y - k * z, w * x + i * c + j * z - k * y
    d, e = w * y - i * z + j * c + k * x, w * z + i * y - j * x + k * c
    scale = 1 / math.sqrt(a * a + b * b + d * d + e * e)
    body[ORIENTATION], body[ORIENTATION + 1] = a * scale, b * scale
    body[ORIENTATION + 2], body[ORIENTATION + 3] = d * scale, e * scale


@inner
def rest(body: F64) -> None:
    """Nothing moves on the ground, and nothing winds up."""
    for k in range(VELOCITY, ROTORS):
        body[k] = 0.0
    for k in range(INTEGRALS, ERRORS):
        body[k], body[ERRORS + k - INTEGRALS] = 0.0, math.nan


@inner
def drag(body: F64, frame: F64, wind: F64, step_s: float) -> tuple[float, float, float]:
    """Force (N) in the body's axes: along each, the square of the speed through the air times the area it meets."""
    half = step_s / 2
    x, y, z = unturned(body, body[VELOCITY] + body[ACCELERATION] * half - wind[0],
                       body[VELOCITY + 1] + body[ACCELERATION + 1] * half - wind[1],
                       body[VELOCITY + 2] + body[ACCELERATION + 2] * half - wind[2])
    return -frame[DRAG] * x * abs(x), -frame[DRAG + 1] * y * abs(y), -frame[DRAG + 2] * z * abs(z)


@inner
def move(body: F64, frame: F64, outside: F64, step_s: float) -> None:
    """One step of the rigid body: velocity Verlet, Euler's equation for the turn. outside: wind, then force."""
    lift = frame[THRUST] * (body[ROTORS] + body[ROTORS + 1] + body[ROTORS + 2] + body[ROTORS + 3])
    if body[GROUNDED] > 0:
        up = turned(body, 0.0, 0.0, lift)[2] - outside[5]
        if up <= frame[MASS] * frame[GRAVITY]:
            rest(body)
            return
        body[GROUNDED] = 0.0
    x, y, z = drag(body, frame, outside, step_s)
    force = turned(body, x, y, z - lift)
    half = step_s / 2
    for k in range(3):
        pull = force[k] + outside[3 + k]
        fresh = pull / frame[MASS] + (frame[GRAVITY] if k == 2 else 0.0)
        body[POSITION + k] += (body[VELOCITY + k] + body[ACCELERATION + k] * half) * step_s
        body[VELOCITY + k] += (body[ACCELERATION + k] + fresh) * half
        body[ACCELERATION + k] = fresh
    p, q, r = (body[RATE] + body[TURNING] * half, body[RATE + 1] + body[TURNING + 1] * half,
               body[RATE + 2] + body[TURNING + 2] * half)
    turn_by(body, p, q, r, step_s)
    right = body[ROTORS] + body[ROTORS + 3] - body[ROTORS + 1] - body[ROTORS + 2]
    front = body[ROTORS] + body[ROTORS + 2] - body[ROTORS + 1] - body[ROTORS + 3]
    # the drag of a propeller follows what is asked of it, not its speed (RotorActuator.hpp)
    spin = body[SIGNALS] + body[SIGNALS + 1] - body[SIGNALS + 2] - body[SIGNALS + 3]
    a, b, c = frame[INERTIA], frame[INERTIA + 1], frame[INERTIA + 2]
    reach = frame[THRUST] * frame[ARM]
    bend = ((-right * reach - (c - b) * q * r) / a, (front * reach - (a - c) * p * r) / b,
            (spin * frame[TORQUE] - (b - a) * p * q) / c)
    for k in range(3):
        body[RATE + k] = clip(body[RATE + k] + (body[TURNING + k] + bend[k]) * half, -_FASTEST_TURN, _FASTEST_TURN)
        body[TURNING + k] = bend[k]


@kernel
def fly(body: F64, goal: F64, gains: F64, frame: F64, outside: F64, output: F64, steps: int) -> None:
    """Advance a body by steps of 1 / STEPS_PER_S s, in place.

    goal: (8,) a value for each axis, then what each is, see `control`. outside: (6,) wind in m/s and external force in
    N, both NED. output: (4,) memory for the controllers' outputs.
    """
    step_s = 1.0 / STEPS_PER_S
    keep = math.exp(-step_s / frame[LAG])
    for _ in range(steps):
        if goal[4] == PASSTHROUGH and goal[5] == PASSTHROUGH and goal[6] == PASSTHROUGH and goal[7] == PASSTHROUGH:
            for k in range(4):
                body[SIGNALS + k] = clip(goal[k], 0.0, 1.0)
        else:
            control(body, goal, gains, euler(body), step_s, output)
            mix(output, body)
        for k in range(4):
            body[ROTORS + k] = body[SIGNALS + k] + (body[ROTORS + k] - body[SIGNALS + k]) * keep
        move(body, frame, outside, step_s)
