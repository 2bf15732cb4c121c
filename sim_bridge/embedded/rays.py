"""Rays of a picture: where they go, what they hit, where edges run. Compiled kernels, no fast-math: the same bits on
every run. What a hit looks like is `shading`'s."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.embree import (
    FAR,
    GEOMETRY,
    ID,
    MISS,
    NEAREST,
    PRIMITIVE,
    SHADOW,
    Packet,
    intersect8,
    occluded16,
)
from sim_bridge.world.materials import GROUND

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., object])


# without numba's runtime, kernels make no arrays, and no time goes into counting references to those they are given
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def kernel(function: Function) -> Function:
    """Compiled by numba on first use, kept on disk; releases the GIL. No fast-math: results are the same bits.

    What is kept is thrown away when this file changes, and only then: kernels take no constants and no
    tuples from other files, but for the sentinel GROUND and the layout of Embree's packets.
    """
    return cast(Function, numba.njit(**_OPTIONS)(function))


def inner(function: Function) -> Function:
    """A part of kernels, always inlined."""
    return cast(Function, numba.njit(forceinline=True, **_OPTIONS)(function))


EDGE, COLOUR, THIN = 1, 2, 4
"""What runs through a pixel, see `between` and `mark_contrast`."""


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
    crowns: F32
    """(ny, nx) m, on the cells of `shelter`: tops of crowns, far below where there are none."""
    smoke: F32
    """(ny, nx) optical depth straight down; (1, 1) where nothing burns."""
    smoke_west_south_cell: F32
    streaks: F32
    """(ny, nx) silt in moving water, zero mean and unit deviation; (1, 1) where nothing flows."""
    streaks_west_south_cell: F32


class Rays(NamedTuple):
    """What N rays hit."""

    t: F32
    """Ray parameter; before a cast, how far to look. inf for a miss."""
    face: I32
    """-1 for a miss."""
    point: F32
    """(N, 3) ENU metres, in the frame of the tile that was hit."""
    normal: F32
    """(N, 3) of the face: unit, on the side the ray came from; zero for a miss."""
    u: F32
    v: F32
    material: npt.NDArray[np.uint16]
    """0 for a miss."""
    lit: npt.NDArray[np.bool_]
    """True where the sun reaches the face."""
    tile: npt.NDArray[np.int16]
    """Place of what was hit in the list of tiles that were cast into."""


def blank(count: int) -> Rays:
    """Rays that have hit nothing so far and look as far as there is."""
    return Rays(np.full(count, np.inf, np.float32), np.full(count, -1, np.int32), np.zeros((count, 3), np.float32),
                np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32),
                np.zeros(count, np.uint16), np.zeros(count, np.bool_), np.zeros(count, np.int16))


@kernel
def aim(rotation: F32, camera: tuple[float, int, int], pixels: I32, side: int, directions: F32) -> None:
    """Fills directions (N * side^2, 3) with a regular grid of rays through each pixel (N,), counted row by row.

    The same rays as `frames.pixel_rays`; `camera` is focal length, width, height in pixels.
    """
    focal_px, width, height = camera
    many = side * side
    for p in range(pixels.shape[0]):
        column, row = pixels[p] % width, pixels[p] // width
        for k in range(many):
            x = (column + (k % side + 0.5) / side - width / 2) / focal_px
            y = (row + (k // side + 0.5) / side - height / 2) / focal_px
            for c in range(3):
                directions[p * many + k, c] = np.float32(rotation[c, 0] * x + rotation[c, 1] * y + rotation[c, 2])


@inner
def cell_value(raster: U8, frame: F32, x: float, y: float) -> int:
    """Value of the raster cell that holds a point, clamped; `frame` is west, south, cell size."""
    ny, nx = raster.shape
    ix = min(max(math.floor((x - frame[0]) / frame[2]), 0), nx - 1)
    iy = min(max(math.floor((y - frame[1]) / frame[2]), 0), ny - 1)
    return int(raster[iy, ix])


@inner
def accept(surface: Surface, origin: F32, direction: F32, face: int, t: float, rays: Rays, i: int) -> None:
    """Fills point, normal and material of a new nearest hit; terrain takes the material of the ground's cell."""
    scale = 1 / math.sqrt(rays.normal[i, 0] ** 2 + rays.normal[i, 1] ** 2 + rays.normal[i, 2] ** 2)
    if (rays.normal[i, 0] * direction[0] + rays.normal[i, 1] * direction[1] + rays.normal[i, 2] * direction[2]) > 0:
        scale = -scale
    for k in range(3):
        rays.normal[i, k] *= scale
        rays.point[i, k] = origin[k] + direction[k] * t
    rays.material[i] = surface.material[face]
    if rays.material[i] == GROUND:
        rays.material[i] = cell_value(surface.ground, surface.ground_west_south_cell, rays.point[i, 0],
                                      rays.point[i, 1])


