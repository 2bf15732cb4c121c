"""What a source does not say of its buildings: filled in by use, size, neighbours and the layout, marked as guessed.

Draws belong to the building (seed, purpose, centre), so that a larger cut-out of the same place guesses the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy.spatial
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.model import Building, Grid
from sim_bridge.world.places.survey import F64, Footprint
from sim_bridge.world.shapes import hash_unit

Heights = Callable[[F64, F64], F64]

STOREY_M = {"industrial": 5.0, "barn": 4.5, "commercial": 3.6, "church": 9.0, "tank": 9.0, "greenhouse": 3.0,
            "garage": 2.4}
"""Height of a storey where it is not the 3.0 m that OpenStreetMap's wiki assumes (Key:building:levels)."""
DENSE = 0.28
"""Share of the ground within 60 m that is built on, from which a place counts as the core of a town."""

_NEIGHBOURS, _NEAR_M = 5, 120.0
_PITCHED = (("roof_metal", 0.16), ("roof_tile_orange", 0.24), ("roof_tile_red", 0.3), ("roof_tile_brown", 0.3))
_DARK = (("roof_slate", 0.25), ("roof_shingle_grey", 0.3), ("roof_shingle_brown", 0.2), ("roof_tile_brown", 0.25))
_FLAT = (("roof_gravel", 0.35), ("roof_bitumen", 0.35), ("roof_membrane", 0.2), ("roof_concrete", 0.1))
_SHEET = (("roof_metal", 0.5), ("roof_corrugated", 0.35), ("roof_rust", 0.15))
_WALLS = (("wall_plaster", 0.4), ("wall_render", 0.35), ("wall_brick", 0.15), ("wall_stone", 0.1))
_HOUSE_WALLS = (("wall_plaster", 0.35), ("wall_wood", 0.3), ("wall_brick", 0.2), ("wall_render", 0.15))


@dataclass(frozen=True)
class Setting:
    """Where footprints stand: what neighbours and land tell of each. All arrays (N,)."""

    centre: F64
    """(N, 2)"""
    area_m2: F64
    width_m: F64
    """Mean width of its wings: twice the area by the length of all its walls."""
    built: F64
    """Share of the ground within 60 m that is built on."""
    land_use: tuple[str, ...]
    masonry: float
    """Share of small buildings that are masonry rather than timber."""


def built_share(footprints: Sequence[Footprint], size_m: float) -> Grid:
    """Share of the ground within 60 m that is built on, 4 m cells."""
    canvas = Canvas.blank(size_m, 4.0, np.uint8)
    for footprint in footprints:
        canvas.fill(footprint.polygon, 255)
    side = 2 * round(60 / canvas.cell_m) + 1
    share = cv2.blur(canvas.values.astype(np.float32) / 255, (side, side), borderType=cv2.BORDER_REFLECT)
    return Grid(share, -size_m / 2, -size_m / 2, canvas.cell_m)


def filled(footprints: Sequence[Footprint], setting: Setting, layout: Layout, seed: int,
           heights: Heights) -> tuple[Building, ...]:
    """Buildings with ids from 1, in the order of the footprints; `Building.guessed` names what was filled in."""
    whole = _with_storeys(_with_uses(footprints, setting, seed), setting, layout, seed)
    return tuple(_building(k + 1, asked, known, setting, layout, seed, heights)
                 for k, (asked, known) in enumerate(zip(footprints, whole, strict=True)))


def _draw(setting: Setting, seed: int, purpose: int) -> F64:
    return hash_unit(seed & 0xFFFFFF, 600 + purpose, setting.centre[:, 0], setting.centre[:, 1])


def _with_uses(footprints: Sequence[Footprint], setting: Setting, seed: int) -> list[Footprint]:
    luck = _draw(setting, seed, 0)
    return [f if f.use else replace(f, use=_use(setting, k, float(luck[k]))) for k, f in enumerate(footprints)]


def _use(setting: Setting, k: int, luck: float) -> str:
    area, land = setting.area_m2[k], setting.land_use[k]
    if area < 32:
        return "garage"
    if land == "industrial" and area > 120:
        return "industrial"
    if land == "agriculture" and area > 150 and luck < 0.5:
        return "barn"
    if land in ("commercial", "public") and area > 150:
        return "commercial"
    if area < 240 and setting.built[k] < DENSE:
        return "house"
    if area < 700 or setting.built[k] >= DENSE:
        return "commercial" if luck < 0.25 and area > 400 else "apartments"
    return "commercial"


