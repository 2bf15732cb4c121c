"""Flood: a river, pond or sea rises, or rain fills the hollows; houses stand in it up to a depth; then it falls.

Extent by stage: a level surface over all ground below it that is connected to the water that feeds it (planar fill
with connectivity, Poulter & Halpin 2008, doi 10.1080/13658810701371858). Where the place has no water of its own, the
flood comes in over the lowest edge of the terrain. By rain: `hydrology.ponds` with TR-55 runoff.
Depth-damage: USACE, Economic Guidance Memorandum 01-03, one storey without basement, over first-floor heights of
Hazus' Flood Technical Manual. Grades follow what shows from above, not the loss: water at a wall, all around, over the
roof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy.ndimage
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import common, drift, hydrology, silt
from sim_bridge.hazards.common import F64, Bool
from sim_bridge.hazards.grades import grade
from sim_bridge.spec import Flood
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, World
from sim_bridge.world.shapes import mesh_of
from sim_bridge.world.vehicles import vehicles_mesh

FIRST_FLOOR_M = {"wood_light": 0.5, "mobile_home": 0.9, "masonry": 0.3,
                 "reinforced_masonry": 0.3, "concrete_frame": 0.2, "steel_light": 0.15}
"""Height of the first floor above the ground (Hazus: slab on grade 1 ft, crawl space 3 ft, typical mixes)."""
_LOSS_DEPTH_FT = tuple(range(-2, 17))
_LOSS_PERCENT = (0, 2.5, 13.4, 23.3, 32.1, 40.1, 47.1, 53.2, 58.6, 63.2, 67.2, 70.5, 73.2, 75.4, 77.2, 78.5, 79.5,
                 80.2, 80.7)
_CURVE_NUMBER: Mapping[str, float] = {"road": 98, "paved": 98, "building": 98, "vehicle": 98, "water": 98, "bare": 86,
                                      "grass": 74, "tree": 70, "rubble": 86}
"""TR-55, table 2-2, soil group C: paved; fallow; open space and woods in good condition."""
_CELL_M, _FLOW_CELL_M = 1.0, 5.0
_FILM_M = 0.04
"""Water shallower than this leaves wet ground, not a surface."""
_SHALLOW_M, _DEEP_M = 0.25, 1.3
_LOOKS = ("flood_shallow", "flood_water", "flood_deep", "water")
_MURKY_M = 35.0
"""How far from the shore the sea is murky."""
_WADED_M = 0.3
"""Small cars start to move in deeper water, even if it is still (Smith et al. 2017, WRL Technical Report 2017/07)."""
_RISE_S = 6 * 3600.0
_RAFTS_PER_HA = 9.0


@dataclass(frozen=True)
class Waters:
    """Water on 1 m cells: height of its surface (m, ny x nx) at the peak and when it is seen, NaN where it is dry, and
    the terrain under it."""

    grid: Grid
    ground: F64
    peak: F64
    now: F64

    def depth(self, level: F64) -> npt.NDArray[np.float32]:
        return np.where(np.isnan(level), 0.0, np.maximum(level - self.ground, 0.0)).astype(np.float32)


def inundate(world: World, flood: Flood) -> Aftermath:
    """The world under a flood, or after it. Fields, float32, 1 m cells: `depth_m` at the peak (0 where dry), and the
    velocity of the water then, `flow_east_ms` and `flow_north_ms`."""
    waters = _waters(world, flood)
    stream = _stream(world, flood, waters)
    damage = tuple(_damage(building, stream) for building in world.buildings)
    gone = flood.recession > 0.7
    fixed = [common.standing(world, ()), common.belongings(world), common.plants(world)]
    if flood.recession > 0:
        fixed[0] = silt.stained(fixed[0], marks(world, waters))
    rafts = drift.rafts(world, stream, _RAFTS_PER_HA, 0.05 if gone else None, 11)
    cars = vehicles_mesh(drift.carried(world, stream, gone))
    after = Mesh.concatenate([*fixed, cars, rafts, sheet(world, waters)])
    return Aftermath(asdict(flood), after, _ground(world, flood, waters, stream), damage, fields_of(stream),
                     impassable(world, waters))


def impassable(world: World, waters: Waters) -> tuple[int, ...]:
    """Streets that are under more water than a car wades through, somewhere, when they are seen; bridges are not."""
    depth = waters.depth(waters.now)
    found = []
    for street in world.streets:
        along = shapely.get_coordinates(shapely.segmentize(shapely.LineString(street.line), 3.0))
        inside = np.abs(along).max(axis=1) < world.size_m / 2
        iy, ix = waters.grid.cell(along[inside, 0], along[inside, 1])
        if not street.bridge and (depth[iy, ix] > _WADED_M).any():
            found.append(street.id)
    return tuple(found)


def fields_of(stream: drift.Stream) -> dict[str, Grid]:
    """The rasters of a stream by their names in `Aftermath.fields`."""
    place = (stream.depth.west_m, stream.depth.south_m, stream.depth.cell_m)
    return {"depth_m": stream.depth, "flow_east_ms": Grid(stream.east.astype(np.float32), *place),
            "flow_north_ms": Grid(stream.north.astype(np.float32), *place)}


def loss_percent(inside_m: npt.ArrayLike) -> F64:
    """Loss of a house's structure, percent of its value, by the depth over its first floor (m): the published curve."""
    return np.asarray(np.interp(np.asarray(inside_m, np.float64) / 0.3048, _LOSS_DEPTH_FT, _LOSS_PERCENT))


