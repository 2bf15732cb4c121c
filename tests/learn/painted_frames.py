"""Small painted scenes in the layout of a frame store: houses on grass beside a road, some of them burnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

from sim_bridge.classes import CLASS_ID
from sim_bridge.store import FIELDS, create_store, stack, write_unit

GSD_M = 0.5


def paint(seed: int, size_px: int) -> dict[str, np.ndarray]:
    """Arrays of one frame: images, classes and grades that agree."""
    rng = np.random.default_rng(seed)
    before = np.empty((size_px, size_px, 3), np.float64)
    before[:] = (90, 120, 70)
    semantic = np.full((size_px, size_px), CLASS_ID["grass"], np.uint8)
    semantic[:, :12], before[:, :12] = CLASS_ID["road"], (120, 120, 125)
    after, semantic_after, damage = before.copy(), semantic.copy(), np.zeros_like(semantic)
    for row in range(8, size_px - 24, 32):
        for column in range(20, size_px - 24, 32):
            place = np.s_[row:row + 20, column:column + 20]
            burnt = rng.random() < 0.5
            before[place], semantic[place] = rng.uniform((120, 60, 50), (220, 160, 150)), CLASS_ID["building"]
            after[place] = (200, 195, 190) if burnt else before[place]
            semantic_after[place] = CLASS_ID["rubble"] if burnt else CLASS_ID["building"]
            damage[place] = 4 if burnt else 1
    images = (np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8) for image in (before, after))
    return dict(zip(("before_rgb", "after_rgb", "before_semantic", "after_semantic", "damage"),
                    (*images, semantic, semantic_after, damage), strict=True))


def painted_store(path: Path, frames: int = 4, size_px: int = 128, seed: int = 0, shard: int = 2) -> Path:
    """Frame store of painted scenes; the rest of its arrays holds what "not captured" looks like."""
    create_store(path, frames, shard, size_px, size_px, {})
    root = zarr.open_group(path, mode="r")
    for unit in range(frames // shard):
        made = []
        for frame in range(unit * shard, (unit + 1) * shard):
            empty = {name: np.full(root[name].shape[1:], field.fill) for name, field in FIELDS.items()}
            made.append({**empty, **paint(seed + frame, size_px), "gsd": GSD_M})
        write_unit(path, unit, stack(made))
    return path


def brighter_translation(path: Path, frames: Path) -> Path:
    """Translation of a store that adds 40 to every value."""
    source, target = zarr.open_group(frames, mode="r"), zarr.create_group(path)
    for name in ("before_rgb", "after_rgb"):
        target.create_array(name, data=np.clip(source[name][:].astype(int) + 40, 0, 255).astype(np.uint8))
    target.create_array("done", data=np.ones(source["captured"].shape[0], bool))
    return path
