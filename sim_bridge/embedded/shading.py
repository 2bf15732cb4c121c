"""Colour of ray hits: compiled kernels, one pass over the samples of a band of rows.

Light is the sun, a hemisphere of sky and light bounced off the ground, all Lambertian; albedo is the material's, times
tint, times a tileable pattern. Kernels run without fast-math, so that their sums are the same bits on every run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.rays import F32, I8, I32, U8, Rays, Surface, inner, kernel


class Look(NamedTuple):
    """Per material, for one band and one ground sampling distance."""

    albedo: F32
    """(M, 3) linear."""
    contrast: F32
    """(M,) relative change of albedo for a step of the pattern."""
    period_m: F32
    start: I32
    """(M,) where the pattern's mip level begins in the atlas."""
    side: I32
    """(M,) texels a side of that level."""
    broad_start: int
    """The same for the broad noise that hides repetition."""
    broad_side: int
    ruffle: F32
    """(M,) how far a step of the pattern turns the normal: 0 but for leaves."""
    glint: F32
    """(M,) share of the sky that is mirrored: 0 but for water."""
    in_rows: npt.NDArray[np.bool_]
    """(M,) true for crops."""
    woven: npt.NDArray[np.bool_]
    """(M,) true where the pattern may be laid over itself, turned, so that its period does not show."""
    tint: I32
    """(3,) which channel of the tint applies to each channel of the picture."""


class Illumination(NamedTuple):
    """Sun, sky and air, linear RGB in units of what a level white sheet sends back in the sun."""

    toward_sun: F32
    sun: F32
    sky: F32
    bounce: F32
    air: F32
    """Already times its share."""
    clear: float
    """Share of contrast that haze leaves."""
    void: F32


@inner
def texel(texels: I8, start: int, side: int, u: float, v: float) -> int:
    """Stored value of a pattern at (u, v) periods."""
    column = int((u - math.floor(u)) * side) & (side - 1)
    row = int((v - math.floor(v)) * side) & (side - 1)
    return int(texels[start + row * side + column])


@inner
def row_turn(x: float, y: float) -> tuple[float, float]:
    """Cosine and sine of the direction of crop rows: one of 8, the same within blocks of 160 m."""
    block = (math.floor(x / 160) * 73856093) ^ (math.floor(y / 160) * 19349663)
    angle = ((block >> 3) & 7) * (math.pi / 8)
    return math.cos(angle), math.sin(angle)


@inner
def plane(x: float, y: float, z: float, nx: float, ny: float, nz: float, in_rows: bool) -> tuple[float, float]:
    """Metres along and across a surface: walls run with the horizon and z, roofs with their slope, else east, north."""
    flat = math.sqrt(nx * nx + ny * ny)
    if in_rows:
        cosine, sine = row_turn(x, y)
        return x * cosine + y * sine, y * cosine - x * sine
    if flat < 0.12:
        return x, y
    along = (x * -ny + y * nx) / flat
    return along, (z if abs(nz) < 0.5 else (x * nx + y * ny) / flat)


@inner
def grain(texels: I8, look: Look, m: int, u: float, v: float, x: float, y: float) -> float:
    """Albedo factor about 1: the material's pattern, and broad noise in two turned scales that hides its period."""
    period = look.period_m[m]
    fine = 0.85 * texel(texels, look.start[m], look.side[m], u / period, v / period)
    if look.woven[m]:
        across, along = (0.54 * u - 0.84 * v) / (period * 1.618), (0.84 * u + 0.54 * v) / (period * 1.618)
        fine = 0.7 * fine + 0.6 * texel(texels, look.start[m], look.side[m], across, along)
    turned_x, turned_y = 0.83 * x - 0.56 * y, 0.56 * x + 0.83 * y
    mid = texel(texels, look.broad_start, look.broad_side, turned_x / (period * 5.3), turned_y / (period * 5.3))
    broad = texel(texels, look.broad_start, look.broad_side, y / 97.0, -x / 97.0)
    return max(0.15, 1.0 + float(look.contrast[m]) * (fine + 0.45 * mid + 0.35 * broad))


@inner
def sky_seen(surface: Surface, x: float, y: float, z: float) -> float:
    """Share of the sky that is not hidden by what stands higher around the point; bilinear in `shelter`."""
    frame, raster = surface.shelter_west_south_cell, surface.shelter
    ny, nx = raster.shape
    gx = min(max((x - frame[0]) / frame[2] - 0.5, 0.0), nx - 1.001)
    gy = min(max((y - frame[1]) / frame[2] - 0.5, 0.0), ny - 1.001)
    ix, iy = int(gx), int(gy)
    fx, fy = gx - ix, gy - iy
    south = raster[iy, ix] * (1 - fx) + raster[iy, ix + 1] * fx
    north = raster[iy + 1, ix] * (1 - fx) + raster[iy + 1, ix + 1] * fx
    above = max(0.0, float(south * (1 - fy) + north * fy - z))
    return 1 / (1 + 0.35 * above)