def water_surface_m(world: World, flood: Flood) -> float:
    """z of the flood's surface at its peak: normal water, or the lowest ground where there is none, plus the stage."""
    return _normal_m(world) + flood.stage_m


def _normal_m(world: World) -> float:
    return float(world.terrain.values.min()) if world.water_level_m is None else world.water_level_m


def _waters(world: World, flood: Flood) -> Waters:
    grid = common.coarse_grid(world, _CELL_M)
    x, y = common.centres(grid)
    ground = np.asarray(world.height_at(x[None, :], y[:, None]))
    if flood.rain_mm > 0:
        peak = _rained(world, flood.rain_mm, grid, ground)
        # ponds soak away and run off in proportion to their depth
        return Waters(grid, ground, peak, _lowered(ground, peak, flood.recession))
    surface = water_surface_m(world, flood)
    wet = hydrology.connected(ground - surface, _source(world, grid, ground))
    peak = np.where(wet, surface, np.nan)
    level = surface - flood.recession * flood.stage_m
    back = flood.recession >= 1       # what is left in the bed is the world's own water
    return Waters(grid, ground, peak, np.where(wet & (ground < level) & (not back), level, np.nan))


def _lowered(ground: F64, peak: F64, recession: float) -> F64:
    """Each pond's level, lowered by a share of its greatest depth."""
    labels, count = scipy.ndimage.label(~np.isnan(peak))
    deepest = np.asarray(scipy.ndimage.maximum(np.where(labels > 0, peak - ground, 0), labels, np.arange(count + 1)))
    level = peak - recession * deepest[labels]
    return np.where(level > ground, level, np.nan)


def _rained(world: World, rain_mm: float, grid: Grid, ground: F64) -> F64:
    """Level of the water that rain leaves in the hollows; rivers and the sea carry theirs away, ponds overflow."""
    water = _own_water(world, grid)
    relief = np.where(water, np.maximum(ground, _normal_m(world)), ground)
    number = np.array([_CURVE_NUMBER.get(_NAMES[m.semantic], 86.0) for m in TABLE])
    x, y = common.centres(grid)
    curve = number[np.asarray(world.ground.at(*np.meshgrid(x, y)), np.int64)]
    curve[drift.obstacles(world, grid)] = _CURVE_NUMBER["building"]
    found = hydrology.ponds(relief, hydrology.runoff_mm(rain_mm, curve) / 1000, grid.cell_m)
    return np.where(found.level_m - relief > 1e-3, found.level_m, np.nan)


_NAMES = {value: name for name, value in CLASS_ID.items()}


def _own_water(world: World, grid: Grid) -> Bool:
    return common.covered(grid, [shapely.Polygon(ring) for ring in world.water])


def _source(world: World, grid: Grid, ground: F64) -> Bool:
    if world.water:
        return _own_water(world, grid)
    return np.asarray(_border(ground.shape) & (ground <= ground[_border(ground.shape)].min() + 1e-6))


