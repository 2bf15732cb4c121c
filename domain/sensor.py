"""S5: what a sensor looks like (SensorProfile, fitted from unlabelled tiles), and blur, noise and quantisation.

Noise is a pure function of (seed, frame, phase, absolute pixel): tiles, batches and resumed runs see the same noise.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from scipy.optimize import nnls

from domain import measure
from domain.measure import F32, F64, U8, luminance
from sim_bridge.errors import InputError

LEVELS = 65
"""Quantiles kept per band."""

GRAIN_PX = (0.0, 0.8, 1.8)
GRAIN_LIMIT = (6.0, 12.0, 16.0)
"""Widths of grain (sigma, px), and the most that is ever added of each, grey levels before its blur."""

_NOISE_TILE = 256


@dataclass(frozen=True)
class SensorProfile:
    """Statistics of one set of images (one acquisition), in grey levels 0..255 and pixels of those images.

    quantiles: 3 x 65 at evenly spaced probabilities. blur_px: sigma of the point spread. noise_sigma: per band, white.
    noise_correlation: between bands, near 1 for pan-sharpened images. What could not be measured is 0.
    """

    name: str
    pixels: int
    quantiles: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    blur_px: float
    noise_sigma: tuple[float, ...]
    noise_correlation: float

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SensorProfile:
        """Inverse of `to_json`. Raises InputError if the text is not a profile."""
        try:
            raw = json.loads(text)
            return cls(
                name=str(raw["name"]), pixels=int(raw["pixels"]), quantiles=_rows(raw["quantiles"]),
                mean=_row(raw["mean"]), covariance=_rows(raw["covariance"]), blur_px=float(raw["blur_px"]),
                noise_sigma=_row(raw["noise_sigma"]), noise_correlation=float(raw["noise_correlation"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"sensor profile {text[:40]!r} cannot be read ({error!r}): expected JSON written by "
                             "SensorProfile.to_json, fit the profile again") from error

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the JSON form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Effect:
    """What the sensor model adds to a frame: blur (sigma, px), then grain of the widths GRAIN_PX (grey levels each),
    the same in all bands but for its strength (`bands`, mean 1): real images are pan-sharpened or demosaicked."""

    blur_px: float
    grain: tuple[float, ...]
    bands: tuple[float, ...]


def fit_profile(images: Iterable[U8], name: str) -> SensorProfile:
    """Measures a profile over images (H, W, 3) uint8. Raises InputError if they hold no data."""
    counts, total, squares = np.zeros((3, 256)), np.zeros(3), np.zeros((3, 3))
    sigmas: list[F64] = []
    noises: list[list[F64]] = [[], [], [], []]
    for image in images:
        pixels = image[measure.valid(image)]
        counts += measure.histogram(pixels)
        wide = pixels.astype(np.float64)
        total += wide.sum(0)
        squares += wide.T @ wide
        sigmas.append(measure.edge_sigmas(luminance(image)))
        for found, plane in zip(noises, noise_planes(image), strict=True):
            found.append(measure.noise_levels(plane))
    number = counts[0].sum()
    if number == 0:
        raise InputError(f"profile {name!r} got no pixels with data: expected at least one image that is not all black")
    mean = total / number
    blur = measure.sharpness(np.concatenate(sigmas))
    noise = [_known(measure.noise_sigma(np.concatenate(plane))) for plane in noises]
    return SensorProfile(
        name, int(number), _rows(measure.quantiles(counts, LEVELS)), _row(mean),
        _rows(squares / number - np.outer(mean, mean)), _known(blur), _row(noise[:3]), correlation(noise),
    )


def noise_planes(image: U8) -> tuple[F32, F32, F32, F32]:
    """Red, green, blue, and red minus green about mid-grey: the last tells how much of the noise the bands share."""
    red, green, blue = (np.ascontiguousarray(image[..., band], np.float32) for band in range(3))
    return red, green, blue, red - green + 100


def correlation(noise: Sequence[float]) -> float:
    """rho from var(r - g) = var(r) + var(g) - 2 rho sd(r) sd(g), in 0..1."""
    red, green, _, difference = noise
    if red * green == 0:
        return 0.0
    return min(1.0, max(0.0, (red**2 + green**2 - difference**2) / (2 * red * green)))


def missing_sigma(wanted: float, present: float) -> float:
    """Standard deviation to add to `present` so that variances sum to `wanted`; 0 if there is too much already."""
    return math.sqrt(max(0.0, wanted**2 - present**2))


def blur(image: F32, sigma_px: float) -> F32:
    """Symmetric Gaussian point spread, so that no edge moves. Below 0.15 px it does nothing visible and is left out."""
    if sigma_px < 0.15:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101), np.float32)


def noise_field(height: int, width: int, key: Sequence[int], origin: tuple[int, int] = (0, 0)) -> F32:
    """White unit noise (height, width, 3) of the window at `origin` (row, column) of the endless field named by `key`.

    `key` is (seed, frame id, phase): non-negative integers.
    """
    out = np.empty((height, width, 3), np.float32)
    top, left = origin
    for y in range(top // _NOISE_TILE, (top + height - 1) // _NOISE_TILE + 1):
        for x in range(left // _NOISE_TILE, (left + width - 1) // _NOISE_TILE + 1):
            tile = np.random.default_rng([*key, y, x]).standard_normal((_NOISE_TILE, _NOISE_TILE, 3), np.float32)
            y0, x0 = y * _NOISE_TILE - top, x * _NOISE_TILE - left    # where the tile's corner lies in the window
            ys, xs = slice(max(0, y0), y0 + _NOISE_TILE), slice(max(0, x0), x0 + _NOISE_TILE)
            part = out[ys, xs]
            part[:] = tile[max(0, -y0):, max(0, -x0):][:part.shape[0], :part.shape[1]]
    return out


def quantise(image: F32) -> U8:
    """8 bits, rounded, clipped."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(image, 0)), np.uint8)


