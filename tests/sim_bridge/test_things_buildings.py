"""Buildings: any valid plan gets a roof that covers it and keeps the rain off its walls, whatever its kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards.common import select
from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.buildings import ROOFS, USES, building_mesh, local_plan, overhang_m
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Mesh
from sim_bridge.world.shapes import F64
from sim_bridge.world.skeleton import sweep

RIGHT = ((0.0, 0.0), (14.0, 0.0), (14.0, 9.0), (0.0, 9.0))
BLOCK = Building(5, ((0.0, 0.0), (34.0, 0.0), (34.0, 26.0), (0.0, 26.0)), 10.0, 9.0, 12.5, "gable", "masonry",
                 "apartments", "roof_tile_red", "wall_render", 0.0,
                 (((10.0, 9.0), (10.0, 17.0), (24.0, 17.0), (24.0, 9.0)),), 3)


def house(ring: object = RIGHT, roof: str = "gable", use: str = "house", **more: object) -> Building:
    plan = tuple((float(x), float(y)) for x, y in np.asarray(ring))
    plain = Building(7, plan, 100.0, 6.0, 9.0, roof, "wood_light", use, "roof_shingle_grey", "wall_wood", 0.0,
                     storeys=2)
    return replace(plain, **more)


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Simple polygons of 3 to 12 corners around their middle, convex and not, 4 to 40 m wide."""
    n = draw(st.integers(3, 12))
    gaps = np.array(draw(st.lists(st.floats(0.3, 1.0), min_size=n, max_size=n)))
    radius = np.array(draw(st.lists(st.floats(0.25, 1.0), min_size=n, max_size=n)))
    angle = np.cumsum(gaps) / gaps.sum() * 2 * np.pi
    size = draw(st.floats(4, 20))
    ring = np.round(size * np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), 3)
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid or polygon.area < 8 or polygon.buffer(-0.6).area < 1:
        return list(RIGHT)
    return [(float(x), float(y)) for x, y in shapely.orient_polygons(polygon).exterior.coords[:-1]]


def top_m(mesh: Mesh, points: F64) -> F64:
    """Height (N,) of the highest face over each point (N, 2); minus infinity beside the building."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    det = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    flat = np.abs(det) > 1e-9
    a, ab, ac, det = a[flat], ab[flat], ac[flat], det[flat]
    d = points[:, None, :] - a[None, :, :2]
    s = (d[..., 0] * ac[:, 1] - d[..., 1] * ac[:, 0]) / det
    t = (ab[:, 0] * d[..., 1] - ab[:, 1] * d[..., 0]) / det
    inside = (s >= -1e-4) & (t >= -1e-4) & (s + t <= 1 + 1e-4)
    z = a[:, 2] + s * ab[:, 2] + t * ac[:, 2]
    return np.asarray(np.where(inside, z, -np.inf).max(axis=1))


def outline(mesh: Mesh) -> shapely.Geometry:
    """The building as seen from above."""
    triangles = shapely.polygons(mesh.vertices[mesh.faces][:, :, :2].astype(np.float64))
    return shapely.union_all(shapely.buffer(triangles[shapely.area(triangles) > 1e-9], 1e-3))


def inner_points(plan: shapely.Polygon, count: int = 60) -> F64:
    rng = np.random.default_rng(1)
    low, high = np.array(plan.bounds[:2]), np.array(plan.bounds[2:])
    points = rng.uniform(low, high, (6 * count, 2))
    return points[shapely.contains_xy(plan.buffer(-0.01), points[:, 0], points[:, 1])][:count]


def check_covered(building: Building) -> None:
    mesh = building_mesh(building)
    plan = shapely.Polygon(building.footprint, building.holes)
    points = inner_points(plan)
    assert (top_m(mesh, points) >= building.base_m + building.eaves_m - 1e-3).all()
    seen, reach = outline(mesh), overhang_m(building) + 0.02
    assert seen.buffer(0.01).contains(plan.buffer(-0.02))
    # balconies reach farther out than eaves; mitred corners at most twice as far
    limit = max(2.0 * reach, 1.4 if building.use == "apartments" else 0.0) + 0.15
    assert plan.buffer(limit).contains(seen)


@settings(max_examples=60, deadline=None)
@given(plans(), st.sampled_from([roof for roof in ROOFS if roof != "flat"]), st.sampled_from(["house", "industrial"]))
def test_every_plan_is_covered_by_every_kind_of_roof(ring: list[tuple[float, float]], roof: str, use: str) -> None:
    check_covered(house(ring, roof, use))


@settings(max_examples=25, deadline=None)
@given(plans(), st.sampled_from(USES))
def test_every_plan_is_covered_for_every_use(ring: list[tuple[float, float]], use: str) -> None:
    check_covered(house(ring, "flat", use, ridge_m=6.0))
    if use != "church":
        check_covered(house(ring, "gable", use))


@settings(max_examples=80, deadline=None)
@given(plans())
def test_swept_planes_tile_the_plan(ring: list[tuple[float, float]]) -> None:
    plan = shapely.Polygon(ring)
    swept = sweep(plan)
    sloping = sum(shapely.Polygon(face.ring[:, :2]).area for face in swept.faces)
    level = sum(polygon.area for polygon, _ in swept.caps)
    assert sloping + level == pytest.approx(plan.area, rel=1e-3)
    assert level < 0.02 * plan.area + 0.05
    # a front never outruns the distance to the walls, and keeps up with it unless a corner points inwards
    radius = shapely.maximum_inscribed_circle(plan, tolerance=0.01).length
    assert swept.depth_m <= radius + 0.02
    if plan.convex_hull.area - plan.area < 1e-6:
        assert swept.depth_m == pytest.approx(radius, abs=0.02)


def test_skeleton_of_a_rectangle_is_the_textbook_hip() -> None:
    swept = sweep(shapely.box(0, 0, 10, 6))
    assert swept.depth_m == pytest.approx(3.0) and len(swept.faces) == 4 and not swept.caps
    tops = np.concatenate([face.ring[face.ring[:, 2] > 0.01, :2] for face in swept.faces])
    assert {(round(x, 3), round(y, 3)) for x, y in tops} == {(3.0, 3.0), (7.0, 3.0)}


@pytest.mark.parametrize("roof", ["gable", "hip", "mansard", "flat"])
def test_courtyards_stay_open(roof: str) -> None:
    building = replace(BLOCK, roof=roof)
    mesh = building_mesh(building)
    assert np.isneginf(top_m(mesh, np.array([[17.0, 13.0], [12.0, 11.0], [22.0, 15.0]]))).all()
    check_covered(building)
    courtyard = (mesh.vertices[:, :2] > 9.9).all(axis=1) & (mesh.vertices[:, 0] < 24.1) & (mesh.vertices[:, 1] < 17.1)
    assert mesh.vertices[courtyard, 2].min() < building.base_m, "walls reach down into the courtyard"


@pytest.mark.parametrize("roof", [roof for roof in ROOFS if roof not in ("flat", "dome", "cone")])
def test_roofs_reach_their_ridge(roof: str) -> None:
    mesh = building_mesh(house(roof=roof, use="garage"))
    assert mesh.vertices[:, 2].max() == pytest.approx(109.0, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(plans(), st.floats(-180, 180), st.floats(-5e3, 5e3))
def test_buildings_look_the_same_wherever_they_stand(ring: list[tuple[float, float]], yaw: float, x: float) -> None:
    """The mesh of a moved building is the moved mesh but for its draws: as many walls, the same outline's area."""
    here = house(ring, "hip", "garage")
    turned = shapely.affinity.translate(shapely.affinity.rotate(shapely.Polygon(ring), yaw, origin=ring[0]), x, -x)
    there = replace(here, footprint=tuple(turned.exterior.coords[:-1]), yaw_deg=yaw)
    assert local_plan(there).area == pytest.approx(local_plan(here).area, rel=1e-6)
    assert outline(building_mesh(there)).area == pytest.approx(outline(building_mesh(here)).area, rel=0.02)


