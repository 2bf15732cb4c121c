"""Colour of ray hits: compiled kernels, one pass over the samples of a band of rows.

Light is the sun, a hemisphere of sky and light bounced off the ground, all Lambertian; albedo is the material's, times
tint, times a tileable pattern. Kernels run without fast-math, so that their sums are the same bits on every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.textures import LEVELS, PATTERN_ID, SIZE, STEPS, Atlas
from sim_bridge.spec import Light
from sim_bridge.world.materials import GROUND, TABLE

Band = Literal["rgb", "nir"]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Any1 = npt.NDArray[np.generic]
Function = TypeVar("Function", bound=Callable[..., object])

TREE, WATER = CLASS_ID["tree"], CLASS_ID["water"]
TONE_STEPS = 16384
TONE_TOP = 1.25
"""Radiance at which a picture saturates; 1 is a white sheet that faces a sun 45 degrees high."""
GAMMA = 2.2


def kernel(function: Function) -> Function:
    """Compiled by numba on first use, kept on disk; releases the GIL. No fast-math: results are the same bits."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


class Surface(NamedTuple):
    """What a hit is looked up in: arrays of one phase of a world."""

    faces: npt.NDArray[np.int32]
    material: npt.NDArray[np.uint16]
    tint: U8
    normals: F32
    """(V, 3), smoothed over crowns and terrain; zero where facets stay flat."""
    ground: U8
    ground_west_south_cell: F32
    shelter: F32
    """(ny, nx) m: mean height of what stands around; below it less sky is seen."""
    shelter_west_south_cell: F32


class Look(NamedTuple):
    """Per material, for one band and one ground sampling distance."""

    albedo: F32
    """(M, 3) linear."""
    contrast: F32
    period_m: F32
    start: npt.NDArray[np.int32]
    """(M,) where the pattern's mip level begins in the atlas."""
    side: npt.NDArray[np.int32]
    """(M,) texels a side of that level."""
    broad_start: int
    """The same for the broad noise that hides repetition."""
    broad_side: int
    kind: U8
    """(M,) semantic class."""
    in_rows: npt.NDArray[np.bool_]
    """(M,) true for crops."""


class Illumination(NamedTuple):
    """Sun, sky and air, linear RGB in units of what a white sheet sends back under a sun 45 degrees high."""

    toward_sun: F32
    sun: F32
    sky: F32
    bounce: F32
    air: F32
    """Already times its share."""
    clear: float
    """Share of contrast that haze leaves."""
    void: F32


def illumination(light: Light, band: Band) -> Illumination:
    """Light on the scene. The sky's share of all light at 45 degrees is 22 % in RGB and 9 % in near-infrared."""
    elevation, azimuth = math.radians(light.sun_elevation_deg), math.radians(light.sun_azimuth_deg)
    toward = np.array([math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation),
                       math.sin(elevation)])
    share = 0.22 if band == "rgb" else 0.09
    # the path through the air, in units of the vertical one, reddens the beam (Kasten and Young 1989)
    path = 1 / (math.sin(elevation) + 0.50572 * (light.sun_elevation_deg + 6.07995) ** -1.6364)
    depth = np.array([0.07, 0.10, 0.17]) if band == "rgb" else np.full(3, 0.04)
    tint = np.array([0.80, 0.98, 1.30]) if band == "rgb" else np.ones(3)
    air = np.array([0.165, 0.180, 0.190]) if band == "rgb" else np.full(3, 0.10)
    # sun and sky together are white at 45 degrees
    sun = (1 - share * tint) / math.sin(math.radians(45)) * np.exp(-depth * (path - math.sqrt(2)))
    sky = share * tint * min(1.0, 0.5 + 0.5 * math.sin(elevation) / math.sin(math.radians(45)))
    arrives = sun * math.sin(elevation) + sky
    haze = 0.5 * light.haze * (1.0 if band == "rgb" else 0.5)
    ground = np.array([0.115, 0.105, 0.080]) if band == "rgb" else np.full(3, 0.30)
    return Illumination(_f32(toward), _f32(sun), _f32(sky), _f32(0.15 * arrives), _f32(haze * air), 1 - haze,
                        _f32((1 - haze) * ground * arrives + haze * air))


