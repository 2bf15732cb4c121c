"""Where vehicles stand: along the curb, on driveways, in rows on parking lots, moving on primary roads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Layout
from sim_bridge.world.homes import Plan
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Grid, Vehicle
from sim_bridge.world.parcels import Parcel, bay_rows
from sim_bridge.world.shapes import F64, turn
from sim_bridge.world.streets import Network

Heights = Callable[[F64, F64], F64]
_PAINTS = ((240, 240, 238), (170, 172, 174), (85, 87, 90), (24, 24, 26), (120, 20, 18), (30, 48, 110), (150, 140, 120))
_PAVED = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["road"], CLASS_ID["paved"])]
_PAINT_SHARES = (0.34, 0.19, 0.14, 0.16, 0.06, 0.06, 0.05)


def park_vehicles(layout: Layout, network: Network, parcels: Sequence[Parcel], plans: Sequence[Plan],
                  ground: Grid, heights: Heights, rng: np.random.Generator) -> tuple[Vehicle, ...]:
    """All vehicles of the place, on paved ground, none inside a building."""
    places = [*_curbs(network, rng), *_driveways(parcels, plans, rng), *_lots(parcels, rng)]
    table = np.array(places).reshape(-1, 3)
    half = layout.size_m / 2 - 3
    walls = shapely.buffer(shapely.union_all([shapely.Polygon(p.ring) for p in plans]), 1.4)
    shapely.prepare(walls)
    keep = np.all(np.abs(table[:, :2]) < half, axis=1) & np.isin(ground.at(table[:, 0], table[:, 1]), _PAVED)
    keep &= ~shapely.intersects_xy(walls, table[:, 0], table[:, 1])
    table = table[keep]
    base = heights(table[:, 0], table[:, 1])
    return tuple(_vehicle(float(x), float(y), float(z), float(yaw), rng)
                 for (x, y, yaw), z in zip(table, base, strict=True))


def _vehicle(x: float, y: float, z: float, yaw: float, rng: np.random.Generator) -> Vehicle:
    kind = str(rng.choice(["car", "van", "truck", "boat"], p=[0.80, 0.15, 0.03, 0.02]))
    length = {"car": 4.5, "van": 5.2, "truck": 7.5, "boat": 6.0}[kind] * rng.uniform(0.9, 1.1)
    paint = _PAINTS[int(rng.choice(len(_PAINTS), p=_PAINT_SHARES))]
    if kind == "truck":
        paint = _PAINTS[0]
    width = {"car": 1.85, "van": 2.0, "truck": 2.4, "boat": 2.2}[kind]
    return Vehicle(x, y, z, yaw + rng.uniform(-2, 2), float(length), width, kind, paint)


def _curbs(network: Network, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Every 9 m on each side a place, some of them taken; on primary roads cars are moving and rarer."""
    places = []
    for street in network.streets:
        line = shapely.LineString(street.line)
        if line.length < 20:
            continue
        primary = street.kind == "primary"
        for side in (-1, 1):
            offset = street.width_m * 0.22 if primary else street.width_m / 2 - 1.2
            for s in np.arange(10, line.length - 10, 9.0):
                if rng.random() < (0.10 if primary else 0.20):
                    places.append(_beside(line, float(s), side * offset))
    return places


def _beside(line: shapely.LineString, s: float, offset: float) -> tuple[float, float, float]:
    (ax, ay), (bx, by) = line.interpolate(s - 1).coords[0], line.interpolate(s + 1).coords[0]
    yaw = math.atan2(by - ay, bx - ax)
    return (ax + bx) / 2 - math.sin(yaw) * offset, (ay + by) / 2 + math.cos(yaw) * offset, math.degrees(yaw)


def _driveways(parcels: Sequence[Parcel], plans: Sequence[Plan],
               rng: np.random.Generator) -> list[tuple[float, float, float]]:
    places = []
    for plan in plans:
        if plan.use != "house" or rng.random() > 0.6:
            continue
        parcel = parcels[plan.parcel]
        local = turn(plan.ring - parcel.ring[0], -parcel.yaw_deg)
        front = local[local[:, 1] < local[:, 1].min() + 0.1]
        place = np.array([rng.uniform(front[:, 0].min() + 1.2, front[:, 0].max() - 1), local[:, 1].min() - 3.6])
        x, y = turn(place, parcel.yaw_deg) + parcel.ring[0]
        places.append((float(x), float(y), parcel.yaw_deg + 90))
    return places


def _lots(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Rows of bays 2.7 m wide, head to head, across commercial parcels."""
    places = []
    for parcel in parcels:
        if parcel.use != "commercial":
            continue
        x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
        share = rng.uniform(0.1, 0.65)
        for row in bay_rows(y1):
            for x in np.arange(5, x1 - 5, 2.7):
                for y in (row, row + 5.2):
                    if rng.random() < share:
                        px, py = turn(np.array([x, y]), parcel.yaw_deg) + parcel.ring[0]
                        places.append((float(px), float(py), parcel.yaw_deg + 90))
    return places
