"""World packages from the command line: built from a file of scenes, and described in words."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import shapely
from tqdm import tqdm

from sim_bridge.classes import GRADES, LAND_USE, SEMANTIC, Entry
from sim_bridge.config import load_table
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError
from sim_bridge.labels import SEMANTIC_OF
from sim_bridge.spec import SceneSpec, from_json
from sim_bridge.world.model import Aftermath, Grid, World
from sim_bridge.world.package import Package, build_package, read_package
from sim_bridge.world.places import with_sources


def build_worlds(path: Path, out: Path, scenes: int | None = None) -> Iterator[Path]:
    """Folders of the packages of a file's scenes, built one after the other; what is there is kept.

    Raises InputError if the file names no scene or one that cannot be built.
    """
    specs = [with_sources(spec) for spec in read_scenes(path, scenes)]
    for spec in tqdm(specs, "worlds", unit="world", disable=len(specs) == 1):
        yield build_package(out, spec)


def read_scenes(path: Path, scenes: int | None = None) -> list[SceneSpec]:
    """Scenes of a JSON file (one or a list) or of a campaign's TOML file. Raises InputError for anything else."""
    if path.suffix == ".toml":
        from tools.scenes import scenes_of

        table = dict(load_table(path))
        table.pop("campaign", None)
        return scenes_of(table, scenes, str(path))
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}): expected a scene as JSON, or a "
                         "campaign's TOML file") from error
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(scene, Mapping) for scene in listed):
        raise InputError(f"{path} holds no scene: expected a JSON object, or a list of them")
    return [from_json(scene) for scene in listed]


def describe(folder: Path) -> str:
    """What is in a package, as lines of text. Raises InputError if it cannot be read."""
    start, clock = _resident_mb(), time.perf_counter()
    package = read_package(folder)
    loaded_mb, seconds = _resident_mb() - start, time.perf_counter() - clock
    world, aftermath = package.world, package.aftermath
    lines = [f"world {world.world_id}: {world.size_m:g} m a side at {world.origin.lat_deg:.5f}, "
             f"{world.origin.lon_deg:.5f}, seed {world.seed}, hazard {aftermath.hazard.get('kind', 'none')}"]
    lines += _things(world)
    lines += _covers(world, aftermath)
    lines += _damage(aftermath)
    lines += [_field(name, grid) for name, grid in sorted(aftermath.fields.items())]
    return "\n".join([*lines, *_memory(folder, package, loaded_mb, seconds)])


def _things(world: World) -> list[str]:
    plans = [shapely.Polygon(b.footprint, b.holes).area for b in world.buildings]
    guessed = sum(bool(b.guessed) for b in world.buildings)
    grown = sum(b.custom for b in world.buildings)
    level = world.water_level_m
    street_km = sum(shapely.LineString(s.line).length for s in world.streets) / 1000
    return [
        f"buildings: {len(world.buildings)} on {sum(plans):.0f} m2: {_counts(b.use for b in world.buildings)}",
        f"  roofs: {_counts(b.roof for b in world.buildings)}",
        f"  structure: {_counts(b.typology for b in world.buildings)}",
        f"  imported or grown geometry: {grown}, partly guessed: {guessed}, graded by the source: "
        f"{len(world.source_grades)}",
        f"trees: {len(world.trees)}: {_counts((t.species for t in world.trees), 6)}",
        f"vehicles: {len(world.vehicles)}: {_counts(v.kind for v in world.vehicles)}",
        f"streets: {len(world.streets)}, {street_km:.2f} km: {_counts(s.kind for s in world.streets)}",
        f"water: {len(world.water)} bodies, level " + ("-" if level is None else f"{level:.2f} m"),
    ]


def _counts(names: Any, most: int = 12) -> str:
    found = Counter(names).most_common()
    rest = sum(n for _, n in found[most:])
    text = ", ".join(f"{name} {n}" for name, n in found[:most]) or "none"
    return text + (f", others {rest}" if rest else "")


def _covers(world: World, aftermath: Aftermath) -> list[str]:
    return [f"ground before: {_shares(SEMANTIC_OF[world.ground.values], SEMANTIC)}",
            f"ground after: {_shares(SEMANTIC_OF[aftermath.ground.values], SEMANTIC)}",
            f"land use: {_shares(world.land_use.values, LAND_USE)}"]


def _shares(values: np.ndarray[Any, Any], entries: tuple[Entry, ...]) -> str:
    count = np.bincount(values.ravel(), minlength=256)
    found = sorted(((count[e.id], e.name) for e in entries if count[e.id]), reverse=True)
    return ", ".join(f"{name} {100 * n / values.size:.1f}%" for n, name in found)


def _damage(aftermath: Aftermath) -> list[str]:
    names = {e.id: e.name for e in GRADES}
    grades = Counter(d.grade for d in aftermath.damage)
    return ["damage: " + (", ".join(f"{names[g]} {grades[g]}" for g in sorted(grades)) or "no buildings"),
            f"  states: {_counts(d.state for d in aftermath.damage)}",
            f"  blocked streets: {len(aftermath.blocked_streets)}"]


def _field(name: str, grid: Grid) -> str:
    known = grid.values[np.isfinite(grid.values)]
    span = f"{known.min():.3g} to {known.max():.3g}, mean {known.mean():.3g}" if known.size else "nowhere"
    ny, nx = grid.values.shape[:2]
    return f"field {name}: {nx} x {ny} cells of {grid.cell_m:g} m, {span}, known on {known.size / grid.values.size:.0%}"


def _memory(folder: Path, package: Package, loaded_mb: float, seconds: float) -> list[str]:
    """What the package takes: measured, by loading it and drawing both of its phases."""
    meshes = {"static": package.world.static, "before": package.world.before, "after": package.aftermath.after}
    start, scene = _resident_mb(), Scene(package)
    scene.drawn("before")
    scene.drawn("after")
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [f"triangles: {', '.join(f'{name} {len(mesh.faces):,}' for name, mesh in meshes.items())}",
            f"memory: {loaded_mb:.0f} MB loaded in {seconds:.1f} s, {_resident_mb() - start:.0f} MB more to draw both "
            f"phases; {disk / 1e6:.0f} MB on disk"]


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6
