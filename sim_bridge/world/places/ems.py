"""Copernicus EMS Rapid Mapping packages: real footprints with the grades that interpreters gave them.

Layers and fields: Copernicus EMS Mapping manual (current naming: builtUpA, transportationL, `damage_gra`) and the
packages of 2016 (settlements_poly_grading, transportation_line, `grading`). A package is a zip, with or without junk
in front, or a folder of shapefiles or GeoJSON.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import geopandas
import numpy as np
import pyogrio
import pyogrio.errors
import shapely

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.spec import Place
from sim_bridge.world.places.survey import Area, Footprint, Survey, Way, cut, middle, polygons_of, projector

GRADES: Mapping[str, int | None] = {
    "not affected": 1, "no visible damage": 1,
    "negligible to slight damage": 2, "moderately damaged": 2,
    "highly damaged": 3, "damaged": 3, "damage": 3, "damaged buildings": 3,
    "completely destroyed": 4, "destroyed": 4,
    "possibly damaged": None, "possible damage": None, "not analysed": None, "unknown": None, "not applicable": None,
}
"""Grade 1-4 of each word of the Copernicus scales; None is the interpreter's doubt, which is no severity."""

_BUILDINGS = r"settlements_poly|builtupa"
_STREETS = r"transportation_line|transportationl"
_LAND = r"land_cover_poly|naturallandusea"
_WATER = r"hydrography_(line|poly)|hydrography[al]"
_CONTOURS = r"physiography_line|physiographyl"
_USES = {"residential": "", "warehouse": "industrial", "industrial": "industrial", "agriculture": "barn",
         "commercial": "commercial", "religious": "church", "institutional": "commercial", "medical": "commercial",
         "educational": "commercial", "recreational": "commercial", "military": "industrial"}
_ROADS = (("motorway", "primary", 11.0), ("highway", "primary", 11.0), ("primary", "primary", 9.0),
          ("secondary", "primary", 7.0), ("railway", "rail", 3.2), ("cart", "track", 2.8), ("track", "track", 2.8),
          ("trail", "path", 1.5), ("local", "residential", 5.0))
_COVERS = (("crop", "crops", "agriculture"), ("arable", "crops", "agriculture"),
           ("vineyard", "vineyard", "agriculture"),
           ("orchard", "orchard", "agriculture"), ("permanent", "orchard", "agriculture"),
           ("trees", "wood", "forest"), ("forest", "wood", "forest"), ("wood", "wood", "forest"),
           ("scrub", "scrub", "vacant"), ("shrub", "scrub", "vacant"), ("grass", "meadow", "vacant"),
           ("pasture", "meadow", "agriculture"), ("meadow", "meadow", "agriculture"), ("bare", "bare", "vacant"))
_FILES = {".shp", ".shx", ".dbf", ".prj", ".cpg", ".json", ".geojson", ".gpkg"}
_MOST_BYTES = 2_000_000_000
Frame: TypeAlias = Any
"""geopandas.GeoDataFrame, which carries no types."""


def read(place: Place, size_m: float) -> Survey:
    """Survey of the square of size_m about the place; lon/lat 0, 0 is the middle of the graded buildings.

    Raises InputError for a package that cannot be read, has no layer with a grade, or no coordinate system, and if no
    building is in the square.
    """
    with tempfile.TemporaryDirectory() as scratch:
        layers = _layers(Path(place.file), Path(scratch))
    graded = {name: frame for name, frame in layers.items() if _grade_field(frame) and _has_polygons(frame)
              and not re.search(_STREETS, name)}
    best = _matching(graded, _BUILDINGS) or _latest(graded)
    if not best:
        raise InputError(f"{place.file}: no layer of graded buildings among {', '.join(sorted(layers)) or 'none'}: "
                         "expected settlements_poly_grading (field grading) or builtUpA (field damage_gra)")
    buildings = [frame[frame.geometry.notna()] for frame in best]
    points = np.concatenate([shapely.get_coordinates(shapely.centroid(frame.geometry.values)) for frame in buildings])
    origin = Geodetic(place.lat_deg, place.lon_deg)
    if (place.lat_deg, place.lon_deg) == (0.0, 0.0):
        origin = middle(points, size_m)
    return cut(_survey(place.file, buildings, layers, origin, size_m), size_m, place.file)


def _layers(path: Path, scratch: Path) -> dict[str, Frame]:
    """Layers by lower-case name, in longitude and latitude."""
    folder = path
    if path.is_file() and path.suffix.lower() == ".zip":
        folder = _unpacked(path, scratch)
    files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    found = {}
    for file in files:
        if file.suffix.lower() in (".shp", ".json", ".geojson", ".gpkg"):
            found[file.stem.lower()] = _frame(file, path)
    return found


