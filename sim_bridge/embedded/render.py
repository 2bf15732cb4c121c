"""Pictures from rays: colour, depth, material and instance of one camera, from one set of primary rays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded import light as lights
from sim_bridge.embedded import rays as kernels
from sim_bridge.embedded import shading
from sim_bridge.embedded.embree import ARGUMENTS, SHADOW, packet
from sim_bridge.embedded.light import Band
from sim_bridge.embedded.rays import Rays
from sim_bridge.embedded.scene import Landscape, Phase, Tile, corner_rays, trace_tiles
from sim_bridge.embedded.shading import Illumination, Look
from sim_bridge.embedded.textures import atlas
from sim_bridge.errors import InputError
from sim_bridge.frames import CameraPose, Intrinsics
from sim_bridge.spec import Light

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
_BAND_PIXELS, _CHUNK_RAYS = 131072, 32768
"""In work at a time: pixels, and rays where there are several a pixel. Bounds memory for pictures of any size."""
_MARGIN_ROWS = 3
"""Traced beyond a band, so that what runs through its pixels does not depend on where bands end."""
_TALLEST_M, _FARTHEST_SHADOW_M = 60.0, 200.0
"""Of what may throw a shadow into the picture from a neighbouring tile."""
_SEEN = 14
"""Steps of 255 between neighbouring pixels of one face, from which on its pattern is finer than pixels."""
_FAR_EYE_M = 1e5
"""From where glints are seen along parallel rays."""
_LEAST_ROWS = 16
"""Of a band, however wide the picture."""


@dataclass(frozen=True)
class Rendered:
    """rgb: (H, W, 3) uint8. depth: (H, W) float32, planar metres, inf where nothing is. material: (H, W) uint16 and
    instance: (H, W) uint32 of what the pixel's centre shows, unfiltered. normal: (H, W, 3) float32, unit, in ENU, zero
    where nothing is; None unless it was asked for."""

    rgb: npt.NDArray[np.uint8]
    depth: F32
    material: npt.NDArray[np.uint16]
    instance: npt.NDArray[np.uint32]
    normal: F32 | None = None


@dataclass(frozen=True)
class _Aim:
    """Where the rays of a picture start and go."""

    camera: Intrinsics
    pose: CameraPose
    rotation: F32
    """The pose's, as kernels take it."""
    origin: F64
    ortho_m: float | None
    """Width of what is seen by parallel rays; None: all rays start at the origin."""


@dataclass(frozen=True)
class _Shot:
    """What stays the same over one picture; `shifts`, `steps_m` and looks are of each tile."""

    tiles: tuple[Tile, ...]
    aim: _Aim
    light: Illumination
    shifts: F64
    """(T, 2) from the frame of the scene to that of the tile."""
    steps_m: F32
    """(T,) jumps in depth that are edges."""
    looks: tuple[Look, ...]
    side: int


