"""SceneSpec: what can be asked for (`space.SceneSpace`: the ranges it is drawn from).

A spec is a frozen value that travels as JSON. `scene_id` hashes all of it; `world_id` hashes what the geometry depends
on, so that many views share one world. Numbers are quantised to 1/1000 (1 mm, 0.001 degree) before hashing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from sim_bridge.errors import InputError

GENERATOR_VERSION = 2
"""Raised whenever the same spec would give another world."""

Season = Literal["spring", "summer", "autumn", "winter"]


Settlement = Literal["suburb", "town", "rural", "village", "old_town", "industrial", "coastal", "riverside"]


@dataclass(frozen=True)
class Layout:
    """A procedural place; of a real one (`Place`), only what its source does not say."""

    settlement: Settlement = "suburb"
    street_pattern: Literal["curved", "grid", "organic"] = "curved"
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
    water: Literal["none", "pond", "river", "sea"] = "none"
    origin_lat_deg: float = 38.47
    origin_lon_deg: float = -122.72


@dataclass(frozen=True)
class Place:
    """A real place that takes the procedural one's place. `file` is where its source lies on this machine; ids
    hash the SHA-256 of its content instead (`SceneSpec.sources`)."""

    kind: Literal["procedural", "osm", "ems", "cityjson", "mesh"] = "procedural"
    file: str = ""
    lat_deg: float = 0.0
    """Centre of the square that is cut out; 0, 0 takes where its buildings crowd most."""
    lon_deg: float = 0.0
    materials: str = ""
    """mesh: TOML file that maps material names to classes."""


@dataclass(frozen=True)
class RulePackage:
    """A CityEngine rule package (.rpk) that grows the buildings of one use out of their footprints."""

    file: str = ""
    use: str = "*"
    """`Building.use` it serves; * serves all."""
    attributes: tuple[tuple[str, float | str | bool], ...] = ()
    """CGA attributes, in the order of their names."""


@dataclass(frozen=True)
class NoHazard:
    """Nothing happens: pairs that teach what is not damage."""

    kind: Literal["none"] = "none"


@dataclass(frozen=True)
class Flood:
    kind: Literal["flood"] = "flood"
    stage_m: float = 2.0
    """Rise of the water above its normal level; not used if it rains."""
    rain_mm: float = 0.0
    """Rain that runs off over the relief and gathers in its hollows; 0: the river or the sea rises instead."""
    recession: float = 0.0
    """0: seen at the peak; 1: the water is back in its bed and has left mud and wet marks."""


@dataclass(frozen=True)
class Earthquake:
    kind: Literal["earthquake"] = "earthquake"
    magnitude: float = 6.8
    """Moment magnitude."""
    epicentre_distance_km: float = 8.0
    epicentre_azimuth_deg: float = 45.0
    depth_km: float = 8.0
    vs30_ms: float = 400.0
    """Mean shear-wave velocity of the upper 30 m of ground: rock is fast, mud is slow."""
    code: Literal["pre", "low", "moderate", "high"] = "moderate"
    """Seismic design level of HAZUS that most buildings were built to."""


@dataclass(frozen=True)
class Fire:
    kind: Literal["fire"] = "fire"
    ignition_azimuth_deg: float = 45.0
    """Compass direction, from the centre, of the edge at which the fire arrives."""
    wind_speed_ms: float = 12.0
    wind_from_deg: float = 45.0
    hours: float = 6.0
    """How long it burns before the second picture is taken."""
    fuel_moisture: float = 0.06
    """Of dead fine fuel, share of dry mass."""
    out_hours: float = 48.0
    """After how many hours the fire is out everywhere: a later picture shows no smoke."""


@dataclass(frozen=True)
class Wind:
    kind: Literal["wind"] = "wind"
    gust_ms: float = 50.0
    """Three-second gust at 10 m over open ground."""
    wind_from_deg: float = 180.0


@dataclass(frozen=True)
class Tsunami:
    kind: Literal["tsunami"] = "tsunami"
    height_m: float = 5.0
    """Of the water above the normal level, at the shore."""
    recession: float = 1.0
    """0: seen at the highest water; 1: after it has gone."""


@dataclass(frozen=True)
class Replay:
    """The grades that the place's source carries (Copernicus EMS), drawn as a hazard of one kind leaves them."""

    kind: Literal["replay"] = "replay"
    event: Literal["earthquake", "flood", "fire"] = "earthquake"


