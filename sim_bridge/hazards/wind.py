"""Wind: a storm's or a tornado's gusts strip roofs, topple walls, turn over mobile homes and lay trees down.

Chance of each state: the Enhanced Fujita scale (Texas Tech University, Wind Science and Engineering Center, "A
Recommendation for an Enhanced Fujita Scale", 2004): for each kind of building, degrees of damage with the expected
three-second gust and its lower and upper bounds, in miles per hour. The expected gust is taken for the median, the
bounds for the range of nine buildings in ten, in the logarithm. Gusts differ over a place by some per cent, in patches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.hazards import common, stripped
from sim_bridge.hazards.common import F64
from sim_bridge.hazards.earthquake import blocked
from sim_bridge.hazards.fragility import exceedance
from sim_bridge.hazards.grades import grade, order
from sim_bridge.spec import Wind
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, Tree, World
from sim_bridge.world.plants import SPECIES, trees_mesh
from sim_bridge.world.shapes import hash_unit

MPH = 0.44704
"""Metres per second."""

Gusts = tuple[float, float, float]
DEGREES: Mapping[str, Mapping[str, Gusts]] = {
    "FR12": {"slight": (65, 53, 80), "roof_cover_loss": (79, 63, 97), "roof_deck_loss": (97, 81, 116),
             "roof_loss": (122, 104, 142), "walls_collapsed": (132, 113, 153), "swept_away": (170, 142, 198)},
    "MHSW": {"slight": (61, 51, 76), "roof_cover_loss": (74, 61, 92), "roof_loss": (89, 73, 112),
             "overturned": (98, 84, 114), "swept_away": (127, 110, 148)},
    "ACT": {"slight": (76, 63, 95), "roof_cover_loss": (99, 82, 121), "roof_deck_loss": (124, 107, 146),
            "roof_loss": (138, 120, 158), "walls_collapsed": (158, 138, 184), "swept_away": (180, 155, 205)},
    "LRB": {"slight": (68, 55, 83), "roof_cover_loss": (80, 67, 103), "roof_deck_loss": (101, 83, 120),
            "roof_loss": (133, 114, 157), "walls_collapsed": (188, 161, 221)},
    "MBS": {"slight": (67, 54, 83), "roof_cover_loss": (95, 78, 120), "roof_deck_loss": (118, 95, 138),
            "walls_collapsed": (143, 120, 168), "swept_away": (155, 132, 178)},
}
"""Expected gust and its bounds, mph, of the degrees of damage that show from above: one- and two-family residences,
single-wide mobile homes, apartments, low-rise buildings of 1 to 4 storeys, metal building systems."""

UPROOTED: Mapping[str, Gusts] = {"conifer": (87, 73, 113), "other": (91, 76, 118)}
"""Gusts at which soft and hard wood falls, mph."""

_RANGE = 2 * 1.6449
_PATCH_M = 150.0
_GUSTINESS = 0.05
_BATCH, _STOREY_M = 64, 100.0


def blow(world: World, wind: Wind, crowns: Sequence[str]) -> Aftermath:
    """The world after the gusts; fields: `gust_ms`, float32, 5 m cells. crowns: materials of the trees' crowns."""
    gust = gusts(world, wind)
    states = building_states(world, gust)
    downwind = np.array([math.sin(math.radians(wind.wind_from_deg + 180)),
                         math.cos(math.radians(wind.wind_from_deg + 180))])
    torn = {b.id: mesh for (b, own), state in zip(common.alone(world), states, strict=True)
            if (mesh := stripped.torn(own, b, state, downwind, wind.gust_ms)) is not None}
    fallen = _fallen(world, gust)
    kept = common.select(world.before, ~np.isin(world.before.instance, np.fromiter(torn, np.int64)))
    damage = tuple(_damage(b, state, gust) for b, state in zip(world.buildings, states, strict=True))
    down = [k for k, lies in enumerate(fallen) if lies]
    lying = _lying(world, [world.trees[k] for k in down], [crowns[k] for k in down], downwind)
    after = Mesh.concatenate([_without(kept, world, fallen, crowns), *torn.values(), lying])
    trunks = [_trunk(world.trees[k], downwind) for k in down]
    return Aftermath(asdict(wind), after, world.ground, damage, {"gust_ms": gust}, blocked(world, trunks))


def gusts(world: World, wind: Wind) -> Grid:
    """Three-second gust over the world, m/s, float32, 5 m cells; its pattern belongs to the world."""
    grid = common.coarse_grid(world, 5.0)
    patch = common.patches(grid.values.shape, _PATCH_M / grid.cell_m, common.generator(world, 60))
    values = wind.gust_ms * np.exp(_GUSTINESS * np.clip(patch, -2.5, 2.5))
    return Grid(values.astype(np.float32), grid.west_m, grid.south_m, grid.cell_m)


