"""The end of a run: the scorecard of the translation, maps of real pairs, and their score against true damage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from learn.evaluate import Counts, count, scores_of
from learn.ledger import Ledger, Record
from learn.mapping.rasters import pixel_space
from learn.rounds import model_dir, translation
from learn.target import Target
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs

if TYPE_CHECKING:
    from learn.loop import LoopConfig


def scorecard_of(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Distance to the target of raw and of translated frames of the first round (realism.md, section 5)."""
    from domain.score import scorecard

    folder = config.round_dir(0)
    return scorecard(folder / "frames.zarr", translation(config, ledger, 0), target.folder)


def map_and_score(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Maps the labelled pairs and scores them; maps the target's pairs too if the user named them."""
    from learn.mapping import map_pairs

    model, out = model_dir(config, config.rounds - 1), config.out / "map"
    result: Record = {"kind": target.fact.kind}
    if target.map_it:
        map_pairs(target.folder, model, out / "target")
        result["target_maps"] = str((out / "target").relative_to(config.out))
    if target.dev is not None:
        map_pairs(target.dev, model, out / "dev")
        result |= score_maps(target.dev, out / "dev")
    return result


def score_maps(dev: Path, maps: Path) -> Record:
    """Pooled scores of mapped pairs, and where prediction and truth of each lie."""
    total, tiles = Counts(), []
    for pair in find_pairs(dev):
        truth = dev / f"{pair.id}_damage.tif"
        predicted = maps / pair.id / "damage.tif"
        total = total + count(_read_grades(predicted), _read_grades(truth))
        tiles.append({"id": pair.id, "pre": str(pair.pre), "post": str(pair.post), "truth": str(truth),
                      "predicted": str(predicted)})
    return {"scores": scores_of(total), "tiles": tiles}


def _read_grades(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if not path.is_file():
        raise InputError(f"{path} is missing: expected a raster of damage grades (uint8, 0-4, 255 = unclassified)")
    with pixel_space(), rasterio.open(path) as source:
        return np.asarray(source.read(1), np.uint8)
