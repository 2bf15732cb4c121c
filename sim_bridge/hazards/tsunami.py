"""Tsunami: the sea comes over the land, loses height to friction, and takes with it what does not hold.

Run-up: the water's surface falls inland by n^2 / (0.06 H^(1/3)) metres a metre, which is what Hills & Mader's (1997,
Ann. NY Acad. Sci. 822) limit of inundation, 0.06 H^(4/3) / n^2, amounts to on even ground (and Manning's friction at a
Froude number of 1.3). n is their 0.015 for smooth ground, 0.03 for built-up ground and 0.07 for woods and rows of
houses. The loss adds up along the path of least loss from the shore (fast marching).
Speed: sqrt(g d), the lower bound of what videos of 2011 show (Foytong et al. 2013, doi 10.1193/1.4000128).
Damage: lognormal fragility by the depth at the building, kind and storeys: Suppasri et al. (2013), doi
10.1007/s11069-012-0487-8, table 3, six levels, from 250,000 buildings of 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import cv2
import numpy as np
import numpy.typing as npt
import scipy.special
import shapely
import skfmm

from sim_bridge.classes import CLASS_ID
from sim_bridge.errors import InputError
from sim_bridge.hazards import common, drift, flood, rubble, silt, wreck
from sim_bridge.hazards.common import F64, Bool
from sim_bridge.hazards.grades import grade, order
from sim_bridge.spec import Tsunami
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, Tree, World
from sim_bridge.world.plants import trees_mesh
from sim_bridge.world.shapes import hash_unit
from sim_bridge.world.vehicles import vehicles_mesh

FRAGILITY: Mapping[str, tuple[float, ...]] = {
    "wood_1": (-1.7268, 1.1462, -0.8580, 0.9395, 0.0481, 0.7115, 0.6872, 0.5288, 0.8134, 0.5941, 1.1733, 0.5756),
    "wood_2": (-2.008, 1.1873, -0.8747, 0.9053, 0.035, 0.7387, 0.777, 0.5153, 0.9461, 0.5744, 1.3633, 0.471),
    "concrete_1": (-1.8785, 1.1921, -0.82, 1.0585, 0.1590, 0.8196, 0.8881, 0.8391, 1.6578, 0.8948, 2.4155, 0.869),
    "concrete_2": (-2.2555, 1.2474, -0.9493, 1.0388, 0.1979, 0.745, 0.925, 0.692, 1.7814, 0.7196, 2.4352, 0.662),
    "masonry": (-2.113, 1.3362, -1.1573, 1.0400, 0.1059, 0.7693, 0.9043, 0.5746, 1.1918, 0.6821, 1.6583, 0.6913),
    "steel": (-1.6956, 1.1013, -0.8982, 0.8835, 0.0662, 0.7171, 0.7061, 0.6680, 1.4575, 0.8938, 2.2790, 0.7362),
}
"""Mean and standard deviation of ln(depth in m) for the levels minor, moderate, major, complete, collapsed, washed
away. Buildings of wood and concrete with more storeys take the values of two."""
_RUN = 0.06
_CELL_M = 2.0
_SMOOTH, _BUILT, _ROUGH = 0.015, 0.03, 0.07
_FASTEST_MS = 8.0
_STEP_M = 0.1
"""The drawn surface falls in steps of this height."""
_RAFTS_PER_HA = 40.0
_SOFT = ("lawn_silted", "mud", "soil_wet", "lawn", "lawn_dry", "meadow", "sand", "soil")


def surge(world: World, tsunami: Tsunami, crowns: list[str]) -> Aftermath:
    """The world under or after a tsunami; `crowns`: materials of the healthy trees. Fields: those of a flood.

    Raises InputError if the place does not lie at the sea.
    """
    if not flood.sea(world):
        raise InputError("a tsunami needs the sea: expected layout.water = \"sea\" or layout.settlement = \"coastal\"")
    waters = _waters(world, tsunami)
    stream = _stream(world, waters)
    damage = tuple(_damage(world, building, stream) for building in world.buildings)
    states = {row.id: row.state for row in damage}
    gone = tsunami.recession > 0.7
    parts = [_standing(world, states, waters, tsunami), *_fallen(world, states)]
    parts.append(_kept(common.belongings(world), stream))
    parts += [trees_mesh(*_trees(world, crowns, stream)), vehicles_mesh(drift.carried(world, stream, gone)),
              drift.rafts(world, stream, _RAFTS_PER_HA, 0.05 if gone else None, 51), flood.sheet(world, waters)]
    return Aftermath(asdict(tsunami), Mesh.concatenate(parts), _ground(world, states, stream), damage,
                     flood.fields_of(stream), flood.impassable(world, waters))


def damage_share(depth_m: npt.ArrayLike, kind: str) -> F64:
    """Share (6, ...) of buildings of a kind of FRAGILITY that reach each level at a depth: the published curves."""
    values = np.array(FRAGILITY[kind]).reshape(6, 2)
    logs = np.log(np.maximum(np.asarray(depth_m, np.float64), 1e-6))
    shares = scipy.special.ndtr((logs[None] - values[:, :1].reshape(6, *(1,) * logs.ndim))
                                / values[:, 1:].reshape(6, *(1,) * logs.ndim))
    # the fitted curves cross at depths that hardly occur
    return np.asarray(np.minimum.accumulate(shares, axis=0))


def limit_of_inundation_m(height_m: float, manning: float) -> float:
    """How far a tsunami runs over level ground at the sea's height (Hills & Mader 1997), m."""
    return float(_RUN * height_m ** (4 / 3) / manning**2)