@inner
def facing(surface: Surface, f: int, u: float, v: float, nx: float, ny: float, nz: float) -> tuple[float, float, float]:
    """Normal that is smooth over crowns and terrain, else the facet's."""
    a, b, c = surface.faces[f, 0], surface.faces[f, 1], surface.faces[f, 2]
    w = 1 - u - v
    n = surface.normals
    sx = w * n[a, 0] + u * n[b, 0] + v * n[c, 0]
    sy = w * n[a, 1] + u * n[b, 1] + v * n[c, 1]
    sz = w * n[a, 2] + u * n[b, 2] + v * n[c, 2]
    length = math.sqrt(sx * sx + sy * sy + sz * sz)
    if length < 0.1:
        return nx, ny, nz
    return sx / length, sy / length, sz / length


@inner
def ruffled(texels: I8, look: Look, m: int, x: float, y: float, z: float, nx: float, ny: float,
            nz: float) -> tuple[float, float, float]:
    """Normal of a crown, pushed about by its leaf clumps so that it reads as leaves and not as a ball."""
    period = look.period_m[m] * 1.7
    rx = texel(texels, look.start[m], look.side[m], (x + 0.3 * z) / period, y / period)
    ry = texel(texels, look.start[m], look.side[m], y / period + 0.37, (0.3 * z - x) / period)
    nx, ny, nz = nx + look.ruffle[m] * rx, ny + look.ruffle[m] * ry, nz + 0.25
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx / length, ny / length, nz / length


@kernel
def shade(surface: Surface, look: Look, texels: I8, light: Illumination, rays: Rays, target: I32, weight: float,
          total: F32) -> None:
    """Adds weight times the linear radiance of each ray to the pixel `target` (N,) of total (P, 3); -1 skips."""
    for i in range(target.shape[0]):
        if target[i] < 0:
            continue
        if rays.face[i] < 0:
            for k in range(3):
                total[target[i], k] += np.float32(weight * light.void[k])
        else:
            add_hit(surface, look, texels, light, rays, i, weight, total[target[i]])


@inner
def add_hit(surface: Surface, look: Look, texels: I8, light: Illumination, rays: Rays, i: int, weight: float,
            total: F32) -> None:
    """Adds the radiance of one hit: (sun + sky + bounce) * albedo, dimmed by haze."""
    f, m = rays.face[i], rays.material[i]
    x, y, z = rays.point[i, 0], rays.point[i, 1], rays.point[i, 2]
    nx, ny, nz = rays.normal[i, 0], rays.normal[i, 1], rays.normal[i, 2]
    along, across = plane(x, y, z, nx, ny, nz, look.in_rows[m])
    nx, ny, nz = facing(surface, f, rays.u[i], rays.v[i], nx, ny, nz)
    if look.ruffle[m] > 0:
        along, across = x + 0.5 * z, y
        nx, ny, nz = ruffled(texels, look, m, x, y, z, nx, ny, nz)
    factor = grain(texels, look, m, along, across, x, y)
    open_sky = sky_seen(surface, x, y, z)
    toward = light.toward_sun
    beam = nx * toward[0] + ny * toward[1] + nz * toward[2]
    if look.ruffle[m] > 0:
        # leaves let light through: the beam reaches round a crown, and a fifth of it into its shade
        beam = (beam + 0.4) / 1.4 * (1.0 if rays.lit[i] else 0.2)
    elif not rays.lit[i]:
        beam = 0.0
    beam = max(0.0, beam)
    up = 0.5 + 0.5 * nz
    for k in range(3):
        albedo = look.albedo[m, k] * surface.tint[f, look.tint[k]] / 128 * factor
        sent = albedo * (beam * light.sun[k] + open_sky * (up * light.sky[k] + (1 - up) * light.bounce[k]))
        total[k] += np.float32(weight * (light.clear * (sent + look.glint[m] * light.sky[k]) + light.air[k]))


@kernel
def develop(total: F32, curve: U8, steps: float, pixels: U8) -> None:
    """Applies a tone curve, `steps` entries for a radiance of 1, to linear radiance (N, 3); fills pixels (N, 3)."""
    for i in range(total.shape[0]):
        for k in range(3):
            pixels[i, k] = curve[min(int(total[i, k] * steps), curve.shape[0] - 1)]
