"""S1: exact, pointwise colour transfer from rendered frames to a target sensor. It cannot move an edge.

A strictly increasing curve per band, then a 3x3 matrix. The curves follow quantile matching with their slope kept
within limits; the matrix is Monge-Kantorovich optimal transport between covariances with its eigenvalues kept within
limits. Both limits guard labels: no two grey levels merge, no noise is blown up. Pixels of the rendered set are
weighted by class, because plain matching would turn a surplus of, say, trees into a colour cast.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls

from domain.measure import F32, F64, LUMA, U8
from domain.sensor import SensorProfile

SLOPE = (0.4, 2.5)
GAIN = (0.7, 1.4)
SHARE = (0.33, 3.0)
TINT = 3.0
"""Limits of the curves' slope, of the matrix's eigenvalues, of how much a class may be re-weighted, and of the tint
that a grey may take beyond the target's own, in grey levels."""


@dataclass(frozen=True)
class ColourMap:
    """y = matrix @ curve(x) + offset per pixel; curves (3, 256) strictly increasing, matrix (3, 3), offset (3,)."""

    curves: F32
    matrix: F32
    offset: F32


def apply(colour: ColourMap, image: U8, strength: float = 1.0) -> F32:
    """Image (H, W, 3) float32, in grey levels, not yet clipped. At strength 0 it is the input."""
    levels = np.arange(256, dtype=np.float32)
    table = (1 - strength) * levels + strength * colour.curves         # (3, 256)
    mixing = (1 - strength) * np.eye(3, dtype=np.float32) + strength * colour.matrix
    affine = np.concatenate([mixing, strength * colour.offset[:, None]], axis=1)
    curved = cv2.LUT(image, np.ascontiguousarray(table.T[None], np.float32))
    return np.asarray(cv2.transform(curved, affine), np.float32)


def quantile_curve(source: F64, target: F64, weights: F64) -> F64:
    """Strictly increasing curve (256,) that takes quantiles `source` to `target` where slopes within SLOPE allow it.

    What the limits leave over is shared out so that the mean error over `weights` (256,), the histogram, is zero.
    """
    levels = np.arange(256.0)
    keep = np.concatenate([[True], np.diff(source) > 1e-6])
    wanted = np.interp(levels, source[keep], target[keep])
    slopes = np.clip(gaussian_filter1d(np.gradient(wanted), 6, mode="nearest"), *SLOPE)
    outside = (levels < source[1]) | (levels > source[-2])             # no evidence there: keep contrast as it is
    slopes[outside] = np.clip(slopes[outside], 0.8, 1.25)
    curve = np.concatenate([[0.0], np.cumsum((slopes[1:] + slopes[:-1]) / 2)])
    return np.asarray(curve + np.average(wanted - curve, weights=weights + 1e-9))


def transport_matrix(source: F64, target: F64) -> F64:
    """Monge-Kantorovich map (3, 3) between Gaussians of covariances `source` and `target`, eigenvalues within GAIN.

    A = Ss^(-1/2) (Ss^(1/2) St Ss^(1/2))^(1/2) Ss^(-1/2): the symmetric matrix with A Ss A = St.
    """
    root = _power(source + np.eye(3), 0.5)
    inverse = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(inverse @ _power(root @ (target + np.eye(3)) @ root, 0.5) @ inverse)
    return np.asarray((vectors * np.clip(values, *GAIN)) @ vectors.T)


def _power(matrix: F64, exponent: float) -> F64:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-9) ** exponent) @ vectors.T)


def fit_colour(pixels: U8, weights: F64, target: SensorProfile, tint: F64) -> ColourMap:
    """Fits S1 from weighted rendered pixels (N, 3), weights (N,), to the target profile and its `grey_tint` (3,).

    Bands may leave a common curve, and the colour cast the target's tint, by TINT at most: roads and roofs stay grey
    where the mix of land cover would have turned them.
    """
    curves = band_curves(pixels, weights, target)
    curved = np.stack([curves[band, pixels[:, band]] for band in range(3)], axis=1)         # (N, 3)
    mean = np.average(curved, axis=0, weights=weights)
    matrix = transport_matrix(np.cov(curved.T, aweights=weights), np.array(target.covariance))
    gains = matrix.sum(1)
    matrix += ((gains.mean() - gains) / 3)[:, None]                            # grey in, grey out
    cast = np.array(target.mean) - matrix @ mean
    shift = float(cast @ LUMA)
    offset = shift + tint + np.clip(cast - shift - tint, -TINT, TINT)
    return ColourMap(curves.astype(np.float32), matrix.astype(np.float32), offset.astype(np.float32))


