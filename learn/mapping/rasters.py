"""A before and an after raster on one grid (the before raster's own), read window by window."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from sim_bridge.errors import InputError
from sim_bridge.imagery import check_bands, ground_sampling_m

UintArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a map lie. Without a CRS: x = column, y = -row, in pixels. `gsd_m` is None if unknown."""

    height: int
    width: int
    crs: CRS | None
    transform: Affine
    gsd_m: float | None


class AlignedPair:
    """Windows of both rasters on the before raster's grid."""

    def __init__(self, pre: Any, post: Any, grid: Grid) -> None:
        self.grid = grid
        self._pre = pre
        self._post = post

    def read(self, row: int, column: int, height: int, width: int) -> tuple[UintArray, UintArray]:
        """Both images (height, width, 3) uint8; what lies beyond the raster is mirrored."""
        window, pad = self._inside(row, column, height, width)
        before, after = (np.pad(self._pixels(source, window), (*pad, (0, 0)), mode="symmetric")
                         for source in (self._pre, self._post))
        return before, after

    def valid(self, row: int, column: int, height: int, width: int) -> tuple[BoolArray, BoolArray]:
        """Where each raster holds data (height, width); the window must lie within the raster."""
        window = Window(column, row, width, height)
        return self._pre.dataset_mask(window=window) > 0, self._post.dataset_mask(window=window) > 0

    def _inside(self, row: int, column: int, height: int, width: int) -> tuple[Window, Any]:
        rows, columns = min(height, self.grid.height - row), min(width, self.grid.width - column)
        return Window(column, row, columns, rows), ((0, height - rows), (0, width - columns))

    @staticmethod
    def _pixels(source: Any, window: Window) -> UintArray:
        try:
            return np.asarray(source.read([1, 2, 3], window=window).transpose(1, 2, 0), np.uint8)
        except RasterioError as error:
            raise InputError(f"{source.name} breaks off at {window} ({_reason(error)}): expected a whole raster, "
                             "copy or download it again") from error


@contextmanager
def pixel_space() -> Iterator[None]:
    """Silences the libraries' warnings that a raster or a layer has no CRS: `open_pair` has said so once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.filterwarnings("ignore", "'crs' was not provided")
        yield


@contextmanager
def open_pair(pre: Path, post: Path, gsd_m: float | None = None) -> Iterator[AlignedPair]:
    """Opens both rasters; the after raster is warped (bilinear) when it lies on another grid.

    Args:
        gsd_m: metres per pixel, used where the before raster has no CRS.

    Raises:
        InputError: unreadable, not 3 or 4 bands of uint8, or no way to tell how the two lie on each other.
    """
    with ExitStack() as stack:
        before, after = (stack.enter_context(_open(path)) for path in (pre, post))
        grid = _grid(before, pre, gsd_m)
        if not _same_grid(before, after):
            after = stack.enter_context(_warped(before, after, pre, post))
        yield AlignedPair(before, after, grid)


def check_pair(pre: Path, post: Path) -> None:
    """Raises InputError, as `open_pair`, for rasters that cannot be mapped; reads no more than their corners."""
    with pixel_space(), ExitStack() as stack:
        before, after = (stack.enter_context(_open(path)) for path in (pre, post))
        if not _same_grid(before, after):
            stack.enter_context(_warped(before, after, pre, post))
        for path, source in ((pre, before), (post, after)):
            _check_end(path, source)


def _check_end(path: Path, source: Any) -> None:
    """A raster that was cut short lacks its last pixel, mostly."""
    try:
        source.read(1, window=Window(source.width - 1, source.height - 1, 1, 1))
    except RasterioError as error:
        raise InputError(f"{path} cannot be read to its end ({_reason(error)}): expected a whole raster, "
                         "copy or download it again") from error


def _open(path: Path) -> Any:
    with pixel_space():
        try:
            source = rasterio.open(path)
        except (RasterioError, OSError) as error:
            raise InputError(f"{path} cannot be read ({_reason(error)}): expected a GeoTIFF, PNG or JPEG, "
                             "check the path or download it again") from error
    check_bands(path, source.count, source.dtypes)
    return source


def _grid(source: Any, path: Path, gsd_m: float | None) -> Grid:
    if source.crs is not None:
        known = ground_sampling_m(source.crs, source.transform, source.width, source.height)
        return Grid(source.height, source.width, source.crs, source.transform, known)
    how = f"taken as {gsd_m} m a pixel" if gsd_m else "taken at the model's resolution (give --gsd if it is not)"
    log.warning("%s has no CRS: mapped in pixel space (x = column, y = -row), %s", path, how)
    return Grid(source.height, source.width, None, Affine.scale(1.0, -1.0), gsd_m)


def _same_grid(before: Any, after: Any) -> bool:
    if before.shape != after.shape:
        return False
    if before.crs is None or after.crs is None:
        return True
    return bool(before.crs == after.crs and _agree(before, after))


def _agree(before: Any, after: Any) -> bool:
    """Whether the corners of both rasters lie within a tenth of a pixel of each other."""
    to_pixels = ~before.transform @ after.transform
    corners = ((0, 0), (before.width, 0), (0, before.height), (before.width, before.height))
    return all(max(abs(x - u), abs(y - v)) < 0.1 for x, y in corners for u, v in [to_pixels @ (x, y)])


def _warped(before: Any, after: Any, pre: Path, post: Path) -> WarpedVRT:
    if before.crs is None or after.crs is None:
        bare = pre if before.crs is None else post
        raise InputError(f"{bare} has no CRS and {before.width} x {before.height} pixels before are "
                         f"{after.width} x {after.height} after: expected the same grid, georeference both rasters")
    alpha = not any(MaskFlags.per_dataset in flags or MaskFlags.nodata in flags for flags in after.mask_flag_enums)
    return WarpedVRT(after, crs=before.crs, transform=before.transform, width=before.width, height=before.height,
                     resampling=Resampling.bilinear, add_alpha=alpha)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]
