"""Tileable patterns of the renderer: each made once, seeded, zero mean and unit deviation, with a mip pyramid.

The patterns follow natural image statistics: power falls as 1/f^beta (Field 1987, "Relations between the statistics of
natural images"), and debris and leaves are dead-leaves models (Lee, Mumford and Huang 2001), so that resolution can be
changed without the texture turning into white noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

F32 = npt.NDArray[np.float32]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]

SIZE = 512
"""Side of every pattern in texels."""
STEPS = 28.0
"""Stored value of one standard deviation; int8 then reaches 4.5 of them."""
LEVELS = 8
"""Mip levels: 512, 256, ... 4 texels."""


class Atlas(NamedTuple):
    """All patterns at all levels in one flat int8 array; `start[pattern, level]` is where one of them begins."""

    texels: I8
    start: I32


def standardised(pattern: npt.NDArray[np.floating]) -> F32:
    """Zero mean, unit deviation, clipped to 4 deviations; float32."""
    centred = pattern - pattern.mean()
    clipped: F32 = np.clip(centred / centred.std(), -4, 4).astype(np.float32)
    return clipped


def spectral_noise(rng: np.random.Generator, beta: float, stretch: float = 1.0) -> F32:
    """Gaussian noise with power 1/f^beta; `stretch` above 1 draws it out along the columns."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij")
    f = np.hypot(fx * stretch, fy)
    f[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) * f ** (-beta / 2)
    return standardised(np.fft.irfft2(spectrum, s=(SIZE, SIZE)))


def _cells(rng: np.random.Generator, count: int) -> F32:
    """Rounded bumps about `count` random points with dark gaps between them (Worley 1996, F2 - F1)."""
    grid = (np.indices((SIZE, SIZE)).reshape(2, -1).T + 0.5) / SIZE
    nearest, _ = cKDTree(rng.random((count, 2)), boxsize=1.0).query(grid, k=2)
    gap = (nearest[:, 1] - nearest[:, 0]).reshape(SIZE, SIZE) * np.sqrt(count)
    lobe = 1 - (nearest[:, 0] ** 2).reshape(SIZE, SIZE) * count
    return standardised(np.minimum(gap, 0.35) + 0.35 * lobe)


def _boards(rng: np.random.Generator, count: int, smallest: float, largest: float) -> F32:
    """Dead leaves of turned rectangles, sides `smallest` to `largest` of the period, light, dark and in between."""
    canvas = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(count):
        centre = rng.random(2) * SIZE
        # sizes by a power law of exponent 3: the image looks alike at every scale
        side = smallest / np.sqrt(1 - rng.random() * (1 - (smallest / largest) ** 2))
        sides = (side * SIZE, side * SIZE * rng.uniform(0.25, 0.9))
        box = cv2.boxPoints(((0.0, 0.0), sides, rng.uniform(0, 180)))
        shade = float(rng.choice([-0.9, -0.2, 0.3, 1.5], p=[0.3, 0.3, 0.25, 0.15]) + rng.normal(0, 0.25))
        for shift_x in (-SIZE, 0, SIZE):
            for shift_y in (-SIZE, 0, SIZE):
                corners = np.rint(box + centre + (shift_x, shift_y)).astype(np.int32)
                cv2.fillConvexPoly(canvas, corners, shade)
    return canvas


def _noise(rng: np.random.Generator) -> F32:
    return spectral_noise(rng, 1.8)


def _borders(rng: np.random.Generator, count: int, reach: float) -> F32:
    """Distance to the nearest border of a Voronoi mosaic of `count` cells, in periods, cut off at `reach`: 0 on the
    borders, 1 away from them."""
    grid = (np.indices((SIZE, SIZE)).reshape(2, -1).T + 0.5) / SIZE
    nearest, _ = cKDTree(rng.random((count, 2)), boxsize=1.0).query(grid, k=2)
    gap = (nearest[:, 1] - nearest[:, 0]).reshape(SIZE, SIZE)
    return np.asarray(np.minimum(gap / reach, 1.0), np.float32)


def _steps(values: npt.NDArray[np.floating], rows: int, columns: int) -> F32:
    """A wall of `rows` courses of stones with one value each, every other course shifted by half a stone."""
    v, u = np.indices((SIZE, SIZE)) / SIZE
    row = (v * rows).astype(int)
    column = np.floor(u * columns + 0.5 * (row % 2)).astype(int) % columns
    return np.asarray(values[row, column], np.float32)


def _asphalt(rng: np.random.Generator) -> F32:
    patches = np.where(spectral_noise(rng, 2.6) > 1.1, 0.8, 0.0)
    mended = _boards(rng, 7, 0.08, 0.3) * 0.7
    cracks = _borders(rng, 9, 0.006) + 0.6 * _borders(rng, 60, 0.004)
    return standardised(0.9 * spectral_noise(rng, 1.9) + 0.35 * spectral_noise(rng, 0.4) + patches + mended
                        + 0.9 * cracks)


def _soil(rng: np.random.Generator) -> F32:
    return standardised(spectral_noise(rng, 2.0) + 0.5 * spectral_noise(rng, 0.8))


def _grass(rng: np.random.Generator) -> F32:
    return standardised(spectral_noise(rng, 2.0) + 0.8 * spectral_noise(rng, 0.9) - 0.25 * _cells(rng, 900))


def _leaf(rng: np.random.Generator) -> F32:
    clumps = _cells(rng, 40) + 0.7 * _cells(rng, 260) + 0.35 * _cells(rng, 1800)
    return standardised(clumps + 0.35 * spectral_noise(rng, 1.4))


