"""Ways in which buildings fail: what stands, what lies, and where.

Modes as EMS-98 (Grünthal 1998) and the pictures of past earthquakes show them: tiles and parapets that slip, walls that
fall out of their plane, a corner or a wing that comes down, a ground floor that gives way under the floors above it,
floors that come to lie on each other, and heaps. All work on a building's faces, so that imported ones fail alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.affinity
import shapely.ops

from sim_bridge.hazards import common, rubble, wreck
from sim_bridge.hazards.rubble import BULKING, REACH, Heap
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.shapes import F64, cap, hash_unit, mesh_of, turn

Free = Callable[[shapely.Geometry, int], shapely.Geometry]
"""The part of an area on which no other building than the one of this id stands."""

_STOREY_M = 3.0
_CUT_EDGE_M = 0.55
_BAY_M = 3.6
"""A frame breaks off at its columns: by so much along the break."""
_PALE = (150, 147, 140)


@dataclass(frozen=True)
class Wreck:
    """What is left of a building, and its debris on the ground."""

    mesh: Mesh
    heaps: tuple[Heap, ...] = ()


def fail(world: World, building: Building, state: str, free: Free) -> Wreck | None:
    """A building in a state of `grades.STATES["earthquake"]`; None if nothing shows. Draws belong to the building."""
    if state not in _FAILURES:
        return None
    rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 22, building.id]))
    return _FAILURES[state](world, building, free, rng)


def storeys(building: Building) -> int:
    """Storeys as recorded, or as many as fit under the eaves where more do."""
    return max(building.storeys, round(building.eaves_m / (1.25 * _STOREY_M)), 1)


def _plan(building: Building) -> shapely.Polygon:
    return shapely.Polygon(building.footprint, building.holes)


def _collapse(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """A heap where the building stood, and around it."""
    area = free(_plan(building).buffer(0.6 + REACH * building.eaves_m, quad_segs=3), building.id)
    lying = rubble.heap(world, building, area, BULKING * rubble.gross_volume_m3(building), rng)
    return Wreck(lying.mesh, (lying,))


def _pancake(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """Floors on floors: three quarters of the debris under broken, tilted slabs, the rest around them."""
    plan, volume = _plan(building), BULKING * rubble.gross_volume_m3(building)
    area = free(plan.buffer(0.5 + 0.7 * REACH * building.eaves_m, quad_segs=3), building.id)
    apron = rubble.heap(world, building, shapely.difference(area, plan.buffer(-1.2)), 0.25 * volume, rng)
    top_m = 0.75 * volume / plan.area
    slabs, roof = [], np.array(rubble.roof_tint(building))
    for part in _broken(plan.buffer(0.3, join_style="mitre"), 2 + int(plan.area > 150) + int(plan.area > 400), rng):
        slope = np.tan(np.radians(rng.normal(0, 130 / plan.length, 2)))
        for layer in range(min(storeys(building), 4)):
            height = max(top_m * rng.uniform(0.85, 1.1) - 0.55 * layer, 0.15)
            slid = shapely.affinity.translate(part, *(rng.normal(0, 0.35, 2) * (layer + 0.3)))
            slabs.append(plate(slid, building.base_m + height, slope, 0.22, "rubble_slab",
                               rng.uniform(0.75, 1.1) * (roof if layer == 0 else np.full(3, 128.0)), building.id))
    crumbs = rubble.heap(world, building, plan.buffer(-0.5), 0.02 * volume, rng, large=False)
    lifted = Mesh(crumbs.mesh.vertices + np.array([0, 0, 0.9 * top_m], np.float32), crumbs.mesh.faces,
                  crumbs.mesh.material, crumbs.mesh.instance, crumbs.mesh.tint)
    stack = Heap(Mesh.empty(), plan, 0.75 * volume)
    return Wreck(Mesh.concatenate([apron.mesh, *slabs, lifted]), (apron, stack))


def _broken(polygon: shapely.Polygon, cuts: int, rng: np.random.Generator) -> list[shapely.Polygon]:
    """The polygon in pieces, cut by lines through its middle."""
    parts: list[shapely.Geometry] = [polygon]
    for _ in range(cuts):
        centre, reach = polygon.centroid, polygon.length
        at = (centre.x + rng.normal(0, 0.12) * reach / 4, centre.y + rng.normal(0, 0.12) * reach / 4)
        angle = rng.uniform(0, np.pi)
        offset = reach * np.array([np.cos(angle), np.sin(angle)])
        line = shapely.LineString([np.subtract(at, offset), np.add(at, offset)])
        parts = [piece for part in parts for piece in shapely.get_parts(shapely.ops.split(part, line))]
    return [part for part in parts if isinstance(part, shapely.Polygon) and part.area > 2]


def plate(polygon: shapely.Polygon, top_m: float, slope: Sequence[float] | F64, thick_m: float, material: str,
          tint: Sequence[float] | F64, instance: int) -> Mesh:
    """A slab over the polygon, its top at z = top_m over the centroid, rising by slope (x, y), with upright edges."""
    centre = np.array([polygon.centroid.x, polygon.centroid.y])

    def height(points: F64) -> F64:
        return np.asarray(top_m + (points - centre) @ np.asarray(slope))

    upper = cap(polygon, 0.0, material, tint, instance)
    flat = upper.vertices[:, :2].astype(np.float64)
    vertices = np.column_stack([flat, height(flat)]).astype(np.float32)
    parts = [Mesh(vertices, upper.faces, upper.material, upper.instance, upper.tint)]
    for loop in (polygon.exterior, *polygon.interiors):
        ring = np.asarray(loop.coords)[:, :2]
        ring = ring if loop.is_ccw == (loop is polygon.exterior) else ring[::-1]
        n, z = len(ring) - 1, height(ring)
        wall = np.concatenate([np.column_stack([ring, z - thick_m]), np.column_stack([ring, z])])
        here = np.arange(n)
        faces = np.concatenate([np.column_stack([here, here + 1, here + n + 2]),
                                np.column_stack([here, here + n + 2, here + n + 1])])
        parts.append(mesh_of(wall, faces, material, instance, 0.8 * np.asarray(tint)))
    return Mesh.concatenate(parts)


def _soft_storey(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """The ground floor is gone; what stood on it sits lower, a little askew and out of plumb, in a ring of debris."""
    plan, height = _plan(building), building.eaves_m / storeys(building)
    whole = common.building_faces(world, building.id)
    points = whole.vertices.astype(np.float64)
    centre = np.array([plan.centroid.x, plan.centroid.y])
    flat = points[:, :2] - centre
    slope, lean = np.tan(np.radians(rng.normal(0, 2.2, 2))), rng.normal(0, 0.03, 2)
    up = points[:, 2:] - building.base_m
    moved = centre + turn(flat, float(rng.normal(0, 1.5))) + rng.normal(0, 0.5, 2) + lean * np.maximum(up, 0)
    sunk = points[:, 2] - rng.uniform(0.75, 0.95) * height + flat @ slope
    mesh = Mesh(np.column_stack([moved, sunk]).astype(np.float32), whole.faces, whole.material, whole.instance,
                whole.tint)
    area = shapely.difference(free(plan.buffer(0.6 + REACH * height, quad_segs=3), building.id), plan.buffer(-0.4))
    lying = rubble.heap(world, building, area, 0.6 * BULKING * plan.area * height, rng, large=False)
    return Wreck(Mesh.concatenate([mesh, lying.mesh]), (lying,))


def _partial_collapse(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """A corner or a wing down to the ground; floors break off in steps."""
    plan, share = _plan(building), rng.uniform(0.22, 0.5)
    along, cut = _corner(building, share, rng)
    kept, _ = _cut_open(world, building, along, cut, building.base_m - 2, 0.12)
    lost = plan.intersection(_beyond(plan, along, cut))
    area = free(lost.buffer(0.5 + REACH * building.eaves_m, quad_segs=3), building.id)
    area = shapely.difference(area, plan.difference(lost.buffer(1.8)))
    volume = BULKING * rubble.gross_volume_m3(building) * lost.area / plan.area
    lying = rubble.heap(world, building, area, volume, rng)
    return Wreck(Mesh.concatenate([kept, *_floors(building, along, cut, 0.12, rng), lying.mesh]), (lying,))


def _extensive(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """A corner of the uppermost storey and the roof over it, come down on the floor below and beside the house."""
    plan, share = _plan(building), rng.uniform(0.14, 0.26)
    along, cut = _corner(building, share, rng)
    level = building.eaves_m * (1 - 1 / storeys(building)) if storeys(building) > 1 else 0.25 * building.eaves_m
    kept, _ = _cut_open(world, building, along, cut, building.base_m + level, 0.1)
    lost = plan.intersection(_beyond(plan, along, cut))
    volume = BULKING * lost.area * (building.ridge_m - level)
    inside = rubble.heap(world, building, lost.buffer(-0.3), 0.6 * volume, rng, large=False)
    lifted = Mesh(inside.mesh.vertices + np.array([0, 0, level], np.float32), inside.mesh.faces, inside.mesh.material,
                  inside.mesh.instance, inside.mesh.tint)
    floor = [plate(part, building.base_m + level + 0.05, (0, 0), 0.2, "wall_plaster", _PALE, building.id)
             for part in _polygons(plan.buffer(-0.25)) if level > 1]
    outside = shapely.difference(free(lost.buffer(1.6, quad_segs=3), building.id), plan.buffer(0.02))
    lying = rubble.heap(world, building, outside, 0.4 * volume, rng, large=False)
    return Wreck(Mesh.concatenate([kept, *floor, lifted, lying.mesh]), (lying,))


def _wall_failure(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """An outer wall fallen out of its plane, and the edge of the roof that it carried."""
    plan = _plan(building)
    start, side = _exposed_side(building, free, rng)
    length = float(np.hypot(*side))
    inward = np.array([-side[1], side[0]]) / length
    middle, half = rng.uniform(0.4, 0.6) * length, rng.uniform(0.33, 0.55) * length
    low = building.base_m + (0.0 if storeys(building) == 1 else rng.choice([0.0, 0.5]) * building.eaves_m)
    depth_m = rng.uniform(1.0, 2.0)

    def standing(points: F64) -> F64:
        off, z = points[:, :2] - start, points[:, 2]
        deep = np.where(z > building.base_m + building.eaves_m - 0.15, depth_m, 0.35)
        beside = np.abs(off @ side / length - middle) - half
        return np.asarray(np.maximum.reduce([off @ inward - deep, beside, low - z]))

    kept, _ = wreck.parted(common.building_faces(world, building.id), standing, 0.5, _CUT_EDGE_M)
    strip = shapely.Polygon([start + side / length * (middle + s * half) + inward * d for s, d in
                             ((-1, 0.2), (1, 0.2), (1, -0.45 * building.eaves_m), (-1, -0.45 * building.eaves_m))])
    volume = BULKING * 2 * half * (building.base_m + building.eaves_m - low) * max(depth_m, 1.4)
    area = shapely.difference(free(strip.buffer(0.4), building.id), plan.buffer(-1.0))
    lying = rubble.heap(world, building, area, volume, rng, large=False)
    floors = [plate(part, building.base_m + (k + 1) * building.eaves_m / storeys(building), (0, 0), 0.2,
                    "wall_plaster", _PALE, building.id)
              for k in range(storeys(building) - 1) for part in _polygons(plan.buffer(-0.3))]
    return Wreck(Mesh.concatenate([kept, *floors, lying.mesh]), (lying,))


def _exposed_side(building: Building, free: Free, rng: np.random.Generator) -> tuple[F64, F64]:
    """Start and vector of a side of the plan with open ground before it, long ones rather than short ones."""
    ring = np.asarray(building.footprint, np.float64)
    sides = np.roll(ring, -1, axis=0) - ring
    length = np.maximum(np.hypot(*sides.T), 1e-6)
    outward = np.column_stack([sides[:, 1], -sides[:, 0]]) / length[:, None]
    probes = shapely.points(ring + sides / 2 + 1.5 * outward)
    around = free(_plan(building).buffer(2.0), building.id)
    weight = length * (0.05 + shapely.contains(around, probes))
    k = int(rng.choice(len(ring), p=weight / weight.sum()))
    return ring[k], sides[k]


def _corner(building: Building, share: float, rng: np.random.Generator) -> tuple[F64, float]:
    """A direction across the plan and the coordinate along it below which `share` of the plan lies."""
    angle = np.radians(building.yaw_deg + rng.choice([0, 90, 180, 270]) + rng.choice([0, 0, 45]) + rng.uniform(-12, 12))
    along = np.array([np.cos(angle), np.sin(angle)])
    plan = _plan(building)
    west, south, east, north = plan.bounds
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(west, east, 40), np.linspace(south, north, 40)))
    inside = shapely.contains_xy(plan, x, y)
    return along, float(np.quantile(np.column_stack([x, y])[inside] @ along, share))


def _cut_open(world: World, building: Building, along: F64, cut: float, low_m: float,
              step: float) -> tuple[Mesh, Mesh]:
    """Faces that stay and faces that go where plan coordinates along `along` are below cut; more goes higher up."""
    across = np.array([-along[1], along[0]])

    def standing(points: F64) -> F64:
        up = points[:, 2] - building.base_m
        bay = hash_unit(building.id, np.floor(points[:, :2] @ across / _BAY_M)) - 0.5
        return np.asarray(np.maximum(points[:, :2] @ along - cut - step * up - 1.8 * bay, low_m - points[:, 2]))

    return wreck.parted(common.building_faces(world, building.id), standing, 0.5, _CUT_EDGE_M)


def _beyond(plan: shapely.Polygon, along: F64, cut: float) -> shapely.Polygon:
    """Half plane of coordinates below cut, as large as the plan needs."""
    reach, across = 4 * plan.length, np.array([-along[1], along[0]])
    centre = np.array([plan.centroid.x, plan.centroid.y])
    edge = along * cut + across * (centre @ across)
    return shapely.Polygon([edge + reach * across, edge + reach * across - reach * along,
                            edge - reach * across - reach * along, edge - reach * across])


def _floors(building: Building, along: F64, cut: float, step: float, rng: np.random.Generator) -> list[Mesh]:
    """Floors of what still stands, broken off a little beyond its walls."""
    plan, height = _plan(building).buffer(-0.25), building.eaves_m / storeys(building)
    floors = []
    for k in range(1, storeys(building)):
        limit = cut + step * k * height - rng.uniform(0.2, 1.4)
        floors += [plate(part, building.base_m + k * height, (0, 0), 0.22, "wall_plaster", _PALE, building.id)
                   for part in _polygons(shapely.difference(plan, _beyond(_plan(building), along, limit)))]
    return floors


def _polygons(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(geometry).tolist() if isinstance(p, shapely.Polygon) and p.area > 1]


def _moderate(world: World, building: Building, free: Free, rng: np.random.Generator) -> Wreck:
    """Tiles off a part of the roof, or a tarpaulin over it; a fallen parapet where it is flat."""
    whole = common.building_faces(world, building.id)
    roof = whole.material == INDEX[building.roof_material]
    plan, share = _plan(building), rng.uniform(0.12, 0.3)
    if building.roof == "flat":
        start, side = _exposed_side(building, free, rng)
        out = np.array([side[1], -side[0]]) / float(np.hypot(*side))
        line = shapely.LineString([start + out, start + side + out])
        strip = shapely.difference(free(line.buffer(0.8), building.id), plan)
        lying = rubble.heap(world, building, strip, 0.12 * float(np.hypot(*side)), rng, large=False)
        return Wreck(Mesh.concatenate([_repatched(whole, roof, building, share, rng), lying.mesh]), (lying,))
    return Wreck(_repatched(whole, roof, building, share, rng))


def _repatched(whole: Mesh, roof: wreck.Bool, building: Building, share: float, rng: np.random.Generator) -> Mesh:
    """A rectangle of the roof under a tarpaulin, or an uneven patch without its covering."""
    along, cut = _corner(building, share, rng)
    tarp = rng.random() < (0.2 if building.roof == "flat" else 0.4)
    square = np.round(np.degrees(np.arctan2(along[1], along[0])) - building.yaw_deg, -1) % 90 == 0

    def bare(points: F64) -> F64:
        return np.asarray(cut - points[:, :2] @ along)

    patch, rest = wreck.parted(common.select(whole, roof), bare, 0.06 if tarp and square else 0.6, _CUT_EDGE_M)
    covered = wreck.repainted(patch, np.ones(len(patch.faces), np.bool_), "roof_tarp" if tarp else "roof_stripped")
    return Mesh.concatenate([common.select(whole, ~roof), rest, covered])


_FAILURES: dict[str, Callable[[World, Building, Free, np.random.Generator], Wreck]] = {
    "moderate": _moderate, "extensive": _extensive, "wall_failure": _wall_failure,
    "partial_collapse": _partial_collapse, "soft_storey": _soft_storey, "pancake": _pancake, "collapse": _collapse,
}
