"""From an aligned pair of any size to quantised probabilities on disk, tile by tile.

Tiles are read on the raster's own grid, resampled to the model's ground sampling distance, predicted, brought back and
blended there, so that every product lies pixel for pixel on the before raster. At most one band of one strip is held
in memory, whatever the size of the raster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window
from tqdm import tqdm

from learn.mapping.blend import Axis, cover, plan_axis, reach, strips
from learn.mapping.rasters import AlignedPair, Grid
from sim_bridge.classes import CLASS_ID, IGNORE, SEMANTIC

FloatArray = npt.NDArray[np.float32]
UintArray = npt.NDArray[np.uint8]

LAYERS = ("damage", "confidence", "landcover_pre", "landcover_post", "found", "building",
          "p1", "p2", "p3", "p4", "observed")
"""Bands of the scratch raster, all uint8: grade 0-4, confidence in percent, class ids, 1 where a building is, then
probabilities in 1/254 of the building class (before) and of grades 1-4, and 1 where the after raster holds data.
255 = not mapped."""

STEPS = 254
"""Probabilities are stored as round(254 p), so that 255 stays free for "not mapped"."""

STRIP_PX, ROWS_AT_ONCE = 8192, 128
CLASSES = len(SEMANTIC)
MULTIPLE = 32
"""Encoders halve the image five times: tiles are multiples of this."""


@dataclass(frozen=True)
class Probabilities:
    """What a model says of a batch: `landcover_*` (B, 10, H, W) and `damage` (B, 4, H, W; grades 1-4), float32, each
    summing to one over its classes."""

    landcover_before: FloatArray
    landcover_after: FloatArray
    damage: FloatArray


Predict = Callable[[UintArray, UintArray], Probabilities]
"""Before and after (B, H, W, 3) uint8, H and W multiples of 32, to probabilities."""


@dataclass(frozen=True)
class Predictor:
    """A model as the map sees it.

    `gsd_m`: what it was trained at. `building_threshold`: probability from which a pixel is a building; None: where
    building is the most probable class. `confidence_bar`: below it a building is "Not Analysed".
    """

    predict: Predict
    gsd_m: float
    building_threshold: float | None
    model_id: str
    confidence_bar: float = 0.5


@dataclass(frozen=True)
class Tiling:
    """Tiles of one raster: axes in raster pixels, and the shape a tile has for the model."""

    rows: Axis
    columns: Axis
    model_shape: tuple[int, int]


def plan_tiling(grid: Grid, model_gsd_m: float, tile: int, overlap: int) -> Tiling:
    """Tiles of about `tile` model pixels. The raster is resampled only if its GSD differs by more than 10 %."""
    scale = 1.0 if grid.gsd_m is None else grid.gsd_m / model_gsd_m
    if 1 / 1.1 <= scale <= 1.1:
        scale = 1.0
    rows, height = _plan(grid.height, scale, tile, overlap)
    columns, width = _plan(grid.width, scale, tile, overlap)
    return Tiling(rows, columns, (height, width))


def _plan(length: int, scale: float, tile: int, overlap: int) -> tuple[Axis, int]:
    own_overlap = round(overlap / scale)
    axis = plan_axis(length, max(round(tile / scale), own_overlap + 1), own_overlap)
    model_size = MULTIPLE * math.ceil(axis.tile * scale / MULTIPLE)
    size = max(axis.tile, round(model_size / scale))
    return cover(length, len(axis.starts), size, own_overlap), model_size


def predict_raster(pair: AlignedPair, predictor: Predictor, tiling: Tiling, batch: int, path: Path,
                   progress: bool = True) -> Path:
    """Writes the scratch raster of `LAYERS` (GeoTIFF, on the pair's grid) and returns its path."""
    grid = pair.grid
    groups = strips(tiling.columns, STRIP_PX)
    tiles = sum(len(reach(tiling.columns, group)[2]) for group in groups) * len(tiling.rows.starts)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": len(LAYERS), "height": grid.height, "width": grid.width,
               "crs": grid.crs, "transform": grid.transform, "tiled": True, "blockxsize": 512, "blockysize": 512,
               "interleave": "band", "BIGTIFF": "IF_SAFER"}
    with rasterio.open(path, "w", **profile) as sink, tqdm(total=tiles, desc="map", unit="tile",
                                                          disable=not progress) as bar:
        for group in groups:
            start, stop, reached = reach(tiling.columns, group)
            for row, band in _bands(pair, predictor, tiling, reached, start, stop, batch, bar):
                for first in range(0, band.shape[1], ROWS_AT_ONCE):
                    _write(sink, pair, predictor, row + first, start, band[:, first:first + ROWS_AT_ONCE])
    return path


