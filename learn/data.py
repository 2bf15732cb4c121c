"""What the learner sees: crops of frame stores with labels, crops of real pairs without.

Batch number `step` is a pure function of (seed, step, index in the batch): a run that is resumed sees what it would
have seen, on any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import zarr

from learn import augment
from learn.augment import U8, Mask
from sim_bridge.classes import CLASS_ID, GRADES, IGNORE
from sim_bridge.errors import InputError, StoreError
from sim_bridge.imagery import find_pairs, read_rgb
from sim_bridge.store import open_frames, read

T = TypeVar("T")

IMAGES = ("before_rgb", "after_rgb")
LABELS = ("before_semantic", "after_semantic", "damage")
CELL_PX = 32
SOURCE, TARGET = 1, 2


@dataclass(frozen=True)
class SourceBatch:
    """Rendered crops: images (B, H, W, 3) uint8, labels (B, H, W) uint8 with 255 to be ignored."""

    before: U8
    after: U8
    semantic_before: U8
    semantic_after: U8
    damage: U8


@dataclass(frozen=True)
class TargetBatch:
    """Real crops, images (B, H, W, 3) uint8, masks (B, H, W).

    `before`, `after` are the weak views that the teacher labels. `mixed_*` are what the student sees: strong views
    with boxes of the flipped batch (`cut`) and parts of the source crops (`paste`; crop i takes source crop i mod B).
    """

    before: U8
    after: U8
    mixed_before: U8
    mixed_after: U8
    valid: Mask
    cut: Mask
    paste: Mask


@dataclass(frozen=True)
class Batch:
    source: SourceBatch
    target: TargetBatch | None


@dataclass(frozen=True)
class FrameStore:
    """Captured frames of one store: arrays by name, in memory or on disk, and which of their frames are captured."""

    arrays: Mapping[str, Any]
    translated: Mapping[str, Any]
    """`before_rgb` and `after_rgb` of the translation; empty without one."""
    frames: npt.NDArray[np.int64]
    gsd_m: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Places of one grade: store, frame, row and column of the centre of a 32 px cell, each (N,)."""

    places: npt.NDArray[np.int64]
    pixels: int


class Frames:
    """All frames to learn from, with the places of each grade, so that rare grades can be drawn more often."""

    def __init__(self, stores: Sequence[Path], translations: Sequence[Path], memory_bytes: int = 4 << 30) -> None:
        if not stores:
            raise InputError("frames is empty: expected at least one frame store, give the .zarr of a campaign")
        if translations and len(translations) != len(stores):
            raise InputError(f"translations has {len(translations)} entries: expected none or one for each of the "
                             f"{len(stores)} frame stores")
        budget = memory_bytes // len(stores)
        self.stores = [_open_store(path, translations[k] if translations else None, budget)
                       for k, path in enumerate(stores)]
        self.index = np.concatenate([  # (N, 2) store, frame
            np.column_stack([np.full(len(s.frames), k), s.frames]) for k, s in enumerate(self.stores)
        ])
        if not len(self.index):
            raise InputError(f"{', '.join(map(str, stores))}: no frame is captured, run the campaign first")
        self.cells = _find_cells(self.stores)
        self.grades = [grade for grade, cells in self.cells.items() if len(cells.places)]

    @property
    def grade_pixels(self) -> tuple[int, ...]:
        """Pixels of the grades 1-4 over all frames."""
        return tuple(self.cells[grade.id].pixels for grade in GRADES[1:])

    def draw_place(self, rng: np.random.Generator, building_share: float) -> tuple[int, int, float, float]:
        """Store, frame, row and column: a place of a grade, all grades alike, in `building_share` of the cases."""
        if self.grades and rng.random() < building_share:
            places = self.cells[self.grades[int(rng.integers(len(self.grades)))]].places
            store, frame, row, column = (int(v) for v in places[int(rng.integers(len(places)))])
            return store, frame, row + rng.uniform(-64, 64), column + rng.uniform(-64, 64)
        store, frame = (int(v) for v in self.index[int(rng.integers(len(self.index)))])
        height, width = self.stores[store].arrays["damage"].shape[1:]
        return store, frame, rng.uniform(0, height), rng.uniform(0, width)


