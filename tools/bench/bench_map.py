"""Map inference against the bare model over the same tiles, and how memory grows with the raster."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from rasterio.windows import Window

from learn.mapping.maps import MapOptions, map_with
from learn.mapping.network import predict_with
from learn.mapping.predict import Predictor, Probabilities, Tiling, plan_tiling, predict_raster
from learn.mapping.rasters import AlignedPair, open_pair
from learn.model import DamageNet, ModelCard, new_model, normalise
from sim_bridge.classes import CLASS_ID, SEMANTIC
from tools.bench.row import peak_mb, row
from tools.bench.scene import SIZE_PX, drawn

RUNS, OVERLAP_PX = 3, 128
SIDE_PX = 896
"""Four tiles of 512 that overlap by 128."""
SMALL_PX, GROWTH = (1024, 2560), 4
"""Width and height of the smaller raster of the memory test, and how many times as high the larger one is."""
MOST_OF_BARE, MOST_GROWTH_MB = 1.15, 50.0


def rows() -> list[dict[str, Any]]:
    """Inference as a multiple of the bare model, and what a raster four times as large adds to peak memory."""
    with tempfile.TemporaryDirectory(prefix="mage-bench-") as folder:
        return [_inference(Path(folder)), _memory(Path(folder))]


def _inference(folder: Path) -> dict[str, Any]:
    card = ModelCard()
    net = new_model(card).eval()
    predictor = Predictor(predict_with(net, card), card.gsd_m, card.building_threshold, "bench")
    files = [_write(folder / f"{phase}.tif", phase, SIDE_PX, SIDE_PX) for phase in ("before", "after")]
    ratios, bare = [], []
    with open_pair(files[0], files[1], card.gsd_m) as pair:
        tiling = plan_tiling(pair.grid, card.gsd_m, SIZE_PX, OVERLAP_PX)
        _bare_s(net, card, pair, tiling)
        for _ in range(RUNS):
            start = time.perf_counter()
            predict_raster(pair, predictor, tiling, 1, folder / "scratch.tif", progress=False)
            whole = time.perf_counter() - start
            bare.append(_bare_s(net, card, pair, tiling))
            ratios.append(whole / bare[-1])
    tiles = len(tiling.rows.starts) * len(tiling.columns.starts)
    return row(f"map: inference of {SIDE_PX}x{SIDE_PX}", ratios, "ratio",
               f"bare model, same {tiles} tiles: {np.median(bare):.2f} s", most=MOST_OF_BARE)


def _bare_s(net: DamageNet, card: ModelCard, pair: AlignedPair, tiling: Tiling) -> float:
    """The network alone on the tiles of the raster, read and normalised beforehand."""
    shape = tiling.rows.tile, tiling.columns.tile
    tiles = [[normalise(pixels[None], card) for pixels in pair.read(top, left, *shape)]
             for top in tiling.rows.starts for left in tiling.columns.starts]
    start = time.perf_counter()
    with torch.inference_mode():
        for before, after in tiles:
            net(before, after)
    return time.perf_counter() - start


def _memory(folder: Path) -> dict[str, Any]:
    """A whole map in a process of its own. The model is a rule a pixel, so that the map's own memory is what counts."""
    width, height = SMALL_PX
    small, large = (_peak_mb(folder, width, height * times) for times in (1, GROWTH))
    return row(f"map: peak memory of {width}x{height * GROWTH} less that of {width}x{height}", [large - small], "MB",
               f"{small:.0f} MB for the small raster, imports included", most=MOST_GROWTH_MB)


def _peak_mb(folder: Path, width: int, height: int) -> float:
    for phase in ("before", "after"):
        _write(folder / f"{phase}_{height}.tif", phase, width, height)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_map_once, args=(theirs, folder, height))
    process.start()
    theirs.close()
    try:
        return float(ours.recv())
    finally:
        process.join()


def _map_once(answer: Connection, folder: Path, height: int) -> None:
    map_with(folder / f"before_{height}.tif", folder / f"after_{height}.tif", Predictor(_rule, 0.5, None, "rule"),
             folder / f"map_{height}", MapOptions(gsd_m=0.5), progress=False)
    answer.send(peak_mb())


def _rule(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Probabilities:
    """Bright before is a building, bright after is destroyed."""
    landcover = []
    for images in (before, after):
        bright = (images.mean(axis=3) > 150).astype(np.float32)
        maps = np.zeros((len(images), len(SEMANTIC), *images.shape[1:3]), np.float32)
        maps[:, CLASS_ID["building"]], maps[:, CLASS_ID["grass"]] = bright, 1 - bright
        landcover.append(maps)
    destroyed = landcover[1][:, CLASS_ID["building"]]
    damage = np.stack([1 - destroyed, 0 * destroyed, 0 * destroyed, destroyed], axis=1)
    return Probabilities(landcover[0], landcover[1], damage)


def _write(path: Path, phase: str, width: int, height: int) -> Path:
    """A raster paved with one frame, row by row of frames, so that a large one costs little memory to make."""
    frame = drawn().arrays[f"{phase}_rgb"][0].transpose(2, 0, 1)
    strip = np.tile(frame, (1, 1, -(-width // SIZE_PX)))[:, :, :width]
    with rasterio.open(path, "w", driver="GTiff", width=width, height=height, count=3, dtype="uint8", tiled=True,
                       crs="EPSG:32610", transform=rasterio.Affine(0.5, 0, 520000, 0, -0.5, 4250000)) as sink:
        for top in range(0, height, SIZE_PX):
            rows_left = min(SIZE_PX, height - top)
            sink.write(strip[:, :rows_left], window=Window(0, top, width, rows_left))
    return path
