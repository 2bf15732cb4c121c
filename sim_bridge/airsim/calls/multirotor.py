"""Multirotor flight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.calls.environment import place_of
from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import collision_info, flown, kinematics_state
from sim_bridge.embedded import dynamics as d
from sim_bridge.embedded import tasks
from sim_bridge.embedded.fleet import Fleet
from sim_bridge.embedded.pilot import Pilot, Steps
from sim_bridge.embedded.tasks import Follow, Yaw
from sim_bridge.frames import NED, Geodetic, enu_from_geodetic, ned_from_enu

_NO_RC: dict[str, Any] = {"timestamp": 0, "pitch": 0.0, "roll": 0.0, "throttle": 0.0, "yaw": 0.0, "left_z": 0.0,
                          "right_z": 0.0, "switches": 0, "vendor_id": "", "is_initialized": False, "is_valid": False}
_FORWARD_ONLY = 1
_RATE, _LEVEL, _POSITION, _THROTTLE = d.ANGLE_RATE, d.ANGLE_LEVEL, d.WORLD_POSITION, d.PASSTHROUGH
_MAX_SPEED_RAD_S = 6396.667 / 60 * 2 * math.pi
_TURNING = (-1, -1, 1, 1)
"""Of the rotors front right, rear left, front left, rear right, seen from above: counter-clockwise is -1."""


def fleet(context: Context) -> Fleet:
    """What flies. Raises ValueError where nothing does."""
    if context.simulator.fleet is None:
        raise ValueError("nothing flies in ComputerVision mode")
    return context.simulator.fleet


def _do(context: Context, name: str, make: Callable[[Pilot], Steps]) -> Future[bool]:
    flown(context, name)
    return fleet(context).do(name, make)


def _yaw(mode: dict[str, Any]) -> Yaw:
    return Yaw(mode["is_rate"], mode["yaw_or_rate"])


@rpc("takeoff")
def takeoff(context: Context, timeout_sec: float, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.takeoff(pilot, timeout_sec))


@rpc("land")
def land(context: Context, timeout_sec: float, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.land(pilot, timeout_sec))


@rpc("goHome", note="to the start, at 0.5 m/s")
def go_home(context: Context, timeout_sec: float, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.follow(pilot, [(0.0, 0.0, 0.0)], Follow(0.5, timeout_sec)))


@rpc("hover")
def hover(context: Context, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, tasks.hover)


@rpc("moveToPosition")
def move_to_position(context: Context, x: float, y: float, z: float, velocity: float, timeout_sec: float,
                     drivetrain: int, yaw_mode: dict[str, Any], lookahead: float, adaptive_lookahead: float,
                     vehicle_name: str) -> Future[bool]:
    how = Follow(velocity, timeout_sec, drivetrain == _FORWARD_ONLY, _yaw(yaw_mode), lookahead, adaptive_lookahead)
    return _do(context, vehicle_name, lambda pilot: tasks.follow(pilot, [(x, y, z)], how))


@rpc("moveToZ")
def move_to_z(context: Context, z: float, velocity: float, timeout_sec: float, yaw_mode: dict[str, Any],
              lookahead: float, adaptive_lookahead: float, vehicle_name: str) -> Future[bool]:
    how = Follow(velocity, timeout_sec, False, _yaw(yaw_mode), lookahead, adaptive_lookahead)

    def make(pilot: Pilot) -> Steps:
        north, east, _ = pilot.position.tolist()
        return tasks.follow(pilot, [(north, east, z)], how)
    return _do(context, vehicle_name, make)


@rpc("moveToGPS", note="heights are above the ellipsoid, as the world's origin gives them")
def move_to_gps(context: Context, latitude: float, longitude: float, altitude: float, velocity: float,
                timeout_sec: float, drivetrain: int, yaw_mode: dict[str, Any], lookahead: float,
                adaptive_lookahead: float, vehicle_name: str) -> Future[bool]:
    start = flown(context, vehicle_name).start.position
    goal = ned_from_enu(enu_from_geodetic(Geodetic(latitude, longitude, altitude), context.simulator.origin))
    place = (goal.north - start.north, goal.east - start.east, goal.down - start.down)
    how = Follow(velocity, timeout_sec, drivetrain == _FORWARD_ONLY, _yaw(yaw_mode), lookahead, adaptive_lookahead)
    return _do(context, vehicle_name, lambda pilot: tasks.follow(pilot, [place], how))


@rpc("moveOnPath")
def move_on_path(context: Context, path: list[NED], velocity: float, timeout_sec: float, drivetrain: int,
                 yaw_mode: dict[str, Any], lookahead: float, adaptive_lookahead: float,
                 vehicle_name: str) -> Future[bool]:
    how = Follow(velocity, timeout_sec, drivetrain == _FORWARD_ONLY, _yaw(yaw_mode), lookahead, adaptive_lookahead)
    points = [(point.north, point.east, point.down) for point in path]
    return _do(context, vehicle_name, lambda pilot: tasks.follow(pilot, points, how))


def _by_velocity(context: Context, name: str, velocity: tuple[float, float], down: float, is_z: bool, duration: float,
                 drivetrain: int, yaw_mode: dict[str, Any], in_body: bool) -> Future[bool]:
    command = tasks.fly_level if is_z else tasks.fly_at

    def make(pilot: Pilot) -> Steps:
        north, east = tasks.in_heading(pilot, *velocity) if in_body else velocity
        speed = float(np.hypot(north, east))
        yaw = tasks.faced(_yaw(yaw_mode), north, east, speed, drivetrain == _FORWARD_ONLY)
        return tasks.lasting(pilot, duration, lambda: command(pilot, north, east, down, yaw))
    return _do(context, name, make)


@rpc("moveByVelocity")
def move_by_velocity(context: Context, vx: float, vy: float, vz: float, duration: float, drivetrain: int,
                     yaw_mode: dict[str, Any], vehicle_name: str) -> Future[bool]:
    return _by_velocity(context, vehicle_name, (vx, vy), vz, False, duration, drivetrain, yaw_mode, False)


@rpc("moveByVelocityZ", note="a duration of 0 or less answers false")
def move_by_velocity_z(context: Context, vx: float, vy: float, z: float, duration: float, drivetrain: int,
                       yaw_mode: dict[str, Any], vehicle_name: str) -> Future[bool] | bool:
    done = _by_velocity(context, vehicle_name, (vx, vy), z, True, duration, drivetrain, yaw_mode, False)
    return done if duration > 0 else False


@rpc("moveByVelocityBodyFrame")
def move_by_velocity_body(context: Context, vx: float, vy: float, vz: float, duration: float, drivetrain: int,
                          yaw_mode: dict[str, Any], vehicle_name: str) -> Future[bool]:
    return _by_velocity(context, vehicle_name, (vx, vy), vz, False, duration, drivetrain, yaw_mode, True)


@rpc("moveByVelocityZBodyFrame")
def move_by_velocity_z_body(context: Context, vx: float, vy: float, z: float, duration: float, drivetrain: int,
                            yaw_mode: dict[str, Any], vehicle_name: str) -> Future[bool]:
    return _by_velocity(context, vehicle_name, (vx, vy), z, True, duration, drivetrain, yaw_mode, True)


@rpc("moveByManual", note="by the sticks of the last moveByRC")
def move_by_manual(context: Context, vx_max: float, vy_max: float, z_min: float, duration: float, drivetrain: int,
                   yaw_mode: dict[str, Any], vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.by_hand(
        pilot, (vx_max, vy_max, z_min), duration, drivetrain == _FORWARD_ONLY, _yaw(yaw_mode)))


@rpc("moveByRC", note="the sticks steer a vehicle that is not under API control")
def move_by_rc(context: Context, data: dict[str, Any], vehicle_name: str) -> None:
    flown(context, vehicle_name)
    with fleet(context).piloted(vehicle_name) as pilot:
        pilot.rc = data


@rpc("rotateToYaw")
def rotate_to_yaw(context: Context, yaw: float, timeout_sec: float, margin: float, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.rotate_to(pilot, yaw, timeout_sec, margin))


@rpc("rotateByYawRate")
def rotate_by_yaw_rate(context: Context, yaw_rate: float, duration: float, vehicle_name: str) -> Future[bool]:
    return _do(context, vehicle_name, lambda pilot: tasks.rotate_by(pilot, yaw_rate, duration))


def _by_goals(context: Context, name: str, goals: Sequence[float], modes: Sequence[int],
              duration: float) -> Future[bool]:
    return _do(context, name, lambda pilot: tasks.lasting(pilot, duration, lambda: pilot.command(goals, modes)))


@rpc("moveByMotorPWMs")
def move_by_motor_pwms(context: Context, front_right_pwm: float, rear_left_pwm: float, front_left_pwm: float,
                       rear_right_pwm: float, duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (front_right_pwm, rear_left_pwm, front_left_pwm, rear_right_pwm),
                     (_THROTTLE,) * 4, duration)


@rpc("moveByRollPitchYawZ")
def move_by_roll_pitch_yaw_z(context: Context, roll: float, pitch: float, yaw: float, z: float, duration: float,
                             vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll, pitch, yaw, z), (_LEVEL, _LEVEL, _LEVEL, _POSITION), duration)


@rpc("moveByRollPitchYawThrottle")
def move_by_roll_pitch_yaw_throttle(context: Context, roll: float, pitch: float, yaw: float, throttle: float,
                                    duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll, pitch, yaw, throttle), (_LEVEL, _LEVEL, _LEVEL, _THROTTLE), duration)


@rpc("moveByRollPitchYawrateThrottle")
def move_by_roll_pitch_yawrate_throttle(context: Context, roll: float, pitch: float, yaw_rate: float, throttle: float,
                                        duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll, pitch, yaw_rate, throttle), (_LEVEL, _LEVEL, _RATE, _THROTTLE),
                     duration)


@rpc("moveByRollPitchYawrateZ")
def move_by_roll_pitch_yawrate_z(context: Context, roll: float, pitch: float, yaw_rate: float, z: float,
                                 duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll, pitch, yaw_rate, z), (_LEVEL, _LEVEL, _RATE, _POSITION), duration)


@rpc("moveByAngleRatesZ")
def move_by_angle_rates_z(context: Context, roll_rate: float, pitch_rate: float, yaw_rate: float, z: float,
                          duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll_rate, pitch_rate, yaw_rate, z), (_RATE, _RATE, _RATE, _POSITION),
                     duration)


@rpc("moveByAngleRatesThrottle")
def move_by_angle_rates_throttle(context: Context, roll_rate: float, pitch_rate: float, yaw_rate: float,
                                 throttle: float, duration: float, vehicle_name: str) -> Future[bool]:
    return _by_goals(context, vehicle_name, (roll_rate, pitch_rate, yaw_rate, throttle),
                     (_RATE, _RATE, _RATE, _THROTTLE), duration)


def _set_gains(context: Context, name: str, kind: int, axes: Sequence[int | None],
               lists: Sequence[npt.NDArray[np.float32]]) -> None:
    """Gains of a controller: for each axis, the place of its value in kp, ki and kd, or none."""
    flown(context, name)
    if any(len(values) < 3 or not np.isfinite(values[:3]).all() for values in lists):
        raise ValueError("controller gains: expected kp, ki and kd of three finite numbers each")
    # the throttle has no gains of its own but where it follows a height
    spare = (1.0, 0.0, 0.0)
    gains = np.array([[(spare[row] if axis == 3 else 0.0) if place is None else float(values[place])
                       for axis, place in enumerate(axes)] for row, values in enumerate(lists)])
    with fleet(context).piloted(name) as pilot:
        pilot.set_gains(kind, gains)


@rpc("setAngleRateControllerGains")
def set_angle_rate_gains(context: Context, kp: npt.NDArray[np.float32], ki: npt.NDArray[np.float32],
                         kd: npt.NDArray[np.float32], vehicle_name: str) -> None:
    _set_gains(context, vehicle_name, 0, (0, 1, 2, None), (kp, ki, kd))


@rpc("setAngleLevelControllerGains")
def set_angle_level_gains(context: Context, kp: npt.NDArray[np.float32], ki: npt.NDArray[np.float32],
                          kd: npt.NDArray[np.float32], vehicle_name: str) -> None:
    _set_gains(context, vehicle_name, 1, (0, 1, 2, None), (kp, ki, kd))


@rpc("setVelocityControllerGains")
def set_velocity_gains(context: Context, kp: npt.NDArray[np.float32], ki: npt.NDArray[np.float32],
                       kd: npt.NDArray[np.float32], vehicle_name: str) -> None:
    _set_gains(context, vehicle_name, 2, (1, 0, None, 2), (kp, ki, kd))


@rpc("setPositionControllerGains")
def set_position_gains(context: Context, kp: npt.NDArray[np.float32], ki: npt.NDArray[np.float32],
                       kd: npt.NDArray[np.float32], vehicle_name: str) -> None:
    _set_gains(context, vehicle_name, 3, (1, 0, None, 2), (kp, ki, kd))


@rpc("setSafety", state="absent", note="SimpleFlight has no safety evaluator: its own error")
def set_safety(context: Context, enable_reasons: int, obs_clearance: float, obs_startegy: int,
               obs_avoidance_vel: float, origin: NED, xy_length: float, max_z: float, min_z: float,
               vehicle_name: str) -> bool:
    flown(context, vehicle_name)
    raise ValueError("The setSafety call requires safety_eval_ptr_ to be set first")


@rpc("getRotorStates")
def get_rotor_states(context: Context, vehicle_name: str) -> dict[str, Any]:
    flown(context, vehicle_name)
    with fleet(context).piloted(vehicle_name) as pilot:
        body, frame = pilot.body.tolist(), pilot.frame.tolist()
    rotors = [{"thrust": turn * frame[d.THRUST], "torque_scaler": asked * frame[d.TORQUE] * way,
               "speed": math.sqrt(turn) * _MAX_SPEED_RAD_S}
              for turn, asked, way in zip(body[d.ROTORS:d.SIGNALS], body[d.SIGNALS:d.GROUNDED], _TURNING, strict=True)]
    return {"rotors": rotors, "timestamp": context.simulator.now_ns()}


@rpc("getMultirotorState")
def get_multirotor_state(context: Context, vehicle_name: str) -> dict[str, Any]:
    found = flown(context, vehicle_name)
    with fleet(context).piloted(vehicle_name) as pilot:
        rc = {**_NO_RC, **pilot.rc}
    return {"collision": collision_info(found.collision), "kinematics_estimated": kinematics_state(found.kinematics),
            "gps_location": place_of(context, found), "timestamp": context.simulator.now_ns(),
            "landed_state": 0 if found.landed else 1, "rc_data": rc, "ready": True, "ready_message": "",
            "can_arm": True}
