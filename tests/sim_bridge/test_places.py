"""Real places as worlds: what a source says is there, what it does not say is marked as guessed."""

import json
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given
from hypothesis import strategies as st
from place_files import LAT, LON, MESH_TABLE, city_json, ems_package, gltf_mesh, obj_mesh, osm_village

from sim_bridge.classes import CLASS_ID, LAND_USE_ID
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, Geodetic, intrinsics, look_at
from sim_bridge.hazards import strike
from sim_bridge.hazards.grades import STATES
from sim_bridge.labels import SEMANTIC_OF
from sim_bridge.spec import (
    Earthquake,
    Fire,
    Flood,
    Layout,
    Light,
    NoHazard,
    Place,
    Replay,
    SceneSpec,
    View,
    to_json,
)
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.package import Package, build_package, read_package
from sim_bridge.world.places import with_sources
from sim_bridge.world.places.osm_tags import metres
from sim_bridge.world.places.survey import Footprint, Survey, concentration, cut
from sim_bridge.world.plants import trees_mesh

SIZE_M = 140.0
SEMANTIC = np.array([m.semantic for m in TABLE])


def spec_of(kind, file, materials="", size_m=SIZE_M, **other):
    layout = Layout(size_m=size_m, relief_m=3.0, dryness=0.2)
    where = {"lat_deg": LAT, "lon_deg": LON} if kind != "mesh" else {}
    place = Place(kind, str(file), materials=str(materials), **where)
    return with_sources(SceneSpec(seed=5, layout=layout, place=place, **other))


@pytest.fixture(scope="module")
def village(tmp_path_factory):
    return osm_village(tmp_path_factory.mktemp("osm") / "village.osm")


@pytest.fixture(scope="module")
def osm_world(village):
    return build_world(spec_of("osm", village))


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return ems_package(tmp_path_factory.mktemp("ems") / "package")


def at(world, x, y):
    return TABLE[int(world.ground.at(x, y))]


def building_at(world, x, y):
    point = shapely.Point(x, y)
    return next(b for b in world.buildings if shapely.Polygon(b.footprint, b.holes).contains(point))


def test_osm_buildings_carry_what_the_map_says(osm_world):
    house, church = building_at(osm_world, -45, 12), building_at(osm_world, -50, 34)
    assert (house.use, house.storeys, house.roof) == ("house", 2, "gable")
    assert {"storeys", "roof", "use"}.isdisjoint(house.guessed)
    assert {"wall_material", "ridge_m"} <= set(house.guessed)
    assert church.ridge_m == pytest.approx(20) and "ridge_m" not in church.guessed
    plain = building_at(osm_world, -45, -14)
    assert {"use", "storeys", "roof", "eaves_m"} <= set(plain.guessed)
    assert 2 < plain.eaves_m <= plain.ridge_m < 15


def test_a_courtyard_is_no_building_in_the_world_and_in_the_picture(osm_world):
    block = building_at(osm_world, 14, 50)
    assert len(block.holes) == 1 and block.storeys == 4
    assert shapely.Polygon(block.holes[0]).area == pytest.approx(120, rel=0.05)
    semantic, instance = labels(osm_world, 24, 41)
    middle = (slice(31, 34), slice(31, 34))
    assert (instance[middle] != block.id).all() and (semantic[middle] != CLASS_ID["building"]).all()
    assert block.id in instance


def labels(world, x, y, phase="before", aftermath=None, gsd_m=0.5, px=64):
    scene = Scene(Package(world, aftermath or strike(world, SceneSpec())))
    pose = look_at(ENU(x, y, float(world.height_at(x, y))), View(gsd_m=gsd_m).distance_m(px), 0.0, 0.0)
    out = render(scene, phase, pose, intrinsics(px, px, View().hfov_deg), Light())
    return SEMANTIC_OF[out.material], out.instance


