"""Pictures from rays: colour, depth, material and instance of one camera, from one set of primary rays."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
_LEAST_ROWS = 16
"""Of a band, however wide the picture."""


@dataclass(frozen=True)
class Rendered:
    """rgb: (H, W, 3) uint8. depth: (H, W) float32, planar metres, inf where nothing is. material: (H, W) uint16 and
    instance: (H, W) uint32 of what the pixel's centre shows, unfiltered."""

    rgb: npt.NDArray[np.uint8]
    depth: F32
    material: npt.NDArray[np.uint16]
    instance: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class _Shot:
    """What stays the same over one picture; `shifts`, `steps_m` and looks are of each tile."""

    tiles: tuple[Tile, ...]
    camera: Intrinsics
    rotation: F32
    origin: F64
    light: Illumination
    shifts: F64
    """(T, 2) from the frame of the scene to that of the tile."""
    steps_m: F32
    """(T,) jumps in depth that are edges."""
    looks: tuple[Look, ...]
    side: int


def render(scene: Landscape, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band = "rgb",
           samples: int = 4) -> Rendered:
    """Picture of a phase. Labels and depth come from the ray through the pixel's centre. So does colour, except where
    an edge runs by (of a thing, a shadow, a roof plane): there it is the mean over a grid of `samples` rays, a square
    number; and where only colours change, it is the mean over as many points of the face that the centre met. A test
    holds this against `samples` rays everywhere. The near-infrared band is grey in three equal channels.

    The result depends on world, pose, camera and light only: bit for bit, on any number of threads.
    Raises InputError if `samples` is not a square number.
    """
    side = math.isqrt(samples)
    if side < 1 or side * side != samples:
        raise InputError(f"samples is {samples}: expected a square number, such as 1 or 4")
    shot = _shot(scene, phase, pose, camera, light, band, side)
    size = (camera.height, camera.width)
    out = Rendered(np.empty((*size, 3), np.uint8), np.empty(size, np.float32), np.empty(size, np.uint16),
                   np.empty(size, np.uint32))
    step = max(_LEAST_ROWS, _BAND_PIXELS // camera.width)
    for first in range(0, camera.height, step):
        _render_rows(shot, first, min(first + step, camera.height), out)
    return out


def measure(scene: Landscape, phase: Phase, pose: CameraPose, camera: Intrinsics) -> Rendered:
    """What `render` gives but for its colours, in a fraction of the time; rgb is empty."""
    size, tiles = (camera.height, camera.width), scene.tiles(phase, pose.position.array()[None],
                                                             corner_rays(pose, camera))
    out = Rendered(np.empty((0, 0, 3), np.uint8), np.empty(size, np.float32), np.empty(size, np.uint16),
                   np.empty(size, np.uint32))
    step = max(_LEAST_ROWS, _BAND_PIXELS // camera.width)
    for first in range(0, camera.height, step):
        last = min(first + step, camera.height)
        pixels = np.arange(first * camera.width, last * camera.width, dtype=np.int32)
        directions = _directions(camera, pose.rotation.astype(np.float32), pixels, 1)
        rays = trace_tiles(tiles, pose.position.array()[None], directions, _blocks(last - first, camera.width))
        _store(tiles, rays, slice(0, pixels.size), out, slice(first, last))
    return out


def _shot(scene: Landscape, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band,
          side: int) -> _Shot:
    origin = pose.position.array()
    reach_m = min(_FARTHEST_SHADOW_M, _TALLEST_M / math.tan(math.radians(light.sun_elevation_deg)))
    tiles = scene.tiles(phase, origin[None], corner_rays(pose, camera), reach_m)
    # one level of detail for all of a tile, by the range along the axis to the mean height of its ground
    slant = camera.focal_px * max(-float(pose.rotation[2, 2]), 0.2)
    pixels_m = [max(1.0, pose.position.up - tile.drawn.ground_m) / slant for tile in tiles]
    return _Shot(tiles, camera, pose.rotation.astype(np.float32), origin, lights.illumination(light, band),
                 np.array([(-tile.east_m, -tile.north_m) for tile in tiles]).reshape(-1, 2),
                 np.array([1.5 * m for m in pixels_m], np.float32),
                 tuple(lights.look(atlas(), band, m) for m in pixels_m), side)


def _render_rows(shot: _Shot, first: int, last: int, out: Rendered) -> None:
    """Draws rows first to last."""
    width = shot.camera.width
    top, bottom = max(0, first - _MARGIN_ROWS), min(shot.camera.height, last + _MARGIN_ROWS)
    pixels = np.arange(top * width, bottom * width, dtype=np.int32)
    rays = _lit(shot, _directions(shot.camera, shot.rotation, pixels, 1), _blocks(bottom - top, width))
    own = slice((first - top) * width, (last - top) * width)
    _store(shot.tiles, rays, own, out, slice(first, last))
    total = np.zeros((pixels.size, 3), np.float32)
    _shade(shot, rays, np.arange(pixels.size, dtype=np.int32), 1.0, total)
    if shot.side > 1:
        edge = _edges(shot, rays, total)
        total[edge > 0] = 0
        for traced in (True, False):
            here = (edge[own] & kernels.EDGE) > 0 if traced else edge[own] == kernels.COLOUR
            chosen = own.start + np.flatnonzero(here).astype(np.int32)
            for centres in np.array_split(chosen, 1 + chosen.size * shot.side ** 2 // _CHUNK_RAYS):
                directions = _directions(shot.camera, shot.rotation, pixels[centres], shot.side)
                sub = _lit(shot, directions, _line(len(directions))) if traced else _spread(shot, directions, centres,
                                                                                            rays)
                _shade(shot, sub, np.repeat(centres, shot.side ** 2), 1 / shot.side ** 2, total)
    _develop(total[own], out.rgb[first:last].reshape(-1, 3))


def _develop(total: F32, pixels: npt.NDArray[np.uint8]) -> None:
    shading.develop(total, lights.tone_curve(), lights.TONE_STEPS / lights.TONE_TOP, pixels)


def _edges(shot: _Shot, rays: Rays, total: F32) -> npt.NDArray[np.uint8]:
    """(N,) what runs through the pixels of whole rows, see `rays.between` and `rays.mark_contrast`."""
    key, edge = np.zeros(rays.t.size, np.int64), np.empty(rays.t.size, np.uint8)
    for place, tile in enumerate(shot.tiles):
        kernels.identify(tile.drawn.surface, tile.drawn.soft, place, rays, key)
    kernels.mark_edges(key, rays, shot.camera.width, shot.steps_m, edge)
    kernels.mark_thin(key, rays, shot.camera.width, shot.steps_m, edge)
    pixels = np.empty(total.shape, np.uint8)
    _develop(total, pixels)
    kernels.mark_contrast(pixels, key, shot.camera.width, _SEEN, edge)
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


def _lit(shot: _Shot, directions: F32, order: I32) -> Rays:
    """What rays hit, and whether the sun reaches it."""
    rays, toward = trace_tiles(shot.tiles, shot.origin[None], directions, order), shot.light.toward_sun
    kernels.face_sun(toward, rays)
    for place, tile in enumerate(shot.tiles):
        shifts = np.zeros((len(shot.tiles), 3), np.float32)
        shifts[:, :2] = shot.shifts[place] - shot.shifts
        kernels.shadow((tile.drawn.bvh.address, ARGUMENTS), packet(SHADOW), shifts, toward, order, rays)
    return rays


def _directions(camera: Intrinsics, rotation: F32, pixels: I32, side: int) -> F32:
    directions = np.empty((pixels.size * side * side, 3), np.float32)
    kernels.aim(rotation, (camera.focal_px, camera.width, camera.height), pixels, side, directions)
    return directions


def _eye(shot: _Shot, place: int) -> F32:
    """Where the camera is in the frame of a tile."""
    return np.asarray(shot.origin + np.append(shot.shifts[place], 0.0), np.float32)


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
