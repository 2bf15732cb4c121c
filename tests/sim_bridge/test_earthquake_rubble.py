"""What lies after an earthquake: as much as fell, where there is room, and in the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from flat_town import BLOCK, HOUSE, MASONRY, MOBILE, SHED, STILTS, moved, place, town

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import camps, failures, rubble, wreck
from sim_bridge.hazards.earthquake import blocked, free_ground, shake
from sim_bridge.hazards.failures import Wreck
from sim_bridge.hazards.grades import order
from sim_bridge.spec import Earthquake
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Mesh, Street, World
from sim_bridge.world.shapes import mesh_of

KINDS = {"house": HOUSE, "masonry": MASONRY, "block": BLOCK, "stilts": STILTS, "mobile": MOBILE, "shed": SHED}
FAILING = [state for state in order("earthquake") if state not in ("untouched", "slight")]
CELL_M = 0.25


def failed(kind: Building, state: str, number: int = 1) -> tuple[World, Building, Wreck]:
    building = moved(kind, number, -10, -6)
    world = place([building], 120.0)
    found = failures.fail(world, building, state, free_ground(world))
    assert found is not None
    return world, building, found


def above_ground_m3(mesh: Mesh) -> float:
    """Volume between z = 0 and the highest point over each cell, from points spread over the faces."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    rng = np.random.default_rng(0)
    u = rng.random((len(corners), 300, 2))
    u = np.where(u.sum(axis=2, keepdims=True) > 1, 1 - u, u)
    points = corners[:, :1] + u[..., :1] * (corners[:, 1:2] - corners[:, :1]) + u[..., 1:] * (corners[:, 2:]
                                                                                             - corners[:, :1])
    cell = np.floor(points[..., :2].reshape(-1, 2) / CELL_M).astype(int)
    cell -= cell.min(axis=0)
    top = np.zeros(cell.max(axis=0) + 1)
    np.maximum.at(top, (cell[:, 0], cell[:, 1]), points[..., 2].ravel())
    return float(top.sum()) * CELL_M**2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["collapse", "pancake"])
def test_a_third_of_the_volume_lies_where_a_building_fell(kind: str, state: str) -> None:
    _, building, found = failed(KINDS[kind], state)
    expected = rubble.BULKING * rubble.gross_volume_m3(building)
    assert sum(heap.volume_m3 for heap in found.heaps) == pytest.approx(expected, rel=0.05)
    # open below slabs and pieces there is air that the raster counts in
    assert above_ground_m3(found.mesh) == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_and_what_lies_make_a_whole(kind: str) -> None:
    _, building, found = failed(KINDS[kind], "partial_collapse")
    gross, plan = rubble.gross_volume_m3(building), shapely.Polygon(building.footprint)
    lost = found.heaps[0].volume_m3 / (rubble.BULKING * gross)
    high = found.mesh.vertices[found.mesh.faces].mean(axis=1)
    roofs = high[high[:, 2] > 0.85 * building.eaves_m][:, :2]
    standing = shapely.MultiPoint(roofs).convex_hull.intersection(plan).area / plan.area
    assert 0.15 < lost < 0.55
    assert standing + lost == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("state", FAILING)
@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_sound_and_the_building_keeps_its_number(kind: str, state: str) -> None:
    _, building, found = failed(KINDS[kind], state)
    assert np.isfinite(found.mesh.vertices).all() and set(found.mesh.instance) == {building.id}
    assert found.mesh.vertices[:, 2].max() <= building.ridge_m + 4.5
    if state in ("collapse", "pancake"):
        assert {TABLE[k].semantic for k in set(found.mesh.material)} == {CLASS_ID["rubble"]}
        assert found.mesh.vertices[:, 2].max() < 0.75 * building.ridge_m + 1.5


def test_the_same_building_fails_the_same_way_beside_others() -> None:
    alone = failed(BLOCK, "partial_collapse")[2].mesh
    world = place([moved(BLOCK, 1, -10, -6), moved(HOUSE, 2, 30, 30)], 120.0)
    beside = failures.fail(world, world.buildings[0], "partial_collapse", free_ground(world))
    assert beside is not None and np.array_equal(alone.vertices, beside.mesh.vertices)


def test_a_soft_storey_lets_the_rest_down_by_a_floor() -> None:
    world, _, found = failed(STILTS, "soft_storey")
    down = float(world.before.vertices[:, 2].max() - found.mesh.vertices[:, 2].max())
    assert down == pytest.approx(0.85 * 3.0, abs=0.9)


