"""The procedural world: same spec, same place; other seed, other place; every knob turns what it names."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.classes import CLASS_ID, LAND_USE_ID
from sim_bridge.errors import InputError
from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.buildings import building_mesh, local_ring, wings
from sim_bridge.world.materials import GROUND, INDEX, TABLE
from sim_bridge.world.model import Building, Mesh, Tree, Vehicle, World
from sim_bridge.world.plants import tree_mesh, trees_mesh
from sim_bridge.world.shapes import box, cap, hash_unit
from sim_bridge.world.vehicles import vehicle_mesh

SMALL = Layout(size_m=240.0, density=0.9)
SEMANTIC = np.array([m.semantic for m in TABLE])


@lru_cache(maxsize=64)
def world(spec: SceneSpec) -> World:
    return build_world(spec)


def place(seed: int = 3, season: str = "summer", **layout: object) -> World:
    return world(SceneSpec(seed=seed, layout=replace(SMALL, **layout), season_before=season))


def share(w: World, *names: str) -> float:
    return float(np.isin(w.ground.values, [INDEX[name] for name in names]).mean())


def mean_over_seeds(measure, **layout: object) -> float:
    return float(np.mean([measure(place(seed, **layout)) for seed in (1, 2, 3)]))


PLACES = [
    SceneSpec(seed=1, layout=SMALL),
    SceneSpec(seed=2, layout=replace(SMALL, settlement="town", street_pattern="grid", water="river")),
    SceneSpec(seed=3, layout=replace(SMALL, settlement="rural", water="pond", relief_m=30.0)),
]


@pytest.mark.parametrize("spec", PLACES)
def test_same_spec_gives_identical_arrays(spec: SceneSpec) -> None:
    first, second = world(spec), build_world(spec)
    for name in ("terrain", "ground", "land_use"):
        np.testing.assert_array_equal(getattr(first, name).values, getattr(second, name).values)
    for mesh in ("static", "before"):
        for part in fields(Mesh):
            np.testing.assert_array_equal(getattr(getattr(first, mesh), part.name),
                                          getattr(getattr(second, mesh), part.name))
    assert first.buildings == second.buildings and first.trees == second.trees and first.vehicles == second.vehicles


def test_other_seeds_give_other_places() -> None:
    places = [place(seed) for seed in range(4)]
    for k, a in enumerate(places):
        for b in places[k + 1:]:
            assert a.streets != b.streets
            assert (a.ground.values == b.ground.values).mean() < 0.7


def test_hazard_and_after_season_leave_the_before_alone() -> None:
    spec = PLACES[0]
    other = build_world(replace(spec, season_after="winter"))
    np.testing.assert_array_equal(other.before.vertices, world(spec).before.vertices)


@pytest.mark.parametrize("spec", PLACES)
def test_footprints_lie_inside_apart_and_off_streets_and_water(spec: SceneSpec) -> None:
    w = world(spec)
    prints = [shapely.Polygon(b.footprint) for b in w.buildings]
    half = w.size_m / 2
    assert all(p.is_valid and p.exterior.is_ccw for p in prints)
    assert all(shapely.box(-half, -half, half, half).contains(p) for p in prints)
    first, second = shapely.STRtree(prints).query(prints, predicate="intersects")
    assert np.array_equal(first, second), "two buildings overlap"
    roads = shapely.union_all([shapely.LineString(s.line).buffer(s.width_m / 2) for s in w.streets])
    water = shapely.union_all([shapely.Polygon(ring) for ring in w.water])
    assert not any(p.intersects(roads) or p.intersects(water) for p in prints)
    assert [b.id for b in w.buildings] == list(range(1, len(prints) + 1))


@pytest.mark.parametrize("spec", PLACES)
def test_meshes_are_sound(spec: SceneSpec) -> None:
    w = world(spec)
    ids = {0, *(b.id for b in w.buildings)}
    for mesh in (w.static, w.before):
        assert mesh.faces.max() < len(mesh.vertices)
        assert mesh.material.max() < len(TABLE)
        assert np.isfinite(mesh.vertices).all()
        assert set(np.unique(mesh.instance).tolist()) <= ids
    assert GROUND not in w.before.material
    owned = w.before.instance > 0
    assert set(SEMANTIC[w.before.material[owned]].tolist()) == {CLASS_ID["building"]}
    assert CLASS_ID["building"] not in SEMANTIC[w.before.material[~owned]]


@settings(max_examples=60, deadline=None)
@given(st.floats(-119, 119), st.floats(-119, 119))
def test_height_at_lies_on_the_drawn_triangles(x: float, y: float) -> None:
    w = world(PLACES[2])
    z = float(w.height_at(x, y))
    corners = w.static.vertices[w.static.faces[w.static.material == GROUND]].astype(np.float64)
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    det = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    s = ((x - a[:, 0]) * ac[:, 1] - (y - a[:, 1]) * ac[:, 0]) / det
    t = (ab[:, 0] * (y - a[:, 1]) - ab[:, 1] * (x - a[:, 0])) / det
    hit = np.flatnonzero((s >= -1e-6) & (t >= -1e-6) & (s + t <= 1 + 1e-6))
    assert len(hit)
    np.testing.assert_allclose((a[:, 2] + s * ab[:, 2] + t * ac[:, 2])[hit], z, atol=1e-3)


def _outward(mesh: Mesh) -> np.ndarray:
    """Signed distance of each face's plane from the middle of the mesh: positive if the face looks outwards."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    return np.einsum("ij,ij->i", normal, corners.mean(axis=1) - middle)


