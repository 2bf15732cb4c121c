"""Which scenes to ask for next: uncertain to the model, and like the target.

A candidate is a point of the unit cube of a SceneSpace. It is judged by a probe: a small world built from it, captured
and translated as training frames are. Its score is the rank of the model's uncertainty on the probe times the rank of
the probe's likeness to the target's unlabelled images (information about *target* predictions, after EPIG, Bickford
Smith et al. 2023: what is uncertain but unlike the target is dropped). Random and Sobol requests always travel along:
they are the baseline of every report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc, rankdata

from sim_bridge.space import SceneSpace, space_from_json
from sim_bridge.spec import SceneSpec, from_json, to_json
from sim_bridge.world.places.sources import with_sources

F64 = npt.NDArray[np.float64]

STRATEGIES = ("model", "sobol", "random")


@dataclass(frozen=True)
class Proposal:
    """A scene that was asked for, and why."""

    spec: SceneSpec
    point: tuple[float, ...]
    """Where it lies in the unit cube of the space, axes in the order of `SceneSpace.names`."""
    strategy: str
    why: str
    scores: Mapping[str, float] = field(default_factory=dict)


def to_record(proposal: Proposal) -> dict[str, Any]:
    """JSON value of a proposal (`specs.json`)."""
    return {
        "scene_id": proposal.spec.scene_id, "world_id": proposal.spec.world_id, "strategy": proposal.strategy,
        "why": proposal.why, "scores": dict(proposal.scores), "point": list(proposal.point),
        "spec": to_json(proposal.spec),
    }


def from_record(record: Mapping[str, Any]) -> Proposal:
    """Proposal of a JSON value, inverse of `to_record`."""
    return Proposal(from_json(record["spec"]), tuple(record["point"]), record["strategy"], record["why"],
                    dict(record["scores"]))


def random_points(count: int, axes: int, seed: int) -> F64:
    """(count, axes) points, independent and uniform."""
    return np.random.default_rng(seed).random((count, axes))


def sobol_points(count: int, axes: int, seed: int) -> F64:
    """(count, axes) points of a scrambled Sobol sequence (Owen 1998)."""
    power = max(0, int(np.ceil(np.log2(max(1, count)))))
    return np.asarray(qmc.Sobol(axes, seed=seed).random_base2(power)[:count], np.float64)


def scene_seed(run_seed: int, round_index: int, stream: int, index: int) -> int:
    """Seed of one scene: the same for the same place in the same run, unlike any other."""
    return int(np.random.SeedSequence((run_seed, round_index, stream, index)).generate_state(1)[0] >> 1)


def scene_space(axes: Mapping[str, Any], base: Mapping[str, Any]) -> SceneSpace:
    """Space of the axes about a base scene, both as in a settings file; the base's files are digested.

    Raises InputError for unknown axes and fields, values out of range, and files that cannot be read.
    """
    return space_from_json(axes, with_sources(from_json(base)))


def baseline_proposals(space: SceneSpace, strategy: str, count: int, seed: int, round_index: int) -> list[Proposal]:
    """Requests that do not look at the model: `random` or `sobol`."""
    axes, stream = len(space.names), STRATEGIES.index(strategy)
    draw = sobol_points if strategy == "sobol" else random_points
    points = draw(count, axes, scene_seed(seed, round_index, stream, 0))
    why = {"sobol": "covers the scene space evenly", "random": "random baseline"}[strategy]
    return [
        Proposal(space.decode(p, scene_seed(seed, round_index, stream, i + 1)), tuple(map(float, p)), strategy, why)
        for i, p in enumerate(points)
    ]


def probe_of(spec: SceneSpec, size_m: float) -> SceneSpec:
    """The same request on a smaller piece of land, cheaper to build and to capture."""
    return replace(spec, layout=replace(spec.layout, size_m=size_m))


def target_match(probes: F64, target: F64, neighbours: int = 5) -> F64:
    """(N,) mean cosine similarity of each probe's embedding (N, D) to its nearest target embeddings (M, D).

    Both are centred on the target's mean first: without it, all images point the same way.
    """
    centre = target.mean(axis=0)
    p, t = (_unit(x - centre) for x in (probes, target))
    nearest = np.sort(p @ t.T, axis=1)[:, -min(neighbours, len(target)):]           # (N, k)
    return np.asarray(nearest.mean(axis=1), np.float64)


def joint_score(uncertainty: F64, match: F64) -> F64:
    """(N,) product of both ranks, each scaled to (0, 1]: scales of the two scores do not matter, and both count."""
    n = len(uncertainty)
    return np.asarray(rankdata(uncertainty) / n * rankdata(match) / n, np.float64)


def choose_diverse(points: F64, score: F64, count: int, reach: float = 0.35) -> list[int]:
    """Greedy choice of `count` candidates: each time the best score, discounted near what was chosen already.

    points: (N, axes) in the unit cube; the discount is 1 - exp(-d^2 / (reach^2 * axes)) of the distance to the nearest
    chosen one (a soft k-centre rule).
    """
    chosen: list[int] = []
    nearest = np.full(len(points), np.inf)
    for _ in range(min(count, len(points))):
        worth = score * (1 - np.exp(-nearest**2 / (reach**2 * points.shape[1])))
        worth[chosen] = -np.inf
        best = int(np.argmax(worth))
        chosen.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(points - points[best], axis=1))
    return chosen


def model_proposals(space: SceneSpace, points: F64, uncertainty: F64, match: F64, count: int, seed: int,
                    round_index: int) -> list[Proposal]:
    """The candidates that the model asks for, with the scores that chose them."""
    score = joint_score(uncertainty, match)
    proposals = []
    for i in choose_diverse(points, score, count):
        scores = {"uncertainty": float(uncertainty[i]), "target_match": float(match[i]), "score": float(score[i])}
        why = (f"uncertainty {uncertainty[i]:.3f} (rank {_rank(uncertainty, i)} of {len(points)}), "
               f"target match {match[i]:.2f} (rank {_rank(match, i)})")
        spec = space.decode(points[i], scene_seed(seed, round_index, STRATEGIES.index("model"), i + 1))
        proposals.append(Proposal(spec, tuple(float(u) for u in points[i]), "model", why, scores))
    return proposals


def shares(count: int, model_share: float, random_share: float) -> dict[str, int]:
    """How many of `count` requests each strategy gets; every strategy with a share gets at least one."""
    model = min(count, max(1, round(count * model_share))) if model_share > 0 else 0
    rand = min(count - model, max(1, round(count * random_share))) if random_share > 0 else 0
    return {"model": model, "random": rand, "sobol": count - model - rand}


def _rank(values: F64, index: int) -> int:
    return int((values > values[index]).sum()) + 1


def _unit(x: F64) -> F64:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float64)
