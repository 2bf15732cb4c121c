"""One unit of a campaign: fly a scene before and after through a simulator, and label what was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.client import Client, airsim_fov_deg
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION
from sim_bridge.embedded.scene import Phase, Scene
from sim_bridge.errors import InputError, SimulatorError, SimulatorGone
from sim_bridge.flight import footprint
from sim_bridge.frames import F64, CameraPose, Intrinsics, intrinsics, ned_from_camera
from sim_bridge.labels import agreement, cast_labels
from sim_bridge.spec import Light, SceneSpec
from sim_bridge.store import UnitFrames, stack
from sim_bridge.world.package import read_package

CAMERA = "0"
LOAD_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Shot:
    """What a simulator sent for one pose: (H, W[, 3]) arrays, where and when it was taken."""

    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    semantic: npt.NDArray[np.uint8]
    pose: CameraPose
    time_s: float


@lru_cache(maxsize=1)
def load_scene(folder: Path) -> Scene:
    """The package in `folder`, ready for labels; the last one is kept, since units of a scene follow each other."""
    return Scene(read_package(folder))


def capture_frames(client: Client, scene: Scene, spec: SceneSpec, poses: Sequence[CameraPose], width: int,
                   height: int) -> UnitFrames:
    """Pictures before and after at each pose, with labels cast at the measured poses.

    Raises StaleFrame if a frame stays away from its pose, SimulatorError if the world or the images cannot be had,
    SimulatorGone if the simulator does not answer, InputError if it draws frames of another size.
    """
    camera = intrinsics(width, height, spec.view.hfov_deg)
    before = _fly(client, spec, "before", spec.light_before, poses, camera)
    after = _fly(client, spec, "after", spec.light_after, poses, camera)
    return stack([_frame(scene, spec, asked, pair, camera)
                  for asked, pair in zip(poses, zip(before, after, strict=True), strict=True)])


def _fly(client: Client, spec: SceneSpec, phase: Phase, light: Light, poses: Sequence[CameraPose],
         camera: Intrinsics) -> list[Shot]:
    prepare(client, spec.world_id, phase, light)
    client.set_fov(CAMERA, airsim_fov_deg(camera))
    return [take(client, pose, camera) for pose in poses]


def prepare(client: Client, world_id: str, phase: Phase, light: Light, timeout_s: float = LOAD_TIMEOUT_S) -> None:
    """Bring a world, phase and light before the camera, and wait until the simulator says that they are there.

    Raises SimulatorError with its code if it refuses, SimulatorGone if it takes longer than timeout_s.
    """
    for command in (f"load {world_id}", f"phase {phase}", "band rgb",
                    f"light {light.sun_elevation_deg:.3f} {light.sun_azimuth_deg:.3f} {light.haze:.3f}"):
        client.console(f"mage.{command}")
    ready, deadline, pause_s = f"mage_state_{world_id}_{phase}_rgb_ready", time.monotonic() + timeout_s, 0.002
    while time.monotonic() < deadline:
        markers = client.list_objects("mage_.*")
        if refused := [marker for marker in markers if marker.startswith("mage_error_")]:
            raise SimulatorError(f"simulator refused world {world_id} ({phase}): {refused[0]}: expected it under the "
                                 f"simulator's own world root")
        if ready in markers:
            return
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.5)
    raise SimulatorGone(f"world {world_id} ({phase}) was not ready after {timeout_s:g} s: restart the simulator")


def take(client: Client, asked: CameraPose, camera: Intrinsics) -> Shot:
    """Colour, depth and classes at a pose, from one call. Raises StaleFrame if they are taken elsewhere."""
    client.set_pose(asked)
    images = client.images(CAMERA, (SCENE, DEPTH, SEGMENTATION))
    for image in images:
        if image.pixels.shape[:2] != (camera.height, camera.width):
            raise InputError(f"simulator draws {image.pixels.shape[1]}x{image.pixels.shape[0]} pixels: expected "
                             f"{camera.width}x{camera.height}, start it with that --width and --height")
    scene, depth, segmentation = images
    return Shot(scene.pixels, depth.pixels, client.classes(segmentation.pixels, CAMERA), scene.pose, scene.time_s)


def _frame(scene: Scene, spec: SceneSpec, asked: CameraPose, pair: tuple[Shot, Shot],
           camera: Intrinsics) -> dict[str, Any]:
    before, after = pair
    labels = cast_labels(scene, before.pose, after.pose, camera)
    engine = [agreement(before.depth, before.semantic, labels.before_depth, labels.before_semantic),
              agreement(after.depth, after.semantic, labels.after_depth, labels.after_semantic)]
    level_m = asked.position.up + spec.view.distance_m(camera.width) * float(asked.rotation[2, 2])
    poses = {"asked": (asked, asked), "measured": (before.pose, after.pose)}
    return {
        **vars(labels), "before_rgb": before.rgb, "after_rgb": after.rgb,
        **{f"{name}_position": [pose.position.array() for pose in both] for name, both in poses.items()},
        **{f"{name}_orientation": [_quaternion(pose) for pose in both] for name, both in poses.items()},
        "intrinsics": [camera.focal_px, camera.focal_px, camera.width / 2, camera.height / 2],
        "gsd": spec.view.gsd_m, "footprint": footprint(before.pose, camera, level_m),
        "time": [shot.time_s for shot in pair], "scene_id": spec.scene_id, "world_id": spec.world_id,
        "agreement_depth": [share.depth_share for share in engine],
        "agreement_semantic": [share.semantic_share for share in engine],
    }


def _quaternion(pose: CameraPose) -> F64:
    return ned_from_camera(pose).orientation.array()