def head_loss_m(height_m: float, manning: F64, water: Bool, cell_m: float) -> F64:
    """Height that the water has lost when it comes to each cell (ny, nx), by the way that costs it least."""
    rate = manning**2 / (_RUN * max(height_m, 0.1) ** (1 / 3))
    if water.all():
        return np.zeros(water.shape)
    start = np.where(water, -1.0, 1.0)
    lost = skfmm.travel_time(start, 1 / rate, dx=cell_m)
    return np.where(water, 0.0, np.asarray(np.ma.filled(lost, np.inf)))


def _waters(world: World, tsunami: Tsunami) -> flood.Waters:
    grid = common.coarse_grid(world, _CELL_M)
    x, y = common.centres(grid)
    ground = np.asarray(world.height_at(x[None, :], y[:, None]))
    water = common.covered(grid, [shapely.Polygon(ring) for ring in world.water])
    normal = world.water_level_m or 0.0
    lost = head_loss_m(tsunami.height_m, _roughness(world, grid), water, grid.cell_m)
    surface = normal + tsunami.height_m - lost
    wet = _reached(surface > ground, water)
    peak = np.where(wet, surface, np.nan)
    level = normal + (np.ceil((surface - normal) / _STEP_M) * _STEP_M) * (1 - tsunami.recession)
    seen = wet & (level > ground) & (tsunami.recession < 1)
    return flood.Waters(grid, ground, peak, np.where(seen, level, np.nan))


def _reached(below: Bool, water: Bool) -> Bool:
    count, labels = cv2.connectedComponents(below.astype(np.uint8), connectivity=4)
    fed = np.zeros(count, np.bool_)
    fed[labels[water & below]] = True
    fed[0] = False
    return np.asarray(fed[labels])


def _roughness(world: World, grid: Grid) -> F64:
    """Manning's n: houses and woods stand in the way of the water."""
    x, y = common.centres(grid)
    classes = np.array([m.semantic for m in TABLE])[np.asarray(world.ground.at(*np.meshgrid(x, y)), np.int64)]
    smooth = [CLASS_ID[name] for name in ("bare", "water", "road", "paved")]
    manning = np.where(np.isin(classes, smooth), _SMOOTH, _BUILT)
    near = [shapely.Point(t.x, t.y).buffer(t.crown_radius_m) for t in world.trees if t.height_m > 3]
    manning[common.covered(grid, near)] = _ROUGH
    manning[common.covered(grid, [shapely.Polygon(b.footprint) for b in world.buildings])] = _ROUGH
    return manning


def _stream(world: World, waters: flood.Waters) -> drift.Stream:
    """Landwards at sqrt(g d), away from the shore."""
    depth = waters.depth(waters.peak)
    water = common.covered(waters.grid, [shapely.Polygon(ring) for ring in world.water])
    inland = common.distance_m(water, waters.grid.cell_m) - common.distance_m(~water, waters.grid.cell_m)
    away = cv2.GaussianBlur(inland, (0, 0), 6.0)
    north, east = np.gradient(away.astype(np.float64))
    steep = np.maximum(np.hypot(east, north), 1e-9)
    blocked = drift.obstacles(world, waters.grid)
    # over the sea, the wave and not the depth of the basin makes the speed
    over = np.where(water, np.maximum(waters.peak - (world.water_level_m or 0.0), 0.0), depth)
    speed = np.where((depth > 0) & ~blocked, np.minimum(np.sqrt(9.81 * over), _FASTEST_MS), 0.0)
    place = Grid(depth, waters.grid.west_m, waters.grid.south_m, waters.grid.cell_m)
    surface = np.where(np.isnan(waters.peak), waters.ground, waters.peak)
    # houses that were washed away no longer hold what drifts; walls that stand are seen at the first step
    return drift.Stream(place, surface, speed * east / steep, speed * north / steep, blocked)


