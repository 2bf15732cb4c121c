"""OpenStreetMap (.osm.pbf, .osm): buildings with courtyards, streets, land, water, trees, railways.

Tags and their meaning: the pages Key:building, Simple_3D_Buildings, Key:highway, Key:width, Key:landuse and
Tag:natural=coastline of the OpenStreetMap wiki. What a tag becomes here is in `osm_tags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import shapely
import shapely.ops

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic
from sim_bridge.spec import Place
from sim_bridge.world.places import osm_tags
from sim_bridge.world.places.survey import F64, Footprint, Spot, Survey, cut, middle, polygons_of, projector

Tags = Mapping[str, str]
Shape = tuple[str, Tags, Any]
"""Key of an OSM object, its tags, its geometry in longitude and latitude."""


@dataclass
class _Found:
    areas: list[Shape] = field(default_factory=list)
    lines: list[Shape] = field(default_factory=list)
    points: list[Shape] = field(default_factory=list)
    repaired: int = 0


def read(place: Place, size_m: float) -> Survey:
    """Survey of the square of size_m about the place.

    Raises InputError if the file cannot be read, has no buildings, or none of them is in the square.
    """
    found = _load(Path(place.file))
    built = [shape for shape in found.areas if osm_tags.is_building(shape[1])]
    if not built:
        raise InputError(f"{place.file}: no building in {len(found.areas)} areas: expected an OpenStreetMap extract of "
                         "a built-up place")
    origin = Geodetic(place.lat_deg, place.lon_deg)
    if (place.lat_deg, place.lon_deg) == (0.0, 0.0):
        origin = middle(shapely.get_coordinates(shapely.centroid([shape for _, _, shape in built])), size_m)
    return cut(_survey(found, origin, size_m), size_m, place.file)


def _load(path: Path) -> _Found:
    """All shapes of a file that a world can use."""
    found, rings, whole = _Found(), dict[str, Shape](), set[str]()
    factory = osmium.geom.WKBFactory()
    try:
        for entity in osmium.FileProcessor(str(path)).with_areas():
            _take(entity, factory, found, rings, whole)
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a whole OpenStreetMap file ({error}): expected .osm.pbf or .osm, get it again") \
            from error
    for key, tags, ring in (shape for name, shape in rings.items() if name not in whole):
        parts = polygons_of(shapely.Polygon(ring))
        if not parts:
            raise InputError(f"{path}: {key}: the footprint has no area and cannot be repaired: correct or delete it")
        found.areas += [(key, tags, part) for part in parts]
        found.repaired += 1
    return found


def _take(entity: Any, factory: Any, found: _Found, rings: dict[str, Shape], whole: set[str]) -> None:
    """Sorts one OSM object into areas, lines, points, and rings of buildings that may yet come as areas."""
    if len(entity.tags) == 0:
        return
    tags = dict(entity.tags)
    if entity.is_node():
        if tags.get("natural") == "tree" and entity.location.valid():
            found.points.append((f"node {entity.id}", tags, (entity.location.lon, entity.location.lat)))
    elif entity.is_area():
        key = f"{'way' if entity.from_way() else 'relation'} {entity.orig_id()}"
        if osm_tags.is_area(tags) and (outline := _outline(entity, factory)) is not None:
            whole.add(key)
            found.areas += [(key, tags, part) for part in shapely.get_parts(outline)]
    elif entity.is_way():
        key, coordinates = f"way {entity.id}", [(n.lon, n.lat) for n in entity.nodes if n.location.valid()]
        whole_way = len(coordinates) == len(entity.nodes)       # extracts cut ways off at their edge
        if osm_tags.is_building(tags) and len(coordinates) > 3 and whole_way and entity.is_closed():
            rings[key] = (key, tags, coordinates)
        elif osm_tags.is_line(tags) and len(coordinates) > 1:
            found.lines.append((key, tags, coordinates))


def _outline(area: Any, factory: Any) -> shapely.Geometry | None:
    """Multipolygon of an area; None if its rings cross or the extract cut it off: osmium tells no more."""
    try:
        outline: shapely.Geometry = shapely.from_wkb(factory.create_multipolygon(area))
        return outline
    except RuntimeError:
        return None


def _survey(found: _Found, origin: Geodetic, size_m: float) -> Survey:
    """Everything near the square, in metres."""
    place = projector(origin)
    near = shapely.box(*(np.array([-1, -1, 1, 1]) * 0.75 * size_m))
    lines = [(key, tags, line) for key, tags, line in _placed(found.lines, place) if line.intersects(near)]
    areas = [(key, tags, area) for key, tags, area in _placed(found.areas, place) if area.intersects(near)]
    footprints = [osm_tags.footprint(key, tags, area) for key, tags, area in areas if osm_tags.is_building(tags)]
    parts = [osm_tags.footprint(key, tags, area) for key, tags, area in areas if "building:part" in tags]
    land = [osm_tags.area(tags, area) for _, tags, area in areas]
    ways = [way for _, tags, line in lines for way in osm_tags.ways(tags, line)]
    salt = sea([line for _, tags, line in lines if tags.get("natural") == "coastline"], size_m)
    return Survey(
        origin=origin, footprints=tuple(_with_parts(footprints, parts)), ways=tuple(ways),
        areas=tuple(a for a in land if a is not None),
        water=(*(area for _, tags, area in areas if osm_tags.is_water(tags)), *_channels(lines), *salt),
        coast=bool(salt),
        trees=tuple(_trees(found, place, lines)), repaired=found.repaired,
    )


def _placed(shapes: list[Shape], place: Any) -> Iterator[Shape]:
    geometries = np.array([s if isinstance(s, shapely.Geometry) else shapely.LineString(s) for _, _, s in shapes],
                          dtype=object)
    for (key, tags, _), geometry in zip(shapes, shapely.transform(geometries, place), strict=True):
        yield key, tags, geometry


def _with_parts(outlines: list[Footprint], parts: list[Footprint]) -> list[Footprint]:
    """Outlines that do not tell their height take the mean of their parts', weighted by area."""
    tall = [p for p in parts if p.height_m is not None]
    if not tall:
        return outlines
    tree = shapely.STRtree([p.polygon.representative_point() for p in tall])
    filled = []
    for outline in outlines:
        inside = [tall[k] for k in sorted(tree.query(outline.polygon, predicate="contains"))]
        if inside and outline.height_m is None:
            weights = np.array([p.polygon.area for p in inside])
            mean = float(np.average([p.height_m or 0.0 for p in inside], weights=weights))
            outline = replace(outline, height_m=mean, roof=outline.roof or "flat")
        filled.append(outline)
    return filled


