"""CityEngine buildings: rule packages (.rpk) grow the footprints of a world, with Esri's runtime (extra `cityengine`).

docs/cityengine.md says what a rule sees and how its faces become classes. The runtime works in a process of its own
(`prt.py`); the same footprints, attributes and seeds give the same triangles.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.errors import InputError
from sim_bridge.spec import RulePackage
from sim_bridge.world.grown import REPORT, grown_mesh, read_paints, read_soup
from sim_bridge.world.materials import ROOF, TABLE, WALL
from sim_bridge.world.model import Building, Mesh, World
from sim_bridge.world.shapes import F64

TERMS = ("Esri's procedural runtime (package pyprt) is free for personal, educational and non-commercial use; "
         "commercial use needs a CityEngine licence.")
MOST_FACES = 6_000_000
"""Triangles of all grown buildings of a world: what one simulator draws within its memory."""
_RUNTIME = Path(__file__).with_name("prt.py")
_BATCH = 64
_TIMEOUT_S = 900
_STOREY_M = 3.2
_SAMPLES = 8


def regrown(world: World, rules: Sequence[RulePackage]) -> World:
    """The world with the buildings that rule packages serve grown by them; see `grow` for what it raises."""
    if not rules:
        return world
    buildings, mesh = grow(world.buildings, rules, world.seed)
    gone = np.array([new.id for old, new in zip(world.buildings, buildings, strict=True) if new is not old], np.uint32)
    kept = _without(world.before, gone)
    return replace(world, buildings=buildings, before=Mesh.concatenate([kept, mesh]))


def _without(mesh: Mesh, ids: npt.NDArray[np.uint32]) -> Mesh:
    keep = ~np.isin(mesh.instance, ids)
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.uint32), mesh.material[keep], mesh.instance[keep],
                mesh.tint[keep])


def grow(buildings: Sequence[Building], rules: Sequence[RulePackage], seed: int) -> tuple[tuple[Building, ...], Mesh]:
    """The buildings with those that a rule package serves grown anew (`custom`), and the mesh of the grown ones.

    A package serves the buildings of its use, * those that no other serves; buildings whose geometry is imported stay.
    Footprints and ids stay; heights, materials and storeys follow the grown geometry.

    Raises InputError, one line: pyprt is not installed; a file is missing or no rule package; an attribute is unknown,
    of the wrong type or out of its range; a package fails on a footprint; too many triangles.
    """
    if not rules:
        return tuple(buildings), Mesh.empty()
    _check_installed()
    grown: dict[int, tuple[Building, Mesh]] = {}
    faces = 0
    for rule, batch in _batches(buildings, rules):
        for building, mesh in _grown(rule, batch, seed):
            grown[building.id] = (building, mesh)
            faces += len(mesh.faces)
        if faces > MOST_FACES:
            raise InputError(f"{rule.file} grows more than {MOST_FACES:,} triangles on {len(grown)} buildings: choose "
                             "fewer buildings, a simpler package or its attributes for less detail")
    _say_terms()
    return (tuple(grown[b.id][0] if b.id in grown else b for b in buildings),
            Mesh.concatenate([grown[b.id][1] for b in buildings if b.id in grown]))


def _check_installed() -> None:
    if importlib.util.find_spec("pyprt") is None:
        raise InputError("rules name CityEngine packages, which take pyprt: run pip install "
                         f"'mage-disaster[cityengine]', or leave rules empty for our own buildings. {TERMS}")


@cache
def _say_terms() -> None:
    print(TERMS, file=sys.stderr)


def _batches(buildings: Sequence[Building],
             rules: Sequence[RulePackage]) -> Iterator[tuple[RulePackage, list[Building]]]:
    by_use = {rule.use: rule for rule in rules}
    served: dict[str, list[Building]] = defaultdict(list)
    for building in buildings:
        use = building.use if building.use in by_use else "*"
        if use in by_use and not building.custom:
            served[use].append(building)
    for use, chosen in served.items():
        yield from ((by_use[use], chosen[k:k + _BATCH]) for k in range(0, len(chosen), _BATCH))


def _grown(rule: RulePackage, buildings: Sequence[Building], seed: int) -> list[tuple[Building, Mesh]]:
    with tempfile.TemporaryDirectory(prefix="mage-prt-") as name:
        folder = Path(name)
        said = _run(rule, buildings, seed, folder)
        paints, reports = read_paints(folder / "m.mtl"), _reports(folder / "CGAReport.txt")
        results = []
        for index, building in enumerate(buildings):
            path = folder / f"m_b{building.id}.obj"
            if not path.is_file():
                raise InputError(f"{rule.file} fails on building {building.id}: {_reason(said)}; expected a package "
                                 "that takes any simple polygon, give its use to another rule")
            mesh = grown_mesh(read_soup(path, paints), reports.get(index, {}), building.id)
            if not len(mesh.faces):
                raise InputError(f"{rule.file} grows nothing on building {building.id}: check its attributes")
            results.append((_measured(building, mesh), _placed(building, mesh)))
        return results


def _run(rule: RulePackage, buildings: Sequence[Building], seed: int, folder: Path) -> str:
    """Grows a batch into the folder; returns what the runtime said."""
    if not Path(rule.file).is_file():
        raise InputError(f"rules: {rule.file} is missing: expected a CityEngine rule package (.rpk)")
    job = {"file": str(Path(rule.file).resolve()), "attributes": dict(rule.attributes),
           "shapes": [_shape(building, seed) for building in buildings]}
    (folder / "job.json").write_text(json.dumps(job))
    try:
        done = subprocess.run([sys.executable, str(_RUNTIME), str(folder)], capture_output=True, text=True,
                              errors="replace", timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{rule.file} took more than {_TIMEOUT_S} s on {len(buildings)} buildings: choose a simpler "
                         "package, or its attributes for less detail") from error
    problem = folder / "error.txt"
    if problem.is_file():
        raise InputError(f"{rule.file}: {problem.read_text()}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{rule.file}: Esri's runtime stopped with code {done.returncode} ({last}) on buildings "
                         f"{buildings[0].id} to {buildings[-1].id}: try other attributes or another package")
    return done.stdout + done.stderr


def _shape(building: Building, seed: int) -> dict[str, Any]:
    """The footprint as PRT's initial shape: y up, about its first corner, facing up, courtyards the other way round."""
    plan = shapely.Polygon(building.footprint, building.holes)
    if not plan.is_valid or plan.area <= 0:
        raise InputError(f"footprint of building {building.id} is not a simple polygon "
                         f"({shapely.is_valid_reason(plan)}): mend it before a rule package grows it")
    rings = [_ring(building.footprint, True), *(_ring(hole, False) for hole in building.holes)]
    flat = np.concatenate(rings) - np.asarray(building.footprint[0])
    vertices = np.column_stack([flat[:, 0], np.zeros(len(flat)), -flat[:, 1]]) + 0.0
    return {"name": f"b{building.id}", "vertices": np.round(vertices, 3).ravel().tolist(),
            "indices": list(range(len(flat))), "counts": [len(ring) for ring in rings],
            "holes": [list(range(len(rings)))] if building.holes else [],
            "seed": (seed * 1_000_003 + building.id * 7919) & 0x7FFFFFFF}


