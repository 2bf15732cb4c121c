"""Where vehicles stand: at kerbs, on driveways, in bays and works yards, on the railway, at moorings, in camps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Layout
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Grid, Vehicle
from sim_bridge.world.parcels import Parcel, bay_rows
from sim_bridge.world.plan import Plan
from sim_bridge.world.shapes import F64, turn
from sim_bridge.world.streets import Network
from sim_bridge.world.terrain import Relief
from sim_bridge.world.works import YARD_M

Heights = Callable[[F64, F64], F64]
Place = tuple[float, float, float, str]
"""x, y, yaw and kind of a vehicle, or a key of `_MIX`."""

_PAINTS = ((240, 240, 238), (170, 172, 174), (85, 87, 90), (24, 24, 26), (120, 20, 18), (30, 48, 110), (150, 140, 120))
_PAINT_SHARES = (0.34, 0.19, 0.14, 0.16, 0.06, 0.06, 0.05)
_BOXES = ((150, 45, 30), (30, 70, 130), (40, 100, 70), (190, 190, 185), (175, 110, 30), (110, 60, 40), (60, 66, 72))
_TENTS = ((200, 200, 195), (190, 120, 40), (60, 110, 160), (70, 130, 70), (180, 60, 50))
_SIZE_M = {"car": (4.5, 1.85), "van": (5.2, 2.0), "truck": (9.0, 2.5), "boat": (6.0, 2.2), "container": (6.1, 2.44),
           "tent": (4.0, 3.0), "long": (12.2, 2.44), "wagon": (14.0, 2.8)}
"""Usual length and width; `long` is a container of 40 feet, `wagon` one on rails."""
_MIX: dict[str, tuple[list[str], list[float]]] = {
    "any": (["car", "van", "truck"], [0.82, 0.165, 0.015]),
    "drive": (["car", "van", "truck", "boat"], [0.79, 0.17, 0.005, 0.035]),
}
"""What stands at a kerb or in a bay, and on a driveway, where boats wait on trailers."""
_PAVED = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["road"], CLASS_ID["paved"])]
_SOFT = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["grass"], CLASS_ID["bare"])]


def park_vehicles(layout: Layout, network: Network, parcels: Sequence[Parcel], plans: Sequence[Plan],
                  ground: Grid, heights: Heights, rng: np.random.Generator) -> tuple[Vehicle, ...]:
    """All vehicles on land: tents on soft ground, trains on rails, the rest on pavement; none inside a building."""
    places = [*_kerbs(layout, network, rng), *_driveways(parcels, plans, rng), *_lots(parcels, rng),
              *_works(parcels, rng), *_trains(network, rng), *_stalls(parcels, rng), *_depots(parcels, rng),
              *_camps(parcels, rng)]
    table = np.array([place[:3] for place in places]).reshape(-1, 3)
    kinds = np.array([place[3] for place in places], dtype="U9")
    half = layout.size_m / 2 - 3
    below = ground.at(table[:, 0], table[:, 1])
    allowed = np.where(kinds == "tent", np.isin(below, [*_SOFT, INDEX["flagstone"], INDEX["cobble"]]),
                       np.where(kinds == "wagon", below == INDEX["ballast"], np.isin(below, _PAVED)))
    keep = np.all(np.abs(table[:, :2]) < half, axis=1) & allowed
    points = np.array([shapely.Point(x, y) for x, y in table[:, :2]], dtype=object)
    walls = np.array([shapely.Polygon(p.ring) for p in plans], dtype=object)
    keep[np.unique(shapely.STRtree(walls).query(points, predicate="dwithin", distance=1.4)[0])] = False
    keep &= ~_crowded(points, keep)
    table, kinds = table[keep], kinds[keep]
    base = heights(table[:, 0], table[:, 1])
    return tuple(_vehicle(float(x), float(y), float(z), float(yaw), str(kind), rng)
                 for (x, y, yaw), z, kind in zip(table, base, kinds, strict=True))


def _crowded(points: npt.NDArray[np.object_], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Places within 2 m of an earlier one that is kept: two sources may name one spot."""
    first, second = shapely.STRtree(points).query(points, predicate="dwithin", distance=2.0)
    late = np.zeros(len(points), bool)
    late[first[(first > second) & kept[first] & kept[second]]] = True
    return late


