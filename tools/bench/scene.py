"""What several benchmarks work on: a burnt suburb, four pairs of frames of it, and the same pairs as "real" images."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.flight import plan_survey
from sim_bridge.frames import CameraPose, intrinsics
from sim_bridge.hazards import strike
from sim_bridge.labels import cast_labels
from sim_bridge.spec import Fire, Layout, SceneSpec, View
from sim_bridge.store import FIELDS, UnitFrames, create_store, open_frames, stack, write_unit
from sim_bridge.world.build import build_world
from sim_bridge.world.package import Package

SIZE_PX, PAIRS = 512, 4
SPEC = SceneSpec(seed=11, layout=Layout(size_m=512.0), hazard=Fire(), view=View(gsd_m=0.5, off_nadir_deg=10.0))


@lru_cache(maxsize=1)
def burnt_suburb() -> tuple[Scene, tuple[CameraPose, ...]]:
    """The scene and where its frames are taken from. The same objects in every benchmark of a run."""
    world = build_world(SPEC)
    poses = plan_survey(SPEC.layout.size_m, SPEC.view, SIZE_PX, SIZE_PX, 0.0, world.height_at)
    return Scene(Package(world, strike(world, SPEC))), poses[:PAIRS]


def draw() -> UnitFrames:
    """Pictures before and after and all labels, drawn in this process; poses and ids are left out."""
    scene, poses = burnt_suburb()
    return stack([_pair(scene, pose) for pose in poses])


def _pair(scene: Scene, pose: CameraPose) -> dict[str, Any]:
    camera = intrinsics(SIZE_PX, SIZE_PX, SPEC.view.hfov_deg)
    sizes = {"y": SIZE_PX, "x": SIZE_PX, "band": 3, "phase": 2, "enu": 3, "quaternion": 4, "intrinsic": 4, "corner": 4}
    blank = {name: np.full([sizes[dim] for dim in field.dims], field.fill) for name, field in FIELDS.items()}
    return {**blank, **vars(cast_labels(scene, pose, pose, camera)), "gsd": SPEC.view.gsd_m,
            "before_rgb": render(scene, "before", pose, camera, SPEC.light_before).rgb,
            "after_rgb": render(scene, "after", pose, camera, SPEC.light_after).rgb}


def make_store(path: Path, units: int = 1) -> Path:
    """An empty store for `units` units of PAIRS frames."""
    create_store(path, units * PAIRS, PAIRS, SIZE_PX, SIZE_PX, {})
    return path


@lru_cache(maxsize=1)
def drawn() -> UnitFrames:
    """`draw()`, once for all who only need the frames."""
    return draw()


def store_of_frames(path: Path) -> Path:
    """A store with the four pairs."""
    write_unit(make_store(path), 0, drawn())
    return path


def write_pairs(folder: Path, frames: Path) -> Path:
    """The pairs of a store as PNG with the colours of another sensor: what stands in for unlabelled real images."""
    folder.mkdir(parents=True)
    root: Any = open_frames(frames)
    for phase, suffix in (("before", "pre"), ("after", "post")):
        for i in range(PAIRS):
            other = np.clip(root[f"{phase}_rgb"][i] * np.array([0.8, 0.95, 1.1]) + 12, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"tile{i}_{suffix}.png"), other[..., ::-1])
    return folder
