"""Survey: what a source says of a real place, in metres about its centre, before anything is filled in.

Readers (`osm`, `ems`, `cityjson`, `meshes`) return a survey; `fill` guesses what it lacks, `assemble` builds the world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import scipy.spatial
import shapely

from sim_bridge.errors import InputError
from sim_bridge.frames import Geodetic, enu_from_lonlat
from sim_bridge.world.model import Mesh

F64 = npt.NDArray[np.float64]
Geometries = npt.NDArray[np.object_]

_SHIFTS = 20
LEAST_M2 = 6.0
"""Footprints smaller than this are left out: kiosks, slivers of cuts."""


@dataclass(frozen=True)
class Footprint:
    """A building as its source has it; None and "" are what the source does not say.

    polygon: metres, holes are courtyards. height_m: ground to the highest point. roof: a `Building.roof`; materials:
    names of the table. mesh: geometry of its own, z 0 at its lowest wall, instance 0.
    """

    key: str
    """The source's name for it, for messages."""
    polygon: shapely.Polygon
    use: str = ""
    typology: str = ""
    height_m: float | None = None
    storeys: float | None = None
    roof: str = ""
    roof_height_m: float | None = None
    roof_material: str = ""
    wall_material: str = ""
    grade: int | None = None
    mesh: Mesh | None = None


@dataclass(frozen=True)
class Way:
    """A street, path or railway: centre line, width, `Street.kind`, material of its surface ("": guess)."""

    line: shapely.LineString
    width_m: float
    kind: str
    material: str = ""
    bridge: bool = False


@dataclass(frozen=True)
class Area:
    """Land of one cover (a key of `ground.COVERS`, "" only says the use) and land use (`classes.LAND_USE`, "")."""

    polygon: shapely.Polygon
    cover: str = ""
    land_use: str = ""


@dataclass(frozen=True)
class Spot:
    """A tree of the source; None and "" are what it does not say."""

    x: float
    y: float
    height_m: float | None = None
    crown_radius_m: float | None = None
    species: str = ""


@dataclass(frozen=True)
class Survey:
    """All that a source says of the square that was cut out; x east, y north, metres from `origin`."""

    origin: Geodetic
    footprints: tuple[Footprint, ...]
    ways: tuple[Way, ...] = ()
    areas: tuple[Area, ...] = ()
    water: tuple[shapely.Polygon, ...] = ()
    coast: bool = False
    """True if the sea is among the water."""
    trees: tuple[Spot, ...] = ()
    heights: F64 = field(default_factory=lambda: np.zeros((0, 3)))
    """(N, 3) known points of the ground, z in metres above any level."""
    paint: tuple[Mesh, ...] = ()
    """Ground triangles seen from above: their materials are painted on the ground, in this order."""
    things: Mesh = field(default_factory=Mesh.empty)
    """Other geometry (vehicles, plants, walls); z is that of `heights`."""
    repaired: int = 0
    """Footprints that crossed themselves."""


def projector(origin: Geodetic) -> Callable[[F64], F64]:
    """Function from (N, 2) longitude, latitude (degrees) to east, north (m) about `origin`."""
    return lambda lonlat: enu_from_lonlat(lonlat, origin)


def middle(lonlat: F64, size_m: float) -> Geodetic:
    """Centre of the buildings (N, 2) longitude, latitude: the one nearest to where they crowd (`concentration`)."""
    start = np.median(lonlat, axis=0)
    xy = projector(Geodetic(float(start[1]), float(start[0])))(lonlat)
    lon, lat = lonlat[np.argmin(np.hypot(*(xy - concentration(xy, size_m)).T))]
    return Geodetic(round(float(lat), 6), round(float(lon), 6))


def concentration(xy: F64, size_m: float) -> F64:
    """Where points (N, 2) m crowd: from the one with the most others within the square about it to their mean, until it
    rests (mean shift). The mean of all could be the empty land between two towns."""
    around = scipy.spatial.cKDTree(xy).query_ball_point(xy, size_m / 2, p=np.inf, return_length=True)
    centre = np.asarray(xy[np.argmax(around)])
    for _ in range(_SHIFTS):
        following = xy[np.abs(xy - centre).max(axis=1) < size_m / 2].mean(axis=0)
        if np.hypot(*(following - centre)) < 1:
            break
        centre = following
    return centre