def band_curves(pixels: U8, weights: F64, target: SensorProfile) -> F64:
    """Curves (3, 256): the mean of the bands' own curves, and as much of each band's difference as TINT allows."""
    wanted = np.array(target.quantiles)
    own = np.empty((3, 256))
    for band in range(3):
        counts = np.asarray(np.bincount(pixels[:, band], weights, 256), np.float64)
        own[band] = quantile_curve(weighted_quantiles(counts, wanted.shape[1]), wanted[band], counts)
    common = own.mean(0)
    apart = own - common
    return np.asarray(common + apart * min(1.0, TINT / float(np.abs(apart[:, 40:216]).max() + 1e-9)))


def grey_tint(pixels: U8) -> F64:
    """Median departure (3,) of nearly grey, middling bright pixels (N, 3) from their luminance: the sensor's white
    balance and haze. Zero if fewer than one pixel in a hundred is grey."""
    wide = pixels.astype(np.float64)
    light = wide @ LUMA
    grey = (np.ptp(wide, axis=1) < 16) & (light > 70) & (light < 170)
    if grey.mean() < 0.01:
        return np.zeros(3)
    return np.asarray(np.median(wide[grey] - light[grey, None], axis=0))


def weighted_quantiles(counts: F64, number: int) -> F64:
    """Quantiles (number,) at even probabilities of one weighted histogram (256,)."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts + 1e-9 * counts.sum())])
    levels = np.interp(np.linspace(0, 1, number), cumulative / cumulative[-1], np.arange(257) - 0.5)
    return np.asarray(np.clip(levels, 0, 255), np.float64)


def fit_balanced(pixels: U8, classes: U8, real: U8, target: SensorProfile, rounds: int = 4) -> ColourMap:
    """Alternates between the colour map and the class shares that best explain the target's colours under it.

    pixels (N, 3) and classes (N,) of the rendered set; real (M, 3) a sample of the target's pixels.
    """
    weights, tint = np.ones(len(pixels)), grey_tint(real)
    colour = fit_colour(pixels, weights, target, tint)
    for _ in range(rounds):
        moved = apply(colour, pixels[None])[0]
        weights = class_shares(moved, classes, real.astype(np.float32))[classes]
        colour = fit_colour(pixels, weights, target, tint)
    return colour


def class_shares(pixels: F32, classes: U8, real: F32, prior: float = 0.3) -> F64:
    """Weight (256,) of each class so that the mix of the classes' colour histograms is nearest to the real one.

    Non-negative least squares on coarse colour histograms, drawn toward the rendered shares by `prior`: the real
    shares are not known, and colour alone tells classes apart only in part. Weights stay within SHARE.
    """
    present = np.unique(classes)
    share = np.array([(classes == c).mean() for c in present])
    columns = np.stack([_coarse(pixels[classes == c]) for c in present], axis=1)             # (bins, classes)
    scale = prior * float(np.linalg.norm(columns, axis=0).mean())
    system = np.concatenate([columns * share, scale * np.diag(np.sqrt(share))])
    wanted = np.concatenate([_coarse(real), scale * np.sqrt(share)])
    ratio, _ = nnls(system, wanted)
    weights = np.ones(256)
    weights[present] = np.clip(ratio, *SHARE)
    return weights


def _coarse(pixels: npt.NDArray[np.floating]) -> F64:
    """Joint colour histogram (4096,) of pixels (N, 3), 16 bins a band, summing to 1."""
    bins = np.clip(pixels / 16, 0, 15).astype(np.int64)
    flat = bins @ np.array([256, 16, 1])
    return np.bincount(flat, minlength=4096) / max(1, len(pixels))
