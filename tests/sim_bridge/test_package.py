"""World packages: what is written comes back; what is broken is named in one line."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.hazards import strike
from sim_bridge.spec import Earthquake, Fire, Flood, Hazard, Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.gltf import MAX_INSTANCE, read_glb, write_glb
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import (
    Aftermath,
    Building,
    BuildingDamage,
    Grid,
    Mesh,
    Street,
    Tree,
    Vehicle,
    World,
)
from sim_bridge.world.package import build_package, read_package, write_package

SPEC = SceneSpec(seed=3)


def box(material: str, instance: int) -> Mesh:
    """Four corners of a tetrahedron, odd numbers on purpose."""
    vertices = np.array([[0, 0, 0], [1.1, 0, 0.3], [0, 2.7, 0], [0.1, 0.2, 3.3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.uint32)
    tint = np.array([[1, 2, 3], [128, 128, 128], [128, 128, 128], [255, 0, 7]], np.uint8)
    return Mesh(vertices, faces, np.full(4, INDEX[material], np.uint16), np.full(4, instance, np.uint32), tint)


def tiny_world() -> World:
    house = Building(7, ((-5.0, -4.0), (5.0, -4.0), (5.0, 4.25), (-5.0, 4.0)), 1.5, 3.0, 5.1, "gable", "wood_light",
                     "house", "roof_shingle_grey", "wall_plaster", 12.5)
    ground = np.arange(80 * 60).reshape(80, 60) % (len(TABLE) - 1) + 1
    terrain = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    return World(
        SPEC.world_id, 3, 100.0, Geodetic(38.47, -122.72), Grid(terrain, -50.0, -50.0, 50.0),
        Grid(ground.astype(np.uint8), -50.0, -50.0, 0.25), Grid(np.full((7, 9), 2, np.uint8), -50.0, -50.0, 1.0),
        (house,), (Tree(1.0, 2.0, 0.1, 8.0, 2.5, "conifer"),),
        (Vehicle(3.0, 4.0, 0.2, 30.0, 4.5, 1.8, "car", (200, 10, 128)),),
        (Street(1, ((0.0, 0.0), (9.5, 1.0)), 7.0, "residential"),), None, (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),),
        box("ground", 0), Mesh.concatenate([box("roof_tile_red", 7), box("wall_wood", 7)]),
        {"layout": {"size_m": 100.0}},
    )


def tiny_aftermath(world: World) -> Aftermath:
    depth = Grid(np.array([[0.0, np.nan], [1.25, 3.0]], np.float32), -50.0, -50.0, 50.0)
    ground = replace(world.ground, values=np.full_like(world.ground.values, INDEX["mud"]))
    return Aftermath({"kind": "flood", "stage_m": 2.0}, box("flood_water", 0), ground,
                     (BuildingDamage(7, "inundated", 3, "flood depth 1.3 m"),), {"depth_m": depth}, (1,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = tiny_world()
    return write_package(tmp_path, SPEC, world, tiny_aftermath(world))


def soup(mesh: Mesh) -> list[bytes]:
    """Every triangle with its corners, material, instance and tint; each turned to start at its smallest corner."""
    corners = mesh.vertices[mesh.faces] + np.float32(0)
    rows = []
    for triangle, *rest in zip(corners, mesh.material, mesh.instance, mesh.tint, strict=True):
        start = min(range(3), key=lambda i: tuple(triangle[i]))
        rows.append(np.roll(triangle, -start, axis=0).tobytes() + b"".join(part.tobytes() for part in rest))
    return sorted(rows)


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    count, faces = draw(st.integers(3, 9)), draw(st.integers(0, 12))
    coordinates = st.floats(-4096, 4096, width=32, allow_subnormal=False)
    return Mesh(
        draw(hnp.arrays(np.float32, (count, 3), elements=coordinates)),
        draw(hnp.arrays(np.uint32, (faces, 3), elements=st.integers(0, count - 1))),
        draw(hnp.arrays(np.uint16, faces, elements=st.integers(0, len(TABLE) - 1))),
        draw(hnp.arrays(np.uint32, faces, elements=st.sampled_from([0, 1, 77, MAX_INSTANCE - 1]))),
        draw(hnp.arrays(np.uint8, (faces, 3))),
    )


@settings(max_examples=60, deadline=None)
@given(mesh=meshes())
def test_glb_restores_every_triangle(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("glb") / "mesh.glb"
    write_glb(path, mesh, "mesh")
    assert soup(read_glb(path)) == soup(mesh)


def test_glb_is_y_up_and_right_handed(tmp_path: Path) -> None:
    write_glb(tmp_path / "m.glb", box("lawn", 1), "m")
    data = (tmp_path / "m.glb").read_bytes()
    size = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20:20 + size])
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert np.allclose(position["min"], [0, 0, -2.7]) and np.allclose(position["max"], [1.1, 3.3, 0])
    assert document["materials"][0]["extras"]["nir"] == TABLE[INDEX["lawn"]].nir
    assert len(data) == int.from_bytes(data[8:12], "little")


def test_instances_that_float32_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="16777216 does not fit"):
        write_glb(tmp_path / "m.glb", box("lawn", MAX_INSTANCE), "m")


def test_package_comes_back_whole(folder: Path) -> None:
    world, package = tiny_world(), read_package(folder)
    aftermath = tiny_aftermath(world)
    for mine, found in ((world, package.world), (aftermath, package.aftermath)):
        for name in (f.name for f in fields(mine)):
            one, other = getattr(mine, name), getattr(found, name)
            if isinstance(one, Mesh):
                assert soup(one) == soup(other), name
            elif isinstance(one, Grid):
                assert_same_grid(one, other)
            elif name != "fields":
                assert one == other, name
    assert_same_grid(aftermath.fields["depth_m"], package.aftermath.fields["depth_m"])


def assert_same_grid(one: Grid, other: Grid) -> None:
    np.testing.assert_array_equal(one.values, other.values)
    assert one.values.dtype == other.values.dtype
    assert (one.west_m, one.south_m, one.cell_m) == (other.west_m, other.south_m, other.cell_m)


def test_images_have_north_on_top(folder: Path) -> None:
    image = cv2.imread(str(folder / "ground_before.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(image, tiny_world().ground.values[::-1])


def test_loser_of_a_race_keeps_the_winner_and_leaves_nothing(folder: Path) -> None:
    world = tiny_world()
    before = (folder / "world.json").stat().st_mtime_ns
    assert write_package(folder.parent, SPEC, world, tiny_aftermath(world)) == folder
    assert (folder / "world.json").stat().st_mtime_ns == before
    assert [p.name for p in folder.parent.iterdir()] == [SPEC.world_id]


def test_package_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the root should be")
    world = tiny_world()
    with pytest.raises(InputError, match="cannot be written"):
        write_package(tmp_path / "root", SPEC, world, tiny_aftermath(world))


def check_refused(folder: Path, pattern: str) -> None:
    with pytest.raises(InputError, match=pattern) as caught:
        read_package(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["world.json", "static.glb", "before.glb", "after.glb", "ground_before.png",
                                  "ground_after.png", "land_use.png", "terrain.npy", "fields/depth_m.npy"])
def test_missing_truncated_and_scrambled_files_are_named(folder: Path, tmp_path: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for broken in (None, b"", data[:len(data) // 2], b"\x00" * len(data)):
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        (copy / name).unlink()
        if broken is not None:
            (copy / name).write_bytes(broken)
        check_refused(copy, name.rpartition("/")[2])
        shutil.rmtree(copy)


@pytest.mark.parametrize(("change", "pattern"), [
    ({"version": 3}, "version 3 is newer than 2"),
    ({"version": None}, "version"),
    ({"seed": "three"}, "seed: 'three' is not of type 'integer'"),
    ({"surprise": 1}, "surprise"),
    ({"fields": {"../../etc": {"west_m": 0, "south_m": 0, "cell_m": 1}}}, "fields"),
    ({"trees": [{"x": 1}]}, "trees/0"),
    ({"materials": [{**asdict(TABLE[1]), "name": "unobtainium"}]}, "unobtainium"),
    ({"materials": [asdict(TABLE[0])]}, "out of range"),
    ({"classes": {"hash": "0" * 16, "semantic": [], "grades": [], "land_use": [], "hazard_bits": {}}}, "class table"),
])
def test_wrong_values_in_world_json_are_named(folder: Path, change: dict[str, object], pattern: str) -> None:
    document = json.loads((folder / "world.json").read_text()) | change
    (folder / "world.json").write_text(json.dumps(document))
    check_refused(folder, pattern)


def test_unknown_material_of_a_mesh_is_named(folder: Path) -> None:
    path = folder / "after.glb"
    path.write_bytes(path.read_bytes().replace(b'"flood_water"', b'"unobtainium"'))
    check_refused(folder, "unobtainium")


@pytest.mark.parametrize("hazard", [Flood(stage_m=3.0), Earthquake(magnitude=7.8, epicentre_distance_km=2.0), Fire()])
def test_built_places_travel_through_files(tmp_path: Path, hazard: Hazard) -> None:
    spec = SceneSpec(seed=2, layout=Layout(size_m=120.0, water="river"), hazard=hazard)
    folder = build_package(tmp_path, spec)
    world = build_world(spec)
    aftermath, package = strike(world, spec), read_package(folder)
    assert package.world.buildings == world.buildings and package.aftermath.damage == aftermath.damage
    assert package.world.trees == world.trees and package.world.streets == world.streets
    assert package.aftermath.blocked_streets == aftermath.blocked_streets
    for mesh, found in ((world.static, package.world.static), (world.before, package.world.before),
                        (aftermath.after, package.aftermath.after)):
        assert len(mesh.faces) == len(found.faces)
        np.testing.assert_array_equal(np.bincount(mesh.material), np.bincount(found.material))
        np.testing.assert_array_equal(np.bincount(mesh.instance), np.bincount(found.instance))
    assert_same_grid(aftermath.ground, package.aftermath.ground)


def test_package_that_is_there_is_not_built_again(folder: Path) -> None:
    before = (folder / "world.json").stat().st_mtime_ns
    assert build_package(folder.parent, SPEC) == folder
    assert (folder / "world.json").stat().st_mtime_ns == before


def test_older_table_with_another_order_is_read_by_name(folder: Path) -> None:
    document = json.loads((folder / "world.json").read_text())
    mud, sand = INDEX["mud"], INDEX["sand"]
    table = document["materials"]
    table[mud], table[sand] = table[sand], table[mud]
    (folder / "world.json").write_text(json.dumps(document))
    assert set(np.unique(read_package(folder).aftermath.ground.values)) == {sand}
