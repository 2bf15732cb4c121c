"""Buildings as polygons with one decision each: connected parts of the building mask vote over their pixels.

The raster is read in windows with a margin. A building smaller than the margin is whole in every window whose core it
touches and belongs to the one that holds its centroid; a larger one is cut at the cores. So nothing is lost or doubled,
and memory does not depend on the raster's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.features import shapes
from rasterio.windows import Window
from scipy import ndimage
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from learn.mapping.predict import LAYERS, STEPS

CORE_PX, MARGIN_PX = 2048, 256
UintArray = npt.NDArray[np.uint8]
LabelArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Building:
    """One building in pixel coordinates (x = column, y = row).

    `probabilities`: mean over its observed pixels for grades 1-4, None if nothing of it was observed after.
    `presence`: mean probability that its pixels are a building. `coverage`: share of its pixels observed after.
    """

    outline: BaseGeometry
    pixels: int
    presence: float
    coverage: float
    probabilities: tuple[float, float, float, float] | None

    @property
    def grade(self) -> int | None:
        """Grade 1-4 of the highest mean probability, None if not observed."""
        return None if self.probabilities is None else int(np.argmax(self.probabilities)) + 1

    @property
    def confidence(self) -> float:
        """Probability that there is a building and that it has this grade, 0-1; 0 if not observed."""
        return 0.0 if self.probabilities is None else self.presence * max(self.probabilities)


def find_buildings(scratch: Path, opening_px: int, min_pixels: int, simplify_px: float) -> Iterator[Building]:
    """Buildings of a scratch raster (`predict_raster`), window by window.

    Args:
        opening_px: radius of the opening that parts buildings which touch by less than twice this.
        min_pixels: smaller parts are dropped.
        simplify_px: tolerance of the outline.
    """
    with rasterio.open(scratch) as source:
        for row in range(0, source.height, CORE_PX):
            for column in range(0, source.width, CORE_PX):
                core = Window(column, row, min(CORE_PX, source.width - column), min(CORE_PX, source.height - row))
                outer = _grown(core, source.height, source.width)
                layers = dict(zip(LAYERS, source.read(window=outer), strict=True))
                labels = split(layers["found"] == 1, opening_px)
                yield from _of_window(labels, layers, core, outer, min_pixels, simplify_px)


def _grown(core: Window, height: int, width: int) -> Window:
    top, left = max(0, core.row_off - MARGIN_PX), max(0, core.col_off - MARGIN_PX)
    bottom = min(height, core.row_off + core.height + MARGIN_PX)
    right = min(width, core.col_off + core.width + MARGIN_PX)
    return Window(left, top, right - left, bottom - top)


def split(mask: npt.NDArray[np.bool_], opening_px: int) -> LabelArray:
    """Labels (H, W) int32 of buildings: parts of the opened mask, grown back into the mask where it was shaved.

    Parts that the opening wipes out (sheds, narrow wings on their own) keep a label of their own.
    """
    if opening_px < 1:
        return np.asarray(ndimage.label(mask)[0], np.int32)
    disc = np.hypot(*np.ogrid[-opening_px:opening_px + 1, -opening_px:opening_px + 1]) <= opening_px + 0.3
    parts = ndimage.label(ndimage.binary_opening(mask, disc))[0]
    far, nearest = ndimage.distance_transform_edt(parts == 0, return_indices=True)
    grown = np.where(mask & (far <= 2 * opening_px), parts[tuple(nearest)], 0)
    rest = ndimage.label(mask & (grown == 0))[0]
    return np.asarray(np.where(rest > 0, rest + grown.max(), grown), np.int32)


def _of_window(labels: LabelArray, layers: dict[str, UintArray], core: Window, outer: Window, min_pixels: int,
               simplify_px: float) -> Iterator[Building]:
    top, left = core.row_off - outer.row_off, core.col_off - outer.col_off
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[rows, columns] == index
        down, across = (float(axis.mean()) for axis in np.nonzero(inside))
        if max(inside.shape) >= MARGIN_PX:
            inside &= _box(rows, columns, top, left, core)
        elif not (0 <= rows.start + down - top < core.height and 0 <= columns.start + across - left < core.width):
            continue
        if inside.sum() < max(1, min_pixels):
            continue
        outline = _outline(inside, (outer.col_off + columns.start, outer.row_off + rows.start), simplify_px)
        yield _vote(outline, {name: layer[rows, columns][inside] for name, layer in layers.items()})


def _box(rows: slice, columns: slice, top: int, left: int, core: Window) -> npt.NDArray[np.bool_]:
    """Which pixels of a region's bounding box lie in the core."""
    down = np.arange(rows.start, rows.stop)[:, None]
    across = np.arange(columns.start, columns.stop)[None]
    return np.asarray((down >= top) & (down < top + core.height) & (across >= left) & (across < left + core.width))


def _outline(inside: npt.NDArray[np.bool_], origin: tuple[int, int], simplify_px: float) -> BaseGeometry:
    transform = rasterio.Affine.translation(*origin)
    found = shapes(inside.astype(np.uint8), mask=inside, transform=transform)
    whole = unary_union([shape(geometry) for geometry, _ in found])
    simple = whole.simplify(simplify_px)
    return simple if simple.is_valid and not simple.is_empty else whole


def _vote(outline: BaseGeometry, pixels: dict[str, UintArray]) -> Building:
    observed = pixels["observed"] == 1
    count = int(observed.size)
    presence = float(pixels["building"].mean()) / STEPS
    if not observed.any():
        return Building(outline, count, presence, 0.0, None)
    sums = np.array([pixels[f"p{grade}"][observed].sum(dtype=np.int64) for grade in (1, 2, 3, 4)], np.float64)
    p1, p2, p3, p4 = (float(p) for p in sums / max(sums.sum(), 1))
    return Building(outline, count, presence, float(observed.mean()), (p1, p2, p3, p4))
