"""Kinds of settlement: sound everywhere, each with what makes it one, land use and buildings that agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, get_args

import numpy as np
import pytest
import shapely

from sim_bridge.classes import CLASS_ID, LAND_USE, LAND_USE_ID
from sim_bridge.spec import Layout, SceneSpec, Settlement
from sim_bridge.world.build import build_world
from sim_bridge.world.fields import FIELDS
from sim_bridge.world.flora import climate
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.organic import clear_of_earlier
from sim_bridge.world.parcels import LAND_USE_OF
from sim_bridge.world.plants import SPECIES

SETTLEMENTS: tuple[Settlement, ...] = get_args(Settlement)
SEMANTIC = np.array([m.semantic for m in TABLE])
USES = {
    "residential": {"house", "garage", "apartments"},
    "commercial": {"commercial"},
    "industrial": {"industrial", "commercial", "tank"},
    "agriculture": {"house", "garage", "barn", "greenhouse"},
    "public": {"church"},
}
"""Uses of buildings that the use of their parcel allows; nothing is built on land of any other use."""
TYPOLOGIES = {
    "house": {"wood_light", "masonry", "reinforced_masonry", "mobile_home"},
    "garage": {"wood_light", "masonry", "reinforced_masonry"},
    "apartments": {"wood_light", "masonry", "reinforced_masonry", "concrete_frame"},
    "commercial": {"masonry", "reinforced_masonry", "concrete_frame", "steel_light"},
    "industrial": {"steel_light", "masonry", "reinforced_masonry"},
    "barn": {"wood_light", "steel_light"}, "greenhouse": {"steel_light"}, "church": {"masonry"},
    "tank": {"steel_light"},
}


@lru_cache(maxsize=32)
def world(spec: SceneSpec) -> World:
    return build_world(spec)


def place(settlement: str, seed: int = 3, size_m: float = 260.0, **layout: object) -> World:
    whole = replace(Layout(settlement=settlement, size_m=size_m, density=0.9), **layout)
    return world(SceneSpec(seed=seed, layout=whole))


def prints(w: World) -> list[shapely.Polygon]:
    return [shapely.Polygon(b.footprint, b.holes) for b in w.buildings]


def over_seeds(measure: Callable[[World], float], settlement: str, **layout: Any) -> float:
    return float(np.mean([measure(place(settlement, seed, **layout)) for seed in (1, 2, 3)]))


def coverage(w: World) -> float:
    return sum(p.area for p in prints(w)) / w.size_m**2


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_buildings_are_sound(settlement: str) -> None:
    w = place(settlement)
    plans = prints(w)
    square = shapely.box(*(np.array([-1, -1, 1, 1]) * w.size_m / 2))
    assert plans and all(p.is_valid and p.exterior.is_ccw and square.contains(p) for p in plans)
    first, second = shapely.STRtree(plans).query(plans, predicate="intersects")
    both = np.array(plans, dtype=object)
    shared = shapely.area(shapely.intersection(both[first], both[second]))[first != second]
    assert (shared < 0.05).all(), "two buildings overlap"
    roads = shapely.union_all([shapely.LineString(s.line).buffer(s.width_m / 2) for s in w.streets])
    water = shapely.union_all([shapely.Polygon(ring) for ring in w.water])
    assert not any(p.intersects(roads) or p.intersects(water) for p in plans)
    assert [b.id for b in w.buildings] == list(range(1, len(plans) + 1))


@pytest.mark.parametrize("settlement", ["village", "old_town", "industrial", "coastal", "riverside"])
def test_same_spec_gives_identical_arrays(settlement: str) -> None:
    first = place(settlement)
    second = build_world(SceneSpec(seed=3, layout=Layout(settlement=settlement, size_m=260.0, density=0.9)))
    for name in ("terrain", "ground", "land_use"):
        np.testing.assert_array_equal(getattr(first, name).values, getattr(second, name).values)
    for mesh in ("static", "before"):
        for part in fields(Mesh):
            np.testing.assert_array_equal(getattr(getattr(first, mesh), part.name),
                                          getattr(getattr(second, mesh), part.name))
    assert first.buildings == second.buildings and first.trees == second.trees and first.vehicles == second.vehicles


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_buildings_agree_with_the_use_of_their_land(settlement: str) -> None:
    names = {entry.id: entry.name for entry in LAND_USE}
    w = place(settlement)
    for b, plan in zip(w.buildings, prints(w), strict=True):
        x, y = shapely.get_coordinates(shapely.point_on_surface(plan))[0]
        use = names[int(w.land_use.at(x, y))]
        assert b.use in USES.get(use, set()), f"{b.use} {b.id} stands on {use}"


def test_every_parcel_has_a_land_use() -> None:
    assert {*LAND_USE_OF.values()} <= {*LAND_USE_ID}
    assert {*LAND_USE_OF} & {*FIELDS} == {"wood", "vineyard", "orchard"}
    for settlement, expected in (("industrial", "industrial"), ("village", "agriculture"), ("old_town", "public")):
        found = place(settlement).land_use.values
        assert LAND_USE_ID["none"] not in found
        assert (found == LAND_USE_ID[expected]).mean() > 0.01


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_structure_follows_use(settlement: str) -> None:
    for b in place(settlement).buildings:
        assert b.typology in TYPOLOGIES[b.use], b
        assert b.storeys >= 1 and (not b.soft_storey or b.storeys > 1)
        assert 2.0 * b.storeys <= b.eaves_m <= 6.5 * b.storeys + 10 and b.ridge_m >= b.eaves_m


def test_coast_and_river_come_without_asking() -> None:
    for settlement, least in (("coastal", 0.1), ("riverside", 0.05)):
        w = place(settlement, water="none")
        assert w.water_level_m is not None
        assert (w.land_use.values == LAND_USE_ID["water"]).mean() > least
    sand = (place("coastal").ground.values == INDEX["sand"]).mean()
    assert sand > 0.03


@pytest.mark.parametrize(("settlement", "water"), [("riverside", "none"), ("suburb", "river"), ("old_town", "river")])
def test_bridges_carry_streets_over_rivers(settlement: str, water: str) -> None:
    bridges = 0
    for seed in (1, 2, 3):
        w = place(settlement, seed, water=water)
        ends = shapely.multipoints([p for s in w.streets if not s.bridge for p in (s.line[0], s.line[-1])])
        river = shapely.union_all([shapely.Polygon(ring) for ring in w.water])
        road = w.static.vertices[w.static.faces[w.static.material == INDEX["asphalt"]]].mean(axis=1)
        for street in (s for s in w.streets if s.bridge):
            bridges += 1
            line = shapely.LineString(street.line)
            assert line.intersects(river)
            assert all(shapely.Point(p).distance(ends) < 0.2 for p in (street.line[0], street.line[-1]))
            deck = road[shapely.contains_xy(line.buffer(street.width_m / 2), road[:, 0], road[:, 1])]
            assert len(deck) and w.water_level_m is not None and (deck[:, 2] > w.water_level_m + 0.5).all()
    assert bridges >= 3


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_vehicles_stand_where_they_can(settlement: str) -> None:
    w = place(settlement)
    names = {"boat": {"water", "road", "paved"}, "tent": {"grass", "bare", "paved", "road"},
             "container": {"road", "paved", "bare"}}
    for v in w.vehicles:
        below = SEMANTIC[int(w.ground.at(v.x, v.y))]
        assert below in {CLASS_ID[name] for name in names.get(v.kind, {"road", "paved"})}, v


def test_each_has_what_makes_it_one() -> None:
    def flats(w: World) -> float:
        return float(np.mean([b.storeys for b in w.buildings if b.use != "garage"]))

    def mean_area(w: World) -> float:
        return float(np.mean([p.area for b, p in zip(w.buildings, prints(w), strict=True) if b.use != "garage"]))

    def boxes(w: World) -> float:
        return sum(v.kind == "container" for v in w.vehicles)

    built = [over_seeds(coverage, name, size_m=400.0) for name in ("old_town", "town", "village")]
    assert built[0] > 1.6 * built[1] and built[1] > 1.2 * built[2]
    assert over_seeds(flats, "old_town") > 1.5 * over_seeds(flats, "suburb")
    assert over_seeds(mean_area, "industrial") > 3 * over_seeds(mean_area, "suburb")
    assert over_seeds(boxes, "industrial") > 10 > over_seeds(boxes, "suburb")
    assert any(s.kind == "rail" for s in place("industrial").streets)
    assert sum(v.kind == "boat" for v in place("coastal").vehicles) > 3
    assert any(b.use == "church" for b in place("village").buildings)


def test_old_towns_stand_wall_to_wall_round_courtyards() -> None:
    w = place("old_town", size_m=320.0)
    plans = prints(w)
    first, second = shapely.STRtree(plans).query(plans, predicate="dwithin", distance=0.15)
    touching = len(set(first[first != second].tolist())) / len(plans)
    assert touching > 0.4
    assert any(b.holes for b in w.buildings)
    assert all(not shapely.LinearRing(hole).is_ccw for b in w.buildings for hole in b.holes)
    tiled = np.mean(["tile" in b.roof_material for b in w.buildings])
    assert tiled > 0.5
    assert any(b.soft_storey for b in w.buildings)


def houses(w: World) -> list[Building]:
    return [b for b in w.buildings if b.use == "house" and b.typology != "mobile_home"]


def test_suburbs_have_small_houses_and_trees_over_roofs() -> None:
    small, shaded, count = 0, 0, 0
    for seed in (1, 2, 3):
        w = place("suburb", seed, size_m=400.0)
        crowns = shapely.union_all([shapely.Point(t.x, t.y).buffer(t.crown_radius_m) for t in w.trees
                                    if t.height_m > 4])
        for b in houses(w):
            plan = shapely.Polygon(b.footprint)
            count += 1
            small += plan.area < 120
            shaded += plan.intersection(crowns).area > 0.06 * plan.area
    assert small > 0.1 * count and shaded > 0.25 * count


@pytest.mark.parametrize(("lat", "dryness", "absent"),
                         [(38.0, 0.8, "spruce"), (48.0, 0.1, "palm"), (62.0, 0.1, "olive")])
def test_species_fit_the_climate(lat: float, dryness: float, absent: str) -> None:
    layout = Layout(settlement="village", size_m=260.0, origin_lat_deg=lat, dryness=dryness, tree_density=0.8)
    trees = world(SceneSpec(seed=4, layout=layout)).trees
    here = climate(layout)
    assert len({t.species for t in trees}) > 4 and absent not in {t.species for t in trees}
    assert all(here in SPECIES[t.species].climates for t in trees)


def test_organic_streets_differ_from_planned_ones() -> None:
    def skew(w: World) -> float:
        """How far from parallel or square streets within 60 m of each other run: 0 for a grid, 0.64 for any angles."""
        ends = np.array([(a, b) for s in w.streets if s.kind != "primary"
                         for a, b in zip(s.line, s.line[1:], strict=False)])
        along = ends[:, 1] - ends[:, 0]
        angle = np.arctan2(along[:, 1], along[:, 0])
        points = np.atleast_1d(np.array(shapely.points(ends.mean(axis=1)), dtype=object))
        first, second = shapely.STRtree(points).query(points, predicate="dwithin", distance=60.0)
        return float(np.abs(np.sin(2 * (angle[first] - angle[second])))[first != second].mean())

    organic, grid = (over_seeds(skew, "town", street_pattern=p) for p in ("organic", "grid"))
    assert organic > 1.2 * grid
    assert over_seeds(lambda w: len(houses(w)), "town", street_pattern="organic") > 10


def test_lots_kept_do_not_cover_each_other() -> None:
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    lots = [square, square + 5.0, square + np.array([5.0, 0]), square + np.array([30.0, 0])]
    assert clear_of_earlier(lots) == [0, 1, 3]
    assert clear_of_earlier(lots, 0.0) == [0, 3]


def test_seasons_change_the_fields() -> None:
    def share(season: str, *names: str) -> float:
        layout = Layout(settlement="village", size_m=300.0, dryness=0.2)
        w = world(SceneSpec(seed=5, layout=layout, season_before=season))
        return float(np.isin(w.ground.values, [INDEX[name] for name in names]).mean())

    assert share("winter", "plough") > share("summer", "plough")
    assert share("summer", "crop", "crop_ripe") > share("winter", "crop_ripe")
