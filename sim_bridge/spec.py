"""SceneSpec: what can be asked for; SceneSpace: the ranges it is drawn from.

A spec is a frozen value that travels as JSON. `scene_id` hashes all of it; `world_id` hashes what the geometry depends
on, so that many views share one world. Numbers are quantised to 1/1000 (1 mm, 0.001 degree) before hashing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import InputError

GENERATOR_VERSION = 1
"""Raised whenever the same spec would give another world."""

Season = Literal["spring", "summer", "autumn", "winter"]


@dataclass(frozen=True)
class Layout:
    """A procedural place."""

    settlement: Literal["suburb", "town", "rural"] = "suburb"
    street_pattern: Literal["curved", "grid"] = "curved"
    size_m: float = 500.0
    density: float = 0.7
    """Share of parcels that carry a building, 0 to 1."""
    tree_density: float = 0.5
    """0 is bare, 1 is wooded."""
    flat_roof_share: float = 0.1
    hip_roof_share: float = 0.4
    dark_roof_share: float = 0.6
    """Share of grey and dark brown roofs; the rest is light or red."""
    dryness: float = 0.5
    """0: green lawns and meadows; 1: straw and bare soil."""
    relief_m: float = 12.0
    """Height between the lowest and the highest ground."""
    water: Literal["none", "pond", "river"] = "none"
    origin_lat_deg: float = 38.47
    origin_lon_deg: float = -122.72


@dataclass(frozen=True)
class NoHazard:
    """Nothing happens: pairs that teach what is not damage."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True)
class Flood:
    kind: Literal["flood"] = "flood"
    stage_m: float = 2.0
    """Rise of the water above its normal level."""


@dataclass(frozen=True)
class Earthquake:
    kind: Literal["earthquake"] = "earthquake"
    magnitude: float = 6.8
    """Moment magnitude."""
    epicentre_distance_km: float = 8.0
    epicentre_azimuth_deg: float = 45.0
    depth_km: float = 8.0


@dataclass(frozen=True)
class Fire:
    kind: Literal["fire"] = "fire"
    ignition_azimuth_deg: float = 45.0
    """Compass direction, from the centre, of the edge at which the fire arrives."""
    wind_speed_ms: float = 12.0
    wind_from_deg: float = 45.0
    hours: float = 6.0
    """How long it burns before the second picture is taken."""


Hazard = NoHazard | Flood | Earthquake | Fire
HAZARDS: dict[str, type[NoHazard] | type[Flood] | type[Earthquake] | type[Fire]] = {
    "none": NoHazard, "flood": Flood, "earthquake": Earthquake, "fire": Fire,
}


@dataclass(frozen=True)
class View:
    """How the camera looks; before and after share it."""

    gsd_m: float = 0.5
    """Ground sampling distance at the image centre, across the line of sight."""
    hfov_deg: float = 15.0
    """Narrow by default, so that frames look like those of a distant sensor."""
    off_nadir_deg: float = 10.0
    view_azimuth_deg: float = 90.0
    """Compass direction in which the camera stands, seen from the ground."""

    def distance_m(self, width_px: int) -> float:
        """Range at which a frame of `width_px` pixels has `gsd_m` at its centre."""
        return self.gsd_m * width_px / (2 * math.tan(math.radians(self.hfov_deg) / 2))


@dataclass(frozen=True)
class Light:
    """Sun and air at the time of a picture."""

    sun_elevation_deg: float = 45.0
    sun_azimuth_deg: float = 150.0
    haze: float = 0.1
    """0 is clear air; 1 leaves half of the contrast."""


@dataclass(frozen=True)
class SceneSpec:
    """One scene: a place, what strikes it, when, and how it is seen."""

    seed: int = 0
    layout: Layout = field(default_factory=Layout)
    hazard: Hazard = field(default_factory=NoHazard)
    season_before: Season = "summer"
    season_after: Season = "summer"
    view: View = field(default_factory=View)
    light_before: Light = field(default_factory=Light)
    light_after: Light = field(default_factory=Light)
    sources: tuple[str, ...] = ()
    """SHA-256 of every file that the place is built from; empty for procedural places."""

    @property
    def scene_id(self) -> str:
        return _digest(to_json(self))

    @property
    def world_id(self) -> str:
        whole = to_json(self)
        parts = ("seed", "layout", "hazard", "season_before", "season_after", "sources")
        return _digest({**{name: whole[name] for name in parts}, "generator": GENERATOR_VERSION})


def to_json(spec: SceneSpec) -> dict[str, Any]:
    """Plain JSON value of a spec, numbers quantised to 1/1000."""
    value = _quantised(asdict(spec))
    assert isinstance(value, dict)
    return value


def from_json(value: Mapping[str, Any]) -> SceneSpec:
    """Spec of a JSON value. Raises InputError for unknown keys, wrong types and values out of range."""
    given = dict(value)
    hazard = dict(given.pop("hazard", {"kind": "none"}))
    kind = str(hazard.get("kind", "none"))
    if kind not in HAZARDS:
        raise InputError(f"hazard.kind is {kind!r}: expected one of {', '.join(HAZARDS)}")
    parts: dict[str, Any] = {"hazard": _build(HAZARDS[kind], hazard, "hazard")}
    for name, kind_of in (("layout", Layout), ("view", View), ("light_before", Light), ("light_after", Light)):
        if name in given:
            parts[name] = _build(kind_of, given.pop(name), name)
    if "sources" in given:
        given["sources"] = tuple(given["sources"])
    spec = _build(SceneSpec, {**given, **parts}, "scene")
    assert isinstance(spec, SceneSpec)
    check(spec)
    return spec


