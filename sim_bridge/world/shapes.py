"""Mesh primitives: boxes, prisms, caps, quads; random numbers that belong to an object.

All functions are pure. Faces are counter-clockwise seen from outside. Lengths are metres, angles degrees
counter-clockwise from east, heights z in the world frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_Any = TypeVar("_Any", bound=np.generic)
Tint = tuple[int, int, int]
PLAIN: Tint = (128, 128, 128)

_BOX = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0],
                 [-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]])
_BOX_FACES = np.array([[4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5],
                       [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7], [0, 3, 2], [0, 2, 1]])


def object_rng(*keys: float) -> np.random.Generator:
    """Generator that belongs to an object: the same numbers (ids, metres to the millimetre), the same draws."""
    words = [round(float(key) * 1000) & 0xFFFFFFFF for key in keys]
    return np.random.default_rng(np.random.SeedSequence(words))


def hash_unit(*keys: npt.ArrayLike) -> F64:
    """Uniform numbers in [0, 1) from broadcast keys (metres to the millimetre, or integers), by splitmix64.

    A draw for many objects at once that still depends on nothing but the object (Steele et al. 2014, mixing function).
    """
    shape = np.broadcast(*keys).shape
    state = np.zeros(shape or (1,), np.uint64)
    for key in keys:
        word = np.round(np.asarray(key, np.float64) * 1000).astype(np.int64).astype(np.uint64)
        state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) / float(1 << 53)).reshape(shape)


def mesh_of(vertices: npt.ArrayLike, faces: npt.ArrayLike, material: str | npt.ArrayLike, instance: int = 0,
            tint: npt.ArrayLike = PLAIN) -> Mesh:
    """Mesh of vertices (V, 3) and faces (F, 3); material is one name or (F,) indices, tint (3,) or (F, 3)."""
    triangles = np.asarray(faces, np.uint32).reshape(-1, 3)
    count = len(triangles)
    materials = np.empty(count, np.uint16)
    materials[:] = INDEX[material] if isinstance(material, str) else material
    tints = np.empty((count, 3), np.uint8)
    tints[:] = np.minimum(np.maximum(np.asarray(tint, np.float64), 0), 255)
    return Mesh(np.asarray(vertices, np.float32).reshape(-1, 3), triangles, materials,
                np.full(count, instance, np.uint32), tints)


def turn(points: F64, yaw_deg: float | F64) -> F64:
    """Points (..., 2) turned about the origin by yaw_deg (scalar, or one for each point)."""
    angle = np.radians(yaw_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([points[..., 0] * cos - points[..., 1] * sin, points[..., 0] * sin + points[..., 1] * cos], -1)


def boxes(centres: F64, sizes: F64, yaw_deg: F64, low_m: F64, high_m: F64, material: str | npt.ArrayLike,
          tint: npt.ArrayLike = PLAIN, instance: int = 0) -> Mesh:
    """N boxes at centres (N, 2) with sizes (N, 2) from low_m (N,) to high_m (N,), 8 vertices and 12 faces each.

    material: a name, or (N,) or (N, 12) indices; faces are top 2, sides 8, bottom 2. tint: (3,) or (N, 3).
    """
    count = len(centres)
    flat = turn(_BOX[None, :, :2] * sizes[:, None, :], np.asarray(yaw_deg)[:, None]) + centres[:, None, :]
    z = low_m[:, None] + _BOX[None, :, 2] * (high_m - low_m)[:, None]
    faces = (_BOX_FACES[None] + 8 * np.arange(count)[:, None, None]).reshape(-1, 3)
    index = np.asarray(INDEX[material] if isinstance(material, str) else material, np.uint16)
    if index.ndim == 1:
        index = index[:, None]
    colours = np.broadcast_to(np.asarray(tint), (count, 3)).repeat(12, axis=0)
    return mesh_of(np.concatenate([flat, z[..., None]], -1), faces, np.broadcast_to(index, (count, 12)).ravel(),
                   instance, colours)


def box(centre: tuple[float, float], size: tuple[float, float], yaw_deg: float, low_m: float, high_m: float,
        material: str, tint: npt.ArrayLike = PLAIN, instance: int = 0) -> Mesh:
    """One closed box, see `boxes`."""
    return boxes(np.array([centre], np.float64), np.array([size], np.float64), np.array([yaw_deg]),
                 np.array([low_m]), np.array([high_m]), material, tint, instance)


def prism_walls(ring: F64, low_m: float, high_m: float, material: str, tint: npt.ArrayLike = PLAIN,
                instance: int = 0) -> Mesh:
    """Vertical walls over a counter-clockwise ring (N, 2), open above and below."""
    n = len(ring)
    vertices = np.concatenate([np.column_stack([ring, np.full(n, low_m)]), np.column_stack([ring, np.full(n, high_m)])])
    here, following = np.arange(n), np.roll(np.arange(n), -1)
    faces = np.concatenate([np.column_stack([here, following, following + n]),
                            np.column_stack([here, following + n, here + n])])
    return mesh_of(vertices, faces, material, instance, tint)


def cap(polygon: shapely.Polygon, z_m: float, material: str, tint: npt.ArrayLike = PLAIN,
        instance: int = 0) -> Mesh:
    """Horizontal, upward-facing area of a polygon (holes allowed)."""
    flat = cap_corners(polygon).reshape(-1, 2)
    return mesh_of(np.column_stack([flat, np.full(len(flat), z_m)]), np.arange(len(flat)), material, instance, tint)


def cap_corners(polygon: shapely.Polygon) -> F64:
    """Triangles (T, 3, 2) of a polygon (holes allowed), counter-clockwise, by constrained Delaunay triangulation."""
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(polygon))
    corners = np.asarray(shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3])
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    clockwise = edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0] < 0
    corners[clockwise] = corners[clockwise][:, ::-1]
    return corners


def quads(corners: F64, material: str, tint: npt.ArrayLike = PLAIN, instance: int = 0) -> Mesh:
    """Flat four-cornered faces (N, 4, 3), counter-clockwise from outside; tint: (3,) or (N, 3).

    Two corners of a quad may coincide: it is then one triangle.
    """
    count = len(corners)
    faces = (np.array([[0, 1, 2], [0, 2, 3]])[None] + 4 * np.arange(count)[:, None, None]).reshape(-1, 3)
    colours = np.broadcast_to(np.asarray(tint, np.float64), (count, 3)).repeat(2, axis=0)
    points = corners.reshape(-1, 3)
    sides = np.abs(corners - corners[:, [1, 2, 3, 0]]).sum(axis=2) > 1e-9
    if not sides.all():
        # a triangle two of whose corners coincide has no area
        solid = np.column_stack([sides[:, 0] & sides[:, 1], sides[:, 2] & sides[:, 3]]).ravel()
        faces, colours = faces[solid], colours[solid]
    return mesh_of(points, faces, material, instance, colours)


def following(points: npt.NDArray[_Any]) -> npt.NDArray[_Any]:
    """Of each corner of a ring (N, ...), the next one."""
    return np.concatenate([points[1:], points[:1]])


def moved(mesh: Mesh, yaw_deg: float, offset: Sequence[float]) -> Mesh:
    """The mesh turned about the vertical axis through its origin, then shifted by offset (x, y, z)."""
    flat = turn(mesh.vertices[:, :2].astype(np.float64), yaw_deg)
    vertices = np.column_stack([flat, mesh.vertices[:, 2]]) + np.asarray(offset, np.float64)
    return Mesh(vertices.astype(np.float32), mesh.faces, mesh.material, mesh.instance, mesh.tint)
