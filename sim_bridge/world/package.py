"""World packages: a world before and after its hazard, as files that Python, the simulator and Unreal share.

docs/world-package.md lists the files; world.schema.json is the schema of world.json. Packages are written to a
temporary folder and renamed, so a package that is there is whole; of two writers the first wins.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import numpy.typing as npt

from sim_bridge import classes
from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.hazards import strike
from sim_bridge.spec import GENERATOR_VERSION, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.gltf import read_glb, write_glb
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import (
    Aftermath,
    Building,
    BuildingDamage,
    Grid,
    Street,
    Tree,
    Vehicle,
    World,
)

VERSION = 2
"""Version of the package's format; raised when a reader of the previous one would misread a package."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Package:
    """A world before and after its hazard."""

    world: World
    aftermath: Aftermath


def build_package(root: Path, spec: SceneSpec) -> Path:
    """Folder root/<world_id> of the spec's package: built, struck and written unless it is already there."""
    folder = root / spec.world_id
    if (folder / "world.json").is_file():
        return folder
    world = build_world(spec)
    return write_package(root, spec, world, strike(world, spec))


def write_package(root: Path, spec: SceneSpec, world: World, aftermath: Aftermath) -> Path:
    """Write root/<world_id> in one step and return it; if another writer was first, theirs is kept.

    Raises InputError if the folder cannot be written.
    """
    folder = root / spec.world_id
    work = root / f".{spec.world_id}.{uuid.uuid4().hex}"
    try:
        work.mkdir(parents=True)
        _write_files(work, spec, world, aftermath)
        work.rename(folder)
    except OSError as error:
        if not (folder / "world.json").is_file():
            raise InputError(f"{folder}: cannot be written ({error.strerror}): free space, or choose another world "
                             "root") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def read_package(folder: Path) -> Package:
    """The package in `folder`.

    Raises InputError, in one line, if a file is missing, truncated or from a newer MAGE, if world.json breaks its
    schema, if the class table differs, or if a material is unknown.
    """
    document = _read_json(folder / "world.json")
    grids = document["rasters"]
    lookup = _material_lookup(folder, document)
    land_use = _grid(_read_png(folder / "land_use.png", len(classes.LAND_USE)), grids["land_use"])
    world = World(
        document["world_id"], document["seed"], document["size_m"], Geodetic(**document["origin"]),
        _grid(_read_npy(folder / "terrain.npy"), grids["terrain"]),
        _grid(lookup[_read_png(folder / "ground_before.png", len(lookup))], grids["ground"]),
        land_use,
        tuple(_record(Building, row) for row in document["buildings"]),
        tuple(_record(Tree, row) for row in document["trees"]),
        tuple(_record(Vehicle, row) for row in document["vehicles"]),
        tuple(_record(Street, row) for row in document["streets"]),
        document["water_level_m"], _tuples(document["water"]),
        read_glb(folder / "static.glb"), read_glb(folder / "before.glb"), document["scene"],
        {row["id"]: row["source_grade"] for row in document["buildings"] if row.get("source_grade") is not None},
    )
    aftermath = Aftermath(
        document["hazard"], read_glb(folder / "after.glb"),
        _grid(lookup[_read_png(folder / "ground_after.png", len(lookup))], grids["ground"]),
        tuple(BuildingDamage(row["id"], **row["damage"]) for row in document["buildings"]),
        {name: _grid(_read_npy(folder / "fields" / f"{name}.npy"), place)
         for name, place in document["fields"].items()},
        tuple(document["blocked_streets"]),
    )
    return Package(world, aftermath)


def _write_files(folder: Path, spec: SceneSpec, world: World, aftermath: Aftermath) -> None:
    write_glb(folder / "static.glb", world.static, "static")
    write_glb(folder / "before.glb", world.before, "before")
    write_glb(folder / "after.glb", aftermath.after, "after")
    _write_png(folder / "ground_before.png", world.ground.values)
    _write_png(folder / "ground_after.png", aftermath.ground.values)
    _write_png(folder / "land_use.png", world.land_use.values)
    np.save(folder / "terrain.npy", world.terrain.values, allow_pickle=False)
    (folder / "fields").mkdir()
    for name, grid in aftermath.fields.items():
        np.save(folder / "fields" / f"{name}.npy", grid.values, allow_pickle=False)
    text = json.dumps(_document(spec, world, aftermath), default=_plain, allow_nan=False, separators=(",", ":"))
    (folder / "world.json").write_text(text + "\n", encoding="utf-8")


