"""CityJSON 1.1 and 2.0: city models whose roofs and walls are labelled, used as they are.

Specification: cityjson.org/specs (CityJSON 2.0.1): `transform`, geometry boundaries (section 3), semantic surfaces
(section 3.3), `metadata.referenceSystem` (section 5.5). Of each building the geometry of the highest level of detail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pyproj.exceptions
import shapely

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.spec import Place
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh
from sim_bridge.world.places.survey import F64, Area, Footprint, Spot, Survey, cut, middle, projector, tidy
from sim_bridge.world.shapes import hash_unit, mesh_of

_AREAS = {"Road": ("paved", "street"), "TransportSquare": ("paved", "public"), "Railway": ("ballast", "industrial"),
          "PlantCover": ("wood", "forest"), "LandUse": ("", "vacant")}
_USES = (("resid", "house"), ("1000", "house"), ("apart", "apartments"), ("commer", "commercial"),
         ("office", "commercial"), ("retail", "commercial"), ("indus", "industrial"), ("storage", "industrial"),
         ("barn", "barn"), ("agri", "barn"), ("garage", "garage"), ("church", "church"), ("relig", "church"))
_PITCHED = (("roof_tile_orange", 0.3), ("roof_tile_red", 0.25), ("roof_tile_brown", 0.25), ("roof_slate", 0.2))
_FLAT = (("roof_bitumen", 0.4), ("roof_gravel", 0.4), ("roof_membrane", 0.2))
_WALLS = (("wall_brick", 0.5), ("wall_render", 0.25), ("wall_plaster", 0.25))
_FLAT_NORMAL = 0.985
"""Upward component of a roof's normal from which it is flat (10 degrees)."""
Ring = Sequence[int]
Face = tuple[list[Ring], str]
"""Rings of vertex numbers (the first is the outside), and the semantic type or ""."""


@dataclass(frozen=True)
class _Model:
    """A file's objects and its vertices: (N, 3) east, north (degrees, then metres), height (m)."""

    objects: Mapping[str, Mapping[str, Any]]
    vertices: F64


def read(place: Place, size_m: float) -> Survey:
    """Survey of the square of size_m about the place; buildings keep their own geometry.

    Raises InputError if the file is not CityJSON 1.1 or 2.0, has no reference system or no building with faces, or if
    none is in the square.
    """
    model = _load(place.file)
    faces = {key: list(_faces(model.objects, key)) for key, value in model.objects.items()
             if value.get("type") == "Building"}
    faces = {key: found for key, found in faces.items() if found}
    for key, found in faces.items():
        if max(n for rings, _ in found for ring in rings for n in ring) >= len(model.vertices):
            raise InputError(f"{place.file}: {key}: names a vertex that is not there: expected a whole file, get it "
                             "again")
    if not faces:
        raise InputError(f"{place.file}: no Building with faces among {len(model.objects)} objects: expected a city "
                         "model with buildings of level of detail 1 or more")
    centres = np.array([model.vertices[found[0][0][0], :2].mean(axis=0) for found in faces.values()])
    origin = Geodetic(place.lat_deg, place.lon_deg)
    if (place.lat_deg, place.lon_deg) == (0.0, 0.0):
        origin = middle(centres, size_m)
    xyz = np.column_stack([projector(origin)(model.vertices[:, :2]), model.vertices[:, 2]])
    placed = _Model(model.objects, xyz)
    near = {key: found for key, found in faces.items() if np.abs(xyz[found[0][0][0], :2]).max() < size_m}
    built = [_building(place.file, placed, key, found) for key, found in near.items()]
    heights = np.array([[*np.asarray(f.polygon.centroid.coords[0]), low] for f, low in built]).reshape(-1, 3)
    areas, water = _land(placed, size_m)
    return cut(Survey(origin, tuple(f for f, _ in built), areas=tuple(areas), water=tuple(water),
                      trees=tuple(_trees(placed)), heights=heights), size_m, place.file)


def _load(file: str) -> _Model:
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error}): expected a CityJSON file") from error
    version = str(document.get("version", "none")) if isinstance(document, dict) else "none"
    if not isinstance(document, dict) or document.get("type") != "CityJSON" or version[:3] not in ("1.1", "2.0"):
        raise InputError(f"{file}: version {version}: expected CityJSON 1.1 or 2.0 (cjio upgrades older files)")
    try:
        scale, shift = (np.array(document["transform"][name], np.float64) for name in ("scale", "translate"))
        vertices = np.array(document["vertices"], np.float64).reshape(-1, 3) * scale + shift
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: vertices or transform are missing or malformed ({error}): get it again") from error
    return _Model(document.get("CityObjects", {}), _geodetic(file, document, vertices))


