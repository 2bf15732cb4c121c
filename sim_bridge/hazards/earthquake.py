"""Earthquake: the ground shakes, buildings fail by their kind, debris fills streets, people camp in open places.

Shaking: `ground_motion`. Chance of each state: `fragility` (Hazus). Ways of failing: `failures`. A building's rank
among its kind is drawn once and never depends on the shaking, so that a stronger earthquake leaves none in a better
state. The part of Hazus' dispersion that is the demand's is shared by neighbours, in patches of about 200 m (our
choice: the ground under a town changes over such distances), so that whole blocks are worse off than others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import scipy.special
import shapely

from sim_bridge.hazards import camps, common, failures, fragility
from sim_bridge.hazards.common import F64
from sim_bridge.hazards.grades import grade
from sim_bridge.hazards.ground_motion import shaking
from sim_bridge.spec import Earthquake
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Aftermath, Building, BuildingDamage, Grid, Mesh, Street, World
from sim_bridge.world.vehicles import vehicles_mesh

_PATCH_M = 200.0
_CAR_M = 2.5
"""A street is blocked if no strip of this width leads along it."""


def shake(world: World, quake: Earthquake) -> Aftermath:
    """The world after the shaking; fields: `pga_g`, float32, 5 m cells."""
    pga = shaking(world, quake)
    states = building_states(world, quake, pga)
    damage = tuple(_damage(b, state, pga) for b, state in zip(world.buildings, states, strict=True))
    return fallen(world, damage, asdict(quake), {"pga_g": pga})


def fallen(world: World, damage: Sequence[BuildingDamage], hazard: Mapping[str, object],
           fields: Mapping[str, Grid]) -> Aftermath:
    """The aftermath of buildings in given states (of `grades.STATES["earthquake"]`, in the order of the buildings)."""
    free = free_ground(world)
    wrecks = {b.id: failed for (b, own), row in zip(common.alone(world), damage, strict=True)
              if (failed := failures.fail(own, b, row.state, free)) is not None}
    kept = common.select(world.before, ~np.isin(world.before.instance, np.fromiter(wrecks, np.int64)))
    heaps = [heap.area for failed in wrecks.values() for heap in failed.heaps if not shapely.is_empty(heap.area)]
    tents = camps.pitch(world, heaps, sum(row.grade >= 3 for row in damage))
    after = Mesh.concatenate([kept, *(failed.mesh for failed in wrecks.values()), vehicles_mesh(tents)])
    return Aftermath(hazard, after, _dusted(world, heaps), tuple(damage), fields, blocked(world, heaps))


def building_states(world: World, quake: Earthquake, pga: Grid) -> list[str]:
    """State of every building, in their order, of `grades.STATES["earthquake"]`."""
    counts = fragility.reached(world.buildings, _at(pga, world.buildings), ranks(world), quake)
    return [state_of(building, int(count)) for building, count in zip(world.buildings, counts, strict=True)]


def ranks(world: World) -> F64:
    """Rank (N,) of each building among all of its kind, uniform in 0 to 1, the weakest first: drawn for the world."""
    grid = common.coarse_grid(world, 10.0)
    place = common.patches(grid.values.shape, _PATCH_M / grid.cell_m, common.generator(world, 24))
    shared = _at(Grid(place, grid.west_m, grid.south_m, grid.cell_m), world.buildings)
    own = common.generator(world, 21).standard_normal(len(world.buildings))
    share = fragility.DEMAND_SHARE
    return np.asarray(scipy.special.ndtr(math.sqrt(share) * shared + math.sqrt(1 - share) * own))


def state_of(building: Building, count: int) -> str:
    """The way in which a building fails that has reached `count` of slight, moderate, extensive, complete, collapse."""
    masonry = building.typology in ("masonry", "reinforced_masonry")
    slabs = building.typology == "concrete_frame" or (building.storeys >= 3 and building.roof == "flat")
    stilts = building.soft_storey and failures.storeys(building) > 1
    ways = ("untouched", "slight", "moderate", "wall_failure" if masonry else "extensive",
            "soft_storey" if stilts else "partial_collapse", "pancake" if slabs else "collapse")
    return ways[count]


def _at(field: Grid, buildings: Sequence[Building]) -> F64:
    centres = np.array([np.mean(b.footprint, axis=0) for b in buildings]).reshape(-1, 2)
    return np.asarray(field.at(centres[:, 0], centres[:, 1]), np.float64)


def _damage(building: Building, state: str, pga: Grid) -> BuildingDamage:
    cause = f"PGA {_at(pga, [building])[0]:.2f} g on {building.typology}"
    cause += f" of {building.storeys} storeys" if building.storeys > 1 else ""
    cause += ", soft ground floor" if building.soft_storey else ""
    return BuildingDamage(building.id, state, grade("earthquake", state), cause)


def free_ground(world: World) -> failures.Free:
    """Takes an area and a building's id to the part of the area on which no other building stands."""
    plans = shapely.buffer(common.footprints(world), 0.1)
    ids = [b.id for b in world.buildings]
    tree = shapely.STRtree(plans)

    def free(area: shapely.Geometry, building: int) -> shapely.Geometry:
        others = [plans[k] for k in tree.query(area, predicate="intersects") if ids[k] != building]
        return shapely.difference(area, shapely.union_all(others)) if others else area

    return free


def _dusted(world: World, heaps: Sequence[shapely.Geometry]) -> Grid:
    """Ground after: crumbs of debris around every heap, fewer with distance."""
    ground = world.ground
    if not heaps:
        return ground
    distance = common.distance_m(common.covered(ground, heaps), ground.cell_m)
    crumbs = common.patches(ground.values.shape, 1.5 / ground.cell_m, common.generator(world, 23)) > 0.2 + distance
    values = np.where(crumbs, np.uint8(INDEX["rubble_concrete"]), ground.values).astype(np.uint8)
    return Grid(values, ground.west_m, ground.south_m, ground.cell_m)


def blocked(world: World, heaps: Sequence[shapely.Geometry]) -> tuple[int, ...]:
    """Ids of the streets along which debris leaves no strip as wide as a car."""
    if not heaps:
        return ()
    tree = shapely.STRtree(list(heaps))
    found = []
    for street in world.streets:
        surface = shapely.LineString(street.line).buffer(street.width_m / 2, cap_style="flat")
        near = tree.query(surface, predicate="intersects")
        clear = shapely.difference(surface, shapely.union_all([heaps[k] for k in near]))
        if len(near) and not _passable(street, clear):
            found.append(street.id)
    return tuple(found)


def _passable(street: Street, clear: shapely.Geometry) -> bool:
    """Whether one piece of what is clear, narrowed by half a car on both sides, reaches from end to end."""
    half = min(_CAR_M, 0.9 * street.width_m) / 2
    line = shapely.LineString(street.line)
    ends = [shapely.line_interpolate_point(line, at).buffer(max(2 * half, 2.0)) for at in (0, line.length)]
    lanes = shapely.get_parts(shapely.buffer(clear, -half, cap_style="flat"))
    return any(all(lane.intersects(end) for end in ends) for lane in lanes)