def _rows(rng: np.random.Generator) -> F32:
    across = np.cos(2 * np.pi * (np.arange(SIZE) + 0.5) / SIZE)[:, None]
    ragged = across + 0.45 * spectral_noise(rng, 1.6, stretch=2.0)
    return standardised(np.tanh(1.5 * ragged) + 0.3 * spectral_noise(rng, 1.2))


def _streaks(rng: np.random.Generator, length: float) -> F32:
    """What runs down a slope: noise drawn out `length` times along the rows' axis."""
    return np.ascontiguousarray(spectral_noise(rng, 2.0, stretch=length).T)


def _shingle(rng: np.random.Generator) -> F32:
    courses = 16
    tabs = np.kron(rng.standard_normal((courses, 10)), np.ones((SIZE // courses, SIZE // 10 + 1)))[:, :SIZE]
    edge = (np.arange(SIZE) % (SIZE // courses) < 4).astype(np.float64)[:, None]
    return standardised(0.4 * tabs - 0.7 * edge + 0.6 * spectral_noise(rng, 2.2) + 0.9 * _streaks(rng, 7.0)
                        + 0.3 * spectral_noise(rng, 0.5))


def _clutter(rng: np.random.Generator) -> F32:
    boards = _boards(rng, 2600, 0.03, 0.35)
    return standardised(boards + 0.25 * spectral_noise(rng, 1.5))


def _water(rng: np.random.Generator) -> F32:
    ripples = spectral_noise(rng, 1.0, stretch=3.0)
    return standardised(spectral_noise(rng, 2.6) + 0.25 * ripples)


def _ash(rng: np.random.Generator) -> F32:
    """A burnt-out house: rooms of pale powder between dark wall lines, strewn with what fell."""
    rooms = _boards(rng, 60, 0.18, 0.6)
    walls = _steps(rng.standard_normal((5, 5)), 5, 5) + 0.8 * _borders(rng, 30, 0.02)
    litter = _boards(rng, 700, 0.02, 0.2)
    return standardised(0.8 * rooms + 0.5 * walls + 0.6 * litter + 0.7 * spectral_noise(rng, 2.0))


def _slabs(rng: np.random.Generator) -> F32:
    """Cast concrete: slabs of their own tone with joints between them, stained."""
    tones = _steps(rng.standard_normal((4, 4)), 4, 4)
    place = np.arange(SIZE) % (SIZE // 4)
    joint = (place < 3)[:, None] | (place < 3)[None, :]
    stains = np.minimum(spectral_noise(rng, 2.2), 0.5)
    return standardised(0.6 * tones - 1.4 * joint + 0.9 * stains + 0.35 * spectral_noise(rng, 0.8)
                        + 0.5 * _borders(rng, 8, 0.006))


def _stones(rng: np.random.Generator) -> F32:
    """Laid stones: courses of them with dark joints."""
    rows, columns = 32, 24
    tones = _steps(rng.standard_normal((rows, columns)), rows, columns)
    joint = (np.arange(SIZE) % (SIZE // rows) < 3)[:, None]
    return standardised(tones - 1.2 * joint + 0.8 * spectral_noise(rng, 2.0))


def _sheet(rng: np.random.Generator) -> F32:
    """A flat roof's sheet: seams of its webs, dirt where water stands, drips."""
    seam = (np.arange(SIZE) % (SIZE // 6) < 3).astype(np.float64)[:, None]
    ponds = np.where(spectral_noise(rng, 2.8) > 1.0, -1.2, 0.0)
    return standardised(0.7 * spectral_noise(rng, 2.4) - 0.7 * seam + 0.7 * ponds + 0.4 * _streaks(rng, 5.0)
                        + 0.25 * spectral_noise(rng, 0.6))


def _ribs(rng: np.random.Generator) -> F32:
    """Folded metal: ribs down the slope, sheets of their own tone, streaks of rust."""
    across = np.cos(2 * np.pi * 20 * (np.arange(SIZE) + 0.5) / SIZE)[None, :]
    sheets = np.kron(rng.standard_normal((3, 5)), np.ones((SIZE // 3 + 1, SIZE // 5 + 1)))[:SIZE, :SIZE]
    return standardised(0.5 * across + 0.6 * sheets + 0.9 * _streaks(rng, 8.0) + 0.5 * spectral_noise(rng, 2.0))


PATTERNS: dict[str, Callable[[np.random.Generator], F32]] = {
    "noise": _noise, "asphalt": _asphalt, "soil": _soil, "grass": _grass, "leaf": _leaf, "rows": _rows,
    "shingle": _shingle, "clutter": _clutter, "water": _water, "ash": _ash, "slabs": _slabs,
    "stones": _stones, "sheet": _sheet, "ribs": _ribs,
}
PATTERN_ID = {name: index for index, name in enumerate(PATTERNS)}


@lru_cache(maxsize=len(PATTERNS))
def pattern(name: str) -> F32:
    """Pattern (SIZE, SIZE) float32, tileable, zero mean and unit deviation; the same on every run."""
    return PATTERNS[name](np.random.default_rng([2718, PATTERN_ID[name]]))


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """Mip pyramids of all patterns. A coarse level has less contrast, as a sensor with large pixels sees it."""
    chunks: list[I8] = []
    start = np.zeros((len(PATTERNS), LEVELS), np.int32)
    filled = 0
    for name, index in PATTERN_ID.items():
        level_values = pattern(name)
        for level in range(LEVELS):
            start[index, level] = filled
            chunks.append(np.clip(np.rint(level_values * STEPS), -127, 127).astype(np.int8).ravel())
            filled += chunks[-1].size
            half = level_values.shape[0] // 2
            level_values = level_values.reshape(half, 2, half, 2).mean(axis=(1, 3))
    return Atlas(np.concatenate(chunks), start)