def render(scene: Landscape, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band = "rgb",
           samples: int = 4, *, normals: bool = False, ortho_m: float | None = None, plain: bool = False) -> Rendered:
    """Picture of a phase. Labels and depth come from the ray through the pixel's centre. So does colour, except where
    an edge runs by (of a thing, a shadow, a roof plane): there it is the mean over a grid of `samples` rays, a square
    number; and where only colours change, it is the mean over as many points of the face that the centre met. A test
    holds this against `samples` rays everywhere. The near-infrared band is grey in three equal channels.

    normals: give them too. ortho_m: rays are parallel and the picture is so many metres wide; focal_px does not count.
    plain: all surfaces are the same matt grey, so that only light shows.

    The result depends on world, pose, camera and light only: bit for bit, on any number of threads.
    Raises InputError if `samples` is not a square number.
    """
    side = math.isqrt(samples)
    if side < 1 or side * side != samples:
        raise InputError(f"samples is {samples}: expected a square number, such as 1 or 4")
    shot = _shot(scene, phase, _aim(pose, camera, ortho_m), light, band, side)
    if plain:
        shot = replace(shot, tiles=tuple(map(_untinted, shot.tiles)), looks=tuple(map(lights.plain, shot.looks)))
    out = _blank(camera, 3, normals)
    step = max(_LEAST_ROWS, _BAND_PIXELS // camera.width)
    for first in range(0, camera.height, step):
        _render_rows(shot, first, min(first + step, camera.height), out)
    return out


def measure(scene: Landscape, phase: Phase, pose: CameraPose, camera: Intrinsics, *, normals: bool = False,
            ortho_m: float | None = None) -> Rendered:
    """What `render` gives but for its colours, in a fraction of the time; rgb is empty."""
    aim = _aim(pose, camera, ortho_m)
    tiles = scene.tiles(phase, *_corners(aim))
    out = _blank(camera, 0, normals)
    step = max(_LEAST_ROWS, _BAND_PIXELS // camera.width)
    for first in range(0, camera.height, step):
        last = min(first + step, camera.height)
        pixels = np.arange(first * camera.width, last * camera.width, dtype=np.int32)
        rays = trace_tiles(tiles, *_rays(aim, pixels, 1), _blocks(last - first, camera.width))
        _store(tiles, rays, slice(0, pixels.size), out, slice(first, last))
    return out


def _aim(pose: CameraPose, camera: Intrinsics, ortho_m: float | None) -> _Aim:
    return _Aim(camera, pose, pose.rotation.astype(np.float32), pose.position.array(), ortho_m)


def _blank(camera: Intrinsics, channels: int, normals: bool) -> Rendered:
    """Arrays to be filled; without channels, no room for colours."""
    size = (camera.height, camera.width)
    return Rendered(np.empty((*size, 3) if channels else (0, 0, 3), np.uint8), np.empty(size, np.float32),
                    np.empty(size, np.uint16), np.empty(size, np.uint32),
                    np.zeros((*size, 3), np.float32) if normals else None)


def _corners(aim: _Aim) -> tuple[F64, F64]:
    """Origins and directions of the rays through the picture's corners."""
    camera, forward = aim.camera, aim.pose.rotation[:, 2]
    directions = corner_rays(aim.pose, camera)
    if aim.ortho_m is None:
        return aim.origin[None], directions
    origins = aim.origin + (directions - forward) * (camera.focal_px * aim.ortho_m / camera.width)
    return origins, np.repeat(forward[None], 4, axis=0)


def _rays(aim: _Aim, pixels: I32, side: int) -> tuple[F64, F32]:
    """Origins (N, 3) or (1, 3) and directions (N, 3) of a grid of side x side rays through each pixel."""
    camera = aim.camera
    directions = np.empty((pixels.size * side * side, 3), np.float32)
    if aim.ortho_m is None:
        kernels.aim(aim.rotation, (camera.focal_px, camera.width, camera.height), pixels, side, directions)
        return aim.origin[None], directions
    # a camera that sees so many metres one metre away says where on its plane each ray starts
    kernels.aim(aim.rotation, (camera.width / aim.ortho_m, camera.width, camera.height), pixels, side, directions)
    origins = aim.origin + (directions.astype(np.float64) - aim.rotation[:, 2])
    directions[:] = aim.rotation[:, 2]
    return origins, directions


def _shot(scene: Landscape, phase: Phase, aim: _Aim, light: Light, band: Band, side: int) -> _Shot:
    reach_m = min(_FARTHEST_SHADOW_M, _TALLEST_M / math.tan(math.radians(light.sun_elevation_deg)))
    tiles = scene.tiles(phase, *_corners(aim), reach_m)
    # one level of detail for all of a tile, by the range along the axis to the mean height of its ground
    facing = max(-float(aim.pose.rotation[2, 2]), 0.2)
    pixels_m = [max(1.0, aim.pose.position.up - tile.drawn.ground_m) / (aim.camera.focal_px * facing)
                if aim.ortho_m is None else aim.ortho_m / (aim.camera.width * facing) for tile in tiles]
    return _Shot(tiles, aim, lights.illumination(light, band),
                 np.array([(-tile.east_m, -tile.north_m) for tile in tiles]).reshape(-1, 2),
                 np.array([1.5 * m for m in pixels_m], np.float32),
                 tuple(lights.look(atlas(), band, m) for m in pixels_m), side)


def _untinted(tile: Tile) -> Tile:
    surface = tile.drawn.surface
    return replace(tile, drawn=replace(tile.drawn, surface=surface._replace(tint=np.full_like(surface.tint, 128))))


def _render_rows(shot: _Shot, first: int, last: int, out: Rendered) -> None:
    """Draws rows first to last."""
    width = shot.aim.camera.width
    top, bottom = max(0, first - _MARGIN_ROWS), min(shot.aim.camera.height, last + _MARGIN_ROWS)
    pixels = np.arange(top * width, bottom * width, dtype=np.int32)
    rays = _lit(shot, *_rays(shot.aim, pixels, 1), _blocks(bottom - top, width))
    own = slice((first - top) * width, (last - top) * width)
    _store(shot.tiles, rays, own, out, slice(first, last))
    total = np.zeros((pixels.size, 3), np.float32)
    _shade(shot, rays, np.arange(pixels.size, dtype=np.int32), 1.0, total)
    if shot.side > 1:
        edge = _edges(shot, rays, total)
        if shot.aim.ortho_m is not None:    # rays of several origins are not spread over a plane but cast
            edge = np.where(edge > 0, np.uint8(kernels.EDGE), np.uint8(0))
        total[edge > 0] = 0
        for traced in (True, False):
            here = (edge[own] & kernels.EDGE) > 0 if traced else edge[own] == kernels.COLOUR
            chosen = own.start + np.flatnonzero(here).astype(np.int32)
            for centres in np.array_split(chosen, 1 + chosen.size * shot.side ** 2 // _CHUNK_RAYS):
                origins, directions = _rays(shot.aim, pixels[centres], shot.side)
                sub = (_lit(shot, origins, directions, _line(len(directions))) if traced
                       else _spread(shot, directions, centres, rays))
                _shade(shot, sub, np.repeat(centres, shot.side ** 2), 1 / shot.side ** 2, total)
    _develop(total[own], out.rgb[first:last].reshape(-1, 3))


def _develop(total: F32, pixels: npt.NDArray[np.uint8]) -> None:
    shading.develop(total, lights.tone_curve(), lights.TONE_STEPS / lights.TONE_TOP, pixels)


def _edges(shot: _Shot, rays: Rays, total: F32) -> npt.NDArray[np.uint8]:
    """(N,) what runs through the pixels of whole rows, see `rays.between` and `rays.mark_contrast`."""
    key, edge = np.zeros(rays.t.size, np.int64), np.empty(rays.t.size, np.uint8)
    for place, tile in enumerate(shot.tiles):
        kernels.identify(tile.drawn.surface, tile.drawn.soft, place, rays, key)
    kernels.mark_edges(key, rays, shot.aim.camera.width, shot.steps_m, edge)
    kernels.mark_thin(key, rays, shot.aim.camera.width, shot.steps_m, edge)
    pixels = np.empty(total.shape, np.uint8)
    _develop(total, pixels)
    kernels.mark_contrast(pixels, key, shot.aim.camera.width, _SEEN, edge)
    return edge


def _spread(shot: _Shot, directions: F32, centres: I32, rays: Rays) -> Rays:
    """Rays through pixels, the same number through each, on the plane and in the light that rays[centres] met."""
    sub = kernels.blank(len(directions))
    for place, tile in enumerate(shot.tiles):
        kernels.extend(tile.drawn.surface, place, _eye(shot, place), directions, centres, rays, sub)
    return sub


def _store(tiles: tuple[Tile, ...], rays: Rays, own: slice, out: Rendered, rows: slice) -> None:
    """What the pixels of some rows show, without colour."""
    size = out.depth[rows].shape
    out.depth[rows], out.material[rows] = rays.t[own].reshape(size), rays.material[own].reshape(size)
    instance = np.zeros(rays.face[own].shape, np.uint32)
    for place, tile in enumerate(tiles):
        kernels.instances(tile.drawn.surface, place, tile.first_id, rays, own.start, instance)
    out.instance[rows] = instance.reshape(size)
    if out.normal is not None:
        normal = out.normal[rows].reshape(-1, 3)
        for place, tile in enumerate(tiles):
            shading.normals(tile.drawn.surface, place, rays, own.start, normal)


def _lit(shot: _Shot, origins: F64, directions: F32, order: I32) -> Rays:
    """What rays hit, and whether the sun reaches it."""
    rays, toward = trace_tiles(shot.tiles, origins, directions, order), shot.light.toward_sun
    kernels.face_sun(toward, rays)
    for place, tile in enumerate(shot.tiles):
        shifts = np.zeros((len(shot.tiles), 3), np.float32)
        shifts[:, :2] = shot.shifts[place] - shot.shifts
        kernels.shadow((tile.drawn.bvh.address, ARGUMENTS), packet(SHADOW), shifts, toward, order, rays)
    return rays


def _eye(shot: _Shot, place: int) -> F32:
    """Where the camera is in the frame of a tile."""
    eye = shot.aim.origin if shot.aim.ortho_m is None else shot.aim.origin - _FAR_EYE_M * shot.aim.rotation[:, 2]
    return np.asarray(eye + np.append(shot.shifts[place], 0.0), np.float32)


def _shade(shot: _Shot, rays: Rays, target: I32, weight: float, total: F32) -> None:
    if not shot.tiles:
        kernels.add_void(shot.light.void, target, weight, total)
    for place, (tile, look) in enumerate(zip(shot.tiles, shot.looks, strict=True)):
        # what is missed counts as of the first tile
        here = target if len(shot.tiles) == 1 else np.where(rays.tile == place, target, np.int32(-1))
        eye = _eye(shot, place)
        shading.shade(tile.drawn.surface, look, atlas().texels, shot.light, eye, rays, here, weight, total)


@lru_cache(maxsize=8)
def _blocks(rows: int, width: int) -> I32:
    """Order of the pixels of some rows in blocks of 4 x 2, whose rays go nearly the same way."""
    row, column = np.divmod(np.arange(rows * width), width)
    return np.lexsort((column % 4, row % 2, column // 4, row // 2)).astype(np.int32)


@lru_cache(maxsize=1)
def _all() -> I32:
    return np.arange(4 * _CHUNK_RAYS, dtype=np.int32)


def _line(count: int) -> I32:
    return _all()[:count] if count <= _all().size else np.arange(count, dtype=np.int32)