def _document(spec: SceneSpec, world: World, aftermath: Aftermath) -> dict[str, Any]:
    damage = {row.id: {"state": row.state, "grade": row.grade, "cause": row.cause} for row in aftermath.damage}
    return {
        "format": "mage-world", "version": VERSION, "generator": GENERATOR_VERSION,
        "world_id": spec.world_id, "seed": world.seed, "size_m": world.size_m, "origin": asdict(world.origin),
        "scene": world.scene, "hazard": aftermath.hazard,
        "classes": {"hash": classes.table_hash(), "hazard_bits": classes.HAZARD_BITS,
                    "semantic": [asdict(e) for e in classes.SEMANTIC], "grades": [asdict(e) for e in classes.GRADES],
                    "land_use": [asdict(e) for e in classes.LAND_USE]},
        "materials": [asdict(material) for material in TABLE],
        "rasters": {"terrain": _place(world.terrain), "ground": _place(world.ground),
                    "land_use": _place(world.land_use)},
        "fields": {name: _place(grid) for name, grid in aftermath.fields.items()},
        "buildings": [{**asdict(building), "source_grade": world.source_grades.get(building.id),
                       "damage": damage[building.id]} for building in world.buildings],
        "trees": [vars(tree) for tree in world.trees],
        "vehicles": [vars(vehicle) for vehicle in world.vehicles],
        "streets": [vars(street) for street in world.streets],
        "water_level_m": world.water_level_m, "water": world.water,
        "blocked_streets": aftermath.blocked_streets,
    }


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel as JSON")


def _place(grid: Grid) -> dict[str, float]:
    return {"west_m": grid.west_m, "south_m": grid.south_m, "cell_m": grid.cell_m}


def _grid(values: Array, place: Mapping[str, float]) -> Grid:
    return Grid(values, place["west_m"], place["south_m"], place["cell_m"])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _record(kind: type[Any], row: Mapping[str, Any]) -> Any:
    """The value of a row, without what the row says beside it (damage, the source's grade)."""
    return kind(**{f.name: _tuples(row[f.name]) for f in fields(kind) if f.name in row})


@cache
def _validator() -> jsonschema.Draft202012Validator:
    text = resources.files("sim_bridge.world").joinpath("world.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): expected a world package, build it with "
                         "`mage world`") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}): rebuild the package") from error
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InputError(f"{path}: version {version} is newer than {VERSION}, which this MAGE reads: update MAGE")
    problem = next(_validator().iter_errors(document), None)
    if problem is not None:
        where = "/".join(str(part) for part in problem.absolute_path) or "top level"
        raise InputError(f"{path}: {where}: {problem.message.splitlines()[0][:160]}: rebuild the package")
    assert isinstance(document, dict)
    found, expected = document["classes"]["hash"], classes.table_hash()
    if found != expected:
        raise InputError(f"{path}: class table {found} differs from {expected} of this MAGE: rebuild the package")
    return document


def _material_lookup(folder: Path, document: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """This MAGE's index of each of the package's materials: rasters survive a table that has grown since."""
    names = [material["name"] for material in document["materials"]]
    unknown = [name for name in names if name not in INDEX]
    if unknown:
        raise InputError(f"{folder / 'world.json'}: material {unknown[0]!r} is not in the table: update MAGE")
    return np.array([INDEX[name] for name in names], np.uint8)


def _write_png(path: Path, values: Array) -> None:
    """Row 0 of a grid is south, of an image north."""
    if not cv2.imwrite(str(path), np.ascontiguousarray(values[::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(None, "the image could not be written")


def _read_png(path: Path, limit: int) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if image is None or image.dtype != np.uint8 or image.ndim != 2:
        raise InputError(f"{path}: missing or not an 8-bit grey PNG: rebuild the package")
    if int(image.max()) >= limit:
        raise InputError(f"{path}: value {int(image.max())} is out of range: expected below {limit}, "
                         "rebuild the package")
    return np.ascontiguousarray(image[::-1])


def _read_npy(path: Path) -> Array:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: missing or damaged ({error}): rebuild the package") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2:
        raise InputError(f"{path}: not a raster: expected two dimensions, rebuild the package")
    return values
