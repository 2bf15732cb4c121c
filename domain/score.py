"""The realism scorecard, rows A1 to A5: how much of the distance between rendered and real frames a translation closed.

    G = (d(syn, real) - d(out, real)) / (d(syn, real) - d(realA, realB))

realA and realB are geographically disjoint halves of the real set, and their distance is the floor: two real sets
differ too. All four sets are measured on the same number of crops of the same size. No weights are downloaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from domain import measure
from domain.measure import F64, U8
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs, read_rgb
from sim_bridge.store import open_frames, read

CROP_PX = 256
RESAMPLES = 200
_BAND = slice(int(0.05 * CROP_PX), CROP_PX // 2 - 1)
"""Frequencies of the spectrum row: 0.05 to 0.5 cycles a pixel."""


@dataclass(frozen=True)
class Crops:
    """Measures of N crops: histograms (N, 3, 256), first and second moments (N, 3), (N, 3, 3), spectra (N, F) in dB,
    edge widths (N,) px, noise (N,) grey levels, blockiness (N,). NaN where a crop has nothing to measure."""

    histograms: F64
    means: F64
    moments: F64
    spectra: F64
    edges: F64
    noise: F64
    blocks: F64

    def __len__(self) -> int:
        return len(self.edges)

    def take(self, chosen: np.ndarray[Any, np.dtype[np.int64]]) -> Crops:
        return Crops(*(getattr(self, field.name)[chosen] for field in fields(self)))


Distance = Callable[[Crops, Crops], float]


def measure_crops(crops: Sequence[U8]) -> Crops:
    """Measures crops (CROP_PX, CROP_PX, 3)."""
    rows = []
    for crop in crops:
        grey, pixels = measure.luminance(crop), crop.reshape(-1, 3)
        wide = pixels.astype(np.float64)
        rows.append((measure.histogram(pixels), wide.mean(0), wide.T @ wide / len(wide),
                     measure.power_spectrum(grey)[_BAND], measure.sharpness(measure.edge_sigmas(grey)),
                     measure.noise_sigma(measure.noise_levels(grey)), measure.blockiness(grey)))
    if not rows:
        raise InputError(f"scorecard has nothing to measure: expected images of {CROP_PX} px or more a side")
    return Crops(*(np.array(column) for column in zip(*rows, strict=True)))


def colour_distance(a: Crops, b: Crops) -> float:
    """A1: mean over bands of the 1-Wasserstein distance between histograms, grey levels."""
    first, second = (np.cumsum(c.histograms.sum(0) / c.histograms[:, :1].sum(), axis=1) for c in (a, b))
    return float(np.abs(first - second).sum(1).mean())


def covariance_distance(a: Crops, b: Crops) -> float:
    """A1: Bures distance between band covariances, grey levels. tr S + tr T - 2 tr (S T)^(1/2), square root."""
    first, second = (c.moments.mean(0) - np.outer(c.means.mean(0), c.means.mean(0)) for c in (a, b))
    cross = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    return math.sqrt(max(0.0, float(np.trace(first) + np.trace(second) - 2 * cross)))


def spectrum_distance(a: Crops, b: Crops) -> float:
    """A2: RMS difference of the mean spectra over 0.05 to 0.5 cycles a pixel, dB."""
    return float(np.sqrt(np.mean((a.spectra.mean(0) - b.spectra.mean(0)) ** 2)))


def sharpness_distance(a: Crops, b: Crops) -> float:
    """A3: difference of the mean edge width, px."""
    return abs(float(np.nanmean(a.edges) - np.nanmean(b.edges)))


def noise_distance(a: Crops, b: Crops) -> float:
    """A4: difference of the median noise, grey levels."""
    return abs(float(np.nanmedian(a.noise) - np.nanmedian(b.noise)))


def codec_distance(a: Crops, b: Crops) -> float:
    """A5: difference of the mean 8 x 8 blockiness."""
    return abs(float(a.blocks.mean() - b.blocks.mean()))


ROWS: Mapping[str, tuple[str, Distance]] = {
    "A1_colour": ("grey levels", colour_distance), "A1_covariance": ("grey levels", covariance_distance),
    "A2_spectrum": ("dB", spectrum_distance), "A3_sharpness": ("px", sharpness_distance),
    "A4_noise": ("grey levels", noise_distance), "A5_codec": ("ratio", codec_distance),
}


def scorecard(frames: Path, out: Path, real: Path, crops: int = 64, seed: int = 0) -> dict[str, Any]:
    """Rows A1 to A5 for the store `frames`, its translation `out` and the folder `real` of unlabelled pairs.

    Each row holds the unit, d(syn, real), d(out, real), the floor d(realA, realB), G with its 90 % bootstrap interval
    over crops, and a note in words. Raises InputError if a side has too little to measure.
    """
    first, second = real_halves(real, crops, seed)
    rendered = measure_crops(store_crops(frames, frames, crops, seed))
    moved = measure_crops(store_crops(frames, out, crops, seed))
    number = min(len(s) for s in (first, second, rendered, moved))
    if number < 4:
        raise InputError(f"scorecard has {number} crops of {CROP_PX} px a side: expected 4 or more, give larger images")
    sides = [s.take(np.arange(number)) for s in (rendered, moved, first, second)]
    rows = {name: score_row(distance, unit, sides, seed) for name, (unit, distance) in ROWS.items()}
    return {"crops": number, "crop_px": CROP_PX, "frames": str(frames), "out": str(out), "real": str(real),
            "rows": rows}


def score_row(distance: Distance, unit: str, sides: Sequence[Crops], seed: int) -> dict[str, Any]:
    """One row from measures of syn, out, realA, realB; real is the second half, so that every term has equal counts."""
    rng = np.random.default_rng([seed, 7])
    values = _distances(distance, sides)
    draws = np.array([
        _distances(distance, [s.take(rng.integers(0, len(s), len(s))) for s in sides]) for _ in range(RESAMPLES)
    ])                                                                       # (RESAMPLES, 3): syn, out, floor
    span = np.quantile(draws[:, 0] - draws[:, 2], (0.05, 0.95))
    defined = bool(span[0] > 0 or span[1] < 0)
    gaps = (draws[:, 0] - draws[:, 1]) / (draws[:, 0] - draws[:, 2])
    low, high = np.quantile(gaps, (0.05, 0.95))
    return {
        "unit": unit, "syn": values[0], "out": values[1], "floor": values[2],
        "gap_closed": (values[0] - values[1]) / (values[0] - values[2]) if defined else None,
        "interval": [float(low), float(high)] if defined else None, "note": _note(draws, defined),
    }


def _distances(distance: Distance, sides: Sequence[Crops]) -> tuple[float, float, float]:
    """d(syn, realB), d(out, realB), d(realA, realB)."""
    rendered, moved, first, second = sides
    return distance(rendered, second), distance(moved, second), distance(first, second)


def _note(draws: F64, defined: bool) -> str:
    if not defined:
        return "gap undefined: rendered frames are no farther from real ones than real ones from each other"
    if np.quantile(draws[:, 1], 0.05) <= np.quantile(draws[:, 2], 0.95):
        return "indistinguishable from real by this metric"
    return "still farther from real than real halves are from each other"


def real_halves(real: Path, crops: int, seed: int) -> tuple[Crops, Crops]:
    """Crops of two disjoint areas, west and east of the median tile (by file order without coordinates)."""
    pairs = find_pairs(real)
    images = [(read_rgb(pair.pre), read_rgb(pair.post)) for pair in pairs]
    placed = all(before.crs is not None for before, _ in images)
    order = sorted(range(len(images)), key=lambda i: images[i][0].transform.c if placed else i)
    middle = len(order) // 2
    halves = []
    for at, part in enumerate((order[:middle], order[middle:])):
        pictures = [image.pixels for i in part for image in images[i]]
        halves.append(measure_crops(random_crops(pictures, crops, np.random.default_rng([seed, at]))))
    return halves[0], halves[1]


def store_crops(frames: Path, pictures: Path, crops: int, seed: int) -> list[U8]:
    """Crops of captured frames, the same places in the rendered store and in its translation."""
    captured = np.flatnonzero(read(open_frames(frames), "captured").all(axis=1))
    if len(captured) == 0:
        raise InputError(f"{frames} has no captured frames: expected a campaign that ran, run mage capture first")
    rng = np.random.default_rng([seed, 2])
    chosen = [int(i) for i in rng.choice(captured, min(len(captured), max(1, crops // 2)), replace=False)]
    root = zarr.open_group(pictures, mode="r")
    images = [read(root, f"{phase}_rgb", i, i + 1)[0] for i in chosen for phase in ("before", "after")]
    return random_crops(images, crops, rng)


def random_crops(images: Sequence[U8], number: int, rng: np.random.Generator) -> list[U8]:
    """`number` crops in turn from images that are large enough, without areas that hold no data."""
    found: list[U8] = []
    for attempt in range(4 * number):
        image = images[attempt % len(images)] if images else np.zeros((0, 0, 3), np.uint8)
        if min(image.shape[:2]) < CROP_PX or len(found) == number:
            continue
        y, x = (int(rng.integers(0, side - CROP_PX + 1)) for side in image.shape[:2])
        part = image[y:y + CROP_PX, x:x + CROP_PX]
        if part.any(axis=2).mean() > 0.99:
            found.append(part)
    return found