def _open_store(path: Path, translation: Path | None, memory_bytes: int) -> FrameStore:
    root = open_frames(path)
    frames = np.flatnonzero(read(root, "captured").all(axis=1))
    gsd_m = read(root, "gsd").astype(np.float64)
    translated: dict[str, Any] = {}
    if translation is not None:
        translated, done = _open_translation(translation, root)
        frames = frames[done[frames]]
    whole = {name: root[name] for name in (*IMAGES, *LABELS)}
    size = sum(int(getattr(a, "nbytes", 0)) for a in (*whole.values(), *translated.values()))
    if size > memory_bytes:
        return FrameStore(whole, translated, frames, gsd_m)
    return FrameStore(_in_memory(whole), _in_memory(translated), frames, gsd_m)


def _open_translation(path: Path, frames: zarr.Group) -> tuple[dict[str, Any], Mask]:
    """Images by name, and which frames are translated."""
    try:
        root: Any = zarr.open_group(path, mode="r")
        arrays = {name: root[name] for name in IMAGES}
        done = np.asarray(root["done"][:], np.bool_)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): expected a translation, run mage translate") from error
    for name, array in arrays.items():
        frame: Any = frames[name]
        if array.shape != frame.shape:
            raise StoreError(f"{path}: {name} is {array.shape}: expected {frame.shape}, translate again")
    return arrays, done


def _in_memory(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(array[:]) for name, array in arrays.items()}


