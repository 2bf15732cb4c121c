"""Scores of damage maps, from pooled counts; numpy only.

Counts of many tiles are added before any F1 is taken, and an F1 without a true positive is 0, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import IGNORE
from sim_bridge.errors import InputError

Grades = npt.NDArray[np.integer[Any]]

FULL_SCALE = (1, 2, 3, 4)
EPSILON = 1e-6


@dataclass(frozen=True)
class Tally:
    """True positives, false positives and false negatives of one class, in pixels."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0


def tally(predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Tally:
    """Counts of one class from two masks of the same shape."""
    both = int(np.count_nonzero(predicted & truth))
    return Tally(both, int(np.count_nonzero(predicted)) - both, int(np.count_nonzero(truth)) - both)


@dataclass(frozen=True)
class Counts:
    """Pooled counts of the two-grade score (no damage against destroyed); counts of tiles are added."""

    building: Tally = Tally()
    no_damage: Tally = Tally()
    destroyed: Tally = Tally()

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.building + other.building, self.no_damage + other.no_damage,
                      self.destroyed + other.destroyed)


def count(predicted: Grades, truth: Grades) -> Counts:
    """Counts of one tile of predicted grades 0-4 (H, W) against truth 0-4 and 255 (H, W).

    Only truth 0, 1 and 4 counts; grades 2, 3 and 255 are left out everywhere. Localisation: grade above 0. The two
    grades are counted on true buildings only: predicted 1-2 is no damage, 3-4 destroyed, 0 a miss of its grade.
    Raises InputError for unequal shapes or predicted values other than 0-4.
    """
    _check(predicted, truth)
    told = np.isin(truth, (0, 1, 4))
    found, real = predicted[told], truth[told]
    inside, grade = found[real > 0], real[real > 0]
    return Counts(
        tally(found > 0, real > 0),
        tally((inside == 1) | (inside == 2), grade == 1),
        tally(inside >= 3, grade == 4),
    )


def scores_of(counts: Counts) -> dict[str, float]:
    """F1 scores 0-1: `combined` is 0.3 localisation + 0.7 harmonic mean of no_damage and destroyed."""
    intact, destroyed = counts.no_damage.f1, counts.destroyed.f1
    harmonic = 2 / (1 / intact + 1 / destroyed) if intact and destroyed else 0.0
    return {
        "localisation_f1": counts.building.f1, "no_damage_f1": intact, "destroyed_f1": destroyed,
        "combined": 0.3 * counts.building.f1 + 0.7 * harmonic,
        "localisation_precision": counts.building.precision, "localisation_recall": counts.building.recall,
    }


def xbd_score(predicted: Sequence[Grades], truth: Sequence[Grades]) -> dict[str, float]:
    """Pooled `scores_of` over tiles."""
    return scores_of(sum((count(p, t) for p, t in zip(predicted, truth, strict=True)), Counts()))


@dataclass(frozen=True)
class FullCounts:
    """Pooled counts of the xView2 score: buildings, and the grades 1-4."""

    building: Tally = Tally()
    grades: tuple[Tally, ...] = (Tally(),) * len(FULL_SCALE)

    def __add__(self, other: FullCounts) -> FullCounts:
        grades = tuple(a + b for a, b in zip(self.grades, other.grades, strict=True))
        return FullCounts(self.building + other.building, grades)


def count_full(predicted: Grades, truth: Grades) -> FullCounts:
    """Counts of the official xView2 score (DIUx-xView/xView2_scoring); truth 255 counts as background there."""
    _check(predicted, truth)
    real = np.where(truth == IGNORE, 0, truth)
    inside, grade = predicted[real > 0], real[real > 0]
    return FullCounts(tally(predicted > 0, real > 0), tuple(tally(inside == g, grade == g) for g in FULL_SCALE))


def xview2_score(localisation: float, grades: Sequence[float]) -> tuple[float, float]:
    """Damage F1 and score of the four grades' F1, with xView2's epsilon: one absent grade takes damage to about 0."""
    damage = len(grades) / sum(1 / (f1 + EPSILON) for f1 in grades)
    return damage, 0.3 * localisation + 0.7 * damage


def full_scores_of(counts: FullCounts) -> dict[str, float]:
    """xView2's scores, and beside them `damage_present`: the harmonic mean over the grades that the truth holds."""
    f1 = [grade.f1 for grade in counts.grades]
    damage, score = xview2_score(counts.building.f1, f1)
    present = [value for value, grade in zip(f1, counts.grades, strict=True) if grade.tp + grade.fn]
    named = {f"grade_{g}": value for g, value in zip(FULL_SCALE, f1, strict=True)}
    of_present = xview2_score(0.0, present)[0] if present else 0.0
    return {"localisation": counts.building.f1, **named, "damage": damage, "score": score, "damage_present": of_present}


def confusion(predicted: Grades, truth: Grades, classes: int) -> npt.NDArray[np.int64]:
    """Confusion matrix (classes, classes), rows are the truth; truth of IGNORE is left out."""
    if predicted.shape != truth.shape:
        raise InputError(f"prediction is {predicted.shape}: expected {truth.shape} like the truth")
    known = truth != IGNORE
    pairs = truth[known].astype(np.int64) * classes + predicted[known].astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(matrix: npt.NDArray[np.int64]) -> float:
    """Mean intersection over union of the classes that the truth or the prediction holds; 0 without any."""
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
    return float((np.diag(matrix)[union > 0] / union[union > 0]).mean()) if union.any() else 0.0


def _check(predicted: Grades, truth: Grades) -> None:
    if predicted.shape != truth.shape:
        raise InputError(f"prediction is {predicted.shape}: expected {truth.shape} like the truth")
    if predicted.size and (predicted.min() < 0 or predicted.max() > 4):
        raise InputError(f"prediction holds {int(predicted.min())} to {int(predicted.max())}: expected grades 0 to 4")
