"""Buildings as meshes: walls below ground to the eaves, and the roof that the footprint and its kind ask for.

A pitched roof over an L- or T-shaped plan is made of one pitched roof a wing; wings run into the main roof, so that
seen from outside they meet in valleys. Overlapping inside is never seen.
"""

from __future__ import annotations

import numpy as np
import shapely

from sim_bridge.world.model import Building, Mesh
from sim_bridge.world.shapes import F64, box, cap, mesh_of, moved, object_rng, pitched, prism_walls, turn

Rect = tuple[float, float, float, float]

OVERHANG_M = 0.45
_BELOW_M = 1.5
"""How far walls reach below `base_m`, so that none floats on a slope."""
_RIGHT_M = 0.05
"""A plan counts as right-angled if each side is parallel to its frame within this."""


def building_mesh(building: Building) -> Mesh:
    """Walls, roof and what stands on it; every face carries the building's id.

    Draws (tint, chimneys, solar panels, roof units) depend on the building alone.
    """
    rng = object_rng(building.id, *building.footprint[0])
    ring = local_ring(building)
    rects = wings(ring)
    wall = _tint(rng, 0.18, 0.05)
    roof = _tint(rng, 0.22, 0.05)
    walls = prism_walls(ring, -_BELOW_M, building.eaves_m, building.wall_material, wall, building.id)
    if building.roof == "flat" or not rects:
        parts = [walls, *_flat_roof(building, ring, roof, rng)]
    elif building.roof == "shed":
        parts = [walls, _shed_roof(building, rects[0], roof)]
    else:
        parts = [walls, *_pitched_roofs(building, rects, roof, wall), *_on_the_roof(building, rects[0], rng)]
    x, y = building.footprint[0]
    return moved(Mesh.concatenate(parts), building.yaw_deg, (x, y, building.base_m))


def local_ring(building: Building) -> F64:
    """Footprint (N, 2) in the building's frame: origin at its first corner, x along its long side."""
    ring = np.asarray(building.footprint, np.float64)
    return turn(ring - ring[0], -building.yaw_deg)


def wings(ring: F64) -> tuple[Rect, ...]:
    """Largest rectangles in a right-angled plan, the main one first, then one for each wing.

    Empty if the plan is not right-angled in its frame. Wings reach back to the middle of the main rectangle.
    """
    sides = np.abs(np.roll(ring, -1, axis=0) - ring)
    if np.any(sides.min(axis=1) > _RIGHT_M):
        return ()
    found = _maximal_rectangles(ring)
    main = max(found, key=lambda r: (r[2] - r[0]) * (r[3] - r[1]))
    return (main, *(wing for rect in found if rect != main for wing in _outside(rect, main)))


def _maximal_rectangles(ring: F64) -> list[Rect]:
    """All axis-parallel rectangles inside the ring that no other one holds; plans have a dozen corners at most."""
    polygon = shapely.Polygon(ring).buffer(_RIGHT_M)
    xs, ys = (_levels(ring[:, k]) for k in (0, 1))
    spans = [(x0, y0, x1, y1) for i, x0 in enumerate(xs) for x1 in xs[i + 1:]
             for j, y0 in enumerate(ys) for y1 in ys[j + 1:]]
    table = np.array(spans)
    inside = table[shapely.covers(polygon, shapely.box(*table.T))]
    held = [np.any(np.all((inside[:, :2] <= r[:2]) & (inside[:, 2:] >= r[2:]), axis=1) & np.any(inside != r, axis=1))
            for r in inside]
    return [(float(r[0]), float(r[1]), float(r[2]), float(r[3])) for r, h in zip(inside, held, strict=True) if not h]


def _levels(values: F64) -> list[float]:
    ordered = np.sort(values)
    return [float(v) for v in ordered[np.concatenate([[True], np.diff(ordered) > 2 * _RIGHT_M])]]


def _outside(rect: Rect, main: Rect) -> list[Rect]:
    """The parts of `rect` beyond `main`, each reaching back to the middle of `main`."""
    cx, cy = (main[0] + main[2]) / 2, (main[1] + main[3]) / 2
    parts = []
    if rect[0] < main[0]:
        parts.append((rect[0], rect[1], cx, rect[3]))
    if rect[2] > main[2]:
        parts.append((cx, rect[1], rect[2], rect[3]))
    if rect[1] < main[1]:
        parts.append((rect[0], rect[1], rect[2], cy))
    if rect[3] > main[3]:
        parts.append((rect[0], cy, rect[2], rect[3]))
    return parts


def _tint(rng: np.random.Generator, brightness: float, hue: float) -> F64:
    whole = 1 + rng.uniform(-brightness, brightness)
    return np.asarray(128 * whole * (1 + rng.uniform(-hue, hue, 3)))


def _pitched_roofs(building: Building, rects: tuple[Rect, ...], tint: F64, wall: F64) -> list[Mesh]:
    main = rects[0]
    rise = building.ridge_m - building.eaves_m
    slope = 2 * rise / min(main[2] - main[0], main[3] - main[1])
    roofs = [_one_roof(building, main, main[2] - main[0] >= main[3] - main[1], rise, (True, True), tint)]
    for wing in rects[1:]:
        beyond_x = wing[0] < main[0] or wing[2] > main[2]
        width = wing[3] - wing[1] if beyond_x else wing[2] - wing[0]
        outer = (wing[0] < main[0], wing[2] > main[2]) if beyond_x else (wing[1] < main[1], wing[3] > main[3])
        roofs.append(_one_roof(building, wing, beyond_x, min(slope * width / 2, 0.97 * rise), outer, tint))
    return roofs


