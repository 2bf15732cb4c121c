"""Buildings as meshes: walls below ground to the eaves, openings, and the roof that the plan and its kind ask for.

A gable roof over an L- or T-shaped plan is made of one roof a wing; wings run into the main roof, so that seen from
outside they meet in valleys. Overlapping inside is never seen. Plans with courtyards and crooked ones get slopes of
equal pitch all round (`skeleton.sweep`).
"""

from __future__ import annotations

import numpy as np
import shapely

from sim_bridge.world import roofs
from sim_bridge.world.facades import facade
from sim_bridge.world.model import Building, Mesh
from sim_bridge.world.roofing import Slopes, on_flat, on_slopes
from sim_bridge.world.roofs import Roof
from sim_bridge.world.shapes import F64, box, cap, mesh_of, moved, object_rng, prism_walls, quads, turn

Rect = tuple[float, float, float, float]

ROOFS = ("gable", "hip", "half_hip", "gambrel", "mansard", "shed", "flat", "sawtooth", "monitor", "dome", "cone")
USES = ("house", "garage", "apartments", "commercial", "industrial", "barn", "greenhouse", "church", "tank", "silo")
_BELOW_M = 1.5
"""How far walls reach below `base_m`, so that none floats on a slope."""
_RIGHT_M = 0.05
"""A plan counts as right-angled if each side is parallel to its frame within this."""
_MOST_CORNERS = 20
_LEAST_RISE_M = 0.05
_GLASS_TINT = np.array([245.0, 245.0, 235.0])
"""A greenhouse is brighter than a pane over a dark room."""
_MASONRY_OVERHANG_M = 0.15
"""Small, so that roofs of houses that share a wall do not cross."""
_STONE = ("masonry", "reinforced_masonry", "concrete_frame")
_OVERHANG_M = {"house": 0.45, "barn": 0.4, "garage": 0.25, "apartments": 0.3, "greenhouse": 0.0, "tank": 0.0,
               "silo": 0.0, "industrial": 0.15}


def building_mesh(building: Building) -> Mesh:
    """Walls, openings, roof and what stands on it; every face carries the building's id. Any valid plan will do.

    Draws (tint, chimneys, solar panels, roof units) depend on the building alone.
    """
    rng = object_rng(building.id, *building.footprint[0])
    plan = local_plan(building)
    rings = tuple(shapely.get_coordinates(ring)[:-1] for ring in (plan.exterior, *plan.interiors))
    wall, tone = _tint(rng, 0.18, 0.05), _tint(rng, 0.22, 0.05)
    material = "window" if building.use == "greenhouse" else building.wall_material
    parts = [prism_walls(ring, -_BELOW_M, building.eaves_m, material, wall, building.id) for ring in rings]
    if building.roof == "flat" or building.ridge_m - building.eaves_m < _LEAST_RISE_M:
        parts += _flat_roof(building, plan, tone, rng)
    else:
        parts += _pitched_roof(building, plan, tone, wall, rng)
    parts += facade(building, rings, rng)
    if building.use == "church":
        parts += _tower(building, plan, tone, wall)
    x, y = building.footprint[0]
    return moved(Mesh.concatenate(parts), building.yaw_deg, (x, y, building.base_m))


def local_plan(building: Building) -> shapely.Polygon:
    """Plan with its courtyards in the building's frame, rings orientated; the largest part if it crosses itself."""
    origin = np.asarray(building.footprint[0], np.float64)
    holes = [turn(np.asarray(hole, np.float64) - origin, -building.yaw_deg) for hole in building.holes]
    plan = shapely.Polygon(local_ring(building), holes)
    if not plan.is_valid:
        parts = shapely.get_parts(shapely.make_valid(plan))
        plan = max((p for p in parts if isinstance(p, shapely.Polygon)), key=lambda p: float(p.area))
    return shapely.orient_polygons(plan)