def _border(shape: tuple[int, ...]) -> Bool:
    edge = np.ones(shape, np.bool_)
    edge[1:-1, 1:-1] = False
    return edge


def _stream(world: World, flood: Flood, waters: Waters) -> drift.Stream:
    """Depth and velocity at the peak. A river flows along its valley; other water comes from where it rises."""
    depth = waters.depth(waters.peak)
    blocked = drift.obstacles(world, waters.grid)
    surface = np.where(np.isnan(waters.peak), waters.ground, waters.peak)
    place = Grid(depth, waters.grid.west_m, waters.grid.south_m, waters.grid.cell_m)
    if flood.rain_mm > 0:
        still = np.zeros(depth.shape)
        return drift.Stream(place, surface, still, still, blocked)
    cells = max(8, round(world.size_m / _FLOW_CELL_M))
    coarse, walls = (cv2.resize(a.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA).astype(np.float64)
                     for a in (depth, blocked))
    water = cv2.resize(_source(world, waters.grid, waters.ground).astype(np.float32), (cells, cells),
                       interpolation=cv2.INTER_AREA) > 0
    source, head, rise = _driving(world, flood, coarse, water)
    east, north = hydrology.flow(coarse, source, head, world.size_m / cells,
                                 np.where(walls > 0.4, 0.5, np.where(water, 0.03, 0.06)), rise)
    fine = [cv2.resize(v, depth.shape[::-1], interpolation=cv2.INTER_LINEAR) for v in (east, north)]
    wet = (depth > 0) & ~blocked
    return drift.Stream(place, surface, np.where(wet, fine[0], 0), np.where(wet, fine[1], 0), blocked)


def _driving(world: World, flood: Flood, depth: F64, water: Bool) -> tuple[Bool, F64, float]:
    """Cells with a known head, that head, and how fast the other water rises (m/s)."""
    ends = water & _border(depth.shape) & (depth > 0)
    if not world.water or not ends.any() or sea(world):
        return water & (depth > 0), np.zeros(depth.shape), flood.stage_m / _RISE_S
    y, x = np.nonzero(ends)
    points = np.column_stack([x, y]).astype(np.float64)
    middle = points.mean(axis=0)
    axis = np.linalg.svd(points - middle, full_matrices=False)[2][0] if len(points) > 1 else np.array([1.0, 0.0])
    cell = world.size_m / depth.shape[0]
    gy, gx = np.indices(depth.shape)
    along = ((gx - middle[0]) * axis[0] + (gy - middle[1]) * axis[1]) * cell
    way = 1.0 if common.generator(world, 12).random() < 0.5 else -1.0
    # the whole valley's ends take part, not the bed's alone
    return _border(depth.shape) & (depth > 0), 1e-3 * way * along, 0.0


def sea(world: World) -> bool:
    """True if the world's water is the sea."""
    if "coast" in world.scene:                  # a real place: its source knows
        return bool(world.water) and world.scene["coast"] is True
    layout = world.scene.get("layout", {})
    assert isinstance(layout, Mapping)
    return bool(world.water) and (layout.get("water") == "sea" or layout.get("settlement") == "coastal")


def _around(building: Building, stream: drift.Stream) -> tuple[float, float, float]:
    """Share of the wall that stands in water, depth of the water over the building's pad, and deepest at the wall."""
    ring = shapely.Polygon(building.footprint).buffer(1.5).exterior
    along = shapely.get_coordinates(shapely.segmentize(ring, 1.0))
    iy, ix = stream.depth.cell(along[:, 0], along[:, 1])
    depth = stream.depth.values[iy, ix]
    wet = depth > _FILM_M
    level = float(stream.surface[iy, ix][wet].max()) if wet.any() else -np.inf
    return float(wet.mean()), max(level - building.base_m, 0.0), float(depth.max())


