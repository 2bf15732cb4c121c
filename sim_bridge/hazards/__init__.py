"""Hazards: what happens to a world, where, and why.

Each hazard is a field over the ground (depth, acceleration, time of arrival) from which the damage of every building,
plant and vehicle follows, so that damage is coherent in space and each damaged building can name its cause. Draws
belong to the world, never to the strength of the hazard: a stronger one never damages a building less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sim_bridge.hazards import common
from sim_bridge.hazards.earthquake import shake
from sim_bridge.hazards.fire import burn
from sim_bridge.hazards.flood import inundate
from sim_bridge.hazards.grades import grade
from sim_bridge.hazards.replay import replay
from sim_bridge.hazards.tsunami import surge
from sim_bridge.hazards.wind import blow
from sim_bridge.spec import SceneSpec
from sim_bridge.world.model import Aftermath, BuildingDamage, Mesh, World
from sim_bridge.world.plants import trees_mesh
from sim_bridge.world.traffic import present
from sim_bridge.world.vehicles import vehicles_mesh


def strike(world: World, spec: SceneSpec) -> Aftermath:
    """The world after `spec.hazard`, in the season `spec.season_after`.

    Every building is in `damage`, in the order of `world.buildings`, with a grade of 1 to 4 and a cause.
    """
    later = replace(world, ground=common.season_ground(world, spec), before=_later(world, spec),
                    vehicles=present(world.vehicles, "after"))
    return STRIKES[spec.hazard.kind](later, spec.hazard, spec)


def _nothing(world: World) -> Aftermath:
    damage = tuple(BuildingDamage(b.id, "untouched", grade("none", "untouched"), "no hazard") for b in world.buildings)
    return Aftermath({"kind": "none"}, world.before, world.ground, damage)


# the hazard is of the type that its kind names in `spec.HAZARDS`
STRIKES: Mapping[str, Callable[[World, Any, SceneSpec], Aftermath]] = {
    "none": lambda world, hazard, spec: _nothing(world),
    "flood": lambda world, hazard, spec: inundate(world, hazard),
    "earthquake": lambda world, hazard, spec: shake(world, hazard),
    "fire": lambda world, hazard, spec: burn(world, hazard, common.healthy_crowns(world.trees, spec.season_after)),
    "tsunami": lambda world, hazard, spec: surge(world, hazard, common.healthy_crowns(world.trees, spec.season_after)),
    "wind": lambda world, hazard, spec: blow(world, hazard, common.healthy_crowns(world.trees, spec.season_after)),
    "replay": lambda world, hazard, spec: replay(world, hazard, common.healthy_crowns(world.trees, spec.season_after)),
}
"""What each kind of hazard does to a world whose ground and plants are already in the later season."""


def _later(world: World, spec: SceneSpec) -> Mesh:
    """Geometry at the time of the later picture, had nothing happened: other cars, plants in their season."""
    trees = (common.plants(world) if spec.season_after == spec.season_before
             else trees_mesh(world.trees, common.healthy_crowns(world.trees, spec.season_after)))
    return Mesh.concatenate([common.standing(world, ()), common.belongings(world), trees,
                             vehicles_mesh(present(world.vehicles, "after"))])