def _geodetic(file: str, document: Mapping[str, Any], vertices: F64) -> F64:
    """Vertices in longitude and latitude (degrees), heights untouched."""
    name = str(document.get("metadata", {}).get("referenceSystem", ""))
    code = re.search(r"EPSG[/:](?:[\d.]*[/:]+)?(\d+)$", name)
    if not code:
        raise InputError(f"{file}: metadata.referenceSystem is {name!r}: expected an EPSG code such as "
                         "https://www.opengis.net/def/crs/EPSG/0/7415")
    try:
        change = pyproj.Transformer.from_crs(int(code[1]), 4326, always_xy=True)
        lon, lat = change.transform(vertices[:, 0], vertices[:, 1])
    except pyproj.exceptions.ProjError as error:
        raise InputError(f"{file}: EPSG:{code[1]} cannot be used ({error}): expected a projected system") from error
    return np.column_stack([lon, lat, vertices[:, 2]])


def _faces(objects: Mapping[str, Mapping[str, Any]], key: str) -> Iterator[Face]:
    """Faces of an object and its parts at their highest level of detail; without semantics, types are ""."""
    value = objects[key]
    solid = [g for g in value.get("geometry", ()) if g.get("type") in _DEPTH]
    if solid:
        yield from _flattened(max(solid, key=lambda g: float(g.get("lod", 0))))
    for child in value.get("children", ()):
        if child in objects and objects[child].get("type") in ("BuildingPart", "BuildingInstallation"):
            yield from _faces(objects, child)


_DEPTH = {"MultiSurface": 0, "CompositeSurface": 0, "Solid": 1, "MultiSolid": 2, "CompositeSolid": 2}
"""Lists around the list of surfaces: shells, solids."""


def _flattened(geometry: Mapping[str, Any]) -> Iterator[Face]:
    surfaces = [surface.get("type", "") for surface in geometry.get("semantics", {}).get("surfaces", ())]

    def walk(boundaries: Any, values: Any, depth: int) -> Iterator[Face]:
        for k, inner in enumerate(boundaries):
            value = values[k] if isinstance(values, list) and k < len(values) else None
            if depth:
                yield from walk(inner, value, depth - 1)
            else:
                yield inner, surfaces[value] if isinstance(value, int) and value < len(surfaces) else ""

    yield from walk(geometry["boundaries"], geometry.get("semantics", {}).get("values"), _DEPTH[geometry["type"]])


def _building(file: str, model: _Model, key: str, faces: Sequence[Face]) -> tuple[Footprint, float]:
    """A building with its own mesh, z 0 at its lowest point, and the height of that point."""
    attributes = model.objects[key].get("attributes", {})
    flat = [k for k, (rings, _) in enumerate(faces) if _normal(model.vertices[rings[0]])[2] < -0.5]
    ground = [k for k, (_, kind) in enumerate(faces) if kind == "GroundSurface"] or flat
    outline = shapely.union_all([p for k in ground or range(len(faces)) for p in _plan(model.vertices, faces[k][0])])
    parts = tidy(shapely.make_valid(outline))
    if not parts:
        raise InputError(f"{file}: {key}: its ground has no area: expected a footprint, correct or delete it")
    used = np.unique([n for rings, _ in faces for ring in rings for n in ring])
    low, high = float(model.vertices[used, 2].min()), float(model.vertices[used, 2].max())
    luck = hash_unit(670 + np.arange(3), *np.round(parts[0].centroid.coords[0], 1))
    mesh, pitched = _mesh(model.vertices - np.array([0, 0, low]), faces, luck)
    words = " ".join(str(attributes.get(name, "")) for name in ("function", "class", "usage", "type")).lower()
    storeys = attributes.get("storeysAboveGround")
    largest = max(parts, key=lambda p: float(p.area))
    return Footprint(
        key, largest, next((use for word, use in _USES if word in words), ""), height_m=max(high - low, 2.0),
        storeys=float(storeys) if isinstance(storeys, int | float) and storeys >= 1 else None,
        roof="custom" if pitched else "flat", mesh=mesh), low


