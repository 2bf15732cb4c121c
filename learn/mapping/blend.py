"""Overlapping tiles over one axis, and weights that fade one tile into the next and sum to one everywhere.

Along an axis, tile k weighs `ramp(k - 1) - ramp(k)`, where `ramp(k)` rises from 0 to 1 (raised cosine) across the
overlap of tiles k and k + 1. The sum telescopes to one for any set of tiles; nothing has to be normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis: `starts` in pixels, all `tile` long, neighbours sharing at least `overlap` pixels.

    The only tile of an axis may be longer than `length`; its surplus is padding.
    """

    length: int
    tile: int
    overlap: int
    starts: tuple[int, ...]

    def seam(self, index: int) -> float:
        """Middle of the overlap between tiles `index` and `index + 1`; the ends of the axis outside the range."""
        if index < 0:
            return 0.0
        if index >= len(self.starts) - 1:
            return float(self.length)
        return (self.starts[index] + self.tile + self.starts[index + 1]) / 2

    def weights(self, index: int) -> FloatArray:
        """(tile,) float32 weights of one tile at its own pixels: over all tiles they sum to one at every pixel."""
        centres = np.arange(self.tile, dtype=np.float64) + (self.starts[index] + 0.5)
        return np.asarray(self._ramp(index - 1, centres) - self._ramp(index, centres), np.float32)

    def finished(self, index: int) -> int:
        """First pixel that tiles after `index` still add to; the length of the axis after the last."""
        if index >= len(self.starts) - 1:
            return self.length
        return max(self.starts[index], math.floor(self.seam(index) - self.overlap / 2))

    def _ramp(self, index: int, centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if index < 0:
            return np.ones_like(centres)
        if index >= len(self.starts) - 1:
            return np.zeros_like(centres)
        share = (centres - self.seam(index)) / max(self.overlap, 1e-9) + 0.5
        return np.asarray(np.sin(np.pi / 2 * np.clip(share, 0.0, 1.0)) ** 2)


def plan_axis(length: int, tile: int, overlap: int) -> Axis:
    """Lays tiles of about `tile` pixels (at most half as long again) evenly over `length` pixels.

    The size gives way a little so that few pixels are predicted twice: 1,024 pixels at 512 with overlap 128 are two
    tiles of 576, not three of 512. Raises ValueError unless 0 <= overlap < tile.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap {overlap} is not within 0 to {tile - 1}: give less overlap or larger tiles")
    count = max(1, round((length - overlap) / (tile - overlap)))
    size = math.ceil((length + (count - 1) * overlap) / count)
    return cover(length, count, size, overlap)


def cover(length: int, count: int, size: int, overlap: int) -> Axis:
    """`count` tiles of `size` pixels, evenly over `length`; the caller sees to it that they reach."""
    if count == 1:
        return Axis(length, size, overlap, (0,))
    free = max(0, length - size)
    return Axis(length, size, overlap, tuple(free * k // (count - 1) for k in range(count)))


def strips(axis: Axis, width_px: int) -> tuple[range, ...]:
    """Groups of neighbouring tiles, each about `width_px` wide from first to last seam, so that a band of one group
    fits in memory. What a group owns ends at its seams; see `reach`."""
    each = max(1, width_px // max(axis.tile - axis.overlap, 1))
    return tuple(range(k, min(k + each, len(axis.starts))) for k in range(0, len(axis.starts), each))


def reach(axis: Axis, group: range) -> tuple[int, int, range]:
    """Pixels [start, stop) that a strip owns, and every tile that adds to them (a ramp reaches over the seam)."""
    start, stop = round(axis.seam(group.start - 1)), round(axis.seam(group.stop - 1))
    tiles = [k for k in range(len(axis.starts))
             if axis.seam(k - 1) - axis.overlap / 2 < stop and axis.seam(k) + axis.overlap / 2 > start]
    return start, stop, range(tiles[0], tiles[-1] + 1)