def _channels(lines: list[Shape]) -> list[shapely.Polygon]:
    """Rivers and canals that the map has as lines only."""
    return [line.buffer(width / 2, cap_style="flat") for _, tags, line in lines
            if (width := osm_tags.channel_width_m(tags)) >= osm_tags.WATER_BODY_M]


def sea(coast: list[shapely.LineString], size_m: float) -> list[shapely.Polygon]:
    """The sea in the square, from coastlines: water lies to the right of each (wiki, Tag:natural=coastline).

    Where an extract cuts a coastline off within the square, nothing says where the sea ends: that part stays land.
    """
    square = shapely.box(*(np.array([-1, -1, 1, 1]) * 0.75 * size_m))
    inside = [part for line in coast for part in shapely.get_parts(shapely.intersection(line, square))
              if part.length > 0]
    if not inside:
        return []
    lines = shapely.union_all([*inside, square.exterior])
    faces = list(shapely.ops.polygonize(lines))
    loose = shapely.difference(lines, shapely.union_all([face.boundary for face in faces]).buffer(0.01))
    return [face for face in faces if not (loose.length > 1 and face.intersects(loose))
            and _right_of(face.representative_point(), inside)]


def _right_of(point: shapely.Point, lines: list[shapely.Geometry]) -> bool:
    """True if the point lies to the right of the nearest of the lines."""
    nearest = lines[int(np.argmin(shapely.distance(lines, point)))]
    coordinates = shapely.get_coordinates(nearest)
    segments = shapely.linestrings(np.stack([coordinates[:-1], coordinates[1:]], axis=1))
    k = int(np.argmin(shapely.distance(segments, point)))
    (ax, ay), (bx, by) = coordinates[k], coordinates[k + 1]
    return bool((bx - ax) * (point.y - ay) - (by - ay) * (point.x - ax) < 0)


def _trees(found: _Found, place: Any, lines: list[Shape]) -> Iterator[Spot]:
    """Single trees, and one every 7 m along rows."""
    xy = place(np.array([location for _, _, location in found.points], np.float64).reshape(-1, 2))
    for (_, tags, _), (x, y) in zip(found.points, xy, strict=True):
        yield osm_tags.spot(tags, float(x), float(y))
    for _, tags, row in lines:
        if tags.get("natural") == "tree_row":
            steps: F64 = np.arange(1.0, row.length, 7.0)
            for x, y in shapely.get_coordinates(shapely.line_interpolate_point(row, steps)):
                yield osm_tags.spot(tags, float(x), float(y))
