"""Trees and parked vehicles of a real place: those that its source names, and those that such land carries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Layout
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Building, Grid, Tree, Vehicle
from sim_bridge.world.places.ground import COVERS
from sim_bridge.world.places.survey import F64, Spot, Survey
from sim_bridge.world.shapes import hash_unit, turn
from sim_bridge.world.species import SPECIES, Climate

Heights = Callable[[F64, F64], F64]

_SPACING_M = 4.6
_RATE = {"wood": 0.36, "scrub": 0.4, "park": 0.16, "lawn": 0.06, "garden": 0.16, "open": 0.035, "court": 0.07,
         "meadow": 0.015, "orchard": 0.5, "bed": 0.2, "allotment": 0.12, "vineyard": 0.02, "bare": 0.02, "rock": 0.02}
"""Trees per lattice place at layout.tree_density 0.5."""
_WILD = ("wood", "scrub", "orchard")
"""Covers of which maps never name the single trees."""
_MOST_KM2 = 7500
"""Guessed trees in a square kilometre at most: every one costs triangles."""
_OPEN = ("open", "meadow", "lawn")
"""Where trees stand in groups, with nothing between them."""
_BUSHY = {"scrub": 0.75, "garden": 0.35, "bed": 0.6, "park": 0.12, "allotment": 0.5}
"""Share of plants that are bushes."""
_MAPPED = 20
"""Trees of the source from which single trees count as mapped: few more are guessed in parks and streets."""
_SOFT = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["bare"], CLASS_ID["grass"])]
_PAVED = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["road"], CLASS_ID["paved"])]
_PAINTS = ((240, 240, 238), (170, 172, 174), (85, 87, 90), (24, 24, 26), (120, 20, 18), (30, 48, 110), (150, 140, 120))
_PAINT_SHARES = (0.26, 0.24, 0.18, 0.18, 0.05, 0.06, 0.03)


def climate_of(lat_deg: float) -> Climate:
    """Climate whose species are planted at a latitude, coarsely."""
    away = abs(lat_deg)
    return "tropical" if away < 25 else "mediterranean" if away < 42 else "temperate" if away < 58 else "boreal"


def trees_of(survey: Survey, buildings: Sequence[Building], ground: Grid, cover: Grid, layout: Layout, seed: int,
             heights: Heights) -> tuple[Tree, ...]:
    """The source's trees, then guessed ones on soft ground; none with its trunk in a building."""
    clear = _clear_m(buildings, layout)
    named = [s for s in survey.trees if float(clear.at(s.x, s.y)) > 0.3]
    guessed, covers = _lattice(survey, ground, cover, layout, seed)
    keep = clear.at(guessed[:, 0], guessed[:, 1]) > 1.6
    guessed, covers = guessed[keep], covers[keep]
    climate = climate_of(survey.origin.lat_deg)
    base = heights(*np.array([*((s.x, s.y) for s in named), *guessed], np.float64).reshape(-1, 2).T)
    told = [_tree(s, float(z), climate, "street", seed, False) for s, z in zip(named, base, strict=False)]
    return (*told, *(_tree(Spot(float(x), float(y)), float(z), climate, str(c), seed, True)
                     for (x, y), z, c in zip(guessed, base[len(named):], covers, strict=True)))


