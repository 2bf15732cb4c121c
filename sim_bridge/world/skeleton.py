"""Roofs of equal slope over any plan: the plan shrinks, and its edges sweep out the roof's planes.

The straight skeleton (Aichholzer, Aurenhammer, Alberts and Gaertner 1995, "A novel type of skeleton for polygons") is
followed event by event: rings keep their corners until an edge has vanished or the plan falls apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.world.shapes import F64, following

Ids = npt.NDArray[np.int64]
_TOUCH_M = 1e-3
_SNAP_M = 0.03
"""How far corners move back that were drawn in to part a front."""
_STEPS = 400
"""Events after which the rest is closed by a level cap; plans of buildings have a few dozen."""


@dataclass(frozen=True)
class Face:
    """What one edge sweeps: ring (K, 3) of x, y, depth, counter-clockwise; direction: of the edge, radians."""

    ring: F64
    direction: float


@dataclass(frozen=True)
class Swept:
    """faces: sloping parts. caps: level parts (polygon, depth), mostly slivers. depth_m: the greatest depth."""

    faces: tuple[Face, ...]
    caps: tuple[tuple[shapely.Polygon, float], ...]
    depth_m: float


@dataclass
class _Trail:
    """Where the two ends of an edge have been: lists of (x, y, depth)."""

    left: list[tuple[float, float, float]] = field(default_factory=list)
    right: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Front:
    """A shrinking plan: rings, and for each corner the trail of the edge that starts there."""

    rings: list[F64]
    ids: list[Ids]
    depth: float


def sweep(plan: shapely.Polygon, breaks_m: Sequence[float] = (), limit_m: float = np.inf) -> Swept:
    """Shrinks a valid plan (holes grow) until it is gone, or to the depth `limit_m`, where a level cap closes it.

    Faces are cut at the depths `breaks_m`, so that a roof can change its slope there.
    """
    trails: list[_Trail] = []
    caps: list[tuple[shapely.Polygon, float]] = []
    stops = sorted({*(b for b in breaks_m if b < limit_m), limit_m})
    work = [_started(_rings(plan), 0.0, trails)]
    deepest = 0.0
    for _ in range(_STEPS):
        if not work:
            break
        front = work.pop()
        stop = next(s for s in stops if s > front.depth + 1e-9)
        front, whole = _advanced(front, stop - front.depth, trails)
        deepest = max(deepest, front.depth)
        if front.depth >= limit_m - 1e-9:
            caps += [(part, front.depth) for part in _polygons(_shape(front.rings))]
        else:
            broken = front.depth >= stop - 1e-9
            work += _continued(front, whole, broken, trails, caps)
    caps += [(part, front.depth) for front in work for part in _polygons(_shape(front.rings))]
    faces = (_face(trail) for trail in trails)
    return Swept(tuple(face for face in faces if face is not None), tuple(caps), deepest)


def _started(rings: list[F64], depth: float, trails: list[_Trail]) -> _Front:
    ids = []
    for ring in rings:
        ids.append(np.arange(len(trails), len(trails) + len(ring)))
        trails += [_Trail() for _ in ring]
    return _Front(rings, ids, depth)


def _rings(plan: shapely.Polygon) -> list[F64]:
    """Exterior counter-clockwise, then holes clockwise, unclosed, without corners that do not turn."""
    plan = shapely.orient_polygons(plan)
    rings = [np.asarray(ring.coords)[:-1, :2] for ring in (plan.exterior, *plan.interiors)]
    tidied = (_tidied(ring, np.arange(len(ring)))[0] for ring in rings)
    return [ring for ring in tidied if len(ring) >= 3]


def _tidied(ring: F64, ids: Ids) -> tuple[F64, Ids]:
    """Ring without repeated corners, spikes and straight angles; of two edges that become one, one keeps its id."""
    while len(ring) >= 3:
        step = following(ring) - ring
        length = np.hypot(step[:, 0], step[:, 1])
        drop = length <= _TOUCH_M
        if not drop.any():
            unit = step / length[:, None]
            before = np.concatenate([unit[-1:], unit[:-1]])
            drop = np.abs(before[:, 0] * unit[:, 1] - before[:, 1] * unit[:, 0]) <= 1e-6
        if not drop.any():
            return ring, ids
        ring, ids = _without(ring, ids, int(np.flatnonzero(drop)[0]))
    return ring[:0], ids[:0]


def _without(ring: F64, ids: Ids, k: int) -> tuple[F64, Ids]:
    """Ring without corner k: the longer of the two edges at it lives on (at a spike, its rest does)."""
    before, after = k - 1, (k + 1) % len(ring)
    first, second = ring[k] - ring[before], ring[after] - ring[k]
    ids = ids.copy()
    if second @ second > first @ first:
        ids[before] = ids[k]
    return np.delete(ring, k, axis=0), np.delete(ids, k)


def _speeds(ring: F64) -> tuple[F64, F64, F64]:
    """Velocity of the corners (N, 2) for sides moving inwards by 1, directions of sides (N, 2) and lengths (N,)."""
    step = following(ring) - ring
    length = np.hypot(step[:, 0], step[:, 1])
    along = step / length[:, None]
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    before = np.concatenate([normal[-1:], normal[:-1]])
    bend = 1 + np.einsum("ij,ij->i", normal, before)
    return (normal + before) / np.maximum(bend, 1e-4)[:, None], along, length


def _advanced(front: _Front, room: float, trails: list[_Trail]) -> tuple[_Front, bool]:
    """The front at the next event, and whether it is still whole there; the way is noted in the trails."""
    later, sunk, whole = _next_event(front.rings, room)
    moved = _Front(later, front.ids, front.depth + sunk)
    if sunk > 1e-9:
        for start, end, ids in zip(front.rings, later, front.ids, strict=True):
            _note(start, ids, front.depth, trails)
            _note(end, ids, moved.depth, trails)
    return moved, whole


def _note(ring: F64, ids: Ids, depth: float, trails: list[_Trail]) -> None:
    corners = [(x, y, depth) for x, y in ring.tolist()]
    for corner, nxt, k in zip(corners, (*corners[1:], corners[0]), ids.tolist(), strict=True):
        trails[k].left.append(corner)
        trails[k].right.append(nxt)


def _next_event(rings: list[F64], room: float) -> tuple[list[F64], float, bool]:
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


def _face(trail: _Trail) -> Face | None:
    """The closed face of an edge, without the corners at which its sides run straight on."""
    if not trail.left:
        return None
    (ax, ay, _), (bx, by, _) = trail.left[0], trail.right[0]
    ring = [*_straightened(trail.right), *_straightened(trail.left)[::-1]]
    return Face(np.array(ring), float(np.arctan2(by - ay, bx - ax)))


def _straightened(path: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Path without repeated and collinear points. Both neighbours of a path see the same points go."""
    kept: list[tuple[float, float, float]] = []
    for point in path:
        if kept and sum(abs(a - b) for a, b in zip(point, kept[-1], strict=True)) < 1e-9:
            continue
        if len(kept) >= 2 and _collinear(kept[-2], kept[-1], point):
            kept[-1] = point
        else:
            kept.append(point)
    return kept