def test_streets_land_water_and_trees_are_where_the_map_has_them(osm_world):
    assert at(osm_world, 30, 0.6).semantic == CLASS_ID["road"]
    assert at(osm_world, 0, -28).name == "sidewalk"
    assert osm_world.land_use.at(0, -46) == LAND_USE_ID["forest"]
    assert osm_world.land_use.at(-43, -47) == LAND_USE_ID["water"]
    assert labels(osm_world, -43, -47)[0][32, 32] == CLASS_ID["water"]
    assert osm_world.water_level_m is not None and len(osm_world.water) == 1
    told = [tree for tree in osm_world.trees if not tree.guessed]
    assert len(told) == 1 and told[0].height_m == pytest.approx(9)
    assert np.hypot(told[0].x, told[0].y - 6) < 0.2
    guessed = [tree for tree in osm_world.trees if tree.guessed]
    assert any(osm_world.land_use.at(t.x, t.y) == LAND_USE_ID["forest"] for t in guessed)
    kinds = {street.kind for street in osm_world.streets}
    assert kinds == {"residential", "path"}


def test_a_crossing_footprint_becomes_its_two_lobes(osm_world):
    assert osm_world.scene["repaired_footprints"] == 1
    lobes = [b for b in osm_world.buildings if 39 < np.mean(b.footprint, axis=0)[0] < 51
             and np.mean(b.footprint, axis=0)[1] < -29]
    assert len(lobes) == 2
    assert sum(shapely.Polygon(b.footprint).area for b in lobes) == pytest.approx(50, rel=0.05)


def test_footprints_never_overlap(osm_world):
    plans = [shapely.Polygon(b.footprint, b.holes) for b in osm_world.buildings]
    assert all(plan.is_valid for plan in plans)
    assert sum(plan.area for plan in plans) == pytest.approx(shapely.union_all(plans).area, rel=1e-6)


def test_the_same_place_is_the_same_bytes_wherever_its_file_lies(village, tmp_path):
    copy = tmp_path / "elsewhere.osm"
    copy.write_bytes(village.read_bytes())
    first, second = spec_of("osm", village), spec_of("osm", copy)
    assert (first.world_id, first.scene_id) == (second.world_id, second.scene_id)
    a, b = build_world(first), build_world(second)
    assert a.buildings == b.buildings and a.trees == b.trees and a.vehicles == b.vehicles
    for name in ("ground", "terrain", "land_use"):
        assert np.array_equal(getattr(a, name).values, getattr(b, name).values)
    assert np.array_equal(a.before.vertices, b.before.vertices)


def test_another_content_is_another_world_and_refused(village, tmp_path):
    spec = spec_of("osm", village)
    changed = tmp_path / "changed.osm"
    changed.write_text(village.read_text().replace('v="20"', 'v="21"'))
    assert spec_of("osm", changed).world_id != spec.world_id
    with pytest.raises(InputError, match=r"changed\.osm: not the file that scene\.sources was made from"):
        build_world(replace(spec, place=replace(spec.place, file=str(changed))))
    with pytest.raises(InputError, match=r"scene\.sources is empty"):
        build_world(replace(spec, sources=()))


def test_a_larger_cut_out_guesses_the_same_buildings(village, osm_world):
    larger = build_world(spec_of("osm", village, size_m=200.0))
    known = {tuple(np.round(np.mean(b.footprint, axis=0), 2)): (b.roof, b.wall_material) for b in larger.buildings}
    inner = [b for b in osm_world.buildings if b.use == "house"]
    assert inner
    assert all(known[tuple(np.round(np.mean(b.footprint, axis=0), 2))] == (b.roof, b.wall_material) for b in inner)


