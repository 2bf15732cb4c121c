"""Wind: the scale's figures, laws of gusts, and what is left of roofs, homes and trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from flat_town import HOUSE, MOBILE, SHED, moved, place, town
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.hazards import common, strike, stripped
from sim_bridge.hazards.grades import grade, order
from sim_bridge.hazards.wind import DEGREES, MPH, blow, building_states, chance, gusts, indicator, state_at
from sim_bridge.spec import SceneSpec, Wind
from sim_bridge.world.materials import INDEX, ROOF, TABLE
from sim_bridge.world.model import Building, Tree, World
from sim_bridge.world.plants import trees_mesh

RANK = {state: position for position, state in enumerate(order("wind"))}
EAST = np.array([1.0, 0.0])
FAILING = ["roof_cover_loss", "roof_deck_loss", "roof_loss", "walls_collapsed", "swept_away"]


def test_half_are_damaged_at_the_expected_gust_and_nine_in_ten_within_its_bounds() -> None:
    for degrees in DEGREES.values():
        for expected, lower, upper in degrees.values():
            assert chance(expected * MPH, (expected, lower, upper)) == pytest.approx(0.5)
            inside = chance(upper * MPH, (expected, lower, upper)) - chance(lower * MPH, (expected, lower, upper))
            assert inside == pytest.approx(0.9, abs=0.03)


def test_degrees_are_those_of_the_scale_and_rise() -> None:
    assert DEGREES["FR12"]["roof_loss"] == (122, 104, 142) and DEGREES["MHSW"]["overturned"] == (98, 84, 114)
    for degrees in DEGREES.values():
        assert [RANK[state] for state in degrees] == sorted(RANK[state] for state in degrees)
        assert [row[0] for row in degrees.values()] == sorted(row[0] for row in degrees.values())
        assert all(lower < expected < upper for expected, lower, upper in degrees.values())


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 120), st.floats(0, 120), st.floats(0, 1), st.sampled_from([HOUSE, MOBILE, SHED]))
def test_a_stronger_gust_never_leaves_a_better_state(one: float, other: float, rank: float, kind: Building) -> None:
    weak, strong = (state_at(kind, gust, rank) for gust in sorted((one, other)))
    assert RANK[weak] <= RANK[strong] and grade("wind", weak) <= grade("wind", strong)


@pytest.mark.parametrize("gust_ms", [30.0, 42.0, 55.0, 70.0])
def test_shares_of_states_follow_the_curves(gust_ms: float) -> None:
    worlds = [town(HOUSE, 12, 30.0, seed) for seed in range(20)]
    states = [building_states(w, replace(gusts(w, Wind(gust_ms=gust_ms)),
                                         values=np.full((80, 80), gust_ms, np.float32))) for w in worlds]
    ranks = np.array([[RANK[state] for state in row] for row in states])
    for state, degree in DEGREES["FR12"].items():
        expected = float(chance(gust_ms, degree))
        error = np.sqrt(max(expected * (1 - expected), 1e-6) / ranks.size)
        assert abs((ranks >= RANK[state]).mean() - expected) < 4 * error + 0.001


def test_mobile_homes_go_first_and_halls_are_halls() -> None:
    assert indicator(MOBILE) == "MHSW" and indicator(SHED) == "MBS" and indicator(HOUSE) == "FR12"
    assert RANK[state_at(MOBILE, 45.0, 0.5)] > RANK[state_at(HOUSE, 45.0, 0.5)]


def torn(kind: Building, state: str) -> tuple[World, Building, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    building = moved(kind, 1, -60, 0)
    world = place([building], 240.0)
    mesh = stripped.torn(world, building, state, EAST, 60.0)
    assert mesh is not None and np.isfinite(mesh.vertices).all() and set(mesh.instance) == {1}
    world = replace(world, before=mesh)
    return world, building, mesh.vertices[mesh.faces].mean(axis=1).astype(np.float64)


@pytest.mark.parametrize("state", FAILING)
@pytest.mark.parametrize("kind", [HOUSE, MOBILE, SHED])
def test_debris_lies_downwind(kind: Building, state: str) -> None:
    _, building, centres = torn(kind, state)
    plan = shapely.Polygon(building.footprint).buffer(4)
    away = centres[~shapely.contains_xy(plan, centres[:, 0], centres[:, 1])]
    assert len(away) and (away[:, 0] > np.mean(building.footprint, axis=0)[0]).mean() > 0.9


def test_roofs_go_and_walls_stay_until_they_go() -> None:
    def high(state: str) -> float:
        _, building, centres = torn(HOUSE, state)
        over = shapely.contains_xy(shapely.Polygon(building.footprint).buffer(1), centres[:, 0], centres[:, 1])
        return float(centres[over, 2].max())

    assert high("roof_deck_loss") > HOUSE.eaves_m + 1
    assert HOUSE.eaves_m - 0.6 < high("roof_loss") < HOUSE.eaves_m + 0.4
    assert high("swept_away") < 1.0


def test_covering_is_lost_as_much_as_the_scale_says() -> None:
    world, _, _ = torn(HOUSE, "roof_cover_loss")
    mesh = world.before
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    bare = mesh.material == INDEX["roof_stripped"]
    roof = np.array([material.surface == ROOF for material in TABLE])[mesh.material]
    assert 0.02 < area[bare].sum() / area[roof].sum() < 0.2


def test_mobile_homes_roll_by_their_own_width() -> None:
    world, building, _ = torn(MOBILE, "overturned")
    home = world.before.vertices[world.before.vertices[:, 2] > 1.0]
    across = home[:, 1].mean() - np.mean(building.footprint, axis=0)[1]
    assert 3.0 < abs(across) < 8.0
    assert world.before.vertices[:, 2].max() == pytest.approx(5.0, abs=1.5)       # it was 5 m wide


def test_trees_fall_downwind_and_block_streets() -> None:
    oaks = tuple(Tree(x, -30.0, 0.0, 16.0, 4.0, "oak") for x in np.arange(-90.0, 90.0, 6.0))
    bare = place([moved(HOUSE, 1, 40, 40)], 240.0)
    world = replace(bare, trees=oaks, before=trees_mesh(oaks, ["crown_broadleaf"] * len(oaks)))
    calm, storm = (blow(world, Wind(gust_ms=v, wind_from_deg=270.0), ["crown_broadleaf"] * len(oaks))
                   for v in (10.0, 75.0))
    assert np.array_equal(calm.after.vertices, world.before.vertices)
    upright, lying = (common.select(result.after, common.of_plants(result.after)).vertices for result in (calm, storm))
    assert len(upright) == len(lying)
    assert lying[:, 2].max() < 0.7 * upright[:, 2].max() and lying[:, 0].mean() > upright[:, 0].mean() + 4


def test_a_storm_strikes_through_the_spec() -> None:
    world = town(HOUSE, 5, 30.0, drawn=True)
    result = strike(world, SceneSpec(hazard=Wind(gust_ms=55.0)))
    assert [row.id for row in result.damage] == [b.id for b in world.buildings]
    assert len({row.state for row in result.damage}) > 1 and max(row.grade for row in result.damage) >= 3
    assert all("gust" in row.cause for row in result.damage)
    assert float(result.fields["gust_ms"].values.mean()) == pytest.approx(55.0, rel=0.1)