def local_ring(building: Building) -> F64:
    """Footprint (N, 2) in the building's frame: origin at its first corner, x along its long side."""
    ring = np.asarray(building.footprint, np.float64)
    return turn(ring - ring[0], -building.yaw_deg)


def wings(ring: F64) -> tuple[Rect, ...]:
    """Largest rectangles in a right-angled plan, the main one first, then one for each wing.

    Empty if the plan is not right-angled in its frame, or has very many corners. Wings reach back to the middle of the
    main rectangle.
    """
    if len(ring) > _MOST_CORNERS:
        return ()
    sides = np.abs(np.roll(ring, -1, axis=0) - ring)
    if np.any(sides.min(axis=1) > _RIGHT_M):
        return ()
    if len(ring) == 4:
        return ((*ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()),)
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


def overhang_m(building: Building) -> float:
    """How far the roof reaches beyond the walls."""
    usual = _OVERHANG_M.get(building.use, 0.3)
    dense = building.typology in _STONE or bool(building.holes)
    return min(usual, _MASONRY_OVERHANG_M) if dense else usual


def _pitched_roof(building: Building, plan: shapely.Polygon, tone: F64, wall: F64,
                  rng: np.random.Generator) -> list[Mesh]:
    glass = building.use == "greenhouse"
    winging = building.roof in ("gable", "half_hip") and not plan.interiors
    rects = wings(shapely.get_coordinates(plan.exterior)[:-1]) if winging else ()
    roof, winged = _roof(building, plan, rects)
    lift = np.array([0.0, 0.0, building.eaves_m])
    covering = "roof_glass" if glass else building.roof_material
    tints = _plane_tints(roof, _GLASS_TINT if glass else tone, building.use in ("tank", "silo"), rng)
    parts = [
        roofs.facets_mesh(roof.facets, building.eaves_m, covering, tints, building.id),
        quads(roof.walls + lift, "window" if glass else building.wall_material, wall, building.id),
        quads(roof.risers + lift, "window", (150, 150, 150), building.id),
    ]
    if building.use in ("greenhouse", "tank", "silo"):
        return parts
    # what stands on a roof stands on the main one, clear of its wings
    facets, avoid = (roof.facets[:2], rects[1:]) if winged else (roof.facets, ())
    return parts + on_slopes(building, Slopes(facets, avoid, building.eaves_m, rng), tone, rng)


def _roof(building: Building, plan: shapely.Polygon, rects: tuple[Rect, ...]) -> tuple[Roof, bool]:
    """The roof, and whether it is made of wings. Kinds that a plan cannot bear give way to a hip roof."""
    kind, rise, over = building.roof, building.ridge_m - building.eaves_m, overhang_m(building)
    if kind == "half_hip" and len(rects) == 1:
        return roofs.half_hip_roof(rects[0], rise, over), False
    if kind == "gable" and building.use == "greenhouse" and not plan.interiors:
        return roofs.profiled_roof(plan, "ridges", rise, over), False
    if kind == "gable" and rects:
        return roofs.winged_roof(rects, rise, over), True
    if kind == "dome" and _long(plan):
        return roofs.profiled_roof(plan, "barrel", rise, over), False
    straight = kind in ("shed", "sawtooth") and not plan.interiors
    if straight or (kind in ("gable", "gambrel", "monitor") and roofs.takes_profile(plan)):
        return roofs.profiled_roof(plan, kind, rise, over), False
    return roofs.swept_roof(plan, rise, over, kind), False


def _long(plan: shapely.Polygon) -> bool:
    sides = np.diff(shapely.get_coordinates(shapely.oriented_envelope(plan)), axis=0)
    length = np.hypot(sides[:2, 0], sides[:2, 1])
    return bool(length.max() > 1.4 * length.min()) and roofs.takes_profile(plan)