def _collinear(a: tuple[float, float, float], b: tuple[float, float, float], c: tuple[float, float, float]) -> bool:
    """True if b lies between a and c: the path goes on, as far in plan for every metre of depth."""
    rise, run = b[2] - a[2], c[2] - b[2]
    if rise < 1e-9 or run < 1e-9:
        return False
    return (abs((b[0] - a[0]) / rise - (c[0] - b[0]) / run) < 1e-5
            and abs((b[1] - a[1]) / rise - (c[1] - b[1]) / run) < 1e-5)


def _continued(front: _Front, whole: bool, broken: bool, trails: list[_Trail],
               caps: list[tuple[shapely.Polygon, float]]) -> list[_Front]:
    """What is left to shrink after an event; slivers that are given up become caps. `broken`: all faces end here."""
    tidy = [_tidied(ring, ids) for ring, ids in zip(front.rings, front.ids, strict=True)]
    if whole and all(len(ring) >= 3 for ring, _ in tidy):
        rings = [ring for ring, _ in tidy]
        plan = shapely.Polygon(rings[0], rings[1:])
        if plan.is_valid and plan.area > 1e-3 and shapely.LinearRing(rings[0]).is_ccw:
            if broken:
                return [_started(rings, front.depth, trails)]
            return [_Front(rings, [ids for _, ids in tidy], front.depth)]
    left = shapely.union_all(_polygons(_shape(front.rings)))
    inner = shapely.buffer(left, -2 * _TOUCH_M, join_style="mitre")
    parts = [part for part in _polygons(inner, 0.01) if _rings(part)]
    pieces = [] if broken else _pieces(left, parts, front, trails)
    rest = shapely.difference(left, shapely.union_all([_shape(p.rings) for p in pieces] or parts))
    # slivers along a piece that was snapped back are thinner than a touch
    caps += [(part, front.depth) for part in _polygons(rest)
             if not pieces or not part.buffer(-_TOUCH_M / 2).is_empty]
    return pieces or [_started(_rings(part), front.depth, trails) for part in parts]


def _pieces(left: shapely.Geometry, parts: Sequence[shapely.Polygon], front: _Front,
            trails: list[_Trail]) -> list[_Front]:
    """The parts of a front that fell apart, snapped back to its corners; empty if that does not work out."""
    pieces = [_snapped(part, front, trails) for part in parts]
    sound = [piece for piece in pieces if piece is not None]
    beyond = shapely.difference(shapely.union_all([_shape(piece.rings) for piece in sound]), left)
    fits = shapely.area(beyond) < _TOUCH_M * shapely.length(left)
    return sound if len(sound) == len(pieces) and fits else []


def _snapped(part: shapely.Polygon, front: _Front, trails: list[_Trail]) -> _Front | None:
    """A part of a front that fell apart, its corners back on the front's; edges that it has whole keep their trails.

    None if that does not give a sound plan.
    """
    corners, ids = np.concatenate(front.rings), np.concatenate(front.ids)
    start = np.cumsum([0, *(len(ring) for ring in front.rings[:-1])])
    nxt = np.concatenate([s + following(np.arange(len(r))) for s, r in zip(start, front.rings, strict=True)])
    rings, names = [], []
    for ring in _rings(part):
        gap = np.linalg.norm(ring[:, None] - corners[None], axis=2)
        at = np.where(gap.min(axis=1) < _SNAP_M, gap.argmin(axis=1), -1)
        ring = np.where((at >= 0)[:, None], corners[at], ring)
        whole = (at >= 0) & (nxt[at] == following(at))
        fresh = len(trails) + np.cumsum(~whole) - 1
        trails += [_Trail() for _ in range(int((~whole).sum()))]
        ring, name = _tidied(ring, np.where(whole, ids[at], fresh))
        if len(ring) < 3:
            return None
        rings.append(ring)
        names.append(name)
    return _Front(rings, names, front.depth) if rings and _sound(rings) else None
