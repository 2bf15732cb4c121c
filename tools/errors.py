"""Where a map errs: every building of labelled tiles by what went wrong with it, as a table and as pictures.

Truth is only read: nothing of it reaches training or thresholds.
"""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio

from learn.mapping.rasters import pixel_space
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs, read_rgb
from tools.pictures import UintArray, damage_overlay, jpeg_uri

SMALL_PX = 400
"""About 80 m2 at 0.45 m."""
_MISS = 0.3
"""A building of which less is found counts as missed."""
_COLOURS = {"missed": (255, 60, 200), "invented": (80, 220, 255), "called destroyed": (255, 140, 0),
            "called intact": (255, 255, 60)}


@dataclass(frozen=True)
class Errors:
    """What went wrong on one tile. kinds: pixels and objects of each kind of error; picture: RGB (H, 3 W, 3)."""

    pixels: Counter[str]
    objects: Counter[str]
    picture: UintArray


def judge(truth: UintArray, predicted: UintArray) -> tuple[Counter[str], Counter[str], UintArray]:
    """Pixels by kind of error, objects by kind, and the kinds as a picture (H, W, 3), black where all is well.

    truth: grades 0-4, 255 and 2-3 are left out; predicted: grades 0-4.
    """
    told = np.isin(truth, (0, 1, 4))
    real, found = (truth > 0) & told, (predicted > 0) & told
    masks = {"missed": real & ~found, "invented": found & ~real,
             "called destroyed": (truth == 1) & (predicted >= 3),
             "called intact": (truth == 4) & np.isin(predicted, (1, 2))}
    picture = np.zeros((*truth.shape, 3), np.uint8)
    for name, mask in masks.items():
        picture[mask] = _COLOURS[name]
    pixels = Counter({name: int(mask.sum()) for name, mask in masks.items()})
    return pixels, _missed(real, found, truth) + _invented(real, found), picture


def _missed(real: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_], truth: UintArray) -> Counter[str]:
    """Buildings of the truth (connected pixels) by size and state, whole and missed."""
    count, label = cv2.connectedComponents(real.astype(np.uint8), connectivity=4)
    kinds: Counter[str] = Counter()
    area = np.bincount(label.ravel(), minlength=count)
    share = np.bincount(label.ravel(), found.ravel(), minlength=count) / np.maximum(area, 1)
    burnt = np.bincount(label.ravel(), (truth == 4).ravel(), minlength=count) > area / 2
    for k in range(1, count):
        name = f"{'small' if area[k] < SMALL_PX else 'large'} {'destroyed' if burnt[k] else 'intact'}"
        kinds[f"{name} buildings"] += 1
        kinds[f"{name} buildings missed"] += int(share[k] < _MISS)
    return kinds


def _invented(real: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Counter[str]:
    """Predicted objects that touch no building of the truth, and the pixels that spill over a true outline."""
    count, label = cv2.connectedComponents(found.astype(np.uint8), connectivity=4)
    touched = np.bincount(label.ravel(), real.ravel(), minlength=count) > 0
    area = np.bincount(label.ravel(), minlength=count)
    alone = [k for k in range(1, count) if not touched[k]]
    return Counter({"objects where nothing stands": len(alone),
                    "pixels of objects where nothing stands": int(area[alone].sum()),
                    "pixels beyond a building's outline": int((found & ~real & touched[label]).sum())})


def tile_errors(pair: tuple[Path, Path], truth_path: Path, map_path: Path) -> Errors:
    """Errors of one mapped pair. Raises InputError if map and truth differ in shape."""
    truth, predicted = _band(truth_path), _band(map_path)
    if truth.shape != predicted.shape:
        raise InputError(f"{map_path}: {predicted.shape[0]} x {predicted.shape[1]} pixels, expected those of "
                         f"{truth_path}: map the same tiles")
    before, after = (read_rgb(path).pixels for path in pair)
    pixels, objects, wrong = judge(truth, predicted)
    shown = np.where(wrong.any(axis=2, keepdims=True), wrong // 2 + after // 2, after)
    known = np.where(truth == 255, 0, truth).astype(np.uint8)
    strip = [before, damage_overlay(after, known), damage_overlay(after, predicted), shown.astype(np.uint8)]
    return Errors(pixels, objects, np.concatenate(strip, axis=1))


def _band(path: Path) -> UintArray:
    with pixel_space(), rasterio.open(path) as source:
        return np.asarray(source.read(1), np.uint8)


def page(tiles: dict[str, Errors]) -> str:
    """Self-contained HTML: the counts of all tiles, then each tile before, true, mapped, wrong."""
    pixels = sum((tile.pixels for tile in tiles.values()), Counter[str]())
    objects = sum((tile.objects for tile in tiles.values()), Counter[str]())
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{v}</td></tr>" for k, v in (pixels + objects).most_common())
    legend = ", ".join(f"<b style='color:rgb{colour}'>{name}</b>" for name, colour in _COLOURS.items())
    pictures = "".join(f"<h2>{html.escape(name)}</h2><p>{dict(tile.pixels)}</p><img src='"
                       f"{jpeg_uri(tile.picture, 2400)}' style='width:100%'>" for name, tile in tiles.items())
    return (f"<!doctype html><meta charset='utf-8'><title>Errors</title><body style='font:14px sans-serif;"
            f"background:#222;color:#eee'><h1>Where the map errs</h1><table>{rows}</table><p>Each tile: before; truth; "
            f"map; {legend} (pixels).</p>{pictures}</body>")


def write_errors(maps: Path, truth: Path, out: Path) -> None:
    """Write the page `out` of the maps in maps/<id>/damage.tif against truth/<id>_damage.tif, and print its table.

    Raises InputError if no tile has both.
    """
    tiles = {}
    for pair in find_pairs(truth):
        mapped, true = maps / pair.id / "damage.tif", truth / f"{pair.id}_damage.tif"
        if mapped.is_file() and true.is_file():
            tiles[pair.id] = tile_errors((pair.pre, pair.post), true, mapped)
    if not tiles:
        raise InputError(f"{maps}: holds no <id>/damage.tif of a tile of {truth}: run `mage map --pairs`")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(tiles), encoding="utf-8")
    for kind in ("pixels", "objects"):
        total = sum((getattr(tile, kind) for tile in tiles.values()), Counter[str]())
        print("\n".join(f"{name:45s} {number}" for name, number in sorted(total.items())))
    print(f"page: {out}")
