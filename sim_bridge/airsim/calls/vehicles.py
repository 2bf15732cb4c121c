"""Vehicles: which there are, where they are, who controls them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded.fleet import FORCE
from sim_bridge.embedded.state import Collision, Kinematics, State, Vehicle
from sim_bridge.frames import NED, Geodetic, NedPose, enu_from_ned, geodetic_from_enu


def vehicle(context: Context, name: str) -> Vehicle:
    """The vehicle of a name for calls of the simulation; "" is the first. Raises ValueError in AirSim's words."""
    try:
        return context.simulator.state.vehicle(name)
    except KeyError as error:
        raise ValueError(f"Vehicle Sim-API for '{name[:80]}' is not available. This could either because this is not "
                         "a simulation or this vehicle does not exist") from error


def flown(context: Context, name: str) -> Vehicle:
    """The vehicle of a name for calls that control it: those of ComputerVision mode have none. Raises ValueError."""
    state = context.simulator.state
    if (name and name not in state.vehicles) or state.vehicle(name).config.kind == "computervision":
        raise ValueError(f"Vehicle API for '{name[:80]}' is not available. This could either because this is "
                         "simulation-only API or this vehicle does not exist")
    return state.vehicle(name)


@rpc("listVehicles")
def list_vehicles(context: Context) -> list[str]:
    return sorted(context.simulator.state.vehicles)


@rpc("simSetVehiclePose")
def set_vehicle_pose(context: Context, pose: NedPose, ignore_collision: bool, vehicle_name: str) -> None:
    vehicle(context, vehicle_name)
    context.simulator.place_vehicle(vehicle_name, pose)


@rpc("simGetVehiclePose")
def get_vehicle_pose(context: Context, vehicle_name: str) -> NedPose:
    return vehicle(context, vehicle_name).kinematics.pose


@rpc("enableApiControl")
def enable_api_control(context: Context, is_enabled: bool, vehicle_name: str) -> None:
    flown(context, vehicle_name)
    context.simulator.change_vehicle(vehicle_name, api_enabled=is_enabled)


@rpc("isApiControlEnabled")
def is_api_control_enabled(context: Context, vehicle_name: str) -> bool:
    return flown(context, vehicle_name).api_enabled


@rpc("armDisarm", note="multirotors start armed, as SimpleFlight's do; false without API control")
def arm_disarm(context: Context, arm: bool, vehicle_name: str) -> bool:
    found, fleet = flown(context, vehicle_name), context.simulator.fleet
    if found.config.kind == "simpleflight" and fleet is not None:
        if not found.api_enabled or (not arm and not found.armed):
            return False
        if not arm:
            with fleet.piloted(vehicle_name) as pilot:
                pilot.stop()
    context.simulator.change_vehicle(vehicle_name, armed=arm)
    return True


def kinematics_state(motion: Kinematics) -> dict[str, Any]:
    """AirSim's KinematicsState."""
    return {"position": motion.pose.position, "orientation": motion.pose.orientation,
            "linear_velocity": motion.linear_velocity, "angular_velocity": motion.angular_velocity,
            "linear_acceleration": motion.linear_acceleration, "angular_acceleration": motion.angular_acceleration}


def kinematics_of(state: dict[str, Any]) -> Kinematics:
    """What a KinematicsState says."""
    return Kinematics(NedPose(state["position"], state["orientation"]), state["linear_velocity"],
                      state["angular_velocity"], state["linear_acceleration"], state["angular_acceleration"])


def collision_info(collision: Collision) -> dict[str, Any]:
    """AirSim's CollisionInfo."""
    return {"has_collided": collision.has_collided, "penetration_depth": collision.penetration_m,
            "time_stamp": collision.time_ns, "normal": collision.normal, "impact_point": collision.impact_point,
            "position": collision.position, "object_name": collision.object_name, "object_id": collision.object_id}


@rpc("simGetCollisionInfo", note="reading clears has_collided; touching the ground counts")
def get_collision_info(context: Context, vehicle_name: str) -> dict[str, Any]:
    vehicle(context, vehicle_name)
    read: list[Collision] = []

    def cleared(state: State) -> State:
        collision = state.vehicle(vehicle_name).collision
        read.append(collision)
        return state.with_vehicle(vehicle_name, collision=replace(collision, has_collided=False))
    context.simulator.change(cleared)
    return collision_info(read[0])


@rpc("simGetGroundTruthKinematics")
def get_ground_truth_kinematics(context: Context, vehicle_name: str) -> dict[str, Any]:
    return kinematics_state(vehicle(context, vehicle_name).kinematics)


@rpc("simSetKinematics")
def set_kinematics(context: Context, state: dict[str, Any], ignore_collision: bool, vehicle_name: str) -> None:
    vehicle(context, vehicle_name)
    context.simulator.move_vehicle(vehicle_name, kinematics_of(state))


@rpc("cancelLastTask")
def cancel_last_task(context: Context, vehicle_name: str) -> None:
    flown(context, vehicle_name)
    if context.simulator.fleet is not None:
        context.simulator.fleet.cancel(vehicle_name)


@rpc("getHomeGeoPoint", note="where the vehicle started")
def get_home_geo_point(context: Context, vehicle_name: str) -> Geodetic:
    return geodetic_from_enu(enu_from_ned(flown(context, vehicle_name).start.position), context.simulator.origin)


@rpc("simAddVehicle", note="of the type that the mode has; lifted onto the ground where it would be below")
def add_vehicle(context: Context, vehicle_name: str, vehicle_type: str, pose: NedPose, pawn_path: str) -> bool:
    return context.simulator.add_vehicle(vehicle_name, vehicle_type.lower(), pose)


@rpc("simSetTraceLine", state="absent", note="taken; no lines are drawn")
def set_trace_line(context: Context, color_rgba: list[float], thickness: float, vehicle_name: str) -> None:
    vehicle(context, vehicle_name)


@rpc("simSetExtForce", note="on every multirotor")
def set_ext_force(context: Context, ext_force: NED) -> None:
    context.simulator.change(lambda state: replace(state, extra={**state.extra, FORCE: ext_force}))


@rpc("simGetPhysicsRawKinematics")
def get_physics_raw_kinematics(context: Context, vehicle_name: str) -> dict[str, Any]:
    return kinematics_state(vehicle(context, vehicle_name).kinematics)


@rpc("simSetPhysicsRawKinematics")
def set_physics_raw_kinematics(context: Context, state: dict[str, Any], vehicle_name: str) -> None:
    vehicle(context, vehicle_name)
    context.simulator.move_vehicle(vehicle_name, kinematics_of(state))


@rpc("getComputerVisionState")
def get_computer_vision_state(context: Context, vehicle_name: str) -> dict[str, Any]:
    return {"kinematics_estimated": kinematics_state(vehicle(context, vehicle_name).kinematics),
            "timestamp": context.simulator.now_ns()}