def test_ems_grades_come_from_the_words_and_doubt_is_no_grade(town):
    world = build_world(spec_of("ems", town))
    order = sorted(world.buildings, key=lambda b: np.mean(b.footprint, axis=0)[0])
    assert [world.source_grades.get(b.id) for b in order] == [1, 2, 3, 4, None]
    assert at(world, 0, 0).semantic == CLASS_ID["road"]
    assert world.land_use.at(0, -40) == LAND_USE_ID["agriculture"]
    rise = float(world.height_at(0, 60) - world.height_at(0, -60))
    assert rise == pytest.approx(15, abs=2.5)                   # contours 20 m apart over 160 m
    assert world.scene["guessed"]["terrain"] is False


@pytest.mark.parametrize("event", ["earthquake", "flood", "fire"])
def test_a_replay_gives_each_building_the_grade_of_its_source(town, event):
    spec = spec_of("ems", town, hazard=Replay(event=event))
    world = build_world(spec)
    aftermath = strike(world, spec)
    for row in aftermath.damage:
        told = world.source_grades.get(row.id)
        assert row.grade == (told or 1) == STATES[event][row.state]
        assert row.cause == (f"grade {told} in the source" if told else "no grade in the source")
    worst = next(b for b in world.buildings if world.source_grades.get(b.id) == 4)
    x, y = np.mean(worst.footprint, axis=0)
    semantic, _ = labels(world, x, y, "after", aftermath, gsd_m=0.2, px=32)
    assert np.mean(semantic[12:20, 12:20] == CLASS_ID["building"]) < 0.3
    unknown = next(b for b in world.buildings if b.id not in world.source_grades)
    kept = aftermath.after.material[aftermath.after.instance == unknown.id]
    assert sorted(kept) == sorted(world.before.material[world.before.instance == unknown.id])


def test_a_package_is_read_from_a_zip_with_junk_in_front(town, tmp_path):
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in town.iterdir():
            archive.write(file, f"inside/{file.name}")
    path.write_bytes(b"\r\n\r\n" + path.read_bytes())
    world = build_world(spec_of("ems", path))
    assert sorted(world.source_grades.values()) == [1, 2, 3, 4]


def test_current_names_of_layers_and_grades(tmp_path):
    grades = ("Destroyed", "Damaged", "Possibly damaged", "No visible damage", "Not Analysed")
    folder = ems_package(tmp_path / "new", grades, layer="builtUpA", field="damage_gra")
    world = build_world(spec_of("ems", folder))
    order = sorted(world.buildings, key=lambda b: np.mean(b.footprint, axis=0)[0])
    assert [world.source_grades.get(b.id) for b in order] == [4, 3, None, 1, None]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_cityjson_keeps_its_roofs_walls_and_heights(tmp_path, version):
    world = build_world(spec_of("cityjson", city_json(tmp_path / "city.json", version)))
    assert len(world.buildings) == 3
    order = sorted(world.buildings, key=lambda b: np.mean(b.footprint, axis=0)[0])
    assert all(b.custom and b.roof == "custom" and b.storeys == 2 and b.ridge_m == pytest.approx(8) for b in order)
    assert all(shapely.Polygon(b.footprint).area == pytest.approx(80, rel=0.01) for b in order)
    assert order[0].base_m < order[1].base_m < order[2].base_m
    own = world.before.instance == order[0].id
    surface = np.array([m.surface for m in TABLE])[world.before.material[own]]
    corners = world.before.vertices[world.before.faces[own]].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    assert (normal[surface == 1, 2] > 0.5).all() and np.abs(normal[surface == 2, 2]).max() < 1e-3
    centre = np.array([*np.mean(order[0].footprint, axis=0), order[0].base_m + 3])
    assert (((corners.mean(axis=1) - centre) * normal).sum(axis=1) > 0).all()       # all faces look outward