def afloat(boats: F64, relief: Relief, rng: np.random.Generator) -> tuple[Vehicle, ...]:
    """Boats (N, 4: x, y, yaw, length in m) on the water; those beyond its edge are left out."""
    water = shapely.union_all(relief.water)
    inside = shapely.contains_xy(shapely.buffer(water, -1.0), boats[:, 0], boats[:, 1])
    base = (relief.level_m or 0.0) - 0.35
    paints = rng.choice([0, 0, 0, 1, 2, 5, 6], len(boats))[inside]
    return tuple(Vehicle(x, y, base, yaw, length, 0.16 * length + 1.15, "boat", _PAINTS[int(paint)])
                 for (x, y, yaw, length), paint in zip(boats[inside].tolist(), paints, strict=True))


def _vehicle(x: float, y: float, z: float, yaw: float, kind: str, rng: np.random.Generator) -> Vehicle:
    if kind in _MIX:
        names, shares = _MIX[kind]
        kind = str(rng.choice(names, p=shares))
    length, width = _SIZE_M[kind]
    drawn = {"long": "container", "wagon": "container"}.get(kind, kind)
    paint = _PAINTS[int(rng.choice(len(_PAINTS), p=_PAINT_SHARES))]
    if drawn == "container":
        paint = _BOXES[int(rng.integers(0, len(_BOXES)))]
    if kind == "tent":
        paint = _TENTS[int(rng.integers(0, len(_TENTS)))]
    if kind == "truck":
        paint = _PAINTS[0]
    loose = 2.0 if drawn in ("car", "van", "truck", "boat") else 0.5
    stretch = rng.uniform(0.9, 1.1) if drawn != "container" else 1.0
    return Vehicle(x, y, z, yaw + rng.uniform(-loose, loose), float(length * stretch), width, drawn, paint)


def _kerbs(layout: Layout, network: Network, rng: np.random.Generator) -> list[Place]:
    """Every 9 m on each side a place, some of them taken; on primary roads cars are moving and rarer."""
    places = list[Place]()
    trucks = layout.settlement == "industrial"
    for street in network.streets:
        line = shapely.LineString(street.line)
        if line.length < 20 or street.bridge or street.kind in ("rail", "track", "path"):
            continue
        primary = street.kind == "primary"
        narrow = street.width_m < 5.5
        for side in (1,) if narrow else (-1, 1):
            offset = street.width_m * 0.22 if primary else street.width_m / 2 - 1.2
            for s in np.arange(10, line.length - 10, 9.0):
                if rng.random() < (0.10 if primary else 0.08 if narrow else 0.20):
                    kind = "truck" if trucks and rng.random() < 0.3 else "any"
                    places.append((*_beside(line, float(s), side * offset), kind))
    return places


def _beside(line: shapely.LineString, s: float, offset: float) -> tuple[float, float, float]:
    (ax, ay), (bx, by) = line.interpolate(s - 1).coords[0], line.interpolate(s + 1).coords[0]
    yaw = math.atan2(by - ay, bx - ax)
    return (ax + bx) / 2 - math.sin(yaw) * offset, (ay + by) / 2 + math.cos(yaw) * offset, math.degrees(yaw)


def _driveways(parcels: Sequence[Parcel], plans: Sequence[Plan], rng: np.random.Generator) -> list[Place]:
    places = list[Place]()
    for plan in plans:
        if plan.use != "house" or plan.look == "core" or rng.random() > 0.6:
            continue
        parcel = parcels[plan.parcel]
        local = turn(plan.ring - parcel.ring[0], -parcel.yaw_deg)
        front = local[local[:, 1] < local[:, 1].min() + 0.1]
        for _ in range(int(rng.choice([1, 2], p=[0.75, 0.25]))):
            low = front[:, 0].min() + 1.2
            place = np.array([rng.uniform(low, max(low, front[:, 0].max() - 1)), local[:, 1].min() - 3.6])
            x, y = turn(place, parcel.yaw_deg) + parcel.ring[0]
            places.append((float(x), float(y), parcel.yaw_deg + 90, "drive"))
    return places


def _at(parcel: Parcel, x: float, y: float, turn_deg: float, kind: str) -> Place:
    px, py = turn(np.array([x, y]), parcel.yaw_deg) + parcel.ring[0]
    return float(px), float(py), parcel.yaw_deg + turn_deg, kind