def _plane_tints(roof: Roof, tone: F64, round_plan: bool, rng: np.random.Generator) -> F64:
    """Planes that look one way weather alike: eight directions, each a little lighter or darker, greener or redder."""
    weather = rng.uniform(0.92, 1.08, (8, 1)) * rng.uniform(0.98, 1.02, (8, 3))
    if round_plan:
        weather = np.ones((8, 3))
    ways = [0 if f.downhill is None else round(f.downhill / (np.pi / 4)) % 8 for f in roof.facets]
    return np.asarray(tone * weather[ways])


def _flat_roof(building: Building, plan: shapely.Polygon, tint: F64, rng: np.random.Generator) -> list[Mesh]:
    """Slab, a parapet on larger roofs, and what stands on it."""
    material = "roof_glass" if building.use == "greenhouse" else building.roof_material
    parts = [cap(plan, building.eaves_m, material, tint, building.id)]
    if building.use in ("greenhouse", "tank", "silo"):
        return parts
    within = plan.buffer(-0.4, join_style="mitre")
    if plan.area > 120 and isinstance(within, shapely.Polygon) and not within.is_empty:
        parts += _parapet(building, plan, within, tint)
    room = shapely.get_parts(plan.buffer(-1.2 if plan.area > 60 else -0.5, join_style="mitre"))
    if building.use != "garage" and len(room):
        parts += on_flat(building, max(room, key=lambda part: float(part.area)), tint, rng)
    return parts


def _parapet(building: Building, plan: shapely.Polygon, within: shapely.Polygon, tint: F64) -> list[Mesh]:
    top, within = building.eaves_m + 0.7, shapely.orient_polygons(within)
    outer = [shapely.get_coordinates(ring)[:-1] for ring in (plan.exterior, *plan.interiors)]
    inner = [shapely.get_coordinates(ring)[:-1][::-1] for ring in (within.exterior, *within.interiors)]
    sides = [prism_walls(ring, building.eaves_m, top, building.wall_material, tint, building.id)
             for ring in (*outer, *inner)]
    rim = [cap(part, top, "roof_unit", (105, 105, 105), building.id)
           for part in shapely.get_parts(shapely.difference(plan, within)) if isinstance(part, shapely.Polygon)]
    return [*sides, *rim]


def _tower(building: Building, plan: shapely.Polygon, tone: F64, wall: F64) -> list[Mesh]:
    """A square tower with a spire at one end of the plan's long axis, or in its middle; none if it fits nowhere."""
    frame = shapely.get_coordinates(shapely.oriented_envelope(plan))[:4]
    sides = np.roll(frame, -1, axis=0) - frame
    length = np.hypot(sides[:, 0], sides[:, 1])
    k = int(length[:2].argmax())
    along, width = sides[k] / length[k], float(np.clip(0.5 * length[1 - k], 2.5, 7.5))
    yaw = float(np.degrees(np.arctan2(along[1], along[0])))
    ends = (frame[k] + frame[(k + 3) % 4]) / 2, (frame[k] + frame[(k + 3) % 4]) / 2 + sides[k]
    inwards = along * (0.5 * width + 0.2)
    square = turn(np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * width / 2, yaw)
    for centre in (ends[0] + inwards, ends[1] - inwards, shapely.get_coordinates(plan.centroid)[0]):
        if plan.buffer(0.1).contains(shapely.Polygon(square + centre)):
            return _spire(building, centre, square, yaw, width, tone, wall)
    return []


def _spire(building: Building, centre: F64, square: F64, yaw: float, width: float, tone: F64, wall: F64) -> list[Mesh]:
    top = building.ridge_m + 0.9 * width
    shaft = box((centre[0], centre[1]), (width, width), yaw, -_BELOW_M, top, building.wall_material, wall, building.id)
    base = 1.06 * square + centre
    corners = np.vstack([np.column_stack([base, np.full(4, top)]), [[centre[0], centre[1], top + 1.6 * width]]])
    spire = mesh_of(corners, [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], building.roof_material, building.id, tone)
    return [shaft, spire]
