"""What all hazards share: seeded draws, patches over the ground, and the parts of a world that go on standing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import scipy.special
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import SceneSpec, Season
from sim_bridge.world.covers import greenness
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Grid, Mesh, Tree, World
from sim_bridge.world.plants import crown_material

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

_REBUILT = [index for index, material in enumerate(TABLE) if material.semantic == CLASS_ID["tree"]]
_VEHICLE = [index for index, material in enumerate(TABLE) if material.semantic == CLASS_ID["vehicle"]]


def generator(world: World, purpose: int) -> np.random.Generator:
    """Draws of one purpose in one world: other purposes and stronger hazards do not shift them."""
    return np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, purpose]))


def patches(shape: tuple[int, int], period_cells: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Smooth noise (ny, nx), mean 0 and standard deviation 1, whose patches are about period_cells wide."""
    coarse = [max(4, int(np.ceil(n / period_cells * 2)) + 3) for n in shape]
    small = rng.standard_normal(coarse).astype(np.float32)
    field = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    mean, deviation = (float(v[0, 0]) for v in cv2.meanStdDev(field))
    return np.asarray((field - np.float32(mean)) / np.float32(max(deviation, 1e-6)), np.float32)


def centres(grid: Grid) -> tuple[F64, F64]:
    """x (nx,) and y (ny,) of the cells' centres, metres."""
    ny, nx = grid.values.shape[:2]
    x = grid.west_m + (np.arange(nx, dtype=np.float64) + 0.5) * grid.cell_m
    y = grid.south_m + (np.arange(ny, dtype=np.float64) + 0.5) * grid.cell_m
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def floats(grid: Grid) -> npt.NDArray[np.float32]:
    """Values (ny, nx) of a physical raster."""
    return grid.values.astype(np.float32, copy=False)


def coarse_grid(world: World, cell_m: float) -> Grid:
    """Float32 zeros over the world's square, in cells of about cell_m."""
    cells = max(8, round(world.size_m / cell_m))
    return Grid(np.zeros((cells, cells), np.float32), -world.size_m / 2, -world.size_m / 2, world.size_m / cells)


def covered(grid: Grid, polygons: Iterable[shapely.Geometry]) -> Bool:
    """Cells (ny, nx) under any of the polygons; holes are filled."""
    mask = np.zeros(grid.values.shape[:2], np.uint8)
    origin = np.array([grid.west_m, grid.south_m])
    for part in shapely.get_parts(np.array(list(polygons), object)):
        ring = (shapely.get_coordinates(shapely.get_exterior_ring(part)) - origin) / grid.cell_m - 0.5
        if len(ring):
            cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 1, shift=4)
    return mask.astype(np.bool_)


def distance_m(mask: Bool, cell_m: float) -> npt.NDArray[np.float32]:
    """Metres from each cell to the nearest cell of the mask; very far if the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) * np.float32(cell_m))


def resampled(field: Grid, like: Grid) -> npt.NDArray[np.float32]:
    """Float raster over the same square at the resolution of `like`, linear."""
    ny, nx = like.values.shape[:2]
    return np.asarray(cv2.resize(floats(field), (nx, ny), interpolation=cv2.INTER_LINEAR))


def footprints(world: World) -> npt.NDArray[np.object_]:
    """Shapely polygons of the buildings, in their order."""
    return np.array([shapely.Polygon(b.footprint) for b in world.buildings] or [], object)


def select(mesh: Mesh, keep: Bool | npt.NDArray[np.intp]) -> Mesh:
    """The faces where `keep` (F,) is true, or of these indices, with only the vertices that they use."""
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.uint32), mesh.material[keep], mesh.instance[keep],
                mesh.tint[keep])


def standing(world: World, gone: Collection[int]) -> Mesh:
    """Buildings as they were before, except those whose ids are `gone`."""
    mesh = world.before
    return select(mesh, (mesh.instance > 0) & ~np.isin(mesh.instance, np.fromiter(gone, np.int64)))


def alone(world: World) -> Iterator[tuple[Building, World]]:
    """Every building, in order, with the world in which no other thing has faces: there its own are found at once."""
    order = np.argsort(world.before.instance, kind="stable")
    ids = np.array([building.id for building in world.buildings])
    first, last = (np.searchsorted(world.before.instance[order], ids, side=side) for side in ("left", "right"))
    for building, start, end in zip(world.buildings, first, last, strict=True):
        yield building, replace(world, before=select(world.before, np.sort(order[start:end])))


def building_faces(world: World, building: int) -> Mesh:
    """One building as it was before."""
    return select(world.before, np.flatnonzero(world.before.instance == building))


def belongings(world: World) -> Mesh:
    """Fences, pools and the like: what is neither building, plant nor vehicle."""
    mesh = world.before
    return select(mesh, (mesh.instance == 0) & ~np.isin(mesh.material, _REBUILT + _VEHICLE))


def vehicles(world: World) -> Mesh:
    """Vehicles as they were before."""
    return select(world.before, (world.before.instance == 0) & np.isin(world.before.material, _VEHICLE))


def of_plants(mesh: Mesh) -> Bool:
    """Faces (F,) of trees and hedges."""
    return np.asarray((mesh.instance == 0) & np.isin(mesh.material, _REBUILT))


def plants(world: World) -> Mesh:
    """Trees and hedges as they were before."""
    return select(world.before, of_plants(world.before))


def healthy_crowns(trees: Sequence[Tree], season: Season) -> list[str]:
    return [crown_material(tree, season) for tree in trees]


def season_ground(world: World, spec: SceneSpec) -> Grid:
    """Ground raster of the later season: lawns dry out or turn green, patch by patch."""
    ground = world.ground
    change = greenness(spec.layout, spec.season_before) - greenness(spec.layout, spec.season_after)
    if change == 0:
        return ground
    patch = patches(ground.values.shape, 22 / ground.cell_m, generator(world, 1))
    green, dry = np.uint8(INDEX["lawn"]), np.uint8(INDEX["lawn_dry"])
    start, end = (green, dry) if change > 0 else (dry, green)
    turned = (ground.values == start) & (patch < scipy.special.ndtri(min(2 * abs(change), 0.95)))
    return Grid(np.where(turned, end, ground.values).astype(np.uint8), ground.west_m, ground.south_m, ground.cell_m)
