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
from sim_bridge.world.materials import GROUND


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
    mid_start: I32
    """The same for noise of 5.3 periods, and for noise of 97 m: they hide repetition."""
    mid_side: I32
    broad_start: int
    broad_side: int
    fleck_start: int
    """The same for leaves, whose gaps let light through."""
    fleck_side: int
    ruffle: F32
    """(M,) how far a step of the pattern turns the normal: 0 but for leaves."""
    glint: F32
    """(M,) 1 for water, which mirrors sun and sky, else 0."""
    in_rows: npt.NDArray[np.bool_]
    """(M,) true for crops."""
    woven: npt.NDArray[np.bool_]
    """(M,) true where the pattern may be laid over itself, turned, so that its period does not show."""
    stain: F32
    """(M, 3) colour that patches of the surface lean to, and in `stained` (M,) how far."""
    stained: F32
    mottle: float
    """A deviation of the patterns, as a share of a stain; `fray`, as cells by which borders of the ground are torn."""
    fray: float
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
    smoke: F32
    """Colour of thick smoke in the sun."""
    smoke_depth: float
    """Its optical depth in this band, as a share of that in green light."""


@inner
def texel(texels: I8, start: int, side: int, u: float, v: float) -> int:
    """Stored value of a pattern at (u, v) periods."""
    column = math.floor(u * side) & (side - 1)
    row = math.floor(v * side) & (side - 1)
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
def grain(texels: I8, look: Look, m: int, u: float, v: float, x: float, y: float) -> tuple[float, float]:
    """Albedo factor about 1: the material's pattern, and broad noise in two turned scales that hides its period; and
    from the same noise, how much of the material's stain shows, 0 to 1."""
    period = look.period_m[m]
    fine = 0.85 * texel(texels, look.start[m], look.side[m], u / period, v / period)
    if look.woven[m]:
        across, along = (0.54 * u - 0.84 * v) / (period * 1.618), (0.84 * u + 0.54 * v) / (period * 1.618)
        fine = 0.7 * fine + 0.6 * texel(texels, look.start[m], look.side[m], across, along)
    turned_x, turned_y = 0.83 * x - 0.56 * y, 0.56 * x + 0.83 * y
    mid = texel(texels, look.mid_start[m], look.mid_side[m], turned_x / (period * 5.3), turned_y / (period * 5.3))
    broad = texel(texels, look.broad_start, look.broad_side, y / 97.0, -x / 97.0)
    stain = min(max(0.5 + look.mottle * (0.35 * fine + 0.8 * mid - 0.6 * broad), 0.0), 1.0)
    return max(0.15, 1.0 + float(look.contrast[m]) * (fine + 0.45 * mid + 0.35 * broad)), stain


@inner
def bilinear(raster: F32, frame: F32, x: float, y: float) -> float:
    """Value of a raster between its cells' centres; `frame` is west, south, cell size."""
    ny, nx = raster.shape
    gx = min(max((x - frame[0]) / frame[2] - 0.5, 0.0), nx - 1.001)
    gy = min(max((y - frame[1]) / frame[2] - 0.5, 0.0), ny - 1.001)
    ix, iy = int(gx), int(gy)
    fx, fy = gx - ix, gy - iy
    south = raster[iy, ix] * (1 - fx) + raster[iy, ix + 1] * fx
    north = raster[iy + 1, ix] * (1 - fx) + raster[iy + 1, ix + 1] * fx
    return float(south * (1 - fy) + north * fy)


@inner
def sky_seen(surface: Surface, x: float, y: float, z: float) -> float:
    """Share of the sky that is not hidden by what stands higher around the point."""
    above = max(0.0, bilinear(surface.shelter, surface.shelter_west_south_cell, x, y) - z)
    return 1 / (1 + 0.35 * above)


@inner
def ground_colour(surface: Surface, look: Look, texels: I8, m: int, stain: float, x: float,
                  y: float) -> tuple[float, float, float]:
    """Albedo of terrain: between cells of two materials the colours run into each other over a cell's width and along a
    frayed line, because no border on the ground follows a raster. Labels keep to the cells."""
    red, green, blue = stained(look, m, stain)
    frame, raster = surface.ground_west_south_cell, surface.ground
    gx, gy = (x - frame[0]) / frame[2] - 0.5, (y - frame[1]) / frame[2] - 0.5
    ix, iy = math.floor(gx), math.floor(gy)
    if ix < 0 or iy < 0 or ix + 1 >= raster.shape[1] or iy + 1 >= raster.shape[0]:
        return red, green, blue
    sw, se, nw, ne = raster[iy, ix], raster[iy, ix + 1], raster[iy + 1, ix], raster[iy + 1, ix + 1]
    if sw == m and se == m and nw == m and ne == m:
        return red, green, blue
    start, side = look.broad_start, look.broad_side
    fx = min(max(gx - ix + look.fray * texel(texels, start, side, x / 7.3, y / 7.3), 0.0), 1.0)
    fy = min(max(gy - iy + look.fray * texel(texels, start, side, y / 7.3, 0.4 - x / 7.3), 0.0), 1.0)
    red, green, blue = 0.0, 0.0, 0.0
    for k in range(4):
        cell = int(sw if k == 0 else se if k == 1 else nw if k == 2 else ne)
        share = (fx if k & 1 else 1 - fx) * (fy if k & 2 else 1 - fy)
        r, g, b = stained(look, cell, stain)
        red, green, blue = red + share * r, green + share * g, blue + share * b
    return red, green, blue


