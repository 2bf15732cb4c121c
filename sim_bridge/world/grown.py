"""What a CityEngine rule grew, as a mesh of our materials: OBJ files in, classes and colours out.

A face's class comes from, first to last: areas that the rule reports (`mage.class.<name>`, square metres), a CGA
material named `mage.<name>`, words in the names of material and texture, and its place and slope: level ground is
paved, what faces up is roof, the rest is wall (docs/cityengine.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.errors import InputError
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Mesh
from sim_bridge.world.shapes import F64, mesh_of

Bool = npt.NDArray[np.bool_]

REPORT = "mage.class."
"""Prefix of the CGA reports that say how many square metres of a class a shape has."""
CLASSES = {"roof": "roof", "wall": "wall", "window": "window", "paved": "concrete", "road": "asphalt", "grass": "lawn",
           "tree": "hedge", "bare": "soil", "water": "pool_water"}
"""Material of each class that a rule may report or name; any name of `materials.TABLE` does as well."""
WORDS: tuple[tuple[str, str, str], ...] = (
    (r"grass|lawn|green(?!house)|turf|meadow", "lawn", "hedge"),
    (r"tree|leaf|leaves|foliage|shrub|plant|hedge|vegetation", "hedge", "hedge"),
    (r"window|glass|glazing", "roof_glass", "window"),
    (r"brick", "roof", "wall_brick"),
    (r"wood|timber|plank", "roof", "wall_wood"),
    (r"metal|steel|zinc|alumin|ventilat", "roof_metal", "wall_metal"),
    (r"concrete|cement", "roof_concrete", "wall_concrete"),
    (r"stone|granite|marble", "roof", "wall_stone"),
    (r"water|pool", "pool_water", "pool_water"),
    (r"soil|dirt(?!map)|earth", "soil", "wall"),
)
"""Words in names of CGA materials or textures, and the materials of their level and of their upright faces; `roof` and
`wall` stand for the one that is nearest in colour."""
_ROOFS = ("roof_membrane", "roof_gravel", "roof_concrete", "roof_bitumen", "roof_slate", "roof_tile_red",
          "roof_tile_brown", "roof_shingle_light", "roof_shingle_brown", "roof_metal")
_WALLS = ("wall_render", "wall_plaster", "wall_brick", "wall_wood", "wall_concrete", "wall_stone")
_WHITE = 0.65
"""Albedo of a surface that CGA paints pure white: what fresh white paint reflects, soiled a little."""
_UP, _LEVEL, _LOW_M = 0.35, 0.95, 0.5
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Paint:
    """A CGA material: its name, the file name of its texture (or nothing), linear albedo (3,)."""

    name: str
    texture: str
    albedo: tuple[float, float, float]


@dataclass(frozen=True)
class Soup:
    """Triangles (F, 3, 3) in metres, ENU about the footprint's first corner, and the paint (F,) of each."""

    corners: F64
    paint: npt.NDArray[np.int64]
    paints: tuple[Paint, ...]


def read_soup(path: Path, paints: Mapping[str, Paint]) -> Soup:
    """Triangles of an OBJ file of PRT (y up), in an order that does not depend on the process that wrote it."""
    points, faces, used, current = [], [], [], 0
    order = sorted({(p.name, p.texture, p.albedo): p for p in paints.values()}.items())
    rank = {key: k for k, (key, _) in enumerate(order)}
    number = {name: rank[(p.name, p.texture, p.albedo)] for name, p in paints.items()}
    for line in path.read_text().splitlines():
        if line.startswith("v "):
            points.append(line.split()[1:4])
        elif line.startswith("f "):
            faces.append([int(corner.split("/", 1)[0]) for corner in line.split()[1:4]])
            used.append(current)
        elif line.startswith("usemtl "):
            current = number[line.split(maxsplit=1)[1]]
    whole = np.round(np.array(points, np.float64).reshape(-1, 3) * 1000) / 1000
    enu = np.stack([whole[:, 0], -whole[:, 2], whole[:, 1]], axis=1) + 0.0
    corners, paint = enu[np.array(faces, np.int64).reshape(-1, 3) - 1], np.array(used, np.int64)
    solid = np.linalg.norm(_cross(corners), axis=1) > 1e-6
    corners, paint = corners[solid], paint[solid]
    ordered = np.lexsort([*corners.reshape(-1, 9).T[::-1], paint])
    return Soup(corners[ordered], paint[ordered], tuple(p for _, p in order))


