"""Vehicles at their starts: those without a height of their own on the ground there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sim_bridge.embedded import cameras
from sim_bridge.embedded.config import IDENTITY, VehicleConfig
from sim_bridge.embedded.contact import ground_down
from sim_bridge.embedded.state import Kinematics, State, Vehicle
from sim_bridge.frames import NED, NedPose


def new_vehicle(config: VehicleConfig, ground_m: float = 0.0) -> Vehicle:
    """A vehicle at its start. ground_m: global down of the ground there, where it starts if it names no height."""
    position = config.start.position
    free = math.isnan(position.down)
    start = NedPose(NED(position.north, position.east, ground_m if free else position.down), IDENTITY.orientation)
    moves = config.kind != "computervision"
    return Vehicle(config, start, Kinematics(NedPose(NED(0.0, 0.0, 0.0), config.start.orientation)),
                   cameras.mounted(config.kind, config.cameras), armed=moves, landed=free or not moves,
                   api_enabled=moves and config.api_always)


def grounds(state: State) -> Mapping[str, float]:
    """Global down of the ground under the start of each vehicle that moves. Raises InputError."""
    return {name: ground_of(state, vehicle.config) for name, vehicle in state.vehicles.items()}


def ground_of(state: State, config: VehicleConfig) -> float:
    """Global down of the ground under a vehicle's start; 0 for one that does not move. Raises InputError."""
    at = config.start.position
    return 0.0 if config.kind == "computervision" else ground_down(state, at.north, at.east)


def restarted(state: State, ground: Mapping[str, float]) -> State:
    """All vehicles at their starts; cameras stay as they are."""
    vehicles = {name: replace(new_vehicle(vehicle.config, ground.get(name, 0.0)), cameras=vehicle.cameras)
                for name, vehicle in state.vehicles.items()}
    return replace(state, vehicles=vehicles, paused=False)
