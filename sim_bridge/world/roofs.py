"""Planes of roofs over any plan. Heights are above the eaves, in the building's frame.

Two ways lead to a roof: the plan shrinks (`skeleton.sweep`: hip, mansard, dome, cone), or a profile runs across the
plan and is the same all along it (gable, gambrel, shed, sawtooth, monitor, barrel).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from sim_bridge.world.model import Mesh
from sim_bridge.world.shapes import F64, I64, cap_corners, following, mesh_of, turn
from sim_bridge.world.skeleton import Swept, sweep

Strip = tuple[float, float, float, float]
"""Part of a profile: it runs from (v0, z0) to (v1, z1), v across the plan."""
_COMPACT = 0.8
"""Share of its bounding rectangle that a plan must fill to bear one ridge from end to end."""


@dataclass(frozen=True)
class Facet:
    """A plane of a roof: ring (K, 3), counter-clockwise from above, and which way it falls, radians (None: level)."""

    ring: F64
    downhill: float | None


@dataclass(frozen=True)
class Roof:
    """facets: planes, without what hangs over counted apart. walls: upright quads (N, 4, 3) from 0 to the roof, where
    it is not level along the walls. risers: upright quads (N, 4, 3) between planes (lights of a sawtooth roof)."""

    facets: tuple[Facet, ...]
    walls: F64
    risers: F64


_NONE = np.zeros((0, 4, 3))


def swept_roof(plan: shapely.Polygon, rise_m: float, overhang_m: float, kind: str = "hip") -> Roof:
    """Hip roof (or mansard, dome, cone) whose top is `rise_m` above the eaves; holes get slopes of their own."""
    over = plan.buffer(overhang_m, join_style="mitre", mitre_limit=2.0) if overhang_m > 0 else plan
    if not isinstance(over, shapely.Polygon) or len(over.interiors) != len(plan.interiors):
        over, overhang_m = plan, 0.0
    reach = _inner_radius(plan)
    shape, breaks = _PROFILES.get(kind, _PROFILES["hip"])
    swept = sweep(over, [overhang_m + b * reach for b in breaks])
    inside = max(swept.depth_m - overhang_m, 1e-3)
    eaves_slope = min(2.0, float(shape(np.array(0.1))) * 10)

    def height(depth: F64) -> F64:
        share = (depth - overhang_m) / inside
        return np.asarray(rise_m * np.where(share < 0, share * eaves_slope, shape(share)))

    return Roof(_facets(swept, height), _NONE, _NONE)


def _facets(swept: Swept, height: Callable[[F64], F64]) -> tuple[Facet, ...]:
    facets = []
    for face in swept.faces:
        ring = np.column_stack([face.ring[:, :2], height(face.ring[:, 2])])
        facets.append(Facet(ring, face.direction - np.pi / 2))
    for polygon, depth in swept.caps:
        for corners in cap_corners(polygon):
            facets.append(Facet(np.column_stack([corners, np.full(3, float(height(np.array(depth))))]), None))
    return tuple(facets)


def _inner_radius(plan: shapely.Polygon) -> float:
    return float(shapely.maximum_inscribed_circle(plan, tolerance=0.2).length)


def _hip(share: F64) -> F64:
    return share


def _mansard(share: F64) -> F64:
    """Steep for a fifth of the way, then nearly level."""
    return np.asarray(np.where(share < 0.2, 3.5 * share, 0.7 + 0.375 * (share - 0.2)))


def _dome(share: F64) -> F64:
    return np.asarray(np.sqrt(np.clip(1 - (1 - share) ** 2, 0, 1)))


_PROFILES: dict[str, tuple[Callable[[F64], F64], tuple[float, ...]]] = {
    "hip": (_hip, ()), "cone": (_hip, ()), "mansard": (_mansard, (0.2,)), "dome": (_dome, (0.08, 0.3, 0.62)),
}


def takes_profile(plan: shapely.Polygon) -> bool:
    """True for plans without courtyard that about fill their bounding rectangle."""
    return not plan.interiors and plan.area > _COMPACT * float(shapely.oriented_envelope(plan).area)


def profiled_roof(plan: shapely.Polygon, kind: str, rise_m: float, overhang_m: float) -> Roof:
    """Roof of one profile along the plan's long axis; walls reach up to it. The plan has no holes."""
    yaw_deg = _long_axis_deg(plan)
    ring = turn(np.asarray(plan.exterior.coords)[:-1, :2], -yaw_deg)
    low, high = ring[:, 1].min(), ring[:, 1].max()
    over = shapely.Polygon(ring).buffer(overhang_m, join_style="mitre", mitre_limit=2.0)
    strips = profile(kind, low, high, rise_m, overhang_m)
    facets = [facet for strip in strips for facet in _strip_facets(over, strip)]
    roof = Roof(tuple(facets), _profile_walls(ring, strips), _risers(shapely.Polygon(ring), strips))
    return _turned(roof, yaw_deg)


