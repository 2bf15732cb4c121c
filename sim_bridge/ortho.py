"""A true orthomosaic from frames with depth: every pixel is put where what it shows stands, as if seen from above.

What a roof hides from one pose another sees beside it; of all pixels that show the top of a cell, the one that was seen
most steeply is taken (the z-buffer of true orthophotos: Amhar, Jansa & Ries 1998). Nothing is invented: what no frame
shows stays empty, apart from single cells between seen ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.capture import Shot
from sim_bridge.errors import InputError
from sim_bridge.frames import F64, Intrinsics, pixel_rays

TOP_M = 0.75
"""How far below the highest point of a cell a pixel may lie and still show its top."""
_MOST_CELLS = 64_000_000


@dataclass(frozen=True)
class Mosaic:
    """A square of ground seen from straight above: row 0 in the north, column 0 in the west."""

    rgb: npt.NDArray[np.uint8]
    """(n, n, 3); black where nothing was seen."""
    height: npt.NDArray[np.float32]
    """(n, n) z of what is seen, metres; nan where nothing was."""
    cell_m: float

    @property
    def seen_share(self) -> float:
        """Share of the square that some frame shows."""
        return float(np.isfinite(self.height).mean())


def orthomosaic(shots: Sequence[Shot], camera: Intrinsics, size_m: float, cell_m: float) -> Mosaic:
    """Mosaic of a square of `size_m` about the world's origin in cells of `cell_m`, from frames at measured poses.

    Raises InputError for sizes that no picture can have.
    """
    side = round(size_m / cell_m) if cell_m > 0 else 0
    if not 0 < side * side <= _MOST_CELLS:
        raise InputError(f"mosaic of {size_m:g} m in cells of {cell_m:g} m: expected 1 to {_MOST_CELLS} cells")
    top = np.full(side * side, -np.inf, np.float32)
    for shot in shots:
        cells, points, _ = _ground_cells(shot, camera, side, cell_m)
        np.maximum.at(top, cells, points[:, 2].astype(np.float32))
    steepest = np.full(side * side, np.inf, np.float32)
    rgb = np.zeros((side * side, 3), np.uint8)
    for shot in shots:
        cells, points, colours = _ground_cells(shot, camera, side, cell_m)
        slant = _slant(shot, points)
        shows = points[:, 2] >= top[cells] - TOP_M
        _paint(rgb, steepest, cells[shows], slant[shows], colours[shows])
    height = np.where(np.isfinite(top), top, np.nan).astype(np.float32)
    return _without_gaps(Mosaic(rgb.reshape(side, side, 3), height.reshape(side, side), cell_m))


def _ground_cells(shot: Shot, camera: Intrinsics, side: int,
                  cell_m: float) -> tuple[npt.NDArray[np.int64], F64, npt.NDArray[np.uint8]]:
    """Cell (N,), ENU point (N, 3) and colour (N, 3) of every pixel whose point lies in the square."""
    depth = shot.depth.reshape(-1).astype(np.float64)
    hit = np.isfinite(depth) & (depth < 60_000)
    points = pixel_rays(shot.pose, camera)[hit] * depth[hit, None] + shot.pose.position.array()
    column = np.floor(points[:, 0] / cell_m + side / 2).astype(np.int64)
    row = np.floor(side / 2 - points[:, 1] / cell_m).astype(np.int64)
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    return (row * side + column)[inside], points[inside], shot.rgb.reshape(-1, 3)[hit][inside]


def _slant(shot: Shot, points: F64) -> npt.NDArray[np.float32]:
    """Tangent of the angle between the line of sight and the vertical, for points (N, 3)."""
    sight = points - shot.pose.position.array()
    return (np.hypot(sight[:, 0], sight[:, 1]) / np.maximum(-sight[:, 2], 1e-6)).astype(np.float32)


def _paint(rgb: npt.NDArray[np.uint8], steepest: npt.NDArray[np.float32], cells: npt.NDArray[np.int64],
           slant: npt.NDArray[np.float32], colours: npt.NDArray[np.uint8]) -> None:
    """Colours of the cells that this frame sees more steeply than those before."""
    np.minimum.at(steepest, cells, slant)
    best = slant == steepest[cells]
    rgb[cells[best]] = colours[best]


def _without_gaps(mosaic: Mosaic) -> Mosaic:
    """Empty cells with seen ones beside them take the nearest one's colour and height; wider gaps stay."""
    empty = np.isnan(mosaic.height)
    if not empty.any() or empty.all():
        return mosaic
    far, nearest = cv2.distanceTransformWithLabels(empty.astype(np.uint8), cv2.DIST_L2, 3,
                                                   labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(int(nearest.max()) + 1, np.int64)
    source[nearest[~empty]] = np.flatnonzero(~empty)
    take = empty & (far < 2)
    rgb, height = mosaic.rgb.copy(), mosaic.height.copy()
    rgb[take] = mosaic.rgb.reshape(-1, 3)[source[nearest[take]]]
    height[take] = mosaic.height.reshape(-1)[source[nearest[take]]]
    return Mosaic(rgb, height, mosaic.cell_m)