def test_an_obj_becomes_ground_streets_and_buildings(tmp_path):
    (tmp_path / "table.toml").write_text(MESH_TABLE)
    world = build_world(spec_of("mesh", obj_mesh(tmp_path / "town.obj"), tmp_path / "table.toml", size_m=100.0))
    assert len(world.buildings) == 2 and all(b.custom for b in world.buildings)
    # the middle of the two houses, 2.5 east and 16 north of the file's origin, is the middle of the world
    assert at(world, 20, -16).semantic == CLASS_ID["road"]
    assert at(world, 20, -30).semantic == CLASS_ID["grass"]
    assert float(world.height_at(0, 30) - world.height_at(0, -30)) == pytest.approx(3, abs=0.4)
    roofs = world.before.material[world.before.instance == world.buildings[0].id]
    assert set(roofs) == {INDEX["roof_tile_red"], INDEX["wall_brick"]}
    semantic, instance = labels(world, -17.5, 0)
    assert semantic[32, 32] == CLASS_ID["building"] and instance[32, 32] > 0


def test_gltf_nodes_that_share_a_mesh_are_two_buildings(tmp_path):
    (tmp_path / "table.toml").write_text('[materials]\nWall = "wall_brick"\nRoof = "building"\n')
    world = build_world(spec_of("mesh", gltf_mesh(tmp_path / "town.gltf"), tmp_path / "table.toml", size_m=100.0))
    xs = sorted(float(np.mean(b.footprint, axis=0)[0]) for b in world.buildings)
    assert np.diff(xs) == pytest.approx([30], abs=0.1)
    assert all(b.ridge_m == pytest.approx(6, abs=0.01) for b in world.buildings)


@pytest.mark.parametrize("hazard", [NoHazard(), Flood(stage_m=2.5), Earthquake(magnitude=7.5, epicentre_distance_km=3),
                                    Fire(hours=20)], ids=lambda h: h.kind)
@pytest.mark.parametrize("kind", ["osm", "cityjson"])
def test_every_hazard_strikes_places_and_the_package_keeps_them(kind, hazard, village, tmp_path):
    file = village if kind == "osm" else city_json(tmp_path / "city.json")
    spec = spec_of(kind, file, hazard=hazard, season_after="autumn")
    package = read_package(build_package(tmp_path / "worlds", spec))
    world = build_world(spec)
    assert package.world.buildings == world.buildings and package.world.trees == world.trees
    assert package.world.source_grades == world.source_grades
    assert np.array_equal(package.world.ground.values, world.ground.values)
    assert [row.id for row in package.aftermath.damage] == [b.id for b in world.buildings]
    if hazard.kind == "earthquake":
        assert max(row.grade for row in package.aftermath.damage) >= 3
    if hazard.kind == "fire":
        assert np.isfinite(package.aftermath.fields["arrival_min"].values).any()
    if hazard.kind == "flood":
        assert package.aftermath.fields["depth_m"].values.max() > 0


def test_the_mask_of_a_building_is_as_large_as_its_footprint(osm_world):
    bare = replace(osm_world, trees=(), before=without_trees(osm_world))
    church = building_at(osm_world, -50, 34)
    x, y = np.mean(church.footprint, axis=0)
    _, instance = labels(bare, x, y, gsd_m=0.25, px=128)
    distance = View(gsd_m=0.25).distance_m(128)
    nearer = (distance / (distance - church.ridge_m)) ** 2        # the roof is nearer to the camera than the ground
    area = np.count_nonzero(instance == church.id) * 0.25**2
    assert area == pytest.approx(shapely.Polygon(church.footprint).area * nearer, rel=0.05)


def without_trees(world):
    crowns = trees_mesh(world.trees, ["crown_broadleaf"] * len(world.trees))
    assert len(crowns.faces)
    mesh = world.before
    keep = (mesh.instance > 0) | ~np.isin(SEMANTIC[mesh.material], [CLASS_ID["tree"]])
    return replace(mesh, faces=mesh.faces[keep], material=mesh.material[keep], instance=mesh.instance[keep],
                   tint=mesh.tint[keep])