def _find_cells(stores: Sequence[FrameStore]) -> dict[int, Cells]:
    """For each grade the cells of 32 px of which at least a tenth carries it."""
    found: dict[int, list[npt.NDArray[np.int64]]] = {grade.id: [np.zeros((0, 4), np.int64)] for grade in GRADES[1:]}
    pixels = dict.fromkeys(found, 0)
    for k, store in enumerate(stores):
        for frame in store.frames:
            damage = np.asarray(store.arrays["damage"][int(frame)])                        # (H, W)
            rows, columns = (n // CELL_PX for n in damage.shape)
            for grade in np.intersect1d(damage, list(found)).tolist():
                hit = damage == grade
                blocks = hit[:rows * CELL_PX, :columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX)
                at = np.argwhere(blocks.sum(axis=(1, 3)) >= CELL_PX**2 // 10) * CELL_PX + CELL_PX // 2
                found[grade].append(np.column_stack([np.full(len(at), k), np.full(len(at), frame), at]))
                pixels[grade] += int(hit.sum())
    return {grade: Cells(np.concatenate(places), pixels[grade]) for grade, places in found.items()}


@dataclass(frozen=True)
class RealPair:
    """before, after: (H, W, 3) uint8; gsd_m: metres per pixel."""

    before: U8
    after: U8
    gsd_m: float


def read_pairs(folder: Path, default_gsd_m: float) -> tuple[RealPair, ...]:
    """All pairs of a folder, in memory. `default_gsd_m` serves images that do not say where they lie."""
    pairs = []
    for pair in find_pairs(folder):
        before, after = read_rgb(pair.pre), read_rgb(pair.post)
        if before.pixels.shape != after.pixels.shape:
            raise InputError(f"{pair.post} is {after.pixels.shape[:2]}: expected {before.pixels.shape[:2]} like "
                             f"{pair.pre.name}, cut both to one grid")
        pairs.append(RealPair(before.pixels, after.pixels, before.gsd_m or default_gsd_m))
    return tuple(pairs)


@dataclass(frozen=True)
class Sampler:
    """Makes batches. `batch` and `target_batch` are the whole numbers of crops over all processes."""

    frames: Frames
    target: tuple[RealPair, ...]
    seed: int
    crop_px: int
    gsd_m: float
    batch: int
    target_batch: int
    building_share: float
    translated_share: float
    masked_share: float

    def make(self, step: int, with_target: bool, rank: int = 0, ranks: int = 1) -> Batch:
        """Batch of one process: every `ranks`-th crop from `rank` on."""
        crops = [self._source(step, index) for index in range(rank, self.batch, ranks)]
        source = SourceBatch(*(np.stack(part) for part in zip(*crops, strict=True)))
        if not (with_target and self.target):
            return Batch(source, None)
        return Batch(source, self._target(step, range(rank, self.target_batch, ranks), source))

    def _rng(self, kind: int, step: int, index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.seed, kind, step, index]))

    def _source(self, step: int, index: int) -> tuple[U8, U8, U8, U8, U8]:
        rng = self._rng(SOURCE, step, index)
        k, frame, row, column = self.frames.draw_place(rng, self.building_share)
        store = self.frames.stores[k]
        images = store.translated if store.translated and rng.random() < self.translated_share else store.arrays
        before, after = (np.asarray(images[name][frame]) for name in IMAGES)
        semantic_before, semantic_after, damage = (np.asarray(store.arrays[name][frame]) for name in LABELS)
        window = augment.draw_window(rng, damage.shape, (row, column), self.crop_px, self.gsd_m / store.gsd_m[frame])
        first, second = augment.relight(rng, augment.cut_image(before, window.before, window),
                                        augment.cut_image(after, window.after, window))
        cut = [augment.cut_labels(labels, matrix, window) for labels, matrix in (
            (semantic_before, window.before), (semantic_after, window.after), (damage, window.before))]
        for labels in cut[:2]:
            labels[labels == CLASS_ID["void"]] = IGNORE
        return first, second, cut[0], cut[1], cut[2]

    def _target(self, step: int, indices: Sequence[int], source: SourceBatch) -> TargetBatch:
        draws = [self._target_crop(self._rng(TARGET, step, i), source.semantic_before[k % len(source.before)])
                 for k, i in enumerate(indices)]
        before, after, strong_before, strong_after, valid, cut, paste, hidden = (
            np.stack(part) for part in zip(*draws, strict=True))
        partners = np.arange(len(draws)) % len(source.before)
        mixed = [_mix(strong, cut, paste, of_source[partners], hidden) for strong, of_source in (
            (strong_before, source.before), (strong_after, source.after))]
        return TargetBatch(before, after, mixed[0], mixed[1], valid, cut, paste)

    def _target_crop(self, rng: np.random.Generator, partner: U8) -> tuple[npt.NDArray[Any], ...]:
        pair = self.target[int(rng.integers(len(self.target)))]
        height, width = pair.before.shape[:2]
        centre = (rng.uniform(0, height), rng.uniform(0, width))
        window = augment.draw_window(rng, (height, width), centre, self.crop_px, self.gsd_m / pair.gsd_m)
        before = augment.cut_image(pair.before, window.before, window)
        after = augment.cut_image(pair.after, window.before, window)
        inside = augment.cut_labels(np.zeros((height, width), np.uint8), window.before, window) != IGNORE
        valid = inside & before.any(axis=2) & after.any(axis=2)                             # black is "no data"
        strong = augment.strong_view(rng, before, after)
        return (before, after, *strong, valid, augment.cut_box(rng, self.crop_px), augment.paste_mask(rng, partner),
                augment.block_mask(rng, self.crop_px, self.masked_share))


def _mix(strong: U8, cut: Mask, paste: Mask, source: U8, hidden: Mask) -> U8:
    mixed = np.where(cut[..., None], strong[::-1], strong)
    mixed = np.where(paste[..., None], source, mixed)
    return np.where(hidden[..., None], np.uint8(114), mixed)                               # near the mean of ImageNet


def prefetched(make: Callable[[int], T], first: int, last: int) -> Iterator[T]:
    """make(first), ..., make(last - 1), each made by a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, first) if first < last else None
        for step in range(first, last):
            assert waiting is not None
            ready = waiting.result()
            waiting = pool.submit(make, step + 1) if step + 1 < last else None
            yield ready
