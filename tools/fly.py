"""A survey that is really flown: a small world, a multirotor over it before and after, and how well it flew."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from tqdm import tqdm

from sim_bridge.airsim.client import Client, connect
from sim_bridge.capture import prepare
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.scene import Phase, Scene
from sim_bridge.errors import InputError, SimulatorError
from sim_bridge.flight import Heights, footprint, plan_survey
from sim_bridge.flying import Flight, FlightConfig, Plan, fly, path_length_m, plan_flight, tracking_errors
from sim_bridge.frames import ENU, F64, CameraPose, Intrinsics, intrinsics
from sim_bridge.labels import SEMANTIC_OF, agreement, cast_labels
from sim_bridge.ortho import Mosaic, orthomosaic
from sim_bridge.spec import Flood, Layout, Light, SceneSpec, View
from sim_bridge.workers import SimulatorSettings, drop_simulators, own_simulator, parse_address
from sim_bridge.world.model import World
from sim_bridge.world.package import build_package, read_package
from tools.worlds import read_scenes

PHASES: tuple[Phase, ...] = ("before", "after")
_CROWN_M = 4.0
DEFAULT_SPEC = SceneSpec(
    seed=5, layout=Layout("riverside", "curved", size_m=240.0, density=0.9, relief_m=5.0), hazard=Flood(stage_m=4.0),
    view=View(gsd_m=0.25, hfov_deg=50.0, off_nadir_deg=0.0), light_before=Light(48.0, 150.0, 0.05),
    light_after=Light(38.0, 195.0, 0.1))
"""What is flown over where no scene is given: a village at a river, before and after it rose."""


@dataclass(frozen=True)
class FlyConfig:
    """What is flown, and how."""

    out: Path
    spec: Path | None = None
    width: int = 320
    height: int = 240
    overlap: float = 0.6
    speed_ms: float = 6.0
    wind_before: tuple[float, float] = (0.0, 0.0)
    """Towards east and north, m/s."""
    wind_after: tuple[float, float] = (4.0, -3.0)
    simulator: str = ""
    """host:port of a running one; empty: one of ours is started."""
    world_root: Path | None = None
    """Folder of world packages, that of a running simulator if there is one; None: `worlds` in `out`."""

    @property
    def worlds(self) -> Path:
        return self.world_root or self.out / "worlds"


@dataclass(frozen=True)
class Leg:
    """One phase as it was flown."""

    phase: Phase
    wind_ms: tuple[float, float]
    flight: Flight
    mosaic: Mosaic
    footprints: tuple[F64, ...]
    """Corners (4, 2) on level ground of each picture, where it was taken."""
    agreement: F64
    """(frames, 2) shares of pixels on which the engine's depth and classes agree with labels cast at the measured
    poses."""
    wall_s: float
    """Of flight and pictures, without the labels and the mosaic."""


@dataclass(frozen=True)
class Survey:
    """Plan and flights over one scene."""

    spec: SceneSpec
    world: World
    camera: Intrinsics
    plan: Plan
    legs: tuple[Leg, ...]


def survey(config: FlyConfig) -> Survey:
    """Build the world, fly over it before and after, and judge the flights.

    Raises InputError for scenes and sizes that cannot be flown, SimulatorError and SimulatorGone.
    """
    spec = _scene(config.spec)
    # bad input shows before the world is built
    _plan(config, spec, spec.layout.size_m, lambda x, y: np.zeros(np.shape(x)))
    if config.simulator:
        parse_address(config.simulator)
    scene = Scene(read_package(build_package(config.worlds, spec)))
    world, flight = scene.package.world, FlightConfig(config.speed_ms)
    plan = _plan(config, spec, world.size_m, world.height_at)
    camera = intrinsics(config.width, config.height, spec.view.hfov_deg)
    legs = []
    with _simulator(config, world) as client, tqdm(total=2 * len(plan.poses), desc="flights", unit="frame") as bar:
        for phase in PHASES:
            wind = config.wind_before if phase == "before" else config.wind_after
            start = time.monotonic()
            flown = _flown(client, spec, phase, wind, plan, camera, flight, bar)
            legs.append(_leg(scene, phase, wind, flown, camera, time.monotonic() - start, spec.view.gsd_m))
    return Survey(spec, world, camera, plan, tuple(_with_agreement(scene, legs, camera)))


def _plan(config: FlyConfig, spec: SceneSpec, size_m: float, heights: Heights) -> Plan:
    poses = plan_survey(size_m, spec.view, config.width, config.height, config.overlap, heights)
    return plan_flight(poses, FlightConfig(config.speed_ms))


def _scene(path: Path | None) -> SceneSpec:
    if path is None:
        return DEFAULT_SPEC
    found = read_scenes(path, 1)
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} scenes: expected one to fly over")
    return found[0]


@contextlib.contextmanager
def _simulator(config: FlyConfig, world: World) -> Iterator[Client]:
    if config.simulator:
        with connect(*parse_address(config.simulator)) as client:
            _check_flies(client, config.simulator)
            yield client
        return
    settings = config.out / "settings.json"
    settings.write_text(json.dumps(settings_of(world, config), indent=1) + "\n")
    try:
        yield own_simulator(SimulatorSettings(config.worlds.resolve(), config.width, config.height,
                                              options=("--mode", "Multirotor", "--settings", str(settings.resolve()))))
    finally:
        drop_simulators()


def _check_flies(client: Client, address: str) -> None:
    try:
        client.state()
    except SimulatorError as error:
        raise InputError(f"{address} has no multirotor ({error}): start it with SimMode Multirotor") from error


def settings_of(world: World, config: FlyConfig) -> dict[str, Any]:
    """AirSim's settings.json for a multirotor on open ground, with frames of the survey's size."""
    east, north = open_ground(world)
    captures = [{"ImageType": kind, "Width": config.width, "Height": config.height} for kind in (0, 1, 5)]
    return {"SettingsVersion": 1.2, "SimMode": "Multirotor", "ClockType": "SteppableClock",
            "OriginGeopoint": {"Latitude": world.origin.lat_deg, "Longitude": world.origin.lon_deg,
                               "Altitude": world.origin.alt_m},
            "CameraDefaults": {"CaptureSettings": captures},
            "Vehicles": {"Drone": {"VehicleType": "SimpleFlight", "X": north, "Y": east, "AutoCreate": True}}}


def open_ground(world: World) -> tuple[float, float]:
    """x, y of where a vehicle can stand: of the points of a coarse grid that are on land, the farthest from buildings,
    trees and water."""
    reach = 0.4 * world.size_m
    side = np.linspace(-reach, reach, 25)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    wet = SEMANTIC_OF[world.ground.at(points[:, 0], points[:, 1])] == CLASS_ID["water"]
    things = [shapely.Polygon(building.footprint) for building in world.buildings]
    things += [shapely.Point(tree.x, tree.y).buffer(_CROWN_M) for tree in world.trees]
    things += list(shapely.points(points[wet]))
    if not things or wet.all():
        return 0.0, 0.0
    _, free_m = shapely.STRtree(things).query_nearest(shapely.points(points), return_distance=True, all_matches=False)
    east, north = points[int(np.argmax(free_m))]
    return float(east), float(north)


def _flown(client: Client, spec: SceneSpec, phase: Phase, wind: tuple[float, float], plan: Plan, camera: Intrinsics,
           flight: FlightConfig, bar: Any) -> Flight:
    prepare(client, spec.world_id, phase, spec.light_before if phase == "before" else spec.light_after)
    client.reset()
    client.set_wind(ENU(*wind, 0.0))
    return fly(client, plan, camera, flight, bar.update)


def _leg(scene: Scene, phase: Phase, wind: tuple[float, float], flown: Flight, camera: Intrinsics, wall_s: float,
         gsd_m: float) -> Leg:
    world = scene.package.world
    mosaic = orthomosaic(flown.shots, camera, world.size_m, 1.2 * gsd_m)
    seen = tuple(footprint(shot.pose, camera, _ground_m(world, shot.pose.position))[:, :2] for shot in flown.shots)
    return Leg(phase, wind, flown, mosaic, seen, np.zeros((0, 2)), wall_s)


def _ground_m(world: World, below: ENU) -> float:
    return float(world.height_at(below.east, below.north))


def _with_agreement(scene: Scene, legs: list[Leg], camera: Intrinsics) -> Iterator[Leg]:
    """Legs with what labels, cast for each pair at its measured poses, say of the engine's images."""
    before, after = (leg.flight.shots for leg in legs)
    shares: list[list[tuple[float, float]]] = [[], []]
    for pair in zip(before, after, strict=True):
        labels = cast_labels(scene, pair[0].pose, pair[1].pose, camera)
        truth = ((labels.before_depth, labels.before_semantic), (labels.after_depth, labels.after_semantic))
        for own, shot, (depth, semantic) in zip(shares, pair, truth, strict=True):
            found = agreement(shot.depth, shot.semantic, depth, semantic)
            own.append((found.depth_share, found.semantic_share))
    return (replace(leg, agreement=np.array(own)) for leg, own in zip(legs, shares, strict=True))


