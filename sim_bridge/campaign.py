"""Campaigns: many scenes flown over before and after, into one frame store, on one machine or a cluster.

A scene's survey is cut into units of equal length; a unit is what a worker captures and writes at once. What is done is
what the store shows as captured: a campaign that was stopped, killed or lost goes on with the units that are missing,
and on the embedded simulator a unit has the same frames whoever captures it.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from sim_bridge.airsim.client import Client, connect
from sim_bridge.capture import CAMERA, capture_frames, load_scene
from sim_bridge.errors import FrameError, InputError, SimulatorGone, StaleFrame
from sim_bridge.flight import Heights, plan_survey
from sim_bridge.frames import CameraPose
from sim_bridge.spec import SceneSpec, check, to_json
from sim_bridge.store import annotate, create_store, done_units, open_frames, write_unit
from sim_bridge.workers import (
    SimulatorSettings,
    drop_simulators,
    held_interrupt,
    own_simulator,
    parse_address,
    worker_pool,
)
from sim_bridge.world.package import build_package


@dataclass(frozen=True)
class CampaignConfig:
    """How scenes are flown. Sizes in pixels, times in seconds."""

    out: Path
    """Folder of the store `frames.zarr`, and of `worlds` unless world_root is given."""
    width: int = 512
    height: int = 512
    overlap: float = 0.1
    """Least share of a frame that its neighbour also sees."""
    most_frames: int = 0
    """Most frames of a scene, evenly spread over its survey; 0 flies all of it."""
    unit_frames: int = 16
    """Most frames a unit (one shard, one write): what a kill may cost, and what a worker holds in memory."""
    workers: int = 2
    """Worker processes, each with a simulator of its own."""
    world_root: Path | None = None
    """Folder of world packages, the same at the simulators' end."""
    simulators: tuple[str, ...] = ()
    """host:port of running simulators, one worker each. Empty: every worker starts an embedded one."""
    attempts: int = 3
    """How often a unit is tried when its simulator dies or sends stale frames."""
    samples: int = 4
    """Colour samples a pixel of the embedded simulators."""
    start_timeout_s: float = 60.0
    call_timeout_s: float = 120.0

    @property
    def store(self) -> Path:
        return self.out / "frames.zarr"

    @property
    def worlds(self) -> Path:
        return self.world_root or self.out / "worlds"


@dataclass(frozen=True)
class Plan:
    """Division of a campaign into units: scene i has counts[i] frames, in `segments` units of at most `shard`."""

    counts: tuple[int, ...]
    shard: int
    segments: int

    @property
    def units(self) -> dict[int, tuple[int, int, int]]:
        """unit -> (scene, first frame of the scene, last frame, exclusive). Units without frames are left out."""
        whole = {}
        for scene, count in enumerate(self.counts):
            for segment, first in enumerate(range(0, count, self.shard)):
                whole[scene * self.segments + segment] = (scene, first, min(first + self.shard, count))
        return whole

    @property
    def frames(self) -> int:
        """Length of the store's frame axis, frames that stay uncaptured included."""
        return len(self.counts) * self.segments * self.shard


@dataclass(frozen=True)
class Job:
    """One unit as it travels to a worker: frames first to last (exclusive) of the spec's survey."""

    config: CampaignConfig
    unit: int
    spec: SceneSpec
    first: int
    last: int

    @property
    def frames(self) -> int:
        return self.last - self.first


def plan_campaign(config: CampaignConfig, specs: Sequence[SceneSpec]) -> Plan:
    """Units of a campaign. Raises InputError for settings or scenes that cannot be flown."""
    _check(config, specs)
    counts = tuple(len(scene_poses(config, spec, _flat)) for spec in specs)
    segments = math.ceil(max(counts) / config.unit_frames)
    return Plan(counts, math.ceil(max(counts) / segments), segments)


