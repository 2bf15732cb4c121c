"""A simulator in this process over the small world, and its RPCs called by name, for tests of what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from small_world import small_package

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.dialects import AIRSIM, Dialect, signatures
from sim_bridge.airsim.structs import Codec
from sim_bridge.embedded.config import IDENTITY, SensorConfig, SimMode, SimulatorConfig, VehicleConfig, VehicleKind
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import Loaded
from sim_bridge.frames import NED, NedPose
from sim_bridge.world.model import Mesh

KINDS: dict[SimMode, VehicleKind] = {"ComputerVision": "computervision", "Multirotor": "simpleflight",
                                     "Car": "physxcar"}
START = NedPose(NED(3.0, 2.0, -20.0), IDENTITY.orientation)


def simulated(mode: SimMode, sensors: Sequence[SensorConfig] = (), dialect: Dialect = AIRSIM,
              start: NedPose = START, **config: Any) -> Context:
    """A simulator with one vehicle, "A", in time that stands still; no world is loaded."""
    vehicle = VehicleConfig("A", KINDS[mode], start, sensors=tuple(sensors))
    settings = SimulatorConfig(Path(), 64, 48, mode=mode, vehicles=(vehicle,), steppable=True)
    return Context(Simulator(replace(settings, **config)), dialect, "")


def load(context: Context, *things: Mesh) -> None:
    """Load a flat world of concrete with some boxes."""
    package = small_package(before=things)
    context.simulator.update(loaded=Loaded("small", package.world.origin, Scene(package)))


def call(context: Context, name: str, *args: Any) -> Any:
    """Answer of an RPC, as it would be packed."""
    signature = signatures(context.dialect.name, context.simulator.config.mode)[name]
    named = {key: value for (key, _), value in zip(signature.args, args, strict=True)}
    codec = Codec(context.dialect.name, context.dialect.arrays)
    return codec.plain(signature.returns, CALLS[name].run(context, **named))
