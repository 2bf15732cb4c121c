"""Meshes of any tool (glTF, GLB, OBJ) with a TOML table from their materials to ours or to a class.

Nodes (glTF) or groups (OBJ) with a building material are buildings with geometry of their own; faces of ground classes
that look up are the ground: heights and materials; the rest (plants, vehicles, walls) stands on it. docs/places.md has
the table's keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import trimesh

from sim_bridge.classes import CLASS_ID
from sim_bridge.config import from_table, load_table
from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.spec import Place
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Mesh
from sim_bridge.world.places.survey import F64, Footprint, Survey, concentration, cut, tidy
from sim_bridge.world.shapes import mesh_of

OF_CLASS = {"road": "asphalt", "paved": "sidewalk", "bare": "soil", "grass": "lawn", "tree": "crown_broadleaf",
            "water": "water", "vehicle": "car_paint", "rubble": "rubble_concrete", "building": "wall_plaster"}
"""Material of a class; of a building, what looks up is `_ROOF` instead."""
_ROOF = "roof_tile_brown"
_UP = 0.35
"""Upward component of a normal from which a face looks up."""
_GROUND = [CLASS_ID[name] for name in ("road", "paved", "bare", "grass", "water")]
_SEMANTIC = np.array([m.semantic for m in TABLE])


@dataclass(frozen=True)
class MeshTable:
    """The TOML table of a mesh."""

    materials: dict[str, Any] = field(default_factory=dict)
    """Glob over the file's material names -> a name of our table, or a class."""
    up: str = "y"
    """Axis that points up in the file: y (glTF and most OBJ) or z."""
    metres: float = 1.0
    """Length of the file's unit."""
    buildings: tuple[str, ...] = ()
    """Globs over names of nodes or groups, each one building; empty: every node with a building material is one."""


@dataclass(frozen=True)
class _Part:
    """Faces of one node and one material: corners (F, 3, 3) m, z up."""

    owner: str
    corners: F64
    material: npt.NDArray[np.uint16]


def read(place: Place, size_m: float) -> Survey:
    """Survey of the square of size_m about the middle of the mesh's buildings; place.lat_deg and lon_deg say where
    that is on earth.

    Raises InputError for a file or table that cannot be read, a mesh without materials, a material that the table does
    not map, one that we do not have, and if no building is in the square.
    """
    table = _table(place.materials)
    parts = list(_parts(place.file, table))
    built = _by_owner([p for p in parts if (_SEMANTIC[p.material] == CLASS_ID["building"]).any()])
    if not built:
        raise InputError(f"{place.file}: no face has a building material: expected at least one material that "
                         f"{place.materials} maps to building or to a roof or wall")
    whole = {owner: list(found) for owner, found in built.items()}
    middles = np.array([np.concatenate([p.corners for p in found]).mean(axis=(0, 1))[:2] for found in whole.values()])
    shift = np.array([*concentration(middles, size_m), 0.0])
    buildings = [_building(place.file, owner, found, shift) for owner, found in whole.items()]
    others = [p for p in parts if p.owner not in whole]
    ground, things = _ground_and_things(others, shift)
    heights = ground.vertices.astype(np.float64) if len(ground.faces) else \
        np.array([[f.polygon.centroid.x, f.polygon.centroid.y, low] for f, low in buildings])
    return cut(Survey(Geodetic(place.lat_deg, place.lon_deg), tuple(f for f, _ in buildings), heights=heights,
                      paint=(ground,), things=things), size_m, place.file)


def _table(file: str) -> MeshTable:
    if not file:
        raise InputError("place.materials is empty: expected a TOML file that maps the mesh's materials to ours")
    table = from_table(MeshTable, load_table(Path(file)), file)
    for pattern, name in table.materials.items():
        if name not in INDEX and name not in OF_CLASS:
            raise InputError(f"{file}: materials: {pattern!r} = {name!r}: expected a material of materials.TABLE or a "
                             f"class: {', '.join(OF_CLASS)}")
    if table.up not in ("y", "z") or table.metres <= 0:
        raise InputError(f"{file}: up is {table.up!r}, metres is {table.metres}: expected y or z, and more than 0")
    return table


def _parts(file: str, table: MeshTable) -> Iterator[_Part]:
    found = _obj_parts(file) if file.lower().endswith(".obj") else _gltf_parts(file)
    for names, material, corners in sorted(found, key=lambda part: (part[0], part[1])):
        turned = corners * table.metres
        if table.up == "y":
            turned = np.stack([turned[..., 0], -turned[..., 2], turned[..., 1]], -1)
        if len(turned):
            yield _Part(_owner(names, table), turned, _mapped(file, material, table, turned))


def _owner(names: Sequence[str], table: MeshTable) -> str:
    """The building that a node belongs to: the first of its names, its own first, that a glob matches."""
    if not table.buildings:
        return names[0]
    return next((name for name in names if any(fnmatchcase(name, glob) for glob in table.buildings)), "")


