"""Plans as buildings: heights, covering, walls and the structure behind them, by use, place and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sim_bridge.spec import Layout
from sim_bridge.world.model import Building
from sim_bridge.world.plan import Plan
from sim_bridge.world.shapes import F64, turn

Heights = Callable[[F64, F64], F64]
Choice = tuple[tuple[str, float], ...]

_DARK: Choice = (("roof_shingle_grey", 0.55), ("roof_shingle_brown", 0.45))
_LIGHT: Choice = (("roof_shingle_light", 0.68), ("roof_tile_red", 0.25), ("roof_metal", 0.07))
_FLAT: Choice = (("roof_gravel", 0.35), ("roof_membrane", 0.45), ("roof_bitumen", 0.2))
_MOBILE: Choice = (("roof_metal", 0.5), ("roof_membrane", 0.3), ("roof_shingle_light", 0.2))
_HOUSE_FLAT: Choice = (("roof_gravel", 0.5), ("roof_bitumen", 0.3), ("roof_membrane", 0.2))
_WALLS: Choice = (("wall_plaster", 0.5), ("wall_wood", 0.4), ("wall_brick", 0.1))
_TILES: Choice = (("roof_tile_red", 0.45), ("roof_tile_orange", 0.4), ("roof_tile_brown", 0.15))
_SLATES: Choice = (("roof_slate", 0.5), ("roof_tile_brown", 0.3), ("roof_shingle_grey", 0.2))
_LOOKS: dict[str, tuple[Choice, Choice, Choice]] = {
    "core": (_TILES, (("roof_gravel", 0.3), ("roof_concrete", 0.4), ("roof_bitumen", 0.3)),
             (("wall_render", 0.4), ("wall_plaster", 0.3), ("wall_stone", 0.2), ("wall_brick", 0.1))),
    "country": (_TILES, _HOUSE_FLAT, (("wall_render", 0.45), ("wall_stone", 0.25), ("wall_brick", 0.3))),
    "works": ((("roof_metal", 0.35), ("roof_corrugated", 0.45), ("roof_rust", 0.2)),
              (("roof_membrane", 0.35), ("roof_gravel", 0.25), ("roof_bitumen", 0.2), ("roof_corrugated", 0.2)),
              (("wall_metal", 0.6), ("wall_concrete", 0.25), ("wall_brick", 0.15))),
    "farm": ((("roof_metal", 0.3), ("roof_corrugated", 0.35), ("roof_rust", 0.2), ("roof_tile_red", 0.15)), _FLAT,
             (("wall_wood", 0.6), ("wall_metal", 0.4))),
    "pale": (_TILES, (("roof_membrane", 0.45), ("roof_concrete", 0.35), ("roof_gravel", 0.2)),
             (("wall_render", 0.6), ("wall_plaster", 0.4))),
    "white": (_LIGHT, (("roof_white", 0.6), ("roof_membrane", 0.4)), (("wall_plaster", 0.6), ("wall_render", 0.4))),
    "carport": (_LIGHT, (("roof_metal", 0.35), ("roof_bitumen", 0.25), ("roof_gravel", 0.2), ("roof_membrane", 0.2)),
                (("wall_metal", 1.0),)),
    "church": ((("roof_tile_red", 0.4), ("roof_slate", 0.4), ("roof_shingle_grey", 0.2)), _FLAT,
               (("wall_stone", 0.6), ("wall_render", 0.4))),
    "glass": ((("roof_glass", 1.0),), (("roof_glass", 1.0),), (("wall_metal", 1.0),)),
    "tank": ((("roof_metal", 0.7), ("roof_rust", 0.3)), (("roof_metal", 0.6), ("roof_membrane", 0.4)),
             (("wall_metal", 1.0),)),
}
"""Pitched roofs, flat roofs and walls of all looks but the plain one, which follows the layout's shares."""


def erect(layout: Layout, plans: Sequence[Plan], heights: Heights, rng: np.random.Generator) -> tuple[Building, ...]:
    """The plans as buildings standing on the ground; ids from 1 in their order."""
    return tuple(_building(layout, k + 1, plan, heights, rng) for k, plan in enumerate(plans))


def _pick(options: Choice, rng: np.random.Generator) -> str:
    left = rng.random() * sum(weight for _, weight in options)
    for name, weight in options:
        left -= weight
        if left < 0:
            return name
    return options[-1][0]


