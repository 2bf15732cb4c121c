"""Pictures from rays: colour, depth, material and instance of one camera, from one set of primary rays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded import shading
from sim_bridge.embedded.scene import Drawn, Phase, Scene
from sim_bridge.embedded.shading import Band, Illumination, Look
from sim_bridge.embedded.textures import atlas
from sim_bridge.errors import InputError
from sim_bridge.frames import CameraPose, Intrinsics
from sim_bridge.spec import Light

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
_BAND_RAYS = 32768
"""Rays in work at a time: their arrays stay in the processor's cache."""


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
    look: Look
    light: Illumination


@dataclass(frozen=True)
class _Samples:
    """Hits of one ray a pixel over a band of rows."""

    directions: F32
    t: F32
    face: I32
    normal: F32
    uv: F32
    material: npt.NDArray[np.uint16]


def render(scene: Scene, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band = "rgb",
           samples: int = 4) -> Rendered:
    """Picture of a phase. Colour is the mean over `samples` rays a pixel, a square number, in a regular grid; labels
    and depth come from the ray through the pixel's centre. The near-infrared band is grey in three equal channels.

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
    step = max(1, _BAND_RAYS // camera.width)
    for first in range(0, camera.height, step):
        _render_rows(shot, first, min(step, camera.height - first), side, out)
    return out


def _shot(scene: Scene, phase: Phase, pose: CameraPose, camera: Intrinsics, light: Light, band: Band,
          side: int) -> _Shot:
    drawn = scene.drawn(phase)
    origin = pose.position.array()
    # one level of detail for the whole picture: the samples' distance on the ground in the middle of it
    range_m = abs(origin[2] / min(pose.rotation[2, 2], -0.2))
    footprint_m = range_m / camera.focal_px / side
    return _Shot(drawn, camera, pose.rotation.astype(np.float32), origin.astype(np.float32),
                 shading.look(atlas(), band, footprint_m), shading.illumination(light, band))


def _render_rows(shot: _Shot, first: int, rows: int, side: int, out: Rendered) -> None:
    centre = _trace(shot, first, rows, 0.5, 0.5)
    block = slice(first, first + rows)
    flat = (rows, shot.camera.width)
    hit = centre.face >= 0
    out.depth[block] = np.where(hit, centre.t, np.float32(np.inf)).reshape(flat)
    out.material[block] = centre.material.reshape(flat)
    out.instance[block] = np.where(hit, shot.drawn.mesh.instance[centre.face], np.uint32(0)).reshape(flat)
    total = np.zeros((centre.t.size, 3), np.float32)
    for k in range(side * side):
        x, y = (k % side + 0.5) / side, (k // side + 0.5) / side
        _add_colour(shot, centre if side == 1 else _trace(shot, first, rows, x, y), total)
    shading.develop(total, side * side, shading.tone_curve(), out.rgb[block].reshape(-1, 3))


def _trace(shot: _Shot, first: int, rows: int, offset_x: float, offset_y: float) -> _Samples:
    count = rows * shot.camera.width
    directions = np.empty((count, 3), np.float32)
    camera = shot.camera
    shading.aim(shot.rotation, camera.focal_px, camera.width, camera.height, first, offset_x, offset_y, directions)
    found = shot.drawn.embree.run(np.broadcast_to(shot.origin, (count, 3)).copy(), directions, query="INTERSECT",
                                  output=True)
    material = np.empty(count, np.uint16)
    shading.resolve(shot.drawn.surface, shot.origin, directions, found["tfar"], found["primID"], material)
    return _Samples(directions, found["tfar"], found["primID"], found["Ng"],
                    np.stack([found["u"], found["v"]], axis=1), material)


def _add_colour(shot: _Shot, hits: _Samples, total: F32) -> None:
    points = np.empty((hits.t.size, 3), np.float32)
    index = np.empty(hits.t.size, np.int32)
    toward = shot.light.toward_sun
    count = shading.sunlit(shot.origin, hits.directions, hits.t, hits.face, hits.normal, toward, points, index)
    lit = np.zeros(hits.t.size, np.bool_)
    blocked = shot.drawn.embree.run(points[:count], toward[None, :], query="OCCLUDED")
    lit[index[:count]] = blocked < 0
    shading.shade(shot.drawn.surface, shot.look, atlas().texels, shot.light, shot.origin, hits.directions, hits.t,
                  hits.face, hits.normal, hits.uv, hits.material, lit, total)
