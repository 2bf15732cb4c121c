"""Labels against the world itself: rays met with its triangles by plain arithmetic, footprints, causes, and bytes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import shapely

from sim_bridge.classes import BURNT, CLASS_ID, DEBRIS, FLOODED
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, intrinsics, look_at, pixel_rays, project
from sim_bridge.hazards import STRIKES
from sim_bridge.labels import HAZARD_OF, SEMANTIC_OF, SURFACE_OF, cast_labels
from sim_bridge.spec import Earthquake, Fire, Flood, SceneSpec, Tsunami, View, Wind, to_json
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import GROUND
from sim_bridge.world.model import Mesh
from sim_bridge.world.package import build_package
from tools.showcase import place, struck

SIZE_M = 160.0
PX = 160
SCENES = {
    "suburb, fire": ("suburb", Fire(hours=5.0), 20.0),
    "town, earthquake": ("town", Earthquake(magnitude=7.4, epicentre_distance_km=4.0, code="pre"), 35.0),
    "riverside, flood": ("riverside", Flood(stage_m=3.0), 10.0),
    "old town, earthquake": ("old_town", Earthquake(magnitude=7.4, epicentre_distance_km=4.0, code="pre"), 0.0),
    "industrial, wind": ("industrial", Wind(gust_ms=75.0), 25.0),
    "coastal, tsunami": ("coastal", Tsunami(height_m=6.0), 15.0),
    "village, nothing": ("village", None, 30.0),
}
POSSIBLE = [name for name, (_, hazard, _) in SCENES.items() if hazard is None or hazard.kind in STRIKES]
ON_EDGE = 1e-3
"""Barycentric coordinate below which single precision may see a ray on either side of an edge."""
NEAR_M = 0.02


@dataclass(frozen=True)
class Taken:
    """A pair of frames of a scene and all that its labels are checked against."""

    package: object
    pose: object
    camera: object
    labels: object


@cache
def lived_in(settlement, size_m, least):
    """The first of the seeds whose place has enough buildings, and its world."""
    for seed in range(40):
        spec = place(settlement, size_m, seed)
        world = build_world(spec)
        if len(world.buildings) >= least:
            return spec, world
    raise AssertionError(f"no {settlement} of {size_m} m has {least} buildings")


@cache
def taken(name):
    settlement, hazard, tilt = SCENES[name]
    spec, world = lived_in(settlement, SIZE_M, 3)
    package = struck(world, spec, hazard or spec.hazard)
    view = View(gsd_m=0.5, hfov_deg=12.0, off_nadir_deg=tilt)
    pose = look_at(ENU(0, 0, float(world.height_at(0, 0))), view.distance_m(PX), tilt, 200.0)
    camera = intrinsics(PX, PX, view.hfov_deg)
    return Taken(package, pose, camera, cast_labels(Scene(package), pose, pose, camera))


def answers(mesh, ground, pose, camera, pixel):
    """(depth, material, instance) of all that the ray through a pixel's centre may be said to see: the nearest
    triangle by Moller and Trumbore (1997) in double precision, and what lies within its rounding."""
    row, column = divmod(pixel, camera.width)
    origin = pose.position.array()
    ray = pixel_rays(pose, camera)[pixel]
    found = _candidates(id(mesh), column + 0.5, row + 0.5)
    corners = mesh.vertices[mesh.faces[found]].astype(np.float64)
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(ray, other)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / np.einsum("ij,ij->i", edge, p)
        s = origin - corners[:, 0]
        u = scale * np.einsum("ij,ij->i", s, p)
        q = np.cross(s, edge)
        v = scale * (q @ ray)
        t = scale * np.einsum("ij,ij->i", other, q)
    least = np.minimum(np.minimum(u, v), 1 - u - v)
    size = np.maximum(np.linalg.norm(edge, axis=1), np.linalg.norm(other, axis=1))
    slack = np.maximum(ON_EDGE, 0.01 / np.maximum(size, 1e-6))
    met = (t > 0) & (least > -slack) & np.isfinite(t)
    sure = met & (least > slack)
    nearest = t[sure].min(initial=np.inf)
    told = set()
    for k in np.flatnonzero(met & (t <= nearest + NEAR_M)):
        point = origin + ray * t[k]
        face = found[k]
        if mesh.material[face] == GROUND:
            told |= {(round(float(t[k]), 3), int(m), int(mesh.instance[face])) for m in _cells(ground, point)}
        else:
            told.add((round(float(t[k]), 3), int(mesh.material[face]), int(mesh.instance[face])))
    return told


def _cells(ground, point, slack_m=0.01):
    """Values of the raster's cells that a point may be said to lie in."""
    ny, nx = ground.values.shape
    for dx in (-slack_m, slack_m):
        for dy in (-slack_m, slack_m):
            ix = int(np.clip((point[0] + dx - ground.west_m) // ground.cell_m, 0, nx - 1))
            iy = int(np.clip((point[1] + dy - ground.south_m) // ground.cell_m, 0, ny - 1))
            yield ground.values[iy, ix]


_BOXES = {}


def _candidates(key, x, y):
    low, high = _BOXES[key]
    return np.flatnonzero((low <= [x, y]).all(axis=1) & (high >= [x, y]).all(axis=1))


def whole_mesh(scene, phase):
    package = scene.package
    mesh = Mesh.concatenate([package.world.static, package.world.before if phase == "before"
                             else package.aftermath.after])
    pixels, _ = project(mesh.vertices.astype(np.float64), scene.pose, scene.camera)
    corners = pixels[mesh.faces]
    _BOXES[id(mesh)] = (corners.min(axis=1) - 0.5, corners.max(axis=1) + 0.5)
    return mesh


@pytest.mark.parametrize("name", POSSIBLE)
def test_two_hundred_pixels_say_what_the_triangles_say(name):
    scene = taken(name)
    labels, aftermath = scene.labels, scene.package.aftermath
    grades = {d.id: d.grade for d in aftermath.damage}
    pixels = np.random.default_rng(len(name)).choice(PX * PX, 200, replace=False)
    before, after = whole_mesh(scene, "before"), whole_mesh(scene, "after")
    wrong = []
    for pixel in pixels:
        at = np.unravel_index(pixel, (PX, PX))
        told = answers(before, scene.package.world.ground, scene.pose, scene.camera, pixel)
        expected = {(SEMANTIC_OF[m], i, SURFACE_OF[m], grades[i] if SEMANTIC_OF[m] == CLASS_ID["building"] else 0)
                    for _, m, i in told}
        stored = (labels.before_semantic[at], labels.instance[at], labels.surface[at], labels.damage[at])
        if told and stored not in expected:
            wrong.append((pixel, stored, expected))
        if not told and np.isfinite(labels.before_depth[at]):
            wrong.append((pixel, "sky"))
        if told and min(abs(t - labels.before_depth[at]) for t, _, _ in told) > 0.05:
            wrong.append((pixel, "depth", labels.before_depth[at], told))
        told = answers(after, aftermath.ground, scene.pose, scene.camera, pixel)
        stored = (labels.after_semantic[at], labels.after_hazard[at])
        if told and stored not in {(SEMANTIC_OF[m], HAZARD_OF[m]) for _, m, _ in told}:
            wrong.append((pixel, "after", stored, told))
    assert wrong == []


@pytest.mark.parametrize("settlement", ["suburb", "old_town", "town", "village"])
def test_masks_are_as_large_as_footprints(settlement):
    """From straight above, a mask covers its footprint but for what stands over it (trees, higher neighbours), and goes
    beyond it by no more than eaves, awnings and one pixel."""
    spec, world = lived_in(settlement, 260.0, 12)
    view = View(gsd_m=0.5, hfov_deg=2.0, off_nadir_deg=0.0)
    pose, camera = look_at(ENU(0, 0, 0), view.distance_m(3 * PX), 0, 0), intrinsics(3 * PX, 3 * PX, 2.0)
    labels = cast_labels(Scene(struck(world, spec, spec.hazard)), pose, pose, camera)
    scene = Taken(None, pose, camera, labels)
    centres = pixel_rays(scene.pose, scene.camera) * labels.before_depth.reshape(-1, 1)
    xy = (scene.pose.position.array() + centres)[:, :2]
    shows = np.where(labels.before_semantic == CLASS_ID["building"], labels.instance, 0).ravel()
    over = np.isin(labels.before_semantic.ravel(), [CLASS_ID["tree"], CLASS_ID["building"]])
    inside_frame = shapely.box(*(xy.min(axis=0) + 6), *(xy.max(axis=0) - 6))
    ratios = []
    for building in world.buildings:
        plan = shapely.Polygon(building.footprint, building.holes)
        if not inside_frame.contains(plan) or plan.area < 40:
            continue
        core, reach = plan.buffer(-0.6), plan.buffer(1.8)
        within = shapely.contains_xy(core, *xy.T)
        assert over[within].mean() > 0.97, building
        mine = shows == building.id
        assert shapely.contains_xy(reach, *xy[mine].T).mean() > 0.97, building
        hidden = (shapely.contains_xy(plan, *xy.T) & ~mine).sum()
        ratios.append((mine.sum() + hidden) * 0.25 / plan.area)
    assert len(ratios) >= 4
    assert 0.95 < np.median(ratios) < 1.35


@pytest.mark.parametrize("name", [n for n in POSSIBLE if n != "village, nothing"])
def test_every_changed_pixel_has_a_cause(name):
    scene = taken(name)
    changed, explained = causes(scene)
    assert changed.mean() > 0.01
    assert (changed & ~explained).sum() <= 2e-4 * changed.size, (changed & ~explained).sum() / changed.size


def test_nothing_changes_but_traffic_where_nothing_happened():
    changed, explained = causes(taken("village, nothing"))
    assert not (changed & ~explained).any()
    assert changed.mean() < 0.01


def causes(scene):
    """Pixels whose class or hazard flags changed, and pixels with a cause in the aftermath: (H, W) each."""
    labels, world, aftermath = scene.labels, scene.package.world, scene.package.aftermath
    changed = (labels.before_semantic != labels.after_semantic) | (labels.after_hazard > 0)
    depth = np.where(np.isfinite(labels.after_depth), labels.after_depth, labels.before_depth).reshape(-1, 1)
    xy = (scene.pose.position.array() + pixel_rays(scene.pose, scene.camera) * depth)[:, :2]
    vehicle = [CLASS_ID["vehicle"]]
    cause = np.isin(labels.before_semantic, vehicle) | np.isin(labels.after_semantic, vehicle)
    hit = [d.id for d in aftermath.damage if d.grade > 1]
    cause |= np.isin(labels.instance, hit)
    plans = shapely.union_all([shapely.Polygon(b.footprint).buffer(0.8 * b.ridge_m + 3) for b in world.buildings
                               if b.id in set(hit)])
    heap = ((labels.after_hazard & DEBRIS) > 0) | np.isin(labels.after_semantic, [CLASS_ID["rubble"],
                                                                                  CLASS_ID["building"]])
    cause |= shapely.contains_xy(plans, *xy.T).reshape(changed.shape) & heap
    for field, bit in (("depth_m", FLOODED), ("arrival_min", BURNT)):
        if field in aftermath.fields:
            cause |= reached(aftermath.fields[field], xy).reshape(changed.shape)
            assert (((labels.after_hazard & bit) > 0) & ~cause).sum() <= 2e-4 * changed.size
    if "gust_ms" in aftermath.fields:
        torn = heap | np.isin(labels.before_semantic, [CLASS_ID["tree"]]) | np.isin(labels.after_semantic,
                                                                                  [CLASS_ID["tree"]])
        cause |= torn & (aftermath.fields["gust_ms"].at(*xy.T).reshape(changed.shape) > 25)
    return changed, cause


def reached(grid, xy, around_m=8.0):
    """Points within a few metres (banks are muddy, crowns hang over) of a cell where a field is known and above 0."""
    hit = np.zeros(len(xy), np.bool_)
    for dx in np.linspace(-around_m, around_m, 9):
        for dy in np.linspace(-around_m, around_m, 9):
            value = grid.at(xy[:, 0] + dx, xy[:, 1] + dy)
            hit |= np.isfinite(value) & (value >= (0 if np.isnan(grid.values).any() else 1e-6))
    return hit


def test_the_same_bytes_in_two_processes_and_two_orders(tmp_path):
    specs = [replace(lived_in(SCENES[name][0], SIZE_M, 3)[0], hazard=SCENES[name][1] or SceneSpec().hazard)
             for name in POSSIBLE]
    for spec in specs:
        build_package(tmp_path / "here", spec)
    code = ("import json, sys; from pathlib import Path; from sim_bridge.spec import from_json; "
            "from sim_bridge.world.package import build_package; "
            "[build_package(Path(sys.argv[1]), from_json(v)) for v in reversed(json.loads(sys.argv[2]))]")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there"), json.dumps([to_json(s) for s in specs])],
                   check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    for spec in specs:
        ours = sorted(p for p in (tmp_path / "here" / spec.world_id).rglob("*") if p.is_file())
        assert len(ours) >= 8
        for path in ours:
            other = tmp_path / "there" / path.relative_to(tmp_path / "here")
            assert path.read_bytes() == other.read_bytes(), f"{spec.layout.settlement} {spec.hazard.kind}: {path.name}"

