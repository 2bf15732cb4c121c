"""Compiled kernels of the weather: each pixel's surface wetted, littered and whitened, and the air before it.

Constants stand in this file, see `rays.kernel`. Sources of the numbers: soaked ground sends back about half of what dry
ground does (Angstrom 1925); what air leaves of a contrast falls exponentially with the distance (Koschmieder 1924).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.rays import inner, kernel

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

_WET = 0.55
_SKY_IN_WATER = 0.05
_DARKEST, _BRIGHTEST = 0.12, 1.15
"""Bounds of the light that a surface is taken to be in, in units of level ground in the sun."""
_BROAD_M, _FINE_M, _LEAF_M = 23.0, 2.9, 0.3
_TEXELS = 8.0
"""Of the noise, to a patch of a given size."""


class Eye(NamedTuple):
    """Camera of a picture."""

    axes: F32
    """(3, 3) rows: right, down and forward in ENU."""
    position: F32
    focal_px: float
    pixel_m: float
    """Of an orthographic camera; 0: perspective."""
    column: float
    row: float
    """Principal point, in pixels of what is drawn: some rows of a picture."""


class Ground(NamedTuple):
    """By material (M,): how much of it is street, how much lies open to the sky otherwise, its mean albedo."""

    street: F32
    open: F32
    albedo: F32


class Amounts(NamedTuple):
    """0 to 1 of what lies on the ground; snow, wetness: of streets and of the rest."""

    wet_street: float
    wet_land: float
    snow_street: float
    snow_land: float
    leaves: float


@kernel
def light_on(rgb: U8, material: U16, radiance: F32, ground: Ground, shade: F32) -> None:
    """Fills shade (H, W): the light that each pixel's surface is in, by its brightness over its material's albedo.

    radiance: (256,) linear value of each tone.
    """
    for i in range(shade.shape[0]):
        for j in range(shade.shape[1]):
            mean = (radiance[rgb[i, j, 0]] + radiance[rgb[i, j, 1]] + radiance[rgb[i, j, 2]]) / 3
            shade[i, j] = min(max(mean / ground.albedo[material[i, j]], _DARKEST), _BRIGHTEST)


@kernel
def lay(rgb: U8, depth: F32, material: U16, radiance: F32, eye: Eye, ground: Ground, noise: F32, amounts: Amounts,
        colours: F32, shade: F32, air: F32, linear: F32) -> None:
    """Fills linear (H, W, 3) with the radiance of a picture in a weather.

    depth: (H, W) planar metres. noise: (S, S) periodic, S a power of two, -0.5 to 0.5. colours: (4, 3) of snow and
    three leaves. shade: (H, W) see `light_on`, smoothed. air: extinction per metre, its colour,
    and the share of the light that clouds leave.
    """
    height, width = depth.shape
    covered = amounts.wet_street + amounts.wet_land + amounts.snow_street + amounts.snow_land + amounts.leaves > 0
    for i in range(height):
        for j in range(width):
            across, along, stretch = j + 0.5 - eye.column, i + 0.5 - eye.row, 1.0
            if eye.pixel_m == 0:
                across, along = across / eye.focal_px, along / eye.focal_px
                stretch = math.sqrt(1 + across * across + along * along)
            scale = depth[i, j] if eye.pixel_m == 0 else eye.pixel_m
            m, pixel = material[i, j], linear[i, j]
            for k in range(3):
                pixel[k] = radiance[rgb[i, j, k]]
            if covered and depth[i, j] < np.inf and (ground.street[m] > 0 or ground.open[m] > 0):
                right, down, ahead = scale * across, scale * along, depth[i, j]
                x = eye.position[0] + right * eye.axes[0, 0] + down * eye.axes[1, 0] + ahead * eye.axes[2, 0]
                y = eye.position[1] + right * eye.axes[0, 1] + down * eye.axes[1, 1] + ahead * eye.axes[2, 1]
                cover(ground.street[m], ground.open[m], noise, amounts, colours, shade[i, j], x, y, pixel)
            if air[4] < 1:
                for k in range(3):
                    pixel[k] *= air[4]
            if air[0] > 0:
                left = math.exp(-air[0] * stretch * reach(eye, across, along, depth[i, j]))
                for k in range(3):
                    pixel[k] = pixel[k] * left + air[1 + k] * (1 - left)


@inner
def reach(eye: Eye, across: float, along: float, depth: float) -> float:
    """Planar depth of a pixel; where the world has ended, that of its level ground, which the picture goes on with."""
    steep = eye.axes[2, 2]
    if eye.pixel_m == 0:
        steep += across * eye.axes[0, 2] + along * eye.axes[1, 2]
    if depth == np.inf and steep < 0 and eye.position[2] > 0:
        return float(eye.position[2] / -steep)
    return depth


@inner
def cover(street: float, land: float, noise: F32, amounts: Amounts, colours: F32, light: float, x: float, y: float,
          pixel: F32) -> None:
    """Changes the radiance (3,) of a surface at a point."""
    broad = patches(noise, x, y, _BROAD_M)
    wet = (amounts.wet_street * street + amounts.wet_land * land) * min(1.0, 0.75 + 0.5 * broad)
    for k in range(3):
        pixel[k] = pixel[k] * (1 - (1 - _WET) * wet) + _SKY_IN_WATER * wet * min(max(4 * broad - 1, 0.0), 1.0)
    fine = patches(noise, x, y, _FINE_M)
    strewn = amounts.leaves * street
    if strewn > 0:
        share = min(max(1.2 * strewn - 0.45 + 0.7 * broad + 0.5 * fine, 0.15 * strewn), 0.75)
        leaf = 1 + min(int((patches(noise, y, x, _LEAF_M) + 0.5) * 3), 2)
        for k in range(3):
            pixel[k] += share * (light * colours[leaf, k] - pixel[k])
    white = max(amounts.snow_street * street, amounts.snow_land * land)
    if white > 0:
        # where the pattern is low snow lies first, and a dusting everywhere
        pattern = 0.5 + 0.55 * broad + 0.45 * fine
        share = min(max((1.25 * white - pattern) / 0.5, 0.75 * white), 1.0)
        for k in range(3):
            pixel[k] += share * (light * colours[0, k] - pixel[k])


@inner
def patches(noise: F32, x: float, y: float, size_m: float) -> float:
    """Periodic noise at a point between its texels."""
    side = noise.shape[0]
    u, v = x * (_TEXELS / size_m), y * (_TEXELS / size_m)
    column, row = math.floor(u), math.floor(v)
    fu, fv = u - column, v - row
    left, right = column & (side - 1), (column + 1) & (side - 1)
    below, above = row & (side - 1), (row + 1) & (side - 1)
    lower = noise[below, left] * (1 - fu) + noise[below, right] * fu
    return float(lower * (1 - fv) + (noise[above, left] * (1 - fu) + noise[above, right] * fu) * fv)
