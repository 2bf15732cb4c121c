"""Distances between two sets of crops: the rows of the realism scorecard, and beside them octaves of the spectrum,
gradients and colours, so that it can be read off what differs and not only how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from domain import measure
from domain.score import ROWS, Crops, Distance, measure_crops
from sim_bridge.errors import InputError

U8 = npt.NDArray[np.uint8]
F64 = npt.NDArray[np.float64]

OCTAVES_PX = ((2, 4), (4, 8), (8, 16), (16, 32), (32, 64))
"""Wavelengths (px) of the bands of the spectrum."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Probabilities of the quantiles that are printed."""
DIRECTIONS = 64
"""Of the sliced Wasserstein distance between colours."""


@dataclass(frozen=True)
class Sample:
    """Crops, their measures of the realism scorecard, and what this scorecard adds: octaves (N, 5) dB, gradients
    (N, 101) quantiles of the magnitude (grey levels a pixel), colours (N, 256, 3) pixels drawn on a lattice."""

    crops: tuple[U8, ...]
    measures: Crops
    octaves: F64
    gradients: F64
    colours: F64

    def take(self, chosen: npt.NDArray[np.int64]) -> Sample:
        return Sample(tuple(self.crops[i] for i in chosen), self.measures.take(chosen), self.octaves[chosen],
                      self.gradients[chosen], self.colours[chosen])

    def __len__(self) -> int:
        return len(self.crops)


def measured(crops: Sequence[U8]) -> Sample:
    """Measures crops (256, 256, 3). Raises InputError if there are fewer than 8."""
    if len(crops) < 8:
        raise InputError(f"looks found {len(crops)} crops of 256 px: expected 8 or more, give larger or more tiles")
    grey = [measure.luminance(crop) for crop in crops]
    return Sample(tuple(crops), measure_crops(crops), np.array([octave_power(g) for g in grey]),
                  np.array([gradient_quantiles(g) for g in grey]),
                  np.array([crop[8::16, 8::16].reshape(-1, 3) for crop in crops], np.float64))