_LIMITS: dict[str, tuple[float, float]] = {
    "layout.size_m": (100, 2000), "layout.density": (0, 1), "layout.tree_density": (0, 1),
    "layout.flat_roof_share": (0, 1), "layout.hip_roof_share": (0, 1), "layout.dark_roof_share": (0, 1),
    "layout.dryness": (0, 1), "layout.relief_m": (0, 200), "layout.origin_lat_deg": (-85, 85),
    "layout.origin_lon_deg": (-180, 180), "hazard.stage_m": (0, 20), "hazard.magnitude": (4, 9),
    "hazard.epicentre_distance_km": (0, 200), "hazard.depth_km": (1, 50), "hazard.wind_speed_ms": (0, 50),
    "hazard.hours": (0, 72), "view.gsd_m": (0.05, 10), "view.hfov_deg": (1, 120), "view.off_nadir_deg": (0, 60),
    "light_before.sun_elevation_deg": (5, 90), "light_after.sun_elevation_deg": (5, 90),
    "light_before.haze": (0, 1), "light_after.haze": (0, 1),
}


def check(spec: SceneSpec) -> None:
    """Raises InputError, naming field, value and range, if a value cannot be built."""
    for path, (low, high) in _LIMITS.items():
        part, name = path.split(".")
        value = getattr(getattr(spec, part), name, None)
        if value is not None and not low <= value <= high:
            raise InputError(f"{path} is {value}: expected {low:g} to {high:g}")


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
        own = self.base.hazard if isinstance(self.base.hazard, hazard) else hazard()
        whole["hazard"] = replace(own, **parts.pop(own.kind, {}))
        for other in HAZARDS:
            parts.pop(other, None)
        for part, leaves in parts.items():
            whole[part] = replace(getattr(self.base, part), **leaves)
        return from_json(to_json(replace(self.base, **whole)))


_PARTS: dict[str, type] = {"layout": Layout, "view": View, "light_before": Light, "light_after": Light,
                           "flood": Flood, "earthquake": Earthquake, "fire": Fire}
_WHOLE = ("season_before", "season_after")
AXES = ("hazard.kind", *_WHOLE, *(
    f"{part}.{f.name}" for part, kind in _PARTS.items() for f in fields(kind) if f.name != "kind"
))
"""Every field that a SceneSpace may vary."""


def space_from_json(value: Mapping[str, Any]) -> SceneSpace:
    """SceneSpace of a JSON/TOML table: `[low, high]` is a Range, `{options = [...], weights = [...]}` a Choice."""
    axes: dict[str, Range | Choice] = {}
    for name, entry in value.items():
        if name not in AXES:
            raise InputError(f"space.{name} is not known: expected one of {', '.join(AXES)}")
        if isinstance(entry, Mapping) and "options" in entry:
            axes[name] = Choice(tuple(entry["options"]), tuple(entry.get("weights", ())))
        elif isinstance(entry, Sequence) and len(entry) == 2 and not isinstance(entry, str):
            axes[name] = Range(float(entry[0]), float(entry[1]))
        else:
            raise InputError(f"space.{name} is {entry!r}: expected [low, high] or {{options = [...]}}")
    space = SceneSpace(axes)
    space.decode([0.5] * len(axes), 0)
    return space


def _build(kind: type, value: Mapping[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    for name in value:
        if name not in known:
            raise InputError(f"{where}.{name} is not known: expected one of {', '.join(known)}")
    for name, entry in value.items():
        default = getattr(kind(), name)
        number = isinstance(default, float) and isinstance(entry, int | float) and not isinstance(entry, bool)
        if not number and type(entry) is not type(default) and not (name == "hazard"):
            raise InputError(f"{where}.{name} is {entry!r}: expected {type(default).__name__}")
        _check_literal(known[name].type, entry, f"{where}.{name}")
    return kind(**{name: float(v) if isinstance(getattr(kind(), name), float) else v for name, v in value.items()})


_CHOICES = {
    "settlement": ("suburb", "town", "rural"), "street_pattern": ("curved", "grid"), "water": ("none", "pond", "river"),
    "season_before": ("spring", "summer", "autumn", "winter"), "season_after": ("spring", "summer", "autumn", "winter"),
}


def _check_literal(_type: object, entry: object, where: str) -> None:
    options = _CHOICES.get(where.rpartition(".")[2])
    if options is not None and entry not in options:
        raise InputError(f"{where} is {entry!r}: expected one of {', '.join(options)}")


def _quantised(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _quantised(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_quantised(entry) for entry in value]
    return round(value, 3) + 0.0 if isinstance(value, float) else value     # + 0.0 turns -0.0 into 0.0


def _digest(value: Mapping[str, Any]) -> str:
    def integers(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            return {name: integers(v) for name, v in entry.items()}
        if isinstance(entry, list):
            return [integers(v) for v in entry]
        return {"milli": round(entry * 1000)} if isinstance(entry, float) else entry

    text = json.dumps(integers(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