def building_states(world: World, gust: Grid) -> list[str]:
    """State of every building, in their order, of `grades.STATES["wind"]`."""
    centres = np.array([np.mean(b.footprint, axis=0) for b in world.buildings]).reshape(-1, 2)
    speed = np.asarray(gust.at(centres[:, 0], centres[:, 1]), np.float64)
    rank = common.generator(world, 61).random(len(world.buildings))
    return [state_at(b, float(v), float(r)) for b, v, r in zip(world.buildings, speed, rank, strict=True)]


def state_at(building: Building, gust_ms: float, rank: float) -> str:
    """The worst state whose chance at gust_ms exceeds the building's rank among its kind (0 to 1, weakest first)."""
    worst = 0
    for state, degree in DEGREES[indicator(building)].items():
        if float(chance(gust_ms, degree)) > rank:
            worst = max(worst, order("wind").index(state))
    return order("wind")[worst]


def chance(gust_ms: float | F64, degree: Gusts) -> F64:
    """Chance that a degree of damage (expected, lower, upper, mph) is reached at gust_ms."""
    expected, lower, upper = (mph * MPH for mph in degree)
    return exceedance(gust_ms, expected, math.log(upper / lower) / _RANGE)


def indicator(building: Building) -> str:
    """The damage indicator of the EF scale that stands for a building."""
    kind = {"mobile_home": "MHSW", "steel_light": "MBS", "concrete_frame": "LRB"}.get(building.typology)
    return kind or ("ACT" if building.use == "apartments" else "FR12")


def _damage(building: Building, state: str, gust: Grid) -> BuildingDamage:
    x, y = np.mean(building.footprint, axis=0)
    return BuildingDamage(building.id, state, grade("wind", state),
                          f"gust {float(gust.at(x, y)):.0f} m/s on {building.typology} ({indicator(building)})")


def _fallen(world: World, gust: Grid) -> list[bool]:
    """Which trees fall, in their order: tall ones sooner than low ones, hedges never."""
    rank = common.generator(world, 62).random(len(world.trees))
    fallen = []
    for tree, place in zip(world.trees, rank, strict=True):
        degree = UPROOTED["conifer" if SPECIES[tree.species].form == "cone" else "other"]
        speed = float(gust.at(tree.x, tree.y)) * min(1.1, (tree.height_m / 10) ** 0.15)
        fallen.append(tree.species != "hedge" and tree.height_m > 2.5 and float(chance(speed, degree)) > place)
    return fallen


def _without(mesh: Mesh, world: World, fallen: Sequence[bool], crowns: Sequence[str]) -> Mesh:
    """The mesh with the trees that stand."""
    if not any(fallen):
        return mesh
    up = [k for k, down in enumerate(fallen) if not down]
    standing = trees_mesh([world.trees[k] for k in up], [crowns[k] for k in up])
    return Mesh.concatenate([common.select(mesh, ~common.of_plants(mesh)), standing])


def _lying(world: World, trees: Sequence[Tree], crowns: Sequence[str], downwind: F64) -> Mesh:
    """Trees on their sides: their own meshes, turned over their feet towards where the wind went."""
    parts = []
    for first in range(0, len(trees), _BATCH):
        batch = trees[first:first + _BATCH]
        # a mesh does not say which tree a vertex is of: each is built on a storey of its own
        lifted = [replace(tree, base_m=_STOREY_M * k) for k, tree in enumerate(batch)]
        mesh = trees_mesh(lifted, crowns[first:first + _BATCH])
        up = mesh.vertices[:, 2].astype(np.float64) + _STOREY_M / 4
        own = np.clip((up // _STOREY_M).astype(np.int64), 0, len(batch) - 1)
        up -= _STOREY_M * (own + 0.25)
        table = np.array([[t.x, t.y, t.crown_radius_m] for t in batch])
        vertices = _laid(world, mesh.vertices[:, :2].astype(np.float64), up, table[own], downwind)
        parts.append(Mesh(vertices, mesh.faces, mesh.material, mesh.instance, mesh.tint))
    return Mesh.concatenate(parts)


def _laid(world: World, places: F64, up: F64, trees: F64, downwind: F64) -> npt.NDArray[np.float32]:
    """Vertices (N, 3) of trees that lie: from places (N, 2), heights over the foot (N,), foot and crown (N, 3)."""
    foot, crown = trees[:, :2], trees[:, 2]
    turned = 0.5 * (hash_unit(world.seed & 0xFFFFFF, 63, foot[:, 0], foot[:, 1]) - 0.5)
    angle = math.atan2(downwind[1], downwind[0]) + turned
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    ahead, beside = ((places - foot) * along).sum(axis=1), ((places - foot) * across).sum(axis=1)
    points = foot + np.maximum(up, 0)[:, None] * along + 0.85 * beside[:, None] * across
    # a crown is crushed under its own weight
    high = np.maximum(0.35 * (0.8 * crown - ahead) + 0.3, 0.05)
    return np.column_stack([points, world.height_at(points[:, 0], points[:, 1]) + high]).astype(np.float32)


def _trunk(tree: Tree, downwind: F64) -> shapely.Geometry:
    foot = np.array([tree.x, tree.y])
    return shapely.LineString([foot, foot + tree.height_m * downwind]).buffer(max(0.5 * tree.crown_radius_m, 0.4))