def figures(flown: Survey) -> dict[str, dict[str, float]]:
    """What is said of each phase in numbers, by phase: counts, metres, seconds, shares."""
    return {leg.phase: _figures(flown.plan, leg) for leg in flown.legs}


def _figures(plan: Plan, leg: Leg) -> dict[str, float]:
    across, above = tracking_errors(leg.flight.track, plan)
    on_line = np.isfinite(across)
    asked = np.array([pose.position.array() for pose in plan.poses])
    shots = leg.flight.shots
    measured = np.array([shot.pose.position.array() for shot in shots])
    return {
        "frames": len(shots), "lines": len(plan.rows), "planned_m": plan.length_m,
        "flown_m": path_length_m(leg.flight.track.position),
        "cross_track_rms_m": _rms(across[on_line]), "cross_track_max_m": float(np.abs(across[on_line]).max()),
        "vertical_rms_m": _rms(above[on_line]), "vertical_max_m": float(np.abs(above[on_line]).max()),
        "trigger_rms_m": _rms(np.linalg.norm(measured - asked, axis=1)),
        "turned_max_deg": max(_between_deg(pose, shot.pose) for pose, shot in zip(plan.poses, shots, strict=True)),
        "simulated_s": float(leg.flight.track.time_s[-1]), "wall_s": leg.wall_s,
        "agreement_depth": float(leg.agreement[:, 0].mean()), "agreement_semantic": float(leg.agreement[:, 1].mean()),
        "seen_share": leg.mosaic.seen_share, "collisions": len(leg.flight.collisions),
    }


def _rms(values: F64) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _between_deg(asked: CameraPose, measured: CameraPose) -> float:
    """Angle of the turn between two directions of a camera."""
    chord = float(np.linalg.norm(asked.rotation - measured.rotation)) / (2 * math.sqrt(2))
    return math.degrees(2 * math.asin(min(1.0, chord)))
