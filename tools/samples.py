"""The pictures a report shows: which frames of a run, which of their translations, and the mapped real pairs.

Every function returns None where its input is not there; the page then says so in a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import zarr
from rasterio.errors import RasterioError

from learn.mapping.rasters import pixel_space
from sim_bridge.errors import MageError
from sim_bridge.imagery import find_pairs, read_rgb
from sim_bridge.store import open_frames, read
from tools.pictures import UintArray, damage_overlay, jpeg_uri, painted_uri, semantic_overlay

UNKNOWN = "hazard not on record"
MOST_LOOKED_AT = 64
REAL_PX = 640
"""Width of real images: houses in them are small."""
DAMAGED = 2
"""Lowest grade that counts as damage when frames are chosen."""


@dataclass(frozen=True)
class Picture:
    """An image of the page as a data URI, and the words under it."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Row:
    """Pictures side by side under one heading."""

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Chosen:
    """A frame of a round that is worth showing."""

    folder: Path
    index: int
    title: str


def choose_frames(rounds: Sequence[Path], per_hazard: int = 1) -> tuple[Chosen, ...]:
    """For each round and hazard the frames with the largest part of buildings damaged, among those looked at."""
    chosen: list[Chosen] = []
    for number, folder in enumerate(rounds, start=1):
        try:
            store = open_frames(folder / "frames.zarr")
        except MageError:
            continue
        hazards = _hazards(folder)
        ranked = _ranked(store)
        for kind in sorted({hazards.get(scene, UNKNOWN) for _, scene in ranked}):
            mine = [(index, scene) for index, scene in ranked if hazards.get(scene, UNKNOWN) == kind]
            chosen += [Chosen(folder, index, f"Round {number} · {kind} · scene {scene[:8]} · frame {index}")
                       for index, scene in mine[:per_hazard]]
    return tuple(chosen)


def _ranked(store: zarr.Group) -> list[tuple[int, str]]:
    """Frames (index, scene id), those with the largest harmonic mean of damaged and intact pixels first."""
    captured = np.flatnonzero(read(store, "captured").all(axis=-1))
    looked = captured[np.linspace(0, len(captured) - 1, min(len(captured), MOST_LOOKED_AT)).astype(int)]
    found = []
    for index in (int(i) for i in np.unique(looked)):
        damage = read(store, "damage", index, index + 1)
        harmed, whole = int(((damage >= DAMAGED) & (damage <= 4)).sum()), int((damage == 1).sum())
        score = 2 * harmed * whole / max(harmed + whole, 1) + 0.1 * (harmed + whole)
        found.append((-score, index, str(read(store, "scene_id", index, index + 1)[0])))
    return [(index, scene) for _, index, scene in sorted(found)]


def _hazards(folder: Path) -> dict[str, str]:
    """Kind of hazard by scene id, from the round's specs.json."""
    try:
        records = json.loads((folder / "specs.json").read_text())
    except (OSError, ValueError):
        return {}
    return {record["scene_id"]: record["spec"]["hazard"]["kind"] for record in records}


def frame_rows(chosen: Sequence[Chosen]) -> list[Row]:
    """Before, after, land cover and damage of every chosen frame."""
    rows = []
    for each in chosen:
        store = open_frames(each.folder / "frames.zarr")
        before, after, semantic, damage = (read(store, name, each.index, each.index + 1)[0] for name in
                                           ("before_rgb", "after_rgb", "before_semantic", "damage"))
        rows.append(Row(each.title, (
            Picture(jpeg_uri(before), "before"), Picture(jpeg_uri(after), "after"),
            Picture(painted_uri(semantic_overlay, before, semantic), "land cover before (label)"),
            Picture(painted_uri(damage_overlay, after, damage), "damage (label) over after"))))
    return rows


def translation_rows(chosen: Sequence[Chosen], target: Path | None) -> list[Row] | None:
    """Raw and translated frames side by side, with a tile of the target beside them."""
    rows = []
    for number, each in enumerate(chosen):
        store = _translation(each.folder)
        if store is None:
            continue
        frames = open_frames(each.folder / "frames.zarr")
        pictures = [Picture(jpeg_uri(read(group, f"{phase}_rgb", each.index, each.index + 1)[0]), f"{phase}, {word}")
                    for phase in ("before", "after") for group, word in ((frames, "raw"), (store, "translated"))]
        size = int(read(frames, "before_rgb", each.index, each.index + 1).shape[1])
        rows.append(Row(each.title, (*pictures, *_target_tile(target, number, size))))
    return rows or None


def _translation(folder: Path) -> zarr.Group | None:
    stores = sorted((folder / "translations").glob("*.zarr"))
    return zarr.open_group(stores[0], mode="r") if stores else None


def _target_tile(target: Path | None, number: int, size_px: int) -> tuple[Picture, ...]:
    if target is None:
        return ()
    try:
        pairs = find_pairs(target)
        pair = pairs[number * 7 % len(pairs)]
        pixels = read_rgb(pair.pre).pixels
    except MageError:
        return ()
    top, left = (max(0, (side - size_px) // 2) for side in pixels.shape[:2])
    return (Picture(jpeg_uri(pixels[top:top + size_px, left:left + size_px]), f"target, {pair.id} before"),)


def real_rows(tiles: Sequence[Mapping[str, str]], run: Path) -> list[Row] | None:
    """Before, after, predicted and true damage of mapped pairs; tiles whose files are gone are left out."""
    rows = []
    for tile in tiles:
        try:
            before, after = (read_rgb(_place(tile[name], run)).pixels for name in ("pre", "post"))
            predicted, truth = (_grades(_place(tile[name], run), after.shape[:2]) for name in ("predicted", "truth"))
        except (MageError, RasterioError, OSError):
            continue
        rows.append(Row(f"Pair {tile['id']}", (
            Picture(jpeg_uri(before, REAL_PX), "before"), Picture(jpeg_uri(after, REAL_PX), "after"),
            Picture(painted_uri(damage_overlay, after, predicted, REAL_PX), "predicted damage"),
            Picture(painted_uri(damage_overlay, after, truth, REAL_PX), "true damage"))))
    return rows or None


def mapped_rows(maps: Path, target: Path, most: int = 4) -> list[Row] | None:
    """Pairs of the target that were mapped and have no truth: before, after, predicted damage."""
    try:
        pairs = [pair for pair in find_pairs(target) if (maps / pair.id / "damage.tif").is_file()]
    except MageError:
        return None
    rows = []
    for pair in pairs[:: max(1, len(pairs) // most)][:most]:
        before, after = read_rgb(pair.pre).pixels, read_rgb(pair.post).pixels
        predicted = _grades(maps / pair.id / "damage.tif", before.shape[:2])
        after = np.asarray(cv2.resize(after, before.shape[1::-1]), np.uint8)
        rows.append(Row(f"Pair {pair.id}", (
            Picture(jpeg_uri(before, REAL_PX), "before"), Picture(jpeg_uri(after, REAL_PX), "after"),
            Picture(painted_uri(damage_overlay, after, predicted, REAL_PX), "predicted damage"))))
    return rows or None


def _place(name: str, run: Path) -> Path:
    """A path of summary.json: as it stands, else relative to the run."""
    path = Path(name)
    return path if path.exists() else run / path


def _grades(path: Path, shape: tuple[int, ...]) -> UintArray:
    with pixel_space(), rasterio.open(path) as source:
        grades: npt.NDArray[np.uint8] = np.asarray(source.read(1), np.uint8)
    if grades.shape == shape:
        return grades
    return np.asarray(cv2.resize(grades, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)