def _lots(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[Place]:
    """Rows of bays 2.7 m wide: head to head across car parks, one row in front of works and hotels."""
    places = list[Place]()
    for parcel in parcels:
        if parcel.use not in ("commercial", "industry", "hotel"):
            continue
        x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
        share = rng.uniform(0.1, 0.7)
        rows = bay_rows(y1) if parcel.use == "commercial" else np.array([5.0])
        for row in rows:
            for x in np.arange(5, x1 - 5, 2.7):
                for y in (row, row + 5.2) if parcel.use == "commercial" else (row + 1.2,):
                    if rng.random() < share:
                        places.append(_at(parcel, float(x), float(y), 90, "any"))
    return places


def _works(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[Place]:
    """Containers in blocks and trucks side by side where yards have room for them."""
    places = list[Place]()
    for parcel in parcels:
        if parcel.use not in ("industry", "logistics", "warehouse", "tanks"):
            continue
        x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
        busy = parcel.use == "logistics"
        for _ in range(int(rng.integers(2, 7)) if busy else int(rng.integers(0, 3))):
            kind = str(rng.choice(["container", "long"]))
            length, width = _SIZE_M[kind]
            x, y = rng.uniform(4, max(x1 - 20, 5)), rng.uniform(6, max(y1 - 18, 7))
            for i in range(int(rng.integers(1, 4))):
                for j in range(int(rng.integers(1, 7))):
                    places.append(_at(parcel, x + i * (length + 0.6), y + j * (width + 0.35), 0, kind))
        for x in np.arange(8.0, x1 - 8, rng.uniform(3.6, 5.0)):
            if rng.random() < (0.5 if busy else 0.12):
                places.append(_at(parcel, float(x), YARD_M - 3.0 if not busy else y1 * 0.36, 90, "truck"))
    return places


def _trains(network: Network, rng: np.random.Generator) -> list[Place]:
    """Wagons in a row on one of the tracks."""
    places = list[Place]()
    for street in network.streets:
        line = shapely.LineString(street.line)
        if street.kind != "rail" or street.bridge or line.length < 60:
            continue
        for track in (-2.1, 2.1):
            start, count = rng.uniform(8, max(line.length * 0.6, 9)), int(rng.integers(0, 14))
            for s in start + 15.2 * np.arange(count):
                if s < line.length - 10:
                    places.append((*_beside(line, float(s), track), "wagon"))
    return places


def _stalls(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[Place]:
    """Market stalls in rows on squares, on some of them."""
    places = list[Place]()
    for parcel in parcels:
        if parcel.use != "plaza" or rng.random() > 0.6:
            continue
        inside = parcel.polygon.buffer(-6)
        local = turn(shapely.get_coordinates(inside), -parcel.yaw_deg)
        if not len(local):
            continue
        for x in np.arange(local[:, 0].min(), local[:, 0].max(), 4.6):
            for y in np.arange(local[:, 1].min(), local[:, 1].max(), 7.0):
                point = turn(np.array([x, y]), parcel.yaw_deg)
                if rng.random() < 0.55 and shapely.contains_xy(inside, *point):
                    places.append((float(point[0]), float(point[1]), parcel.yaw_deg, "tent"))
    return places


def _depots(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[Place]:
    """Containers and trucks in loose rows on open yards."""
    places = list[Place]()
    for parcel in parcels:
        inside = parcel.polygon.buffer(-5)
        if parcel.use != "depot" or inside.is_empty:
            continue
        local = turn(shapely.get_coordinates(inside), -parcel.yaw_deg)
        (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
        for y in np.arange(y0, y1, rng.uniform(9, 18)):
            kind = str(rng.choice(["container", "long", "truck"]))
            for x in np.arange(x0, x1, _SIZE_M[kind][1] + 0.4):
                point = turn(np.array([x, y]), parcel.yaw_deg)
                if rng.random() < 0.3 and shapely.contains_xy(inside, *point):
                    places.append((float(point[0]), float(point[1]), parcel.yaw_deg + 90, kind))
    return places


def _camps(parcels: Sequence[Parcel], rng: np.random.Generator) -> list[Place]:
    """Tents and vans on camp sites."""
    places = list[Place]()
    for parcel in parcels:
        if parcel.use != "camp":
            continue
        x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
        for x in np.arange(5, x1 - 4, 8.5):
            for y in np.arange(5, y1 - 4, 9.0):
                if rng.random() < 0.6:
                    dx, dy = rng.uniform(-1, 1, 2)
                    places.append(_at(parcel, x + dx, y + dy, rng.uniform(0, 360), "tent"))
    return places
