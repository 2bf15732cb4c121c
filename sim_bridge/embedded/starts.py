"""Vehicles at their starts: those without a height of their own on the ground there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sim_bridge.embedded import cameras
from sim_bridge.embedded.config import DEFAULT_VEHICLE, IDENTITY, SimulatorConfig, VehicleConfig
from sim_bridge.embedded.contact import ground_down
from sim_bridge.embedded.state import Kinematics, State, Vehicle
from sim_bridge.frames import NED, NedPose

_NAME_CHARACTERS, _MOST = 100, 64


def new_vehicle(config: VehicleConfig, ground_m: float = 0.0) -> Vehicle:
    """A vehicle at its start. ground_m: global down of the ground there, where one that moves starts if it names no
    height, or one below the ground."""
    position = config.start.position
    moves = config.kind != "computervision"
    named = 0.0 if math.isnan(position.down) else position.down
    down = named if not moves else ground_m if math.isnan(position.down) else min(named, ground_m)
    start = NedPose(NED(position.north, position.east, down), IDENTITY.orientation)
    return Vehicle(config, start, Kinematics(NedPose(NED(0.0, 0.0, 0.0), config.start.orientation)),
                   cameras.mounted(config.kind, config.cameras), armed=moves, landed=not moves or down == ground_m,
                   api_enabled=moves and config.api_always)


def grounds(state: State) -> Mapping[str, float]:
    """Global down of the ground under the start of each vehicle that moves. Raises InputError."""
    return {name: ground_of(state, vehicle.config) for name, vehicle in state.vehicles.items()}


def ground_of(state: State, config: VehicleConfig) -> float:
    """Global down of the ground under a vehicle's start; 0 for one that does not move. Raises InputError."""
    at = config.start.position
    return 0.0 if config.kind == "computervision" else ground_down(state, at.north, at.east)


def added(config: SimulatorConfig, state: State, name: str, kind: str, pose: NedPose) -> Vehicle | None:
    """A vehicle that is to be added; None for a name that is taken or unfit, or a kind that is not the mode's.

    Raises InputError.
    """
    own = DEFAULT_VEHICLE[config.mode][1]
    if kind != own or not 0 < len(name) <= _NAME_CHARACTERS or name in state.vehicles or len(state.vehicles) >= _MOST:
        return None
    made = VehicleConfig(name, own, pose)
    return new_vehicle(made, ground_of(state, made))


def restarted(state: State, ground: Mapping[str, float]) -> State:
    """All vehicles at their starts; cameras stay as they are."""
    vehicles = {name: replace(new_vehicle(vehicle.config, ground.get(name, 0.0)), cameras=vehicle.cameras)
                for name, vehicle in state.vehicles.items()}
    return replace(state, vehicles=vehicles, paused=False)