@kernel
def trace(scene: tuple[int, int, int], scratch: Packet, surface: Surface, origins: F32, directions: F32, order: I32,
          rays: Rays) -> None:
    """Nearest hits of rays in one tile, where they are nearer than what rays.t says; fills all of `rays` but `lit`.

    scene: address of the tile's Embree scene and of the query's arguments, place of the tile. origins: (N, 3) or, where
    all rays start at one point, (1, 3). order: (N,) rays by place, so that each 8 go nearly the same way.
    """
    bvh, arguments, tile = scene
    packet, whole, valid = scratch
    count = order.shape[0]
    step = 1 if origins.shape[0] > 1 else 0
    for first in range(0, count, NEAREST):
        width = min(NEAREST, count - first)
        for j in range(NEAREST):
            i = order[first + min(j, width - 1)]
            valid[j] = -1 if j < width else 0
            for c in range(3):
                packet[c * NEAREST + j] = origins[i * step, c]
                packet[(4 + c) * NEAREST + j] = directions[i, c]
            packet[FAR * NEAREST + j] = rays.t[i]
            whole[9 * NEAREST + j] = -1     # every mask
            whole[GEOMETRY * NEAREST + j] = MISS
        intersect8(valid.ctypes.data, bvh, packet.ctypes.data, arguments)
        for j in range(width):
            i = order[first + j]
            if whole[GEOMETRY * NEAREST + j] == MISS:
                continue
            rays.t[i], rays.face[i] = packet[FAR * NEAREST + j], whole[PRIMITIVE * NEAREST + j]
            rays.u[i], rays.v[i], rays.tile[i] = packet[15 * NEAREST + j], packet[16 * NEAREST + j], tile
            for c in range(3):
                rays.normal[i, c] = packet[(12 + c) * NEAREST + j]
            accept(surface, origins[i * step], directions[i], rays.face[i], rays.t[i], rays, i)


@kernel
def heights(bvh: int, arguments: int, scratch: Packet, line: F32, top_m: float, height: F32) -> None:
    """Fills height (N, N) with z of what is seen from above at (line[column], line[row]); 0 where nothing is."""
    packet, whole, valid = scratch
    for row in range(line.shape[0]):
        for first in range(0, line.shape[0], NEAREST):
            width = min(NEAREST, line.shape[0] - first)
            for j in range(NEAREST):
                valid[j] = -1 if j < width else 0
                packet[j], packet[NEAREST + j] = line[first + min(j, width - 1)], line[row]
                packet[2 * NEAREST + j], packet[6 * NEAREST + j] = top_m, -1
                packet[FAR * NEAREST + j] = np.inf
                whole[9 * NEAREST + j], whole[GEOMETRY * NEAREST + j] = -1, MISS
            intersect8(valid.ctypes.data, bvh, packet.ctypes.data, arguments)
            for j in range(width):
                height[row, first + j] = 0
                if whole[GEOMETRY * NEAREST + j] != MISS:
                    height[row, first + j] = top_m - packet[FAR * NEAREST + j]


@kernel
def face_sun(toward: F32, rays: Rays) -> None:
    """Sets lit where a hit faces the sun: what nothing has shadowed yet."""
    for i in range(rays.face.shape[0]):
        facing = 0.0
        for k in range(3):
            facing += rays.normal[i, k] * toward[k]
        rays.lit[i] = rays.face[i] >= 0 and facing > 0


