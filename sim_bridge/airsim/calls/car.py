"""Cars."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sim_bridge.airsim.calls.multirotor import fleet
from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import flown, kinematics_state
from sim_bridge.embedded.car import MAX_RPM, Controls


@rpc("setCarControls", note="without API control, nobody drives")
def set_car_controls(context: Context, controls: dict[str, Any], vehicle_name: str) -> None:
    flown(context, vehicle_name)
    with fleet(context).driven(vehicle_name) as car:
        car.controls = Controls(**controls)


@rpc("getCarControls")
def get_car_controls(context: Context, vehicle_name: str) -> dict[str, Any]:
    flown(context, vehicle_name)
    with fleet(context).driven(vehicle_name) as car:
        return asdict(car.controls)


@rpc("getCarState", note="kinematic: engine speed follows from speed and gear")
def get_car_state(context: Context, vehicle_name: str) -> dict[str, Any]:
    found = flown(context, vehicle_name)
    with fleet(context).driven(vehicle_name) as car:
        return {"speed": car.speed, "gear": car.gear, "rpm": car.rpm, "maxrpm": MAX_RPM,
                "handbrake": car.used.handbrake, "kinematics_estimated": kinematics_state(found.kinematics),
                "timestamp": context.simulator.now_ns()}
