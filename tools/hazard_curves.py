"""Damage against intensity in many small simulated worlds, beside the published curves: `mage world curves`.

Each point is what the worlds' buildings came to, in a class of intensity; each line is what is published, averaged over
the same buildings. How far they lie apart at most is written beside each plot.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim_bridge.hazards import strike
from sim_bridge.hazards.earthquake import building_states
from sim_bridge.hazards.flood import loss_percent
from sim_bridge.hazards.fragility import LIMITS, exceedance, level, medians, structure
from sim_bridge.hazards.grades import order
from sim_bridge.hazards.ground_motion import shaking
from sim_bridge.hazards.ignition import ignitions, lit_share
from sim_bridge.hazards.wind import DEGREES, chance, gusts, indicator
from sim_bridge.hazards.wind import building_states as wind_states
from sim_bridge.spec import Earthquake, Fire, Flood, Layout, SceneSpec, Settlement, Wind
from sim_bridge.world.build import build_world
from sim_bridge.world.model import Grid, World
from tools.pages import Part, write_page
from tools.plots import Compared, compared

F64 = npt.NDArray[np.float64]
Sample = tuple[float, int, tuple[float, ...]]
"""Intensity at a building, how many of its limits it reached, and the published chance of each."""

SETTLEMENTS: tuple[Settlement, ...] = ("suburb", "town", "old_town", "industrial")
KINDS = (("wood_light", 1), ("masonry", 2), ("masonry", 4), ("reinforced_masonry", 2), ("concrete_frame", 2),
         ("concrete_frame", 5), ("concrete_frame", 9), ("steel_light", 1), ("mobile_home", 1))
"""Typology and storeys."""
_BY_WATER: tuple[Settlement, ...] = ("riverside", "town")
MAGNITUDES = (5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0)
GUSTS_MS = tuple(float(v) for v in range(20, 100, 5))
STAGES_M = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
_BINS, _LEAST = 9, 100
_RANK = {"untouched": 0, "slight": 1, "moderate": 2, "extensive": 3, "wall_failure": 3, "partial_collapse": 4,
         "soft_storey": 4, "pancake": 4, "collapse": 4}


@dataclass(frozen=True)
class Curves:
    """One plot: published lines and simulated points of the same names, and the largest distance between them."""

    hazard: str
    title: str
    intensity: str
    lines: Mapping[str, tuple[F64, F64]]
    points: Mapping[str, tuple[F64, F64]]
    buildings: int
    deviation: float


def draw_curves(out: Path, seeds: int = 30, size_m: float = 160.0) -> Path:
    """Simulates, draws and writes index.html; prints each hazard's largest deviation. The page's path."""
    plots = [*earthquake_curves(seeds, size_m), *wind_curves(seeds, size_m), *flood_curves(size_m), *fire_curves()]
    for hazard in dict.fromkeys(plot.hazard for plot in plots):
        worst = max((plot for plot in plots if plot.hazard == hazard), key=lambda plot: plot.deviation)
        print(f"{hazard}: largest deviation {worst.deviation:.3f} ({worst.title}, {worst.buildings} buildings)")
    out.mkdir(parents=True, exist_ok=True)
    return write_page(out / "index.html", "Damage against intensity", __doc__.split("\n\n")[1].replace("\n", " "),
                      [_part(plot) for plot in plots])


def _part(plot: Curves) -> Part:
    picture = compared(Compared(plot.intensity, "share of buildings", plot.lines, plot.points))
    text = f"{plot.buildings} buildings; largest distance between point and line {plot.deviation:.3f}."
    return Part(title=f"{plot.hazard}: {plot.title}", text=text, uri=picture)


def small_worlds(size_m: float) -> list[World]:
    return [build_world(SceneSpec(seed=11, layout=Layout(size_m=size_m, settlement=name))) for name in SETTLEMENTS]


def earthquake_curves(seeds: int, size_m: float) -> list[Curves]:
    """Share of each structural type that reached each of Hazus' states, by the PGA at the building."""
    found: dict[str, list[Sample]] = {}
    for place, seed, magnitude in itertools.product(small_worlds(size_m), range(seeds), MAGNITUDES):
        world = replace(place, seed=seed)
        quake = Earthquake(magnitude=magnitude, epicentre_distance_km=4.0, code="low" if seed % 2 else "moderate")
        pga = shaking(world, quake)
        for kind, storeys in KINDS:
            for name, sample in _shaken(_retyped(world, kind, storeys), quake, pga):
                found.setdefault(name, []).append(sample)
    return [_binned("earthquake", name, "PGA at the building, g", LIMITS, rows) for name, rows in sorted(found.items())]


