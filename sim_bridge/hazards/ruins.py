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

from sim_bridge.classes import CLASS_ID
from sim_bridge.hazards import common, wreck
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Grid, Mesh, Tree, World
from sim_bridge.world.plants import trees_mesh
from sim_bridge.world.shapes import box, hash_unit
from sim_bridge.world.vehicles import vehicles_mesh

F32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

_LOT_MARGIN_M = 1.4
_GRASS = [INDEX[name] for name in ("lawn", "lawn_dry", "meadow", "field_green", "vineyard")]
_TINDER = [INDEX[name] for name in ("lawn_dry", "meadow", "field_dry")]
_BARE = [INDEX[name] for name in ("mulch", "soil", "field_dry")]
_LITTER = ["ash", "ash", "burnt_metal", "burnt_metal", "ash_dark", "charred_debris"]
_NEAR_M = 14.0


@dataclass(frozen=True)
class _Burn:
    """Where it burnt, on the ground raster: lots of burnt houses, metres from the nearest, cells the front reached."""

    lots: Bool
    from_lot_m: F32
    reached: Bool


def remains(world: World, states: Mapping[int, str], arrival: Grid, end_min: float,
            crowns: Sequence[str]) -> tuple[Mesh, Grid]:
    """Geometry and ground after a fire that left buildings in `states`; crowns: materials of the healthy trees."""
    if end_min <= float(arrival.values.min()):
        return world.before, world.ground
    burnt = [b for b in world.buildings if states[b.id] == "burnt_down"]
    hurt = [b for b in world.buildings if states[b.id] in ("partly_burnt", "roof_scorched")]
    burn = _burn(world, burnt, arrival, end_min)
    ground = _ground(world, burn)
    parts = [common.standing(world, {b.id for b in (*burnt, *hurt)})]
    parts += [_lot(world, b) for b in burnt]
    parts += [_hurt(world, b, states[b.id]) for b in hurt]
    parts += [_fences(world, ground), _vehicles(world, burn), _plants(world, burn, crowns)]
    return Mesh.concatenate(parts), ground


def _burn(world: World, burnt: Sequence[Building], arrival: Grid, end_min: float) -> _Burn:
    plans = [shapely.Polygon(b.footprint).buffer(_LOT_MARGIN_M, join_style="mitre") for b in burnt]
    ragged = common.patches(world.ground.values.shape, 2.5 / world.ground.cell_m, common.generator(world, 40))
    lots = common.covered(world.ground, plans)
    from_lot = common.distance_m(lots, world.ground.cell_m)
    ragged_lots = common.distance_m(~lots, world.ground.cell_m) - from_lot + 0.9 * ragged > 0
    return _Burn(ragged_lots, from_lot, common.resampled(arrival, world.ground) <= end_min)


def _ground(world: World, burn: _Burn) -> Grid:
    """Ash on the lots; burnt grass and soil in patches that thin out with distance from them."""
    ground = world.ground
    values, shape, cell = ground.values.copy(), ground.values.shape, ground.cell_m
    rng = common.generator(world, 41)
    speck, blot = common.patches(shape, 1.6 / cell, rng), common.patches(shape, 5 / cell, rng)
    soft = np.isin(np.array([m.semantic for m in TABLE]), [CLASS_ID["grass"], CLASS_ID["bare"]])[values]
    under = common.covered(ground, common.footprints(world))
    ash = 0.8 * speck + 0.6 * blot
    lot = np.where(ash > -0.75, INDEX["ash"], np.where(ash > -1.7, INDEX["ash_dark"], INDEX["charred_debris"]))
    blown = ~burn.lots & burn.reached & (0.7 * speck + 0.5 * blot > 0.2 + 0.35 * burn.from_lot_m)
    values = np.where(blown & np.isin(values, [*_GRASS, *_BARE]), INDEX["ash_dark"], values)
    values = np.where(burn.lots & (soft | under), lot, values)
    scar = 0.75 * common.patches(shape, 14 / cell, rng) + 0.35 * blot + 0.35 * speck
    scar += 2.2 * np.exp(-burn.from_lot_m / 14) + 0.8 * np.isin(values, _TINDER)
    scorched = burn.reached & ~burn.lots & (scar > 0.25)
    values = np.where(scorched & np.isin(values, _GRASS),
                      np.where(scar > 1.45, INDEX["burnt_ground"], INDEX["burnt_lawn"]), values)
    values = np.where(scorched & np.isin(values, _BARE), INDEX["burnt_ground"], values)
    return Grid(values.astype(np.uint8), ground.west_m, ground.south_m, cell)


