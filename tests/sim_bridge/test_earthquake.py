"""Shaking and fragility: the published figures, and laws that hold at every strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pygmm
import pytest
import scipy.stats
from flat_town import BLOCK, HOUSE, MASONRY, MOBILE, SHED, STILTS, town
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.hazards.earthquake import building_states, ranks, state_of
from sim_bridge.hazards.fragility import BETA, COLLAPSE_RATE, LEVELS, MEDIAN_PGA_G, exceedance, medians, reached
from sim_bridge.hazards.grades import grade, order
from sim_bridge.hazards.ground_motion import CORRELATION_KM, WITHIN_EVENT, correlated, median_pga_g, shaking
from sim_bridge.spec import Earthquake
from sim_bridge.world.model import Building

KINDS: Mapping[str, Building] = {"house": HOUSE, "masonry": MASONRY, "block": BLOCK, "stilts": STILTS,
                                 "mobile": MOBILE, "shed": SHED}
RANK = {state: position for position, state in enumerate(order("earthquake"))}


@pytest.mark.parametrize(("rupture_km", "expected_g"), [(10.0, 0.268), (11.5, 0.241)])
def test_ground_motion_is_chiou_youngs_2014(rupture_km: float, expected_g: float) -> None:
    """Magnitude 6.5 on vs30 400 m/s, strike-slip; 0.24 g is what an epicentre 10 km away and 5.7 km deep gives."""
    assert median_pga_g(6.5, rupture_km, 400.0) == pytest.approx(expected_g, abs=0.002)


@pytest.mark.parametrize("model", [pygmm.BooreStewartSeyhanAtkinson2014, pygmm.AbrahamsonSilvaKamai2014])
@pytest.mark.parametrize("rupture_km", [5.0, 10.0, 20.0])
def test_sibling_relations_agree(model: type[pygmm.ChiouYoungs2014], rupture_km: float) -> None:
    scenario = pygmm.Scenario(mag=6.5, dist_rup=rupture_km, dist_jb=rupture_km, dist_x=rupture_km, v_s30=400.0, dip=90,
                              mechanism="SS")
    assert median_pga_g(6.5, rupture_km, 400.0) == pytest.approx(float(model(scenario).pga), rel=0.15)


@settings(max_examples=25, deadline=None)
@given(st.floats(4, 9), st.floats(4, 9), st.floats(1, 150), st.floats(1, 1.5), st.floats(100, 2000))
def test_stronger_and_nearer_shake_more(one: float, other: float, km: float, farther: float, vs30: float) -> None:
    weak, strong = sorted((one, other))
    assert median_pga_g(strong, km, vs30) >= median_pga_g(weak, km, vs30) * (1 - 1e-9)
    assert median_pga_g(one, km * farther, vs30) <= median_pga_g(one, km, vs30) * (1 + 1e-9)


def test_interpolation_follows_the_relation() -> None:
    distance = np.linspace(8.0, 9.5, 40)
    direct = [float(median_pga_g(7.0, km, 300.0)) for km in distance]
    assert median_pga_g(7.0, distance, 300.0) == pytest.approx(direct, rel=1e-4)


def test_residual_is_correlated_as_published_and_belongs_to_the_place() -> None:
    at = np.array([0.0, 0.5, 2.0, 8.5])
    rngs = [np.random.default_rng(k) for k in range(300)]
    draws = np.array([correlated(at, np.zeros(1), CORRELATION_KM / 3, rng)[0] for rng in rngs])
    assert np.corrcoef(draws.T)[0] == pytest.approx(np.exp(-3 * at / CORRELATION_KM), abs=0.15)
    assert draws.std() == pytest.approx(1.0, abs=0.08)
    weak, strong = (shaking(town(HOUSE, 3), Earthquake(magnitude=m, epicentre_distance_km=40)).values for m in (6, 7))
    assert np.ptp(np.log(strong / weak)) < 0.01                            # the same pattern, another level
    centre = float(median_pga_g(6, np.hypot(40, 8), 400))
    assert np.exp(np.log(weak).mean()) == pytest.approx(centre, rel=0.01)
    assert np.log(weak).std() < WITHIN_EVENT


def test_half_of_a_kind_is_damaged_at_its_median() -> None:
    assert exceedance(0.43, 0.43) == 0.5
    pga = np.geomspace(0.01, 3, 50)
    assert exceedance(pga, 0.43) == pytest.approx(scipy.stats.lognorm.cdf(pga, BETA, scale=0.43), abs=1e-12)


def test_medians_are_those_of_the_manual() -> None:
    assert medians(HOUSE, "moderate") == pytest.approx([0.24, 0.43, 0.91, 1.34])
    assert medians(MASONRY, "high") == pytest.approx([0.14, 0.20, 0.32, 0.46])      # not permitted there: low code
    assert medians(BLOCK, "low") == pytest.approx([0.11, 0.17, 0.32, 0.51])         # C3, mid rise
    assert medians(BLOCK, "high") == pytest.approx([0.15, 0.27, 0.73, 1.61])        # C1, mid rise
    assert medians(STILTS, "moderate") == pytest.approx(medians(BLOCK, "low"))
    assert set(COLLAPSE_RATE) == set(MEDIAN_PGA_G)


def test_limits_rise_and_better_codes_are_never_weaker() -> None:
    for levels in MEDIAN_PGA_G.values():
        known = [row for row in levels if row is not None]
        assert all(list(row) == sorted(row) for row in known)
        assert all((np.diff(np.array(known)[:, k]) >= 0).all() for k in range(4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pga_g", [0.2, 0.5, 1.0])
def test_shares_of_states_follow_the_curves(kind: str, pga_g: float) -> None:
    """Neighbours share luck, so that the error of the mean shows in the spread between places."""
    worlds = [town(KINDS[kind], 10, 30.0, seed) for seed in range(60)]
    counts = np.array([reached(w.buildings, np.full(100, pga_g), ranks(w), Earthquake(code="low")) for w in worlds])
    curve = exceedance(pga_g, medians(KINDS[kind], "low"))
    for limit in range(4):
        by_place = (counts > limit).mean(axis=1)
        error = max(by_place.std() / np.sqrt(len(worlds)), np.sqrt(curve[limit] * (1 - curve[limit]) / counts.size))
        assert abs(by_place.mean() - curve[limit]) < 4 * error + 0.002


def test_the_collapse_rate_is_the_share_of_complete_damage() -> None:
    worlds = [town(BLOCK, 20, 30.0, seed) for seed in range(12)]
    counts = np.concatenate([reached(w.buildings, np.full(400, 2.0), ranks(w), Earthquake(code="low")) for w in worlds])
    assert (counts == 5).sum() / (counts >= 4).sum() == pytest.approx(COLLAPSE_RATE["C3M"], abs=0.04)


@settings(max_examples=40, deadline=None)
@given(st.floats(4, 9), st.floats(4, 9), st.floats(0.5, 60), st.sampled_from(LEVELS), st.sampled_from(sorted(KINDS)))
def test_a_stronger_earthquake_never_leaves_a_better_state(one: float, other: float, km: float, code: str,
                                                           kind: str) -> None:
    world = town(KINDS[kind], 5)
    found = []
    for magnitude in sorted((one, other)):
        quake = replace(Earthquake(magnitude=magnitude, epicentre_distance_km=km), code=code)
        found.append([RANK[state] for state in building_states(world, quake, shaking(world, quake))])
    assert (np.diff(np.array(found), axis=0) >= 0).all()


def test_every_building_gets_worse_along_the_table() -> None:
    kinds = product(("wood_light", "masonry", "reinforced_masonry", "concrete_frame", "steel_light", "mobile_home"),
                    (1, 2, 5, 9), (False, True), ("flat", "gable"))
    for typology, storeys, soft, roof in kinds:
        building = replace(HOUSE, typology=typology, storeys=storeys, soft_storey=soft, roof=roof)
        states = [state_of(building, count) for count in range(6)]
        assert [RANK[s] for s in states] == sorted(RANK[s] for s in states)
        assert [grade("earthquake", s) for s in states] == [1, 1, 2, 3, 3, 4]


def test_neighbours_share_their_luck() -> None:
    luck = np.array([ranks(town(HOUSE, 12, 30.0, seed)).reshape(12, 12) for seed in range(40)])
    near = np.corrcoef(luck[:, :, :-1].ravel(), luck[:, :, 1:].ravel())[0, 1]
    far = np.corrcoef(luck[:, :, 0].ravel(), luck[:, :, -1].ravel())[0, 1]
    assert near > 0.3 and abs(far) < 0.2


def test_a_strong_earthquake_on_weak_buildings_and_a_far_one_on_good_ones() -> None:
    def shares(kind: Building, quake: Earthquake) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        worlds = [town(kind, 12, 30.0, seed) for seed in range(8)]
        grades = [grade("earthquake", s) for w in worlds for s in building_states(w, quake, shaking(w, quake))]
        return np.bincount(grades, minlength=5)[1:] / len(grades)

    near = shares(BLOCK, Earthquake(magnitude=7.5, epicentre_distance_km=4, depth_km=5, code="pre"))
    far = shares(HOUSE, Earthquake(magnitude=6.5, epicentre_distance_km=30, code="high"))
    assert near[2] + near[3] > 0.55 and 0.03 < near[3] < 0.2
    assert far[0] > 0.95 and far[2] + far[3] < 0.01