@inner
def stained(look: Look, m: int, stain: float) -> tuple[float, float, float]:
    """Albedo of a material where so much of its stain shows."""
    share = look.stained[m] * stain
    return (look.albedo[m, 0] + share * (look.stain[m, 0] - look.albedo[m, 0]),
            look.albedo[m, 1] + share * (look.stain[m, 1] - look.albedo[m, 1]),
            look.albedo[m, 2] + share * (look.stain[m, 2] - look.albedo[m, 2]))


@inner
def mirrored(toward: F32, ripple: float, vx: float, vy: float, vz: float) -> tuple[float, float]:
    """What level water sends on, as factors of the sky's and of the sun's light on a white sheet; v is the unit
    direction to the eye.

    Sky: Fresnel's share, Schlick 1994. Sun: slopes of wind waves are Gaussian (Cox and Munk 1954), variance
    0.003 + 0.00512 U for a wind of U = 3 m/s.
    """
    away = 1 - max(vz, 0.05)
    sky = (0.02 + 0.98 * away * away * away * away * away) * (1 + 0.3 * ripple)
    hx, hy, hz = vx + toward[0], vy + toward[1], vz + toward[2]
    steep = (hx * hx + hy * hy) / max(hz * hz, 1e-6)
    variance = 0.0184
    if steep > 10 * variance:
        return sky, 0.0
    tilt = hz * hz / (hx * hx + hy * hy + hz * hz)
    density = math.exp(-steep / variance) / (math.pi * variance)
    return sky, 0.02 * math.pi * density * (1 + 0.6 * ripple) / (4 * max(vz, 0.05) * tilt * tilt)


@inner
def smoke_over(surface: Surface, look: Look, texels: I8, light: Illumination, x: float, y: float) -> float:
    """Share of the picture's light that smoke over a point keeps back, 0 to 1; torn into billows finer than the
    raster's cells."""
    depth = bilinear(surface.smoke, surface.smoke_west_south_cell, x, y)
    if depth <= 0.0:
        return 0.0
    start, side = look.broad_start, look.broad_side
    wisps = texel(texels, start, side, x / 61.0, y / 61.0) + 0.6 * texel(texels, start, side, y / 23.0, -x / 23.0)
    return 1 - math.exp(-depth * light.smoke_depth * max(0.6, 1 + 0.3 * look.mottle * wisps))


@inner
def seeping(surface: Surface, look: Look, texels: I8, toward: F32, x: float, y: float, z: float) -> float:
    """Share of the sun that comes through crowns to a point in the shade; 0 if something solid throws the shadow.

    Looks along the beam, at steps that grow, for crowns above it. What lies deep below a crown is dark but for flecks;
    at its rim leaves are sparse and the shadow's border frays.
    """
    if toward[2] < 0.1:
        return 0.0
    frame, deepest, step = surface.shelter_west_south_cell, 0.0, 0.8
    for _ in range(9):
        qx, qy, qz = x + step * toward[0], y + step * toward[1], z + step * toward[2]
        crown = bilinear(surface.crowns, frame, qx, qy) - qz
        if crown <= 0.0 and bilinear(surface.shelter, frame, qx, qy) - qz > 1.0:
            return 0.0
        deepest, step = max(deepest, crown), step * 1.45
    if deepest <= 0.0:
        return 0.0
    # where the beam meets a level plane, so that flecks lie as the sun throws them
    u, v = x - z * toward[0] / toward[2], y - z * toward[1] / toward[2]
    gaps = texel(texels, look.fleck_start, look.fleck_side, u / 4.7, v / 4.7)
    return min(max(0.62 - 0.5 * deepest + 0.9 * look.mottle * gaps, 0.05), 0.9)


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
def shade(surface: Surface, look: Look, texels: I8, light: Illumination, eye: F32, rays: Rays, target: I32,
          weight: float, total: F32) -> None:
    """Adds weight times the linear radiance of each ray from `eye` (3,) to the pixel `target` (N,) of total (P, 3); -1
    skips. Rays of one pixel that follow each other and meet one face in one light share that light."""
    beam, up, open_sky, smoke, last = 0.0, 0.0, 0.0, 0.0, -1
    for i in range(target.shape[0]):
        if target[i] < 0:
            continue
        f, m = rays.face[i], int(rays.material[i])
        if f < 0:
            for k in range(3):
                total[target[i], k] += np.float32(weight * light.void[k])
            continue
        if last < 0 or target[last] != target[i] or rays.face[last] != f or rays.lit[last] != rays.lit[i] \
                or look.ruffle[m] > 0:
            beam, up, open_sky, smoke = lighting(surface, look, texels, light, rays, i, f, m)
        last = i
        add_hit(surface, look, texels, light, eye, rays, i, (beam, up, open_sky, smoke), weight, total[target[i]])


