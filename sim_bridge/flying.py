"""Survey flights by multirotor: the vehicle is flown along the lines of a survey, and the camera triggered where each
planned pose is passed.

Frames: plans and results are in the world's ENU. A vehicle speaks local NED, whose origin is where it started
(`Client.start`).

Time is in lock-step where the simulator allows it: it is paused but for short stretches (`simContinueForTime`), which
end where the next picture is due. Elsewhere the vehicle is polled while it flies.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from sim_bridge.airsim.client import Client, airsim_fov_deg
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION
from sim_bridge.capture import Shot
from sim_bridge.errors import InputError, SimulatorError, SimulatorGone
from sim_bridge.frames import (
    ENU,
    F64,
    NED,
    CameraPose,
    Intrinsics,
    NedPose,
    Quaternion,
    enu_from_ned,
    ned_from_camera,
    ned_from_enu,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

IDENTITY = NedPose(NED(0.0, 0.0, 0.0), Quaternion(1.0, 0.0, 0.0, 0.0))
_TICK_S = 0.003
"""AirSim's physics step: a picture is due if the vehicle is not half a step from its place."""
_POLL_S = 0.01
_NO_TIMEOUT_S = 3e38
_LONGEST_S = 36_000.0


@dataclass(frozen=True)
class FlightConfig:
    """How a survey is flown."""

    speed_ms: float = 8.0
    lead_s: float = 3.0
    """Each line is flown for so long before its first and after its last picture."""
    step_s: float = 0.1
    """Longest stretch of simulated time between two looks at the vehicle."""
    camera: str = "0"
    gimbal: bool = False
    """True: the simulator's own gimbal holds the camera; else it is turned by `simSetCameraPose` for every picture,
    such that the vehicle's attitude does not show."""


@dataclass(frozen=True)
class Plan:
    """A survey as it shall be flown, ENU metres."""

    rows: tuple[tuple[CameraPose, ...], ...]
    """Poses of the pictures, line by line, in the order of flight."""
    lead_m: float

    @cached_property
    def placed(self) -> tuple[tuple[int, CameraPose], ...]:
        """Line and pose of each picture, in the order of flight."""
        return tuple((row, pose) for row, poses in enumerate(self.rows) for pose in poses)

    @property
    def poses(self) -> tuple[CameraPose, ...]:
        return tuple(pose for _, pose in self.placed)

    def line(self, row: int) -> F64:
        """Points (N, 3) of a line, from its lead-in to its lead-out."""
        points = np.array([pose.position.array() for pose in self.rows[row]])
        lead = self.lead_m * self.direction(row)
        return np.vstack([points[0] - lead, points, points[-1] + lead])

    def direction(self, row: int) -> F64:
        """Horizontal unit vector (3,) along a line; lines of one picture go east and west by turns."""
        first, last = (self.rows[row][place].position.array() for place in (0, -1))
        along = (last - first) * [1, 1, 0]
        length = float(np.linalg.norm(along))
        return along / length if length > 0 else np.array([1.0 if row % 2 == 0 else -1.0, 0.0, 0.0])

    @property
    def path(self) -> F64:
        """Points (N, 3) of the whole flight, lead-ins and lead-outs included."""
        return np.vstack([self.line(row) for row in range(len(self.rows))])

    @property
    def length_m(self) -> float:
        return path_length_m(self.path)


@dataclass(frozen=True)
class Track:
    """Where the vehicle was: one entry for each look at it."""

    time_s: F64
    """(N,) the simulator's clock, from 0 at the start of the flight."""
    position: F64
    """(N, 3) ENU, metres."""
    velocity: F64
    """(N, 3) ENU, m/s."""
    row: F64
    """(N,) index of the line that it was on, between the line's first and last picture; nan elsewhere."""


@dataclass(frozen=True)
class Flight:
    """What one flight brought home: pictures in the order of the plan's poses."""

    shots: tuple[Shot, ...]
    track: Track
    lockstep: bool
    """False: time ran on while pictures were taken."""
    collisions: tuple[str, ...]
    """Names of what the vehicle touched after it took off."""


def plan_flight(poses: Sequence[CameraPose], config: FlightConfig) -> Plan:
    """Lines of a survey of `flight.plan_survey`, each as one row. Raises InputError for a speed that is none."""
    if not (math.isfinite(config.speed_ms) and 0 < config.speed_ms <= 50 and poses):
        raise InputError(f"survey of {len(poses)} pictures at {config.speed_ms} m/s: expected pictures, and more than "
                         "0 and at most 50 m/s")
    rows = tuple(tuple(row) for _, row in groupby(poses, key=lambda pose: pose.position.north))
    return Plan(rows, config.speed_ms * config.lead_s)


