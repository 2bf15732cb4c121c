"""Labels, cast and not guessed: one ray a pixel into the world at the measured pose, whatever engine drew it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.scene import Hits, Landscape, Phase
from sim_bridge.frames import CameraPose, Intrinsics, pixel_rays
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import BuildingDamage

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SEMANTIC_OF = np.array([material.semantic for material in TABLE], np.uint8)
HAZARD_OF = np.array([material.hazard for material in TABLE], np.uint8)
SURFACE_OF = np.array([material.surface for material in TABLE], np.uint8)
"""Label of each material (index into `materials.TABLE`)."""

DEPTH_TOLERANCE_M = 0.25


@dataclass(frozen=True)
class Labels:
    """Labels of a pair of frames, all (H, W). `before_*`, `land_use`, `damage`, `surface` and `instance` are in the
    pixels of the before pose, `after_*` in those of the after pose. Depth is planar, metres, inf where nothing is."""

    before_depth: F32
    after_depth: F32
    before_semantic: U8
    after_semantic: U8
    after_hazard: U8
    """Bits of `classes.HAZARD_BITS`."""
    land_use: U8
    damage: U8
    """Grade of the building that shows before, whatever lies there after; 0 where none shows."""
    surface: U8
    instance: npt.NDArray[np.uint32]
    """Building id, 0 for none."""


@dataclass(frozen=True)
class Agreement:
    """Shares (0 to 1) of the pixels that are not sky in which an engine's images match the labels."""

    depth_share: float
    semantic_share: float


def cast_labels(scene: Landscape, pose_before: CameraPose, pose_after: CameraPose, camera: Intrinsics) -> Labels:
    """Labels of a pair, cast through pixel centres. The training target lies in the pixels of the before frame."""
    size = (camera.height, camera.width)
    before, ground_xy = _cast(scene, "before", pose_before, camera)
    after, _ = _cast(scene, "after", pose_after, camera)
    semantic = SEMANTIC_OF[before.material]
    grades = grade_table(scene.damage(), int(before.instance.max(initial=0)))
    shows = semantic == CLASS_ID["building"]
    land_use = np.where(np.isfinite(before.t), scene.land_use(*ground_xy), 0)
    return Labels(
        before_depth=before.t.reshape(size),
        after_depth=after.t.reshape(size),
        before_semantic=semantic.reshape(size),
        after_semantic=SEMANTIC_OF[after.material].reshape(size),
        after_hazard=HAZARD_OF[after.material].reshape(size),
        land_use=land_use.astype(np.uint8).reshape(size),
        damage=np.where(shows, grades[before.instance], 0).astype(np.uint8).reshape(size),
        surface=SURFACE_OF[before.material].reshape(size),
        instance=before.instance.reshape(size),
    )


def grade_table(damage: tuple[BuildingDamage, ...], last_id: int) -> U8:
    """Grade (uint8) by building id, ids 0 to at least `last_id`; 0 for ids without a grade."""
    table = np.zeros(max([last_id, *(d.id for d in damage)]) + 1, np.uint8)
    for entry in damage:
        table[entry.id] = entry.grade
    return table


def agreement(engine_depth: npt.NDArray[np.floating], engine_semantic: U8, label_depth: F32,
              label_semantic: U8) -> Agreement:
    """How far an engine's depth (planar, metres) and classes match the labels of the same frame, all (H, W).

    Depth agrees within 0.25 m or one step of half precision at that depth, whichever is more: engines send depth as
    float16. Pixels whose label is sky do not count; a frame of nothing but sky agrees with nothing: (0, 0).
    """
    seen = np.isfinite(label_depth)
    if not seen.any():
        return Agreement(0.0, 0.0)
    label = label_depth[seen].astype(np.float64)
    difference = np.abs(engine_depth[seen].astype(np.float64) - label)
    close = difference <= np.maximum(DEPTH_TOLERANCE_M, half_step_m(label))
    return Agreement(float(close.mean()), float((engine_semantic[seen] == label_semantic[seen]).mean()))


def half_step_m(depth_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance between neighbouring half-precision numbers (11 bits of significand, IEEE 754) at each depth."""
    _, exponent = np.frexp(depth_m)
    return np.asarray(np.ldexp(1.0, exponent - 11))


def _cast(scene: Landscape, phase: Phase, pose: CameraPose,
          camera: Intrinsics) -> tuple[Hits, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Hits of the pixel centres, row by row, and the (x, y) in metres of each; the camera's own for a miss."""
    directions = pixel_rays(pose, camera)
    origin = pose.position.array()
    hits = scene.cast(origin[None], directions, phase)
    t = np.where(np.isfinite(hits.t), hits.t, 0).astype(np.float64)
    return hits, (origin[0] + directions[:, 0] * t, origin[1] + directions[:, 1] * t)
