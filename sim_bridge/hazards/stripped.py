"""What wind leaves of a building: bare roofs, rooms open to the sky, walls in heaps, debris blown downwind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import shapely
import shapely.affinity

from sim_bridge.hazards import common, rubble, wreck
from sim_bridge.hazards.common import F64
from sim_bridge.hazards.failures import plate, storeys
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.shapes import hash_unit

_EDGE_M = 0.5
_HALL_M2 = 350.0
"""A shop or works of a larger plan has no rooms to lie open."""
_FLOOR = (176, 160, 138)


def torn(world: World, building: Building, state: str, downwind: F64, gust_ms: float) -> Mesh | None:
    """A building in a state of `grades.STATES["wind"]` and its debris; None where nothing shows.

    downwind: unit vector (x, y) to where the wind blows. Draws belong to the building; only how far debris flies
    depends on the gust.
    """
    if state not in _STATES:
        return None
    rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 64, building.id]))
    return _STATES[state](world, building, downwind, gust_ms, rng)


def _cover_loss(world: World, building: Building, downwind: F64, gust_ms: float, rng: np.random.Generator) -> Mesh:
    """Up to a fifth of the covering gone, from the windward edge and corners inward."""
    whole, roof = _with_roof(world, building)
    bare, covered = _bared(building, common.select(whole, roof), rng.uniform(0.06, 0.18), downwind, rng)
    bits = _trail(world, building, 14, (0.3, 1.4), downwind, gust_ms, rng)
    return Mesh.concatenate([common.select(whole, ~roof), covered, bare, bits])


def _deck_loss(world: World, building: Building, downwind: F64, gust_ms: float, rng: np.random.Generator) -> Mesh:
    """A large part of the covering gone, and in the midst of it the deck: the attic lies open."""
    whole, roof = _with_roof(world, building)
    bare, covered = _bared(building, common.select(whole, roof), rng.uniform(0.3, 0.6), downwind, rng)
    _, closed = _bared(building, bare, rng.uniform(0.25, 0.45), downwind, rng)
    bits = _trail(world, building, 40, (0.4, 2.4), downwind, gust_ms, rng)
    return Mesh.concatenate([common.select(whole, ~roof), covered, closed, *_ceiling(building), bits])


def _roof_loss(world: World, building: Building, downwind: F64, gust_ms: float, rng: np.random.Generator) -> Mesh:
    """No roof: rooms lie open between walls that stand."""
    walls = _up_to(common.building_faces(world, building.id), building.base_m + building.eaves_m - 0.05)
    level = building.eaves_m * (1 - 1 / storeys(building))
    hall = building.typology == "steel_light" or (building.use in ("commercial", "industrial") and
                                                  _plan(building).area > _HALL_M2)
    rooms = Mesh.empty() if hall else _rooms(world, building, rng)
    low = _floor_m(world, building) + level
    inside = rubble.pieces_on(building, low, int(_plan(building).area / 5), rng)
    bits = _trail(world, building, int(_plan(building).area / 3), (0.4, 3.2), downwind, gust_ms, rng)
    material, tint = ("roof_unit", (74, 72, 69)) if hall else ("roof_stripped", _FLOOR)
    floor = [plate(part, low, (0, 0), 0.2, material, tint, building.id)
             for part in _parts(_plan(building).buffer(-0.1))]
    return Mesh.concatenate([walls, rooms, *floor, inside, bits])


def _rooms(world: World, building: Building, rng: np.random.Generator) -> Mesh:
    """Walls between rooms, up to the eaves."""
    inside = shapely.get_coordinates(wreck.interior(building).exterior)[:-1]
    hall = replace(building, footprint=tuple((float(x), float(y)) for x, y in inside))
    return wreck.stubs(world, hall, 0.85, (building.eaves_m - 0.4, building.eaves_m - 0.1), "wall_plaster", rng)


def _walls_collapsed(world: World, building: Building, downwind: F64, gust_ms: float,
                     rng: np.random.Generator) -> Mesh:
    """Inner walls stand about in a heap that leans downwind."""
    plan = _plan(building)
    area = shapely.union(plan, shapely.affinity.translate(plan, *(0.5 * building.eaves_m * downwind))).buffer(0.6)
    heap = rubble.heap(world, building, area, 0.6 * rubble.BULKING * rubble.gross_volume_m3(building), rng)
    rooms = wreck.stubs(world, building, 0.3, (0.8, min(building.eaves_m, 3.0)), "rubble_wood", rng)
    return Mesh.concatenate([heap.mesh, rooms, _trail(world, building, int(plan.area / 1.5), (0.3, 3.2), downwind,
                                                      1.2 * gust_ms, rng)])


def _swept(world: World, building: Building, downwind: F64, gust_ms: float, rng: np.random.Generator) -> Mesh:
    """The slab, all but clean, and a long trail of splinters."""
    plan = _plan(building)
    low = _floor_m(world, building)
    slab = [plate(part, low, (0, 0), 0.5, "rubble_slab", (128, 126, 122), building.id)
            for part in _parts(plan)]
    left = rubble.pieces_on(building, low, int(plan.area / 6), rng)
    return Mesh.concatenate([*slab, left, _trail(world, building, int(plan.area), (0.25, 2.6), downwind,
                                                 1.5 * gust_ms, rng)])


def _overturned(world: World, building: Building, downwind: F64, gust_ms: float, rng: np.random.Generator) -> Mesh:
    """On its side or upside down, rolled downwind by its own width."""
    mesh = common.building_faces(world, building.id)
    plan = _plan(building)
    across = np.array([-np.sin(np.radians(building.yaw_deg)), np.cos(np.radians(building.yaw_deg))])
    across = across if across @ downwind >= 0 else -across
    centre = np.array([plan.centroid.x, plan.centroid.y])
    points = mesh.vertices.astype(np.float64)
    # its skirt stays behind: only what is above the ground rolls
    flat, up = points[:, :2] - centre, np.maximum(points[:, 2] - building.base_m, 0)
    beside = flat @ across
    half = float(np.abs(beside).max())
    tall = float(up.max())
    upside_down = rng.random() < 0.4
    turned = -beside if upside_down else up - tall / 2
    risen = tall - up if upside_down else half - beside
    shift = across * (2 * half if upside_down else half + tall / 2) + rng.normal(0, 0.6, 2)
    moved = centre + flat - np.outer(beside, across) + np.outer(turned, across) + shift
    rolled = Mesh(np.column_stack([moved, building.base_m + risen + 0.05]).astype(np.float32), mesh.faces,
                  mesh.material, mesh.instance, mesh.tint)
    # upside down it is mirrored twice, on its side turned: faces keep their sense
    return Mesh.concatenate([rolled, rubble.pieces_on(building, building.base_m + 0.1, 12, rng),
                             _trail(world, building, 30, (0.3, 2.0), downwind, gust_ms, rng)])


def _plan(building: Building) -> shapely.Polygon:
    return shapely.Polygon(building.footprint, building.holes)


def _floor_m(world: World, building: Building) -> float:
    """z of the ground floor: above all ground that the building stands on."""
    x, y = shapely.get_coordinates(shapely.segmentize(_plan(building).exterior, 2.0)).T
    return max(building.base_m, float(world.height_at(x, y).max())) + 0.1


def _parts(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(geometry).tolist() if isinstance(p, shapely.Polygon) and p.area > 1]


def _with_roof(world: World, building: Building) -> tuple[Mesh, wreck.Bool]:
    whole = common.building_faces(world, building.id)
    return whole, np.asarray(whole.material == INDEX[building.roof_material])


def _up_to(mesh: Mesh, top_m: float) -> Mesh:
    """Faces that lie below top_m: walls, without what stands on or hangs over the eaves."""
    kept, _ = wreck.parted(mesh, lambda points: top_m - points[:, 2], 0.05, 1.0)
    return kept


def _bared(building: Building, roof: Mesh, share: float, downwind: F64,
           rng: np.random.Generator) -> tuple[Mesh, Mesh]:
    """Faces of a roof that lose their covering (`share` of them, windward edge first, in flakes), and the rest."""
    plan = _plan(building)
    centre = np.array([plan.centroid.x, plan.centroid.y])
    half = max(float(np.abs((np.asarray(building.footprint) - centre) @ downwind).max()), 1.0)
    fine, offset = wreck.shattered(roof, _EDGE_M * 1.6), rng.uniform(-100, 100)
    points = wreck.face_centres(fine)
    windward = -((points[:, :2] - centre) @ downwind) / half
    flakes = hash_unit(building.id, np.floor(points[:, 0] / 1.8 + offset), np.floor(points[:, 1] / 1.8))
    flakes = flakes + 0.5 * hash_unit(building.id, np.floor(points[:, 0] / 0.7), np.floor(points[:, 1] / 0.7))
    weak = windward + 1.4 * flakes
    bare = weak > np.quantile(weak, 1 - share) if len(weak) else np.zeros(0, np.bool_)
    gone = common.select(fine, bare)
    return wreck.repainted(gone, np.ones(len(gone.faces), np.bool_), "roof_stripped"), common.select(fine, ~bare)


def _ceiling(building: Building) -> list[Mesh]:
    return [plate(part, building.base_m + building.eaves_m - 0.3, (0, 0), 0.1, "roof_stripped", (78, 74, 70),
                  building.id) for part in _parts(_plan(building).buffer(-0.15))]


def _trail(world: World, building: Building, count: int, size_m: tuple[float, float], downwind: F64, gust_ms: float,
           rng: np.random.Generator) -> Mesh:
    """Debris on the ground: thick beside the house, thinner with distance, wider as it goes."""
    n = int(np.clip(count, 4, 220))
    west, south, east, north = _plan(building).bounds
    start = np.column_stack([rng.uniform(west, east, n), rng.uniform(south, north, n)])
    far = rng.exponential(0.35 * max(gust_ms - 25, 8.0), n)
    side = np.array([-downwind[1], downwind[0]])
    places = start + far[:, None] * downwind + (rng.normal(0, 1, n) * (0.6 + 0.22 * far))[:, None] * side
    inside = np.abs(places).max(axis=1) < world.size_m / 2 - 1
    clear = ~shapely.contains_xy(_plan(building), places[:, 0], places[:, 1])
    places = places[inside & clear]
    length = size_m[0] + (size_m[1] - size_m[0]) * rng.random(len(places)) ** 3
    sizes = np.column_stack([length, length * rng.uniform(0.15, 0.6, len(places)), np.full(len(places), 0.12)])
    ground = world.height_at(places[:, 0], places[:, 1])
    names = rng.choice(rubble.mix(building).pieces, len(places))
    tone = 128 * rng.uniform(0.7, 1.5, (len(places), 1)) * np.ones(3)
    return rubble.tilted(np.column_stack([places, ground + 0.08]), sizes, rng.uniform(0, 180, len(places)),
                         rng.normal(0, 6, (len(places), 2)), [str(name) for name in names], tone, building.id)


_STATES: dict[str, Callable[[World, Building, F64, float, np.random.Generator], Mesh]] = {
    "roof_cover_loss": _cover_loss, "roof_deck_loss": _deck_loss, "roof_loss": _roof_loss,
    "walls_collapsed": _walls_collapsed, "overturned": _overturned, "swept_away": _swept,
}
