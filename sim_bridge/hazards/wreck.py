"""Broken geometry: rubble mounds, scattered pieces, holes and patches in what still stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.spatial
import shapely
import shapely.affinity

from sim_bridge.hazards import common
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.shapes import F64, boxes, hash_unit, mesh_of

Bool = npt.NDArray[np.bool_]

BULKING = 0.33
"""Share of a building's volume that its debris fills (HAZUS-MH, debris module: voids are two thirds and more)."""
_SPACING_M = 0.9


def shattered(mesh: Mesh, edge_m: float) -> Mesh:
    """The same surface in triangles with no edge longer than edge_m: the longest edge is halved until it fits.

    Halving the longest edge keeps triangles stout; cut in four, a long thin roof would break into spikes.
    """
    return _refined(mesh, lambda corners: np.ones(len(corners), np.bool_), edge_m)


def parted(mesh: Mesh, where: Callable[[F64], F64], ragged_m: float, edge_m: float) -> tuple[Mesh, Mesh]:
    """The faces where `where` is at least 0, and those where it is less, with an uneven line between them.

    where: from points (N, 3) to signed distances (N,), metres, with a slope of about 1. Only triangles within ragged_m
    of the line are cut small (edge_m); the others stay whole.
    """
    def near(corners: F64) -> Bool:
        signed = where(corners.reshape(-1, 3)).reshape(-1, 3)
        # no point of a triangle is farther from its nearest corner than its longest edge over the square root of 3
        reach = ragged_m + np.sqrt(_sides2(corners).max(axis=1) / 3)
        return np.asarray((signed.min(axis=1) < reach) & (signed.max(axis=1) > -reach))

    cut = _refined(mesh, near, edge_m)
    centre = face_centres(cut)
    uneven = 2 * ragged_m * (hash_unit(*np.round(centre / (1.6 * edge_m)).T) - 0.5)
    inside = where(centre) + uneven >= 0
    return common.select(cut, inside), common.select(cut, ~inside)


def _refined(mesh: Mesh, wanted: Callable[[F64], Bool], edge_m: float) -> Mesh:
    corners, rest = mesh.vertices[mesh.faces].astype(np.float64), np.arange(len(mesh.faces))
    done, origin = [], []
    while len(corners):
        sides = _sides2(corners)
        fits = sides.max(axis=1) <= edge_m**2
        fits[~fits] = ~wanted(corners[~fits])
        done.append(corners[fits])
        origin.append(rest[fits])
        corners, rest = _halved(corners[~fits], sides[~fits]), rest[~fits].repeat(2)
    faces = np.concatenate(origin) if origin else np.zeros(0, np.int64)
    vertices = np.concatenate(done).reshape(-1, 3) if done else np.zeros((0, 3))
    return Mesh(vertices.astype(np.float32), np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3),
                mesh.material[faces], mesh.instance[faces], mesh.tint[faces])


def _sides2(corners: F64) -> F64:
    """Squared lengths (F, 3) of the edges from each corner to the next."""
    edges = corners[:, [1, 2, 0]] - corners
    return np.asarray(np.einsum("fkc,fkc->fk", edges, edges))


def _halved(corners: F64, sides2: F64) -> F64:
    """Two triangles (2 F, 3, 3) for each, cut at the middle of its longest edge."""
    turned = (sides2.argmax(axis=1)[:, None] + np.arange(3)) % 3
    around = corners[np.arange(len(corners))[:, None], turned]
    halves = np.asarray(around.repeat(2, axis=0), np.float64)
    middle = (around[:, 0] + around[:, 1]) / 2
    halves[::2, 1] = middle
    halves[1::2, 0] = middle
    return halves


def face_centres(mesh: Mesh) -> F64:
    """Centre of every face, (F, 3) metres."""
    return np.asarray(mesh.vertices[mesh.faces].mean(axis=1), np.float64)