def look(atlas: Atlas, band: Band, footprint_m: float) -> Look:
    """Material tables for samples that are `footprint_m` apart on the ground: patterns at the level that fits."""
    period = np.array([m.texture_m for m in TABLE])
    # a sensor's pixels blur over about their own size: a level finer than that would alias
    level = np.floor(np.log2(np.maximum(footprint_m * SIZE / period, 1.0))).astype(np.int64)
    level = np.minimum(level, LEVELS - 1)
    kind = np.array([PATTERN_ID[m.texture] for m in TABLE])
    albedo = [m.albedo if band == "rgb" else (m.nir,) * 3 for m in TABLE]
    return Look(
        _f32(albedo), _f32([m.contrast for m in TABLE]), _f32(period), atlas.start[kind, level],
        (SIZE >> level).astype(np.int32), int(atlas.start[PATTERN_ID["noise"], 1]), SIZE >> 1,
        np.array([m.semantic for m in TABLE], np.uint8), kind == PATTERN_ID["rows"],
    )


@lru_cache(maxsize=1)
def tone_curve() -> U8:
    """uint8 of linear radiance 0 to TONE_TOP: gamma 2.2, and an albedo of 0.18 under a sun at 45 degrees gives 110."""
    radiance = (np.arange(TONE_STEPS) + 0.5) / TONE_STEPS * TONE_TOP
    gain = (110 / 255) ** GAMMA / 0.18
    curve: U8 = np.clip(np.rint(255 * (gain * radiance) ** (1 / GAMMA)), 0, 255).astype(np.uint8)
    return curve


def _f32(values: npt.ArrayLike) -> F32:
    return np.ascontiguousarray(values, np.float32)


@kernel
def aim(rotation: F32, focal_px: float, width: int, height: int, first_row: int, offset_x: float, offset_y: float,
        directions: F32) -> None:
    """Fills directions (rows * width, 3) as `frames.pixel_rays` does, for rows from `first_row` on."""
    for i in range(directions.shape[0]):
        x = (i % width + offset_x - width / 2) / focal_px
        y = (first_row + i // width + offset_y - height / 2) / focal_px
        for k in range(3):
            directions[i, k] = np.float32(rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2])


@kernel
def cell_value(raster: U8, frame: F32, x: float, y: float) -> int:
    """Value of the raster cell that holds a point, clamped; `frame` is west, south, cell size."""
    ny, nx = raster.shape
    ix = min(max(math.floor((x - frame[0]) / frame[2]), 0), nx - 1)
    iy = min(max(math.floor((y - frame[1]) / frame[2]), 0), ny - 1)
    return int(raster[iy, ix])


@kernel
def resolve(surface: Surface, origin: F32, directions: F32, t: F32, face: npt.NDArray[np.int32],
            material: npt.NDArray[np.uint16]) -> None:
    """Fills material (N,) of hits; terrain takes the material of the ground cell it lies in, a miss takes 0."""
    for i in range(face.shape[0]):
        material[i] = 0
        if face[i] >= 0:
            material[i] = surface.material[face[i]]
            if material[i] == GROUND:
                x = origin[0] + directions[i, 0] * t[i]
                y = origin[1] + directions[i, 1] * t[i]
                material[i] = cell_value(surface.ground, surface.ground_west_south_cell, x, y)


@kernel
def sunlit(origin: F32, directions: F32, t: F32, face: npt.NDArray[np.int32], normal: F32, toward: F32,
           points: F32, index: npt.NDArray[np.int32]) -> int:
    """Writes the points that face the sun, lifted off their surface, and their index; returns how many."""
    count = 0
    for i in range(face.shape[0]):
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        seen = nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2]
        side = -math.copysign(1.0, seen)
        if face[i] >= 0 and side * (nx * toward[0] + ny * toward[1] + nz * toward[2]) > 0:
            lift = side * (0.01 + 2e-6 * t[i]) / length
            for k in range(3):
                points[count, k] = origin[k] + directions[i, k] * t[i] + normal[i, k] * lift
            index[count] = i
            count += 1
    return count


@kernel
def texel(texels: npt.NDArray[np.int8], start: int, side: int, u: float, v: float) -> float:
    """Pattern value in standard deviations at (u, v) periods."""
    column = int((u - math.floor(u)) * side) & (side - 1)
    row = int((v - math.floor(v)) * side) & (side - 1)
    return float(texels[start + row * side + column]) / STEPS


@kernel
def row_turn(x: float, y: float) -> tuple[float, float]:
    """Cosine and sine of the direction of crop rows: one of 8, the same within blocks of 160 m."""
    block = (math.floor(x / 160) * 73856093) ^ (math.floor(y / 160) * 19349663)
    angle = ((block >> 3) & 7) * (math.pi / 8)
    return math.cos(angle), math.sin(angle)


