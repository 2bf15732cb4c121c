"""SceneSpace: what may vary in a scene, in which ranges; a point of the unit cube is a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import InputError
from sim_bridge.spec import HAZARDS, PARTS, RulePackage, SceneSpec, from_json, to_json


@dataclass(frozen=True)
class Range:
    """A number drawn uniformly from low to high."""

    low: float
    high: float

    def at(self, u: float) -> float:
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class Choice:
    """One of a few values, each as likely as its weight."""

    options: tuple[Any, ...]
    weights: tuple[float, ...] = ()

    def at(self, u: float) -> Any:
        weights = np.asarray(self.weights or (1.0,) * len(self.options), np.float64)
        edges = np.cumsum(weights / weights.sum())
        return self.options[min(int(np.searchsorted(edges, u, side="right")), len(self.options) - 1)]


@dataclass(frozen=True)
class SceneSpace:
    """What may vary: dotted field -> Range or Choice. A hazard's field is named by its kind: `fire.hours`.

    `decode` maps a point of the unit cube to a spec, so that random, Sobol and model-driven proposals share one space.
    Fields of hazards other than the chosen one are ignored at that point.
    """

    axes: Mapping[str, Range | Choice]
    base: SceneSpec = field(default_factory=SceneSpec)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.axes))

    def decode(self, point: Sequence[float] | npt.NDArray[np.float64], seed: int) -> SceneSpec:
        """Spec at a point of [0, 1]^len(names), axes in the order of `names`."""
        if len(point) != len(self.names):
            raise InputError(f"point has {len(point)} coordinates: expected {len(self.names)}, one for each axis")
        values = {name: self.axes[name].at(float(u)) for name, u in zip(self.names, point, strict=True)}
        hazard = HAZARDS[str(values.pop("hazard.kind", self.base.hazard.kind))]
        parts: dict[str, dict[str, Any]] = {}
        whole: dict[str, Any] = {"seed": seed}
        for name, value in values.items():
            part, _, leaf = name.rpartition(".")
            (parts.setdefault(part, {}) if part else whole)[leaf] = value
        whole["rules"] = tuple(_varied(rule, parts.pop(f"rules.{rule.use}", {})) for rule in self.base.rules)
        own = self.base.hazard if isinstance(self.base.hazard, hazard) else hazard()
        whole["hazard"] = replace(own, **parts.pop(own.kind, {}))
        for other in HAZARDS:
            parts.pop(other, None)
        for part, leaves in parts.items():
            if part.startswith("rules."):
                raise InputError(f"space.{part}.{min(leaves)} names no rule package of the base scene: expected "
                                 f"rules.<use>.<attribute>, with a use of {', '.join(r.use for r in self.base.rules)}")
            whole[part] = replace(getattr(self.base, part), **leaves)
        return from_json(to_json(replace(self.base, **whole)))


_PARTS = {**PARTS, **{name: kind for name, kind in HAZARDS.items() if name != "none"}}
_WHOLE = ("season_before", "season_after")
AXES = ("hazard.kind", *_WHOLE, *(
    f"{part}.{f.name}" for part, kind in _PARTS.items() for f in fields(kind) if f.name != "kind"
))
"""Every field that a SceneSpace may vary, beside `rules.<use>.<attribute>`."""


def _varied(rule: RulePackage, values: Mapping[str, Any]) -> RulePackage:
    return replace(rule, attributes=tuple(sorted({**dict(rule.attributes), **values}.items())))


def space_from_json(value: Mapping[str, Any], base: SceneSpec | None = None) -> SceneSpace:
    """SceneSpace of a JSON/TOML table: `[low, high]` is a Range, `{options = [...], weights = [...]}` a Choice. What
    does not vary is as in `base`. Raises InputError for unknown axes and values out of range."""
    axes: dict[str, Range | Choice] = {}
    for name, entry in value.items():
        if name not in AXES and not name.startswith("rules."):
            raise InputError(f"space.{name} is not known: expected one of {', '.join(AXES)}")
        if isinstance(entry, Mapping) and "options" in entry:
            axes[name] = Choice(tuple(entry["options"]), tuple(entry.get("weights", ())))
        elif isinstance(entry, Sequence) and len(entry) == 2 and not isinstance(entry, str):
            axes[name] = Range(float(entry[0]), float(entry[1]))
        else:
            raise InputError(f"space.{name} is {entry!r}: expected [low, high] or {{options = [...]}}")
    space = SceneSpace(axes, base or SceneSpec())
    space.decode([0.5] * len(axes), 0)
    return space
