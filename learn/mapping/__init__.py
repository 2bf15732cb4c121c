"""Damage maps of real places: a before and an after raster in, GIS files out.

    from learn.mapping import map_pair, map_pairs
    map_pair(Path("before.tif"), Path("after.tif"), Path("runs/demo/model"), Path("map"))
"""

from __future__ import annotations

from pathlib import Path

from learn.mapping.maps import MapOptions, map_folder, map_with
from learn.mapping.predict import Predictor
from learn.mapping.rasters import check_pair
from sim_bridge.imagery import find_pairs

__all__ = ["MapOptions", "map_pair", "map_pairs"]


def map_pair(pre: Path, post: Path, model_dir: Path, out: Path, *, tile: int = 512, overlap: int = 128, batch: int = 1,
             gsd_m: float | None = None, confidence_bar: float | None = None) -> Path:
    """Maps one pair of rasters of any size into the folder `out`, on the before raster's grid; returns `out`.

    See `MapOptions` for the keywords and `learn.mapping.maps.map_with` for the files. Raises InputError for rasters
    or a model that cannot be used.
    """
    options = MapOptions(tile, overlap, batch, gsd_m, confidence_bar)
    check_pair(pre, post)
    return map_with(pre, post, _predictor(model_dir), out, options)


def map_pairs(folder: Path, model_dir: Path, out: Path, *, tile: int = 512, overlap: int = 128, batch: int = 1,
              gsd_m: float | None = None, confidence_bar: float | None = None) -> Path:
    """Maps every pair of a folder (`sim_bridge.imagery.find_pairs`) into `out/<id>/`; returns `out/summary.json`."""
    options = MapOptions(tile, overlap, batch, gsd_m, confidence_bar)
    for pair in find_pairs(folder):
        check_pair(pair.pre, pair.post)
    return map_folder(folder, _predictor(model_dir), out, options)


def _predictor(model_dir: Path) -> Predictor:
    from learn.mapping.network import network_predictor  # torch: not before the rasters are known to be good

    return network_predictor(model_dir)
