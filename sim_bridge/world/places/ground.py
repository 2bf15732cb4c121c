"""Ground and land use of a real place: what its source names, and between that what such land usually carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy.spatial
import shapely

from sim_bridge.classes import LAND_USE_ID
from sim_bridge.spec import Layout, Season
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.covers import greenness
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Building, Grid, Mesh
from sim_bridge.world.places.fill import DENSE
from sim_bridge.world.places.survey import F64, Area, Survey, Way
from sim_bridge.world.shapes import hash_unit
from sim_bridge.world.terrain import smooth_noise

CELL_M = 0.25
Mix = tuple[str, str, str, float, float]
"""Three materials that share an area in patches; shares of the second and the third."""

COVERS: dict[str, tuple[tuple[Mix, ...], tuple[Mix, ...]]] = {
    "open": ((("meadow", "field_green", "lawn_dry", 0.3, 0.1), ("lawn", "meadow", "soil", 0.4, 0.04),
              ("meadow", "lawn_dry", "forest_floor", 0.35, 0.12), ("field_green", "meadow", "soil", 0.3, 0.05)),
             (("grass_gold", "lawn_dry", "field_dry", 0.4, 0.1), ("lawn_dry", "soil", "grass_gold", 0.25, 0.2),
              ("field_dry", "grass_gold", "soil", 0.3, 0.1), ("stubble", "field_pale", "grass_gold", 0.2, 0.1))),
    "garden": ((("lawn", "mulch", "gravel", 0.2, 0.12), ("lawn", "meadow", "flagstone", 0.3, 0.1)),
               (("lawn_dry", "soil", "gravel", 0.3, 0.15), ("grass_gold", "lawn_dry", "flagstone", 0.3, 0.1))),
    "court": ((("yard", "lawn", "gravel", 0.2, 0.1), ("flagstone", "concrete", "lawn", 0.3, 0.1),
               ("gravel", "lawn", "concrete", 0.35, 0.15), ("sidewalk", "yard", "mulch", 0.3, 0.06)),) * 2,
    "paved": ((("flagstone", "sidewalk", "concrete", 0.2, 0.1), ("sidewalk", "flagstone", "concrete", 0.3, 0.1)),) * 2,
    "parking": ((("parking", "yard", "parking", 0.15, 0.0),),) * 2,
    "yard": ((("yard", "concrete", "gravel", 0.3, 0.15), ("concrete", "yard", "gravel", 0.3, 0.1)),) * 2,
    "bare": ((("soil", "gravel", "mulch", 0.3, 0.1), ("gravel", "soil", "sand", 0.3, 0.1)),) * 2,
    "lawn": ((("lawn", "meadow", "lawn_dry", 0.15, 0.05),), (("lawn_dry", "grass_gold", "lawn", 0.3, 0.1),)),
    "park": ((("lawn", "meadow", "mulch", 0.2, 0.04),), (("lawn_dry", "lawn", "soil", 0.3, 0.06),)),
    "meadow": ((("meadow", "field_green", "lawn_dry", 0.3, 0.05),), (("grass_gold", "lawn_dry", "soil", 0.3, 0.05),)),
    "wood": ((("forest_floor", "meadow", "mulch", 0.25, 0.1),), (("forest_floor", "grass_gold", "mulch", 0.25, 0.1),)),
    "scrub": ((("meadow", "forest_floor", "soil", 0.3, 0.1),), (("grass_gold", "soil", "forest_floor", 0.3, 0.15),)),
    "crops": ((("crop", "crop", "soil", 0.3, 0.03), ("field_green", "crop", "soil", 0.3, 0.03),
               ("plough", "soil", "plough", 0.2, 0.0), ("meadow", "field_green", "meadow", 0.3, 0.0),
               ("vegetables", "soil", "crop", 0.2, 0.1)),
              (("stubble", "crop_ripe", "soil", 0.25, 0.05), ("plough", "soil", "field_dry", 0.3, 0.1),
               ("field_dry", "field_pale", "grass_gold", 0.3, 0.05), ("crop_ripe", "stubble", "soil", 0.2, 0.02))),
    "orchard": ((("meadow", "lawn", "soil", 0.3, 0.1),), (("grass_gold", "soil", "lawn_dry", 0.3, 0.1),)),
    "vineyard": ((("meadow", "soil", "lawn", 0.3, 0.1),), (("soil", "grass_gold", "field_dry", 0.3, 0.1),)),
    "allotment": ((("vegetables", "lawn", "soil", 0.35, 0.2),),) * 2,
    "bed": ((("mulch", "lawn", "soil", 0.3, 0.1),),) * 2,
    "sand": ((("sand", "gravel", "sand", 0.1, 0.0),),) * 2,
    "rock": ((("gravel", "concrete", "soil", 0.3, 0.1),),) * 2,
    "ballast": ((("ballast", "gravel", "soil", 0.2, 0.08),),) * 2,
    "pitch": ((("lawn", "lawn", "meadow", 0.0, 0.1), ("court", "court", "court", 0.0, 0.0)),) * 2,
    "pool": ((("pool_water", "pool_water", "pool_water", 0.0, 0.0),),) * 2,
    "pier": ((("pontoon", "pontoon", "concrete", 0.0, 0.1),),) * 2,
    "water": ((("water", "water", "water", 0.0, 0.0),),) * 2,
}
"""Of each cover: variants where grass is green, and where it is dry."""

_BETWEEN = ("open", "garden", "court")
_KINDS, _PLOT_M = 6, 70.0
"""Variants of land that no source divides, and the size of its plots."""
_GARDEN_FROM = 0.055
"""Share built within 60 m from which land between buildings is gardens rather than open."""
_USE_LAND = {"house": "residential", "apartments": "residential", "garage": "residential", "commercial": "commercial",
             "industrial": "industrial", "barn": "agriculture", "greenhouse": "agriculture", "church": "public",
             "tank": "industrial"}


@dataclass(frozen=True)
class Ground:
    """Material raster (`World.ground`), land use raster, and the cover's index in `list(COVERS)` at 1 m."""

    ground: Grid
    land_use: Grid
    cover: Grid


