"""Vehicles as meshes: a body with a glazed cabin, a box for vans and containers, a ridge tent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh, Vehicle
from sim_bridge.world.shapes import F64, boxes, moved, pitched, turn

HEIGHT_M = {"car": 1.45, "van": 2.1, "truck": 3.2, "boat": 1.6, "container": 2.6, "tent": 2.4}

_BODY = {"car": 0.60, "van": 0.55, "truck": 0.40, "boat": 0.60, "container": 1.0, "tent": 0.8}
"""Share of the height that the lower body takes."""
_CABIN = {"car": (-0.06, 0.52), "van": (-0.10, 0.74), "truck": (-0.12, 0.72), "boat": (0.05, 0.30)}
"""Centre (from the middle, forward) and length of the upper body, as shares of the length."""


def vehicle_mesh(vehicle: Vehicle) -> Mesh:
    """One vehicle, see `vehicles_mesh`."""
    return vehicles_mesh([vehicle])


def vehicles_mesh(vehicles: Sequence[Vehicle], paint: str = "car_paint") -> Mesh:
    """All vehicles as one mesh: bodies, cabins, then tents. `paint` names the material of bodies and roofs."""
    solid = [v for v in vehicles if v.kind != "tent"]
    cabins = [v for v in solid if v.kind in _CABIN]
    tents = [_tent(v) for v in vehicles if v.kind == "tent"]
    return Mesh.concatenate([_bodies(solid, paint), _cabins(cabins, paint), *tents])


def _table(vehicles: Sequence[Vehicle]) -> F64:
    rows = [[v.x, v.y, v.base_m, v.yaw_deg, v.length_m, v.width_m, *v.rgb] for v in vehicles]
    return np.array(rows, np.float64).reshape(-1, 9)


def _bodies(vehicles: Sequence[Vehicle], paint: str) -> Mesh:
    t = _table(vehicles)
    top = np.array([HEIGHT_M[v.kind] * _BODY[v.kind] for v in vehicles])
    return boxes(t[:, :2], t[:, 4:6], t[:, 3], t[:, 2] + 0.15, t[:, 2] + top, paint, t[:, 6:])


def _cabins(vehicles: Sequence[Vehicle], paint: str) -> Mesh:
    """Glass all round, painted on top; a truck's load is painted on its sides as well."""
    t = _table(vehicles)
    shape = np.array([_CABIN[v.kind] for v in vehicles]).reshape(-1, 2)
    low = np.array([HEIGHT_M[v.kind] * _BODY[v.kind] for v in vehicles])
    high = np.array([HEIGHT_M[v.kind] for v in vehicles])
    side = np.array([INDEX[paint if v.kind == "truck" or paint != "car_paint" else "car_glass"] for v in vehicles])
    material = np.full((len(vehicles), 12), INDEX[paint])
    material[:, 2:10] = side[:, None]
    shift = turn(np.column_stack([shape[:, 0] * t[:, 4], np.zeros(len(t))]), t[:, 3])
    sizes = np.column_stack([shape[:, 1] * t[:, 4], 0.86 * t[:, 5]])
    return boxes(t[:, :2] + shift, sizes, t[:, 3], t[:, 2] + low, t[:, 2] + high, material, t[:, 6:])


def _tent(vehicle: Vehicle) -> Mesh:
    half = (vehicle.length_m / 2, vehicle.width_m / 2)
    ridge = pitched((-half[0], -half[1], half[0], half[1]), True, 0.3, HEIGHT_M["tent"] - 0.3, (0.0, 0.0), 0.15,
                    "tent", "tent", vehicle.rgb)
    return moved(ridge, vehicle.yaw_deg, (vehicle.x, vehicle.y, vehicle.base_m))
