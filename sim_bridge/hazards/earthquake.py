"""Earthquake: shaking falls off from the source, buildings fail by their kind.

Ground motion: Campbell (1981), BSSA 71(6): PGA = 0.0159 exp(0.868 M) (R + 0.0606 exp(0.7 M))^-1.09 g, with the
distance to a point source; a spatially correlated residual stands for soils (smooth, about 150 m wide here: the
correlation lengths of Jayaram & Baker 2009 are kilometres, longer than a place).
Fragility: lognormal in PGA, medians of the equivalent-PGA tables of the HAZUS-MH Earthquake Technical Manual (5.4.4),
moderate code, unreinforced masonry by low code. HAZUS' "complete" is split by margin: beyond 1.2 times its capacity a
building lies flat.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.hazards import common, wreck
from sim_bridge.hazards.common import F64
from sim_bridge.hazards.grades import grade, order
from sim_bridge.spec import Earthquake
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, World

MEDIAN_PGA_G = {
    "wood_light": (0.24, 0.43, 0.91, 1.34),
    "steel_light": (0.13, 0.19, 0.33, 0.60),
    "concrete_frame": (0.16, 0.23, 0.41, 0.77),
    "masonry": (0.14, 0.20, 0.32, 0.46),
    "mobile_home": (0.11, 0.18, 0.31, 0.60),
}
"""Median PGA of slight, moderate, extensive and complete damage."""

_BETA = 0.64
_SITE_SIGMA = 0.25
_COLLAPSE_MARGIN = 1.2
_CELL_M = 5.0
_BRICK = {"wall_brick", "roof_tile_red"}


def shake(world: World, quake: Earthquake) -> Aftermath:
    """The world after the shaking; fields: `pga_g`, float32, 5 m cells."""
    pga = _shaking(world, quake)
    states = _states(world, pga)
    wrecks = [_wreck(world, b, state) for b, state in zip(world.buildings, states, strict=True)]
    heaps = {b.id: heap for b, (_, heap) in zip(world.buildings, wrecks, strict=True) if heap is not None}
    gone = {b.id for b, (mesh, _) in zip(world.buildings, wrecks, strict=True) if mesh is not None}
    kept = common.select(world.before, ~np.isin(world.before.instance, np.fromiter(gone, np.int64)))
    after = Mesh.concatenate([kept, *(mesh for mesh, _ in wrecks if mesh is not None)])
    damage = tuple(_damage(b, state, pga) for b, state in zip(world.buildings, states, strict=True))
    return Aftermath(asdict(quake), after, _dusted(world, heaps), damage, {"pga_g": pga}, _blocked(world, heaps))


def median_pga_g(magnitude: float, distance_km: npt.ArrayLike) -> F64:
    """Campbell's (1981) median peak ground acceleration, g, `distance_km` from the source."""
    near = np.asarray(distance_km, np.float64) + 0.0606 * math.exp(0.7 * magnitude)
    return np.asarray(0.0159 * math.exp(0.868 * magnitude) * near**-1.09)


