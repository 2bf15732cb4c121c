"""Real imagery: folders of before/after pairs and single images, checked as they are read.

A folder holds `<id>_pre.*` with `<id>_post.*`, or `pre/<id>.*` with `post/<id>.*`, or single images (which serve
pretraining and profile fitting only). GeoTIFF, PNG or JPEG, three bands of 8 bits (a fourth band is left out).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from sim_bridge.errors import InputError

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Pair:
    """A place seen before and after."""

    id: str
    pre: Path
    post: Path


@dataclass(frozen=True)
class RgbImage:
    """pixels: (H, W, 3) uint8. `crs` and `gsd_m` are None where the file does not say where it lies."""

    pixels: npt.NDArray[np.uint8]
    crs: CRS | None
    transform: Affine
    gsd_m: float | None


def find_images(folder: Path) -> tuple[Path, ...]:
    """Every image in the folder, and in its sub-folders `pre` and `post`, sorted. Raises InputError if none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected a folder of images, give an existing one")
    places = [folder, folder / "pre", folder / "post"]
    found = sorted(f for place in places if place.is_dir() for f in place.iterdir() if f.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder} holds no images: expected {', '.join(SUFFIXES)} files in it")
    return tuple(found)


def find_pairs(folder: Path) -> tuple[Pair, ...]:
    """Every before/after pair of a folder, sorted by id. Raises InputError if there is none."""
    before: dict[str, Path] = {}
    after: dict[str, Path] = {}
    for path in find_images(folder):
        for phase, table in (("pre", before), ("post", after)):
            if path.parent.name == phase and path.parent != folder:
                table[path.stem] = path
            elif path.stem.endswith(f"_{phase}"):
                table[path.stem.removesuffix(f"_{phase}")] = path
    ids = sorted(before.keys() & after.keys())
    if not ids:
        raise InputError(f"{folder} holds no pairs: expected <id>_pre.* with <id>_post.*, "
                         "or pre/<id>.* with post/<id>.*")
    return tuple(Pair(i, before[i], after[i]) for i in ids)


def read_rgb(path: Path) -> RgbImage:
    """Reads a whole image. Raises InputError for anything but three (or four) bands of uint8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(path) as source:
                check_bands(path, source.count, source.dtypes)
                pixels = np.ascontiguousarray(source.read([1, 2, 3]).transpose(1, 2, 0))    # (H, W, 3)
                crs, transform = source.crs, source.transform
        except (RasterioError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} cannot be read ({reason}): expected a whole GeoTIFF, PNG or JPEG, "
                             "copy or download it again") from error
    return RgbImage(pixels, crs, transform, ground_sampling_m(crs, transform, pixels.shape[1], pixels.shape[0]))


def check_bands(path: Path, count: int, dtypes: tuple[str, ...]) -> None:
    """Raises InputError unless a raster has 3 or 4 bands of uint8."""
    if count not in (3, 4):
        raise InputError(f"{path} has {count} band(s): expected 3 (red, green, blue), merge the bands into one file")
    if any(dtype != "uint8" for dtype in dtypes):
        raise InputError(f"{path} is {dtypes[0]}: expected uint8, scale it first "
                         "(gdal_translate -ot Byte -scale <low> <high> 0 255)")


def ground_sampling_m(crs: CRS | None, transform: Affine, width: int, height: int) -> float | None:
    """Metres on the ground per pixel at the image centre (geometric mean of both axes), or None without a CRS."""
    if crs is None:
        return None
    a, b, d, e = transform.a, transform.b, transform.d, transform.e
    x, y = transform.c + (a * width + b * height) / 2, transform.f + (d * width + e * height) / 2
    if crs.is_geographic:
        geod = Geod(ellps="WGS84")
        across = geod.inv(x, y, x + a, y + d)[2]
        down = geod.inv(x, y, x + b, y + e)[2]
        return math.sqrt(across * down)
    unit = float(crs.linear_units_factor[1])
    return math.sqrt(abs(a * e - b * d)) * unit


def resample(pixels: npt.NDArray[np.uint8], gsd_from_m: float, gsd_to_m: float) -> npt.NDArray[np.uint8]:
    """Image (H, W, C) at another ground sampling distance: by area when it shrinks, bicubic when it grows."""
    factor = gsd_from_m / gsd_to_m
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
