"""Acquisition: proposals are reproducible, recorded with their reason, and prefer what is uncertain and target-like."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn import acquire as a
from sim_bridge.space import Choice, Range, SceneSpace

SPACE = SceneSpace({"hazard.kind": Choice(("none", "fire")), "layout.density": Range(0.1, 0.9),
                    "fire.hours": Range(1, 8)})


@pytest.mark.parametrize("strategy", ["random", "sobol"])
def test_baselines_repeat_and_differ_between_rounds(strategy):
    first = a.baseline_proposals(SPACE, strategy, 5, seed=3, round_index=0)
    assert first == a.baseline_proposals(SPACE, strategy, 5, seed=3, round_index=0)
    other = a.baseline_proposals(SPACE, strategy, 5, seed=3, round_index=1)
    assert {p.spec.scene_id for p in first}.isdisjoint(p.spec.scene_id for p in other)
    assert len({p.spec.seed for p in first}) == 5


def test_sobol_covers_better_than_random():
    def discrepancy(points):
        return a.qmc.discrepancy(points)
    assert discrepancy(a.sobol_points(64, 4, 1)) < discrepancy(a.random_points(64, 4, 1))


@given(st.integers(0, 2**32 - 1))
def test_records_round_trip(seed):
    rng = np.random.default_rng(seed)
    points = rng.random((6, 3))
    for p in a.model_proposals(SPACE, points, rng.random(6), rng.random(6), 3, seed=1, round_index=2):
        assert a.from_record(json.loads(json.dumps(a.to_record(p)))) == p
        assert "uncertainty" in p.why and p.strategy == "model"


def test_target_match_prefers_what_looks_like_the_target():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(40, 16)) + np.r_[np.full(8, 3.0), np.zeros(8)]
    like, unlike = target[:5] + rng.normal(size=(5, 16)) * 0.1, rng.normal(size=(5, 16)) - 5
    match = a.target_match(np.concatenate([like, unlike]), target)
    assert match[:5].min() > match[5:].max()


@given(st.integers(0, 2**32 - 1))
def test_joint_score_ignores_scale_and_is_highest_where_both_are(seed):
    rng = np.random.default_rng(seed)
    u, m = rng.random(10), rng.random(10)
    assert a.joint_score(u, m) == pytest.approx(a.joint_score(100 * u, m - 7))
    u[3], m[3] = 2, 2
    assert int(np.argmax(a.joint_score(u, m))) == 3


def test_choice_is_diverse():
    points = np.concatenate([np.full((5, 2), 0.1) + np.arange(5)[:, None] * 1e-3, [[0.9, 0.9]]])
    chosen = a.choose_diverse(points, np.array([1, 0.99, 0.98, 0.97, 0.96, 0.5]), 2)
    assert chosen == [0, 5]


@given(st.integers(1, 40), st.floats(0, 1), st.floats(0, 1))
def test_shares_add_up(count, model, rand):
    parts = a.shares(count, model, rand)
    assert sum(parts.values()) == count and min(parts.values()) >= 0