@given(st.floats(0.2, 30), st.floats(0.2, 30), st.floats(-180, 180))
def test_boxes_look_outwards(length: float, width: float, yaw: float) -> None:
    assert (_outward(box((3.0, -4.0), (length, width), yaw, 1.0, 4.0, "fence")) > 0).all()


@pytest.mark.parametrize("roof", ["gable", "hip", "flat", "shed"])
@pytest.mark.parametrize("yaw", [0.0, 37.0])
def test_simple_houses_look_outwards_and_reach_their_heights(roof: str, yaw: float) -> None:
    ring = ((0.0, 0.0), (14.0, 0.0), (14.0, 8.0), (0.0, 8.0))
    house = Building(7, ring, 100.0, 3.0, 5.0, roof, "wood_light", "garage", "roof_shingle_grey", "wall_wood", 0.0)
    mesh = building_mesh(house)
    assert (_outward(mesh) > 0).all()
    assert mesh.vertices[:, 2].max() == pytest.approx(103.0 if roof == "flat" else 105.0)
    assert (mesh.instance == 7).all()
    assert (building_mesh(replace(house)).vertices == mesh.vertices).all()


def test_wings_of_an_l_and_of_a_slanted_plan() -> None:
    ring = ((0.0, 0.0), (16.0, 0.0), (16.0, 9.0), (7.0, 9.0), (7.0, 14.0), (0.0, 14.0))
    plan = Building(1, ring, 0.0, 3.0, 5.0, "gable", "wood_light", "house", "roof_metal", "wall_wood", 0.0)
    assert wings(local_ring(plan)) == ((0.0, 0.0, 16.0, 9.0), (0.0, 4.5, 7.0, 14.0))
    slanted = replace(plan, footprint=((0.0, 0.0), (10.0, 0.0), (14.0, 9.0), (0.0, 9.0)))
    assert wings(local_ring(slanted)) == ()
    assert building_mesh(replace(slanted, use="garage")).vertices[:, 2].max() == pytest.approx(5.0)


