"""Windows, doors, shop fronts and balconies: thin panes a hand in front of the walls, cheap and seen off nadir."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.world.model import Building, Mesh
from sim_bridge.world.shapes import F64, following, quads

_PROUD_M = 0.04
_MOST_PANES = {"concrete_frame": 90, "steel_light": 60}
_MOST_PANES_ELSE = 240
"""Windows of one building; where there would be more, each storey of a wall gets one band of glass."""
_CORNER_M = 0.7
"""Wall that stays free at both ends of a side."""


@dataclass(frozen=True)
class _Style:
    """Windows of a use: metres between middles, width, sill and head above each floor, and the material of the door."""

    bay_m: float
    width_m: float
    sill_m: float
    head_m: float
    door: str | None = "door"


_STYLES = {
    "house": _Style(3.3, 1.3, 0.9, 2.1), "apartments": _Style(2.9, 1.4, 0.8, 2.2),
    "commercial": _Style(4.0, 3.0, 0.7, 2.5), "industrial": _Style(7.0, 4.0, 2.6, 3.4, "garage_door"),
    "garage": _Style(9.0, 0.8, 1.2, 1.8, "garage_door"), "barn": _Style(6.0, 0.8, 1.6, 2.3, "recess"),
    "church": _Style(4.5, 1.0, 2.0, 5.0),
}


def facade(building: Building, rings: tuple[F64, ...], rng: np.random.Generator) -> list[Mesh]:
    """Openings of all walls over `rings` (in the building's frame, z above its ground); none for tanks and the like."""
    style = _STYLES.get(building.use)
    if style is None or building.custom:
        return []
    start, along, length = _sides(rings)
    storeys = max(1, building.storeys) if building.use in ("house", "apartments", "commercial") else 1
    storey_m = building.eaves_m / storeys
    first = 1 if building.soft_storey else 0
    floors = np.asarray(np.arange(first, storeys) * storey_m, np.float64)
    parts = [_windows(building, style, start, along, length, floors, storey_m)]
    if building.soft_storey:
        parts.append(_open_ground_floor(building, start, along, length, min(storey_m, 4.0)))
    elif style.door is not None:
        parts += _doors(building, style, start, along, length, rng)
    if building.use == "apartments" and storeys >= 2 and rng.random() < 0.55:
        parts.append(_balconies(building, start, along, length, floors[floors > 1.0], rng))
    return parts


def _sides(rings: tuple[F64, ...]) -> tuple[F64, F64, F64]:
    start = np.concatenate(rings)
    step = np.concatenate([following(ring) - ring for ring in rings])
    length = np.hypot(step[:, 0], step[:, 1])
    return start, step / np.maximum(length, 1e-9)[:, None], length


def _panes(start: F64, along: F64, from_m: F64, to_m: F64, low_m: F64, high_m: F64,
           proud_m: float = _PROUD_M) -> F64:
    """Upright rectangles (N, 4, 3) on walls; the outside is to the right of `along`."""
    out = np.column_stack([along[:, 1], -along[:, 0]]) * proud_m
    a, b = (start + along * s[:, None] + out for s in (from_m, to_m))
    return np.stack([np.column_stack([a, low_m]), np.column_stack([b, low_m]), np.column_stack([b, high_m]),
                     np.column_stack([a, high_m])], axis=1)


def _windows(building: Building, style: _Style, start: F64, along: F64, length: F64, floors: F64,
             storey_m: float) -> Mesh:
    bays = np.floor((length - 2 * _CORNER_M) / style.bay_m + 0.35).astype(np.int64)
    bays = np.where((bays < 1) & (length > style.width_m + 2 * _CORNER_M), 1, np.maximum(bays, 0))
    sill, head = style.sill_m, min(style.head_m, max(storey_m - 0.25, style.sill_m + 0.3))
    if bays.sum() * len(floors) > _MOST_PANES.get(building.typology, _MOST_PANES_ELSE):
        sides = np.repeat(np.flatnonzero(bays > 0), len(floors))
        low = np.tile(floors, int((bays > 0).sum())) + sill
        from_m, to_m = np.full(len(sides), _CORNER_M), length[sides] - _CORNER_M
    else:
        side = np.repeat(np.arange(len(bays)), bays)
        place = np.concatenate([(np.arange(n) + 0.5) / n for n in bays]) if len(side) else np.zeros(0)
        sides, low = np.repeat(side, len(floors)), np.tile(floors, len(side)) + sill
        middle = np.repeat(_CORNER_M + place * (length[side] - 2 * _CORNER_M), len(floors))
        from_m, to_m = middle - style.width_m / 2, middle + style.width_m / 2
    keep = low + head - sill < building.eaves_m + 0.05
    sides, low, from_m, to_m = sides[keep], low[keep], from_m[keep], to_m[keep]
    return quads(_panes(start[sides], along[sides], from_m, to_m, low, low + head - sill), "window", (128, 128, 128),
                 building.id)


def _doors(building: Building, style: _Style, start: F64, along: F64, length: F64,
           rng: np.random.Generator) -> list[Mesh]:
    """A door on one of the long sides; a garage door on a house now and then."""
    wide, tall = {"door": (1.0, 2.1), "garage_door": (2.6, 2.2), "recess": (3.6, 3.4)}[style.door or "door"]
    if building.use == "industrial":
        wide, tall = 4.2, 4.5
    tall = min(tall, building.eaves_m - 0.15)
    doors = [_opening(building, start, along, length, wide, tall, style.door or "door", rng)]
    if building.use == "house" and rng.random() < 0.4:
        doors.append(_opening(building, start, along, length, 4.6, 2.2, "garage_door", rng))
    if building.use == "industrial":
        doors += [_opening(building, start, along, length, wide, tall, "garage_door", rng) for _ in range(3)]
    if building.use == "commercial" and building.storeys == 1:
        doors.append(_opening(building, start, along, length, 3.0, 2.6, "recess", rng))
    return doors


def _opening(building: Building, start: F64, along: F64, length: F64, wide: float, tall: float, material: str,
             rng: np.random.Generator) -> Mesh:
    room = np.flatnonzero(length > wide + 0.6)
    if not len(room) or tall < 1.0:
        return Mesh.empty()
    k = int(rng.choice(room, p=length[room] / length[room].sum()))
    s = rng.uniform(0.3, length[k] - wide - 0.3)
    corners = _panes(start[[k]], along[[k]], np.array([s]), np.array([s + wide]), np.array([-0.1]), np.array([tall]),
                     1.5 * _PROUD_M)
    return quads(corners, material, 128 * rng.uniform(0.7, 1.1) * np.ones(3), building.id)


def _open_ground_floor(building: Building, start: F64, along: F64, length: F64, storey_m: float) -> Mesh:
    """Dark openings between columns 4 m apart."""
    bays = np.maximum(np.floor(length / 4.0), 1).astype(np.int64)
    side = np.repeat(np.arange(len(bays)), bays)
    first: npt.NDArray[np.int64] = np.concatenate([np.arange(n) for n in bays])
    bay = length[side] / bays[side]
    column = np.minimum(0.25, 0.2 * bay)
    high = np.full(len(side), max(storey_m - 0.45, 0.8))
    return quads(_panes(start[side], along[side], first * bay + column, (first + 1) * bay - column,
                        np.full(len(side), -0.3), high), "recess", (128, 128, 128), building.id)


def _balconies(building: Building, start: F64, along: F64, length: F64, floors: F64,
               rng: np.random.Generator) -> Mesh:
    """Slabs with a parapet in front of the longest side, above one another."""
    k = int(length.argmax())
    count = min(int(length[k] / 5.8), max(1, 24 // max(len(floors), 1)))
    if count < 1 or not len(floors):
        return Mesh.empty()
    middle = np.repeat((np.arange(count) + 0.5) * length[k] / count, len(floors))
    low = np.tile(floors, count)
    deep, half = 1.3, rng.uniform(1.2, 1.7)
    out = np.array([along[k, 1], -along[k, 0]])
    a, b = (start[k] + along[k] * (middle + side)[:, None] for side in (-half, half))
    c, d = b + out * deep, a + out * deep

    def solid(points: F64, z: F64) -> F64:
        return np.column_stack([points, z])

    floor, rail = low + 0.05, low + 1.05
    walls = [np.stack([solid(p, low - 0.1), solid(q, low - 0.1), solid(q, rail), solid(p, rail)], axis=1)
             for p, q in ((d, c), (a, d), (c, b))]
    slabs = np.stack([solid(a, floor), solid(d, floor), solid(c, floor), solid(b, floor)], axis=1)
    return quads(np.concatenate([slabs, *walls]), building.wall_material, 128 * rng.uniform(0.75, 1.15) * np.ones(3),
                 building.id)
