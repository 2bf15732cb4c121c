"""Multirotor flight."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

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
    return move_to_position(context, goal.north - start.north, goal.east - start.east, goal.down - start.down, velocity,
                            timeout_sec, drivetrain, yaw_mode, lookahead, adaptive_lookahead, vehicle_name)


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


@rpc("getMultirotorState")
def get_multirotor_state(context: Context, vehicle_name: str) -> dict[str, Any]:
    found = flown(context, vehicle_name)
    with fleet(context).piloted(vehicle_name) as pilot:
        rc = {**_NO_RC, **pilot.rc}
    return {"collision": collision_info(found.collision), "kinematics_estimated": kinematics_state(found.kinematics),
            "gps_location": place_of(context, found), "timestamp": context.simulator.now_ns(),
            "landed_state": 0 if found.landed else 1, "rc_data": rc, "ready": True, "ready_message": "",
            "can_arm": True}