def _with_storeys(footprints: Sequence[Footprint], setting: Setting, layout: Layout, seed: int) -> list[Footprint]:
    """Storeys from the height, from neighbours of about the same size, or from the use and how dense the place is."""
    told = np.array([f.storeys or (f.height_m or np.nan) / _storey_m(f) for f in footprints], np.float64)
    near, luck = _near_storeys(told, setting), _draw(setting, seed, 1)
    values = []
    for k, footprint in enumerate(footprints):
        value = told[k]
        if np.isnan(value):
            usual = near[k] if not np.isnan(near[k]) and footprint.use in ("apartments", "commercial", "house") \
                else _usual_storeys(footprint.use, setting, k)
            value = usual + (luck[k] - 0.5) * (2.2 if usual > 2 else 1.0)
        values.append(replace(footprint, storeys=float(max(1, round(float(value))))))
    return values


def _near_storeys(told: F64, setting: Setting) -> F64:
    """Median of the nearest buildings that tell their height and are between a third and three times as large."""
    known = np.flatnonzero(~np.isnan(told))
    result = np.full(len(told), np.nan)
    if len(known) == 0:
        return result
    tree = scipy.spatial.cKDTree(setting.centre[known])
    reach = min(3 * _NEIGHBOURS, len(known))
    distance, index = tree.query(setting.centre, k=[*range(1, reach + 1)])
    like = np.abs(np.log(setting.area_m2[known][index] / setting.area_m2[:, None])) < np.log(3)
    for k, row in enumerate((distance < _NEAR_M) & like):
        if row.any():
            result[k] = np.median(told[known][index[k][row]][:_NEIGHBOURS])
    return result


def _usual_storeys(use: str, setting: Setting, k: int) -> float:
    if use == "apartments":
        # small plots carry few storeys however dense the place: mountain villages are no cities
        most = 2.0 + setting.area_m2[k] / 160
        return float(min(np.clip(2.2 + 9 * (setting.built[k] - 0.12), 2.2, 5.0), most))
    if use == "commercial":
        return float(np.clip(1.2 + 8 * (setting.built[k] - 0.12), 1.2, 4.5))
    return 1.7 if use == "house" else 1.0


def _storey_m(footprint: Footprint) -> float:
    return STOREY_M.get(footprint.use, 3.0)


def _building(number: int, asked: Footprint, known: Footprint, setting: Setting, layout: Layout, seed: int,
              heights: Heights) -> Building:
    k = number - 1
    luck = hash_unit(seed & 0xFFFFFF, 620 + np.arange(8), *setting.centre[k])
    storeys = int(known.storeys or 1)
    roof = known.roof or _roof(known, setting, k, layout, float(luck[0]))
    rise = 0.0 if roof == "flat" else _rise_m(known, roof, setting.width_m[k], float(luck[1]))
    if known.height_m is not None:
        ridge = known.height_m
        eaves = max(ridge - rise, 0.55 * ridge)
    else:
        eaves = _storey_m(known) * storeys + float(luck[2]) * 0.6 + (0.6 if known.use == "commercial" else 0.0)
        ridge = eaves + rise
    wall = known.wall_material or _pick(_walls(known), float(luck[3]))
    shell = np.asarray(known.polygon.exterior.coords)[:-1]
    guessed = [name for name, told in (
        ("use", asked.use), ("storeys", asked.storeys), ("eaves_m", asked.height_m and asked.roof_height_m is not None),
        ("ridge_m", asked.height_m), ("roof", asked.roof), ("roof_material", asked.roof_material),
        ("wall_material", asked.wall_material), ("typology", asked.typology)) if not told]
    return Building(
        id=number, footprint=tuple((float(x), float(y)) for x, y in shell),
        base_m=float(heights(shell[:, 0], shell[:, 1]).min()), eaves_m=float(eaves), ridge_m=float(ridge), roof=roof,
        typology=known.typology or _typology(known, wall, storeys, setting, k, float(luck[4])), use=known.use,
        roof_material=known.roof_material or _covering(known, roof, layout, setting, k, seed, float(luck[5])),
        wall_material=wall, yaw_deg=long_side_deg(known.polygon),
        holes=tuple(tuple((float(x), float(y)) for x, y in hole.coords[:-1]) for hole in known.polygon.interiors),
        storeys=storeys, soft_storey=bool(storeys > 1 and setting.built[k] > DENSE and luck[6] < 0.15),
        custom=known.mesh is not None, guessed=tuple(guessed),
    )