def scene_poses(config: CampaignConfig, spec: SceneSpec, heights: Heights) -> tuple[CameraPose, ...]:
    """Poses at which a scene is seen: its survey, thinned evenly to `most_frames`."""
    poses = plan_survey(spec.layout.size_m, spec.view, config.width, config.height, config.overlap, heights)
    count = min(config.most_frames or len(poses), len(poses))
    return tuple(poses[(2 * i + 1) * len(poses) // (2 * count)] for i in range(count))


def run_campaign(config: CampaignConfig, specs: Sequence[SceneSpec], executor: Executor | None = None) -> Path:
    """Capture all scenes that the store lacks; returns the path of the store (docs/frame-store.md).

    `executor` runs the units; None is a pool of spawned processes on this machine. An executor given from outside must
    see `config.out` under the same path. Ctrl-C ends workers and simulators; the same call then resumes.

    Raises InputError for settings that cannot work or a store made for other scenes, SimulatorGone, StaleFrame and
    FrameError when a unit failed `attempts` times, other SimulatorErrors and StoreError at once. Finished units stay
    in the store.
    """
    config = replace(config, out=config.out.resolve(), world_root=config.worlds.resolve())
    plan = plan_campaign(config, specs)
    if executor is None:
        _reach(config)
    _prepare(config, specs, plan)
    jobs = {unit: Job(config, unit, specs[scene], first, last) for unit, (scene, first, last) in plan.units.items()}
    bar: tqdm[Any]
    with tqdm(total=sum(plan.counts), initial=_frames_done(config, jobs), unit="frame", desc="capture") as bar:
        for left in reversed(range(config.attempts)):
            bar.n = _frames_done(config, jobs)
            done = done_units(config.store)
            missing = [job for unit, job in jobs.items() if unit not in done]
            try:
                with _executor(config, executor, missing) as pool:
                    _run(pool, config, missing, bar)
                break
            except BrokenProcessPool as error:
                if not left:
                    raise InputError(f"workers is {config.workers}: worker processes keep dying, mostly for lack of "
                                     f"memory: expected fewer; the same call resumes") from error
    return config.store


def _reach(config: CampaignConfig) -> None:
    """Raises SimulatorGone for a simulator that is not there: before any work, not in a worker."""
    for address in config.simulators:
        connect(*parse_address(address), timeout_s=config.call_timeout_s).close()


def _frames_done(config: CampaignConfig, jobs: Mapping[int, Job]) -> int:
    return sum(jobs[unit].frames for unit in done_units(config.store) & jobs.keys())


def capture_unit(job: Job, address: str | None) -> int:
    """Build the unit's world if need be, fly it and write it; returns its frames. Runs in a worker.

    address: host:port of the simulator; None is the worker's own. A unit that is already in the store is left alone.
    """
    config = job.config
    if job.unit in done_units(config.store):
        return job.frames
    scene = load_scene(build_package(config.worlds, job.spec))
    poses = scene_poses(config, job.spec, scene.package.world.height_at)[job.first:job.last]
    for left in reversed(range(config.attempts)):
        try:
            with _simulator(config, address) as client:
                frames = capture_frames(client, scene, job.spec, poses, config.width, config.height)
                annotate(config.store, "simulator", client.measured(CAMERA).summary())
            break
        except (SimulatorGone, StaleFrame, FrameError):
            drop_simulators()
            if not left:
                raise
    write_unit(config.store, job.unit, frames)
    return job.frames


@contextlib.contextmanager
def _simulator(config: CampaignConfig, address: str | None) -> Iterator[Client]:
    if address is None:
        yield own_simulator(SimulatorSettings(config.worlds.resolve(), config.width, config.height, config.samples,
                                              config.start_timeout_s, config.call_timeout_s))
        return
    with contextlib.closing(connect(*parse_address(address), timeout_s=config.call_timeout_s)) as client:
        yield client


def _run(pool: Executor, config: CampaignConfig, jobs: Sequence[Job], bar: tqdm[Any]) -> None:
    """Keep every seat (a simulator, or a worker with its own) busy until all jobs are done or one fails for good."""
    seats: list[str | None] = list(config.simulators or (None,) * config.workers)
    waiting, running = deque(jobs), dict[Future[int], str | None]()
    try:
        while waiting or running:
            while waiting and seats:
                seat = seats.pop()
                with held_interrupt():
                    running[pool.submit(capture_unit, waiting.popleft(), seat)] = seat
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                seats.append(running.pop(future))
                bar.update(future.result())
    finally:
        for future in running:
            future.cancel()


@contextlib.contextmanager
def _executor(config: CampaignConfig, given: Executor | None, jobs: Sequence[Job]) -> Iterator[Executor]:
    if given is not None:
        yield given
        return
    with worker_pool(max(1, min(len(jobs), len(config.simulators) or config.workers))) as pool:
        yield pool


def _prepare(config: CampaignConfig, specs: Sequence[SceneSpec], plan: Plan) -> None:
    """Make the store, or check that the one that is there is this campaign's."""
    survey = {"width": config.width, "height": config.height, "overlap": config.overlap,
              "most_frames": config.most_frames, "shard": plan.shard}
    wanted: dict[str, Any] = {"scenes": [to_json(spec) for spec in specs], "survey": survey}
    if not config.store.exists():
        create_store(config.store, plan.frames, plan.shard, config.height, config.width,
                     {"title": f"{len(specs)} scenes before and after", **wanted})
    found = open_frames(config.store).attrs
    for name, value in wanted.items():
        if found.get(name) != value:
            raise InputError(f"{config.store} was made for another {name}: expected the same as at its first run, "
                             f"or another folder for out")


def _check(config: CampaignConfig, specs: Sequence[SceneSpec]) -> None:
    if not specs:
        raise InputError("no scenes to capture: expected at least one")
    for name in ("width", "height", "unit_frames", "workers", "attempts", "samples"):
        if getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name)}: expected 1 or more")
    if config.most_frames < 0:
        raise InputError(f"most_frames is {config.most_frames}: expected 1 or more, or 0 for all")
    for address in config.simulators:
        parse_address(address)
    for spec in specs:
        check(spec)


def _flat(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.zeros(np.broadcast(x, y).shape)
