"""Flood: water rises over the ground that it can reach, and stands in houses up to a depth.

Extent: a level surface, `stage_m` above the normal water, over all ground below it that is connected to the water
that feeds it (planar "bathtub" fill with connectivity, Poulter & Halpin 2008, doi 10.1080/13658810701371858). Where
the place has no water of its own, the flood comes in over the lowest edge of the terrain.
Depth-damage: first-floor heights by structure and the Federal Insurance Administration's curve for one-storey houses
without basement, as in FEMA's HAZUS-MH Flood Technical Manual, section 5.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import shapely

from sim_bridge.hazards import common
from sim_bridge.hazards.grades import grade
from sim_bridge.spec import Flood
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, World
from sim_bridge.world.shapes import mesh_of

FIRST_FLOOR_M = {"wood_light": 0.5, "mobile_home": 0.9, "masonry": 0.3, "concrete_frame": 0.2, "steel_light": 0.15}
"""Height of the first floor above the ground (HAZUS: slab on grade 1 ft, crawl space 3 ft, typical mixes)."""

_LOSS_DEPTH_FT = (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8)
_LOSS_PERCENT = (0, 9, 14, 22, 27, 29, 30, 40, 43, 44)
_CELL_M = 1.0
_FILM_M = 0.04
"""Water shallower than this leaves wet ground, not a surface."""
_BANK_M = 0.22
"""Ground up to this much above the water is muddy."""
_GROUND_STAYS = [INDEX[name] for name in ("water", "pool_water", "asphalt", "asphalt_worn", "concrete", "parking")]


def inundate(world: World, flood: Flood) -> Aftermath:
    """The world under a flood; fields: `depth_m` (0 where dry), float32, 1 m cells."""
    surface = water_surface_m(world, flood)
    above, wet = _reach(world, surface)
    depth = Grid(np.where(wet, -common.floats(above), 0).astype(np.float32), above.west_m, above.south_m, above.cell_m)
    damage = tuple(_damage(building, depth, surface) for building in world.buildings)
    after = Mesh.concatenate([world.before, _sheet(depth, surface)])
    return Aftermath(asdict(flood), after, _muddied(world, above, wet), damage, {"depth_m": depth})


def water_surface_m(world: World, flood: Flood) -> float:
    """z of the flood's surface: normal water, or the lowest ground where there is none, plus the stage."""
    normal = float(world.terrain.values.min()) if world.water_level_m is None else world.water_level_m
    return normal + flood.stage_m


def _reach(world: World, surface: float) -> tuple[Grid, npt.NDArray[np.bool_]]:
    """Height of the ground above the flood's surface (m), and the cells that the flood reaches."""
    grid = common.coarse_grid(world, _CELL_M)
    x, y = common.centres(grid)
    above = world.height_at(x[None, :], y[:, None]) - surface
    labels, _ = scipy.ndimage.label(above < 0)
    sources = np.unique(labels[_source(world, grid, above)])
    wet = np.isin(labels, sources[sources > 0])
    return Grid(above.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m), wet


def _source(world: World, grid: Grid, above: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    if world.water:
        return common.covered(grid, [shapely.Polygon(ring) for ring in world.water])
    edge = np.ones(above.shape, np.bool_)
    edge[1:-1, 1:-1] = False
    return np.asarray(edge & (above <= above[edge].min() + 1e-6))


def _damage(building: Building, depth: Grid, surface: float) -> BuildingDamage:
    ring = shapely.Polygon(building.footprint).buffer(1.5).exterior
    along = shapely.get_coordinates(shapely.segmentize(ring, 1.0))
    around = np.asarray(depth.at(along[:, 0], along[:, 1]), np.float64)
    share = float(np.mean(around > _FILM_M))
    # a house stands on its own pad: what counts inside is the water's level, once water has come to the wall
    deep = max(float(surface - building.base_m), 0.0) if share > 0 else 0.0
    inside = deep - FIRST_FLOOR_M[building.typology]
    state = _state(share, deep, inside, building)
    if state == "dry":
        return BuildingDamage(building.id, state, grade("flood", state), "no flood water at the wall")
    loss = float(np.interp(inside / 0.3048, _LOSS_DEPTH_FT, _LOSS_PERCENT))
    cause = (f"flood depth {max(deep, float(around.max())):.1f} m at {100 * share:.0f}% of the wall, "
             f"{inside:+.1f} m from the first floor, loss {loss:.0f}%")
    return BuildingDamage(building.id, state, grade("flood", state), cause)


def _state(share: float, deep: float, inside: float, building: Building) -> str:
    if share < 0.1:
        return "dry"
    if deep >= building.eaves_m:
        return "submerged"
    if inside > 0:
        return "inundated"
    return "surrounded" if share > 0.9 else "water_at_wall"


def _sheet(depth: Grid, surface: float) -> Mesh:
    """The flood's surface, just under its level, as one rectangle a run of cells.

    It reaches one cell beyond the wet ones: there the terrain is above it, so that the shore is where they meet.
    """
    wet = scipy.ndimage.binary_dilation(common.floats(depth) > _FILM_M)
    edges = np.diff(np.pad(wet, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    x0, x1 = (depth.west_m + depth.cell_m * column for column in (start, end))
    y0 = depth.south_m + depth.cell_m * row
    y1 = y0 + depth.cell_m
    z = np.full(len(row), surface - _FILM_M)
    corners = np.stack([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]).transpose(2, 0, 1)
    faces = 4 * np.arange(len(row))[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    return mesh_of(corners, faces, "flood_water")


def _muddied(world: World, above: Grid, wet: npt.NDArray[np.bool_]) -> Grid:
    """Ground after: mud along the shore, ragged, on what is not paved."""
    ground = world.ground
    near = Grid(scipy.ndimage.binary_dilation(wet, iterations=6), above.west_m, above.south_m, above.cell_m)
    ragged = common.patches(ground.values.shape, 5 / ground.cell_m, common.generator(world, 10))
    height = common.resampled(above, ground) + 0.4 * _BANK_M * ragged
    muddy = (height < _BANK_M) & (common.resampled(near, ground) > 0.5) & ~np.isin(ground.values, _GROUND_STAYS)
    values = np.where(muddy, np.uint8(INDEX["mud"]), ground.values).astype(np.uint8)
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)
