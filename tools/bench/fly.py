"""A process of the render bench: a simulator of its own on one core, flown through its socket, or a package loaded.

`python -m tools.bench.fly views|area|load <world root> <world id> <core>` prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim_bridge.airsim.client import Client, airsim_fov_deg
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION, ImageRequest
from sim_bridge.capture import CAMERA, prepare
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, CameraPose, intrinsics, look_at
from sim_bridge.spec import Light, View
from sim_bridge.workers import SimulatorSettings, start_simulator
from sim_bridge.world.grid import is_grid, read_grid
from sim_bridge.world.package import read_package
from tools.bench.row import peak_mb
from tools.bench.square_km import SIZE_PX, VIEWS

RUNS = 5
CALLS: dict[str, tuple[ImageRequest, ...]] = {"rgb+depth+semantic": (SCENE, DEPTH, SEGMENTATION),
                                              "depth+semantic": (DEPTH, SEGMENTATION)}


def views(client: Client, _pid: int, folder: Path) -> dict[str, Any]:
    """Seconds of each call in each view, RUNS times."""
    ground_m = float(read_package(folder).world.height_at(0.0, 0.0))
    found: dict[str, Any] = {}
    for name, view in VIEWS.items():
        client.set_pose(pose_at(view, ENU(0.0, 0.0, ground_m)))
        for call, requests in CALLS.items():
            client.images(CAMERA, requests)
            found[f"{call}, {name}"] = [_seconds(client, requests) for _ in range(RUNS)]
    return found


def area(client: Client, pid: int, folder: Path) -> dict[str, Any]:
    """A flight over every cell of a grid and its seams: frames, seconds and the simulator's greatest memory in MB."""
    grid = read_grid(folder)
    west, east = (pick(cell.east_m for cell in grid.cells) for pick in (min, max))
    south, north = (pick(cell.north_m for cell in grid.cells) for pick in (min, max))
    step, start, frames = grid.cells[0].size_m / 2, time.perf_counter(), 0
    for row in range(round((north - south) / step) + 1):
        line = range(round((east - west) / step) + 1)
        for column in line if row % 2 == 0 else reversed(line):
            view = View(gsd_m=0.5, off_nadir_deg=25.0)
            client.set_pose(pose_at(view, ENU(west + column * step, south + row * step, 0.0)))
            client.images(CAMERA, CALLS["rgb+depth+semantic"])
            frames += 1
    return {"frames": frames, "seconds": time.perf_counter() - start, "peak_mb": _peak_mb(pid)}


def load(folder: Path) -> dict[str, Any]:
    """Seconds and memory in MB for a package to be read and made ready for its first picture."""
    start = time.perf_counter()
    Scene(read_package(folder)).drawn("before")
    return {"seconds": time.perf_counter() - start,
            "peak_mb": peak_mb()}


def pose_at(view: View, target: ENU) -> CameraPose:
    return look_at(target, view.distance_m(SIZE_PX), view.off_nadir_deg, view.view_azimuth_deg)


def _seconds(client: Client, requests: Sequence[ImageRequest]) -> float:
    start = time.perf_counter()
    client.images(CAMERA, requests)
    return time.perf_counter() - start


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main(task: str, root: Path, world_id: str, core: int) -> dict[str, Any]:
    """Runs on one core, simulator and client together."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    if task == "load":
        return load(root / world_id)
    simulator = start_simulator(SimulatorSettings(root, SIZE_PX, SIZE_PX))
    prepare(simulator.client, world_id, "before", Light())
    simulator.client.set_fov(CAMERA, airsim_fov_deg(intrinsics(SIZE_PX, SIZE_PX, View().hfov_deg)))
    fly = area if is_grid(root / world_id) else views
    return fly(simulator.client, simulator.process.pid, root / world_id)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