Hazard = NoHazard | Flood | Earthquake | Fire | Wind | Tsunami | Replay
HAZARDS: dict[str, type[NoHazard] | type[Flood] | type[Earthquake] | type[Fire] | type[Wind] | type[Tsunami]
              | type[Replay]] = {
    "none": NoHazard, "flood": Flood, "earthquake": Earthquake, "fire": Fire, "wind": Wind, "tsunami": Tsunami,
    "replay": Replay,
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
    place: Place = field(default_factory=Place)
    rules: tuple[RulePackage, ...] = ()
    hazard: Hazard = field(default_factory=NoHazard)
    season_before: Season = "summer"
    season_after: Season = "summer"
    view: View = field(default_factory=View)
    light_before: Light = field(default_factory=Light)
    light_after: Light = field(default_factory=Light)
    sources: tuple[str, ...] = ()
    """SHA-256 of every file that the place is built from, rule packages included, in the order in which the spec names
    them (`world.places.with_sources` fills it in); empty for procedural places."""

    @property
    def scene_id(self) -> str:
        return _digest(_without_paths(to_json(self)))

    @property
    def world_id(self) -> str:
        whole = _without_paths(to_json(self))
        parts = ("seed", "layout", "place", "rules", "hazard", "season_before", "season_after", "sources")
        return _digest({**{name: whole[name] for name in parts}, "generator": GENERATOR_VERSION})


PARTS: dict[str, type] = {"layout": Layout, "place": Place, "view": View, "light_before": Light, "light_after": Light}


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
    for name, kind_of in PARTS.items():
        if name in given:
            parts[name] = _build(kind_of, given.pop(name), name)
    if "rules" in given:
        parts["rules"] = tuple(_rule(rule) for rule in given.pop("rules"))
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
    "layout.origin_lon_deg": (-180, 180), "place.lat_deg": (-85, 85), "place.lon_deg": (-180, 180),
    "hazard.stage_m": (0, 20), "hazard.rain_mm": (0, 1000), "hazard.recession": (0, 1),
    "hazard.vs30_ms": (100, 2000), "hazard.fuel_moisture": (0.01, 0.4), "hazard.out_hours": (0, 240),
    "hazard.gust_ms": (0, 120), "hazard.height_m": (0, 40), "hazard.magnitude": (4, 9),
    "hazard.epicentre_distance_km": (0, 200), "hazard.depth_km": (1, 50), "hazard.wind_speed_ms": (0, 50),
    "hazard.hours": (0, 240), "view.gsd_m": (0.05, 10), "view.hfov_deg": (1, 120), "view.off_nadir_deg": (0, 60),
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


def _rule(value: Mapping[str, Any]) -> RulePackage:
    """Rule package of a JSON table; its attributes are a table or, as `to_json` writes them, a list of pairs."""
    given = dict(value)
    attributes = given.pop("attributes", {})
    pairs = attributes.items() if isinstance(attributes, Mapping) else attributes
    rule = _build(RulePackage, given, "rules")
    for name, entry in pairs:
        if not isinstance(entry, int | float | str | bool):
            raise InputError(f"rules.attributes.{name} is {entry!r}: expected a number, a text, true or false")
    ordered = sorted((str(n), float(v) if isinstance(v, int) and not isinstance(v, bool) else v) for n, v in pairs)
    assert isinstance(rule, RulePackage)
    return RulePackage(rule.file, rule.use, tuple(ordered))


def _without_paths(whole: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's JSON without the paths of its sources: the same content elsewhere is the same place."""
    place = {name: value for name, value in whole["place"].items() if name not in ("file", "materials")}
    rules = [{name: value for name, value in rule.items() if name != "file"} for rule in whole["rules"]]
    return {**whole, "place": place, "rules": rules}


def _build(kind: type, value: Mapping[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
    for name in value:
        if name not in known:
            raise InputError(f"{where}.{name} is not known: expected one of {', '.join(known)}")
    for name, entry in value.items():
        default = getattr(kind(), name)
        number = isinstance(default, float) and isinstance(entry, int | float) and not isinstance(entry, bool)
        if not number and type(entry) is not type(default) and name != "hazard":
            raise InputError(f"{where}.{name} is {entry!r}: expected {type(default).__name__}")
        _check_literal(entry, f"{where}.{name}")
    return kind(**{name: float(v) if isinstance(getattr(kind(), name), float) else v for name, v in value.items()})


_CHOICES = {
    "settlement": ("suburb", "town", "rural", "village", "old_town", "industrial", "coastal", "riverside"),
    "street_pattern": ("curved", "grid", "organic"), "water": ("none", "pond", "river", "sea"),
    "place.kind": ("procedural", "osm", "ems", "cityjson", "mesh"), "code": ("pre", "low", "moderate", "high"),
    "event": ("earthquake", "flood", "fire"),
    "season_before": ("spring", "summer", "autumn", "winter"), "season_after": ("spring", "summer", "autumn", "winter"),
}


def _check_literal(entry: object, where: str) -> None:
    options = _CHOICES.get(where, _CHOICES.get(where.rpartition(".")[2]))
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
