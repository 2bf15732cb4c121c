"""The files a mapper opens: Cloud Optimized GeoTIFFs with colour tables, and a GeoPackage of graded buildings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import rasterio
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.shutil import copy as copy_raster
from rio_cogeo.cogeo import cog_validate
from shapely.affinity import affine_transform

from learn.mapping.predict import LAYERS
from learn.mapping.rasters import Grid
from learn.mapping.vectorise import Building
from sim_bridge.classes import GRADES, IGNORE, SEMANTIC, Entry
from sim_bridge.errors import StoreError

COPERNICUS = {1: "No visible damage", 2: "Possibly damaged", 3: "Damaged", 4: "Destroyed"}
"""xBD grade to `damage_gra` of the current Copernicus EMS rapid mapping product."""
NOT_ANALYSED = "Not Analysed"
TABLE_VERSION = "copernicus-current-1"
LAYER = "builtUpA"
DETECTION = "Automatic extraction"

RASTERS: dict[str, tuple[Sequence[Entry] | None, str]] = {
    "damage": (GRADES, "most probable damage grade after xBD: 0 not a building, 1-4; 255 not mapped"),
    "confidence": (None, "probability of the grade in damage.tif, percent 0-100; 255 not mapped"),
    "landcover_pre": (SEMANTIC, "most probable land cover before; 255 not mapped"),
    "landcover_post": (SEMANTIC, "most probable land cover after; 255 not mapped"),
}


def write_rasters(scratch: Path, folder: Path, tags: dict[str, str]) -> tuple[Path, ...]:
    """Writes the four uint8 rasters (nodata 255) as COGs with nearest overviews. Raises StoreError if one is not."""
    return tuple(_write_cog(scratch, folder, name, tags) for name in RASTERS)


def _write_cog(scratch: Path, folder: Path, name: str, tags: dict[str, str]) -> Path:
    table, description = RASTERS[name]
    plain, path = folder / f".{name}.tif", folder / f"{name}.tif"
    with rasterio.open(scratch) as source:
        profile = {**source.profile, "count": 1, "nodata": IGNORE, "photometric": "palette" if table else "minisblack"}
        profile.pop("interleave", None)
        with rasterio.open(plain, "w", **profile) as sink:
            for _, window in sink.block_windows(1):
                sink.write(source.read(LAYERS.index(name) + 1, window=window), 1, window=window)
            if table:
                sink.write_colormap(1, {entry.id: (*entry.rgb, 255) for entry in table})
                tags = {**tags, "classes": ", ".join(f"{entry.id} {entry.name}" for entry in table)}
            sink.update_tags(**tags)
            sink.set_band_description(1, description)
    copy_raster(plain, path, driver="COG", compress="DEFLATE", blocksize=512, overview_resampling="nearest")
    plain.unlink()
    # a level exactly as wide as one tile passes for untiled there, but this driver tiles every level
    faults = [fault for fault in cog_validate(path, quiet=True)[1] if "not tiled" not in fault]
    if faults:
        raise StoreError(f"{path} is not a Cloud Optimized GeoTIFF ({'; '.join(faults)}): check the free disk space")
    return path


def damage_name(building: Building, bar: float) -> str:
    """`damage_gra`: "Not Analysed" where confidence or coverage is below the bar, never then "No visible damage"."""
    if building.grade is None or building.confidence < bar or building.coverage < bar:
        return NOT_ANALYSED
    return COPERNICUS[building.grade]


def write_buildings(buildings: Iterable[Building], grid: Grid, path: Path, bar: float,
                    source: dict[str, str]) -> dict[str, int]:
    """Writes the GeoPackage (WGS 84, or pixel space without a CRS) and counts its buildings by `damage_gra`.

    Attributes: damage_gra, mage_grade (1-4 or null), p1..p4, confidence, coverage, area_m2 (null if unknown),
    det_method, table_ver, and `source` (model and images).
    """
    names = (*COPERNICUS.values(), NOT_ANALYSED)
    rows, outlines = [], []
    for building in buildings:
        rows.append({"damage_gra": damage_name(building, bar), "mage_grade": building.grade, **_odds(building),
                     "confidence": round(building.confidence, 4), "coverage": round(building.coverage, 4)})
        outlines.append(affine_transform(building.outline, _coefficients(grid)))
    frame = geopandas.GeoDataFrame(rows, geometry=outlines, crs=grid.crs, columns=None if rows else _columns())
    if grid.crs is not None:
        frame = frame.to_crs("EPSG:4326")
    frame["area_m2"] = [_area_m2(outline, grid) for outline in frame.geometry]
    frame = frame.assign(det_method=DETECTION, table_ver=TABLE_VERSION, **source)
    frame["mage_grade"] = frame["mage_grade"].astype("Int32")
    frame.to_file(path, layer=LAYER, driver="GPKG", engine="pyogrio", geometry_type="Unknown", promote_to_multi=True)
    return {name: int((frame["damage_gra"] == name).sum()) for name in names}


def _columns() -> list[str]:
    return ["damage_gra", "mage_grade", "p1", "p2", "p3", "p4", "confidence", "coverage"]


def _odds(building: Building) -> dict[str, float | None]:
    odds = building.probabilities or (None,) * 4
    return {f"p{grade}": None if p is None else round(p, 4) for grade, p in enumerate(odds, start=1)}


def _coefficients(grid: Grid) -> list[float]:
    t = grid.transform
    return [t.a, t.b, t.d, t.e, t.c, t.f]


def _area_m2(outline: Any, grid: Grid) -> float | None:
    """Area on the WGS 84 ellipsoid, or by the given pixel size without a CRS."""
    if isinstance(grid.crs, CRS):
        return round(abs(Geod(ellps="WGS84").geometry_area_perimeter(outline)[0]), 2)
    return None if grid.gsd_m is None else round(outline.area * math.pow(grid.gsd_m, 2), 2)