def repainted(mesh: Mesh, chosen: Bool, material: str) -> Mesh:
    """The mesh with the chosen faces (F,) in another material, untinted."""
    index = np.where(chosen, np.uint16(INDEX[material]), mesh.material)
    tint = np.where(chosen[:, None], np.uint8(128), mesh.tint)
    return Mesh(mesh.vertices, mesh.faces, index, mesh.instance, tint)


def toned(mesh: Mesh, factor: F64) -> Mesh:
    """The mesh with its tint multiplied by factor (3,)."""
    tint = np.clip(mesh.tint * factor, 0, 255).astype(np.uint8)
    return Mesh(mesh.vertices, mesh.faces, mesh.material, mesh.instance, tint)


def roof_patch(mesh: Mesh, building: Building, share: float, rng: np.random.Generator) -> Bool:
    """Faces (F,) of the roof within a ragged patch at one end that takes about `share` of the plan."""
    centre = face_centres(mesh)
    ring = shapely.Polygon(building.footprint)
    angle = np.radians(building.yaw_deg + rng.choice([0.0, 90.0, 180.0, 270.0]) + rng.uniform(-25, 25))
    along = centre[:, :2] @ np.array([np.cos(angle), np.sin(angle)])
    low, high = np.quantile(shapely.get_coordinates(ring.exterior) @ np.array([np.cos(angle), np.sin(angle)]), [0, 1])
    ragged = 0.14 * (hash_unit(np.round(centre[:, 0] / 1.7), np.round(centre[:, 1] / 1.7)) - 0.5)
    return np.asarray(((along - low) / (high - low) + ragged < share) & (centre[:, 2] > building.base_m + 0.3))


def mound(world: World, area: shapely.Polygon, peak_m: float, lift_m: float, materials: Sequence[str],
          instance: int, rng: np.random.Generator) -> Mesh:
    """A lumpy heap over `area`: about peak_m high inside, running out to the ground (+ lift_m) at its edge."""
    west, south, east, north = area.bounds
    nx, ny = (max(2, int(np.ceil(d / _SPACING_M))) for d in (east - west, north - south))
    x, y = np.meshgrid(np.linspace(west, east, nx + 1), np.linspace(south, north, ny + 1))
    x, y = (v + rng.uniform(-0.45, 0.45, v.shape) * _SPACING_M for v in (x, y))
    points = shapely.points(x, y)
    inside = shapely.distance(area.exterior, points) * np.where(shapely.contains(area, points), 1, -1)
    slope = np.clip(inside / max(1.2, 0.25 * np.sqrt(area.area)), 0, 1)
    height = peak_m * np.sqrt(slope) * rng.uniform(0.55, 1.45, x.shape) + np.where(inside > 0, lift_m, -0.25)
    vertices = np.stack([x, y, world.height_at(x, y) + height], -1).reshape(-1, 3)
    # a regular grid of triangles would show as stripes in slanting light
    faces = scipy.spatial.Delaunay(vertices[:, :2]).simplices
    faces = _upward(faces[(inside.ravel()[faces] > 0).any(axis=1)], vertices)
    chosen = rng.choice([INDEX[name] for name in materials], len(faces))
    tint = 128 * rng.uniform(0.62, 1.3, (len(faces), 1)) * np.ones(3)
    return mesh_of(vertices, faces, chosen, instance, tint)


def _upward(faces: npt.NDArray[np.int32], vertices: F64) -> npt.NDArray[np.int32]:
    a, b, c = (vertices[faces[:, k], :2] for k in range(3))
    side, other = b - a, c - a
    down = side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0] < 0
    return np.where(down[:, None], faces[:, ::-1], faces)


