"""Sources that cannot be built: one clear line each, naming the file, what is wrong and what was expected."""

import json
import zipfile

import pytest
from place_files import (
    LAT,
    LON,
    MESH_TABLE,
    OsmFile,
    city_json,
    ems_package,
    obj_mesh,
    osm_village,
    rectangle,
)

from sim_bridge.errors import InputError
from sim_bridge.spec import Layout, Place, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.places import with_sources
from tools.scenes import scenes_of


def check_refused(match, kind, file, materials="", lat=LAT, lon=LON):
    place = Place(kind, str(file), lat, lon, str(materials))
    with pytest.raises(InputError, match=match) as caught:
        build_world(with_sources(SceneSpec(layout=Layout(size_m=140.0), place=place)))
    assert "\n" not in str(caught.value)
    assert caught.value.kind == "input"


def test_a_map_without_buildings(tmp_path):
    osm = OsmFile()
    osm.way([(-50, 0), (50, 0)], closed=False, highway="residential")
    osm.way(rectangle(0, 0), landuse="forest")
    check_refused(r"bare\.osm: no building in 1 areas", "osm", osm.write(tmp_path / "bare.osm"))


def test_a_footprint_without_area_is_named(tmp_path):
    osm = OsmFile()
    osm.way(rectangle(20, 20), building="house")
    number = osm.way([(0, 0), (10, 10), (20, 20), (10, 10)], building="yes")
    check_refused(rf"way {number}: the footprint has no area and cannot be repaired", "osm",
                  osm.write(tmp_path / "a.osm"))


def test_a_truncated_extract(real, tmp_path):
    whole = (real / "osm" / "helsinki_centre.osm.pbf").read_bytes()
    (tmp_path / "cut.osm.pbf").write_bytes(whole[:len(whole) // 2])
    check_refused(r"cut\.osm\.pbf: not a whole OpenStreetMap file \(PBF error", "osm", tmp_path / "cut.osm.pbf")


def test_a_broken_xml(tmp_path):
    (tmp_path / "cut.osm").write_text('<osm version="0.6"><node id="1"')
    check_refused(r"cut\.osm: not a whole OpenStreetMap file", "osm", tmp_path / "cut.osm")


def test_a_missing_file(tmp_path):
    check_refused(r"gone\.osm: cannot be read \(No such file", "osm", tmp_path / "gone.osm")


def test_a_place_without_a_file():
    with pytest.raises(InputError, match=r"place\.file is empty: expected the file of the osm place"):
        with_sources(SceneSpec(place=Place("osm")))


def test_a_square_without_buildings(tmp_path):
    check_refused(r"no building within 140 m about 42\.80000, 13\.20000", "osm", osm_village(tmp_path / "v.osm"),
                  lat=LAT + 0.1)


def test_a_package_without_grades(tmp_path):
    folder = ems_package(tmp_path / "p", layer="settlements_poly", field="nam")
    check_refused(r"no layer of graded buildings among .*transportation_line", "ems", folder)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    check_refused(r"empty\.zip: no layer of graded buildings among none", "ems", tmp_path / "empty.zip")


def test_a_zip_that_is_none(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    check_refused(r"bad\.zip: not a whole zip file", "ems", tmp_path / "bad.zip")


def test_a_package_without_a_coordinate_system(tmp_path):
    folder = ems_package(tmp_path / "p")
    for file in folder.glob("*settlements*.prj"):
        file.unlink()
    check_refused(r"settlements_poly_grading\.shp: no coordinate system: expected a \.prj file", "ems", folder)


def test_a_truncated_shapefile(tmp_path):
    folder = ems_package(tmp_path / "p")
    path = next(folder.glob("*settlements*.shp"))
    path.write_bytes(path.read_bytes()[:60])
    check_refused(r"settlements_poly_grading\.shp: cannot be read", "ems", folder)


def test_city_models(tmp_path):
    check_refused(r"metadata\.referenceSystem is '': expected an EPSG code", "cityjson",
                  city_json(tmp_path / "a.json", reference=""))
    check_refused(r"version 1\.0: expected CityJSON 1\.1 or 2\.0", "cityjson",
                  city_json(tmp_path / "b.json", version="1.0"))
    check_refused(r"no Building with faces among 0 objects", "cityjson", city_json(tmp_path / "c.json", houses=0))
    (tmp_path / "d.json").write_text("{")
    check_refused(r"d\.json: cannot be read as JSON", "cityjson", tmp_path / "d.json")
    document = json.loads(city_json(tmp_path / "e.json").read_text())
    document["vertices"] = document["vertices"][:5]
    (tmp_path / "e.json").write_text(json.dumps(document))
    check_refused(r"e\.json: house-0: names a vertex that is not there", "cityjson", tmp_path / "e.json")


def test_a_mesh_without_materials(tmp_path):
    table = tmp_path / "table.toml"
    table.write_text(MESH_TABLE)
    check_refused(r"plain\.obj: faces without a material", "mesh", obj_mesh(tmp_path / "plain.obj", materials=False),
                  table)


def test_a_material_that_no_row_maps(tmp_path):
    table = tmp_path / "table.toml"
    table.write_text('[materials]\n"Wall*" = "wall_brick"\n"Roof*" = "building"\nGrass = "grass"\n')
    check_refused(r"material 'Asphalt' is not in the table", "mesh", obj_mesh(tmp_path / "town.obj"), table)


@pytest.mark.parametrize(("text", "match"), [
    ('[materials]\n"Wall*" = "marzipan"\n', r"'Wall\*' = 'marzipan': expected a material of materials\.TABLE"),
    ('up = "x"\n', r"up is 'x'"),
    ("colour = 1\n", r"key 'colour' is not known"),
    ("[materials", r"is not TOML"),
    ('[materials]\n"*" = "grass"\n', r"no face has a building material"),
])
def test_tables_of_materials(tmp_path, text, match):
    table = tmp_path / "table.toml"
    table.write_text(text)
    check_refused(match, "mesh", obj_mesh(tmp_path / "town.obj"), table)


def test_a_mesh_without_a_table(tmp_path):
    check_refused(r"place\.materials is empty", "mesh", obj_mesh(tmp_path / "town.obj"))


@pytest.mark.parametrize("content", [b"glTF\x02\x00\x00\x00", b"no mesh at all", b""])
def test_a_mesh_that_is_none(tmp_path, content):
    table = tmp_path / "table.toml"
    table.write_text(MESH_TABLE)
    (tmp_path / "bad.glb").write_bytes(content)
    check_refused(r"bad\.glb: cannot be read as a mesh", "mesh", tmp_path / "bad.glb", table)


def test_campaign_files_take_a_base(tmp_path):
    file = osm_village(tmp_path / "village.osm")
    place = {"kind": "osm", "file": str(file)}
    space = {"earthquake.magnitude": [6, 7], "hazard.kind": {"options": ["earthquake"]}}
    drawn = scenes_of({"base": {"place": place, "layout": {"size_m": 150}}, "scenes": 3, "space": space}, None, "f")
    assert len({spec.scene_id for spec in drawn}) == 3
    assert all(spec.place.file == str(file) and len(spec.sources) == 1 and spec.layout.size_m == 150 for spec in drawn)
    listed = scenes_of({"scene": [{"place": place}]}, None, "f")
    assert listed[0].sources == drawn[0].sources
    with pytest.raises(InputError, match=r"base\.osm: cannot be read"):
        scenes_of({"base": {"place": {"kind": "osm", "file": str(tmp_path / "base.osm")}}, "space": {}}, None, "f")
