from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from learn.evaluate import (
    Counts,
    FullCounts,
    Tally,
    confusion,
    count,
    count_full,
    full_scores_of,
    mean_iou,
    scores_of,
    xbd_score,
    xview2_score,
)
from sim_bridge.errors import InputError


@pytest.mark.parametrize(("localisation", "grades", "damage", "score"), [
    (0.85, (0.9, 0.5, 0.6, 0.8), 0.6635955, 0.7195169),
    (1.0, (1, 1, 1, 1), 1.000001, 1.0000007),
    (1.0, (1, 0, 1, 1), 3.999988e-06, 0.3000028),
])
def test_xview2_vectors(localisation: float, grades: tuple[float, ...], damage: float, score: float) -> None:
    assert xview2_score(localisation, grades) == pytest.approx((damage, score), rel=1e-6)


def test_pooled_counts_by_hand() -> None:
    truth = np.array([0, 0, 1, 1, 1, 4, 4, 4, 2, 3, 255], np.uint8)
    found = np.array([0, 1, 1, 2, 0, 4, 3, 1, 4, 0, 4], np.uint8)
    counts = count(found, truth)
    assert counts == Counts(Tally(5, 1, 1), Tally(2, 1, 1), Tally(2, 0, 1))
    scores = scores_of(counts)
    assert scores["localisation_f1"] == pytest.approx(10 / 12)
    assert scores["no_damage_f1"] == pytest.approx(4 / 6)
    assert scores["destroyed_f1"] == pytest.approx(4 / 5)
    assert scores["combined"] == pytest.approx(0.3 * 10 / 12 + 0.7 * 2 / (6 / 4 + 5 / 4))


def test_counts_are_pooled_before_any_score() -> None:
    rng = np.random.default_rng(0)
    truth, found = (rng.integers(0, 5, (3, 32, 32)).astype(np.uint8) for _ in range(2))
    assert xbd_score(list(found), list(truth)) == scores_of(count(found, truth))
    one, two = count_full(found[0], truth[0]), count_full(found[1:], truth[1:])
    assert one + two == count_full(found, truth)


def test_nothing_found_is_zero_and_perfect_is_one() -> None:
    truth = np.array([[0, 1], [4, 4]], np.uint8)
    assert set(scores_of(count(np.zeros_like(truth), truth)).values()) == {0.0}
    assert set(scores_of(count(truth, truth)).values()) == {1.0}
    assert set(scores_of(Counts()).values()) == {0.0}


def test_absent_grades_collapse_the_official_score_only() -> None:
    truth = np.array([0, 1, 4], np.uint8)
    scores = full_scores_of(count_full(truth, truth))
    assert scores["damage"] < 1e-5 and scores["damage_present"] == pytest.approx(1, abs=1e-5)
    assert full_scores_of(FullCounts())["damage_present"] == 0.0


def test_wrong_predictions_are_refused() -> None:
    with pytest.raises(InputError, match="expected grades 0 to 4"):
        count(np.array([255], np.uint8), np.array([1], np.uint8))
    with pytest.raises(InputError, match="like the truth"):
        count(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))


def test_confusion_and_mean_iou() -> None:
    matrix = confusion(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 255]), 3)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert mean_iou(matrix) == pytest.approx((1 + 0.5 + 0) / 3)
    assert mean_iou(np.zeros((3, 3), np.int64)) == 0.0


def test_scoring_needs_no_torch() -> None:
    code = "import sys, learn.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
