"""SceneSpec -> World: one pass from relief to parked cars, each part with random numbers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import shapely

from sim_bridge.frames import Geodetic
from sim_bridge.spec import Layout, SceneSpec, Season, check, to_json
from sim_bridge.world.amenities import solar_mesh
from sim_bridge.world.buildings import building_mesh
from sim_bridge.world.cityengine import regrown
from sim_bridge.world.erect import erect
from sim_bridge.world.ground import paint_ground, paint_land_use
from sim_bridge.world.homes import draw_plans
from sim_bridge.world.model import Building, Mesh, Tree, Vehicle, World, terrain_height
from sim_bridge.world.parcels import divide
from sim_bridge.world.parking import afloat, park_vehicles
from sim_bridge.world.planting import plant
from sim_bridge.world.plants import crown_material, trees_mesh
from sim_bridge.world.shore import deck_meshes, moorings, piers
from sim_bridge.world.streets import lay_streets
from sim_bridge.world.terrain import build_relief, level_pads, terrain_mesh, water_mesh
from sim_bridge.world.traffic import present, with_traffic
from sim_bridge.world.vehicles import vehicles_mesh
from sim_bridge.world.yards import fence_mesh

_PARTS = ("relief", "streets", "parcels", "buildings", "ground", "trees", "vehicles", "fences", "harbour", "solar")
_SCENE = ("seed", "layout", "place", "rules", "hazard", "season_before", "season_after", "sources")
"""Fields of a spec that `SceneSpec.world_id` hashes."""


def build_world(spec: SceneSpec) -> World:
    """The place before the hazard. Depends on seed, layout and season_before alone; the same spec, the same arrays.

    Raises InputError (from `spec.check`) for values that cannot be built.
    """
    check(spec)
    if spec.place.kind != "procedural":
        from sim_bridge.world.places import build_place

        return regrown(build_place(spec), spec.rules)
    seeds = np.random.SeedSequence(spec.seed).spawn(len(_PARTS))
    rng = {name: np.random.default_rng(seed) for name, seed in zip(_PARTS, seeds, strict=True)}
    layout = spec.layout
    relief = build_relief(layout, rng["relief"])
    water = shapely.union_all(relief.water)
    network = lay_streets(layout, relief, rng["streets"])
    decks = piers(layout, relief, rng["harbour"])
    parcels = divide(layout, relief, network, rng["parcels"])
    forbidden = _forbidden(layout, network.corridor, water)
    plans = draw_plans(layout, parcels, forbidden, rng["buildings"])
    terrain = level_pads(relief.terrain, [plan.ring for plan in plans])
    heights = partial(terrain_height, terrain)
    buildings = erect(layout, plans, heights, rng["buildings"])
    ground = paint_ground(layout, spec.season_before, parcels, plans, network, relief, decks,
                          rng["ground"])
    trees = plant(layout, relief, network, parcels, plans, ground, heights, rng["trees"])
    boats = afloat(moorings(layout, relief, decks, rng["harbour"]), relief, rng["harbour"])
    parked = park_vehicles(layout, network, parcels, plans, ground, heights, rng["vehicles"])
    vehicles = (*with_traffic(parked, spec.seed), *boats)
    fences = fence_mesh(parcels, plans, ground, heights, rng["fences"])
    world = World(
        world_id=spec.world_id, seed=spec.seed, size_m=layout.size_m,
        origin=Geodetic(layout.origin_lat_deg, layout.origin_lon_deg), terrain=terrain, ground=ground,
        land_use=paint_land_use(layout, parcels, network, relief), buildings=buildings, trees=trees,
        vehicles=vehicles, streets=network.streets, water_level_m=relief.level_m,
        water=tuple(tuple((float(x), float(y)) for x, y in body.exterior.coords[:-1]) for body in relief.water),
        static=Mesh.concatenate([terrain_mesh(terrain), water_mesh(relief),
                                 deck_meshes(layout, relief, network.streets, decks, heights)]),
        before=Mesh.concatenate([_things(buildings, trees, vehicles, spec.season_before), fences,
                                 solar_mesh(parcels, heights, rng["solar"])]),
        scene={name: value for name, value in to_json(spec).items() if name in _SCENE},
    )
    return regrown(world, spec.rules)


def _forbidden(layout: Layout, corridor: shapely.Geometry, water: shapely.Geometry) -> shapely.Geometry:
    """Where no building may stand: carriageways and a verge, which is narrow in old towns, and the water's edge."""
    verge = 0.1 if layout.settlement in ("old_town", "riverside") else 0.6
    return shapely.union(shapely.buffer(corridor, verge), shapely.buffer(water, 6))


def _things(buildings: Sequence[Building], trees: Sequence[Tree], vehicles: Sequence[Vehicle], season: Season) -> Mesh:
    """All that stands on the ground and has parameters of its own."""
    crowns = [crown_material(tree, season) for tree in trees]
    return Mesh.concatenate([*(building_mesh(b) for b in buildings), trees_mesh(trees, crowns),
                             vehicles_mesh(present(vehicles, "before"))])
