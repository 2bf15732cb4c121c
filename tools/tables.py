"""`mage world tables`: the state-to-grade tables and the object x phase tables, with a rendered example of each cell.

Examples are looked for in small worlds: every settlement under every hazard. What never occurred in them is said so.
Scenes that were searched are on record: the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from tqdm import tqdm

from sim_bridge.classes import GRADES, HAZARD_BITS, SEMANTIC, SURFACE
from sim_bridge.embedded.scene import Phase, Scene
from sim_bridge.hazards.grades import STATES
from sim_bridge.labels import HAZARD_OF
from sim_bridge.spec import GENERATOR_VERSION, Fire, Flood, Hazard, NoHazard, Season, Settlement, Tsunami
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import GROUND, TABLE
from sim_bridge.world.model import World
from tools import showcase
from tools.gallery import write_png
from tools.pages import Cell, Part, write_page
from tools.pictures import UintArray, jpeg_uri
from tools.showcase import Frame, Look, frame

CLOSE_PX = 144
"""Side of an example, pixels."""
_SURVEY_M = 0.25
_GOOD = 0.8
"""Share of an example's middle that shows what it stands for, from which no better one is looked for."""
_WINDOW_PX = 9
_CLASSES = {e.id: e.name for e in SEMANTIC}
_BESIDES: dict[str, tuple[Hazard, ...]] = {
    "flood": (Flood(stage_m=3.0, recession=1.0), Flood(stage_m=9.0)), "fire": (Fire(hours=0.35), Fire(hours=1.0)),
    "tsunami": (Tsunami(height_m=6.0, recession=0.0),),
}
"""What the intensities of the gallery do not show: water gone, deep water, fire at other hours, the sea still in."""
_SEASONS: tuple[Season, ...] = ("autumn", "winter", "spring")


@dataclass
class Found:
    """Best example of each cell so far, and how often cells of the second table were seen."""

    scenes: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    """Of `<class before>/<hazard>/<class after>+<bits>`."""


@dataclass(frozen=True)
class Searched:
    """A scene while it is searched, and its frames from above and aslant, (before, after) each."""

    name: str
    kind: str
    scene: Scene
    frames: tuple[tuple[Look, Frame, Frame], ...]


def draw_tables(out: Path, size_m: float = 160.0, seed: int = 5) -> Path:
    """Searches what has not been searched, and writes out/index.html; returns its path."""
    out.mkdir(parents=True, exist_ok=True)
    found = _load(out, size_m, seed)
    jobs = list(_jobs())
    world: tuple[str, World] | None = None
    for settlement, kind, number, hazard, season in tqdm(jobs, "scenes", unit="scene"):
        name = f"{settlement}, {kind} {number}"
        if name in found.scenes:
            continue
        spec = replace(showcase.place(settlement, size_m, seed), season_after=season)
        if world is None or world[0] != settlement:
            world = (settlement, build_world(spec))
        _search(out, _surveyed(name, kind, Scene(showcase.struck(world[1], spec, hazard))), found)
        found.scenes.append(name)
        _save(out, found, size_m, seed)
    parts = [*_state_parts(out, found), _material_part(out, found), _phase_part(out, found)]
    intro = (f"Examples out of {len(found.scenes)} scenes of {size_m:g} m: every settlement under every hazard. A cell "
             "that did not occur in them is said so.")
    return write_page(out / "index.html", "MAGE: tables of states, materials and phases", intro, parts)


def _jobs() -> Iterator[tuple[Settlement, str, int, Hazard, Season]]:
    """Two of the three intensities in each settlement, in turn, and in every other one what they do not show."""
    for turn, settlement in enumerate(showcase.SETTLEMENTS):
        for kind in showcase.kinds():
            levels = [hazard for _, hazard in showcase.levels(kind, settlement)]
            besides = _BESIDES.get(kind, ()) if turn % 2 == 0 and levels else ()
            shown = [*levels[turn % 3:], *levels[:turn % 3]][:2]
            for number, hazard in enumerate([*shown, *besides]):
                yield settlement, kind, number, hazard, "summer"
        for number, season in enumerate(_SEASONS if turn % 2 == 0 else ()):
            yield settlement, "none", number, NoHazard(), season