@kernel
def shadow(scene: tuple[int, int], scratch: Packet, shifts: F32, toward: F32, order: I32, rays: Rays) -> None:
    """Clears lit where something in one tile stands before the sun.

    scene: address of the tile's Embree scene and of the query's arguments. shifts: (T, 3) from the frame of each tile
    to that of this one.
    """
    bvh, arguments = scene
    packet, whole, valid = scratch
    held = 0
    for n in range(order.shape[0] + 1):
        if n < order.shape[0] and rays.lit[order[n]]:
            i = order[n]
            whole[ID * SHADOW + held], valid[held] = i, -1
            # lifted off its surface, else it shadows itself
            lift = 0.01 + 2e-6 * rays.t[i]
            for c in range(3):
                packet[c * SHADOW + held] = rays.point[i, c] + rays.normal[i, c] * lift + shifts[rays.tile[i], c]
                packet[(4 + c) * SHADOW + held] = toward[c]
            packet[FAR * SHADOW + held] = np.inf
            whole[9 * SHADOW + held] = -1
            held += 1
        if held == SHADOW or (n == order.shape[0] and held > 0):
            for j in range(held, SHADOW):
                valid[j] = 0
            occluded16(valid.ctypes.data, bvh, packet.ctypes.data, arguments)
            for j in range(held):
                rays.lit[whole[ID * SHADOW + j]] = packet[FAR * SHADOW + j] >= 0
            held = 0


@kernel
def instances(surface: Surface, tile: int, first_id: int, rays: Rays, start: int,
              instance: npt.NDArray[np.uint32]) -> None:
    """Fills instance (M,) of rays `start` to start + M that hit a tile with the id of the building, first_id added."""
    for i in range(instance.shape[0]):
        f = rays.face[start + i]
        if f >= 0 and rays.tile[start + i] == tile and surface.instance[f] > 0:
            instance[i] = surface.instance[f] + first_id


@kernel
def add_void(void: F32, target: I32, weight: float, total: F32) -> None:
    """Adds what is seen where there is no world at all."""
    for i in range(target.shape[0]):
        if target[i] >= 0:
            for k in range(3):
                total[target[i], k] += np.float32(weight * void[k])