@kernel
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


@kernel
def grain(texels: npt.NDArray[np.int8], look: Look, m: int, u: float, v: float, x: float, y: float) -> float:
    """Albedo factor about 1: the material's pattern, and broad noise in two turned scales that hides its period."""
    period = look.period_m[m]
    fine = texel(texels, look.start[m], look.side[m], u / period, v / period)
    turned_x, turned_y = 0.83 * x - 0.56 * y, 0.56 * x + 0.83 * y
    mid = texel(texels, look.broad_start, look.broad_side, turned_x / (period * 5.3), turned_y / (period * 5.3))
    broad = texel(texels, look.broad_start, look.broad_side, y / 97.0, -x / 97.0)
    return max(0.15, 1.0 + float(look.contrast[m]) * (0.85 * fine + 0.45 * mid + 0.35 * broad))


@kernel
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


@kernel
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


@kernel
def ruffled(texels: npt.NDArray[np.int8], look: Look, m: int, x: float, y: float, z: float, nx: float, ny: float,
            nz: float) -> tuple[float, float, float]:
    """Normal of a crown, pushed about by its leaf clumps so that it reads as leaves and not as a ball."""
    period = look.period_m[m] * 1.7
    rx = texel(texels, look.start[m], look.side[m], (x + 0.3 * z) / period, y / period)
    ry = texel(texels, look.start[m], look.side[m], y / period + 0.37, (0.3 * z - x) / period)
    nx, ny, nz = nx + 0.38 * rx, ny + 0.38 * ry, nz + 0.25
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx / length, ny / length, nz / length


@kernel
def shade(surface: Surface, look: Look, texels: npt.NDArray[np.int8], light: Illumination, origin: F32,
          directions: F32, t: F32, face: npt.NDArray[np.int32], normal: F32, uv: F32,
          material: npt.NDArray[np.uint16], lit: npt.NDArray[np.bool_], total: F32) -> None:
    """Adds the linear radiance of each hit to total (N, 3)."""
    for i in range(face.shape[0]):
        if face[i] < 0:
            for k in range(3):
                total[i, k] += light.void[k]
            continue
        x = origin[0] + directions[i, 0] * t[i]
        y = origin[1] + directions[i, 1] * t[i]
        z = origin[2] + directions[i, 2] * t[i]
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        side = -math.copysign(1.0, nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2]) / length
        add_hit(surface, look, texels, light, face[i], material[i], lit[i], x, y, z, nx * side, ny * side, nz * side,
                uv[i, 0], uv[i, 1], total[i])


@kernel
def add_hit(surface: Surface, look: Look, texels: npt.NDArray[np.int8], light: Illumination, f: int, m: int, lit: bool,
            x: float, y: float, z: float, nx: float, ny: float, nz: float, u: float, v: float, total: F32) -> None:
    """Adds the radiance of one hit: (sun + sky + bounce) * albedo, dimmed by haze."""
    along, across = plane(x, y, z, nx, ny, nz, look.in_rows[m])
    nx, ny, nz = facing(surface, f, u, v, nx, ny, nz)
    if look.kind[m] == TREE:
        along, across = x + 0.5 * z, y
        nx, ny, nz = ruffled(texels, look, m, x, y, z, nx, ny, nz)
    factor = grain(texels, look, m, along, across, x, y)
    open_sky = sky_seen(surface, x, y, z)
    toward = light.toward_sun
    beam = max(0.0, nx * toward[0] + ny * toward[1] + nz * toward[2]) if lit else 0.0
    up = 0.5 + 0.5 * nz
    glint = 0.06 if look.kind[m] == WATER else 0.0
    for k in range(3):
        albedo = look.albedo[m, k] * surface.tint[f, k] / 128 * factor
        sent = albedo * (beam * light.sun[k] + open_sky * (up * light.sky[k] + (1 - up) * light.bounce[k]))
        total[k] += np.float32(light.clear * (sent + glint * light.sky[k]) + light.air[k])


@kernel
def develop(total: F32, samples: int, curve: U8, pixels: U8) -> None:
    """Averages the samples in linear light and applies the tone curve; total (N, 3) to pixels (N, 3)."""
    scale = TONE_STEPS / (TONE_TOP * samples)
    for i in range(total.shape[0]):
        for k in range(3):
            pixels[i, k] = curve[min(int(total[i, k] * scale), TONE_STEPS - 1)]
