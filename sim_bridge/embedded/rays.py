"""Rays of a picture: where they go, what they hit, where edges run. Compiled kernels, no fast-math: the same bits on
every run. What a hit looks like is `shading`'s."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from sim_bridge.world.materials import GROUND

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compiled by numba on first use, kept on disk; releases the GIL. No fast-math: results are the same bits.

    What is kept is thrown away when this file changes, and only then: kernels take no constants and no
    tuples from other files, but for the sentinel GROUND.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inner(function: Function) -> Function:
    """A part of kernels, always inlined: a call would count references to every array it is handed."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function))


class Surface(NamedTuple):
    """What a hit is looked up in: arrays of one phase of a world."""

    faces: I32
    material: npt.NDArray[np.uint16]
    instance: npt.NDArray[np.uint32]
    tint: U8
    normals: F32
    """(V, 3), smoothed over crowns and terrain; zero where facets stay flat."""
    ground: U8
    ground_west_south_cell: F32
    shelter: F32
    """(ny, nx) m: mean height of what stands around; below it less sky is seen."""
    shelter_west_south_cell: F32


class Rays(NamedTuple):
    """What N rays hit."""

    t: F32
    face: I32
    """-1 for a miss."""
    point: F32
    """(N, 3) ENU metres."""
    normal: F32
    """(N, 3) of the face; after `resolve` unit, on the side the ray came from."""
    u: F32
    v: F32
    material: npt.NDArray[np.uint16]
    lit: npt.NDArray[np.bool_]
    """True where the sun reaches the face."""


@kernel
def aim(rotation: F32, camera: tuple[float, int, int], pixels: I32, side: int, directions: F32) -> None:
    """Fills directions (N * side^2, 3) with a regular grid of rays through each pixel (N,), counted row by row.

    The same rays as `frames.pixel_rays`; `camera` is focal length, width, height in pixels.
    """
    focal_px, width, height = camera
    for i in range(directions.shape[0]):
        pixel, k = pixels[i // (side * side)], i % (side * side)
        x = (pixel % width + (k % side + 0.5) / side - width / 2) / focal_px
        y = (pixel // width + (k // side + 0.5) / side - height / 2) / focal_px
        for c in range(3):
            directions[i, c] = np.float32(rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2])


@inner
def cell_value(raster: U8, frame: F32, x: float, y: float) -> int:
    """Value of the raster cell that holds a point, clamped; `frame` is west, south, cell size."""
    ny, nx = raster.shape
    ix = min(max(math.floor((x - frame[0]) / frame[2]), 0), nx - 1)
    iy = min(max(math.floor((y - frame[1]) / frame[2]), 0), ny - 1)
    return int(raster[iy, ix])


@kernel
def resolve(surface: Surface, origin: F32, directions: F32, rays: Rays) -> None:
    """Fills point and material of the hits and straightens their normals; terrain takes the material of the ground
    cell it lies in, a miss takes 0."""
    for i in range(rays.face.shape[0]):
        rays.material[i] = 0
        if rays.face[i] < 0:
            continue
        nx, ny, nz = rays.normal[i, 0], rays.normal[i, 1], rays.normal[i, 2]
        scale = 1 / math.sqrt(nx * nx + ny * ny + nz * nz)
        if nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2] > 0:
            scale = -scale
        for k in range(3):
            rays.normal[i, k] *= scale
            rays.point[i, k] = origin[k] + directions[i, k] * rays.t[i]
        rays.material[i] = surface.material[rays.face[i]]
        if rays.material[i] == GROUND:
            rays.material[i] = cell_value(surface.ground, surface.ground_west_south_cell, rays.point[i, 0],
                                          rays.point[i, 1])


@kernel
def sunward(rays: Rays, toward: F32, starts: F32, index: I32) -> int:
    """Writes the points that face the sun, lifted off their surface, and their index; returns how many."""
    count = 0
    for i in range(rays.face.shape[0]):
        rays.lit[i] = False
        facing_sun = 0.0
        for k in range(3):
            facing_sun += rays.normal[i, k] * toward[k]
        if rays.face[i] >= 0 and facing_sun > 0:
            for k in range(3):
                starts[count, k] = rays.point[i, k] + rays.normal[i, k] * (0.01 + 2e-6 * rays.t[i])
            index[count] = i
            count += 1
    return count


@kernel
def identify(surface: Surface, soft: npt.NDArray[np.bool_], rays: Rays, key: npt.NDArray[np.int64]) -> None:
    """Fills key (N,), which is the same where the same thing shows in the same light; bit 0: a hit, bit 1: soft."""
    for i in range(key.shape[0]):
        key[i] = 0
        if rays.face[i] >= 0:
            # the shade within a crown is soft: light passes through leaves
            crown = soft[rays.face[i]] and surface.material[rays.face[i]] != GROUND
            flags = 1 + 2 * soft[rays.face[i]] + 4 * (rays.lit[i] and not crown)
            key[i] = flags + 8 * np.int64(rays.material[i]) + (np.int64(surface.instance[rays.face[i]]) << 19)


@inner
def apart(key: npt.NDArray[np.int64], point: F32, normal: F32, i: int, j: int, step_m: float) -> bool:
    """True if an edge runs between two rays: of thing, of shadow, of roof plane, or a jump in depth."""
    turn, jump = 0.0, 0.0
    for k in range(3):
        turn += normal[i, k] * normal[j, k]
        jump += normal[i, k] * (point[j, k] - point[i, k])
    hard_edge = (key[i] & 2) == 0 and turn < 0.97
    return key[i] != key[j] or (key[i] != 0 and (hard_edge or abs(jump) > step_m))


@kernel
def mark_edges(key: npt.NDArray[np.int64], point: F32, normal: F32, width: int, step_m: float,
               edge: npt.NDArray[np.bool_]) -> None:
    """Sets edge (N,) for rays, one a pixel over whole rows, that differ from one of their four neighbours."""
    count = edge.shape[0]
    edge[:] = False
    for i in range(count):
        if (i + 1) % width and apart(key, point, normal, i, i + 1, step_m):
            edge[i] = edge[i + 1] = True
        if i + width < count and apart(key, point, normal, i, i + width, step_m):
            edge[i] = edge[i + width] = True