def _building(layout: Layout, number: int, plan: Plan, heights: Heights, rng: np.random.Generator) -> Building:
    ring = plan.ring
    shed, mobile = plan.use == "garage", plan.use == "mobile_home"
    yaw = plan.yaw_deg + (0.0 if np.ptp(turn(ring, -plan.yaw_deg), axis=0).argmax() == 0 else 90.0)
    eaves = rng.uniform(2.1, 2.5) if shed else plan.storey_m * plan.storeys + rng.uniform(-0.1, 0.5)
    eaves += rng.uniform(1.0, 3.0) if plan.use == "commercial" and plan.look == "plain" else 0.0
    roof, wall = _covering(layout, plan, rng)
    return Building(
        id=number, footprint=_tuples(ring), base_m=float(heights(ring[:, 0], ring[:, 1]).min()), eaves_m=float(eaves),
        ridge_m=float(eaves + _rise(plan, rng)), roof=plan.roof, typology=_typology(plan, wall, rng),
        use="house" if mobile else plan.use, roof_material=roof, wall_material=wall,
        yaw_deg=float(math.remainder(yaw, 360.0)), holes=tuple(_tuples(hole) for hole in plan.holes),
        storeys=plan.storeys, soft_storey=plan.soft_storey,
    )


def _tuples(ring: F64) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in ring)


def _rise(plan: Plan, rng: np.random.Generator) -> float:
    """Of the ridge above the eaves."""
    sides = np.hypot(*(np.roll(plan.ring, -1, axis=0) - plan.ring).T)
    span = float(np.sort(sides)[-2:].mean()) if len(plan.ring) > 4 else float(sides.min())
    if plan.holes:
        span = float(np.abs(plan.holes[0][0] - plan.ring[0]).max())
    if plan.use == "tank":
        span = float(np.ptp(plan.ring, axis=0).max())
    usual = rng.uniform(0.12, 0.2) if plan.use == "mobile_home" else rng.uniform(0.3, 0.5)
    pitch = usual if plan.pitch is None else plan.pitch
    if plan.roof == "sawtooth":
        return float(rng.uniform(1.5, 2.5))
    widest = 24.0 if plan.use in ("barn", "industrial", "tank") else 11.0
    return 0.0 if plan.roof == "flat" else min(span, widest) / 2 * pitch


def _covering(layout: Layout, plan: Plan, rng: np.random.Generator) -> tuple[str, str]:
    """Materials of roof and walls."""
    dark = rng.random() < layout.dark_roof_share
    if plan.look in _LOOKS:
        pitched, flat, walls = _LOOKS[plan.look]
        if plan.look in ("core", "country") and dark and rng.random() < 0.35:
            pitched = _SLATES
        return _pick(flat if plan.roof == "flat" else pitched, rng), _pick(walls, rng)
    flat = _HOUSE_FLAT if plan.use == "house" else _FLAT
    pale = _MOBILE if plan.use == "mobile_home" else _LIGHT
    material = _pick(flat if plan.roof == "flat" else _DARK if dark else pale, rng)
    if plan.use == "garage" and plan.roof != "flat" and rng.random() < 0.4:
        material = "roof_metal"
    return material, _pick(_WALLS, rng)


def _typology(plan: Plan, wall: str, rng: np.random.Generator) -> str:
    """Structural type by use and time: masonry is reinforced since about 1940, tall and late means concrete."""
    draw = rng.random()
    masonry = "masonry" if plan.era == "old" else "reinforced_masonry" if plan.era == "new" or draw < 0.4 else "masonry"
    if plan.use == "mobile_home":
        return "mobile_home"
    if plan.use in ("tank", "greenhouse"):
        return "steel_light"
    if plan.use in ("industrial", "barn"):
        solid = wall in ("wall_brick", "wall_stone", "wall_render", "wall_plaster", "wall_concrete")
        return masonry if solid else "wood_light" if wall == "wall_wood" else "steel_light"
    if plan.use == "commercial":
        tall = plan.storeys > 3 or plan.look == "pale"
        return masonry if plan.look == "core" else "concrete_frame" if tall or draw < 0.45 else \
            "reinforced_masonry" if draw < 0.8 else "steel_light"
    if plan.use == "apartments":
        light = plan.storeys < 4 and plan.look == "plain" and plan.era == "new"
        return "concrete_frame" if plan.storeys > 4 and plan.era != "old" else "wood_light" if light else masonry
    solid = plan.look in ("core", "country", "church") or wall in ("wall_brick", "wall_stone")
    return masonry if solid else "wood_light"