def _load(out: Path, size_m: float, seed: int) -> Found:
    path = out / "found.json"
    if path.is_file():
        told = json.loads(path.read_text())
        if told.pop("settings") == [GENERATOR_VERSION, size_m, seed]:
            return Found(**told)
    for old in out.glob("*.png"):
        old.unlink()
    return Found()


def _save(out: Path, found: Found, size_m: float, seed: int) -> None:
    part = out / "found.json.part"
    part.write_text(json.dumps({"settings": [GENERATOR_VERSION, size_m, seed], **vars(found)}))
    part.replace(out / "found.json")


def _surveyed(name: str, kind: str, scene: Scene) -> Searched:
    px = int(scene.package.world.size_m / _SURVEY_M)
    looks = (Look("above", _SURVEY_M, 0.0), Look("aslant", _SURVEY_M, 45.0))
    return Searched(name, kind, scene, tuple(
        (look, frame(scene, "before", (0.0, 0.0), look, px), frame(scene, "after", (0.0, 0.0), look, px))
        for look in looks))


def _search(out: Path, searched: Searched, found: Found) -> None:
    _find_states(out, searched, found)
    for look, before, after in searched.frames:
        _find_values(out, searched, found, look, "before", before.material, "material", before)
        _find_values(out, searched, found, look, "after", after.material, "material", after)
    look, before, after = searched.frames[0]
    bits = HAZARD_OF[after.material].astype(np.int64)
    code = before.semantic.astype(np.int64) * 10_000 + after.semantic.astype(np.int64) * 100 + bits
    for value, count in zip(*np.unique(code[before.material > 0], return_counts=True), strict=True):
        key = f"{searched.kind}/{value}"
        found.pixels[key] = found.pixels.get(key, 0) + int(count)
    _find_values(out, searched, found, look, "after", code, f"phase-{searched.kind}", after)


def _find_states(out: Path, searched: Searched, found: Found) -> None:
    """A building in each state that shows well before."""
    _, before, _ = searched.frames[0]
    plans = {b.id: shapely.Polygon(b.footprint) for b in searched.scene.package.world.buildings}
    seen = np.bincount(before.instance.ravel(), minlength=1 + max(plans, default=0)) * _SURVEY_M**2
    for row in searched.scene.package.aftermath.damage:
        plan = plans[row.id]
        score = min(1.0, float(seen[row.id]) / plan.area) * min(1.0, plan.area / 60)
        if _better(found, f"state-{searched.kind}-{row.state}", score, f"{searched.name}: {row.cause}"):
            west, south, east, north = plan.bounds
            gsd_m = float(np.clip(1.7 * max(east - west, north - south) / CLOSE_PX, 0.05, 0.5))
            _draw(out, f"state-{searched.kind}-{row.state}", searched, Look("", gsd_m, 0.0),
                  (plan.centroid.x, plan.centroid.y), ("before", "after"))


def _find_values(out: Path, searched: Searched, found: Found, look: Look, phase: Phase, values: npt.NDArray[Any],
                 prefix: str, shown: Frame) -> None:
    """For each value of a map the place where most of a small window has it."""
    for value in np.unique(values):
        key = f"{prefix}-{value}"
        if (prefix == "material" and value == GROUND) or found.scores.get(key, 0.0) >= _GOOD:
            continue
        share = cv2.blur((values == value).astype(np.float32), (_WINDOW_PX, _WINDOW_PX))
        inside = share[_WINDOW_PX:-_WINDOW_PX, _WINDOW_PX:-_WINDOW_PX]
        iy, ix = np.unravel_index(int(inside.argmax()), inside.shape)
        if _better(found, key, float(inside[iy, ix]), searched.name):
            x, y = shown.ground[iy + _WINDOW_PX, ix + _WINDOW_PX]
            phases: tuple[Phase, ...] = ("before", "after") if prefix.startswith("phase") else (phase,)
            _draw(out, key, searched, Look("", 0.1, look.off_nadir_deg), (float(x), float(y)), phases)


