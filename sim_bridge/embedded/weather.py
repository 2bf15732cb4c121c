"""Weather over a finished picture: fog and dust by depth, wet, white and leafy ground by material, what falls by
chance.

Everything follows from the weather, the simulated time and a seed. Surfaces are changed in units of reflectance
(`light.tone_curve`), by patterns that lie on the ground and not on the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded import weathering as kernels
from sim_bridge.embedded.light import GAMMA, TONE_STEPS, TONE_TOP, tone_curve
from sim_bridge.embedded.particles import Falling, Tones, draw
from sim_bridge.embedded.shading import develop
from sim_bridge.embedded.state import ZERO, Band, Weather
from sim_bridge.embedded.weathering import Amounts, Eye, Ground
from sim_bridge.frames import NED, CameraPose, Intrinsics
from sim_bridge.world.materials import ROOF, TABLE, WALL

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

FOG_PER_M, DUST_PER_M, RAIN_PER_M, SNOW_PER_M = (3.912 / sight_m for sight_m in (400, 500, 2500, 1500))
"""Extinction at 1: from that many metres on, objects are lost from sight (Koschmieder 1924, contrast of 0.02)."""
FOG_COLOUR, DUST_COLOUR, RAIN_COLOUR = (0.60, 0.61, 0.62), (0.48, 0.34, 0.19), (0.30, 0.32, 0.34)
"""Radiance of thick air, in units of a white sheet in the sun."""
SNOW_COLOUR = (0.80, 0.82, 0.86)
LEAF_COLOURS = ((0.27, 0.115, 0.04), (0.33, 0.20, 0.06), (0.18, 0.085, 0.035))
FALLING_LEAVES = ((0.52, 0.22, 0.06), (0.62, 0.40, 0.10), (0.36, 0.15, 0.05))
"""Brighter than those that lie: they are fresh, and the sky shines through."""
_CLOUDED = 0.3
"""Of the light that rain clouds keep back at 1."""
_SOAKED_BY_RAIN = 0.6
"""How wet rain makes ground that is no street."""
_OPEN_ROOF = 0.9
_OPEN = {CLASS_ID["grass"]: 1.0, CLASS_ID["bare"]: 1.0, CLASS_ID["rubble"]: 0.8, CLASS_ID["tree"]: 0.55,
         CLASS_ID["vehicle"]: 0.8}
"""How much snow and rain reach what is seen of a class; streets are counted apart, water swallows both."""
_NOISE_SIDE = 256
_STEPS = TONE_STEPS / TONE_TOP
_BLUR_PX = 2
_BAND_PIXELS = 1 << 20
"""In work at a time: bounds memory for pictures of any size."""


@dataclass(frozen=True)
class Shot:
    """Where and how a picture was taken, and of what."""

    depth: F32
    """(H, W) planar metres, inf = sky."""
    material: npt.NDArray[np.uint16]
    """(H, W), see `render.Rendered`."""
    camera: Intrinsics
    pose: CameraPose
    wind: NED = ZERO
    band: Band = "rgb"
    ortho_m: float | None = None
    """Width of what an orthographic camera sees; None: perspective."""
    daylight: float = 1.0
    """Share of the light of day, see `sun.daylight`."""


def weathered(rgb: U8, shot: Shot, weather: Weather, time_ns: int, seed: int = 0) -> U8:
    """The picture (H, W, 3) in a weather and at dusk. Where nothing is to be seen of them, the very same array."""
    weather = weather if weather.enabled else Weather()
    if shot.daylight == 1 and not any((weather.rain, weather.road_wetness, weather.snow, weather.road_snow,
                                       weather.leaves, weather.road_leaves, weather.dust, weather.fog)):
        return rgb
    out = np.empty_like(rgb)
    step = max(1, _BAND_PIXELS // rgb.shape[1])
    for first in range(0, rgb.shape[0], step):
        _lay(rgb, shot, weather, first, min(first + step, rgb.shape[0]), out)
    for falling in _falling(weather, shot.wind):
        draw(out, shot.depth, _eye(shot), _dimmed(falling, shot.daylight), Tones(_radiance(), tone_curve(), _STEPS),
             time_ns, seed)
    if shot.band == "nir":
        out[:] = np.rint(out.mean(axis=2, keepdims=True))
    return out


def _lay(rgb: U8, shot: Shot, weather: Weather, first: int, last: int, out: U8) -> None:
    """Weathers surfaces and air of rows first to last."""
    rows = slice(first, last)
    linear = np.empty((last - first, rgb.shape[1], 3), np.float32)
    kernels.lay(rgb[rows], shot.depth[rows], shot.material[rows], _radiance(), _eye(shot, first), _ground(), _noise(),
                _amounts(weather), np.array((SNOW_COLOUR, *LEAF_COLOURS), np.float32),
                _shade(rgb, shot.material, weather, first, last), _air(weather), linear)
    if shot.daylight < 1:
        linear *= np.float32(shot.daylight)
    develop(linear.reshape(-1, 3), tone_curve(), _STEPS, out[rows].reshape(-1, 3))


def _eye(shot: Shot, first_row: int = 0) -> Eye:
    axes, at = np.ascontiguousarray(shot.pose.rotation.T, np.float32), shot.pose.position.array()
    height, width = shot.depth.shape
    return Eye(axes, at.astype(np.float32), shot.camera.focal_px, (shot.ortho_m or 0.0) / width, width / 2,
               height / 2 - first_row)


def _amounts(weather: Weather) -> Amounts:
    return Amounts(max(weather.rain, weather.road_wetness), _SOAKED_BY_RAIN * weather.rain, weather.road_snow,
                   weather.snow, weather.road_leaves)


def _shade(rgb: U8, material: npt.NDArray[np.uint16], weather: Weather, first: int, last: int) -> F32:
    """Light on the surfaces of rows first to last, without their own patterns; not looked at where nothing covers them.
    """
    if not (weather.snow or weather.road_snow or weather.road_leaves):
        return np.ones((last - first, rgb.shape[1]), np.float32)
    top, bottom = max(0, first - _BLUR_PX), min(rgb.shape[0], last + _BLUR_PX)
    shade = np.empty((bottom - top, rgb.shape[1]), np.float32)
    kernels.light_on(rgb[top:bottom], material[top:bottom], _radiance(), _ground(), shade)
    smooth: F32 = cv2.blur(shade, (2 * _BLUR_PX + 1, 2 * _BLUR_PX + 1)).astype(np.float32, copy=False)
    return smooth[first - top:last - top]


def _air(weather: Weather) -> F32:
    """(5,) extinction per metre, the colour of the air, and the share of the light that clouds leave."""
    parts = ((FOG_PER_M * weather.fog, FOG_COLOUR), (DUST_PER_M * weather.dust, DUST_COLOUR),
             (RAIN_PER_M * weather.rain, RAIN_COLOUR), (SNOW_PER_M * weather.snow, FOG_COLOUR))
    per_m = sum(part for part, _ in parts)
    colour = np.array([part for part, _ in parts]) @ np.array([colour for _, colour in parts]) / max(per_m, 1e-12)
    return np.array([per_m, *colour, 1 - _CLOUDED * weather.rain], np.float32)


def _falling(weather: Weather, wind: NED) -> list[Falling]:
    """What is in the air. Rain of 2 mm drops falls 6.5 m/s (Gunn and Kinzer 1949), snow about 1.2, leaves 1.5."""
    drift = (wind.east, wind.north)
    kinds = [Falling("rain", weather.rain, (*drift, -6.5 - wind.down), 9000, 0.003, 1 / 50, ((0.75, 0.78, 0.82),)),
             Falling("snow", weather.snow, (*drift, -1.2 - wind.down), 7000, 0.012, 1 / 200, ((0.95, 0.96, 0.98),)),
             Falling("leaves", weather.leaves, (*drift, -1.5 - wind.down), 500, 0.05, 1 / 200, FALLING_LEAVES)]
    return [kind for kind in kinds if kind.amount > 0]


def _dimmed(falling: Falling, daylight: float) -> Falling:
    red_green_blue = tuple((red * daylight, green * daylight, blue * daylight) for red, green, blue in falling.colours)
    return replace(falling, colours=red_green_blue)


@lru_cache(maxsize=1)
def _ground() -> Ground:
    streets = (CLASS_ID["road"], CLASS_ID["paved"])
    opened = [_OPEN_ROOF if m.surface == ROOF else 0.0 if m.surface == WALL else _OPEN.get(m.semantic, 0.0)
              for m in TABLE]
    return Ground(np.array([float(m.semantic in streets) for m in TABLE], np.float32), np.array(opened, np.float32),
                  np.array([max(0.02, sum(m.albedo) / 3) for m in TABLE], np.float32))


@lru_cache(maxsize=1)
def _noise() -> F32:
    """(256, 256) smooth, -0.5 to 0.5, each value as frequent as any other; repeats without a seam."""
    values = np.random.default_rng(20240229).standard_normal((_NOISE_SIDE, _NOISE_SIDE))
    rows, columns = np.meshgrid(np.fft.fftfreq(_NOISE_SIDE), np.fft.fftfreq(_NOISE_SIDE), indexing="ij")
    smooth = np.fft.ifft2(np.fft.fft2(values) * np.exp(-260 * (rows ** 2 + columns ** 2))).real
    ranks = np.empty(smooth.size)
    ranks[np.argsort(smooth, axis=None)] = np.arange(smooth.size)
    return (ranks / (smooth.size - 1) - 0.5).astype(np.float32).reshape(smooth.shape)


@lru_cache(maxsize=1)
def _radiance() -> F32:
    """(256,) linear radiance that each value of a picture stands for, the inverse of `light.tone_curve`."""
    gain = (110 / 255) ** GAMMA / 0.18
    radiance: F32 = ((np.arange(256) / 255) ** GAMMA / gain).astype(np.float32)
    return radiance
