"""A hand-made town for tests of hazards: equal buildings in rows on flat, open ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim_bridge.frames import Geodetic
from sim_bridge.world.buildings import building_mesh
from sim_bridge.world.materials import GROUND, INDEX
from sim_bridge.world.model import Building, Grid, Mesh, World

HOUSE = Building(
    id=1, footprint=((0.0, 0.0), (14.0, 0.0), (14.0, 10.0), (0.0, 10.0)), base_m=0.0, eaves_m=3.0, ridge_m=5.0,
    roof="gable", typology="wood_light", use="house", roof_material="roof_shingle_grey", wall_material="wall_plaster",
    yaw_deg=0.0)
MASONRY = replace(HOUSE, typology="masonry", eaves_m=6.0, ridge_m=8.0, storeys=2, wall_material="wall_brick",
                  roof_material="roof_tile_red")
BLOCK = replace(HOUSE, footprint=((0.0, 0.0), (22.0, 0.0), (22.0, 14.0), (0.0, 14.0)), typology="concrete_frame",
                eaves_m=15.0, ridge_m=15.0, storeys=5, roof="flat", roof_material="roof_gravel", use="apartments")
STILTS = replace(BLOCK, soft_storey=True)
MOBILE = replace(HOUSE, footprint=((0.0, 0.0), (16.0, 0.0), (16.0, 5.0), (0.0, 5.0)), typology="mobile_home",
                 roof_material="roof_metal", ridge_m=3.8)
SHED = replace(HOUSE, footprint=((0.0, 0.0), (30.0, 0.0), (30.0, 20.0), (0.0, 20.0)), typology="steel_light",
               eaves_m=7.0, ridge_m=9.0, use="industrial", roof_material="roof_metal")


def town(kind: Building, side: int, spacing_m: float = 40.0, seed: int = 0, drawn: bool = False) -> World:
    """side * side buildings of a kind, spacing_m apart about the origin; only if `drawn` do they have faces."""
    centre = np.mean(kind.footprint, axis=0)
    places = (np.arange(side) - (side - 1) / 2) * spacing_m
    buildings = [moved(kind, 1 + k, x - centre[0], y - centre[1])
                 for k, (y, x) in enumerate((y, x) for y in places for x in places)]
    return place(buildings, max(side * spacing_m, 100.0), seed, drawn)


def moved(kind: Building, number: int, x: float, y: float) -> Building:
    return replace(kind, id=number, footprint=tuple((px + float(x), py + float(y)) for px, py in kind.footprint))


def place(buildings: Sequence[Building], size_m: float, seed: int = 0, drawn: bool = True) -> World:
    """Flat lawn at z = 0 with the buildings on it."""
    half, cells = size_m / 2, round(size_m / 0.5)
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]], np.float32)
    plane = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.uint32), np.full(2, GROUND, np.uint16),
                 np.zeros(2, np.uint32), np.full((2, 3), 128, np.uint8))
    return World(
        world_id="flat", seed=seed, size_m=size_m, origin=Geodetic(38.0, -122.0),
        terrain=Grid(np.zeros((2, 2), np.float32), -half, -half, size_m),
        ground=Grid(np.full((cells, cells), INDEX["lawn"], np.uint8), -half, -half, size_m / cells),
        land_use=Grid(np.full((round(size_m), round(size_m)), 2, np.uint8), -half, -half, 1.0),
        buildings=tuple(buildings), trees=(), vehicles=(), streets=(), water_level_m=None, water=(), static=plane,
        before=Mesh.concatenate([building_mesh(b) for b in buildings]) if drawn else Mesh.empty())