def paint(survey: Survey, buildings: Sequence[Building], built: Grid, water: Sequence[shapely.Polygon], layout: Layout,
          season: Season, seed: int, rng: np.random.Generator) -> Ground:
    """Rasters of a place, painted back to front: land between, areas, courtyards, water, sidewalks, streets, rails."""
    courts = [Area(shapely.Polygon(hole), "court") for b in buildings for hole in b.holes]
    areas = [*sorted((a for a in survey.areas if a.cover), key=lambda a: -a.polygon.area), *courts]
    names = [*(_BETWEEN * _KINDS), *(a.cover for a in areas)]
    centres = [*((float(k), 0.5) for k in range(len(_BETWEEN) * _KINDS)),
               *((a.polygon.centroid.x, a.polygon.centroid.y) for a in areas)]
    owner = Canvas.blank(layout.size_m, CELL_M, np.uint16)
    owner.values[:] = _between(built, owner.values.shape[0], layout, seed, rng)
    for k, area in enumerate(areas, len(_BETWEEN) * _KINDS):
        owner.fill(area.polygon, k)
    mixes = [_mix(name, centre, layout, season, seed) for name, centre in zip(names, centres, strict=True)]
    canvas = Canvas(layout.size_m, owner.cell_m, _mixed(owner.values, mixes, layout, rng))
    _paint_ways(canvas, survey.ways, built)
    for body in water:
        canvas.fill(body.buffer(1.0), INDEX["soil"])
        canvas.fill(body, INDEX["water"])
    for mesh in survey.paint:
        _paint_mesh(canvas, mesh)
    numbers = np.array([list(COVERS).index(name) for name in names], np.uint8)
    step = max(round(1 / owner.cell_m), 1)
    cover = Grid(numbers[owner.values[::step, ::step]], -layout.size_m / 2, -layout.size_m / 2, step * owner.cell_m)
    return Ground(canvas.grid(), _land_use(survey, buildings, water, layout), cover)