def test_meshes_belong_to_the_building_and_repeat() -> None:
    for use in USES:
        building = house(use=use, soft_storey=use == "apartments")
        mesh, again = building_mesh(building), building_mesh(replace(building))
        assert (mesh.instance == 7).all() and {TABLE[m].semantic for m in mesh.material} == {CLASS_ID["building"]}
        np.testing.assert_array_equal(mesh.vertices, again.vertices)
        np.testing.assert_array_equal(mesh.tint, again.tint)


def test_walls_carry_openings_that_suit_their_use() -> None:
    def area(building: Building, material: str) -> float:
        mesh = building_mesh(building)
        corners = mesh.vertices[mesh.faces[mesh.material == INDEX[material]]].astype(np.float64)
        return float(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
                                    axis=1).sum() / 2)

    low, high = house(storeys=1, eaves_m=3.0, ridge_m=5.0), house()
    assert area(high, "window") > 1.6 * area(low, "window") > 5
    assert area(house(use="tank"), "window") == 0
    flats = house(use="apartments", roof="flat", storeys=3, eaves_m=9.0, ridge_m=9.0)
    soft = replace(flats, soft_storey=True)
    assert area(soft, "recess") > 50 > area(flats, "recess")
    assert area(house(use="greenhouse"), "roof_glass") > 100


def test_large_blocks_stay_cheap() -> None:
    block = house([(0, 0), (80, 0), (80, 60), (0, 60)], "flat", "apartments", storeys=10, eaves_m=30.0, ridge_m=30.0)
    assert len(building_mesh(block).faces) < 700


def test_a_plan_that_crosses_itself_is_built_on_its_largest_part() -> None:
    bow = house([(0, 0), (20, 10), (20, 0), (0, 12)], "hip", "garage")
    assert len(building_mesh(bow).faces) > 10


def test_party_walls_get_small_eaves() -> None:
    assert overhang_m(BLOCK) <= 0.2 < overhang_m(house())


@pytest.mark.parametrize("settlement", ["old_town", "town"])
def test_every_building_of_a_settlement_is_covered(settlement: str) -> None:
    world = build_world(SceneSpec(seed=2, layout=Layout(size_m=140.0, settlement=settlement)))
    assert world.buildings
    for building in world.buildings:
        mesh = select(world.before, world.before.instance == building.id)
        plan = shapely.Polygon(building.footprint, building.holes)
        assert (top_m(mesh, inner_points(plan, 25)) >= building.base_m + building.eaves_m - 1e-3).all()