def _bands(pair: AlignedPair, predictor: Predictor, tiling: Tiling, reached: range, start: int, stop: int,
           batch: int, bar: Any) -> Iterator[tuple[int, FloatArray]]:
    """Finished rows of one strip, top to bottom: (first row, probabilities (C, rows, stop - start))."""
    rows = tiling.rows
    held = np.zeros((2 * CLASSES + 4, rows.tile, stop - start), np.float32)
    for index, top in enumerate(rows.starts):
        for columns in _batches(reached, batch):
            maps = _predict_tiles(pair, predictor, tiling, top, [tiling.columns.starts[k] for k in columns])
            for k, tile in zip(columns, maps, strict=True):
                _add(held, tile, rows.weights(index), tiling.columns, k, start)
            bar.update(len(columns))
        done = rows.finished(index) - top
        yield top, held[:, :done]
        if index + 1 < len(rows.starts):
            _shift(held, rows.starts[index + 1] - top)


def _batches(tiles: range, size: int) -> list[range]:
    return [tiles[i:i + size] for i in range(0, len(tiles), size)]


def _shift(held: FloatArray, by: int) -> None:
    """Moves the rows up in place, plane by plane: the strip is the largest thing in memory."""
    kept = held.shape[1] - by
    for plane in held:
        plane[:kept] = plane[by:].copy()
        plane[kept:] = 0


def _predict_tiles(pair: AlignedPair, predictor: Predictor, tiling: Tiling, top: int,
                   lefts: list[int]) -> list[FloatArray]:
    """Probabilities (2 * 10 + 4, tile height, tile width) of tiles in one row, on the raster's grid."""
    height, width = tiling.rows.tile, tiling.columns.tile
    images = [pair.read(top, left, height, width) for left in lefts]
    before, after = (np.stack([_resize(pixels, tiling.model_shape) for pixels in side])
                     for side in zip(*images, strict=True))
    said = predictor.predict(before, after)
    maps = np.concatenate([said.landcover_before, said.landcover_after, said.damage], axis=1)
    return [np.stack([_resize(plane, (height, width)) for plane in each]) for each in maps]


def _resize(pixels: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """(H, W) or (H, W, C) at another shape: by area when it shrinks, bilinear when it grows."""
    if pixels.shape[:2] == shape:
        return pixels
    method = cv2.INTER_AREA if shape[0] < pixels.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, shape[::-1], interpolation=method))


def _add(held: FloatArray, tile: FloatArray, row_weights: FloatArray, columns: Axis, index: int, start: int) -> None:
    """Adds a weighted tile to the strip that begins at column `start`."""
    left = columns.starts[index]
    first, last = max(left, start), min(left + columns.tile, start + held.shape[2])
    weights = row_weights[:, None] * columns.weights(index)[None, first - left:last - left]
    held[:, :, first - start:last - start] += tile[:, :, first - left:last - left] * weights


def _write(sink: Any, pair: AlignedPair, predictor: Predictor, row: int, column: int, band: FloatArray) -> None:
    rows, columns = band.shape[1:]
    layers = decide(band, predictor.building_threshold)
    before_valid, after_valid = pair.valid(row, column, rows, columns)
    for name in ("damage", "confidence", "landcover_post", "p1", "p2", "p3", "p4"):
        layers[LAYERS.index(name), ~after_valid] = IGNORE
    layers[LAYERS.index("observed"), ~after_valid] = 0
    layers[:, ~before_valid] = IGNORE
    sink.write(layers, window=Window(column, row, columns, rows))


def decide(band: FloatArray, building_threshold: float | None) -> UintArray:
    """Blended probabilities (24, H, W) to the `LAYERS` (11, H, W) uint8.

    Grade = building(before) ? most probable damage : 0. Confidence is the probability of that grade in percent:
    p(building) * p(grade | building), or 1 - p(building) for grade 0.
    """
    before, after, damage = band[:CLASSES], band[CLASSES:2 * CLASSES], band[2 * CLASSES:]
    building = before[CLASS_ID["building"]]
    landcover = before.argmax(axis=0)
    found = landcover == CLASS_ID["building"] if building_threshold is None else building >= building_threshold
    grade = np.where(found, damage.argmax(axis=0) + 1, 0)
    confidence = np.where(found, building * damage.max(axis=0), 1 - building)
    quantised = np.round(np.clip(np.concatenate([building[None], damage]), 0, 1) * STEPS)
    named = np.stack([grade, np.round(np.clip(confidence, 0, 1) * 100), landcover, after.argmax(axis=0), found])
    return np.concatenate([named, quantised, np.ones_like(building[None])]).astype(np.uint8)
