"""Maps of one pair, or of a folder of pairs."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from tqdm import tqdm

from learn.mapping.predict import Predictor, plan_tiling, predict_raster
from learn.mapping.products import RASTERS, write_buildings, write_rasters
from learn.mapping.rasters import AlignedPair, open_pair, pixel_space
from learn.mapping.vectorise import find_buildings
from sim_bridge.imagery import find_pairs

CACHE_MB = 128
"""Of GDAL's blocks; its own default is a twentieth of the machine."""


@dataclass(frozen=True)
class MapOptions:
    """How a map is made.

    Attributes:
        tile: nominal tile size in model pixels; gives way by up to half so that few pixels are predicted twice.
        overlap: pixels of the model over which tiles fade into each other.
        batch: tiles predicted at once.
        gsd_m: metres per pixel of images without a CRS; None: the model's.
        confidence_bar: below it, in confidence or coverage, a building is "Not Analysed"; None: the model's.
        min_area_m2: smaller buildings are dropped.
        opening_m: buildings that touch over less than twice this are parted.
        simplify_m: tolerance of the outlines.
    """

    tile: int = 512
    overlap: int = 128
    batch: int = 1
    gsd_m: float | None = None
    confidence_bar: float | None = None
    min_area_m2: float = 15.0
    opening_m: float = 1.0
    simplify_m: float = 0.4


def map_with(pre: Path, post: Path, predictor: Predictor, out: Path, options: MapOptions,
             progress: bool = True) -> Path:
    """Maps one pair with any predictor; returns `out`. Files appear there only when the whole map is done.

    Writes damage.tif, confidence.tif, landcover_pre.tif, landcover_post.tif, buildings.gpkg and map.json (model, grid,
    counts by grade, seconds). Raises InputError for rasters that cannot be mapped.
    """
    began = time.perf_counter()
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), pixel_space(), open_pair(pre, post, options.gsd_m) as pair:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".map-", dir=out) as scratch:
            work = Path(scratch)
            counts = _products(pair, predictor, options, work, (pre, post), progress)
            facts = _facts(pair, predictor, options, (pre, post), counts, time.perf_counter() - began)
            (work / "map.json").write_text(json.dumps(facts, indent=2) + "\n")
            for name in (*(f"{raster}.tif" for raster in RASTERS), "buildings.gpkg", "map.json"):
                (work / name).replace(out / name)
    return out


def map_folder(folder: Path, predictor: Predictor, out: Path, options: MapOptions) -> Path:
    """Maps every pair of a folder into `out/<id>/`; returns the path of `out/summary.json`, which adds them up."""
    maps = []
    for pair in tqdm(find_pairs(folder), desc="map", unit="pair"):
        map_with(pair.pre, pair.post, predictor, out / pair.id, options, progress=False)
        maps.append({"id": pair.id, **json.loads((out / pair.id / "map.json").read_text())})
    total: Counter[str] = Counter()
    for each in maps:
        total.update(each["buildings"])
    path = out / "summary.json"
    seconds = round(sum(each["seconds"] for each in maps), 3)
    path.write_text(json.dumps({"pairs": len(maps), "buildings": dict(total), "seconds": seconds, "maps": maps},
                               indent=2) + "\n")
    return path


def _products(pair: AlignedPair, predictor: Predictor, options: MapOptions, work: Path, files: tuple[Path, Path],
              progress: bool) -> dict[str, int]:
    tiling = plan_tiling(pair.grid, predictor.gsd_m, options.tile, options.overlap)
    scratch = predict_raster(pair, predictor, tiling, options.batch, work / "scratch.tif", progress)
    source = {"model_id": predictor.model_id, "src_pre": files[0].name, "src_post": files[1].name}
    write_rasters(scratch, work, source)
    pixel_m = pair.grid.gsd_m or predictor.gsd_m
    buildings = find_buildings(scratch, round(options.opening_m / pixel_m),
                               round(options.min_area_m2 / pixel_m**2), options.simplify_m / pixel_m)
    return write_buildings(buildings, pair.grid, work / "buildings.gpkg", _bar(predictor, options), source)


def _bar(predictor: Predictor, options: MapOptions) -> float:
    return predictor.confidence_bar if options.confidence_bar is None else options.confidence_bar


def _facts(pair: AlignedPair, predictor: Predictor, options: MapOptions, files: tuple[Path, Path],
           counts: dict[str, int], seconds: float) -> dict[str, Any]:
    grid = pair.grid
    return {"pre": str(files[0]), "post": str(files[1]), "model_id": predictor.model_id,
            "model_gsd_m": predictor.gsd_m, "gsd_m": grid.gsd_m, "width": grid.width, "height": grid.height,
            "crs": None if grid.crs is None else grid.crs.to_string(), "confidence_bar": _bar(predictor, options),
            "buildings": counts, "seconds": round(seconds, 3)}