def _unpacked(path: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [m for m in archive.infolist() if Path(m.filename).suffix.lower() in _FILES]
            if sum(m.file_size for m in wanted) > _MOST_BYTES:
                raise InputError(f"{path}: unpacks to more than {_MOST_BYTES:,} bytes: expected a mapping package")
            archive.extractall(scratch, wanted)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a whole zip file ({error}): expected a vector package, get it again") from error
    return scratch


def _frame(file: Path, source: Path) -> Frame:
    try:
        frame = pyogrio.read_dataframe(file)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise InputError(f"{source}: {file.name}: cannot be read ({reason}): get it again") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        return geopandas.GeoDataFrame(frame)                         # a table without shapes
    if frame.crs is None:
        raise InputError(f"{source}: {file.name}: no coordinate system: expected a .prj file beside it")
    return frame.to_crs(4326)


def _grade_field(frame: Frame) -> str | None:
    return next((name for name in frame.columns if name.lower() in ("grading", "damage_gra")), None)


def _has_polygons(frame: Frame) -> bool:
    return "geometry" in frame and bool(len(frame)) and bool(frame.geom_type.isin(["Polygon", "MultiPolygon"]).any())


def _matching(layers: Mapping[str, Frame], pattern: str) -> list[Frame]:
    return _latest({name: frame for name, frame in layers.items() if re.search(pattern, name) and len(frame)})


def _latest(layers: Mapping[str, Frame]) -> list[Frame]:
    """Of layers that differ by their version only, the highest."""
    newest: dict[str, tuple[int, Frame]] = {}
    for name, frame in sorted(layers.items()):
        number = re.search(r"_v(\d+)", name)
        version = int(number[1]) if number else 0
        key = re.sub(r"_v\d+", "", name)
        if key not in newest or newest[key][0] < version:
            newest[key] = (version, frame)
    return [frame for _, frame in newest.values()]


def _survey(where: str, buildings: list[Frame], layers: Mapping[str, Frame], origin: Geodetic, size_m: float) -> Survey:
    place = projector(origin)
    near = shapely.box(*(np.array([-1, -1, 1, 1]) * 0.75 * size_m))

    def rows(frames: list[Frame]) -> Iterator[tuple[Any, dict[str, str]]]:
        for frame in frames:
            shapes = shapely.transform(shapely.force_2d(frame.geometry.values), place)
            texts = frame.drop(columns="geometry").astype(str).to_dict("records")
            for shape, text in zip(shapes, texts, strict=True):
                if shape is not None and shape.intersects(near):
                    yield shape, {name.lower(): value for name, value in text.items()}

    footprints, repaired = _footprints(where, rows(buildings))
    lines = [way for shape, text in rows(_matching(layers, _STREETS)) for way in _ways(shape, text)]
    wet = list(rows(_matching(layers, _WATER)))
    channels = [Way(line, 2.5, "channel", "water") for shape, _ in wet for line in shapely.get_parts(shape)
                if isinstance(line, shapely.LineString)]
    return Survey(
        origin, tuple(footprints), (*lines, *channels),
        tuple(a for shape, text in rows(_matching(layers, _LAND)) for a in _land(shape, text)),
        tuple(part for shape, _ in wet for part in polygons_of(shape)),
        heights=_contours((near.intersection(shape), text) for shape, text in rows(_matching(layers, _CONTOURS))),
        repaired=repaired)


def _footprints(where: str, rows: Iterator[tuple[Any, dict[str, str]]]) -> tuple[list[Footprint], int]:
    """Buildings of a layer, and how many of them had to be repaired."""
    found, repaired = [], 0
    for number, (shape, text) in enumerate(rows, 1):
        key = f"footprint {text.get('nam') if text.get('nam') not in (None, 'None', 'nan') else number}"
        parts = polygons_of(shape)
        if not parts:
            raise InputError(f"{where}: {key}: has no area and cannot be repaired: correct or delete it")
        repaired += not shapely.is_valid(shape)
        field = text.get("grading", text.get("damage_gra", ""))
        kind = text.get("settl_type", text.get("obj_type", "")).lower()
        use = next((use for word, use in _USES.items() if word in kind), "")
        found += [Footprint(key, part, use, grade=GRADES.get(" ".join(field.lower().split()))) for part in parts]
    return found, repaired


def _ways(shape: Any, text: Mapping[str, str]) -> Iterator[Way]:
    words = " ".join(text.get(name, "") for name in ("road_type", "info", "obj_type", "subtype")).lower()
    kind, width = next(((kind, width) for word, kind, width in _ROADS if word in words), ("residential", 4.5))
    if "tunnel" not in words:
        for line in shapely.get_parts(shape):
            if isinstance(line, shapely.LineString):
                yield Way(line, width, kind, "dirt_road" if kind == "track" else "", "bridge" in words)


def _land(shape: Any, text: Mapping[str, str]) -> list[Area]:
    words = f"{text.get('subtype', '')} {text.get('obj_type', '')} {text.get('info', '')}".lower()
    found = next(((cover, use) for word, cover, use in _COVERS if word in words), None)
    return [Area(part, *found) for part in polygons_of(shape)] if found else []


def _contours(rows: Iterator[tuple[Any, dict[str, str]]]) -> Any:
    """(N, 3) points of contour lines every 15 m; empty without their heights."""
    points = [np.zeros((0, 3))]
    for shape, text in rows:
        value = re.match(r"-?\d+(\.\d+)?", text.get("z_value", text.get("elev", "")))
        if value:
            xy = shapely.get_coordinates(shapely.segmentize(shape, 15.0))
            points.append(np.column_stack([xy, np.full(len(xy), float(value[0]))]))
    return np.concatenate(points)
