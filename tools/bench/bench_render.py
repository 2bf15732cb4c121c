"""Frames a second of the embedded simulator against bare Embree, on one core and the same views."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import SEMANTIC
from sim_bridge.embedded.light import illumination
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, CameraPose, Intrinsics, intrinsics, look_at, pixel_rays
from sim_bridge.labels import SEMANTIC_OF
from sim_bridge.spec import Layout, Light, SceneSpec, View
from sim_bridge.world.build import build_world
from sim_bridge.world.model import Aftermath
from sim_bridge.world.package import Package
from tools.bench.row import row

F32 = npt.NDArray[np.float32]
SIZE_PX = 512
RUNS = 5
VIEWS = {
    "0.1 m nadir": View(gsd_m=0.1, off_nadir_deg=0.0),
    "0.5 m nadir": View(gsd_m=0.5, off_nadir_deg=0.0),
    "0.5 m, 45 deg off nadir": View(gsd_m=0.5, off_nadir_deg=45.0),
}
LEAST_FRAMES_PER_S = 3.0
MOST_OF_BARE = 1.5


def rows() -> list[dict[str, Any]]:
    """Two rows a view: frames a second, and a frame's time as a multiple of bare Embree's."""
    world = build_world(SceneSpec(seed=11, layout=Layout(size_m=500.0)))
    scene = Scene(Package(world, Aftermath({"kind": "none"}, world.before, world.ground, ())))
    camera = intrinsics(SIZE_PX, SIZE_PX, View().hfov_deg)
    target = ENU(0.0, 0.0, float(world.height_at(0.0, 0.0)))
    found: list[dict[str, Any]] = []
    for name, view in VIEWS.items():
        pose = look_at(target, view.distance_m(SIZE_PX), view.off_nadir_deg, view.view_azimuth_deg)
        found += _view_rows(name, scene, pose, camera)
    return found


def _view_rows(name: str, scene: Scene, pose: CameraPose, camera: Intrinsics) -> list[dict[str, Any]]:
    light = Light()
    primary = [pixel_rays(pose, camera, (x, y)).astype(np.float32) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    toward = illumination(light, "rgb").toward_sun[None]
    origins = np.tile(pose.position.array().astype(np.float32), (len(primary[0]), 1))
    shadow = [_lifted(scene, origins, directions) for directions in primary]
    frames, bare = [], []
    _frame(scene, pose, camera, light)
    # by turns, so that a noisy machine is noisy for both; time on the core, so that neighbours do not count
    for _ in range(RUNS):
        frames.append(_seconds(lambda: _frame(scene, pose, camera, light)))
        bare.append(_seconds(lambda: _bare(scene, origins, primary, shadow, toward)))
    rate, share = [1 / s for s in frames], [s / b for s, b in zip(frames, bare, strict=True)]
    rays = len(primary) * len(origins) * 2 / float(np.median(bare)) / 1e6
    return [
        row(f"render 512x512 rgb+depth+semantic, {name}", rate, "frames/s", f"bare Embree {rays:.1f} M rays/s",
            least=LEAST_FRAMES_PER_S),
        row(f"render over bare Embree (4 primary + 4 shadow), {name}", share, "ratio", "bare Embree, same view",
            most=MOST_OF_BARE),
    ]


def _frame(scene: Scene, pose: CameraPose, camera: Intrinsics, light: Light) -> npt.NDArray[np.uint8]:
    """What a client gets: colour, depth and the picture of classes."""
    out = render(scene, "before", pose, camera, light)
    palette = np.array([entry.rgb for entry in SEMANTIC], np.uint8)
    return palette[SEMANTIC_OF][out.material]


def _bare(scene: Scene, origins: F32, primary: list[F32], shadow: list[F32], toward: F32) -> None:
    embree = scene.drawn("before").embree
    for directions, starts in zip(primary, shadow, strict=True):
        embree.run(origins, directions, query="INTERSECT", output=True)
        embree.run(starts, toward, query="OCCLUDED")


def _lifted(scene: Scene, origins: F32, directions: F32) -> F32:
    hits = scene.cast(origins, directions, "before")
    t = np.where(np.isfinite(hits.t), hits.t, 0)[:, None]
    return (origins + directions * t + 0.02 * hits.normal).astype(np.float32)


def _seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start
