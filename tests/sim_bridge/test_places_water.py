"""Coasts, rivers and bridges of mapped places."""

import numpy as np
import pytest
import shapely
from place_files import LAT, LON, OsmFile, rectangle

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.hazards import strike
from sim_bridge.labels import SEMANTIC_OF
from sim_bridge.spec import Layout, Light, Place, SceneSpec, View
from sim_bridge.world.build import build_world
from sim_bridge.world.package import Package
from sim_bridge.world.places import with_sources
from sim_bridge.world.places.osm import sea


def test_the_sea_lies_to_the_right_of_a_coastline():
    coast = shapely.LineString([(-200, 0), (-30, 20), (0, -20), (200, 0)])        # eastward: water in the south
    water = shapely.union_all(sea([coast], 100.0))
    assert water.contains(shapely.Point(0, -60)) and not water.intersects(shapely.Point(0, 60))
    assert shapely.union_all(sea([shapely.reverse(coast)], 100.0)).contains(shapely.Point(0, 60))
    assert sea([], 100.0) == []


def test_an_island_is_land():
    coast = shapely.LineString([(-200, 30), (200, 30)])
    island = shapely.LineString([(-20, -40), (20, -40), (20, -10), (-20, -10), (-20, -40)])    # land on its left
    water = shapely.union_all(sea([coast, island], 100.0))
    assert water.contains(shapely.Point(0, 0)) and not water.contains(shapely.Point(0, -25))
    assert not water.contains(shapely.Point(0, 50))


def test_a_coastline_that_the_extract_cuts_off_floods_nothing():
    assert sea([shapely.LineString([(-200, 0), (10, 5)])], 100.0) == []


@pytest.fixture(scope="module")
def river_town(tmp_path_factory):
    osm = OsmFile()
    for k in range(4):
        osm.way(rectangle(-50 + 25 * k, 30), building="house")
    osm.way([(-90, -10), (90, -10)], closed=False, waterway="river", width="16")
    osm.way([(0, 60), (0, 4)], closed=False, highway="residential")
    osm.way([(0, 4), (0, -24)], closed=False, highway="residential", bridge="yes")
    osm.way([(0, -24), (0, -60)], closed=False, highway="residential")
    osm.way([(-90, -45), (90, -45)], closed=False, waterway="stream")
    path = osm.write(tmp_path_factory.mktemp("river") / "river.osm")
    place = Place("osm", str(path), LAT, LON)
    return build_world(with_sources(SceneSpec(seed=2, layout=Layout(size_m=140.0, tree_density=0.0), place=place)))


def classes_along(world, x, ys):
    scene = Scene(Package(world, strike(world, SceneSpec())))
    found = []
    for y in ys:
        pose = look_at(ENU(x, y, 0.0), View(gsd_m=0.5).distance_m(16), 0.0, 0.0)
        out = render(scene, "before", pose, intrinsics(16, 16, View().hfov_deg), Light())
        found.append(int(SEMANTIC_OF[out.material][8, 8]))
    return found


def test_a_bridge_carries_its_street_over_the_river(river_town):
    assert [s.bridge for s in river_town.streets] == [False, True, False]
    assert set(classes_along(river_town, 0.0, np.arange(-30, 10, 5.0))) == {CLASS_ID["road"]}
    assert classes_along(river_town, 30.0, [-10.0]) == [CLASS_ID["water"]]
    assert river_town.water_level_m == 0.0 and len(river_town.water) == 1


def test_a_narrow_stream_is_painted_and_no_street(river_town):
    assert classes_along(river_town, 30.0, [-45.0, -40.0])[0] == CLASS_ID["water"]
    assert all(s.kind == "residential" for s in river_town.streets)