def _better(found: Found, key: str, score: float, where: str) -> bool:
    if score <= max(0.02, 1.25 * found.scores.get(key, 0.0)):
        return False
    found.scores[key], found.where[key] = score, where
    return True


def _draw(out: Path, key: str, searched: Searched, look: Look, target: tuple[float, float],
          phases: tuple[Phase, ...]) -> None:
    write_png(out / f"{key}.png",
              np.hstack([frame(searched.scene, phase, target, look, CLOSE_PX).rgb for phase in phases]))


def _example(out: Path, found: Found, key: str) -> Cell:
    path = out / f"{key}.png"
    image = cv2.imread(str(path)) if path.is_file() else None
    if image is None:
        return Cell("did not occur")
    rgb: UintArray = np.asarray(image[..., ::-1], np.uint8)
    return Cell(found.where[key], jpeg_uri(rgb, rgb.shape[1]))


def _state_parts(out: Path, found: Found) -> list[Part]:
    colours = {e.id: (e.name, e.rgb) for e in GRADES}
    head = ("state, least to worst", "grade", "before and after")
    return [Part(f"State to grade: {kind}", head=head, rows=[
        [Cell(state.replace("_", " ")), Cell(f"{grade} {colours[grade][0]}", rgb=colours[grade][1]),
         _example(out, found, f"state-{kind}-{state}")] for state, grade in states.items()])
        for kind, states in STATES.items() if kind in _kinds()]


def _kinds() -> tuple[str, ...]:
    return (*showcase.kinds(), "none")


def _material_part(out: Path, found: Found) -> Part:
    colours, surface = {e.id: e.rgb for e in SEMANTIC}, {e.id: e.name for e in SURFACE}
    rows = [[Cell(m.name), Cell(_CLASSES[m.semantic], rgb=colours[m.semantic]), Cell(_flags(m.hazard)),
             Cell(surface[m.surface] if m.surface else ""), Cell(" ".join(f"{v:.2f}" for v in m.albedo)),
             Cell(f"{m.nir:.2f}"), _example(out, found, f"material-{k}")]
            for k, m in enumerate(TABLE) if k != GROUND]
    return Part("Materials", "The normative table: what a surface is called decides its class, its hazard flags and "
                "its look. A hazard changes a thing by changing its material.",
                head=("material", "class", "hazard", "surface", "albedo", "near-infrared", "example"), rows=rows)


def _flags(bits: int) -> str:
    return ", ".join(name for name, bit in HAZARD_BITS.items() if bits & bit)


def _phase_part(out: Path, found: Found) -> Part:
    """What each class of things turned into under each hazard, by share of its pixels."""
    rows = []
    for semantic in _CLASSES:
        for kind in _kinds():
            seen = {key: n for key, n in found.pixels.items()
                    if key.startswith(f"{kind}/") and int(key.partition("/")[2]) // 10_000 == semantic}
            for key, n in sorted(seen.items(), key=lambda row: -row[1]):
                code = int(key.partition("/")[2])
                after = ", ".join(t for t in (_CLASSES[code // 100 % 100], _flags(code % 100)) if t)
                share = f"{100 * n / sum(seen.values()):.2g}%"
                rows.append([Cell(_CLASSES[semantic]), Cell(kind), Cell(after), Cell(share),
                             _example(out, found, f"phase-{kind}-{code}")])
    return Part("Object x phase", "What pixels of each class before show after each hazard, seen from above, and how "
                "many of them. Without a hazard (none) only the season turns, and cars come and go.",
                head=("before", "hazard", "after", "share", "before and after"), rows=rows)