def test_debris_keeps_off_other_buildings() -> None:
    world = place([moved(BLOCK, 1, -10, -6), moved(BLOCK, 2, 13.5, -6)], 120.0)
    found = failures.fail(world, world.buildings[0], "collapse", free_ground(world))
    assert found is not None
    other = shapely.Polygon(world.buildings[1].footprint)
    assert all(shapely.intersection(heap.area, other).area < 0.1 for heap in found.heaps)
    assert found.heaps[0].area.area > 1.15 * other.area


def test_imported_buildings_fail_by_their_faces() -> None:
    house = replace(moved(HOUSE, 1, 0, 0), custom=True)
    sheet = mesh_of([[0, 0, 4], [14, 0, 4], [14, 10, 6], [0, 10, 6]], [[0, 1, 2], [0, 2, 3]], "roof_metal", 1)
    world = replace(place([house], 120.0), before=sheet)
    for state in FAILING:
        found = failures.fail(world, house, state, free_ground(world))
        assert found is not None and len(found.mesh.faces)


def test_broken_faces_are_stout() -> None:
    thin = mesh_of([[0, 0, 0], [20, 0, 0], [20, 0, 3], [0, 0, 3]], [[0, 1, 2], [0, 2, 3]], "wall_plaster")
    corners = wreck.shattered(thin, 0.8).vertices.reshape(-1, 3, 3).astype(np.float64)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    assert np.median(2 * area / sides.max(axis=1) ** 2) > 0.4              # of the wall's own triangles: 0.15
    assert sides.max() <= 0.8 and area.sum() == pytest.approx(60.0)


def test_parting_keeps_every_face_on_one_side() -> None:
    roof = mesh_of([[0, 0, 3], [12, 0, 3], [12, 9, 3], [0, 9, 3]], [[0, 1, 2], [0, 2, 3]], "roof_metal")
    kept, lost = wreck.parted(roof, lambda points: points[:, 0] - 4.0, 0.3, 0.4)
    assert kept.vertices[:, 0].min() > 3.2 and lost.vertices[:, 0].max() < 4.8
    assert len(kept.faces) + len(lost.faces) < 2 * (12 * 9 / 0.16)         # whole away from the cut


def test_a_bite_out_of_the_middle_of_an_edge_is_found() -> None:
    roof = mesh_of([[0, 0, 3], [12, 0, 3], [12, 9, 3], [0, 9, 3]], [[0, 1, 2], [0, 2, 3]], "roof_metal")
    _, lost = wreck.parted(roof, lambda points: np.hypot(points[:, 0] - 6, points[:, 1]) - 2.0, 0.1, 0.3)
    corners = lost.vertices[lost.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(np.pi * 2.0**2 / 2, rel=0.15)


def test_debris_blocks_a_street_if_no_car_gets_by() -> None:
    road = Street(7, ((-50.0, 0.0), (50.0, 0.0)), 8.0, "residential")
    world = replace(town(HOUSE, 1), streets=(road,))
    narrow, across = shapely.box(-3, 0, 3, 5), shapely.box(-3, -2, 3, 5)
    assert blocked(world, []) == () and blocked(world, [narrow]) == ()
    assert blocked(world, [across]) == (7,)
    assert blocked(world, [narrow, shapely.box(10, -5, 14, 2.2)]) == (7,)


def test_people_camp_on_open_ground_once_many_homes_are_lost() -> None:
    world = town(HOUSE, 4, 40.0)
    assert camps.pitch(world, [], 3) == ()
    tents = camps.pitch(world, [], 12)
    assert len(tents) > 5 and {tent.kind for tent in tents} == {"tent"}
    homes = shapely.union_all([shapely.Polygon(b.footprint) for b in world.buildings])
    assert min(homes.distance(shapely.Point(t.x, t.y)) for t in tents) > 5.0


def test_shaken_towns_carry_rubble_on_the_ground_and_causes() -> None:
    world = town(MASONRY, 5, 30.0, drawn=True)
    result = shake(world, Earthquake(magnitude=7.8, epicentre_distance_km=2, depth_km=3, code="pre"))
    fallen = [row for row in result.damage if row.state == "collapse"]
    assert len({row.state for row in result.damage}) > 2 and all("PGA" in row.cause for row in result.damage)
    assert fallen and (result.ground.values == INDEX["rubble_concrete"]).any()
    assert float(result.fields["pga_g"].values.max()) > 0.3
