"""What falls through a picture: drops, flakes and leaves in the air before the camera."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.weathering import Eye

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

BOX_M = 24.0
"""Side of the cube of air around the camera that is filled; it repeats beyond."""
_NEAREST_M = 1.2
_FRACTION_BITS = 4


@dataclass(frozen=True)
class Falling:
    """One kind of particle."""

    kind: str
    amount: float
    """0 to 1: share of `most` that is in the box."""
    velocity: tuple[float, float, float]
    """m/s in ENU."""
    most: int
    radius_m: float
    exposure_s: float
    """How long one is smeared along its way."""
    colours: tuple[tuple[float, float, float], ...]


class Tones(NamedTuple):
    """Between a picture's values and radiance."""

    radiance: F32
    """(256,) of each value."""
    curve: U8
    """Value of radiance, `steps` entries for a radiance of 1."""
    steps: float


def draw(picture: U8, depth: F32, eye: Eye, falling: Falling, tones: Tones, time_ns: int, seed: int) -> None:
    """Draws particles over a picture (H, W, 3), before what is farther away than they are.

    Their places are fixed by kind and seed in a cube that falls with them: pictures of one moment agree, and the next
    picture shows the same particles farther down.
    """
    begin = _around(eye, falling, time_ns, seed)
    way = np.array([begin, begin - np.array(falling.velocity) * falling.exposure_s]).transpose(1, 0, 2)
    local = way @ eye.axes.T.astype(np.float64)                       # (N, 2, 3) right, down, forward
    near = local[..., 2].min(axis=1) > _NEAREST_M
    local = local[near]
    scale = eye.focal_px / local[..., 2:] if eye.pixel_m == 0 else np.full((len(local), 2, 1), 1 / eye.pixel_m)
    pixels = local[..., :2] * scale + (eye.column, eye.row)
    shown = _before(depth, pixels[:, 0], local[:, 0, 2])
    colour = np.flatnonzero(near)[shown] % len(falling.colours)
    size_px = 2 * falling.radius_m * scale[shown, 0, 0]
    for index, tone in enumerate(falling.colours):
        mine = colour == index
        _blend(picture, _mask(depth.shape, pixels[shown][mine], size_px[mine]), tone, tones)


def _around(eye: Eye, falling: Falling, time_ns: int, seed: int) -> F64:
    """(N, 3) places relative to the camera, in the world's axes."""
    count = round(falling.most * falling.amount)
    places = np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(falling.kind.encode())]).random((count, 3)) * BOX_M
    # modulo before the product: nanoseconds since 1970 leave no digits for metres
    fallen = np.array([_fallen_m(speed, time_ns) for speed in falling.velocity])
    around: F64 = (places + fallen - eye.position.astype(np.float64) + BOX_M / 2) % BOX_M - BOX_M / 2
    return around


def _fallen_m(speed: float, time_ns: int) -> float:
    """Way at a speed since 1970, modulo the box."""
    micrometres = round(speed * 1e6)
    return micrometres * time_ns // 1_000_000_000 % round(BOX_M * 1e6) / 1e6


def _before(depth: F32, pixels: F64, ahead_m: F64) -> npt.NDArray[np.intp]:
    """Indices of particles that are in the picture and nearer than what it shows there."""
    height, width = depth.shape
    column, row = pixels[:, 0], pixels[:, 1]
    inside = np.flatnonzero((column >= 0) & (column < width) & (row >= 0) & (row < height))
    seen = depth[row[inside].astype(np.intp), column[inside].astype(np.intp)]
    return inside[ahead_m[inside] < seen]


def _mask(shape: tuple[int, ...], pixels: F64, size_px: F64) -> U8:
    """(H, W) share, of 255, of each pixel that particles hide: lines (N, 2, 2) of widths (N,). What is finer than a
    pixel is drawn a pixel wide and fainter."""
    mask = np.zeros(shape, np.uint8)
    fixed = np.round(pixels * (1 << _FRACTION_BITS)).clip(-(1 << 20), 1 << 20).astype(np.int32)
    width = np.clip(np.round(size_px), 1, 7).astype(int)
    share = np.where(size_px < 1, np.clip(np.round(size_px * 4), 1, 4), 4).astype(int)
    # faint ones first, so that a near particle covers a far one
    for level in np.unique(share):
        for wide in np.unique(width[share == level]):
            lines = list(fixed[(share == level) & (width == wide)])
            cv2.polylines(mask, lines, False, int(200 * level / 4), int(wide), cv2.LINE_AA, _FRACTION_BITS)
    return mask


def _blend(picture: U8, mask: U8, colour: tuple[float, float, float], tones: Tones) -> None:
    rows, columns = np.nonzero(mask)
    share = mask[rows, columns, None] / np.float32(255)
    linear = tones.radiance[picture[rows, columns]]
    linear += share * (np.array(colour, np.float32) - linear)
    steps = (linear * np.float32(tones.steps)).astype(np.intp)
    picture[rows, columns] = tones.curve[np.minimum(steps, len(tones.curve) - 1)]