def _retyped(world: World, typology: str, storeys: int) -> World:
    """The same places with buildings of one kind, so that every curve rests on as many of them."""
    return replace(world, buildings=tuple(replace(b, typology=typology, storeys=storeys, soft_storey=False)
                                          for b in world.buildings))


def _shaken(world: World, quake: Earthquake, pga: Grid) -> Iterator[tuple[str, Sample]]:
    for building, state in zip(world.buildings, building_states(world, quake, pga), strict=True):
        x, y = np.mean(building.footprint, axis=0)
        shaken = float(pga.at(x, y))
        own = level(building, quake.code)
        yield (f"{structure(building, own)}, {own} code",
               (shaken, _RANK[state], tuple(exceedance(shaken, medians(building, quake.code)).tolist())))


def wind_curves(seeds: int, size_m: float) -> list[Curves]:
    """Share of each damage indicator that reached each degree of damage, by the gust at the building."""
    found: dict[str, list[Sample]] = {}
    for place, seed, gust_ms in itertools.product(small_worlds(size_m), range(seeds), GUSTS_MS):
        world = replace(place, seed=seed)
        gust = gusts(world, Wind(gust_ms=gust_ms))
        for kind in dict.fromkeys(kind for kind, _ in KINDS):
            for name, sample in _blown(_retyped(world, kind, 1), gust):
                found.setdefault(name, []).append(sample)
    return [_binned("wind", name, "gust at the building, m/s", tuple(DEGREES[name]), rows)
            for name, rows in sorted(found.items())]


def _blown(world: World, gust: Grid) -> Iterator[tuple[str, Sample]]:
    for building, state in zip(world.buildings, wind_states(world, gust), strict=True):
        x, y = np.mean(building.footprint, axis=0)
        speed, degrees = float(gust.at(x, y)), DEGREES[indicator(building)]
        worst = order("wind").index(state)
        reached = sum(order("wind").index(name) <= worst for name in degrees)
        yield indicator(building), (speed, reached, tuple(float(chance(speed, row)) for row in degrees.values()))


