"""Augmentation of pairs: one geometry for before, after and labels; independent light for each image.

All functions draw from the generator they are given and from nothing else, so that a batch is a pure function of
(seed, step, index).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID, IGNORE

U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Affine = npt.NDArray[np.float64]

SCALES = (0.75, 1.33)
MISREGISTRATION_PX = 2.0
MID_TONE = 0.4
"""Level that a change of contrast leaves alone: aerial images are darker than half."""
PASTE_MARGIN_PX = 6
"""Ground around a pasted building that goes with it: eaves, shadow, ash."""


@dataclass(frozen=True)
class Window:
    """Where a crop lies: matrices (2, 3) that take crop pixels to pixels of the before and of the after image."""

    before: Affine
    after: Affine
    size_px: int
    scale: float
    """Image pixels per crop pixel."""


def draw_window(rng: np.random.Generator, shape: tuple[int, int], centre: tuple[float, float], size_px: int,
                pixels_per_pixel: float) -> Window:
    """Random window about `centre` (row, column) of an image of `shape` (rows, columns).

    Flips, quarter turns, in half of the cases any turn, a scale of 0.75 to 1.33 about `pixels_per_pixel`, and up to
    2 px between before and after. The centre is moved so that the window stays inside where it fits.
    """
    scale = pixels_per_pixel / math.exp(rng.uniform(math.log(SCALES[0]), math.log(SCALES[1])))
    angle = math.pi / 2 * int(rng.integers(4)) + (rng.uniform(-0.5, 0.5) if rng.random() < 0.5 else 0.0)
    flip = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = math.cos(angle), math.sin(angle)
    linear = scale * np.array([[cos, -sin], [sin, cos]]) @ np.diag([flip, 1.0])
    half = scale * size_px / 2
    row, column = (min(max(c, half), max(n - half, n / 2)) if n > 2 * half else n / 2
                       for c, n in zip(centre, shape, strict=True))
    middle = np.array([column, row]) - 0.5 - linear @ np.full(2, (size_px - 1) / 2)
    shift = rng.uniform(-MISREGISTRATION_PX, MISREGISTRATION_PX, 2) * (rng.random() < 0.7)
    return Window(np.column_stack([linear, middle]), np.column_stack([linear, middle + shift]), size_px, scale)


def cut_image(image: U8, matrix: Affine, window: Window) -> U8:
    """Crop (size, size, 3) of an image (H, W, 3), bicubic; reflected beyond its edges."""
    if window.scale > 1.25:                                # warpAffine samples points: without this, roofs alias
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.5 * math.sqrt(window.scale**2 - 1)), np.uint8)
    size = (window.size_px, window.size_px)
    crop = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(crop, np.uint8)


def cut_labels(labels: U8, matrix: Affine, window: Window) -> U8:
    """Crop (size, size) of labels (H, W), nearest; IGNORE beyond the edges."""
    size = (window.size_px, window.size_px)
    crop = cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=float(IGNORE))
    return np.asarray(crop, np.uint8)


@dataclass(frozen=True)
class Light:
    """Spread of a random change of tones: standard deviations, of logarithms for contrast and gamma."""

    brightness: float
    contrast: float
    gamma: float
    gain: float
    saturation: float


PAIR_LIGHT = Light(0.05, 0.14, 0.15, 0.05, 0.20)
"""Spread of what before and after of a pair share."""
IMAGE_LIGHT = Light(0.04, 0.10, 0.10, 0.03, 0.12)
"""Spread of what each image has of its own: sun, season, haze."""
STRONG_LIGHT = Light(0.10, 0.25, 0.25, 0.06, 0.40)
"""Spread of the strong view of consistency learning."""


@dataclass(frozen=True)
class Tone:
    """One drawn change of tones: a table (256, 3) per channel and a factor of saturation."""

    table: npt.NDArray[np.float64]
    saturation: float

    def then(self, other: Tone) -> Tone:
        """Both changes in one, `other` after this one."""
        levels = np.arange(256) / 255
        table = np.column_stack([np.interp(self.table[:, c], levels, other.table[:, c]) for c in range(3)])
        return Tone(table, self.saturation * other.saturation)


def draw_tone(rng: np.random.Generator, spread: Light) -> Tone:
    """Random change of brightness, contrast, gamma, channel gains and saturation."""
    brightness, contrast, gamma, saturation = rng.standard_normal(4) * (
        spread.brightness, spread.contrast, spread.gamma, spread.saturation)
    gains = 1 + spread.gain * rng.standard_normal(3)
    levels = (np.arange(256)[:, None] / 255) ** math.exp(gamma)                         # (256, 1)
    table = ((levels - MID_TONE) * math.exp(contrast) + MID_TONE + brightness) * gains
    return Tone(np.clip(table, 0, 1), max(0.0, 1 + saturation))


def apply_tone(image: U8, tone: Tone) -> U8:
    """Image (H, W, 3) with its tones changed."""
    grey = np.array([0.299, 0.587, 0.114])
    table = np.round(255 * tone.table).astype(np.uint8)
    toned = cv2.LUT(image, table[None])
    mix = tone.saturation * np.eye(3) + (1 - tone.saturation) * grey
    return np.asarray(cv2.transform(toned, mix), np.uint8)


def soften(rng: np.random.Generator, image: U8, chance: float, sigma_px: tuple[float, float]) -> U8:
    """Image blurred by a Gaussian in `chance` of the cases."""
    if rng.random() >= chance:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(*sigma_px)), np.uint8)


def degrade(rng: np.random.Generator, image: U8) -> U8:
    """What sensors and files do: blur, noise, JPEG, each in some of the cases."""
    image = soften(rng, image, 0.3, (0.4, 1.1))
    if rng.random() < 0.4:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 6))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 90))])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image


def relight(rng: np.random.Generator, before: U8, after: U8) -> tuple[U8, U8]:
    """Pair with new tones, shared and of each image, and with the marks of a sensor."""
    shared = draw_tone(rng, PAIR_LIGHT)
    first, second = (apply_tone(image, shared.then(draw_tone(rng, IMAGE_LIGHT))) for image in (before, after))
    return degrade(rng, first), degrade(rng, second)


def strong_view(rng: np.random.Generator, before: U8, after: U8) -> tuple[U8, U8]:
    """Pair under strong colour jitter, sometimes grey, sometimes blurred (UniMatch, Yang et al. 2023)."""
    grey = rng.random() < 0.2
    views = []
    for image in (before, after):
        tone = draw_tone(rng, STRONG_LIGHT)
        views.append(soften(rng, apply_tone(image, Tone(tone.table, 0.0) if grey else tone), 0.5, (0.3, 1.5)))
    return views[0], views[1]


def cut_box(rng: np.random.Generator, size_px: int) -> Mask:
    """Box (size, size) of CutMix in half of the cases: 2-40 % of the area, aspect 0.3-3.3 (Yun et al. 2019)."""
    mask = np.zeros((size_px, size_px), np.bool_)
    if rng.random() < 0.5:
        area, aspect = rng.uniform(0.02, 0.4) * size_px**2, math.exp(rng.uniform(math.log(0.3), math.log(3.3)))
        height, width = (min(size_px, round(side)) for side in (math.sqrt(area * aspect), math.sqrt(area / aspect)))
        row, column = int(rng.integers(size_px - height + 1)), int(rng.integers(size_px - width + 1))
        mask[row:row + height, column:column + width] = True
    return mask


def paste_mask(rng: np.random.Generator, semantic: U8) -> Mask:
    """What of a source crop is pasted onto a target crop (H, W): half of its classes, or half of its buildings.

    ClassMix (Olsson et al. 2021) as in DACS (Tranheden et al. 2021); buildings keep a margin of their ground.
    """
    if rng.random() < 0.5:
        present = np.setdiff1d(np.unique(semantic), [IGNORE])
        chosen = rng.permutation(present)[:(len(present) + 1) // 2]
        return np.isin(semantic, chosen)
    count, parts = cv2.connectedComponents((semantic == CLASS_ID["building"]).astype(np.uint8))
    take = np.concatenate([[False], rng.random(count - 1) < 0.5])
    kernel = np.ones((2 * PASTE_MARGIN_PX + 1, 2 * PASTE_MARGIN_PX + 1), np.uint8)
    return np.asarray(cv2.dilate(take[parts].astype(np.uint8), kernel), np.bool_)


def block_mask(rng: np.random.Generator, size_px: int, share: float, block_px: int = 32) -> Mask:
    """Blocks (size, size) to hide, `share` of all (MIC, Hoyer et al. 2023)."""
    cells = -(-size_px // block_px)
    hidden = rng.random((cells, cells)) < share
    return np.kron(hidden, np.ones((block_px, block_px), np.bool_))[:size_px, :size_px]