def _shaking(world: World, quake: Earthquake) -> Grid:
    grid = common.coarse_grid(world, _CELL_M)
    x, y = common.centres(grid)
    azimuth = math.radians(quake.epicentre_azimuth_deg)
    east = x[None, :] / 1000 - quake.epicentre_distance_km * math.sin(azimuth)
    north = y[:, None] / 1000 - quake.epicentre_distance_km * math.cos(azimuth)
    median = median_pga_g(quake.magnitude, np.sqrt(east**2 + north**2 + quake.depth_km**2))
    site = common.patches(grid.values.shape, 150 / grid.cell_m, common.generator(world, 20))
    values = median * np.exp(_SITE_SIGMA * np.clip(site, -2.5, 2.5))
    return Grid(values.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def _states(world: World, pga: Grid) -> list[str]:
    """Each building's capacity is drawn once, so that stronger shaking never leaves it in a better state."""
    strength = np.exp(_BETA * common.generator(world, 21).standard_normal(len(world.buildings)))
    names = order("earthquake")
    states = []
    for building, factor in zip(world.buildings, strength, strict=True):
        thresholds = np.array(MEDIAN_PGA_G[building.typology]) * factor
        limits = [*thresholds, _COLLAPSE_MARGIN * thresholds[-1]]
        states.append(names[int(np.searchsorted(limits, _at(pga, building), side="right"))])
    return states


def _at(pga: Grid, building: Building) -> float:
    centre = np.mean(building.footprint, axis=0)
    return float(pga.at(centre[0], centre[1]))


def _damage(building: Building, state: str, pga: Grid) -> BuildingDamage:
    cause = f"PGA {_at(pga, building):.2f} g on {building.typology}"
    return BuildingDamage(building.id, state, grade("earthquake", state), cause)


def _wreck(world: World, building: Building, state: str) -> tuple[Mesh | None, shapely.Polygon | None]:
    """What stands and lies of a building, and the area of its debris; (None, None) if it shows nothing."""
    rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 22, building.id]))
    if state == "moderate":
        return _patched(world, building, rng), None
    if state == "extensive":
        mesh, lost, left = wreck.carved(world, building, rng.uniform(0.22, 0.4), rng)
        walls = common.select(mesh, lost & (wreck.face_centres(mesh)[:, 2] < building.base_m + 0.9 * building.eaves_m))
        inside = _heap(world, building, wreck.interior(building), 0.5 * building.eaves_m, rng)
        return Mesh.concatenate([left, walls, inside]), None
    if state == "partial_collapse":
        _, _, left = wreck.carved(world, building, rng.uniform(0.45, 0.65), rng)
        area = _spread(building, 1.5)
        return Mesh.concatenate([left, _heap(world, building, area, 0.35 * building.eaves_m, rng)]), area
    if state == "collapse":
        footprint = shapely.Polygon(building.footprint)
        area = _spread(building, 0.6 + 0.5 * building.eaves_m)
        mean_height = (building.eaves_m + building.ridge_m) / 2
        peak = wreck.BULKING * mean_height * footprint.area / area.area * 1.35
        return _heap(world, building, area, peak, rng), area
    return None, None


def _spread(building: Building, metres: float) -> shapely.Polygon:
    return shapely.Polygon(building.footprint).buffer(metres, quad_segs=3)


def _patched(world: World, building: Building, rng: np.random.Generator) -> Mesh:
    """Tarpaulins over a part of the roof, or tiles missing from it."""
    whole = common.building_faces(world, building.id)
    covering = whole.material == INDEX[building.roof_material]
    edge_m = max(1.4, 0.07 * shapely.Polygon(building.footprint).length / 2)
    roof = wreck.shattered(common.select(whole, covering), edge_m)
    patch = wreck.roof_patch(roof, building, rng.uniform(0.15, 0.3), rng)
    patched = wreck.repainted(roof, patch, "roof_tarp" if rng.random() < 0.6 else "rubble_brick")
    return Mesh.concatenate([patched, common.select(whole, ~covering)])


def _heap(world: World, building: Building, area: shapely.Polygon, peak_m: float, rng: np.random.Generator) -> Mesh:
    brick = bool({building.wall_material, building.roof_material} & _BRICK)
    materials = ["rubble_brick", "rubble_concrete", "rubble_brick" if brick else "rubble_concrete"]
    count = int(np.clip(area.area / 5, 8, 250))
    return Mesh.concatenate([
        wreck.mound(world, area, peak_m, 0.05, materials, building.id, rng),
        wreck.pieces(world, area, count, (0.8, 2.6), 1.1 * peak_m, materials,
                     building.id, rng),
    ])


def _dusted(world: World, heaps: dict[int, shapely.Polygon]) -> Grid:
    """Ground after: crumbs of debris around every heap, fewer with distance."""
    ground = world.ground
    if not heaps:
        return ground
    distance = common.distance_m(common.covered(ground, heaps.values()), ground.cell_m)
    crumbs = common.patches(ground.values.shape, 1.5 / ground.cell_m, common.generator(world, 23)) > 0.2 + distance
    values = np.where(crumbs, np.uint8(INDEX["rubble_concrete"]), ground.values).astype(np.uint8)
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)


def _blocked(world: World, heaps: dict[int, shapely.Polygon]) -> tuple[int, ...]:
    """Streets on whose middle half debris lies."""
    if not heaps:
        return ()
    tree = shapely.STRtree(list(heaps.values()))
    return tuple(s.id for s in world.streets
                 if len(tree.query(shapely.LineString(s.line).buffer(s.width_m / 4), predicate="intersects")))