def _roof(known: Footprint, setting: Setting, k: int, layout: Layout, luck: float) -> str:
    """Wide buildings are flat; the layout's shares tell the rest."""
    if known.use in ("industrial", "barn"):
        return "gable" if setting.width_m[k] < 16 else "flat"
    if known.use in ("tank", "greenhouse"):
        return "flat" if known.use == "tank" else "gable"
    wide = np.clip((setting.width_m[k] - 15) / 6, 0, 1)
    suburban_shop = known.use == "commercial" and setting.built[k] < DENSE
    flat = max(layout.flat_roof_share, float(wide), 0.5 if suburban_shop else 0.0)
    if luck < flat:
        return "flat"
    if known.use == "garage":
        return "gable" if luck > 0.5 else "shed"
    return "hip" if luck < flat + (1 - flat) * layout.hip_roof_share else "gable"


def _rise_m(known: Footprint, roof: str, width_m: float, luck: float) -> float:
    if known.roof_height_m is not None:
        return known.roof_height_m
    if roof == "dome":
        return float(width_m / 2)
    slope = (0.12 + 0.1 * luck) if roof == "shed" else (1.2 if known.use == "church" else 0.35 + 0.3 * luck)
    return float(min(width_m, 14.0) / 2 * slope * (2 if roof == "shed" else 1))


def _walls(known: Footprint) -> Sequence[tuple[str, float]]:
    if known.use in ("industrial", "barn", "tank"):
        return (("wall_metal", 0.7), ("wall_concrete", 0.3))
    return _HOUSE_WALLS if known.use == "house" else (("wall_stone", 1.0),) if known.use == "church" else _WALLS


def _typology(known: Footprint, wall: str, storeys: int, setting: Setting, k: int, luck: float) -> str:
    if known.use in ("industrial", "barn", "tank", "greenhouse"):
        return "steel_light"
    if known.use == "church" or wall in ("wall_brick", "wall_stone"):
        return "masonry"
    if storeys > 6 or (known.use == "commercial" and luck < 0.7):
        return "concrete_frame"
    if known.use in ("house", "garage") and (wall == "wall_wood" or luck > setting.masonry):
        return "wood_light"
    return "masonry" if luck < max(setting.masonry, 0.7) or setting.built[k] > DENSE else "concrete_frame"


def _covering(known: Footprint, roof: str, layout: Layout, setting: Setting, k: int, seed: int, luck: float) -> str:
    """Roofs of one street are often alike: the tone is drawn by cells of 90 m as often as by the building."""
    if known.use == "greenhouse":
        return "roof_glass"
    if roof == "flat":
        return _pick(_FLAT, luck)
    if known.use in ("industrial", "barn", "tank"):
        return _pick(_SHEET, luck)
    block = np.floor(setting.centre[k] / 90)
    tone = float(hash_unit(seed & 0xFFFFFF, 640, *block)) if luck < 0.5 else 2 * luck - 1
    return _pick(_DARK if tone < layout.dark_roof_share else _PITCHED, float((7.3 * luck) % 1))


def _pick(options: Sequence[tuple[str, float]], luck: float) -> str:
    total = np.cumsum([weight for _, weight in options])
    return options[min(int(np.searchsorted(total, luck * total[-1], side="right")), len(options) - 1)][0]


def long_side_deg(polygon: shapely.Polygon) -> float:
    """Direction of the longest wall, counter-clockwise from east, -90 to 90."""
    ring = np.asarray(polygon.exterior.coords)
    sides = np.diff(ring, axis=0)
    x, y = sides[int(np.argmax(np.round(np.hypot(*sides.T), 3)))]
    return float((np.degrees(np.arctan2(y, x)) + 90) % 180 - 90)