@kernel
def extend(surface: Surface, tile: int, origin: F32, directions: F32, centres: I32, rays: Rays, sub: Rays) -> None:
    """Fills `sub` (N * k), k rays through each of the pixels whose middle is rays[centres] (N,), where that lies in a
    tile, as if they met the plane of its face in the same light: nothing ends within these pixels but colours."""
    many = directions.shape[0] // centres.shape[0]
    for i in range(directions.shape[0]):
        c = centres[i // many]
        if rays.face[c] < 0 or rays.tile[c] != tile:
            continue
        toward, height = 0.0, 0.0
        for k in range(3):
            toward += rays.normal[c, k] * directions[i, k]
            height += rays.normal[c, k] * (rays.point[c, k] - origin[k])
        t = height / toward
        if not (abs(t - rays.t[c]) < 0.05 * rays.t[c]):     # a plane seen along its surface
            t = rays.t[c]
        sub.t[i], sub.face[i], sub.u[i], sub.v[i] = t, rays.face[c], rays.u[c], rays.v[c]
        for k in range(3):
            sub.point[i, k], sub.normal[i, k] = origin[k] + directions[i, k] * t, rays.normal[c, k]
        sub.material[i], sub.tile[i], sub.lit[i] = rays.material[c], tile, rays.lit[c]
        if surface.material[rays.face[c]] == GROUND:
            sub.material[i] = cell_value(surface.ground, surface.ground_west_south_cell, sub.point[i, 0],
                                         sub.point[i, 1])


@kernel
def identify(surface: Surface, soft: npt.NDArray[np.bool_], tile: int, rays: Rays, key: npt.NDArray[np.int64]) -> None:
    """Fills key (N,) of the rays that hit a tile: the same where the same thing shows; bit 0: a hit, bit 1: soft,
    bit 2: a crown. Others stay as they are."""
    for i in range(key.shape[0]):
        f = rays.face[i]
        if f >= 0 and rays.tile[i] == tile:
            flags = 1 + 2 * soft[f] + 4 * (soft[f] and surface.material[f] != GROUND)
            key[i] = (flags + 8 * np.int64(surface.material[f]) + (np.int64(surface.instance[f]) << 19)
                      + (np.int64(tile) << 51))


@inner
def between(key: npt.NDArray[np.int64], rays: Rays, i: int, j: int, steps_m: F32) -> int:
    """What runs between two rays: EDGE, of a thing, a roof plane or a shadow, or a jump in depth; COLOUR, a border of
    what the ground is made of; 0, nothing."""
    found = EDGE
    if key[i] == key[j] and rays.lit[i] == rays.lit[j]:
        turn, jump = 0.0, 0.0
        for k in range(3):
            turn += rays.normal[i, k] * rays.normal[j, k]
            jump += rays.normal[i, k] * (rays.point[j, k] - rays.point[i, k])
        hard = key[i] != 0 and (key[i] & 2) == 0 and turn < 0.97
        deep = key[i] != 0 and abs(jump) > steps_m[rays.tile[i]]
        found = EDGE if hard or deep else COLOUR if rays.material[i] != rays.material[j] else 0
    return found


@kernel
def mark_edges(key: npt.NDArray[np.int64], rays: Rays, width: int, steps_m: F32, edge: U8) -> None:
    """Sets edge (N,) for rays, one a pixel over whole rows, to what runs `between` each and its eight neighbours.

    steps_m: (T,) of each tile, a jump in depth from which on it is an edge.
    """
    count = edge.shape[0]
    edge[:] = 0
    for i in range(count):
        if (i + 1) % width:
            found = between(key, rays, i, i + 1, steps_m)
            edge[i] |= found
            edge[i + 1] |= found
        for shift in range(-1, 2):
            if i + width < count and 0 <= i % width + shift < width:
                found = between(key, rays, i, i + width + shift, steps_m)
                edge[i] |= found
                edge[i + width + shift] |= found


@kernel
def mark_thin(key: npt.NDArray[np.int64], rays: Rays, width: int, steps_m: F32, edge: U8) -> None:
    """Adds EDGE and THIN two pixels around what is one pixel wide: a pole or its shadow shows in some pixels and slips
    through between the middles of the next."""
    count = edge.shape[0]
    for i in range(width, count - width):
        if edge[i] & EDGE and 0 < i % width < width - 1:
            along = between(key, rays, i, i - 1, steps_m) & between(key, rays, i, i + 1, steps_m)
            across = between(key, rays, i, i - width, steps_m) & between(key, rays, i, i + width, steps_m)
            if (along | across) & EDGE:
                for row in range(max(0, i // width - 2), min(count // width, i // width + 3)):
                    for column in range(max(0, i % width - 2), min(width, i % width + 3)):
                        edge[row * width + column] |= EDGE | THIN


@kernel
def mark_contrast(pixels: U8, key: npt.NDArray[np.int64], width: int, enough: int, edge: U8) -> None:
    """Marks pixels (N, 3) of whole rows that differ from a neighbour by more than `enough` in a channel: COLOUR, and
    within crowns, where no face is as wide as a pixel, EDGE. With a third of that contrast, edges are not seen."""
    for i in range(edge.shape[0]):
        most = 0
        for k in range(4):
            step = 1 if k == 0 else -1 if k == 1 else width if k == 2 else -width
            inside = (i + 1) % width > 0 if k == 0 else i % width > 0 if k == 1 else True
            j = i + step
            if inside and 0 <= j < edge.shape[0]:
                for c in range(3):
                    most = max(most, abs(int(pixels[i, c]) - int(pixels[j, c])))
        if most > enough:
            edge[i] |= EDGE if key[i] & 4 else COLOUR
        elif not edge[i] & THIN and most <= enough // 3:
            edge[i] = 0
