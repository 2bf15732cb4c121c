"""Light and looks as tables: what the shading kernels are given for a picture's light, band and resolution."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.shading import Illumination, Look
from sim_bridge.embedded.stains import STAINS
from sim_bridge.embedded.textures import LEVELS, PATTERN_ID, SIZE, STEPS, Atlas
from sim_bridge.spec import Light
from sim_bridge.world.materials import INDEX, TABLE

Band = Literal["rgb", "nir"]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

TONE_STEPS = 16384
TONE_TOP = 1.25
"""Radiance at which the tone curve ends; 1 is a level white sheet in the sun."""
GAMMA = 2.2
_FLECKS_M = 4.7
"""Period of the flecks of sun below crowns."""
_LAID = ("rows", "shingle", "leaf", "slabs", "stones", "sheet", "ribs")
"""Patterns that something gave a direction: they are not laid over themselves."""


def illumination(light: Light, band: Band) -> Illumination:
    """Light on the scene, exposed for level ground in the sun, as images in units of reflectance are.

    The sky's share of all light at 45 degrees is 25 % in RGB and 9 % in near-infrared.
    """
    elevation, azimuth = math.radians(light.sun_elevation_deg), math.radians(light.sun_azimuth_deg)
    toward = [math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), math.sin(elevation)]
    rgb = band == "rgb"
    share = (0.25 if rgb else 0.09) * np.array([0.86, 1.00, 1.20] if rgb else [1.0, 1.0, 1.0])
    # the path through the air, in units of the vertical one (Kasten and Young 1989), reddens the beam
    path = 1 / (math.sin(elevation) + 0.50572 * (light.sun_elevation_deg + 6.07995) ** -1.6364)
    depth = np.array([0.07, 0.10, 0.17] if rgb else [0.04, 0.04, 0.04])
    # sun and sky together are white at 45 degrees
    sun = (1 - share) / math.sin(math.radians(45)) * np.exp(-depth * (path - math.sqrt(2)))
    sky = share * min(1.0, 0.5 + 0.5 * math.sin(elevation) / math.sin(math.radians(45)))
    level = sun * math.sin(elevation) + sky
    exposure = 1 / level.mean()
    haze = light.haze * (0.5 if rgb else 0.25)
    # less blue than air is: products have the darkest level of each band taken off
    air = haze * np.array([0.150, 0.185, 0.150] if rgb else [0.1, 0.1, 0.1])
    ground = np.array([0.115, 0.105, 0.080] if rgb else [0.3, 0.3, 0.3])
    sun, sky, level = sun * exposure, sky * exposure, level * exposure
    return Illumination(_f32(toward), _f32(sun), _f32(sky), _f32(0.15 * level), _f32(air), 1 - haze,
                        _f32((1 - haze) * ground * level + air),
                        _f32((0.38, 0.43, 0.40) if rgb else (0.36, 0.36, 0.36)) * _f32(level), 1.0 if rgb else 0.6)


def look(atlas: Atlas, band: Band, footprint_m: float) -> Look:
    """Material tables for samples that are `footprint_m` apart on the ground: patterns at the level that fits."""
    period = np.array([m.texture_m for m in TABLE])
    level, mid = _level(footprint_m, period), np.maximum(_level(footprint_m, 5.3 * period), 1)
    broad, fleck = max(int(_level(footprint_m, 97.0)), 1), max(int(_level(footprint_m, _FLECKS_M)), 1)
    noise, leaf = PATTERN_ID["noise"], PATTERN_ID["leaf"]
    kind = np.array([PATTERN_ID[m.texture] for m in TABLE])
    other = [INDEX[STAINS[m.name][0]] if m.name in STAINS else i for i, m in enumerate(TABLE)]
    albedo = [m.albedo if band == "rgb" else (m.nir,) * 3 for m in TABLE]
    return Look(
        _f32(albedo), _f32([m.contrast / STEPS for m in TABLE]), _f32(period), atlas.start[kind, level],
        (SIZE >> level).astype(np.int32), atlas.start[noise, mid], (SIZE >> mid).astype(np.int32),
        int(atlas.start[noise, broad]), SIZE >> broad, int(atlas.start[leaf, fleck]), SIZE >> fleck,
        _f32([0.38 / STEPS * (m.texture == "leaf") for m in TABLE]),
        _f32([m.semantic == CLASS_ID["water"] for m in TABLE]), kind == PATTERN_ID["rows"],
        np.array([m.texture not in _LAID for m in TABLE]),
        _f32(albedo)[other], _f32([STAINS[m.name][1] if m.name in STAINS else 0.0 for m in TABLE]), 0.45 / STEPS,
        0.3 / STEPS,
        np.array([0, 1, 2] if band == "rgb" else [1, 1, 1], np.int32),
    )


def plain(look: Look) -> Look:
    """A look in which every surface is matt and of albedo 0.5."""
    grey, none = np.full_like(look.albedo, 0.5), np.zeros_like(look.contrast)
    return look._replace(albedo=grey, contrast=none, ruffle=none, glint=none, stain=grey, stained=none)


def _level(footprint_m: float, period_m: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Mip level of a pattern for samples so far apart. A sensor's pixels blur over about their own size: a level finer
    than that would alias."""
    level = np.floor(np.log2(np.maximum(footprint_m * SIZE / np.asarray(period_m), 1.0))).astype(np.int64)
    return np.asarray(np.minimum(level, LEVELS - 1))


@lru_cache(maxsize=1)
def tone_curve() -> U8:
    """uint8 of linear radiance 0 to TONE_TOP: gamma 2.2, and level ground of albedo 0.18 in the sun gives 110."""
    radiance = (np.arange(TONE_STEPS) + 0.5) / TONE_STEPS * TONE_TOP
    gain = (110 / 255) ** GAMMA / 0.18
    curve: U8 = np.clip(np.rint(255 * (gain * radiance) ** (1 / GAMMA)), 0, 255).astype(np.uint8)
    return curve


def _f32(values: npt.ArrayLike) -> F32:
    return np.ascontiguousarray(values, np.float32)