def _between(built: Grid, n: int, layout: Layout, seed: int, rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Rows of `_BETWEEN`, in the variant of the plot: open land, gardens, courts by how much is built around."""
    share = cv2.resize(built.values.astype(np.float32), (n, n), interpolation=cv2.INTER_LINEAR)
    ragged = cv2.resize(smooth_noise(layout.size_m, 2.0, 18.0, rng).astype(np.float32), (n, n))
    share = share * (0.7 + 0.6 * ragged)
    kind = (share > _GARDEN_FROM).astype(np.uint16) + (share > 0.75 * DENSE)
    plots = _plots(n, layout, seed)
    return np.asarray(kind + len(_BETWEEN) * plots, np.uint16)


def _plots(n: int, layout: Layout, seed: int) -> npt.NDArray[np.uint16]:
    """(n, n) variant 0 to _KINDS - 1 of land that no source divides: cells nearest to scattered points 70 m apart."""
    half, cell = layout.size_m / 2, layout.size_m / n
    steps = np.arange(-half - _PLOT_M, half + 2 * _PLOT_M, _PLOT_M)
    x, y = (g.ravel() for g in np.meshgrid(steps, steps))
    px, py = (v + _PLOT_M * (hash_unit(seed & 0xFFFFFF, purpose, x, y) - 0.5) for v, purpose in ((x, 664), (y, 665)))
    kinds = (hash_unit(seed & 0xFFFFFF, 666, x, y) * _KINDS).astype(np.uint16)
    axis = (np.arange(0, n, 4) + 2) * cell - half
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    _, nearest = scipy.spatial.cKDTree(np.column_stack([px, py])).query(points)
    coarse = kinds[nearest].reshape(len(axis), len(axis))
    return np.asarray(cv2.resize(coarse, (4 * len(axis),) * 2, interpolation=cv2.INTER_NEAREST)[:n, :n], np.uint16)


def _mix(name: str, centre: tuple[float, float], layout: Layout, season: Season, seed: int) -> Mix:
    luck = hash_unit(seed & 0xFFFFFF, [660, 661], *centre)
    variants = COVERS[name][0 if luck[0] < greenness(layout, season) else 1]
    return variants[int(luck[1] * len(variants))]


def _mixed(owner: npt.NDArray[np.uint16], mixes: Sequence[Mix], layout: Layout,
           rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Material of each cell: the first of its area's mix, or where noise is low the second or the third."""
    names = np.array([[INDEX[m] for m in mix[:3]] for mix in mixes], np.uint8)
    shares = np.array([mix[3:] for mix in mixes], np.float32)
    values = names[owner, 0]
    for k, wavelengths in enumerate(((34.0, 9.0), (14.0, 4.5))):
        chosen = _uniform_noise(layout, wavelengths, len(owner), rng) < shares[owner, k]
        values[chosen] = names[owner[chosen], k + 1]
    return np.asarray(values, np.uint8)


def _uniform_noise(layout: Layout, wavelengths: tuple[float, float], n: int,
                   rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(n, n) noise uniform in [0, 1]: two scales of bumps, frayed by white noise at 1 m."""
    coarse = sum(w * smooth_noise(layout.size_m, 1.0, length, rng)
                 for w, length in zip((0.42, 0.35), wavelengths, strict=True))
    coarse = np.asarray(coarse + 0.26 * rng.random(np.shape(coarse)))
    order = np.empty(coarse.size, np.float32)
    order[np.argsort(coarse, axis=None, kind="stable")] = np.arange(coarse.size, dtype=np.float32) / coarse.size
    return np.asarray(cv2.resize(order.reshape(coarse.shape), (n, n), interpolation=cv2.INTER_LINEAR), np.float32)


def _paint_ways(canvas: Canvas, ways: Sequence[Way], built: Grid) -> None:
    """Paths first, then sidewalks, carriageways, markings and rails."""
    lines = np.array([way.line for way in ways], dtype=object)
    widths = np.array([way.width_m for way in ways])
    kinds = np.array([way.kind for way in ways])
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True)).reshape(-1, 2)
    town = built.at(middle[:, 0], middle[:, 1]) > 0.1 if len(ways) else np.zeros(0, np.bool_)
    strips = shapely.buffer(lines, widths / 2, quad_segs=3)
    road = np.isin(kinds, ["primary", "residential"])
    curbs = shapely.buffer(lines, widths / 2 + np.where(kinds == "primary", 2.8, 2.0), quad_segs=3)
    passes = [((kinds == "path") | (kinds == "channel"), strips), (road & town & (widths > 4.5), curbs),
              (kinds == "track", strips), (kinds == "residential", strips), (kinds == "primary", strips),
              (kinds == "rail", strips)]
    for chosen, shapes in passes:
        for k in np.flatnonzero(chosen).tolist():
            canvas.fill(shapes[k], INDEX["sidewalk" if shapes is curbs else _surface(ways[k], middle[k])])
    for way in ways:
        if way.kind == "primary" and way.width_m >= 6.5:
            _offset_lines(canvas, way.line, (-0.44 * way.width_m, 0.0, 0.44 * way.width_m), "road_marking")
        elif way.kind == "rail":
            _offset_lines(canvas, way.line, (-0.72, 0.72), "rail")


def _surface(way: Way, middle: F64) -> str:
    if way.material:
        return way.material
    worn = float(hash_unit(662, *np.floor(middle / 150))) < (0.3 if way.kind == "primary" else 0.6)
    return "asphalt_worn" if worn else "asphalt"


def _offset_lines(canvas: Canvas, line: shapely.LineString, offsets: Sequence[float], material: str) -> None:
    for offset in offsets:
        side: shapely.Geometry = shapely.offset_curve(line, offset) if offset else line
        for part in shapely.get_parts(side):
            if part.length > 2:
                canvas.line(shapely.get_coordinates(part), INDEX[material], CELL_M)


def _paint_mesh(canvas: Canvas, mesh: Mesh) -> None:
    """Triangles by their material, lower ones first."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    for k in np.argsort(corners[:, :, 2].mean(axis=1), kind="stable"):
        canvas.fill(corners[k, :, :2], int(mesh.material[k]))


def _land_use(survey: Survey, buildings: Sequence[Building], water: Sequence[shapely.Polygon], layout: Layout) -> Grid:
    """uint8 `classes.LAND_USE`, 1 m: plots of 12 m around buildings, then what the source says, streets, water."""
    canvas = Canvas.blank(layout.size_m, 1.0, np.uint8, LAND_USE_ID["vacant"])
    for building in buildings:
        plot = shapely.buffer(shapely.Polygon(building.footprint), 12.0, quad_segs=2)
        canvas.fill(plot, LAND_USE_ID[_USE_LAND.get(building.use, "residential")])
    for area in sorted(survey.areas, key=lambda a: -a.polygon.area):
        if area.land_use:
            canvas.fill(area.polygon, LAND_USE_ID[area.land_use])
    for way in survey.ways:
        if way.kind in ("primary", "residential", "track"):
            canvas.fill(way.line.buffer(way.width_m / 2 + 1), LAND_USE_ID["street"])
    for body in water:
        canvas.fill(body, LAND_USE_ID["water"])
    return canvas.grid()