def read_paints(path: Path) -> dict[str, Paint]:
    """Materials of an MTL file of PRT by the names that its OBJ files use."""
    found: dict[str, dict[str, str]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        key, _, value = line.strip().partition(" ")
        if key == "newmtl":
            found[value] = row = {}
        elif key in ("Kd", "map_Kd"):
            row[key] = value
    return {name: _paint(name, row, path.parent) for name, row in found.items()}


def _paint(name: str, row: Mapping[str, str], folder: Path) -> Paint:
    texture = row.get("map_Kd", "").replace("\\", "/").rpartition("/")[2]
    given = np.array(row.get("Kd", "1 1 1").split(), np.float64)
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    albedo = _WHITE * linear * (_mean_albedo(folder / texture) if texture else np.ones(3))
    # CGA materials without a name are numbered in an order that changes from run to run
    named = "" if re.fullmatch(r"CityEngineMaterial(_\d+)?", name) else name
    return Paint(named, texture, (round(float(albedo[0]), 4), round(float(albedo[1]), 4), round(float(albedo[2]), 4)))


def _mean_albedo(path: Path) -> F64:
    return np.array(_mean_of(path.read_bytes()) if path.is_file() else (1.0, 1.0, 1.0))


@lru_cache(maxsize=256)
def _mean_of(data: bytes) -> tuple[float, ...]:
    """Mean linear red, green and blue of an encoded image."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return (1.0, 1.0, 1.0)
    value = image[..., ::-1].reshape(-1, 3) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return tuple(float(v) for v in linear.mean(axis=0))


def grown_mesh(soup: Soup, reports: Mapping[str, float], instance: int) -> Mesh:
    """The triangles with our materials, tinted to CityEngine's colours. `reports`: square metres by name of class.

    Raises InputError for a reported or named class that is not known.
    """
    material = classified(soup, reports)
    albedo = np.array([p.albedo for p in soup.paints]).reshape(-1, 3)[soup.paint]
    own = np.array([m.albedo for m in TABLE])[material]
    tint = np.clip(128 * albedo / np.maximum(own, 1e-3), 24, 255)
    plants = np.isin(material, [INDEX["lawn"], INDEX["hedge"]])
    tint[plants] = 128
    vertices, faces = np.unique(soup.corners.reshape(-1, 3), axis=0, return_inverse=True)
    return mesh_of(vertices, faces.reshape(-1, 3), material, instance, tint)


def classified(soup: Soup, reports: Mapping[str, float]) -> npt.NDArray[np.int64]:
    """Material (F,) of each triangle."""
    cross = _cross(soup.corners)
    area = np.linalg.norm(cross, axis=1) / 2
    slope = cross[:, 2] / (2 * area)
    ground = (slope > _LEVEL) & (soup.corners[..., 2].max(axis=1) < _LOW_M)
    facing = np.where(ground, 2, np.where(slope > _UP, 1, 0))
    group = soup.paint * 3 + facing
    material = np.zeros(len(group), np.int64)
    present = np.unique(group)
    told = explained({int(g): float(area[group == g].sum()) for g in present}, reports)
    for g in present:
        paint = soup.paints[g // 3]
        material[group == g] = _named(told[int(g)], paint, g % 3) if int(g) in told else _guessed(paint, g % 3)
    return material


def explained(groups: Mapping[int, float], reports: Mapping[str, float]) -> dict[int, str]:
    """Class of each group of faces whose areas (m2) add up to a reported one within 2%; other groups are left out."""
    told: dict[int, str] = {}
    for name, target in sorted(reports.items(), key=lambda row: (-row[1], row[0])):
        rest, taken = target, []
        for group, area in sorted(groups.items(), key=lambda row: (-row[1], row[0])):
            if group not in told and area <= rest + _TOLERANCE * target:
                rest -= area
                taken.append(group)
        if taken and abs(rest) <= _TOLERANCE * target:
            told.update(dict.fromkeys(taken, name))
    return told


def _guessed(paint: Paint, facing: int) -> int:
    if paint.name.startswith("mage."):
        return _named(paint.name.removeprefix("mage."), paint, facing)
    words = f"{paint.name} {paint.texture}".lower()
    for pattern, level, upright in WORDS:
        if re.search(pattern, words):
            return _named(level if facing else upright, paint, facing)
    return _named(("wall", "roof", "paved")[facing], paint, facing)


def _named(name: str, paint: Paint, facing: int) -> int:
    """Index of a class's material: the roof or wall that is nearest in colour, where the class is just that."""
    known = CLASSES.get(name, name)
    if facing == 2 and known.startswith("roof"):
        known = "concrete"
    if known in ("roof", "wall"):
        known = _nearest(_ROOFS if known == "roof" else _WALLS, paint)
    if known not in INDEX:
        raise InputError(f"class {name!r} of a rule package is not known: expected one of {', '.join(CLASSES)}, or a "
                         "name of materials.TABLE")
    return INDEX[known]


def _nearest(names: Sequence[str], paint: Paint) -> str:
    off = [np.linalg.norm(np.sqrt(TABLE[INDEX[name]].albedo) - np.sqrt(paint.albedo)) for name in names]
    return names[int(np.argmin(off))]


def _cross(corners: F64) -> F64:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
