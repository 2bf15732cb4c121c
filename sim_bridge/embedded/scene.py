"""A package as the simulator holds it: one Embree scene a phase, and the arrays that hits are looked up in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.embedded import rays as kernels
from sim_bridge.embedded.canopy import crown_heights
from sim_bridge.embedded.embree import ARGUMENTS, NEAREST, Bvh, packet, padded
from sim_bridge.embedded.flow import NO_FIELD, silt_streaks
from sim_bridge.embedded.objects import SceneObjects
from sim_bridge.embedded.rays import Rays, Surface
from sim_bridge.frames import CameraPose, Intrinsics
from sim_bridge.world.materials import GROUND, TABLE
from sim_bridge.world.model import BuildingDamage, Grid, Mesh
from sim_bridge.world.package import Package

Phase = Literal["before", "after"]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
_SHELTER_M = 1.0
_EMBREE_BYTES = 160
"""A triangle, in Embree's structure over robust ones."""
SOFT = np.array([m.texture == "leaf" or i == GROUND for i, m in enumerate(TABLE)])
"""Materials of crowns and terrain, whose facets are not meant to be seen."""


@dataclass(frozen=True)
class Hits:
    """Nearest hits of N rays. t: ray parameter, inf where nothing was hit. normal: unit, towards the ray's origin."""

    t: F32
    material: U16
    """Terrain already resolved; 0 where nothing was hit."""
    instance: U32
    tint: npt.NDArray[np.uint8]
    normal: F32


@dataclass(frozen=True)
class Drawn:
    """One phase of a world, ready for rays."""

    bvh: Bvh
    surface: Surface
    soft: npt.NDArray[np.bool_]
    """(F,) true for faces of crowns and terrain, whose facets are not meant to be seen."""
    ground_m: float
    """Mean height of the ground."""


@dataclass(frozen=True)
class Tile:
    """A drawn world and where it lies: its origin in the frame of the scene, and what its building ids start from."""

    drawn: Drawn
    east_m: float = 0.0
    north_m: float = 0.0
    first_id: int = 0


