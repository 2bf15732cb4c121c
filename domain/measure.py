"""What a sensor does to a picture, measured without labels or downloaded weights: colours, sharpness, noise, spectrum.

The same estimators serve the sensor profile (domain/sensor.py) and the scorecard (domain/score.py). Images are uint8
(H, W, 3) unless said otherwise, luminance is float32 (H, W) in grey levels 0..255. A pixel that is 0 in every band
holds no data.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import erfinv

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def luminance(image: npt.NDArray[np.generic]) -> F32:
    """Rec. 601 luma (H, W) of an image (H, W, 3)."""
    return np.asarray(cv2.transform(image.astype(np.float32), LUMA[None]), np.float32).reshape(image.shape[:2])


def valid(image: U8) -> npt.NDArray[np.bool_]:
    """True (H, W) where any band holds data."""
    return np.asarray(image.any(axis=2))


def histogram(pixels: U8) -> F64:
    """Counts (3, 256) of pixels (N, 3)."""
    return np.stack([np.bincount(pixels[:, band], minlength=256) for band in range(3)]).astype(np.float64)


def quantiles(counts: F64, number: int) -> F64:
    """Quantiles (3, number) at evenly spaced probabilities from 0 to 1 of histograms (3, 256).

    A grey level stands for the unit interval around it, so that quantiles are continuous and strictly increasing
    wherever the histogram is positive.
    """
    edges = np.arange(257) - 0.5
    wanted = np.linspace(0, 1, number)
    rows = []
    for row in counts:
        cumulative = np.concatenate([[0.0], np.cumsum(row + 1e-9)])
        rows.append(np.interp(wanted, cumulative / cumulative[-1], edges))
    return np.asarray(np.clip(rows, 0, 255), np.float64)


def edge_sigmas(grey: F32, reach: int = 5) -> F64:
    """Gaussian widths (px) of the strong, clean edges of a picture, along rows and along columns.

    A step of contrast C blurred by sigma has the central difference C/2 erf(1 / (sigma sqrt 2)) at its middle: solved
    for sigma. An edge counts if both of its sides are flat and nothing overshoots between them.
    """
    return np.concatenate([_row_edges(grey, reach), _row_edges(np.ascontiguousarray(grey.T), reach)])


def _row_edges(grey: F32, reach: int) -> F64:
    slope = (grey[:, 2:] - grey[:, :-2]) / 2
    strength = np.abs(slope)
    peak = strength[:, 1:-1]
    local = (peak >= strength[:, :-2]) & (peak > strength[:, 2:]) & (peak > 6)
    local[:, :reach] = local[:, -reach - 3:] = False
    rows, columns = np.nonzero(local)
    columns = columns + 2                                             # two differences, each one pixel narrower
    profile = grey[rows[:, None], columns[:, None] + np.arange(-reach, reach + 1)]           # (N, 2 reach + 1)
    low, high = profile[:, :reach - 2], profile[:, -(reach - 2):]
    contrast = np.abs(high.mean(1) - low.mean(1))
    flat = np.maximum(np.ptp(low, axis=1), np.ptp(high, axis=1)) < 0.15 * contrast
    clean = flat & (contrast > 25) & (np.ptp(profile, axis=1) < 1.2 * contrast)
    ratio = 2 * strength[rows, columns - 1][clean] / contrast[clean]
    return np.asarray(1 / (math.sqrt(2) * erfinv(np.clip(ratio, 0.05, 0.9999))), np.float64)


def sharpness(sigmas: F64) -> float:
    """Blur (px) of the optics: the lower quartile of edge widths, for edges of soft things are wider. NaN if few."""
    return float(np.quantile(sigmas, 0.25)) if len(sigmas) >= 20 else math.nan


def noise_levels(plane: F32, block: int = 16) -> F64:
    """Immerkaer's noise sigma (1996) of each well exposed block of one band, grey levels."""
    rough = np.abs(cv2.filter2D(plane, -1, _IMMERKAER))
    height, width = (size // block * block for size in plane.shape)
    means, roughs = (
        np.asarray(a[:height, :width].reshape(height // block, block, width // block, block).mean((1, 3)), np.float64)
        for a in (plane, rough)
    )
    return np.asarray((math.sqrt(math.pi / 2) / 6 * roughs)[(means > 8) & (means < 240)], np.float64)


def noise_sigma(levels: F64) -> float:
    """Noise of the sensor: the 10th percentile over blocks, for texture only ever adds to it. NaN if few blocks."""
    return float(np.quantile(levels, 0.1)) if len(levels) >= 10 else math.nan


def power_spectrum(grey: F32) -> F64:
    """Azimuthal mean power in dB at integer frequencies 1..N/2 - 1 of a square picture (Hann window, mean removed)."""
    size = grey.shape[0]
    window = np.hanning(size)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window[:, None] * window[None])) ** 2
    axis = np.fft.fftfreq(size, 1 / size)
    radius = np.rint(np.hypot(axis[:, None], axis[None])).astype(int)
    total = np.bincount(radius.ravel(), power.ravel())
    count = np.bincount(radius.ravel())
    return np.asarray(10 * np.log10(total[1:size // 2] / count[1:size // 2] + 1e-3), np.float64)


def blockiness(grey: F32) -> float:
    """Mean step across the 8x8 grid of JPEG over the mean step elsewhere: 1 without a codec."""
    ratios = []
    for step in (np.abs(np.diff(grey, axis=1)).mean(0), np.abs(np.diff(grey, axis=0)).mean(1)):
        on_grid = np.arange(len(step)) % 8 == 7
        ratios.append(float(step[on_grid].mean() / (step[~on_grid].mean() + 1e-6)))
    return sum(ratios) / 2