def pieces(world: World, area: shapely.Polygon, count: int, size_m: tuple[float, float], rise_m: float,
           materials: Sequence[str], instance: int, rng: np.random.Generator, rust: float = 0.0) -> Mesh:
    """`count` slabs and boxes of size_m (low, high) lying about in `area`, up to rise_m above the ground.

    `rust` is the share of pieces that are tinted brown.
    """
    west, south, east, north = area.bounds
    x, y = rng.uniform(west, east, 4 * count), rng.uniform(south, north, 4 * count)
    hit = np.flatnonzero(shapely.contains_xy(area, x, y))[:count]
    n = len(hit)
    sizes = rng.uniform(*size_m, (n, 2)) * rng.uniform([0.35, 1.0], [1.0, 1.6], (n, 2))
    base = world.height_at(x[hit], y[hit])
    tint = 128 * rng.uniform(0.65, 1.3, (n, 1)) * rng.uniform(0.96, 1.04, (n, 3))
    tint = np.where(rng.random((n, 1)) < rust, tint * np.array([1.08, 0.90, 0.72]), tint)
    chosen = rng.choice([INDEX[name] for name in materials], n)
    top = base + 0.1 + rise_m * rng.random(n) ** 2
    return boxes(np.column_stack([x[hit], y[hit]]), sizes, rng.uniform(0, 180, n), base - 0.2, top, chosen, tint,
                 instance)


def stubs(world: World, building: Building, share: float, height_m: tuple[float, float], material: str,
          rng: np.random.Generator) -> Mesh:
    """Remains of the walls, inner ones too: `share` of them, in pieces of about 2 m, height_m (low, high) tall."""
    ends = [shapely.get_coordinates(line) for line in _wall_lines(building, rng)]
    a, b = (np.concatenate([line[k] for line in ends]) for k in (slice(None, -1), slice(1, None)))
    kept = rng.random(len(a)) < share
    middle, side = ((a + b) / 2)[kept], (b - a)[kept]
    length, n = np.hypot(side[:, 0], side[:, 1]), int(kept.sum())
    base = world.height_at(middle[:, 0], middle[:, 1])
    return boxes(middle, np.column_stack([length * rng.uniform(0.5, 1, n), np.full(n, 0.22)]),
                 np.degrees(np.arctan2(side[:, 1], side[:, 0])), base - 0.3, base + rng.uniform(*height_m, n), material,
                 128 * rng.uniform(0.7, 1.3, (n, 1)) * np.ones(3), building.id)


def interior(building: Building) -> shapely.Polygon:
    """Floor within the walls; the whole plan if it is too narrow or falls apart."""
    plan = shapely.Polygon(building.footprint)
    inside = plan.buffer(-0.4)
    return inside if isinstance(inside, shapely.Polygon) and not inside.is_empty else plan


def _wall_lines(building: Building, rng: np.random.Generator) -> list[shapely.Geometry]:
    """Outline and walls between rooms of about 4 m, cut into pieces of about 2 m."""
    plan = shapely.Polygon(building.footprint)
    centre, reach = plan.centroid, plan.length
    lines = [plan.exterior]
    for turned in (building.yaw_deg, building.yaw_deg + 90):
        for offset in np.arange(-reach / 4, reach / 4, 4.0) + rng.uniform(-1, 1):
            line = shapely.LineString([(centre.x - reach, centre.y + offset), (centre.x + reach, centre.y + offset)])
            lines += shapely.get_parts(shapely.affinity.rotate(line, turned, origin=centre).intersection(plan)).tolist()
    return [shapely.segmentize(line, 2.0) for line in lines if line.length > 1]


def carved(world: World, building: Building, share: float, rng: np.random.Generator) -> tuple[Mesh, Bool, Mesh]:
    """The building in small faces, the faces of its part that is lost, and what is left of it."""
    edge_m = max(1.6, 0.07 * shapely.Polygon(building.footprint).length / 2)
    mesh = shattered(common.building_faces(world, building.id), edge_m)
    lost = roof_patch(mesh, building, share, rng)
    return mesh, lost, common.select(mesh, ~lost)