class Landscape(ABC):
    """What rays are cast into: tiles side by side, or one alone."""

    whole = True
    """One tile holds everything, so that groups of objects may be moved as one."""

    @abstractmethod
    def tiles(self, phase: Phase, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
              margin_m: float = 0.0) -> tuple[Tile, ...]:
        """Tiles that rays from origins (N, 3) or (1, 3) in directions (N, 3) may meet, and those up to margin_m beside
        them."""

    @abstractmethod
    def holder(self, phase: Phase, instance: int) -> Tile | None:
        """The tile in which a building's faces are, or those of no building (0); None if no one tile holds them."""

    @abstractmethod
    def bounds(self, phase: Phase) -> tuple[F64, F64]:
        """Lowest and highest corner (3,) of everything, ENU metres."""

    @abstractmethod
    def land_use(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Use of the parcels (`classes.LAND_USE`) under points (m)."""

    @abstractmethod
    def damage(self) -> tuple[BuildingDamage, ...]:
        """What the hazard did to the buildings."""

    @abstractmethod
    def objects(self) -> SceneObjects:
        """What the simulator lists."""

    def cast(self, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating], phase: Phase) -> Hits:
        """Nearest hits of rays (N, 3) in ENU metres; directions need not be unit, t is in their length. One origin
        (1, 3) serves for all."""
        tiles = self.tiles(phase, origins, directions)
        rays = trace_tiles(tiles, origins, _f32(directions), np.arange(len(directions), dtype=np.int32))
        return look_up(tiles, rays)

    def occluded(self, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
                 phase: Phase) -> npt.NDArray[np.bool_]:
        """True where a ray (N, 3) meets anything."""
        return np.isfinite(self.cast(origins, directions, phase).t)


class Scene(Landscape):
    """Both phases of a package. A phase is built when it is first asked for; static geometry is in both, so that one
    traversal finds the nearest hit. Threads may share a scene: after a phase is built, it is only read."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._drawn: dict[Phase, Drawn] = {}
        self._building = Lock()
        self._objects: SceneObjects | None = None

    def drawn(self, phase: Phase) -> Drawn:
        with self._building:
            if phase not in self._drawn:
                self._drawn[phase] = _draw(self.package, phase)
            return self._drawn[phase]

    def tiles(self, phase: Phase, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
              margin_m: float = 0.0) -> tuple[Tile, ...]:
        """The whole world."""
        return (Tile(self.drawn(phase)),)

    def holder(self, phase: Phase, instance: int) -> Tile | None:
        """The whole world."""
        return Tile(self.drawn(phase))

    def bounds(self, phase: Phase) -> tuple[F64, F64]:
        """See `Landscape.bounds`."""
        vertices = self.drawn(phase).bvh.arrays[0][:-1].astype(np.float64)
        return vertices.min(axis=0), vertices.max(axis=0)

    def land_use(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """See `Landscape.land_use`."""
        return self.package.world.land_use.at(x, y)

    def damage(self) -> tuple[BuildingDamage, ...]:
        """See `Landscape.damage`."""
        return self.package.aftermath.damage

    def objects(self) -> SceneObjects:
        """Made when first asked for."""
        if self._objects is None:
            self._objects = SceneObjects.of(self.package.world)
        return self._objects

    def held_bytes(self) -> int:
        """About what this takes in memory: arrays by their size, Embree's by what it takes a triangle."""
        world, aftermath = self.package.world, self.package.aftermath
        arrays = [a for mesh in (world.static, world.before, aftermath.after) for a in vars(mesh).values()]
        arrays += [g.values for g in (world.terrain, world.ground, world.land_use, aftermath.ground)]
        for drawn in self._drawn.values():
            arrays += [*drawn.surface, drawn.soft]
        faces = sum(len(drawn.surface.faces) for drawn in self._drawn.values())
        return int(sum(a.nbytes for a in arrays)) + faces * _EMBREE_BYTES


def trace_tiles(tiles: Sequence[Tile], origins: npt.NDArray[np.floating], directions: F32,
                order: npt.NDArray[np.int32]) -> Rays:
    """Nearest hits over all tiles, see `rays.trace`; rays start at origins (N, 3) or (1, 3) in the scene's frame."""
    rays = kernels.blank(len(directions))
    for place, tile in enumerate(tiles):
        # moved in double precision: within a tile, rays are as exact as in a world of its own
        own = _f32(np.asarray(origins, np.float64) - (tile.east_m, tile.north_m, 0.0))
        kernels.trace((tile.drawn.bvh.address, ARGUMENTS, place), packet(NEAREST), tile.drawn.surface, own,
                      directions, order, rays)
    return rays


def corner_rays(pose: CameraPose, camera: Intrinsics) -> npt.NDArray[np.float64]:
    """Directions (4, 3) of the picture's corners."""
    x, y = camera.width / 2 / camera.focal_px, camera.height / 2 / camera.focal_px
    return np.array([(-x, -y, 1.0), (x, -y, 1.0), (x, y, 1.0), (-x, y, 1.0)]) @ pose.rotation.T


def look_up(tiles: Sequence[Tile], rays: Rays) -> Hits:
    """What hits are made of."""
    instance, tint = np.zeros(len(rays.face), np.uint32), np.zeros((len(rays.face), 3), np.uint8)
    for place, tile in enumerate(tiles):
        here = np.flatnonzero((rays.face >= 0) & (rays.tile == place))
        face = rays.face[here]
        instance[here] = global_ids(tile, tile.drawn.surface.instance[face])
        tint[here] = tile.drawn.surface.tint[face]
    return Hits(rays.t, rays.material, instance, tint, rays.normal)


def global_ids(tile: Tile, instance: U32) -> U32:
    """Ids of a tile's buildings in the scene; 0, no building, stays 0."""
    return np.where(instance > 0, instance + np.uint32(tile.first_id), np.uint32(0)) if tile.first_id else instance


def _f32(values: npt.NDArray[np.floating]) -> F32:
    return np.ascontiguousarray(values, np.float32)


def _draw(package: Package, phase: Phase) -> Drawn:
    world, aftermath = package.world, package.aftermath
    mesh = Mesh.concatenate([world.static, world.before if phase == "before" else aftermath.after])
    ground = world.ground if phase == "before" else aftermath.ground
    streaks = NO_FIELD if phase == "before" else silt_streaks(aftermath.fields)
    smoke = NO_FIELD if phase == "before" else aftermath.fields.get("smoke", NO_FIELD)
    soft = SOFT[mesh.material]
    bvh = Bvh(padded(mesh.vertices), mesh.faces)
    shelter = _shelter(bvh, max(2, int(np.ceil(world.size_m / _SHELTER_M))), -world.size_m / 2, _SHELTER_M)
    surface = Surface(
        *_faces(mesh), _smooth_normals(mesh, soft),
        np.ascontiguousarray(ground.values, np.uint8), _frame(ground),
        np.ascontiguousarray(shelter.values, np.float32), _frame(shelter),
        crown_heights(mesh, shelter), np.ascontiguousarray(smoke.values, np.float32), _frame(smoke),
        streaks.values, _frame(streaks),
    )
    return Drawn(bvh, surface, soft, float(np.mean(world.terrain.values)))


def assembled(mesh: Mesh, soft: npt.NDArray[np.bool_], around: Surface, ground_m: float) -> Drawn:
    """A mesh that stands in the surroundings (ground, shelter, crowns, smoke) of another surface."""
    faces, material, instance, tint = _faces(mesh)
    surface = around._replace(faces=faces, material=material, instance=instance, tint=tint,
                              normals=_smooth_normals(mesh, soft))
    return Drawn(Bvh(padded(mesh.vertices), mesh.faces), surface, soft, ground_m)


def without(drawn: Drawn, keep: npt.NDArray[np.bool_]) -> Drawn:
    """The same as if only the faces `keep` (F,) had been drawn."""
    vertices, faces = drawn.bvh.arrays
    bvh, surface = Bvh(vertices, faces[keep]), drawn.surface
    frame = surface.shelter_west_south_cell
    shelter = _shelter(bvh, len(surface.shelter), float(frame[0]), float(frame[2]))
    mesh = Mesh(vertices[:-1], faces[keep], surface.material[keep], surface.instance[keep], surface.tint[keep])
    corners, material, instance, tint = _faces(mesh)
    left = surface._replace(faces=corners, material=material, instance=instance, tint=tint, shelter=shelter.values,
                            crowns=crown_heights(mesh, shelter))
    return Drawn(bvh, left, drawn.soft[keep], drawn.ground_m)


def _faces(mesh: Mesh) -> tuple[npt.NDArray[np.int32], U16, U32, npt.NDArray[np.uint8]]:
    return (np.ascontiguousarray(mesh.faces, np.int32), np.ascontiguousarray(mesh.material, np.uint16),
            np.ascontiguousarray(mesh.instance, np.uint32), np.ascontiguousarray(mesh.tint, np.uint8))


def _frame(grid: Grid) -> F32:
    return np.array([grid.west_m, grid.south_m, grid.cell_m], np.float32)


def _smooth_normals(mesh: Mesh, soft: npt.NDArray[np.bool_]) -> F32:
    """(V, 3) float32: area-weighted mean normal at the vertices of soft faces, zero elsewhere.

    Vertices at the same place are one: files split those whose faces differ in tint.
    """
    faces = mesh.faces[soft].astype(np.int64)
    used, corners = np.unique(faces, return_inverse=True)
    place = np.ascontiguousarray(mesh.vertices[used] + np.float32(0)).view("V12").ravel()     # + 0: -0.0 is 0.0
    spots, spot = np.unique(place, return_inverse=True)
    corner = mesh.vertices.astype(np.float64)
    area = np.cross(corner[faces[:, 1]] - corner[faces[:, 0]], corner[faces[:, 2]] - corner[faces[:, 0]])
    at = spot[corners.ravel()]
    total = np.stack([np.bincount(at, np.repeat(area[:, k], 3), len(spots)) for k in range(3)], axis=1)
    normals = np.zeros_like(mesh.vertices)
    normals[used] = (total / np.maximum(np.linalg.norm(total, axis=1), 1e-12)[:, None])[spot]
    return normals


def _shelter(bvh: Bvh, n: int, west_m: float, cell_m: float) -> Grid:
    """(n, n) height (m) of the scene seen from above, averaged over some metres: what hides the sky from a point below
    it."""
    line = (west_m + (np.arange(n) + 0.5) * cell_m).astype(np.float32)
    height = np.zeros((n, n), np.float32)
    kernels.heights(bvh.address, ARGUMENTS, packet(NEAREST), line, 5000.0, height)
    return Grid(cv2.GaussianBlur(height, (0, 0), 2.5 / cell_m), west_m, west_m, cell_m)