def _lattice(survey: Survey, ground: Grid, cover: Grid, layout: Layout,
             seed: int) -> tuple[F64, npt.NDArray[np.str_]]:
    """Places (N, 2) of guessed trees and the cover that each stands on."""
    half = math.floor(layout.size_m / 2 / _SPACING_M) * _SPACING_M
    axis = np.arange(-half, half, _SPACING_M) + _SPACING_M / 2
    x, y = (g.ravel() for g in np.meshgrid(axis, axis))
    key = seed & 0xFFFFFF
    px, py = (v + (hash_unit(key, purpose, x, y) - 0.5) * _SPACING_M for v, purpose in ((x, 680), (y, 681)))
    names = np.array(list(COVERS))[cover.at(px, py)]
    mapped = len(survey.trees) >= _MAPPED
    rate = np.array([_RATE.get(n, 0.0) * (0.25 if mapped and n not in _WILD else 1.0) for n in COVERS])
    chance = 2 * layout.tree_density * rate[cover.at(px, py)]
    # clumps of about 40 m: gardens and parks are not planted evenly
    clump = 0.35 + 1.3 * hash_unit(key, 682, np.floor(x / 23), np.floor(y / 23))
    clump = np.where(np.isin(names, _OPEN), 1.4 * clump**3, clump)
    chosen = hash_unit(key, 683, x, y) < np.where(names == "wood", np.minimum(chance, 0.45), chance * clump)
    chosen &= np.isin(ground.at(px, py), _SOFT)
    most = _MOST_KM2 * layout.size_m**2 / 1e6
    chosen &= hash_unit(key, 684, x, y) < most / max(int(chosen.sum()), 1)
    return np.column_stack([px, py])[chosen], names[chosen]


def _clear_m(buildings: Sequence[Building], layout: Layout) -> Grid:
    """Distance (m) to the nearest wall, 0 inside; 0.5 m cells."""
    canvas = Canvas.blank(layout.size_m, 0.5, np.uint8, 1)
    for building in buildings:
        canvas.fill(shapely.Polygon(building.footprint, building.holes), 0)
    distance = cv2.distanceTransform(canvas.values, cv2.DIST_L2, 3) * canvas.cell_m
    return Grid(distance, -layout.size_m / 2, -layout.size_m / 2, canvas.cell_m)


def _tree(spot: Spot, base: float, climate: Climate, cover: str, seed: int, guessed: bool) -> Tree:
    luck = hash_unit(seed & 0xFFFFFF, 690 + np.arange(4), spot.x, spot.y)
    name = spot.species or _species(climate, cover, spot.x, spot.y, luck)
    kind = SPECIES[name]
    age = float(luck[2]) ** (0.8 if cover in ("wood", "street") else 1.4)
    low, high = kind.height_m
    height = spot.height_m or low + age * (high - low) * (0.75 if cover in ("garden", "court") else 1.0)
    low, high = kind.crown_radius_m
    radius = spot.crown_radius_m or low + (0.7 * age + 0.3 * float(luck[3])) * (high - low)
    if cover == "wood":
        radius = max(radius, 0.6 * kind.crown_radius_m[1]) * 1.15       # crowns close over fewer trunks
    return Tree(spot.x, spot.y, base, float(np.clip(height, 0.5, 60)), float(np.clip(radius, 0.4, 12)), name, guessed)


def _species(climate: Climate, cover: str, x: float, y: float, luck: F64) -> str:
    """Woods are mixed by stands of 60 m, streets planted with one kind; gardens hold anything."""
    if float(luck[0]) < _BUSHY.get(cover, 0.0):
        return "bush"
    if cover == "orchard":
        return "olive" if climate == "mediterranean" else "fruit"
    grown = [s.name for s in SPECIES.values() if climate in s.climates and s.form not in ("bush", "hedge")]
    if cover == "street":
        grown = [n for n in grown if SPECIES[n].form in ("round", "upright", "spreading")] or grown
    stand = float(hash_unit(691, math.floor(x / 60), math.floor(y / 60)))
    pick = stand if float(luck[1]) < (0.6 if cover in ("wood", "street") else 0.15) else float(luck[1])
    return grown[min(int(pick * len(grown)), len(grown) - 1)]