def profile(kind: str, low: float, high: float, rise_m: float, overhang_m: float) -> list[Strip]:
    """Strips of a kind of roof between the walls at v = low and high, drawn out over them by `overhang_m`."""
    span, o = high - low, overhang_m
    if kind == "shed":
        return [(low - o, high + o, 0.0, rise_m)]
    if kind == "sawtooth":
        count = max(2, round(span / 9))
        edges = np.linspace(low, high, count + 1)
        return [(float(a), float(b), 0.0, rise_m) for a, b in itertools.pairwise(edges)]
    if kind == "ridges":
        edges = np.linspace(low, high, 2 * max(1, round(span / 6.4)) + 1)
        return [(float(a), float(b), rise_m * (k % 2), rise_m * (1 - k % 2))
                for k, (a, b) in enumerate(itertools.pairwise(edges))]
    marks = {
        "gambrel": ((0.0, 0.0), (0.22, 0.62), (0.5, 1.0)),
        "barrel": ((0.0, 0.0), (0.06, 0.42), (0.2, 0.8), (0.5, 1.0)),
        "monitor": ((0.0, 0.0), (0.34, 0.45), (0.34, 0.85), (0.5, 1.0)),
    }.get(kind, ((0.0, 0.0), (0.5, 1.0)))
    half = [(low + a * span, low + b * span, rise_m * y, rise_m * z)
            for (a, y), (b, z) in itertools.pairwise(marks) if b > a]
    a, b, y, z = half[0]
    half[0] = (a - o, b, y - o * (z - y) / (b - a), z)
    return half + [(low + high - b, low + high - a, z, y) for a, b, y, z in reversed(half)]


def _strip_facets(over: shapely.Polygon, strip: Strip) -> list[Facet]:
    v0, v1, z0, z1 = strip
    west, _, east, _ = over.bounds
    part = shapely.intersection(over, shapely.box(west - 1, v0, east + 1, v1))
    facets = []
    for polygon in shapely.get_parts(part):
        if not isinstance(polygon, shapely.Polygon) or polygon.area < 1e-6:
            continue
        flat = np.asarray(shapely.orient_polygons(polygon).exterior.coords)[:-1]
        z = z0 + (flat[:, 1] - v0) / (v1 - v0) * (z1 - z0)
        facets.append(Facet(np.column_stack([flat, z]), None if z0 == z1 else (-np.pi / 2 if z1 > z0 else np.pi / 2)))
    return facets


def _profile_walls(ring: F64, strips: Sequence[Strip]) -> F64:
    """Every side of the ring under every strip, from z = 0 to the roof; (N, 4, 3)."""
    a, b = ring, following(ring)
    quads = []
    for v0, v1, z0, z1 in strips:
        fall = b[:, 1] - a[:, 1]
        level = np.abs(fall) < 1e-9
        safe = np.where(level, 1.0, fall)
        enter, leave = (v0 - a[:, 1]) / safe, (v1 - a[:, 1]) / safe
        within = (a[:, 1] >= v0 - 1e-9) & (a[:, 1] <= v1 + 1e-9)
        s = np.where(level, np.where(within, 0.0, 2.0), np.clip(np.minimum(enter, leave), 0, 1))
        e = np.where(level, np.where(within, 1.0, 2.0), np.clip(np.maximum(enter, leave), 0, 1))
        keep = e - s > 1e-6
        p, q = (a + t[:, None] * (b - a) for t in (s, e))
        top = [np.maximum(z0 + (point[:, 1] - v0) / (v1 - v0) * (z1 - z0), 0.0) for point in (p, q)]
        ground = np.zeros(len(a))
        quad = np.stack([np.column_stack([p, ground]), np.column_stack([q, ground]),
                         np.column_stack([q, top[1]]), np.column_stack([p, top[0]])], axis=1)
        quads.append(quad[keep])
    return np.concatenate(quads)