@inner
def lighting(surface: Surface, look: Look, texels: I8, light: Illumination, rays: Rays, i: int, f: int,
             m: int) -> tuple[float, float, float, float]:
    """What reaches a hit: sun by the cosine of its angle, share of the sky above, share of it that is open; and the
    share of light that smoke keeps back on the way to the eye."""
    x, y, z = rays.point[i, 0], rays.point[i, 1], rays.point[i, 2]
    nx, ny, nz = facing(surface, f, rays.u[i], rays.v[i], rays.normal[i, 0], rays.normal[i, 1], rays.normal[i, 2])
    if look.ruffle[m] > 0:
        nx, ny, nz = ruffled(texels, look, m, x, y, z, nx, ny, nz)
    toward = light.toward_sun
    beam = nx * toward[0] + ny * toward[1] + nz * toward[2]
    if look.ruffle[m] > 0:
        # leaves let light through: the beam reaches round a crown, and a fifth of it into its shade
        beam = (beam + 0.4) / 1.4 * (1.0 if rays.lit[i] else 0.2)
    elif not rays.lit[i] and beam > 0:
        beam *= seeping(surface, look, texels, toward, x, y, z)
    smoke = 0.0
    if surface.smoke.shape[0] > 1:
        smoke = smoke_over(surface, look, texels, light, x, y)
    return max(0.0, beam), 0.5 + 0.5 * nz, sky_seen(surface, x, y, z), smoke


@inner
def add_hit(surface: Surface, look: Look, texels: I8, light: Illumination, eye: F32, rays: Rays, i: int,
            lit: tuple[float, float, float, float], weight: float, total: F32) -> None:
    """Adds the radiance of one hit: (sun + sky + bounce) * albedo, dimmed by smoke and haze."""
    f, m = rays.face[i], int(rays.material[i])
    beam, up, open_sky, smoke = lit
    x, y, z = rays.point[i, 0], rays.point[i, 1], rays.point[i, 2]
    if look.ruffle[m] > 0:
        along, across = x + 0.5 * z, y
    else:
        along, across = plane(x, y, z, rays.normal[i, 0], rays.normal[i, 1], rays.normal[i, 2], look.in_rows[m])
    factor, stain = grain(texels, look, m, along, across, x, y)
    sky, glitter = 0.0, 0.0
    if look.glint[m] > 0:
        ripple = min(max((factor - 1) / max(look.contrast[m], 1e-6) * look.mottle, -1.0), 1.0)
        vx, vy, vz = eye[0] - x, eye[1] - y, eye[2] - z
        far = math.sqrt(vx * vx + vy * vy + vz * vz)
        sky, glitter = mirrored(light.toward_sun, ripple, vx / far, vy / far, vz / far)
        glitter = glitter if rays.lit[i] else 0.0
        if surface.streaks.shape[0] > 1:
            factor *= 1 + 0.15 * bilinear(surface.streaks, surface.streaks_west_south_cell, x, y)
    if surface.material[f] == GROUND:
        red, green, blue = ground_colour(surface, look, texels, m, stain, x, y)
    else:
        red, green, blue = stained(look, m, stain)
    for k in range(3):
        colour = red if k == 0 else green if k == 1 else blue
        albedo = colour * surface.tint[f, look.tint[k]] / 128 * factor
        sent = albedo * (beam * light.sun[k] + open_sky * (up * light.sky[k] + (1 - up) * light.bounce[k]))
        sent += open_sky * sky * light.sky[k] + glitter * light.sun[k]
        sent += smoke * (light.smoke[k] - sent)
        total[k] += np.float32(weight * (light.clear * sent + light.air[k]))


@kernel
def normals(surface: Surface, tile: int, rays: Rays, start: int, normal: F32) -> None:
    """Fills normal (M, 3) of rays `start` to start + M that hit a tile: smooth over crowns and terrain."""
    for i in range(normal.shape[0]):
        r = start + i
        if rays.face[r] >= 0 and rays.tile[r] == tile:
            normal[i, 0], normal[i, 1], normal[i, 2] = facing(surface, rays.face[r], rays.u[r], rays.v[r],
                                                              rays.normal[r, 0], rays.normal[r, 1], rays.normal[r, 2])


@kernel
def develop(total: F32, curve: U8, steps: float, pixels: U8) -> None:
    """Applies a tone curve, `steps` entries for a radiance of 1, to linear radiance (N, 3); fills pixels (N, 3)."""
    for i in range(total.shape[0]):
        for k in range(3):
            pixels[i, k] = curve[min(int(total[i, k] * steps), curve.shape[0] - 1)]
