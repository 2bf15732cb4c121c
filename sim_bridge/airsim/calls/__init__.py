"""What each RPC does, a module for each group of the protocol's table. `CALLS` has them all by name."""

from __future__ import annotations

from collections.abc import Mapping

from sim_bridge.airsim.calls import (
    connection,
    console,
    environment,
    images,
    multirotor,
    objects,
    segmentation,
    sensors,
    vehicles,
)
from sim_bridge.airsim.calls.registry import Call, registered

_MODULES = (connection, console, environment, images, multirotor, objects, segmentation, sensors, vehicles)
CALLS: Mapping[str, Call] = registered()