DIGEST = """
import hashlib, json, sys
from sim_bridge.spec import from_json
from sim_bridge.world.build import build_world
world = build_world(from_json(json.loads(sys.argv[1])))
parts = [world.before.vertices, world.before.material, world.static.vertices, world.ground.values]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts) + repr(world.buildings).encode()).hexdigest())
"""


@pytest.mark.parametrize("kind", ["osm", "mesh"])
def test_two_processes_build_the_same_bytes(kind, village, tmp_path):
    (tmp_path / "table.toml").write_text('[materials]\nWall = "wall_brick"\nRoof = "building"\n')
    spec = spec_of("osm", village) if kind == "osm" else \
        spec_of("mesh", gltf_mesh(tmp_path / "town.gltf"), tmp_path / "table.toml", size_m=100.0)
    found = {subprocess.run([sys.executable, "-c", DIGEST, json.dumps(to_json(spec))], capture_output=True, text=True,
                            check=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert len(found) == 1


@given(boxes=st.lists(st.tuples(*[st.floats(-60, 60)] * 2, *[st.floats(3, 40)] * 2, st.floats(0, 90)), min_size=1,
                      max_size=12))
def test_footprints_after_the_cut_lie_in_the_square_and_share_no_ground(boxes):
    plans = [shapely.affinity.rotate(shapely.box(x, y, x + w, y + d), turn) for x, y, w, d, turn in boxes]
    survey = Survey(Geodetic(LAT, LON), tuple(Footprint(str(k), plan) for k, plan in enumerate(plans)))
    try:
        kept = [f.polygon for f in cut(survey, 100.0, "boxes").footprints]
    except InputError:
        kept = []
    union = shapely.union_all(plans).intersection(shapely.box(-49.5, -49.5, 49.5, 49.5))
    assert all(plan.is_valid and plan.exterior.is_ccw for plan in kept)
    assert sum(plan.area for plan in kept) <= union.area + 0.1 * sum(plan.length for plan in kept) + 1e-6
    assert shapely.union_all(kept).difference(union.buffer(0.15)).area < 1e-6


def test_numbers_of_tags():
    assert [metres(v) for v in ("12", "12.5 m", "3,5", "10 ft", "~4", None, "tall")] == \
        [12, 12.5, 3.5, pytest.approx(3.048), None, None, None]


def test_the_centre_is_where_buildings_crowd():
    rng = np.random.default_rng(0)
    towns = np.concatenate([rng.normal((0, 0), 60, (40, 2)), rng.normal((5000, 300), 60, (60, 2))])
    found = concentration(towns, 500)
    assert np.hypot(*(found - (5000, 300))) < 40


def test_helsinki_as_the_map_has_it(real):
    spec = with_sources(SceneSpec(seed=1, layout=Layout(size_m=400.0),
                                  place=Place("osm", str(real / "osm" / "helsinki_centre.osm.pbf"))))
    start = time.process_time()
    world = build_world(spec)
    assert time.process_time() - start < 15
    plans = [shapely.Polygon(b.footprint, b.holes) for b in world.buildings]
    assert 0.3 < sum(p.area for p in plans) / 400**2 < 0.7      # dense old blocks
    assert sum(bool(b.holes) for b in world.buildings) >= 5
    assert sum(not t.guessed for t in world.trees) > 20


@pytest.mark.parametrize("name", ["EMSR190_26USSITAAERIAL_GRADING_OVERVIEW_v2_vector.zip",
                                  "EMSR190_07TODIANO_GRADING_OVERVIEW_v2_vector.zip", "EMSR177"])
def test_real_packages(real, name):
    spec = with_sources(SceneSpec(seed=1, layout=Layout(size_m=300.0), hazard=Replay(),
                                  place=Place("ems", str(real / "copernicus_ems" / name))))
    world = build_world(spec)
    assert len(world.buildings) > 10
    aftermath = strike(world, spec)
    assert {row.id: row.grade for row in aftermath.damage if row.id in world.source_grades} == world.source_grades
