"""Survey -> World: the same parts as a procedural place, from what a source says and what is filled in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import shapely

from sim_bridge.spec import Place, SceneSpec, check, to_json
from sim_bridge.world.buildings import building_mesh
from sim_bridge.world.model import Building, Grid, Mesh, Street, Tree, World, terrain_height
from sim_bridge.world.places.fill import Setting, built_share, filled
from sim_bridge.world.places.ground import paint
from sim_bridge.world.places.growth import trees_of, vehicles_of
from sim_bridge.world.places.relief import Land, land_of, water_surfaces
from sim_bridge.world.places.sources import check_sources
from sim_bridge.world.places.survey import F64, Footprint, Survey, Way
from sim_bridge.world.plants import trees_mesh
from sim_bridge.world.shapes import cap, mesh_of, prism_walls
from sim_bridge.world.species import crown_material
from sim_bridge.world.terrain import terrain_mesh
from sim_bridge.world.traffic import present, with_traffic
from sim_bridge.world.vehicles import vehicles_mesh

_SCENE = ("seed", "layout", "place", "rules", "hazard", "season_before", "season_after", "sources")
_MODULES = {"osm": "osm", "ems": "ems", "cityjson": "cityjson", "mesh": "meshes"}
_DECK_M = 1.0
"""Thickness of a bridge's deck."""


def build_place(spec: SceneSpec) -> World:
    """The real place of `spec.place` before the hazard.

    Raises InputError, in one line, if a source is not the one of `spec.sources`, cannot be read, or has no building in
    the square.
    """
    check(spec)
    check_sources(spec)
    return world_of(spec, read_survey(spec.place, spec.layout.size_m))


def read_survey(place: Place, size_m: float) -> Survey:
    """What the place's source says of the square of size_m. Imports a reader's library only where it is needed."""
    reader = importlib.import_module(f"sim_bridge.world.places.{_MODULES[place.kind]}")
    survey: Survey = reader.read(place, size_m)
    return survey


def world_of(spec: SceneSpec, survey: Survey) -> World:
    """World of a survey that is cut to the square of the spec."""
    layout, seed = spec.layout, spec.seed
    rng = [np.random.default_rng(s) for s in np.random.SeedSequence([seed & 0xFFFFFFFF, 71]).spawn(2)]
    water = _open_water(survey)
    land = land_of(survey, water, layout, rng[0])
    heights = partial(terrain_height, land.terrain)
    built = built_share(survey.footprints, layout.size_m)
    setting = _setting(survey, built, spec.place)
    buildings = filled(survey.footprints, setting, layout, seed, heights)
    ground = paint(survey, buildings, built, water, layout, spec.season_before, seed, rng[1])
    trees = trees_of(survey, buildings, ground.ground, ground.cover, layout, seed, heights)
    vehicles = with_traffic(vehicles_of(survey, buildings, ground.ground, built, layout, seed, heights), seed)
    crowns = [crown_material(tree, spec.season_before) for tree in trees]
    streets = _streets(survey, water)
    return World(
        world_id=spec.world_id, seed=seed, size_m=layout.size_m, origin=survey.origin, terrain=land.terrain,
        ground=ground.ground, land_use=ground.land_use, buildings=buildings, trees=trees, vehicles=vehicles,
        streets=streets, water_level_m=_main_level(water, land),
        water=tuple(tuple((float(x), float(y)) for x, y in body.exterior.coords[:-1]) for body in water),
        static=Mesh.concatenate([terrain_mesh(land.terrain), water_surfaces(water, land),
                                 *_decks(survey.ways, water, heights)]),
        before=Mesh.concatenate([*_standing(survey.footprints, buildings), trees_mesh(trees, crowns),
                                 vehicles_mesh(present(vehicles, "before")),
                                 _lowered(survey.things, land.datum_m, layout.size_m)]),
        scene=_record(spec, land, buildings, trees, survey),
        source_grades={b.id: f.grade for b, f in zip(buildings, survey.footprints, strict=True) if f.grade},
    )


def _record(spec: SceneSpec, land: Land, buildings: Sequence[Building], trees: Sequence[Tree],
            survey: Survey) -> dict[str, object]:
    """The world part of the spec, and what of the world is not from the source."""
    scene = {name: value for name, value in to_json(spec).items() if name in _SCENE}
    fields = sorted({name for building in buildings for name in building.guessed})
    counts = {name: sum(name in b.guessed for b in buildings) for name in fields}
    return {**scene, "guessed": {"terrain": land.guessed, "vehicles": True, "trees": sum(t.guessed for t in trees),
                                 "buildings": counts}, "coast": survey.coast, "repaired_footprints": survey.repaired}