def vehicles_of(survey: Survey, buildings: Sequence[Building], ground: Grid, built: Grid, layout: Layout, seed: int,
                heights: Heights) -> tuple[Vehicle, ...]:
    """Cars along streets where people live and in the rows of car parks; a source names none, so all are guesses."""
    rows = [*_curbs(survey, built), *_bays(survey)]
    table = np.concatenate(rows) if rows else np.zeros((0, 4))
    luck = hash_unit(seed & 0xFFFFFF, 700, table[:, 0], table[:, 1])
    clear = _clear_m(buildings, layout).at(table[:, 0], table[:, 1])
    keep = (luck < table[:, 3]) & (clear > 1.4) & np.isin(ground.at(table[:, 0], table[:, 1]), _PAVED)
    keep &= np.abs(table[:, :2]).max(axis=1, initial=0) < layout.size_m / 2 - 3
    table = table[keep]
    base = heights(table[:, 0], table[:, 1])
    return tuple(_vehicle(float(x), float(y), float(z), float(yaw), seed)
                 for (x, y, yaw, _), z in zip(table, base, strict=True))


def _curbs(survey: Survey, built: Grid) -> list[F64]:
    """(N, 4) x, y, yaw, chance of places along both sides of each street, 6.5 m apart."""
    rows = []
    for way in survey.ways:
        if way.kind not in ("primary", "residential") or way.width_m < 5 or way.line.length < 22:
            continue
        s = np.arange(9.0, way.line.length - 9, 6.5)
        here, ahead = (shapely.get_coordinates(shapely.line_interpolate_point(way.line, s + d)) for d in (-1.0, 1.0))
        along = (ahead - here) / np.maximum(np.hypot(*(ahead - here).T), 1e-6)[:, None]
        offset = way.width_m * 0.24 if way.kind == "primary" else way.width_m / 2 - 1.1
        for side in (-1.0, 1.0):
            xy = (here + ahead) / 2 + side * offset * np.column_stack([-along[:, 1], along[:, 0]])
            share = built.at(xy[:, 0], xy[:, 1])
            parked = np.where(share > 0.04, np.clip(1.8 * share, 0.06, 0.55), 0.01)
            chance = np.where(way.kind == "primary", 0.03 + np.minimum(0.25 * share, 0.08), parked)
            yaw = np.degrees(np.arctan2(along[:, 1], along[:, 0]))
            rows.append(np.column_stack([xy, yaw, np.broadcast_to(chance, len(xy))]))
    return rows


def _bays(survey: Survey) -> list[F64]:
    """Rows of bays along the long side of each car park."""
    rows = []
    for area in survey.areas:
        if area.cover != "parking" or area.polygon.area < 60:
            continue
        ring = shapely.get_coordinates(shapely.oriented_envelope(area.polygon))
        sides = np.diff(ring, axis=0)
        k = int(np.argmax(np.hypot(*sides[:2].T)))
        yaw = math.degrees(math.atan2(sides[k][1], sides[k][0]))
        low, high = (f(turn(ring, -yaw), axis=0) for f in (np.min, np.max))
        x, y = np.meshgrid(np.arange(low[0] + 1.6, high[0] - 1, 2.6), np.arange(low[1] + 2.7, high[1] - 2, 8.2))
        xy = turn(np.column_stack([x.ravel(), y.ravel()]), yaw)
        inside = shapely.contains_xy(area.polygon.buffer(-1.2), xy[:, 0], xy[:, 1])
        rows.append(np.column_stack([xy, np.full(len(xy), yaw + 90), np.full(len(xy), 0.55)])[inside])
    return rows


def _vehicle(x: float, y: float, z: float, yaw: float, seed: int) -> Vehicle:
    luck = hash_unit(seed & 0xFFFFFF, 701 + np.arange(4), x, y)
    kind = ("car", "van", "truck")[int(np.searchsorted([0.86, 0.98], float(luck[0])))]
    length, width = {"car": (4.5, 1.8), "van": (5.2, 2.0), "truck": (7.5, 2.4)}[kind]
    paint = int(np.searchsorted(np.cumsum(_PAINT_SHARES), float(luck[1])))
    return Vehicle(x, y, z, yaw + 4 * float(luck[2]) - 2, length * (0.9 + 0.2 * float(luck[3])), width, kind,
                   _PAINTS[min(paint, len(_PAINTS) - 1)] if kind != "truck" else _PAINTS[0])