def polygons_of(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Valid polygons of a geometry: a ring that crosses itself falls into its lobes; empty if nothing has an area."""
    sound = geometry if shapely.is_valid(geometry) else shapely.make_valid(geometry)
    parts = shapely.get_parts(shapely.get_parts(sound))
    return [part for part in parts if isinstance(part, shapely.Polygon) and part.area > 0]


def cut(survey: Survey, size_m: float, where: str) -> Survey:
    """The survey within its square. Buildings on the edge are cut unless they have geometry of their own, which are
    left out; buildings that overlap a smaller one make room for it. Raises InputError if no building is left."""
    square = shapely.box(*(np.array([-1, -1, 1, 1]) * (size_m / 2 - 0.5)))
    shapely.prepare(square)
    kept = _apart([f for f in survey.footprints if f.polygon.intersects(square)], square)
    if not kept:
        raise InputError(f"{where}: no building within {size_m:g} m about {survey.origin.lat_deg:.5f}, "
                         f"{survey.origin.lon_deg:.5f} (latitude, longitude): expected a place.lat_deg and lon_deg in "
                         "a built-up area, or 0, 0 for the centre of the buildings")
    whole = shapely.box(*(np.array([-1, -1, 1, 1]) * size_m / 2))
    return replace(
        survey, footprints=tuple(kept),
        ways=tuple(replace(way, line=part) for way in survey.ways for part in _lines(way.line, whole)),
        areas=tuple(replace(a, polygon=p) for a in survey.areas for p in clipped(a.polygon, whole)),
        water=tuple(p for body in survey.water for p in clipped(body, whole)),
        trees=tuple(t for t in survey.trees if max(abs(t.x), abs(t.y)) < size_m / 2 - 1),
    )


def clipped(geometry: shapely.Geometry, square: shapely.Geometry) -> list[shapely.Polygon]:
    """Polygons of a geometry within the square."""
    if not shapely.intersects(square, geometry):
        return []
    sound = geometry if shapely.is_valid(geometry) else shapely.make_valid(geometry)
    return polygons_of(shapely.intersection(sound, square))


def _lines(line: shapely.LineString, square: shapely.Geometry) -> list[shapely.LineString]:
    parts = shapely.get_parts(shapely.intersection(line, square))
    return [p for p in parts if isinstance(p, shapely.LineString) and p.length > 1]


def _apart(found: Sequence[Footprint], square: shapely.Polygon) -> list[Footprint]:
    """Footprints in the square, without overlaps, in the order given; small ones are cut out of larger ones."""
    shapes = [f.polygon if f.mesh is not None else f.polygon.intersection(square) for f in found]
    inside = [f.mesh is None or square.contains(f.polygon) for f in found]
    tree, areas = shapely.STRtree(shapes), shapely.area(shapes)
    first, second = tree.query(np.array(shapes, dtype=object), predicate="intersects")
    for a, b in zip(first, second, strict=True):
        smaller = areas[b] < areas[a] or (areas[b] == areas[a] and b < a)
        if a != b and smaller and found[a].mesh is None and inside[b]:
            shapes[a] = shapes[a].difference(found[b].polygon)
    kept = []
    for footprint, shape, whole in zip(found, shapes, inside, strict=True):
        if footprint.mesh is not None:
            kept += [footprint] if whole else []
        else:
            kept += [replace(footprint, polygon=part) for part in tidy(shape)]
    return kept


def tidy(shape: shapely.Geometry) -> list[shapely.Polygon]:
    """Polygons large enough to build on, without points that lie on a line (0.1 m); counter-clockwise, holes not."""
    smooth = shapely.simplify(shape, 0.1)
    parts = [shapely.Polygon(p.exterior, [h for h in p.interiors if shapely.Polygon(h).area > LEAST_M2])
             for p in polygons_of(smooth)]
    # slivers that overlaps leave behind are long and thin: area alone does not find them
    return [shapely.orient_polygons(p) for p in parts if p.area > LEAST_M2 and 2 * p.area / p.length > 0.7]