def path_length_m(points: F64) -> float:
    """Length of a path of points (N, 3)."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def tracking_errors(track: Track, plan: Plan) -> tuple[F64, F64]:
    """Distance in metres of the vehicle from its line: across it horizontally, and above it; (N,) each, nan between
    lines."""
    across, above = np.full((2, len(track.time_s)), np.nan)
    for row in range(len(plan.rows)):
        here = track.row == row
        line, along = plan.line(row), plan.direction(row)
        offset = track.position[here] - line[0]
        across[here] = offset[:, 0] * along[1] - offset[:, 1] * along[0]
        above[here] = track.position[here, 2] - np.interp(offset @ along, (line - line[0]) @ along, line[:, 2])
    return across, above


def seconds_to(plan: Plan, number: int, position: F64, velocity: F64) -> float:
    """Seconds until the place of picture `number` is passed, at the present position and velocity (3,) ENU.

    inf while the vehicle does not fly along that picture's line; negative if it has just passed.
    """
    row, pose = plan.placed[number]
    along = plan.direction(row)
    left = pose.position.array() - position
    speed, across = float(velocity @ along), float(left[0] * along[1] - left[1] * along[0])
    # within 45 degrees of the line's direction, and not on the way back along the last one
    if speed < max(0.05, 0.7 * float(np.linalg.norm(velocity))) or abs(across) > max(plan.lead_m, 5.0):
        return math.inf
    return float(left @ along) / speed


def fly(client: Client, plan: Plan, camera: Intrinsics, config: FlightConfig = FlightConfig(),
        on_shot: Callable[[], None] = lambda: None) -> Flight:
    """Take off, climb, fly the plan and take its pictures. The vehicle stands at its start, in a world that is loaded.

    `on_shot` is called after each picture. Raises SimulatorError if the flight ends before all pictures are taken or
    the simulator refuses a call or draws frames of another size, SimulatorGone.
    """
    pilot = _Pilot(client, plan, camera, config, on_shot, enu_from_ned(client.start()).array())
    try:
        pilot.prepare()
        pilot.fly()
    finally:
        # a lost connection has its own error already
        with contextlib.suppress(SimulatorError, SimulatorGone):
            client.ask("cancelLastTask")
            client.pause(False)
    return pilot.flown()


@dataclass
class _Pilot:
    """One flight under way."""

    client: Client
    plan: Plan
    camera: Intrinsics
    config: FlightConfig
    on_shot: Callable[[], None]
    start: F64
    """Origin of the vehicle's local frame, ENU."""
    mount: F64 = field(default_factory=lambda: np.eye(3))
    """Turns the camera's body axes into the vehicle's while its pose is not set."""
    lockstep: bool = False
    shots: list[Shot] = field(default_factory=list)
    samples: list[tuple[int, F64, F64, float]] = field(default_factory=list)
    """Nanoseconds, position, velocity, line."""
    collisions: dict[str, None] = field(default_factory=dict)

    def prepare(self) -> None:
        """Camera and vehicle ready to take off, time standing still if it can."""
        client = self.client
        self.lockstep = self._pause()
        client.set_fov(self.config.camera, airsim_fov_deg(self.camera))
        if not self.config.gimbal:
            client.set_camera_pose(self.config.camera, IDENTITY)
            body = rotation_from_quaternion(client.ask("simGetVehiclePose").orientation)
            info = client.ask("simGetCameraInfo", camera_name=self.config.camera)
            self.mount = body.T @ rotation_from_quaternion(info["pose"].orientation)
        if not self.lockstep:
            # the first look takes long, and the vehicle would fly on meanwhile
            self._shoot()
        client.take_control()

    def fly(self) -> None:
        """Every task ends by what is seen of the vehicle, not by when its reply comes: that is the same each time."""
        path = self.plan.path
        highest, first = float(path[:, 2].max()), path[0]
        self._task("takeoff", lambda p: p[2] > self.start[2] + 1.0, timeout_sec=20.0)
        self._task("moveToZ", lambda p: abs(p[2] - highest) < 1.0, z=float(self.start[2] - highest), **self._moving())
        x, y, z = self._local(first)
        self._task("moveToPosition", lambda p: float(np.linalg.norm(p - first)) < 2.0, x=x, y=y, z=z, **self._moving())
        self._task("moveOnPath", lambda p: len(self.shots) == len(self.plan.poses),
                   path=[NED(*self._local(point)) for point in path[1:]], **self._moving())

    def flown(self) -> Flight:
        if len(self.shots) < len(self.plan.poses):
            raise SimulatorError(f"the flight ended after {len(self.shots)} of {len(self.plan.poses)} pictures, having "
                                 f"touched {', '.join(self.collisions) or 'nothing'}: fly slower or higher")
        times, *rest = (np.array(column) for column in zip(*self.samples, strict=True))
        track = Track((times - times[0]) / 1e9, *rest)
        return Flight(tuple(self.shots), track, self.lockstep, tuple(self.collisions))

    def _moving(self) -> dict[str, Any]:
        return {"velocity": self.config.speed_ms, "timeout_sec": _NO_TIMEOUT_S, "drivetrain": 0,
                "yaw_mode": {"is_rate": False, "yaw_or_rate": 0.0}, "lookahead": -1.0, "adaptive_lookahead": 1.0}

    def _local(self, point: F64) -> tuple[float, float, float]:
        at = ned_from_enu(ENU(*(float(v) for v in point - self.start)))
        return at.north, at.east, at.down

    def _pause(self) -> bool:
        """True if the simulator can be driven in lock-step; it then stands still."""
        self.client.pause(True)
        try:
            self.client.continue_for(_TICK_S)
        except SimulatorError:
            self.client.pause(False)
            return False
        return True

    def _task(self, name: str, reached: Callable[[F64], bool], **values: Any) -> None:
        task = _begin(self.client, name, values)
        surveys = name == "moveOnPath"
        while True:
            ended = task.done()
            stretch_s = self._look(surveys)
            if ended or reached(self.samples[-1][1]):
                break
            self._advance(stretch_s)
        if ended:
            task.result()

    def _look(self, surveys: bool) -> float:
        """Note where the vehicle is and take the pictures that are due; returns how long time may run."""
        state = self.client.state()
        motion = state["kinematics_estimated"]
        position = enu_from_ned(motion["position"]).array() + self.start
        velocity = enu_from_ned(motion["linear_velocity"]).array()
        if state["collision"]["has_collided"] and self.samples:
            self.collisions[state["collision"]["object_name"]] = None
        until_s, row = self._take_due(position, velocity, motion["orientation"]) if surveys else (math.inf, math.nan)
        self.samples.append((state["timestamp"], position, velocity, row))
        if self.samples[-1][0] - self.samples[0][0] > _LONGEST_S * 1e9:
            raise SimulatorError(f"the flight took more than {_LONGEST_S:g} s of simulated time: fly faster or less")
        return min(self.config.step_s, max(until_s, _TICK_S))

    def _take_due(self, position: F64, velocity: F64, attitude: Quaternion) -> tuple[float, float]:
        """Takes pictures; returns the seconds to the next one and the line on which the vehicle is, else nan."""
        row = math.nan
        while (number := len(self.shots)) < len(self.plan.poses):
            until_s = seconds_to(self.plan, number, position, velocity)
            line, pose = self.plan.placed[number]
            began = number > 0 and self.plan.placed[number - 1][0] == line
            if until_s > _TICK_S / 2:
                return until_s, float(line) if began else row
            self.shots.append(self._take(pose, attitude))
            row = float(line)
            self.on_shot()
        return math.inf, row

    def _take(self, asked: CameraPose, attitude: Quaternion) -> Shot:
        if not self.config.gimbal:
            turned = rotation_from_quaternion(attitude) @ self.mount
            wanted = rotation_from_quaternion(ned_from_camera(asked).orientation)
            relative = NedPose(IDENTITY.position, quaternion_from_rotation(turned.T @ wanted))
            self.client.set_camera_pose(self.config.camera, relative)
        return self._shoot()

    def _shoot(self) -> Shot:
        scene, depth, segmentation = self.client.images(self.config.camera, (SCENE, DEPTH, SEGMENTATION),
                                                        (self.camera.width, self.camera.height))
        return Shot(scene.pixels, depth.pixels, self.client.classes(segmentation.pixels, self.config.camera),
                    scene.pose, scene.time_s)

    def _advance(self, seconds: float) -> None:
        if self.lockstep:
            self.client.continue_for(seconds)
        else:
            time.sleep(min(seconds, _POLL_S))


def _begin(client: Client, name: str, values: Mapping[str, Any]) -> Future[Any]:
    """A flight task that the server has taken, and that runs while the client does other things."""
    task = client.submit(name, timeout_s=_LONGEST_S, **values)
    client.ping()
    return task