def expose(image: F32, effect: Effect, key: Sequence[int], strength: float = 1.0) -> U8:
    """The sensor: point spread, then grain, then 8 bits. `key` as in `noise_field`."""
    seen = blur(image, effect.blur_px * strength)
    if max(effect.grain) * strength > 0:
        grain = grain_field(image.shape[0], image.shape[1], effect, key) * roughness(image) * np.float32(strength)
        seen = cv2.transform(grain, np.array(effect.bands, np.float32)[:, None]) + seen
    return quantise(np.asarray(seen, np.float32))


def grain_field(height: int, width: int, effect: Effect, key: Sequence[int]) -> F32:
    """Grain (height, width) in grey levels: white noise seen through Gaussians of the widths GRAIN_PX."""
    noise = noise_field(height, width, key)
    total = np.zeros((height, width), np.float32)
    for layer, (amount, width_px) in enumerate(zip(effect.grain, GRAIN_PX, strict=True)):
        total += np.float32(amount) * blur(np.ascontiguousarray(noise[..., layer]), width_px)
    return total


def roughness(image: F32) -> F32:
    """Share of grain (H, W) that each place gets, mean square 1: little on smooth roads, much on rough ground.

    Real images hold their fine power unevenly; spread evenly, the same power would look like a noisy sensor.
    """
    grey = luminance(image)
    detail = np.minimum(np.abs(grey - blur(grey, 2.0)), 8)                    # an edge is not rough ground
    local = blur(np.asarray(detail, np.float32), 4.0) + np.float32(0.3)
    return np.asarray(local / np.sqrt(np.mean(local * local)), np.float32)


def fit_grain(wanted_db: F64, present_db: F64, size: int) -> tuple[float, ...]:
    """Amounts of grain that raise the spectrum `present_db` to `wanted_db`, both as `measure.power_spectrum` of
    pictures size x size: non-negative least squares on relative power. Where there is too much already, none."""
    wanted, present = 10 ** (wanted_db / 10), 10 ** (present_db / 10)
    frequency = np.arange(1, size // 2) / size                                 # cycles per pixel
    window = float((np.hanning(size) ** 2).sum()) ** 2                         # power of windowed unit white noise
    basis = np.stack([window * np.exp(-(2 * np.pi * frequency * w) ** 2) for w in GRAIN_PX], axis=1)
    fine = frequency > 0.05                                                    # slower changes are land cover
    amounts, _ = nnls(basis[fine] / wanted[fine, None], np.maximum(0, 1 - present / wanted)[fine])
    return _row(np.minimum(np.sqrt(amounts), GRAIN_LIMIT))


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _row(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _rows(values: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(_row(v) for v in values)
