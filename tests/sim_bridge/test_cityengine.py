"""CityEngine rule packages: what grows, where, of what class; the same bytes everywhere; one clear line if it fails."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.hazards import strike
from sim_bridge.labels import SEMANTIC_OF, cast_labels
from sim_bridge.space import space_from_json
from sim_bridge.spec import Earthquake, Fire, Layout, RulePackage, SceneSpec, View, from_json, to_json
from sim_bridge.world import cityengine, grown
from sim_bridge.world.build import build_world
from sim_bridge.world.cityengine import TERMS, grow
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building
from sim_bridge.world.package import build_package, read_package
from sim_bridge.world.prt import attribute_problem

runtime = pytest.mark.skipif(importlib.util.find_spec("pyprt") is None, reason="needs the extra cityengine")
L_SHAPE = ((3.0, 4.0), (23.0, 4.0), (23.0, 10.0), (11.0, 10.0), (11.0, 18.0), (3.0, 18.0))


def building(number=7, footprint=L_SHAPE, **given):
    return Building(number, footprint, 12.5, 3.0, 5.0, "gable", "wood_light", "house", "roof_shingle_grey",
                    "wall_wood", 0.0, **given)


def lived_in(spec):
    """The scene with the first seed whose place has buildings."""
    seeds = (replace(spec, seed=seed) for seed in range(40))
    return next(given for given in seeds if len(build_world(given).buildings) > 2)


def triangle_areas(mesh, flat=False):
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return cross[:, 2] / 2 if flat else np.linalg.norm(cross, axis=1) / 2


@pytest.fixture(scope="module")
def packages(request):
    folder = request.getfixturevalue("real") / "cityengine"
    return {path.stem: str(path) for path in folder.glob("*.rpk")}


def rule(packages, name="extrusion_rule", **attributes):
    return RulePackage(packages[name], "*", tuple(sorted(attributes.items())))


@runtime
def test_an_extruded_plan_is_a_prism_on_its_footprint(packages):
    plan = building(holes=(((5.0, 6.0), (5.0, 8.0), (7.0, 8.0), (7.0, 6.0)),))
    (after,), mesh = grow([plan], [rule(packages, minBuildingHeight=6.0, maxBuildingHeight=6.001)], 1)
    up = triangle_areas(mesh, flat=True)
    roof = SEMANTIC_OF[mesh.material] == CLASS_ID["building"]
    area = shapely.Polygon(plan.footprint, plan.holes).area
    assert up[(up > 0) & roof].sum() == pytest.approx(area, rel=1e-3)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert np.allclose([low, high], [[3, 4, 12.5], [23, 18, 18.5]], atol=2e-3)
    assert (after.eaves_m, after.ridge_m) == pytest.approx((6, 6), abs=2e-3)
    assert after.custom and after.roof == "custom" and after.storeys == 2
    assert after.footprint == plan.footprint and after.id == plan.id
    assert set(mesh.instance) == {7}


@runtime
def test_faces_look_outward(packages):
    _, mesh = grow([building()], [rule(packages)], 1)
    corners = mesh.vertices[mesh.faces].astype(np.float64) - np.array([10.0, 8.0, 12.5])
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(shapely.Polygon(L_SHAPE).area * np.ptp(mesh.vertices[:, 2]), rel=1e-3)


@runtime
def test_clockwise_footprints_stand_up_too(packages):
    (after,), mesh = grow([building(footprint=L_SHAPE[::-1])], [rule(packages)], 1)
    assert mesh.vertices[:, 2].min() == pytest.approx(12.5) and after.ridge_m > 5


@runtime
def test_a_use_takes_its_own_package_first_and_others_stay(packages):
    town = [building(1), replace(building(2), use="barn"), replace(building(3), use="church"),
            replace(building(4), custom=True)]
    own = RulePackage(packages["extrusion_rule"], "barn", (("minBuildingHeight", 40.0), ("maxBuildingHeight", 40.1)))
    after, mesh = grow(town, [own, rule(packages, minBuildingHeight=5.0, maxBuildingHeight=9.0)], 1)
    assert after[1].ridge_m == pytest.approx(40, abs=0.2) and after[0].ridge_m < 10 and after[2].ridge_m < 10
    assert after[3] is town[3] and set(mesh.instance) == {1, 2, 3}
    only, _ = grow(town, [own], 1)
    assert [b.custom for b in only] == [False, True, False, True]


@runtime
def test_what_grows_depends_on_seed_and_building_alone(packages):
    a, b = building(1), building(2, tuple((x + 40, y) for x, y in L_SHAPE))
    together, _ = grow([a, b], [rule(packages)], 5)
    alone, _ = grow([b], [rule(packages)], 5)
    assert alone[0] == together[1]
    assert together[0].ridge_m != together[1].ridge_m
    assert grow([b], [rule(packages)], 6)[0][0].ridge_m != alone[0].ridge_m


@runtime
def test_the_same_bytes_in_another_process_and_another_order(packages, tmp_path):
    spec = replace(lived_in(SceneSpec(layout=Layout("village", size_m=100.0))), rules=(
        RulePackage(packages["candler"], "*", (("BuildingHeight", 28.0),)),))
    other = replace(spec, seed=spec.seed + 1)
    for scene in (other, spec):
        build_package(tmp_path / "here", scene)
    text = json.dumps(to_json(spec))
    code = (f"import json; from pathlib import Path; from sim_bridge.spec import from_json; "
            f"from sim_bridge.world.package import build_package; "
            f"build_package(Path({str(tmp_path / 'there')!r}), from_json(json.loads({text!r})))")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    names = ["before.glb", "after.glb", "static.glb", "world.json", "ground_before.png"]
    files = [[(tmp_path / where / spec.world_id / name).read_bytes() for name in names] for where in ("here", "there")]
    assert files[0] == files[1]
    assert any(b.custom for b in read_package(tmp_path / "here" / spec.world_id).world.buildings)


@runtime
@pytest.mark.parametrize(("attributes", "words"), [
    ({"height": 3.0}, ["attribute 'height' is not known", "minBuildingHeight"]),
    ({"minBuildingHeight": "tall"}, ["minBuildingHeight is 'tall'", "expected a number"]),
    ({"minBuildingHeight": True}, ["minBuildingHeight is True", "expected a number"]),
])
def test_wrong_attributes_are_one_clear_line(packages, attributes, words):
    check_refused([building()], [rule(packages, **attributes)], ["extrusion_rule.rpk", *words])


@runtime
def test_a_value_out_of_the_packages_range_is_refused(packages):
    check_refused([building()], [rule(packages, "candler", BuildingHeight=1000.0)], ["1000", "expected 28 to 150"])


@runtime
def test_files_that_are_no_package_are_one_clear_line(tmp_path):
    fake = tmp_path / "fake.rpk"
    fake.write_text("no archive")
    check_refused([building()], [RulePackage(str(fake))], ["fake.rpk", "no rule package: expected"])
    check_refused([building()], [RulePackage(str(tmp_path / "gone.rpk"))], ["gone.rpk is missing"])


@runtime
def test_a_footprint_that_fails_names_package_building_and_reason(packages):
    sliver = building(31, ((0.0, 0.0), (10.0, 0.0), (10.0, 0.0002), (0.0, 0.0002)))
    check_refused([building(30), sliver], [rule(packages)], ["extrusion_rule.rpk", "building 31", "no valid meshes"])
    crossed = building(32, ((0.0, 0.0), (9.0, 9.0), (9.0, 0.0), (0.0, 9.0)))
    check_refused([crossed], [rule(packages)], ["building 32", "not a simple polygon"])


def check_refused(buildings, rules, words):
    with pytest.raises(InputError) as caught:
        grow(buildings, rules, 1)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_without_the_extra_one_line_says_how_and_on_what_terms(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_refused([building()], [RulePackage("any.rpk")], ["pip install 'mage-disaster[cityengine]'", TERMS])
    assert grow([building()], [], 1)[0] == (building(),)


@runtime
def test_the_terms_are_said_once(packages, capsys):
    cityengine._say_terms.cache_clear()
    for _ in range(2):
        grow([building()], [rule(packages)], 1)
    captured = capsys.readouterr()
    assert captured.err.count(TERMS) == 1 and captured.out == ""


@runtime
@pytest.mark.parametrize(("script", "words"), [
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "runtime stopped with code -11"),
    ("import time; time.sleep(60)", "took more than 1 s on 1 buildings"),
    ("print('[PRT] [error] generate failed, exception caught: no room')", "fails on building 7: generate failed"),
    ("", "it grew nothing and said nothing"),
])
def test_a_runtime_that_dies_hangs_or_fails_is_one_clear_line(packages, tmp_path, monkeypatch, script, words):
    (tmp_path / "prt.py").write_text(script)
    monkeypatch.setattr(cityengine, "_RUNTIME", tmp_path / "prt.py")
    monkeypatch.setattr(cityengine, "_TIMEOUT_S", 1)
    check_refused([building()], [rule(packages)], ["extrusion_rule.rpk", words])


@runtime
def test_too_many_triangles_are_refused(packages, monkeypatch):
    monkeypatch.setattr(cityengine, "MOST_FACES", 20)
    check_refused([building(1), building(2)], [rule(packages)], ["more than 20 triangles"])


@runtime
def test_reported_areas_find_their_faces(packages, tmp_path):
    """extrusion_rule reports the parcel's area, which is its roof's."""
    cityengine._run(rule(packages), [building(5), building()], 1, tmp_path)
    text = (tmp_path / "CGAReport.txt").read_text().replace("'Parcel Area.0'", "'mage.class.roof_slate.0'")
    (tmp_path / "CGAReport.txt").write_text(text)
    reported = cityengine._reports(tmp_path / "CGAReport.txt")
    assert reported[1] == {"roof_slate": pytest.approx(shapely.Polygon(L_SHAPE).area)}
    soup = grown.read_soup(tmp_path / "m_b7.obj", grown.read_paints(tmp_path / "m.mtl"))
    found = grown.classified(soup, reported[1]) == INDEX["roof_slate"]
    top = soup.corners[..., 2].max()
    assert np.array_equal(found, (soup.corners[..., 2] == top).all(axis=1))
    assert not (grown.classified(soup, {}) == INDEX["roof_slate"]).any()


GROUPS = st.dictionaries(st.integers(0, 40), st.floats(1, 500), min_size=2, max_size=8)


@given(GROUPS, st.data())
def test_what_a_report_explains_adds_up_to_it(groups, data):
    chosen = data.draw(st.sampled_from(sorted(groups)))
    reports = {"roof": groups[chosen], "wall": data.draw(st.floats(1, 900))}
    told = grown.explained(groups, reports)
    for name, area in reports.items():
        took = sum(groups[g] for g, value in told.items() if value == name)
        assert took == 0 or took == pytest.approx(area, rel=0.021)


def test_groups_are_told_by_their_areas():
    told = grown.explained({0: 100.0, 1: 60.0, 2: 40.0, 3: 7.0}, {"roof": 100.0, "wall": 100.2, "tree": 300.0})
    assert told == {0: "wall", 1: "roof", 2: "roof"} or told == {0: "roof", 1: "wall", 2: "wall"}


GREY = grown.Paint("", "", (0.4, 0.4, 0.4))


def soup(faces, paints=(GREY,)):
    corners, paint = zip(*faces, strict=True)
    return grown.Soup(np.array(corners, np.float64), np.array(paint), tuple(paints))


def level(z, paint=0):
    return ([(0, 0, z), (4, 0, z), (0, 4, z)], paint)


WALL = ([(0, 0, 0), (4, 0, 0), (0, 0, 3)], 0)


def names(found):
    return [TABLE[k].name for k in found]


def test_slope_and_height_tell_roof_wall_and_pavement():
    found = grown.classified(soup([level(0.05), level(6.0), WALL]), {})
    classes = [(TABLE[k].semantic, TABLE[k].surface) for k in found]
    assert classes == [(CLASS_ID["paved"], 0), (CLASS_ID["building"], 1), (CLASS_ID["building"], 2)]


def test_names_of_materials_and_textures_win_over_slope():
    grey = (0.4, 0.4, 0.4)
    paints = [grown.Paint("mage.grass", "", grey), grown.Paint("", "brick_03.jpg", grey),
              grown.Paint("", "windowTiles.jpg", grey), grown.Paint("mage.roof_slate", "", grey)]
    upright = [([*WALL[0]], k) for k in range(4)]
    assert names(grown.classified(soup([level(6.0), *upright[1:]], paints), {})) == \
        ["lawn", "wall_brick", "window", "roof_slate"]


def test_an_unknown_class_is_refused():
    with pytest.raises(InputError, match="class 'moat' of a rule package is not known: expected one of roof, wall"):
        grown.classified(soup([level(6.0)]), {"moat": 8.0})


def test_colours_become_tints():
    metal = TABLE[INDEX["roof_metal"]].albedo
    half = grown.Paint("mage.roof_metal", "", tuple(v / 2 for v in metal))
    mesh = grown.grown_mesh(soup([level(6.0)], [half]), {}, 3)
    assert mesh.tint[0].tolist() == pytest.approx([64, 64, 64], abs=1)


@given(st.permutations(range(5)), st.permutations(("a", "b")))
def test_triangles_come_in_an_order_of_their_own(order, materials):
    """PRT writes materials in another order in each process, and numbers them anew."""
    number = dict(zip(("red", "blue"), materials, strict=True))
    body = {"red": "1 0 0", "blue": "0 0 1"}
    faces = [f"usemtl {number['red' if k % 2 else 'blue']}\nf {k + 1} {k + 2} {k + 3}" for k in range(5)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"newmtl {number[c]}\nKd {body[c]}" for c in (("red", "blue") if materials[0] == "a" else
                                                               ("blue", "red"))]
        renamed = [line.replace("newmtl a", "newmtl CityEngineMaterial_3").replace("newmtl b",
                   "newmtl CityEngineMaterial") for line in lines]
        (folder / "m.mtl").write_text("\n".join(renamed))
        points = "\n".join(f"v {x} {x * x % 7} {x % 3}" for x in range(7))
        text = points + "\n" + "\n".join(faces[k] for k in order)
        text = text.replace("usemtl a", "usemtl CityEngineMaterial_3").replace("usemtl b", "usemtl CityEngineMaterial")
        (folder / "m.obj").write_text(text)
        found = grown.read_soup(folder / "m.obj", grown.read_paints(folder / "m.mtl"))
    assert len(found.corners) == 5
    assert found.paints[0].albedo[2] > 0.5 and found.paints[1].albedo[0] > 0.5
    assert found.paint.tolist() == [0, 0, 0, 1, 1]
    assert [c.tolist() for c in found.corners] == sorted(c.tolist() for c in found.corners[:3]) + sorted(
        c.tolist() for c in found.corners[3:])


INFO = {"h": {"type": "float", "annotations": [["@Range", ["min", 1.0], ["max", 5.0]]]},
        "free": {"type": "float", "annotations": [["@Range", ["min", 1.0], ["max", 5.0], ["restricted", False]]]},
        "kind": {"type": "string", "annotations": [["@Enum", ["#NULL#", "a"], ["#NULL#", "b"]]]},
        "on": {"type": "bool", "annotations": []}}


@pytest.mark.parametrize(("given", "problem"), [
    ({"h": 5.0, "free": 9.0, "kind": "a", "on": True}, ""), ({"h": 5.1}, "attribute h is 5.1: expected 1 to 5"),
    ({"kind": "c"}, "attribute kind is 'c': expected one of a, b"),
    ({"on": 1.0}, "attribute on is 1.0: expected true or false"),
    ({"x": 1.0}, "attribute 'x' is not known: expected one of free, h, kind, on"),
])
def test_attributes_are_checked_against_the_package(given, problem):
    assert attribute_problem(INFO, given) == problem


def test_attributes_are_part_of_the_scene_and_of_its_space():
    base = from_json({"rules": [{"file": "a.rpk", "use": "house", "attributes": {"h": 3, "on": True}}]})
    space = space_from_json({"rules.house.h": [2.0, 6.0], "layout.density": [0.2, 0.8]}, base)
    low, high = (space.decode([0.5, u], 0) for u in (0.0, 1.0))
    assert dict(low.rules[0].attributes) == {"h": 2.0, "on": True} and dict(high.rules[0].attributes)["h"] == 6.0
    assert low.world_id != high.world_id and from_json(to_json(low)) == low
    moved = replace(low, rules=(replace(low.rules[0], file="elsewhere/a.rpk"),))
    assert moved.world_id == low.world_id
    with pytest.raises(InputError, match=r"rules\.barn\.h names no rule package"):
        space_from_json({"rules.barn.h": [2.0, 6.0]}, base)


@runtime
@pytest.mark.parametrize(("hazard", "worst"), [
    (Earthquake(magnitude=9.0, epicentre_distance_km=0.0, depth_km=5.0, code="pre"), 3),
    (Fire(hours=12.0, wind_speed_ms=18.0, fuel_moisture=0.03), 4)])
def test_hazards_strike_what_grew(packages, tmp_path, hazard, worst):
    grow_all = (rule(packages, minBuildingHeight=3.0, maxBuildingHeight=9.0),)
    seeds = (SceneSpec(seed=k, layout=Layout(size_m=160.0, density=0.9), hazard=hazard, rules=grow_all)
             for k in range(40))
    spec = next(s for s in seeds if worst_grade(s) >= worst)
    package = read_package(build_package(tmp_path, spec))
    world, aftermath = package.world, package.aftermath
    grades = {d.id: d.grade for d in aftermath.damage}
    assert all(b.custom for b in world.buildings) and max(grades.values()) >= worst
    changed = {b.id for b in world.buildings if not np.array_equal(triangles(world.before, b.id),
                                                                   triangles(aftermath.after, b.id))}
    assert {number for number, g in grades.items() if g >= 3} <= changed <= {n for n, g in grades.items() if g > 1}
    check_labels_follow(package, max(world.buildings, key=lambda b: grades[b.id]), grades)


def worst_grade(spec):
    """Of our own buildings: places differ in whether fire comes to them."""
    own = replace(spec, rules=())
    return max((d.grade for d in strike(build_world(own), own).damage), default=0)


def triangles(mesh, number):
    return mesh.vertices[mesh.faces[mesh.instance == number]]


def check_labels_follow(package, struck, grades):
    """The building shows as one before, with its grade; where it is destroyed, hardly any of it does after."""
    centre = np.mean(struck.footprint, axis=0)
    pose = look_at(ENU(*centre, struck.base_m), View(gsd_m=0.3).distance_m(96), 0, 0)
    labels = cast_labels(Scene(package), pose, pose, intrinsics(96, 96, 15))
    mine = (labels.instance == struck.id) & (labels.before_semantic == CLASS_ID["building"])
    assert mine.sum() > 50 and set(labels.damage[mine]) == {grades[struck.id]}
    standing = (labels.after_semantic[mine] == CLASS_ID["building"]).mean()
    assert standing < (0.5 if grades[struck.id] == 4 else 0.99)