def _mesh(vertices: F64, faces: Sequence[Face], luck: F64) -> tuple[Mesh, bool]:
    """Triangles of all faces but the floor, materials by their semantics or their slope; whether a roof is pitched."""
    wall, roof, flat = (_pick(options, float(u)) for options, u in zip((_WALLS, _PITCHED, _FLAT), luck, strict=True))
    corners, materials = [], []
    pitched = False
    for rings, kind in faces:
        normal = _normal(vertices[rings[0]])
        if kind == "GroundSurface" or (not kind and normal[2] < -0.5):
            continue
        triangles = triangulated(vertices, rings, normal)
        is_roof = kind == "RoofSurface" or (not kind and normal[2] > 0.3)
        pitched |= is_roof and normal[2] < _FLAT_NORMAL
        name = (flat if normal[2] >= _FLAT_NORMAL else roof) if is_roof else "window" if kind == "Window" else wall
        corners.append(triangles)
        materials += [INDEX[name]] * len(triangles)
    points = np.concatenate(corners) if corners else np.zeros((0, 3, 3))
    return mesh_of(points.reshape(-1, 3), np.arange(3 * len(points)), np.array(materials, np.uint16)), pitched


def _normal(ring: F64) -> F64:
    """Unit normal of a ring (N, 3), by Newell's method; zeros if it has no area."""
    following = np.roll(ring, -1, axis=0)
    normal = np.cross(ring - ring[0], following - ring[0]).sum(axis=0)
    return np.asarray(normal / max(float(np.linalg.norm(normal)), 1e-12))


def triangulated(vertices: F64, rings: Sequence[Ring], normal: F64) -> F64:
    """Triangles (T, 3, 3) of a plane face with holes, seen from where its normal points."""
    outer = vertices[rings[0]]
    if len(rings) == 1 and len(outer) == 3:
        return outer[None]
    axis = int(np.argmax(np.abs(normal)))
    if abs(normal[axis]) < 1e-9:
        return np.zeros((0, 3, 3))
    across = np.cross(np.eye(3)[(axis + 1) % 3], normal)
    across /= np.linalg.norm(across)
    base = np.stack([np.cross(across, normal), across])                 # (2, 3)
    shape = shapely.Polygon((outer - outer[0]) @ base.T, [(vertices[r] - outer[0]) @ base.T for r in rings[1:]])
    sound = shapely.get_parts(shapely.make_valid(shape))
    parts = [p for p in sound if isinstance(p, shapely.Polygon) and p.area > 1e-6]
    flat = [shapely.get_coordinates(t)[:3] for part in parts
            for t in shapely.get_parts(shapely.constrained_delaunay_triangles(part))]
    corners = (np.array(flat).reshape(-1, 2) @ base + outer[0]).reshape(-1, 3, 3)
    turned = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ normal < 0
    corners[turned] = corners[turned][:, ::-1]
    return np.asarray(corners)


def _plan(vertices: F64, rings: Sequence[Ring]) -> list[shapely.Polygon]:
    """The face seen from above."""
    if len(rings[0]) < 3:
        return []
    shape = shapely.make_valid(shapely.Polygon(vertices[rings[0], :2], [vertices[r, :2] for r in rings[1:]]))
    return [p for p in shapely.get_parts(shape) if isinstance(p, shapely.Polygon) and p.area > 0]


def _land(model: _Model, size_m: float) -> tuple[list[Area], list[shapely.Polygon]]:
    areas, water = [], []
    for key, value in model.objects.items():
        kind = value.get("type")
        if kind not in _AREAS and kind != "WaterBody":
            continue
        plans = [p for rings, _ in _faces(model.objects, key) if np.abs(model.vertices[rings[0], :2]).max() < 2 * size_m
                 for p in _plan(model.vertices, rings)]
        if kind == "WaterBody":
            water += plans
        else:
            areas += [Area(p, *_AREAS[kind]) for p in plans]
    return areas, water


def _trees(model: _Model) -> Iterator[Spot]:
    for key, value in model.objects.items():
        if value.get("type") == "SolitaryVegetationObject":
            numbers = [n for rings, _ in _faces(model.objects, key) for ring in rings for n in ring]
            if numbers:
                points = model.vertices[np.unique(numbers)]
                x, y = points[:, :2].mean(axis=0)
                reach = float(np.ptp(points[:, :2], axis=0).max()) / 2
                yield Spot(float(x), float(y), float(np.ptp(points[:, 2])) or None, reach or None)


def _pick(options: Sequence[tuple[str, float]], luck: float) -> str:
    total = np.cumsum([share for _, share in options])
    return options[min(int(np.searchsorted(total, luck)), len(options) - 1)][0]