def _lot(world: World, building: Building) -> Mesh:
    """Debris of a burnt house: low litter, pale sheets, stubs of walls, now and then a chimney."""
    rng = np.random.default_rng(np.random.SeedSequence([world.seed & 0xFFFFFFFF, 42, building.id]))
    plan = shapely.Polygon(building.footprint)
    count = int(np.clip(plan.area / 2.5, 6, 250))
    litter = [
        wreck.pieces(world, plan, count, (0.3, 1.5), 0.35, _LITTER, building.id, rng, rust=0.25),
        wreck.pieces(world, plan, count // 7 + 1, (1.2, 3.0), 0.45, ["burnt_metal", "ash"], building.id, rng, 0.25),
        wreck.stubs(world, building, 0.45, (0.2, 0.8), "ash", rng),
    ]
    # what a house was made of shows in its ashes: some lots are whiter, some brown
    tone = rng.uniform(0.82, 1.08) * np.array([1.0, rng.uniform(0.94, 1.0), 0.92])
    parts = [wreck.toned(Mesh.concatenate(litter), tone)]
    if building.use == "house" and rng.random() < 0.45:
        low, high = np.quantile(np.asarray(building.footprint), [0.3, 0.7], axis=0)
        x, y = rng.uniform(low, high)
        base = float(world.height_at(x, y))
        parts.append(box((x, y), (1.1, 0.8), building.yaw_deg, base - 0.3, base + rng.uniform(2.0, 4.5), "chimney",
                         instance=building.id))
    return Mesh.concatenate(parts)


def _hurt(world: World, building: Building, state: str) -> Mesh:
    """A house that was put out (part of the roof gone, charred inside), or one with a scorched patch of roof."""
    seed = np.random.SeedSequence([world.seed & 0xFFFFFFFF, 43, building.id])
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.3, 0.5) if state == "partly_burnt" else rng.uniform(0.15, 0.25)
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
    heap = wreck.mound(world, wreck.interior(building), 0.8, 0.1, ["charred_debris", "ash_dark", "ash"], building.id,
                       rng)
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
    chance = 0.9 * np.exp(-burn.from_lot_m[iy, ix] / 5)
    lost = burn.reached[iy, ix] & (hash_unit(world.seed & 0xFFFFFF, 44, table[:, 0], table[:, 1]) < chance)
    whole = [v for v, gone in zip(world.vehicles, lost, strict=True) if not gone]
    hulls = [replace(v, rgb=(128, 128, 128)) for v, gone in zip(world.vehicles, lost, strict=True) if gone]
    return Mesh.concatenate([vehicles_mesh(whole), vehicles_mesh(hulls, "car_burnt")])


def _plants(world: World, burn: _Burn, crowns: Sequence[str]) -> Mesh:
    """Trees by how near they stood to a burning house: gone, bare and black, brown, or green."""
    rng, cell = common.generator(world, 45), world.ground.cell_m
    ragged, wild = (common.patches(world.ground.values.shape, period / cell, rng) for period in (18.0, 70.0))
    trees, materials = [], []
    for tree, crown in zip(world.trees, crowns, strict=True):
        iy, ix = world.ground.cell(tree.x, tree.y)
        luck = float(hash_unit(world.seed & 0xFFFFFF, 46, tree.x, tree.y))
        heat = 1.25 * float(np.exp(-burn.from_lot_m[iy, ix] / _NEAR_M)) + 0.16 * float(ragged[iy, ix])
        heat += 0.35 * max(0.0, float(wild[iy, ix]) - 0.1)
        left = _left_of(tree, crown, heat - 0.55 * luck if burn.reached[iy, ix] else -1.0)
        if left is not None:
            trees.append(left[0])
            materials.append(left[1])
    return trees_mesh(trees, materials)


def _left_of(tree: Tree, crown: str, heat: float) -> tuple[Tree, str] | None:
    """Hedges and small trees go first; large crowns are scorched before they are lost."""
    tough = heat - 0.02 * (tree.height_m - 6)
    if tough > 0.95 or (tree.species == "hedge" and tough > 0.5):
        return None
    if tough > 0.68:
        return replace(tree, crown_radius_m=0.6 * tree.crown_radius_m, height_m=0.9 * tree.height_m), "crown_burnt"
    if tough > 0.36:
        return replace(tree, crown_radius_m=0.9 * tree.crown_radius_m), "crown_burnt"
    return (tree, "crown_scorched") if tough > 0.14 else (tree, crown)
