"""Pictures from rays: colour, depth, material and instance of one camera, from one set of primary rays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded import light as lights
from sim_bridge.embedded import rays as kernels
from sim_bridge.embedded import shading
from sim_bridge.embedded.light import Band
from sim_bridge.embedded.rays import Rays
from sim_bridge.embedded.scene import Drawn, Phase, Scene
from sim_bridge.embedded.shading import Illumination, Look
from sim_bridge.embedded.textures import atlas
from sim_bridge.errors import InputError
from sim_bridge.frames import CameraPose, Intrinsics
from sim_bridge.spec import Light

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
_BAND_RAYS = 32768
"""Rays in work at a time: their arrays stay in the processor's cache."""
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
    """What stays the same over one picture."""

    drawn: Drawn
    camera: Intrinsics
    rotation: F32
    origin: F32
    light: Illumination
    pixel_m: float
    """Ground sampling distance in the middle."""
    coarse: Look
    """For one sample a pixel."""
    fine: Look
    """For side * side samples a pixel."""
    side: int


def render(scene: Scene, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band = "rgb",
           samples: int = 4) -> Rendered:
    """Picture of a phase. Labels and depth come from the ray through the pixel's centre. So does colour, except where
    an edge runs by (of a thing, a shadow, a roof plane): there it is the mean over a grid of `samples` rays, a square
    number. The near-infrared band is grey in three equal channels.

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
    step = max(_LEAST_ROWS, _BAND_RAYS // camera.width)
    for first in range(0, camera.height, step):
        _render_rows(shot, first, min(first + step, camera.height), out)
    return out


def _shot(scene: Scene, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band,
          side: int) -> _Shot:
    origin = pose.position.array()
    # one level of detail for the whole picture, by the range along the axis to the mean height of the ground
    height_m = max(1.0, pose.position.up - float(np.mean(scene.package.world.terrain.values)))
    pixel_m = height_m / max(-float(pose.rotation[2, 2]), 0.2) / camera.focal_px
    return _Shot(scene.drawn(phase), camera, pose.rotation.astype(np.float32), origin.astype(np.float32),
                 lights.illumination(light, band), pixel_m, lights.look(atlas(), band, pixel_m),
                 lights.look(atlas(), band, pixel_m / side), side)


def _render_rows(shot: _Shot, first: int, last: int, out: Rendered) -> None:
    """Draws rows first to last; a row more on either side is traced, so that edges are found across bands."""
    width = shot.camera.width
    top, bottom = max(0, first - 1), min(shot.camera.height, last + 1)
    pixels = np.arange(top * width, bottom * width, dtype=np.int32)
    rays = _trace(shot, pixels, 1)
    own = slice((first - top) * width, (last - top) * width)
    _store(shot, rays, own, first, last, out)
    edge = np.zeros(pixels.size, np.bool_)
    if shot.side > 1:
        key = np.empty(pixels.size, np.int64)
        kernels.identify(shot.drawn.surface, shot.drawn.soft, rays, key)
        kernels.mark_edges(key, rays.point, rays.normal, width, 1.5 * shot.pixel_m, edge)
    total = np.zeros(((last - first) * width, 3), np.float32)
    plain = np.full(pixels.size, -1, np.int32)
    plain[own] = np.where(edge[own], -1, np.arange(len(total)))
    _shade(shot, shot.coarse, rays, plain, 1.0, total)
    refined = np.flatnonzero(edge[own]).astype(np.int32)
    for part in np.array_split(refined, 1 + refined.size * shot.side ** 2 // _BAND_RAYS):
        sub = _trace(shot, part + np.int32(first * width), shot.side)
        _shade(shot, shot.fine, sub, np.repeat(part, shot.side ** 2), 1 / shot.side ** 2, total)
    steps = lights.TONE_STEPS / lights.TONE_TOP
    shading.develop(total, lights.tone_curve(), steps, out.rgb[first:last].reshape(-1, 3))


def _store(shot: _Shot, rays: Rays, own: slice, first: int, last: int, out: Rendered) -> None:
    size = (last - first, shot.camera.width)
    face = rays.face[own]
    out.depth[first:last] = np.where(face >= 0, rays.t[own], np.float32(np.inf)).reshape(size)
    out.material[first:last] = rays.material[own].reshape(size)
    instance = np.where(face >= 0, shot.drawn.surface.instance[face], np.uint32(0))
    out.instance[first:last] = instance.reshape(size)


def _trace(shot: _Shot, pixels: I32, side: int) -> Rays:
    """Rays through a grid of side * side points in each pixel: what they hit, and whether the sun reaches it."""
    camera, count = shot.camera, pixels.size * side * side
    directions = np.empty((count, 3), np.float32)
    kernels.aim(shot.rotation, (camera.focal_px, camera.width, camera.height), pixels, side, directions)
    found = shot.drawn.embree.run(np.tile(shot.origin, (count, 1)), directions, query="INTERSECT", output=True)
    rays = Rays(found["tfar"], found["primID"], np.empty((count, 3), np.float32), found["Ng"], found["u"], found["v"],
                np.empty(count, np.uint16), np.empty(count, np.bool_))
    kernels.resolve(shot.drawn.surface, shot.origin, directions, rays)
    starts, index = np.empty((count, 3), np.float32), np.empty(count, np.int32)
    sunward = kernels.sunward(rays, shot.light.toward_sun, starts, index)
    blocked = shot.drawn.embree.run(starts[:sunward], shot.light.toward_sun[None, :], query="OCCLUDED")
    rays.lit[index[:sunward]] = blocked < 0
    return rays


def _shade(shot: _Shot, look: Look, rays: Rays, target: I32, weight: float, total: F32) -> None:
    shading.shade(shot.drawn.surface, look, atlas().texels, shot.light, rays, target, weight, total)