def _risers(plan: shapely.Polygon, strips: Sequence[Strip]) -> F64:
    """Upright quads where one strip ends above the next, looking to the lower side."""
    west, _, east, _ = plan.bounds
    quads = []
    for (_, v, _, left), (_, _, right, _) in itertools.pairwise(strips):
        if abs(left - right) < 1e-6:
            continue
        cut = shapely.intersection(plan, shapely.LineString([(west - 1, v), (east + 1, v)]))
        low, high = min(left, right), max(left, right)
        for line in shapely.get_parts(cut):
            if line.length < 0.1:
                continue
            u0, u1 = line.bounds[0], line.bounds[2]
            start, end = (u1, u0) if left > right else (u0, u1)
            quads.append([[start, v, low], [end, v, low], [end, v, high], [start, v, high]])
    return np.array(quads).reshape(-1, 4, 3)


def half_hip_roof(rect: tuple[float, float, float, float], rise_m: float, overhang_m: float) -> Roof:
    """Gable roof over a rectangle whose ridge ends in small hips; the ridge runs along the longer side."""
    x0, y0, x1, y1 = rect
    if x1 - x0 < y1 - y0:
        turned = half_hip_roof((y0, -x1, y1, -x0), rise_m, overhang_m)
        return _turned(turned, 90.0)
    o, middle, half, k = overhang_m, (y0 + y1) / 2, (y1 - y0) / 2, 0.6
    low, cut = -o * rise_m / half, k * rise_m
    back = (1 - k) * half
    left, right = x0 - o, x1 + o
    ridge = [[left + back, middle, rise_m], [right - back, middle, rise_m]]
    south = [[left, y0 - o, low], [right, y0 - o, low], [right, middle - back, cut], ridge[1], ridge[0],
             [left, middle - back, cut]]
    north = [[right, y1 + o, low], [left, y1 + o, low], [left, middle + back, cut], ridge[0], ridge[1],
             [right, middle + back, cut]]
    east = [[right, middle - back, cut], [right, middle + back, cut], ridge[1]]
    west = [[left, middle + back, cut], [left, middle - back, cut], ridge[0]]
    facets = tuple(Facet(np.array(ring), angle) for ring, angle in
                   ((south, -np.pi / 2), (north, np.pi / 2), (east, 0.0), (west, np.pi)))
    strips = [(y0, y0 + k * half, 0.0, cut), (y0 + k * half, y1 - k * half, cut, cut), (y1 - k * half, y1, cut, 0.0)]
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return Roof(facets, _profile_walls(ring, strips), _NONE)


def winged_roof(rects: Sequence[tuple[float, float, float, float]], rise_m: float, overhang_m: float) -> Roof:
    """Gables over a right-angled plan: one roof a wing, `rects` from `buildings.wings`; wings meet in valleys."""
    main = rects[0]
    along_x = main[2] - main[0] >= main[3] - main[1]
    slope = 2 * rise_m / min(main[2] - main[0], main[3] - main[1])
    roofs = [_gabled_rect(main, along_x, rise_m, (True, True), overhang_m)]
    for wing in rects[1:]:
        beyond_x = wing[0] < main[0] or wing[2] > main[2]
        width = wing[3] - wing[1] if beyond_x else wing[2] - wing[0]
        outer = (wing[0] < main[0], wing[2] > main[2]) if beyond_x else (wing[1] < main[1], wing[3] > main[3])
        roofs.append(_gabled_rect(wing, beyond_x, min(slope * width / 2, 0.97 * rise_m), outer, overhang_m))
    return Roof(tuple(f for r in roofs for f in r.facets), np.concatenate([r.walls for r in roofs]), _NONE)


