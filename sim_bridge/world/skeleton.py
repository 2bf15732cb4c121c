"""Roofs of equal slope over any plan: the plan shrinks, and its edges sweep out the roof's planes.

The straight skeleton (Aichholzer, Aurenhammer, Alberts and Gaertner 1995, "A novel type of skeleton for polygons") is
followed event by event: rings keep their corners until an edge has vanished or the plan falls apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from sim_bridge.world.shapes import F64, following

_TOUCH_M = 1e-3
_STEPS = 200
"""Events after which the rest is closed by a level cap; plans of buildings have a few dozen."""


@dataclass(frozen=True)
class Band:
    """What one edge sweeps between two events. corners (4, 3): x, y, depth; the last two may coincide.
    direction: of its edge, radians."""

    corners: F64
    direction: float


@dataclass(frozen=True)
class Swept:
    """bands: sloping parts. caps: level parts (polygon, depth), mostly slivers. depth_m: the greatest depth."""

    bands: tuple[Band, ...]
    caps: tuple[tuple[shapely.Polygon, float], ...]
    depth_m: float


def sweep(plan: shapely.Polygon, breaks_m: Sequence[float] = (), limit_m: float = np.inf) -> Swept:
    """Shrinks a valid plan (holes grow) until it is gone, or to the depth `limit_m`, where a level cap closes it.

    Bands are cut at the depths `breaks_m` too, so that a roof can change its slope there.
    """
    bands: list[Band] = []
    caps: list[tuple[shapely.Polygon, float]] = []
    stops = sorted({*(b for b in breaks_m if b < limit_m), limit_m})
    work = [(_rings(plan), 0.0)]
    deepest = 0.0
    for _ in range(_STEPS):
        if not work:
            break
        rings, depth = work.pop()
        stop = next(s for s in stops if s > depth + 1e-9)
        later, sunk, whole = _advance(rings, stop - depth)
        bands += _bands(rings, later, depth, depth + sunk)
        depth += sunk
        deepest = max(deepest, depth)
        if depth >= limit_m - 1e-9:
            caps += [(part, depth) for part in _polygons(_shape(later))]
        else:
            work += _continued(later, whole, depth, caps)
    caps += [(part, depth) for rings, depth in work for part in _polygons(_shape(rings))]
    return Swept(tuple(bands), tuple(caps), deepest)


def _rings(plan: shapely.Polygon) -> list[F64]:
    """Exterior counter-clockwise, then holes clockwise, unclosed, without corners that do not turn."""
    plan = shapely.orient_polygons(plan)
    rings = [np.asarray(ring.coords)[:-1, :2] for ring in (plan.exterior, *plan.interiors)]
    return [tidy for tidy in (_tidied(ring) for ring in rings) if len(tidy) >= 3]


def _tidied(ring: F64) -> F64:
    """Ring without repeated corners, spikes and straight angles."""
    while len(ring) >= 3:
        step = following(ring) - ring
        length = np.hypot(step[:, 0], step[:, 1])
        keep = length > _TOUCH_M
        if keep.all():
            unit = step / length[:, None]
            before = np.concatenate([unit[-1:], unit[:-1]])
            turn = before[:, 0] * unit[:, 1] - before[:, 1] * unit[:, 0]
            keep = np.abs(turn) > 1e-6
        if keep.all():
            return ring
        # one at a time where neighbours go together: the next look decides about the other
        drop = np.flatnonzero(~keep)
        ring = np.delete(ring, drop[np.concatenate([[True], np.diff(drop) > 1])], axis=0)
    return ring[:0]


def _speeds(ring: F64) -> tuple[F64, F64, F64]:
    """Velocity of the corners (N, 2) for sides moving inwards by 1, directions of sides (N, 2) and lengths (N,)."""
    step = following(ring) - ring
    length = np.hypot(step[:, 0], step[:, 1])
    along = step / length[:, None]
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    before = np.concatenate([normal[-1:], normal[:-1]])
    bend = 1 + np.einsum("ij,ij->i", normal, before)
    return (normal + before) / np.maximum(bend, 1e-4)[:, None], along, length


def _advance(rings: list[F64], room: float) -> tuple[list[F64], float, bool]:
    """Rings at the next event, how far it is, and whether the plan is still whole there."""
    moves = [_speeds(ring) for ring in rings]
    first = room
    for speed, along, length in moves:
        closing = -np.einsum("ij,ij->i", following(speed) - speed, along)
        shrinking = closing > 1e-9
        if shrinking.any():
            first = min(first, float((length[shrinking] / closing[shrinking]).min()))

    def at(depth: float) -> list[F64]:
        return [ring + depth * speed for ring, (speed, _, _) in zip(rings, moves, strict=True)]

    if not np.isfinite(first):
        return rings, 0.0, False
    if _sound(at(first * (1 - 1e-6))):
        return at(first), first, True
    low, high = 0.0, first
    while high - low > _TOUCH_M / 2:
        middle = (low + high) / 2
        low, high = (middle, high) if _sound(at(middle)) else (low, middle)
    return at(low), low, False


def _shape(rings: list[F64]) -> shapely.Geometry:
    return shapely.make_valid(shapely.Polygon(rings[0], rings[1:])) if rings else shapely.Polygon()


def _sound(rings: list[F64]) -> bool:
    return bool(shapely.is_valid(shapely.Polygon(rings[0], rings[1:])))


def _polygons(geometry: shapely.Geometry, least_m2: float = 1e-6) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(geometry) if isinstance(p, shapely.Polygon) and p.area > least_m2]


def _bands(rings: list[F64], later: list[F64], depth: float, end: float) -> list[Band]:
    if end - depth < 1e-9:
        return []
    bands = []
    for low, high in zip(rings, later, strict=True):
        step = following(low) - low
        direction = np.arctan2(step[:, 1], step[:, 0])
        flat = np.stack([low, following(low), following(high), high], axis=1)
        level = np.broadcast_to(np.array([depth, depth, end, end])[None, :, None], (len(low), 4, 1))
        bands += [Band(c, float(d)) for c, d in zip(np.concatenate([flat, level], axis=2), direction, strict=True)]
    return bands


def _continued(rings: list[F64], whole: bool, depth: float,
               caps: list[tuple[shapely.Polygon, float]]) -> list[tuple[list[F64], float]]:
    """What is left to shrink after an event; slivers that are given up become caps."""
    tidy = [_tidied(ring) for ring in rings]
    if whole and len(tidy[0]) >= 3 and all(len(ring) >= 3 for ring in tidy):
        plan = shapely.Polygon(tidy[0], tidy[1:])
        if plan.is_valid and plan.area > 1e-3 and shapely.LinearRing(tidy[0]).is_ccw:
            return [(tidy, depth)]
    left = _shape(rings)
    inner = shapely.buffer(left, -2 * _TOUCH_M, join_style="mitre")
    parts = [part for part in _polygons(inner, 0.01) if _rings(part)]
    given_up = shapely.difference(left, shapely.union_all(parts)) if parts else left
    caps += [(part, depth) for part in _polygons(given_up)]
    return [(_rings(part), depth) for part in parts]
