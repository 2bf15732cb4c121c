"""Vehicles: which there are, where they are, who controls them."""

from __future__ import annotations

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded.state import Vehicle
from sim_bridge.frames import NedPose


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


@rpc("armDisarm")
def arm_disarm(context: Context, arm: bool, vehicle_name: str) -> bool:
    flown(context, vehicle_name)
    context.simulator.change_vehicle(vehicle_name, armed=arm)
    return True