def _gabled_rect(rect: tuple[float, float, float, float], along_x: bool, rise: float, outer: tuple[bool, bool],
                 overhang_m: float) -> Roof:
    """Two slopes, and gables at the outer ends."""
    if not along_x:
        return _turned(_gabled_rect((rect[1], -rect[2], rect[3], -rect[0]), True, rise, outer, overhang_m), 90.0)
    x0, y0, x1, y1 = rect
    middle, o = (y0 + y1) / 2, overhang_m
    low = -o * rise / ((y1 - y0) / 2)
    left, right = x0 - o * outer[0], x1 + o * outer[1]
    south = [[left, y0 - o, low], [right, y0 - o, low], [right, middle, rise], [left, middle, rise]]
    north = [[right, y1 + o, low], [left, y1 + o, low], [left, middle, rise], [right, middle, rise]]
    walls = []
    if outer[1]:
        walls.append([[x1, y0, 0], [x1, y1, 0], [x1, middle, rise], [x1, middle, rise]])
    if outer[0]:
        walls.append([[x0, y1, 0], [x0, y0, 0], [x0, middle, rise], [x0, middle, rise]])
    facets = (Facet(np.array(south), -np.pi / 2), Facet(np.array(north), np.pi / 2))
    return Roof(facets, np.array(walls, np.float64).reshape(-1, 4, 3), _NONE)


def _turned(roof: Roof, yaw_deg: float) -> Roof:
    def solid(points: F64) -> F64:
        return np.concatenate([turn(points[..., :2], yaw_deg), points[..., 2:]], axis=-1)

    facets = tuple(Facet(solid(f.ring), None if f.downhill is None else f.downhill + np.radians(yaw_deg))
                   for f in roof.facets)
    return Roof(facets, solid(roof.walls), solid(roof.risers))


def _long_axis_deg(plan: shapely.Polygon) -> float:
    box = shapely.get_coordinates(shapely.oriented_envelope(plan))
    sides = box[1:3] - box[:2]
    side = sides[int(np.hypot(sides[:, 0], sides[:, 1]).argmax())]
    return float(np.degrees(np.arctan2(side[1], side[0])))


def facets_mesh(facets: Sequence[Facet], eaves_m: float, material: str, tints: F64, instance: int) -> Mesh:
    """Facets as triangles; tints (len(facets), 3)."""
    vertices, faces, owner, count = [], [], [], 0
    for k, facet in enumerate(facets):
        triangles = _triangles(facet.ring)
        vertices.append(facet.ring)
        faces.append(triangles + count)
        owner += [k] * len(triangles)
        count += len(facet.ring)
    points = np.concatenate(vertices) + np.array([0.0, 0.0, eaves_m])
    return mesh_of(points, np.concatenate(faces), material, instance, tints[owner])


def _triangles(ring: F64) -> I64:
    """Triangles (T, 3) of a plane ring that looks up; those without area are left out."""
    n = len(ring)
    fan = np.column_stack([np.zeros(n - 2, np.int64), np.arange(1, n - 1), np.arange(2, n)])
    area = _doubled(ring, fan)
    if (area < -1e-9).any():
        fan = _cut(ring)
        area = _doubled(ring, fan)
    return fan[area > 1e-9]


def _doubled(ring: F64, faces: I64) -> F64:
    a, b, c = (ring[faces[:, k], :2] for k in range(3))
    return np.asarray((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))


def _cut(ring: F64) -> I64:
    """Constrained triangulation of a ring that is not convex, as indices into it."""
    # surveyed plans have walls of millimetres: a facet over one may fold over itself
    sound = shapely.get_parts(shapely.make_valid(shapely.Polygon(ring[:, :2])))
    solid = [part for part in sound if isinstance(part, shapely.Polygon) and part.area > 1e-6]
    if not solid:
        return np.zeros((0, 3), np.int64)
    corners = np.concatenate([cap_corners(part) for part in solid])
    gap = np.abs(corners.reshape(-1, 1, 2) - ring[None, :, :2]).sum(axis=2)
    return np.asarray(gap.argmin(axis=1).reshape(-1, 3), np.int64)
