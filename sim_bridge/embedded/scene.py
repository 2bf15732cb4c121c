"""A package as the simulator holds it: one Embree scene a phase, and the arrays that hits are looked up in."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from sim_bridge.embedded.rays import Surface
from sim_bridge.world.materials import GROUND, TABLE
from sim_bridge.world.model import Grid, Mesh, World
from sim_bridge.world.package import Package

Phase = Literal["before", "after"]
F32 = npt.NDArray[np.float32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
_FAR = np.float32(1e30)
_SOFT = np.array([m.texture == "leaf" or i == GROUND for i, m in enumerate(TABLE)])


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
    """One phase of the world, ready for rays."""

    embree: EmbreeScene
    mesh: Mesh
    surface: Surface
    soft: npt.NDArray[np.bool_]
    """(F,) true for faces of crowns and terrain, whose facets are not meant to be seen."""


class Scene:
    """Both phases of a package. A phase is built when it is first asked for; static geometry is in both, so that one
    traversal finds the nearest hit. Threads may share a scene: after a phase is built, it is only read."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._drawn: dict[Phase, Drawn] = {}
        self._building = Lock()

    def drawn(self, phase: Phase) -> Drawn:
        with self._building:
            if phase not in self._drawn:
                self._drawn[phase] = _draw(self.package, phase)
            return self._drawn[phase]

    def cast(self, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating], phase: Phase) -> Hits:
        """Nearest hits of rays (N, 3) in ENU metres; directions need not be unit, t is in their length."""
        drawn = self.drawn(phase)
        origin, direction = _f32(origins), _f32(directions)
        found = drawn.embree.run(origin, direction, query="INTERSECT", output=True)
        face, hit = found["primID"], found["primID"] >= 0
        points = origin + direction * np.where(hit, found["tfar"], 0)[:, None]
        length = np.maximum(np.linalg.norm(found["Ng"], axis=1), 1e-20)
        away = np.einsum("ij,ij->i", found["Ng"], direction) > 0
        normal = found["Ng"] / np.where(away, -length, length)[:, None]
        return Hits(
            np.where(hit, found["tfar"], np.float32(np.inf)),
            self._materials(drawn, phase, face, points),
            np.where(hit, drawn.mesh.instance[face], np.uint32(0)),
            np.where(hit[:, None], drawn.mesh.tint[face], np.uint8(0)),
            np.where(hit[:, None], normal, np.float32(0)),
        )

    def _materials(self, drawn: Drawn, phase: Phase, face: npt.NDArray[np.int32], points: F32) -> U16:
        material = np.where(face >= 0, drawn.mesh.material[face], np.uint16(GROUND))
        terrain = (face >= 0) & (material == GROUND)
        ground = self.package.world.ground if phase == "before" else self.package.aftermath.ground
        material[terrain] = ground.at(points[terrain, 0], points[terrain, 1])
        return material

    def occluded(self, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
                 phase: Phase) -> npt.NDArray[np.bool_]:
        """True where a ray (N, 3) meets anything. One direction (1, 3) serves for all origins."""
        found = self.drawn(phase).embree.run(_f32(origins), _f32(directions), query="OCCLUDED")
        return np.asarray(found >= 0)


def _f32(values: npt.NDArray[np.floating]) -> F32:
    return np.ascontiguousarray(values, np.float32)


def _draw(package: Package, phase: Phase) -> Drawn:
    world, aftermath = package.world, package.aftermath
    mesh = Mesh.concatenate([world.static, world.before if phase == "before" else aftermath.after])
    ground = world.ground if phase == "before" else aftermath.ground
    # robust: without it, rays slip between triangles that share an edge
    embree = EmbreeScene(robust=True)
    TriangleMesh(embree, _f32(mesh.vertices), np.ascontiguousarray(mesh.faces, np.int32))
    shelter = _shelter(embree, world)
    soft = _SOFT[mesh.material]
    surface = Surface(
        np.ascontiguousarray(mesh.faces, np.int32), np.ascontiguousarray(mesh.material, np.uint16),
        np.ascontiguousarray(mesh.instance, np.uint32), np.ascontiguousarray(mesh.tint, np.uint8),
        _smooth_normals(mesh, soft),
        np.ascontiguousarray(ground.values, np.uint8), _frame(ground),
        np.ascontiguousarray(shelter.values, np.float32), _frame(shelter),
    )
    return Drawn(embree, mesh, surface, soft)


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


def _shelter(embree: EmbreeScene, world: World, cell_m: float = 1.0) -> Grid:
    """Height (m) of the scene seen from above, averaged over some metres: what hides the sky from a point below it."""
    n = max(2, int(np.ceil(world.size_m / cell_m)))
    west = -world.size_m / 2
    line = west + (np.arange(n) + 0.5) * cell_m
    x, y = np.meshgrid(line, line)
    top = np.full(x.size, 5000.0)
    found = embree.run(_f32(np.stack([x.ravel(), y.ravel(), top], axis=1)),
                       np.tile(np.array([[0, 0, -1]], np.float32), (x.size, 1)), query="DISTANCE")
    height = np.where(found < _FAR, 5000.0 - found, 0.0).astype(np.float32).reshape(n, n)
    return Grid(cv2.GaussianBlur(height, (0, 0), 2.5 / cell_m), west, west, cell_m)
