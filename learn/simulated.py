"""A second simulated sensor: the target of a run that has no real images.

Scenes of its own seeds are captured as always and then seen through another sensor (softer, hazier, other colours,
noisier). The pairs are written as a folder of real images would be, some with their true damage beside them. It shows
that the loop runs; its scores say nothing about real images.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from learn import acquire
from learn.ledger import Record
from sim_bridge.store import open_frames, read

if TYPE_CHECKING:
    from learn.loop import LoopConfig

U8 = npt.NDArray[np.uint8]

SCENES, DEV_SCENES = 4, 2
_STREAM = 11
_COLOUR = np.array([[0.72, 0.16, 0.04], [0.10, 0.70, 0.08], [0.06, 0.14, 0.60]], np.float32)
_VEIL = np.array([26, 24, 30], np.float32)


def make_simulated_target(config: LoopConfig, folder: Path) -> Record:
    """Writes `unlabelled/` and `dev_labelled/` into `folder`; returns what the ledger keeps."""
    from learn.rounds import fly

    space = acquire.scene_space(config.space, config.base)
    seed = acquire.scene_seed(config.seed, 0, _STREAM, 0)
    points = acquire.random_points(SCENES + DEV_SCENES, len(space.names), seed)
    specs = [space.decode(p, acquire.scene_seed(config.seed, 0, _STREAM, i + 1)) for i, p in enumerate(points)]
    result = fly(config, folder, specs, config.frame_px)
    _write_pairs(folder, {spec.scene_id for spec in specs[SCENES:]})
    return {"kind": "simulated", "frames": result["frames"]}


def _write_pairs(folder: Path, dev_scenes: Collection[str]) -> None:
    frames = open_frames(folder / "frames.zarr")
    scenes = read(frames, "scene_id")
    for index in map(int, np.flatnonzero(read(frames, "captured").all(axis=1))):
        labelled = scenes[index] in dev_scenes
        place = folder / ("dev_labelled" if labelled else "unlabelled")
        place.mkdir(parents=True, exist_ok=True)
        for phase, name in (("before", "pre"), ("after", "post")):
            rgb = other_sensor(read(frames, f"{phase}_rgb", index, index + 1)[0], seed=2 * index + (phase == "after"))
            cv2.imwrite(str(place / f"{index:04d}_{name}.png"), rgb[..., ::-1])
        if labelled:
            cv2.imwrite(str(place / f"{index:04d}_damage.tif"), read(frames, "damage", index, index + 1)[0])


def other_sensor(rgb: U8, seed: int) -> U8:
    """A frame (H, W, 3) as the second sensor sees it: colour mixing, veil, blur of 0.8 px, noise of 2 grey levels."""
    mixed = rgb.astype(np.float32) @ _COLOUR.T + _VEIL
    soft = cv2.GaussianBlur(mixed, (0, 0), 0.8)
    noise = np.random.default_rng(seed).normal(0, 2, rgb.shape).astype(np.float32)
    return np.asarray(np.clip(np.rint(soft + noise), 0, 255), np.uint8)
