"""What each RPC does, a module for each group of the protocol's table. `CALLS` has them all by name."""

from __future__ import annotations

from collections.abc import Mapping

from sim_bridge.airsim.calls import (
    annotation,
    car,
    connection,
    console,
    detection,
    environment,
    geometry,
    images,
    lens,
    multirotor,
    objects,
    plot,
    recording,
    segmentation,
    sensors,
    vehicles,
)
from sim_bridge.airsim.calls.registry import Call, registered

_MODULES = (annotation, car, connection, console, detection, environment, geometry, images, lens, multirotor, objects,
            plot, recording, segmentation, sensors, vehicles)
CALLS: Mapping[str, Call] = registered()