def octave_power(grey: npt.NDArray[np.float32]) -> F64:
    """Mean power (dB) of the octaves of wavelength OCTAVES_PX."""
    spectrum, size = measure.power_spectrum(grey), grey.shape[0]
    bands = [spectrum[size // high - 1:size // low - 1] for low, high in OCTAVES_PX]
    return np.array([band.mean() for band in bands])


def gradient_quantiles(grey: npt.NDArray[np.float32]) -> F64:
    """Percentiles 0 to 100 of the magnitude of the Gaussian-smoothed gradient (sigma 0.7 px, above quantisation)."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.7)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    magnitude = np.hypot(across, down)
    return np.asarray(np.percentile(magnitude, np.arange(101)), np.float64)


def gradient_distance(a: Sample, b: Sample) -> float:
    """1-Wasserstein distance between gradient magnitudes, grey levels a pixel: the mean difference of quantiles."""
    first, second = (np.quantile(s.gradients, np.linspace(0, 1, 201)) for s in (a, b))
    return float(np.abs(first - second).mean())


def sliced_colour_distance(a: Sample, b: Sample, seed: int) -> float:
    """Sliced 1-Wasserstein distance between colours (Bonneel et al. 2015), grey levels: joint, not band by band."""
    rng = np.random.default_rng([seed, 9])
    directions = rng.standard_normal((3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    spread = np.linspace(0, 1, 513)
    first, second = (np.quantile(s.colours.reshape(-1, 3) @ directions, spread, axis=0) for s in (a, b))
    return float(np.abs(first - second).mean())


def compare(halves: tuple[Sample, Sample], rendered: Sample, seed: int = 0) -> dict[str, Any]:
    """Rows `name: {unit, distance, floor}`: how far rendered crops are from the real ones, and how far two halves of
    the real ones are from each other, who lie in different places. Beside them what differs: dB by octave (rendered -
    real), colours and gradients of both sides."""
    real = joined(halves)
    number = min(len(real), len(rendered))
    rows = {name: {"unit": unit, "distance": distance(rendered, real), "floor": distance(*halves)}
            for name, (unit, distance) in _rows(seed).items()}
    soft = softened(rendered, real)
    rows["A2_same_blur"] = {"unit": "dB", "distance": _rows(seed)["A2_spectrum"][1](soft, real),
                            "floor": rows["A2_spectrum"]["floor"]}
    return {"crops": number, "rows": rows, "octaves_db": _gaps(rendered, real),
            "octaves_same_blur_db": _gaps(soft, real), "real": _summary(real), "rendered": _summary(rendered)}


def _gaps(rendered: Sample, real: Sample) -> dict[str, float]:
    gaps = rendered.octaves.mean(0) - real.octaves.mean(0)
    return {f"{low}-{high} px": float(gap) for (low, high), gap in zip(OCTAVES_PX, gaps, strict=True)}


def softened(rendered: Sample, real: Sample) -> Sample:
    """The rendered crops with edges as wide as those of the real ones: what is left is due to the scene and not to the
    sensor's optics, which rendered frames are without."""
    wide, narrow = (float(np.nanmean(s.measures.edges)) for s in (real, rendered))
    if not wide > narrow:
        return rendered
    sigma = math.sqrt(wide ** 2 - narrow ** 2)
    return measured([np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8) for crop in rendered.crops])


def _rows(seed: int) -> dict[str, tuple[str, Callable[[Sample, Sample], float]]]:
    """Unit and distance of every row."""
    def of_measures(distance: Distance) -> Callable[[Sample, Sample], float]:
        return lambda a, b: distance(a.measures, b.measures)

    rows = {name: (unit, of_measures(distance)) for name, (unit, distance) in ROWS.items()}
    return rows | {
        "A6_gradients": ("grey levels/px", gradient_distance),
        "colour_sliced": ("grey levels", lambda a, b: sliced_colour_distance(a, b, seed)),
    }


def joined(halves: tuple[Sample, Sample]) -> Sample:
    """One sample out of two."""
    a, b = halves
    measures = Crops(*(np.concatenate([getattr(a.measures, f.name), getattr(b.measures, f.name)])
                       for f in fields(Crops)))
    return Sample(a.crops + b.crops, measures, np.concatenate([a.octaves, b.octaves]),
                  np.concatenate([a.gradients, b.gradients]), np.concatenate([a.colours, b.colours]))


def _summary(sample: Sample) -> Mapping[str, Any]:
    pixels = np.concatenate([crop.reshape(-1, 3) for crop in sample.crops])
    counts = measure.histogram(pixels)
    quantiles = measure.quantiles(counts, 101)[:, [round(100 * p) for p in LEVELS]]
    return {"mean": pixels.mean(0).tolist(), "std": pixels.std(0).tolist(), "quantiles": quantiles.tolist(),
            "gradient_quantiles": np.quantile(sample.gradients, LEVELS).tolist(),
            "octaves_db": sample.octaves.mean(0).tolist()}


def features(sample: Sample) -> F64:
    """(N, 14): octaves, mean gradient, mean and deviation of each band, mean of red - green and green - blue."""
    means = sample.measures.means
    variance = np.diagonal(sample.measures.moments, axis1=1, axis2=2) - means ** 2
    return np.column_stack([sample.octaves, sample.gradients.mean(1), means, np.sqrt(np.maximum(variance, 0)),
                            3 * np.diff(means, axis=1)])


def nearest(real: Sample, rendered: Sample) -> Sample:
    """For each real crop the rendered one with the nearest features, in deviations of the rendered ones."""
    theirs, ours = features(real), features(rendered)
    scale = ours.std(0) + 1e-6
    gaps = np.linalg.norm((theirs[:, None] - ours[None]) / scale, axis=2)
    return rendered.take(gaps.argmin(1))


def table(card: Mapping[str, Any]) -> str:
    """The scorecard in words, for a terminal."""
    lines = [f"real {card['real']}, {card['gsd_m']:.3f} m, {card['scenes']} scenes"]
    for phase, part in card["phases"].items():
        lines.append(f"\n{phase} ({part['crops']} crops a side): distance (and between two halves of the real ones)")
        lines += [f"  {name:16s} {row['distance']:7.2f}  ({row['floor']:.2f})  {row['unit']}"
                  for name, row in part["rows"].items()]
        for name, note in (("octaves_db", ""), ("octaves_same_blur_db", ", at the blur of the real ones")):
            gaps = "  ".join(f"{band}: {gap:+.1f}" for band, gap in part[name].items())
            lines.append(f"  dB, rendered - real{note}: {gaps}")
        for side in ("real", "rendered"):
            lines.append(f"  {side:9s} mean {_numbers(part[side]['mean'])}  std {_numbers(part[side]['std'])}  "
                         f"gradients {_numbers(part[side]['gradient_quantiles'])}")
            lines += [f"            {band} quantiles {_numbers(row)}"
                      for band, row in zip("rgb", part[side]["quantiles"], strict=True)]
    return "\n".join(lines)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{v:6.1f}" for v in values)