def test_cap_covers_a_concave_plan_upwards() -> None:
    plan = shapely.Polygon([(0, 0), (6, 0), (6, 6), (4, 6), (4, 2), (0, 2)])
    mesh = cap(plan, 2.0, "roof_gravel")
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    up = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    assert (up > 0).all() and up.sum() == pytest.approx(plan.area)


def test_objects_draw_the_same_alone_and_among_others() -> None:
    trees = [Tree(1.0, 2.0, 0.0, 8.0, 3.0, "broadleaf"), Tree(9.0, 2.0, 0.0, 9.0, 3.5, "broadleaf")]
    both = trees_mesh(trees, ["crown_broadleaf"] * 2)
    alone = tree_mesh(trees[1], "crown_broadleaf")
    crown = len(alone.vertices) - 8
    np.testing.assert_array_equal(both.vertices[crown:2 * crown], alone.vertices[:crown])
    car = Vehicle(3.0, 4.0, 1.0, 30.0, 4.5, 1.8, "car", (200, 200, 200))
    np.testing.assert_array_equal(vehicle_mesh(car).vertices, vehicle_mesh(replace(car)).vertices)


def test_hash_is_uniform_and_tells_places_apart() -> None:
    values = hash_unit(np.arange(20000) * 0.001, 5.0)
    assert abs(values.mean() - 0.5) < 0.01 and abs(values.std() - 12**-0.5) < 0.01
    assert len(np.unique(values)) == len(values)


def test_density_fills_lots() -> None:
    def houses(w: World) -> int:
        return sum(b.use == "house" for b in w.buildings)

    low, high = (mean_over_seeds(houses, density=d) for d in (0.3, 1.0))
    assert high > 2 * low > 0


def test_a_layout_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match=r"layout\.size_m is 50\.0: expected 100 to 2000"):
        build_world(SceneSpec(layout=Layout(size_m=50.0)))


def test_a_place_without_buildings_can_be_built() -> None:
    w = place(settlement="rural", density=0.0, tree_density=0.0)
    assert not w.buildings and not w.trees and w.streets


def test_tree_density_plants_trees() -> None:
    counts = [mean_over_seeds(lambda w: len(w.trees), tree_density=d) for d in (0.0, 0.5, 1.0)]
    assert counts[0] == 0 and counts[2] > 1.5 * counts[1]


def _houses(w: World) -> list[Building]:
    return [b for b in w.buildings if b.use == "house" and b.typology != "mobile_home"]


@pytest.mark.parametrize(("flat", "hip", "kind"), [(1.0, 0.0, "flat"), (0.0, 1.0, "hip"), (0.0, 0.0, "gable")])
def test_roof_shares(flat: float, hip: float, kind: str) -> None:
    houses = _houses(place(flat_roof_share=flat, hip_roof_share=hip))
    assert houses and all(b.roof == kind for b in houses)


def test_dark_roof_share() -> None:
    dark = {"roof_shingle_grey", "roof_shingle_brown"}
    for value in (0.0, 1.0):
        houses = _houses(place(flat_roof_share=0.0, dark_roof_share=value))
        assert all((b.roof_material in dark) == bool(value) for b in houses)


def test_dryness_and_season_turn_grass() -> None:
    def green(w: World) -> float:
        return share(w, "lawn", "meadow", "field_green")

    wet, dry = (mean_over_seeds(green, dryness=d) for d in (0.0, 1.0))
    assert wet > 2 * dry
    spring = np.mean([green(place(s, "spring", dryness=0.6)) for s in (1, 2, 3)])
    summer = np.mean([green(place(s, "summer", dryness=0.6)) for s in (1, 2, 3)])
    assert spring > summer
    autumn = place(season="autumn", tree_density=1.0).before.material
    assert (autumn == INDEX["crown_autumn"]).sum() > 5 * (place(tree_density=1.0).before.material
                                                          == INDEX["crown_autumn"]).sum()


@pytest.mark.parametrize("relief", [0.0, 12.0, 60.0])
def test_relief_is_the_span_of_the_ground(relief: float) -> None:
    assert 0.85 * relief <= np.ptp(place(relief_m=relief).terrain.values) <= relief + 1e-3