def _ring(points: Sequence[tuple[float, float]], counter_clockwise: bool) -> F64:
    ring = np.asarray(points, np.float64)
    return ring if shapely.LinearRing(ring).is_ccw == counter_clockwise else ring[::-1]


def _reason(said: str) -> str:
    """The first error among what the runtime said."""
    errors = [line.partition("[error]")[2].strip() for line in said.splitlines() if "[error]" in line]
    caught = re.search(r"exception caught: '(.*)'", errors[0]) if errors else None
    return caught[1] if caught else errors[0] if errors else "it grew nothing and said nothing"


def _reports(path: Path) -> dict[int, dict[str, float]]:
    """Square metres by class (reports `mage.class.<name>`) of each shape of a batch, summed over its parts."""
    total: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    pattern = re.compile(rf"^\s*(\d+)\s+\d+\s+'{re.escape(REPORT)}([\w ]+?)(?:\.\d+)?'\s+([-+.\deE]+)\s*$")
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        if found := pattern.match(line):
            total[int(found[1])][found[2]] += float(found[3])
    return total


def _placed(building: Building, mesh: Mesh) -> Mesh:
    """The mesh moved from its first corner to its place."""
    offset = np.array([*building.footprint[0], building.base_m])
    return replace(mesh, vertices=(mesh.vertices.astype(np.float64) + offset).astype(np.float32))


def _measured(building: Building, mesh: Mesh) -> Building:
    """The building with the heights (m above its base) and materials of what grew about its first corner.

    Eaves are what three quarters of the plan are higher than; plants and pavement do not count.
    """
    surface = np.array([m.surface for m in TABLE])[mesh.material]
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    ridge = float(corners[surface > 0, :, 2].max()) if (surface > 0).any() else building.ridge_m
    eaves = min(max(0.5, float(np.quantile(_tops(building, corners[surface > 0]), 0.25))), ridge)
    storeys = max(1, round(eaves / _STOREY_M))
    light = building.typology in ("wood_light", "mobile_home", "steel_light")
    return replace(building, eaves_m=round(eaves, 3), ridge_m=round(ridge, 3), roof="custom", custom=True,
                   storeys=storeys, typology="concrete_frame" if light and storeys > 4 else building.typology,
                   roof_material=_most(mesh, area * (surface == ROOF)) or building.roof_material,
                   wall_material=_most(mesh, area * (surface == WALL)) or building.wall_material)


def _tops(building: Building, corners: F64) -> F64:
    """Height of what stands highest at points spread over the footprint; 0 where nothing stands."""
    plan = shapely.Polygon(building.footprint, building.holes)
    low, step = np.array(plan.bounds[:2]), np.subtract(plan.bounds[2:], plan.bounds[:2]) / _SAMPLES
    x, y = (axis.ravel() for axis in np.meshgrid(*(low[k] + step[k] * (np.arange(_SAMPLES) + 0.5) for k in (0, 1))))
    inside = shapely.contains_xy(plan, x, y)
    points = np.column_stack([x, y])[inside] - np.asarray(building.footprint[0])
    a, b, c = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    area = _cross2(b - a, c - a)
    flat = np.abs(area) > 1e-6
    a, b, c, z, area = a[flat], b[flat], c[flat], corners[flat, :, 2], area[flat]
    tops = [0.0]
    for point in points:
        u, v = _cross2(b - point, c - point) / area, _cross2(c - point, a - point) / area
        under = (u >= 0) & (v >= 0) & (u + v <= 1)
        height = u * z[:, 0] + v * z[:, 1] + (1 - u - v) * z[:, 2]
        tops.append(float(height[under].max(initial=0.0)))
    return np.array(tops[1:] or tops)


def _cross2(a: F64, b: F64) -> F64:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _most(mesh: Mesh, weight: F64) -> str:
    """Name of the material with most weight; empty if none has any."""
    total = np.bincount(mesh.material, weight)
    return TABLE[int(total.argmax())].name if total.size and total.max() > 0 else ""