def _one_roof(building: Building, rect: Rect, along_x: bool, rise: float, outer: tuple[bool, bool],
              tint: F64) -> Mesh:
    """Roof of one wing; only its outer ends may be hipped. A pyramid where the plan is about square."""
    span = (rect[3] - rect[1]) if along_x else (rect[2] - rect[0])
    length = (rect[2] - rect[0]) if along_x else (rect[3] - rect[1])
    hip = min(span, length) / 2 - 0.01 if building.roof == "hip" else 0.0
    return pitched(rect, along_x, building.eaves_m, rise, (hip * outer[0], hip * outer[1]), OVERHANG_M,
                   building.roof_material, building.wall_material, tint, building.id)


def _shed_roof(building: Building, rect: Rect, tint: F64) -> Mesh:
    """One slope over the bounding rectangle, high along its y1 side, closed below by upright ends."""
    o = OVERHANG_M / 2
    x0, y0, x1, y1 = rect[0] - o, rect[1] - o, rect[2] + o, rect[3] + o
    low, high = building.eaves_m, building.ridge_m
    top = [[x0, y0, low], [x1, y0, low], [x1, y1, high], [x0, y1, high]]
    slope = mesh_of(top, [[0, 1, 2], [0, 2, 3]], building.roof_material, building.id, tint)
    ends = [[x0, y0, low], [x1, y0, low], [x1, y1, high], [x0, y1, high], [x1, y1, low], [x0, y1, low]]
    sides = mesh_of(ends, [[1, 4, 2], [0, 3, 5], [4, 5, 3], [4, 3, 2]], building.wall_material, building.id)
    return Mesh.concatenate([slope, sides])


def _flat_roof(building: Building, ring: F64, tint: F64, rng: np.random.Generator) -> list[Mesh]:
    """Slab, a parapet on larger roofs, and air handling units."""
    plan = shapely.Polygon(ring)
    parts = [cap(plan, building.eaves_m, building.roof_material, tint, building.id)]
    within = plan.buffer(-0.4, join_style="mitre")
    if plan.area < 120 or not isinstance(within, shapely.Polygon) or within.is_empty:
        return parts
    inner, top = _clockwise(np.asarray(within.exterior.coords)[:-1]), building.eaves_m + 0.7
    parts += [prism_walls(side, building.eaves_m, top, building.wall_material, tint, building.id)
              for side in (ring, inner)]
    parts.append(cap(shapely.Polygon(ring, [inner]), top, "roof_unit", (105, 105, 105), building.id))
    return parts + _roof_units(building, ring, min(int(plan.area / 160) + 1, 14), rng)


def _clockwise(ring: F64) -> F64:
    return ring[::-1] if shapely.LinearRing(ring).is_ccw else ring


def _roof_units(building: Building, ring: F64, count: int, rng: np.random.Generator) -> list[Mesh]:
    room = shapely.Polygon(ring).buffer(-3)
    low, high = ring.min(axis=0), ring.max(axis=0)
    units = []
    for _ in range(count):
        x, y = rng.uniform(low, high)
        size = rng.uniform(1.2, 3.4, 2)
        if room.contains(shapely.Point(x, y)):
            units.append(box((x, y), (size[0], size[1]), 0.0, building.eaves_m, building.eaves_m + rng.uniform(0.8, 2),
                             "roof_unit", _tint(rng, 0.25, 0.02), building.id))
    return units


def _on_the_roof(building: Building, main: Rect, rng: np.random.Generator) -> list[Mesh]:
    """A chimney or vents near the ridge, and now and then solar panels on one slope."""
    along_x = main[2] - main[0] >= main[3] - main[1]
    rise, parts = building.ridge_m - building.eaves_m, []
    for _ in range(rng.integers(0, 3) if building.use == "house" else 0):
        s, across = rng.uniform(0.25, 0.75), rng.uniform(-0.25, 0.25)
        z = building.eaves_m + rise * (1 - 2 * abs(across))
        x, y = _on_rect(main, along_x, s, across)
        parts.append(box((x, y), (0.6, 0.6), 0, z - 0.5, z + 0.5, "roof_unit", (100, 96, 92), building.id))
    if building.use == "house" and rng.random() < 0.10:
        parts.append(_solar(building, main, along_x, rise, -0.5 if rng.random() < 0.5 else 0.5))
    return parts


def _on_rect(rect: Rect, along_x: bool, s: float, across: float) -> tuple[float, float]:
    """Point at share s along the ridge and `across` (-0.5 to 0.5) the span."""
    if along_x:
        return rect[0] + s * (rect[2] - rect[0]), (rect[1] + rect[3]) / 2 + across * (rect[3] - rect[1])
    return (rect[0] + rect[2]) / 2 + across * (rect[2] - rect[0]), rect[1] + s * (rect[3] - rect[1])


def _solar(building: Building, main: Rect, along_x: bool, rise: float, side: float) -> Mesh:
    """A rectangle of panels 0.12 m above one slope."""
    corners = []
    for s, share in ((0.3, 0.75), (0.7, 0.75), (0.7, 0.25), (0.3, 0.25)):
        x, y = _on_rect(main, along_x, s, side * share)
        corners.append([x, y, building.eaves_m + rise * (1 - share) + 0.12])
    edge, other = np.subtract(corners[1], corners[0]), np.subtract(corners[2], corners[0])
    up = edge[0] * other[1] - edge[1] * other[0] > 0
    faces = [[0, 1, 2], [0, 2, 3]] if up else [[0, 2, 1], [0, 3, 2]]
    return mesh_of(corners, faces, "solar_panel", building.id)