def test_houses_stand_on_level_pads() -> None:
    w = place(relief_m=40.0, settlement="rural", density=1.0)
    assert w.buildings
    for b in w.buildings:
        x, y = np.array(b.footprint).T
        assert np.ptp(w.height_at(x, y)) < 0.5 * b.eaves_m
        assert b.base_m == pytest.approx(float(w.height_at(x, y).min()))


@pytest.mark.parametrize("kind", ["pond", "river"])
def test_water_lies_below_its_banks(kind: str) -> None:
    w = place(water=kind)
    assert w.water_level_m is not None and w.water
    assert (w.static.material == INDEX["water"]).any()
    assert (w.land_use.values == LAND_USE_ID["water"]).mean() > 0.005
    inside = shapely.Polygon(w.water[0]).buffer(-6)
    x, y = (np.linspace(-115, 115, 90)[None, :].repeat(90, 0) for _ in range(2))
    y = y.T
    wet = shapely.contains_xy(inside, x, y)
    dry = ~shapely.contains_xy(shapely.Polygon(w.water[0]).buffer(8), x, y)
    heights = w.height_at(x, y)
    assert (heights[wet] < w.water_level_m).all() and (heights[dry] > w.water_level_m).all()
    assert place(water="none").water_level_m is None


def test_settlements_differ() -> None:
    def measure(settlement: str) -> tuple[float, float, float]:
        def built(w: World) -> float:
            return sum(shapely.Polygon(b.footprint).area for b in w.buildings) / w.size_m**2

        def flat(w: World) -> float:
            return sum(b.roof == "flat" for b in w.buildings) / max(len(w.buildings), 1)

        def field(w: World) -> float:
            return float(np.isin(w.land_use.values, [LAND_USE_ID["field"], LAND_USE_ID["forest"]]).mean())

        return tuple(mean_over_seeds(m, settlement=settlement, size_m=320.0) for m in (built, flat, field))

    suburb, town, rural = (measure(s) for s in ("suburb", "town", "rural"))
    assert rural[0] < 0.4 * suburb[0] and rural[2] > 0.5 > max(suburb[2], town[2])
    assert town[1] > suburb[1]


def test_street_pattern_bends_streets() -> None:
    def bend(w: World) -> float:
        lines = [shapely.LineString(s.line) for s in w.streets if len(s.line) > 6]
        gaps = [1 - np.hypot(*np.subtract(line.coords[-1], line.coords[0])) / line.length for line in lines]
        return float(np.mean(gaps)) if gaps else 0.0

    assert mean_over_seeds(bend, street_pattern="curved", size_m=320.0) > \
        3 * mean_over_seeds(bend, street_pattern="grid", size_m=320.0)


@pytest.mark.parametrize("size", [100.0, 333.3])
def test_size_is_the_side_of_everything(size: float) -> None:
    w = place(size_m=size)
    for grid in (w.terrain, w.ground, w.land_use):
        cells = len(grid.values) - (grid is w.terrain)
        assert cells * grid.cell_m == pytest.approx(size)
        assert grid.west_m == pytest.approx(-size / 2)


def test_trees_stand_off_roads_and_vehicles_on_pavement() -> None:
    w = place()
    trunks = SEMANTIC[w.ground.at([t.x for t in w.trees], [t.y for t in w.trees])]
    assert set(trunks.tolist()) <= {CLASS_ID["grass"], CLASS_ID["bare"], CLASS_ID["paved"]}
    assert (trunks == CLASS_ID["paved"]).mean() < 0.1
    wheels = SEMANTIC[w.ground.at([v.x for v in w.vehicles], [v.y for v in w.vehicles])]
    assert set(wheels.tolist()) <= {CLASS_ID["road"], CLASS_ID["paved"]}