def _mapped(file: str, material: str, table: MeshTable, corners: F64) -> npt.NDArray[np.uint16]:
    """Material (F,) of faces whose material in the file has a name."""
    if not material:
        raise InputError(f"{file}: faces without a material: expected a material on every face, give them one in the "
                         "tool that wrote the file")
    target = next((str(to) for glob, to in table.materials.items() if fnmatchcase(material, glob)), None)
    if target is None:
        raise InputError(f"{file}: material {material!r} is not in the table: add it to [materials], as one of ours or "
                         f"a class")
    index = np.full(len(corners), INDEX[OF_CLASS.get(target, target)], np.uint16)
    if target == "building":
        index[_normals(corners)[:, 2] > _UP] = INDEX[_ROOF]
    return index


def _normals(corners: F64) -> F64:
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None])


def _gltf_parts(file: str) -> list[tuple[tuple[str, ...], str, F64]]:
    """Names of the node, nearest first, material, corners (F, 3, 3) in the file's frame."""
    try:
        scene: Any = trimesh.load(file, force="scene", process=False)
    except (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: cannot be read as a mesh ({reason}): expected glTF, GLB or OBJ") from error
    parents, found = scene.graph.transforms.parents, []
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        geometry = scene.geometry[name]
        if not isinstance(geometry, trimesh.Trimesh):
            continue
        names = [node]
        while names[-1] in parents and parents[names[-1]] != scene.graph.base_frame:
            names.append(parents[names[-1]])
        # a node with several materials comes as one child a material, with names drawn at random
        several = len(names) > 1 and names[0].startswith(names[1] + "_")
        points = trimesh.transformations.transform_points(geometry.vertices, matrix)
        material = getattr(getattr(geometry.visual, "material", None), "name", None) or ""
        found.append((tuple(names[several:]), str(material), np.asarray(points[geometry.faces], np.float64)))
    return found


def _obj_parts(file: str) -> list[tuple[tuple[str, ...], str, F64]]:
    """As `_gltf_parts`. Read here: trimesh gives groups with several materials each other's names."""
    points: list[list[float]] = []
    groups: dict[tuple[str, str], list[list[int]]] = {}
    owner, material = "mesh", ""
    try:
        for line in Path(file).read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, rest = line.strip().partition(" ")
            if key == "v":
                points.append([float(v) for v in rest.split()[:3]])
            elif key in ("o", "g"):
                owner = rest.strip() or owner
            elif key == "usemtl":
                material = rest.strip()
            elif key == "f":
                ring = [int(corner.split("/")[0]) for corner in rest.split()]
                ring = [n - 1 if n > 0 else len(points) + n for n in ring]
                fan = [[ring[0], a, b] for a, b in pairwise(ring[1:])]
                groups.setdefault((owner, material), []).extend(fan)
        table = np.array(points, np.float64).reshape(-1, 3)
        return [((name,), stuff, table[np.array(faces)]) for (name, stuff), faces in groups.items() if faces]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{file}: cannot be read as OBJ ({error}): expected vertices, and faces of them") from error


def _by_owner(parts: Sequence[_Part]) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = {}
    for part in parts:
        if part.owner:
            found.setdefault(part.owner, []).append(part)
    return found


def _building(file: str, owner: str, parts: Sequence[_Part], shift: F64) -> tuple[Footprint, float]:
    """A building with its own mesh, z 0 at its lowest point, and the height of that point."""
    corners = np.concatenate([p.corners for p in parts]) - shift
    material = np.concatenate([p.material for p in parts])
    up = np.abs(_normals(corners)[:, 2]) > _UP
    outline = shapely.union_all(shapely.make_valid(shapely.polygons(corners[up][:, :, :2])), grid_size=1e-3)
    plans = tidy(outline)
    if not plans:
        raise InputError(f"{file}: {owner}: no face looks up: expected a building with a roof")
    low, high = float(corners[..., 2].min()), float(corners[..., 2].max())
    mesh = _mesh_of(corners - np.array([0, 0, low]), material)
    return Footprint(owner, max(plans, key=lambda p: float(p.area)), height_m=high - low, roof="custom",
                     mesh=mesh), low


def _ground_and_things(parts: Sequence[_Part], shift: F64) -> tuple[Mesh, Mesh]:
    if not parts:
        return Mesh.empty(), Mesh.empty()
    corners = np.concatenate([p.corners for p in parts]) - shift
    material = np.concatenate([p.material for p in parts])
    ground = (_normals(corners)[:, 2] > _UP) & np.isin(_SEMANTIC[material], _GROUND)
    return _mesh_of(corners[ground], material[ground]), _mesh_of(corners[~ground], material[~ground])


def _mesh_of(corners: F64, material: npt.NDArray[np.uint16]) -> Mesh:
    return mesh_of(corners.reshape(-1, 3), np.arange(3 * len(corners)), material)

