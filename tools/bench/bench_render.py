"""The embedded simulator on 1 km2: frames a second through its socket, on one core and on two, beside bare Embree and a
general renderer; loading; and 25 km2 flown over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from sim_bridge.embedded.light import illumination
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, CameraPose, intrinsics, pixel_rays
from sim_bridge.spec import Light, View
from sim_bridge.world.package import read_package
from tools.bench import general, square_km
from tools.bench.fly import RUNS, pose_at
from tools.bench.row import row
from tools.bench.square_km import BUILDINGS, SIZE_PX, TREES, VIEWS

F32 = npt.NDArray[np.float32]
LEAST_FRAMES_PER_S = {"rgb+depth+semantic": 3.0, "depth+semantic": 8.0}
GOAL_FRAMES_PER_S = 10.0
MOST_OF_BARE = 1.5
LEAST_OF_TWO = 1.8


def rows() -> list[dict[str, Any]]:
    """Rows of the world itself, of the socket, of two cores, of bare Embree, of another renderer and of 25 km2."""
    folder = square_km.package()
    scene = Scene(read_package(folder))
    world = scene.package.world
    camera = intrinsics(SIZE_PX, SIZE_PX, View().hfov_deg)
    poses = {name: pose_at(view, ENU(0.0, 0.0, float(world.height_at(0.0, 0.0)))) for name, view in VIEWS.items()}
    pixels = {name: _bare_rays(scene, pose) for name, pose in poses.items()}
    return [
        *_counts(len(world.buildings), len(world.trees)), *_loading(folder), *_socket(folder), _two_cores(folder),
        *[_over_bare(name, scene, pose, pixels[name]) for name, pose in poses.items()],
        *general.rows(scene, poses, camera), *_area(),
    ]


def _counts(buildings: int, trees: int) -> list[dict[str, Any]]:
    return [row(f"{what} on 1 km2, off the {wanted} asked for", [abs(count / wanted - 1) * 100], "%", f"{count}",
                most=10)
            for what, count, wanted in (("buildings", buildings, BUILDINGS), ("trees", trees, TREES))]


def _fly(task: str, folder: Path, core: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "tools.bench.fly", task, str(folder.parent), folder.name, str(core)],
                            stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def _loading(folder: Path) -> list[dict[str, Any]]:
    taken = [_result(_fly("load", folder)) for _ in range(3)]
    return [row("load 1 km2, until the first picture can be drawn", [t["seconds"] for t in taken], "s", "one core",
                most=10.0),
            row("memory of that, peak", [t["peak_mb"] for t in taken], "MB", "own process", most=1500.0)]


def _socket(folder: Path) -> list[dict[str, Any]]:
    seconds = _result(_fly("views", folder))
    found = []
    for call, least in LEAST_FRAMES_PER_S.items():
        views = [seconds[f"{call}, {name}"] for name in VIEWS]
        found += [row(f"render {call}, {name}", [1 / s for s in times], "frames/s", "socket, both ends on one core")
                  for name, times in zip(VIEWS, views, strict=True)]
        mean = [len(views) / sum(times) for times in zip(*views, strict=True)]
        against = f"socket; the goal is {GOAL_FRAMES_PER_S:g}"
        found.append(row(f"render {call}, mean of the views", mean, "frames/s", against, least=least))
    return found


def _two_cores(folder: Path) -> dict[str, Any]:
    """Frames of two simulators on two cores over those of one, by turns."""
    ratios = []
    for _ in range(2):
        alone = _all_seconds(_result(_fly("views", folder)))
        pair = [_fly("views", folder, core) for core in range(2)]
        ratios.append(2 * alone / float(np.mean([_all_seconds(_result(process)) for process in pair])))
    return row("frames of two simulators on two cores over one's", ratios, "times", f"{os.cpu_count()} cores",
               least=LEAST_OF_TWO)


def _all_seconds(seconds: dict[str, list[float]]) -> float:
    return sum(sum(times) for times in seconds.values())


def _bare_rays(scene: Scene, pose: CameraPose) -> tuple[F32, list[F32], list[F32]]:
    """Origins, directions of 4 rays a pixel, and starts of the shadow rays of each."""
    camera = intrinsics(SIZE_PX, SIZE_PX, View().hfov_deg)
    primary = [pixel_rays(pose, camera, (x, y)).astype(np.float32) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    origins = np.tile(pose.position.array().astype(np.float32), (len(primary[0]), 1))
    return origins, primary, [_lifted(scene, origins, directions) for directions in primary]


def _over_bare(name: str, scene: Scene, pose: CameraPose, rays: tuple[F32, list[F32], list[F32]]) -> dict[str, Any]:
    """A picture's time over that of embreex's own single rays, 4 primary and 4 shadow rays a pixel."""
    camera, light, bare = intrinsics(SIZE_PX, SIZE_PX, View().hfov_deg), Light(), _bare_scene(scene)
    toward = illumination(light, "rgb").toward_sun[None]

    def cast() -> None:
        for directions, starts in zip(rays[1], rays[2], strict=True):
            bare.run(rays[0], directions, query="INTERSECT", output=True)
            bare.run(starts, toward, query="OCCLUDED")

    render(scene, "before", pose, camera, light)
    # by turns, so that a noisy machine is noisy for both; time on the core, so that neighbours do not count
    pairs = [(_seconds(lambda: render(scene, "before", pose, camera, light)), _seconds(cast)) for _ in range(RUNS)]
    speed = 8 * len(rays[0]) / float(np.median([b for _, b in pairs])) / 1e6
    return row(f"render over bare Embree (4 primary + 4 shadow), {name}", [a / b for a, b in pairs], "ratio",
               f"embreex, {speed:.1f} M rays/s", most=MOST_OF_BARE)


def _bare_scene(scene: Scene) -> EmbreeScene:
    vertices, faces = scene.drawn("before").bvh.arrays
    bare = EmbreeScene(robust=True)
    TriangleMesh(bare, vertices, faces.astype(np.int32))
    return bare


def _lifted(scene: Scene, origins: F32, directions: F32) -> F32:
    hits = scene.cast(origins, directions, "before")
    t = np.where(np.isfinite(hits.t), hits.t, 0)[:, None]
    return (origins + directions * t + 0.02 * hits.normal).astype(np.float32)


def _area() -> list[dict[str, Any]]:
    flown = _result(_fly("area", square_km.area()))
    cells = square_km.SIDE ** 2
    return [row(f"memory of a flight over {cells} km2, peak", [flown["peak_mb"]], "MB", f"{flown['frames']} frames",
                most=3000.0),
            row(f"flight over {cells} km2, packages loaded on the way", [flown["frames"] / flown["seconds"]],
                "frames/s", f"{square_km.DIFFERENT} worlds in {cells} cells")]


def _seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start