def _binned(hazard: str, title: str, intensity: str, limits: Sequence[str], rows: Sequence[Sample]) -> Curves:
    """Shares in classes of intensity with as many buildings each, and the published chances over the same buildings."""
    at = np.array([row[0] for row in rows])
    count, published = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    line_order = np.argsort(at, kind="stable")
    lines, points, worst = {}, {}, 0.0
    for k, name in enumerate(limits):
        classes = [c for c in np.array_split(line_order, _BINS) if len(c) >= _LEAST]
        seen = np.array([(count[c] > k).mean() for c in classes])
        said = np.array([published[c, k].mean() for c in classes])
        centre = np.array([np.median(at[c]) for c in classes])
        lines[name] = (at[line_order][::max(len(at) // 200, 1)], published[line_order, k][::max(len(at) // 200, 1)])
        points[name] = (centre, seen)
        worst = max(worst, float(np.abs(seen - said).max(initial=0.0)))
    return Curves(hazard, title, intensity, lines, points, len(rows), worst)


def flood_curves(size_m: float) -> list[Curves]:
    """Loss that the causes of flooded buildings name, by depth over the first floor, beside the published curve."""
    depth, loss = [], []
    for seed, settlement in itertools.product(range(3), _BY_WATER):
        spec = SceneSpec(seed=seed, layout=Layout(size_m=size_m, settlement=settlement, water="river", relief_m=4.0))
        place = build_world(spec)
        for stage in STAGES_M:
            for row in strike(place, replace(spec, hazard=Flood(stage_m=stage))).damage:
                if told := re.search(r"([-+][\d.]+) m from the first floor, loss (\d+)%", row.cause):
                    depth.append(float(told[1]))
                    loss.append(float(told[2]) / 100)
    x, y = np.array(depth), np.array(loss)
    edges = np.arange(-0.75, 5.0, 0.5)
    classes = [c for low, high in itertools.pairwise(edges)
               if len(c := np.flatnonzero((x >= low) & (x < high))) >= 5]
    seen, said = (np.array([v[c].mean() for c in classes]) for v in (y, loss_percent(x) / 100))
    line = np.linspace(-0.75, 5, 200)
    centre = np.array([x[c].mean() for c in classes])
    return [Curves("flood", "USACE EGM 01-03, one storey, no basement", "depth over the first floor, m",
                   {"loss of the structure": (line, loss_percent(line) / 100)},
                   {"loss of the structure": (centre, seen)}, len(x), float(np.abs(seen - said).max(initial=0.0)))]


def fire_curves(pairs: int = 400) -> list[Curves]:
    """Share of wooden houses that the radiation of one burning neighbour lights, by the gap between them."""
    gaps = np.array([2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 17.0])
    seen = np.array([_lit_by_neighbour(float(gap), pairs) for gap in gaps])
    line = np.linspace(1.5, 20, 120)
    said = lit_share(gaps)[1]
    return [Curves("fire", "radiation of one burning house (Law 1963)", "gap between the houses, m",
                   {"lit by radiation": (line, lit_share(line)[1])}, {"lit by radiation": (gaps, seen)},
                   pairs * len(gaps), float(np.abs(seen - said).max()))]


def _lit_by_neighbour(gap_m: float, pairs: int) -> float:
    """Of the western houses that burn, the share whose radiation lights the eastern one."""
    burning = lit = 0
    template = build_world(SceneSpec(seed=11, layout=Layout(size_m=100.0)))
    house = next(b for b in template.buildings if b.typology == "wood_light")
    for seed in range(pairs):
        world = replace(template, seed=seed, buildings=(
            replace(house, id=1, footprint=_plan(-12.0), eaves_m=3.0, ridge_m=5.0, roof_material="roof_shingle_grey"),
            replace(house, id=2, footprint=_plan(gap_m), eaves_m=3.0, ridge_m=5.0, roof_material="roof_shingle_grey")))
        arrival = Grid(np.zeros((25, 25), np.float32), -50.0, -50.0, 4.0)
        arrival.values[:, 12:] = np.inf
        first, second = ignitions(world, Fire(), arrival)
        if np.isfinite(first.minute) and "front" in first.cause:
            burning += 1
            lit += "kW/m2" in second.cause
    return lit / max(burning, 1)


def _plan(west: float) -> tuple[tuple[float, float], ...]:
    return ((west, -6.0), (west + 12.0, -6.0), (west + 12.0, 6.0), (west, 6.0))


def main(argv: list[str] | None = None) -> None:
    import tyro

    def curves(out: Path, seeds: int = 30, size: float = 160.0) -> None:
        """Draw damage against intensity beside the published curves.

        Args:
            out: Folder for index.html (self-contained).
            seeds: Draws of every hazard in every world.
            size: Side of the worlds, metres.
        """
        print(f"curves: {draw_curves(out, seeds, size)}")

    tyro.cli(curves, prog="python -m tools.hazard_curves", args=argv)


if __name__ == "__main__":
    main()
