"""Which species grow where: by climate, by use of the land, by what this place has most of; and how large they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim_bridge.spec import Layout
from sim_bridge.world.model import Tree
from sim_bridge.world.plants import SPECIES
from sim_bridge.world.shapes import F64

_RADIUS_M = {"wood": 3.5, "savanna": 4.8, "park": 3.6, "meadow": 4.2, "field_dry": 4.2, "commercial": 2.2,
             "complex": 2.6, "verge": 3.0, "street": 2.9, "wall": 3.7, "orchard": 2.0, "court": 2.4,
             "church": 3.8, "townhouse": 2.0}
"""Radius of the usual crown of a tree as large as a plain broadleaf; 2.9 m elsewhere."""
_SHRUBBY = ("house", "mobile", "vacant", "farm", "savanna", "meadow", "verge", "garden", "court", "townhouse")
"""Where every third plant is a shrub."""
_GARDEN = {"broadleaf": 3.0, "maple": 1.0, "birch": 0.7, "fruit": 1.0, "oak": 1.0, "live_oak": 1.2, "conifer": 1.0,
           "spruce": 0.5, "pine": 0.4, "cypress": 0.3, "palm": 0.35, "eucalyptus": 0.3, "olive": 0.3}
_GROUPS: dict[str, dict[str, float]] = {
    "garden": _GARDEN,
    "wood": {"oak": 2.0, "broadleaf": 2.0, "live_oak": 1.5, "birch": 0.6, "conifer": 1.0, "spruce": 1.0, "pine": 0.8,
             "maple": 0.5, "eucalyptus": 0.3},
    "wild": {"oak": 2.0, "live_oak": 2.0, "broadleaf": 1.5, "willow": 0.4, "pine": 0.3, "olive": 0.3},
    "street": {"linden": 1.5, "maple": 1.0, "broadleaf": 1.5, "live_oak": 0.5, "palm": 0.4, "pine": 0.3, "poplar": 0.2},
    "orchard": {"fruit": 1.0, "olive": 1.0},
    "windbreak": {"poplar": 1.0, "cypress": 1.0, "eucalyptus": 0.8, "spruce": 0.8},
    "palm_row": {"palm": 1.0, "pine": 0.4, "linden": 0.4},
}
_GROUP_OF = {"wood": "wood", "savanna": "wild", "meadow": "wild", "field_dry": "wild", "soil": "wild",
             "street": "street", "commercial": "street", "quay": "street", "orchard": "orchard",
             "windbreak": "windbreak", "palm_row": "palm_row"}
_PLAIN_M = 3.85
"""Mean crown radius of the species that `_RADIUS_M` is about."""


def climate(layout: Layout) -> str:
    """Climate of a place by its latitude and dryness, coarse as it is: what grows there follows."""
    latitude = abs(layout.origin_lat_deg)
    if latitude < 24:
        return "tropical"
    if latitude > 57:
        return "boreal"
    return "mediterranean" if latitude < 44 and (layout.dryness > 0.35 or latitude < 33) else "temperate"


def grown(layout: Layout, x: F64, y: F64, base: F64, use: npt.NDArray[np.str_],
          rng: np.random.Generator) -> tuple[Tree, ...]:
    """Trees at points (N,), each of a species that fits its use and the climate, of a size that fits both."""
    species = _species(layout, use, rng)
    height = np.array([SPECIES[name].height_m for name in species]).reshape(-1, 2).mean(axis=1)
    radius = np.array([SPECIES[name].crown_radius_m for name in species]).reshape(-1, 2).mean(axis=1)
    low = np.isin(species, ["hedge", "bush"])
    middle = np.array([_RADIUS_M.get(str(u), 2.9) for u in use]).reshape(-1) * radius / _PLAIN_M
    spread = np.clip(middle * np.exp(rng.normal(0, 0.36, len(x))), 0.6, 8.0)
    tall = spread * height / radius * rng.uniform(0.8, 1.2, len(x))
    crown = np.where(low, rng.uniform(0.8, 1.5, len(x)) * radius, spread)
    top = np.where(low, rng.uniform(0.6, 1.25, len(x)) * height, np.clip(tall, 2.0, 30.0))
    rows = zip(x.tolist(), y.tolist(), base.tolist(), top.tolist(), crown.tolist(), species.tolist(), strict=True)
    return tuple(Tree(*row) for row in rows)


def _species(layout: Layout, use: npt.NDArray[np.str_], rng: np.random.Generator) -> npt.NDArray[np.str_]:
    here = climate(layout)
    names = np.full(len(use), "broadleaf", dtype="U12")
    group = np.array([_GROUP_OF.get(str(u), "garden") for u in use], dtype="U12")
    for key, weights in _GROUPS.items():
        fitting = [name for name in weights if here in SPECIES[name].climates] or ["broadleaf"]
        # every place has favourites of its own
        shares = rng.gamma(1.2, np.array([weights.get(name, 1.0) for name in fitting])) + 1e-6
        chosen = rng.choice(fitting, len(use), p=shares / shares.sum())
        if key in ("orchard", "windbreak", "palm_row"):
            chosen = np.full(len(use), chosen[0] if len(use) else "fruit")
        names = np.where(group == key, chosen, names)
    shrub = np.isin(use, _SHRUBBY) & (rng.random(len(use)) < 0.3)
    names = np.where(shrub, "bush", names)
    return np.where(use == "hedge", "hedge", np.where(use == "row_bush", "bush", names))
