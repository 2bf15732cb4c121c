"""Painting of polygons and lines given in metres onto rasters over the square."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.world.model import Grid
from sim_bridge.world.shapes import F64

_SHIFT = 4
"""Fraction bits of OpenCV's corners."""


class Canvas:
    """A raster over the square, row 0 in the south; later paint covers earlier paint."""

    def __init__(self, size_m: float, cell_m: float, values: npt.NDArray[Any]) -> None:
        self.size_m, self.cell_m, self.values = size_m, cell_m, values

    @staticmethod
    def blank(size_m: float, cell_m: float, dtype: type[np.generic], value: int = 0) -> Canvas:
        """Canvas of about `cell_m` (a whole number of cells covers the square) with one value everywhere."""
        n = round(size_m / cell_m)
        return Canvas(size_m, size_m / n, np.full((n, n), value, dtype))

    def grid(self) -> Grid:
        return Grid(self.values, -self.size_m / 2, -self.size_m / 2, self.cell_m)

    def fill(self, shape: shapely.Geometry | F64, value: int) -> None:
        """Sets cells in a ring (N, 2), or in the polygons of a geometry, holes left out."""
        if isinstance(shape, np.ndarray):
            cv2.fillPoly(self.values, [self._pixels(shape)], value, shift=_SHIFT)
            return
        for part in shapely.get_parts(shape):
            if isinstance(part, shapely.Polygon) and not part.is_empty:
                rings = [part.exterior, *part.interiors]
                cv2.fillPoly(self.values, [self._pixels(shapely.get_coordinates(r)) for r in rings], value,
                             shift=_SHIFT)

    def line(self, points: F64, value: int, width_m: float) -> None:
        """Draws a line, at least one cell wide."""
        cv2.polylines(self.values, [self._pixels(points)], False, value, max(round(width_m / self.cell_m), 1),
                      shift=_SHIFT)

    def _pixels(self, points: F64) -> npt.NDArray[np.int32]:
        cells = (points + self.size_m / 2) / self.cell_m - 0.5
        return np.asarray(np.round(cells * (1 << _SHIFT)), np.int32)