def _damage(building: Building, stream: drift.Stream) -> BuildingDamage:
    share, deep, deepest = _around(building, stream)
    inside = deep - FIRST_FLOOR_M.get(building.typology, 0.3)
    state = _state(share, deep, inside, building)
    if state == "dry":
        return BuildingDamage(building.id, state, grade("flood", state),
                              f"flood water at {100 * share:.0f}% of the wall")
    cause = (f"flood depth {max(deep, deepest):.1f} m at {100 * share:.0f}% of the wall, "
             f"{inside:+.1f} m from the first floor, loss {float(loss_percent(inside)):.0f}%")
    return BuildingDamage(building.id, state, grade("flood", state), cause)


def _state(share: float, deep: float, inside: float, building: Building) -> str:
    if share < 0.1:
        return "dry"
    if deep >= building.eaves_m:
        return "submerged"
    if inside > 0:
        return "inundated"
    return "surrounded" if share > 0.9 else "water_at_wall"


def marks(world: World, waters: Waters) -> dict[int, float]:
    """Height (z) up to which each building's walls are stained."""
    marks = {}
    for building in world.buildings:
        ring = np.asarray(building.footprint)
        outward = ring + 1.2 * (ring - ring.mean(axis=0)) / np.maximum(
            np.linalg.norm(ring - ring.mean(axis=0), axis=1, keepdims=True), 1e-6)
        iy, ix = waters.grid.cell(outward[:, 0], outward[:, 1])
        level = waters.peak[iy, ix]
        if np.isfinite(level).any() and np.nanmax(level) > building.base_m + 0.1:
            marks[building.id] = float(np.nanmax(level))
    return marks


def _ground(world: World, flood: Flood, waters: Waters, stream: drift.Stream) -> Grid:
    place = (waters.grid.west_m, waters.grid.south_m, waters.grid.cell_m)
    if flood.recession > 0:
        return silt.silted(world, stream.depth, np.hypot(stream.east, stream.north))
    wet = ~np.isnan(waters.now)
    # dry ground next to water is compared with that water's level
    level = np.where(wet, waters.now, -np.inf)
    near = scipy.ndimage.maximum_filter(level, size=13)
    above = np.where(np.isfinite(near), waters.ground - near, 99.0)
    return silt.shore(world, Grid(above.astype(np.float32), *place), wet)


def sheet(world: World, waters: Waters) -> Mesh:
    """The water's surface, just under its level, as one rectangle a run of cells: paler where it is shallow, with
    gaps through which the ground shows where it hardly covers it.

    It reaches one cell beyond the wet ones: there the terrain is above it, so that the shore is where they meet.
    """
    grid, depth = waters.grid, waters.depth(waters.now)
    ragged = common.patches(depth.shape, 6.0 / grid.cell_m, common.generator(world, 13))
    wet = depth > _FILM_M + 0.05 * np.clip(ragged, 0, 2)
    look = np.digitize(depth + 0.05 * ragged * (depth > 0.1), [_SHALLOW_M, _DEEP_M])
    if sea(world):
        off = common.distance_m(~_own_water(world, grid), grid.cell_m)
        look = np.where(off + 6 * ragged > _MURKY_M, 3, look)
    levels, number = np.unique(np.where(wet, waters.now, 0.0), return_inverse=True)
    key = np.where(wet, 1 + look + 4 * number.reshape(depth.shape), 0)
    # beyond the edge the sheet goes on as it is; its gaps stay open
    grown = scipy.ndimage.maximum_filter(key, size=3)
    key = np.where((key == 0) & (depth <= 0), grown, key)
    edge = np.diff(np.pad(key, ((0, 0), (1, 1))), axis=1) != 0
    row, bound = np.nonzero(edge)
    start, end, row = bound[:-1], bound[1:], row[:-1]
    run = (row == np.nonzero(edge)[0][1:]) & (key[row, np.minimum(start, key.shape[1] - 1)] > 0)
    start, end, row = start[run], end[run], row[run]
    own = key[row, start] - 1
    x0, x1 = (grid.west_m + grid.cell_m * column for column in (start, end))
    y0 = grid.south_m + grid.cell_m * row
    y1, z = y0 + grid.cell_m, levels[own // 4] - _FILM_M
    corners = np.stack([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]).transpose(2, 0, 1)
    faces = 4 * np.arange(len(row))[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    return mesh_of(corners, faces, np.array([INDEX[name] for name in _LOOKS])[own % 4].repeat(2))
