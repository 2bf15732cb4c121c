"""Tsunami: how far it runs, what it does by depth, and what it leaves."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.classes import FLOODED
from sim_bridge.errors import InputError
from sim_bridge.hazards import strike
from sim_bridge.hazards.grades import order
from sim_bridge.hazards.tsunami import FRAGILITY, damage_share, head_loss_m, limit_of_inundation_m
from sim_bridge.spec import Layout, SceneSpec, Tsunami
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Aftermath, World

LAYOUT = Layout(size_m=240.0, settlement="coastal", relief_m=5.0, density=0.95)


@cache
def world() -> World:
    return build_world(SceneSpec(seed=3, layout=LAYOUT))


@cache
def after(tsunami: Tsunami) -> Aftermath:
    return strike(world(), SceneSpec(seed=3, layout=LAYOUT, hazard=tsunami))


@pytest.mark.parametrize(("height_m", "manning", "expected_m"), [(10.0, 0.015, 5745), (5.0, 0.03, 570),
                                                                 (10.0, 0.07, 264)])
def test_limit_is_hills_and_maders(height_m: float, manning: float, expected_m: float) -> None:
    """Worked by hand: 0.06 H^(4/3) / n^2."""
    assert limit_of_inundation_m(height_m, manning) == pytest.approx(expected_m, rel=0.01)


def test_water_runs_out_at_the_limit() -> None:
    """On even ground, the height lost at the limit is the height that it had."""
    water = np.zeros((5, 400), np.bool_)
    water[:, :3] = True
    lost = head_loss_m(4.0, np.full(water.shape, 0.03), water, 2.0)
    metres = 2.0 * (np.arange(400) - 2.5)
    at_limit = np.interp(limit_of_inundation_m(4.0, 0.03), metres, lost[2])
    assert at_limit == pytest.approx(4.0, rel=0.02)
    assert (np.diff(lost[2, 3:]) > 0).all() and (lost[:, :3] == 0).all()


def test_water_goes_round_what_is_rough() -> None:
    water, manning = np.zeros((61, 61), np.bool_), np.full((61, 61), 0.02)
    water[:, 0] = True
    manning[25:36, 20:30] = 0.3
    lost = head_loss_m(5.0, manning, water, 2.0)
    free = head_loss_m(5.0, np.full((61, 61), 0.02), water, 2.0)
    through = free[30, 40] + 10 * 2.0 * (0.3**2 - 0.02**2) / (0.06 * 5 ** (1 / 3))
    assert free[30, 40] < lost[30, 40] < 0.5 * through


@pytest.mark.parametrize(("kind", "median_m"), [("wood_1", 3.23), ("concrete_1", 11.2), ("masonry", 5.25)])
def test_half_of_a_kind_is_washed_away_at_its_median_depth(kind: str, median_m: float) -> None:
    """exp of the published mean of ln(depth)."""
    assert float(damage_share(median_m, kind)[5]) == pytest.approx(0.5, abs=0.01)


@given(st.sampled_from(sorted(FRAGILITY)), st.floats(0.01, 20), st.floats(0.01, 5))
def test_deeper_is_worse_and_worse_is_rarer(kind: str, depth: float, more: float) -> None:
    shares = damage_share(depth, kind)
    assert (damage_share(depth + more, kind) >= shares - 1e-12).all() and (np.diff(shares) <= 1e-12).all()


def test_wood_goes_before_concrete() -> None:
    depth = np.linspace(1, 12, 30)
    assert (damage_share(depth, "wood_1")[4] > damage_share(depth, "concrete_1")[4]).all()


@settings(max_examples=5, deadline=None)
@given(st.floats(0, 12), st.floats(0.1, 6))
def test_higher_is_never_kinder(height: float, more: float) -> None:
    rank = {state: k for k, state in enumerate(order("tsunami"))}
    low, high = (after(Tsunami(height_m=round(h, 2))).damage for h in (height, height + more))
    assert all(rank[a.state] <= rank[b.state] and a.grade <= b.grade for a, b in zip(low, high, strict=True))


def test_simulated_shares_are_near_the_published_ones() -> None:
    """All levels together: the mean level of the buildings against the sum of their curves at their own depths."""
    rank = {state: k for k, state in enumerate(order("tsunami"))}
    got, expected, spread = 0.0, 0.0, 0.0
    for height in (4.0, 7.0, 12.0):
        for row in after(Tsunami(height_m=height)).damage:
            depth, kind = float(row.cause.split()[2]), row.cause.split()[5]
            if row.state != "dry":
                shares = damage_share(depth, kind)
                got += max(rank[row.state] - 1, 0)
                expected += float(shares.sum())
                spread += 2.0
    assert expected > 20 and abs(got - expected) < 3 * 3 * np.sqrt(spread)


def test_washed_away_means_gone() -> None:
    result = after(Tsunami(height_m=14.0))
    lost = [b for b, row in zip(world().buildings, result.damage, strict=True) if row.state == "washed_away"]
    assert len(lost) > 3
    for building in lost:
        mine = np.unique(result.after.faces[result.after.instance == building.id])
        top = result.after.vertices[mine, 2].max(initial=building.base_m)
        assert top < building.base_m + 1.0
        centre = shapely.Polygon(building.footprint).representative_point()
        assert int(result.ground.at(centre.x, centre.y)) == INDEX["foundation"]
    assert (result.ground.values == INDEX["scour"]).any() and TABLE[INDEX["scour"]].hazard & FLOODED


def test_sea_comes_and_goes() -> None:
    there, gone = after(Tsunami(height_m=7.0, recession=0.0)), after(Tsunami(height_m=7.0))
    looks = [INDEX[n] for n in ("flood_shallow", "flood_water", "flood_deep")]
    assert np.isin(there.after.material, looks).any() and not np.isin(gone.after.material, looks).any()
    assert [r.state for r in there.damage] == [r.state for r in gone.damage]
    flow = np.hypot(there.fields["flow_east_ms"].values, there.fields["flow_north_ms"].values)
    assert 1.0 < flow.max() <= 8.0 + 1e-5
    assert all(any(c.isdigit() for c in row.cause) for row in gone.damage)


def test_no_sea_is_one_clear_line() -> None:
    spec = SceneSpec(seed=3, layout=Layout(size_m=120.0, water="pond"), hazard=Tsunami())
    with pytest.raises(InputError, match="needs the sea") as error:
        strike(build_world(spec), spec)
    assert "\n" not in str(error.value)
