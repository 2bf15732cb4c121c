"""Places and disasters in small, for pages and tests: every settlement, every hazard at three intensities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Phase, Scene
from sim_bridge.frames import ENU, intrinsics, look_at, pixel_rays
from sim_bridge.hazards import STRIKES, strike
from sim_bridge.labels import SEMANTIC_OF, grade_table
from sim_bridge.spec import (
    Earthquake,
    Fire,
    Flood,
    Hazard,
    Layout,
    Light,
    SceneSpec,
    Settlement,
    Tsunami,
    View,
    Wind,
)
from sim_bridge.world.model import Aftermath, BuildingDamage, World
from sim_bridge.world.package import Package

U8 = npt.NDArray[np.uint8]

SETTLEMENTS: tuple[Settlement, ...] = get_args(Settlement)
_BY_WATER = ("coastal", "riverside")
"""Settlements whose water rises; on the others, rain gathers."""
_LEVELS: Mapping[str, tuple[tuple[str, Hazard], ...]] = {
    "earthquake": tuple((f"magnitude {m:g} at 5 km", Earthquake(magnitude=m, epicentre_distance_km=5.0, vs30_ms=250.0,
                                                                    code="pre"))
                        for m in (6.3, 7.0, 7.8)),
    "fire": tuple((f"after {60 * h:.0f} min", Fire(hours=h, wind_speed_ms=18.0, fuel_moisture=0.03))
                  for h in (0.2, 0.6, 4.0)),
    "wind": tuple((f"gusts of {g:g} m/s", Wind(gust_ms=g)) for g in (45.0, 65.0, 85.0)),
    "tsunami": tuple((f"{h:g} m at the shore", Tsunami(height_m=h)) for h in (2.0, 5.0, 10.0)),
}
_STAGES = tuple((f"water {m:g} m up", Flood(stage_m=m)) for m in (1.0, 2.5, 4.5))
_RAINS = tuple((f"{mm:g} mm of rain", Flood(rain_mm=mm)) for mm in (60.0, 150.0, 350.0))


@dataclass(frozen=True)
class Look:
    """How a frame is taken: name for people, ground sampling distance, tilt."""

    name: str
    gsd_m: float
    off_nadir_deg: float


@dataclass(frozen=True)
class Frame:
    """A picture (H, W, 3) and what its pixels show (H, W)."""

    rgb: U8
    material: npt.NDArray[np.uint16]
    semantic: U8
    instance: npt.NDArray[np.uint32]
    land_use: U8
    ground: npt.NDArray[np.float64]
    """(H, W, 2) x, y of what was hit, metres; the camera's own where nothing was."""


LOOKS = (Look("0.5 m, from above", 0.5, 0.0), Look("0.1 m, from above", 0.1, 0.0),
         Look("0.25 m, 40 deg off-nadir", 0.25, 40.0))
AZIMUTH_DEG = 200.0
LIGHT = Light(42.0, 150.0, 0.1)


def kinds() -> tuple[str, ...]:
    """Hazards that can be shown."""
    return tuple(kind for kind in ("flood", "earthquake", "fire", "wind", "tsunami") if kind in STRIKES)


def levels(kind: str, settlement: str) -> tuple[tuple[str, Hazard], ...]:
    """Three intensities of a hazard, weakest first, each with words for it; none where it cannot come."""
    if kind == "flood":
        return _STAGES if settlement in _BY_WATER else _RAINS
    return _LEVELS[kind] if kind != "tsunami" or settlement == "coastal" else ()


def place(settlement: Settlement, size_m: float, seed: int) -> SceneSpec:
    """A settlement before anything happens."""
    pattern: Literal["curved", "grid", "organic"] = "organic" if settlement in ("village", "old_town") else "curved"
    return SceneSpec(seed=seed, layout=Layout(settlement, pattern, size_m, density=0.9, relief_m=5.0))


def struck(world: World, spec: SceneSpec, hazard: Hazard) -> Package:
    """The world with one hazard's aftermath."""
    return Package(world, strike(world, replace(spec, hazard=hazard)))


def untouched(world: World) -> Package:
    """The world as its own aftermath."""
    damage = tuple(BuildingDamage(b.id, "untouched", 1, "no hazard") for b in world.buildings)
    return Package(world, Aftermath({"kind": "none"}, world.before, world.ground, damage))


def aim(world: World, damage: Sequence[BuildingDamage], margin_m: float) -> tuple[float, float]:
    """Where to look (x, y): the worst hit large building at least margin_m from the world's edge; else the centre."""
    grades = {d.id: d.grade for d in damage}
    reach = world.size_m / 2 - margin_m
    best, where = (0.0, 0.0), (0.0, 0.0)
    for building in world.buildings:
        plan = shapely.Polygon(building.footprint)
        x, y = plan.centroid.x, plan.centroid.y
        rank = (float(grades.get(building.id, 1)), min(plan.area, 400.0) - 0.5 * float(np.hypot(x, y)))
        if max(abs(x), abs(y)) <= reach and rank > best:
            best, where = rank, (x, y)
    return where


def at_edge(world: World, target: tuple[float, float], span_m: float) -> tuple[float, float]:
    """The target, or a corner of the building around it if that would fill a frame of span_m."""
    for building in world.buildings:
        plan = shapely.Polygon(building.footprint)
        west, south, east, north = plan.bounds
        if plan.contains(shapely.Point(target)) and max(east - west, north - south) > 0.8 * span_m:
            corner = min(building.footprint, key=lambda point: point[0]**2 + point[1]**2)
            return (float(corner[0]), float(corner[1]))
    return target


def frame(scene: Scene, phase: Phase, target: tuple[float, float], look: Look, px: int) -> Frame:
    """A square frame of `px` pixels a side that looks at the ground at target."""
    world = scene.package.world
    limit = max(0.0, world.size_m / 2 - look.gsd_m * px / 2)
    x, y = (float(np.clip(v, -limit, limit)) for v in target)
    view = View(gsd_m=look.gsd_m, hfov_deg=8.0, off_nadir_deg=look.off_nadir_deg)
    pose = look_at(ENU(x, y, float(world.height_at(x, y))), view.distance_m(px), look.off_nadir_deg, AZIMUTH_DEG)
    camera = intrinsics(px, px, 8.0)
    drawn = render(scene, phase, pose, camera, LIGHT)
    depth = np.where(np.isfinite(drawn.depth), drawn.depth, 0).astype(np.float64)
    ground = (pose.position.array() + pixel_rays(pose, camera) * depth.reshape(-1, 1)).reshape(px, px, 3)[..., :2]
    use = np.where(depth > 0, world.land_use.at(ground[..., 0], ground[..., 1]), 0).astype(np.uint8)
    return Frame(drawn.rgb, drawn.material, SEMANTIC_OF[drawn.material], drawn.instance, use, ground)


def damage_of(scene: Scene, before: Frame) -> U8:
    """Grade (H, W) of the building that shows before in each pixel; 0 where none shows."""
    grades = grade_table(scene.package.aftermath.damage, int(before.instance.max(initial=0)))
    return np.where(before.semantic == CLASS_ID["building"], grades[before.instance], 0).astype(np.uint8)