def _kind(building: Building) -> str:
    tall = min(max(building.storeys, 1), 2)
    return {"wood_light": f"wood_{tall}", "mobile_home": "wood_1", "concrete_frame": f"concrete_{tall}",
            "steel_light": "steel"}.get(building.typology, "masonry")


def _damage(world: World, building: Building, stream: drift.Stream) -> BuildingDamage:
    """One draw a building, held against the shares of all levels: a deeper tsunami never does less."""
    ring = shapely.get_coordinates(shapely.segmentize(shapely.Polygon(building.footprint).buffer(2.0).exterior, 2.0))
    depth = float(np.max(stream.depth.at(ring[:, 0], ring[:, 1])))
    luck = float(hash_unit(world.seed & 0xFFFFFF, 52, building.id))
    level = int((damage_share(depth, _kind(building)) > luck).sum()) if depth > 0.05 else 0
    state = order("tsunami")[level + (1 if depth > 0.05 else 0)]
    cause = f"tsunami depth {depth:.1f} m on {_kind(building)}"
    return BuildingDamage(building.id, state, grade("tsunami", state), cause)


def _standing(world: World, states: Mapping[int, str], waters: flood.Waters, tsunami: Tsunami) -> Mesh:
    """Buildings that stand, stained if the water is gone, gutted on a side if they are damaged for good."""
    lost = {i for i, state in states.items() if state in ("complete", "collapsed", "washed_away")}
    mesh = common.standing(world, lost)
    carved = []
    for building in world.buildings:
        if states[building.id] == "complete":
            rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 53, building.id]))
            carved.append(wreck.carved(world, building, rng.uniform(0.2, 0.4), rng)[2])
    whole = Mesh.concatenate([mesh, *carved])
    return silt.stained(whole, flood.marks(world, waters)) if tsunami.recession > 0 else whole


def _fallen(world: World, states: Mapping[int, str]) -> list[Mesh]:
    """Heaps of what collapsed, and the little that the water leaves on a foundation."""
    parts = []
    for building in world.buildings:
        state = states[building.id]
        if state not in ("collapsed", "washed_away"):
            continue
        rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 54, building.id]))
        plan = shapely.Polygon(building.footprint)
        if state == "collapsed":
            volume = 0.2 * rubble.gross_volume_m3(building)
            parts.append(rubble.heap(world, building, plan.buffer(2.5), volume, rng).mesh)
        else:
            parts.append(wreck.stubs(world, building, 0.2, (0.1, 0.35), "foundation", rng))
    return parts


def _kept(mesh: Mesh, stream: drift.Stream) -> Mesh:
    """Fences and the like where the water was shallow."""
    centre = wreck.face_centres(mesh)
    return common.select(mesh, np.asarray(stream.depth.at(centre[:, 0], centre[:, 1])) < 0.8)


def _trees(world: World, crowns: list[str], stream: drift.Stream) -> tuple[list[Tree], list[str]]:
    """Trees that hold: those that stood in water no deeper than about a third of their height (a rule of thumb)."""
    at = np.array([[t.x, t.y] for t in world.trees]).reshape(-1, 2)
    depth = np.asarray(stream.depth.at(at[:, 0], at[:, 1]))
    holds = np.array([0.35 * t.height_m for t in world.trees]) * (
        0.6 + 0.8 * hash_unit(world.seed & 0xFFFFFF, 55, at[:, 0], at[:, 1]))
    kept = np.flatnonzero(depth < holds)
    return [world.trees[k] for k in kept], [crowns[k] for k in kept]


def _ground(world: World, states: Mapping[int, str], stream: drift.Stream) -> Grid:
    """Silt where the water was slow, scoured ground where it was deep and fast, floors of what has gone or stands
    open."""
    ground = silt.silted(world, stream.depth, np.hypot(stream.east, stream.north))
    values = ground.values.copy()
    speed = Grid(np.hypot(stream.east, stream.north).astype(np.float32), stream.depth.west_m, stream.depth.south_m,
                 stream.depth.cell_m)
    force = common.resampled(speed, ground) * common.resampled(stream.depth, ground)
    patch = common.patches(values.shape, 12 / ground.cell_m, common.generator(world, 56))
    soft = np.isin(values, [INDEX[name] for name in _SOFT])
    values[soft & (force + 3.0 * patch > 7.0)] = INDEX["scour"]
    plans = [shapely.Polygon(b.footprint) for b in world.buildings if states[b.id] in ("complete", "washed_away")]
    values[common.covered(ground, plans)] = INDEX["foundation"]
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)