def _open_water(survey: Survey) -> tuple[shapely.Polygon, ...]:
    """Bodies of water without the piers and buildings that stand in them; what is small is only painted."""
    dry = shapely.union_all([*(f.polygon.buffer(0.6) for f in survey.footprints),
                             *(a.polygon for a in survey.areas if a.cover == "pier")])
    whole = shapely.difference(shapely.union_all(list(survey.water)), dry) if survey.water else shapely.Polygon()
    parts = shapely.get_parts(shapely.make_valid(whole))
    return tuple(p for p in parts if isinstance(p, shapely.Polygon) and p.area > 60)


def _main_level(water: Sequence[shapely.Polygon], land: Land) -> float | None:
    if not water:
        return None
    return land.levels_m[int(np.argmax([body.area for body in water]))]


def _setting(survey: Survey, built: Grid, place: Place) -> Setting:
    polygons = np.array([f.polygon for f in survey.footprints], dtype=object)
    centre = shapely.get_coordinates(shapely.centroid(polygons))
    named = [a for a in survey.areas if a.land_use]
    uses = [""] * len(polygons)
    for area in sorted(named, key=lambda a: -a.polygon.area):
        shapely.prepare(area.polygon)
        for k in np.flatnonzero(shapely.contains_xy(area.polygon, centre[:, 0], centre[:, 1])):
            uses[k] = area.land_use
    return Setting(centre, shapely.area(polygons), 2 * shapely.area(polygons) / shapely.length(polygons),
                   np.asarray(built.at(centre[:, 0], centre[:, 1]), np.float64), tuple(uses),
                   0.9 if place.kind == "ems" else 0.45)


def _standing(footprints: Sequence[Footprint], buildings: Sequence[Building]) -> list[Mesh]:
    """Buildings by their parameters, or with their own geometry set on the ground."""
    meshes = []
    for footprint, building in zip(footprints, buildings, strict=True):
        own = footprint.mesh
        if own is None:
            meshes.append(building_mesh(building))
        else:
            lifted = own.vertices + np.array([0, 0, building.base_m], np.float32)
            meshes.append(replace(own, vertices=lifted, instance=np.full(len(own.faces), building.id, np.uint32)))
    return meshes


def _lowered(things: Mesh, datum_m: float, size_m: float) -> Mesh:
    """A source's other geometry in the world's heights, without what lies beyond the square."""
    corners = things.vertices[things.faces]
    inside = np.abs(corners[:, :, :2]).max(axis=(1, 2), initial=0) < size_m / 2
    kept = corners[inside] - np.array([0, 0, datum_m], np.float32)
    return mesh_of(kept.reshape(-1, 3), np.arange(3 * len(kept)), things.material[inside])


def _streets(survey: Survey, water: Sequence[shapely.Polygon]) -> tuple[Street, ...]:
    """Streets, paths and railways with ids from 1; a bridge is one that the source calls so and that crosses water."""
    wet = shapely.union_all(list(water))
    shapely.prepare(wet)
    ways = [way for way in survey.ways if way.kind != "channel"]
    return tuple(
        Street(k + 1, tuple((float(x), float(y)) for x, y in way.line.coords), way.width_m, way.kind,
               way.bridge and bool(shapely.intersects(wet, way.line)))
        for k, way in enumerate(ways))


def _decks(ways: Sequence[Way], water: Sequence[shapely.Polygon], heights: Callable[[F64, F64], F64]) -> list[Mesh]:
    """Decks of bridges over water, at the height of their higher end."""
    wet = shapely.union_all(list(water))
    decks = []
    for way in ways:
        if not way.bridge or way.kind == "channel" or not shapely.intersects(wet, way.line):
            continue
        ring = shapely.orient_polygons(way.line.buffer(way.width_m / 2 + 0.5, cap_style="flat"))
        ends = np.asarray(way.line.coords)[[0, -1]]
        top = float(heights(ends[:, 0], ends[:, 1]).max()) + 0.15
        material = way.material or "asphalt"
        decks += [cap(p, top, material) for p in shapely.get_parts(ring)]
        decks += [prism_walls(np.asarray(p.exterior.coords)[:-1], top - _DECK_M, top, "concrete")
                  for p in shapely.get_parts(ring)]
    return decks


