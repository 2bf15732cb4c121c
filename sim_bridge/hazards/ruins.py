"""What a fire leaves: pale, cluttered lots where houses stood, dark ground between them, trees in all stages.

Judged by eye against post-fire images of half a metre: a burnt house casts no shadow; its lot is a flat, pale grey to
white patchwork with brown and black specks, as large as the house or a bit larger; streets and driveways stay as they
were; many trees stand, brown or dark, among green ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID, LAND_USE_ID
from sim_bridge.hazards import common, lots, wreck
from sim_bridge.hazards.common import F64
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Grid, Mesh, Tree, World
from sim_bridge.world.plants import trees_mesh
from sim_bridge.world.shapes import hash_unit, mesh_of
from sim_bridge.world.vehicles import vehicles_mesh

F32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

_LOT_MARGIN_M = 0.4
_NEAR_M = 14.0
_BRANCHES = 44


_SEMANTIC = np.array([m.semantic for m in TABLE])
_GRASS, _BARE = (np.asarray(CLASS_ID[name] == _SEMANTIC) for name in ("grass", "bare"))
_BARE = _BARE & ~np.isin(np.arange(len(TABLE)), [INDEX[name] for name in ("sand", "gravel", "ballast", "rail")])
_TINDER = np.isin(np.arange(len(TABLE)), [INDEX[name] for name in (
    "lawn_dry", "grass_gold", "meadow", "field_dry", "stubble", "forest_floor")])
_OPEN_LAND = np.isin(np.arange(256), [LAND_USE_ID[name] for name in ("forest", "field", "agriculture", "vacant")])
_FLAMES_MIN = 0.4
"""How long the front flames at one place. Residence time is 384 minutes over the surface-area-to-volume ratio (1/ft;
Anderson 1969, INT-69): 0.1 min for grass, 0.2 to 0.4 min with coarser fuels among it."""


@dataclass(frozen=True)
class _Burn:
    """Where it burnt, on the ground raster: lots of burnt houses, metres from the nearest, cells the front reached."""

    lots: Bool
    from_lot_m: F32
    reached: Bool
    flaming: Bool
    """Where the front is at this moment."""


def remains(world: World, states: Mapping[int, str], arrival: Grid, end_min: float,
            crowns: Sequence[str], burning: bool) -> tuple[Mesh, Grid]:
    """Geometry and ground after a fire that left buildings in `states`; crowns: materials of the healthy trees;
    burning: it is not out yet."""
    if end_min <= float(arrival.values.min()):
        return world.before, world.ground
    burnt = [b for b in world.buildings if states[b.id] == "burnt_down"]
    hurt = [b for b in world.buildings if states[b.id] in ("partly_burnt", "roof_scorched", "on_fire")]
    burn = _burn(world, burnt, arrival, end_min, burning)
    ground = _ground(world, burn, burnt)
    parts = [common.standing(world, {b.id for b in (*burnt, *hurt)})]
    parts += [lots.litter(world, b) for b in burnt]
    parts += [_hurt(world, b, states[b.id]) for b in hurt]
    parts += [_fences(world, ground), _vehicles(world, burn), _plants(world, burn, crowns)]
    return Mesh.concatenate(parts), ground


def _burn(world: World, burnt: Sequence[Building], arrival: Grid, end_min: float, burning: bool) -> _Burn:
    plans = [shapely.Polygon(b.footprint).buffer(_LOT_MARGIN_M, join_style="mitre") for b in burnt]
    area = common.covered(world.ground, plans)
    came = common.resampled(arrival, world.ground)
    return _Burn(area, common.distance_m(area, world.ground.cell_m), came <= end_min,
                 (came <= end_min) & (came > end_min - _FLAMES_MIN) & burning)


def _ground(world: World, burn: _Burn, burnt: Sequence[Building]) -> Grid:
    """Burnt grass and soil in patches that thin out with distance from the lots; ashes on them, soot around them."""
    ground = world.ground
    values, shape, cell = ground.values.copy(), ground.values.shape, ground.cell_m
    rng = common.generator(world, 41)
    speck, blot = common.patches(shape, 1.6 / cell, rng), common.patches(shape, 5 / cell, rng)
    scar = 0.75 * common.patches(shape, 14 / cell, rng) + 0.35 * blot + 0.35 * speck
    scar += 3.0 * np.exp(burn.from_lot_m / -12) + np.float32(0.8) * _TINDER[values]
    grass, bare = _GRASS[values], _BARE[values]
    scorched = burn.reached & ~burn.lots & (scar > 0.25)
    values[scorched & grass] = INDEX["burnt_lawn"]
    values[scorched & ((grass & (scar > 1.6)) | bare)] = INDEX["burnt_ground"]
    # ash is blown over what is next to a lot, thin on hard ground
    dusted = burn.reached & ~burn.lots & (0.5 * speck + 0.7 * blot > 0.1 + 0.12 * burn.from_lot_m)
    values[dusted & (grass | bare)] = INDEX["ground_ashen"]
    values[burn.reached & (burn.from_lot_m < 12) & (values == INDEX["pool_water"])] = INDEX["pool_ashen"]
    values[burn.flaming & (grass | bare) & (speck > -0.6)] = INDEX["ground_burning"]
    for building in burnt:
        lots.ash_floor(values, ground, building, world.seed)
    return Grid(values, ground.west_m, ground.south_m, cell)


def _hurt(world: World, building: Building, state: str) -> Mesh:
    """A house that was put out (part of the roof gone, charred inside), one that burns, or one with a scorched patch
    of roof."""
    seed = np.random.SeedSequence([world.seed & 0xFFFFFFFF, 43, building.id])
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.15, 0.25) if state == "roof_scorched" else rng.uniform(0.3, 0.5)
    mesh, lost, left = wreck.carved(world, building, share, np.random.default_rng(seed))
    roof = wreck.face_centres(mesh)[:, 2] > building.base_m + 0.85 * building.eaves_m
    if state == "roof_scorched":
        return wreck.repainted(mesh, lost & roof, "roof_scorched")
    gutted = lost & ~roof
    walls = common.select(wreck.repainted(mesh, gutted, "ash_dark"), gutted)
    # the same draws again: the charred rim runs along the hole
    rim = wreck.roof_patch(left, building, share + 0.15, np.random.default_rng(seed))
    above = wreck.face_centres(left)[:, 2] > building.base_m + building.eaves_m
    charred = wreck.repainted(left, rim & above, "roof_scorched")
    burning = state == "on_fire"
    heap = wreck.mound(world, wreck.interior(building), 0.7 * building.eaves_m if burning else 0.8, 0.1,
                       ["roof_burning", "charred_debris"] if burning else ["charred_debris", "ash_dark", "ash"],
                       building.id, rng)
    return Mesh.concatenate([charred, walls, heap])


def _fences(world: World, ground: Grid) -> Mesh:
    """Pools and what else lies about, without the fences that stood on burnt ground."""
    mesh = common.belongings(world)
    centre = wreck.face_centres(mesh)
    on = np.asarray(ground.at(centre[:, 0], centre[:, 1]), np.int64)
    burnt = np.array([material.hazard for material in TABLE])[on] > 0
    return common.select(mesh, ~(burnt & (mesh.material == INDEX["fence"])))


def _vehicles(world: World, burn: _Burn) -> Mesh:
    """Cars beside burnt houses are burnt out, most others untouched."""
    table = np.array([[v.x, v.y] for v in world.vehicles]).reshape(-1, 2)
    iy, ix = world.ground.cell(table[:, 0], table[:, 1])
    chance = 0.95 * np.exp(-burn.from_lot_m[iy, ix] / 11)
    lost = burn.reached[iy, ix] & (hash_unit(world.seed & 0xFFFFFF, 44, table[:, 0], table[:, 1]) < chance)
    whole = [v for v, gone in zip(world.vehicles, lost, strict=True) if not gone]
    hulls = [replace(v, rgb=(128, 128, 128)) for v, gone in zip(world.vehicles, lost, strict=True) if gone]
    return Mesh.concatenate([vehicles_mesh(whole), vehicles_mesh(hulls, "car_burnt")])


def _plants(world: World, burn: _Burn, crowns: Sequence[str]) -> Mesh:
    """Trees by how near they stood to a burning house: gone, bare and black, brown, or green."""
    rng, cell = common.generator(world, 45), world.ground.cell_m
    ragged, wild = (common.patches(world.ground.values.shape, period / cell, rng) for period in (18.0, 70.0))
    at = np.array([[t.x, t.y] for t in world.trees]).reshape(-1, 2)
    iy, ix = world.ground.cell(at[:, 0], at[:, 1])
    heat = 1.25 * np.exp(-burn.from_lot_m[iy, ix] / _NEAR_M) + 0.16 * ragged[iy, ix]
    heat += np.where(_OPEN_LAND[world.land_use.at(at[:, 0], at[:, 1])], 0.6, 0.35) * np.maximum(wild[iy, ix] + 0.1, 0)
    heat -= 0.55 * hash_unit(world.seed & 0xFFFFFF, 46, at[:, 0], at[:, 1])
    heat = np.where(burn.reached[iy, ix], heat, -1.0)
    left = [_left_of(tree, crown, float(h)) for tree, crown, h in zip(world.trees, crowns, heat, strict=True)]
    whole = [k for k, name in enumerate(left) if name not in ("bare", "gone")]
    return Mesh.concatenate([trees_mesh([world.trees[k] for k in whole], [left[k] for k in whole]),
                             _skeletons([t for t, name in zip(world.trees, left, strict=True) if name == "bare"])])


def _left_of(tree: Tree, crown: str, heat: float) -> str:
    """Crown's material, "bare" or "gone". Hedges and small trees go first; large crowns are scorched before they are
    lost."""
    tough = heat - 0.02 * (tree.height_m - 6)
    if tough > 1.05 or (tree.species == "hedge" and tough > 0.6):
        return "gone"
    if tough > 0.58:
        return "bare"
    if tough > 0.26:
        return "crown_singed"
    return "crown_scorched" if tough > 0.18 else crown


def _skeletons(trees: Sequence[Tree]) -> Mesh:
    """Burnt trees without leaves: a trunk and branches, each one thin triangle, that the ground shows through."""
    if not trees:
        return Mesh.empty()
    x, y, base, height, radius = np.array([[t.x, t.y, t.base_m, t.height_m, t.crown_radius_m] for t in trees]).T[
        :, :, None]
    k = np.arange(_BRANCHES, dtype=np.float64)
    angle = 2 * np.pi * (k * 0.381966 + hash_unit(x, y, 70))
    reach = radius * (0.35 + 0.65 * hash_unit(x, y, 71, k))
    root = base + height * (0.15 + 0.55 * k / _BRANCHES)
    tip = np.minimum(root + height * (0.1 + 0.25 * hash_unit(x, y, 72, k)), base + 0.95 * height)
    wide = 0.07 + 0.055 * radius * (1 - 0.4 * k / _BRANCHES)
    corners = [_corner(x - wide * np.sin(angle), y + wide * np.cos(angle), root),
               _corner(x + wide * np.sin(angle), y - wide * np.cos(angle), root),
               _corner(x + reach * np.cos(angle), y + reach * np.sin(angle), tip)]
    branches = np.stack(corners, axis=2).reshape(-1, 3)
    tint = (128 * (0.7 + 0.6 * hash_unit(x, y, 73)) * np.ones_like(angle)).reshape(-1, 1) * np.ones(3)
    trunks = _trunks(x, y, base, height, radius)
    return Mesh.concatenate([mesh_of(branches, np.arange(len(branches)).reshape(-1, 3), "branches_burnt", tint=tint),
                             trunks])


def _corner(x: F64, y: F64, z: F64) -> F64:
    return np.stack(np.broadcast_arrays(x, y, z), -1)


def _trunks(x: F64, y: F64, base: F64, height: F64, radius: F64) -> Mesh:
    """Two crossed triangles a tree."""
    thick, top = 0.08 + 0.05 * radius, base + 0.9 * height
    flat = [_corner(x + thick * dx, y + thick * dy, base - 0.3) for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    vertices = np.concatenate([*flat, _corner(x, y, top)], axis=1).reshape(-1, 3)
    faces = 5 * np.arange(len(x))[:, None, None] + np.array([[0, 1, 4], [2, 3, 4]])
    return mesh_of(vertices, faces, "branches_burnt")
