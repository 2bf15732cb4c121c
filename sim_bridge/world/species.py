"""The species that grow: form of the crown, usual size, and the crown's material in each season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sim_bridge.spec import Season
from sim_bridge.world.model import Tree
from sim_bridge.world.shapes import hash_unit

Form = Literal["round", "spreading", "upright", "column", "umbrella", "cone", "palm", "bush", "hedge"]
Climate = Literal["temperate", "mediterranean", "boreal", "tropical"]
Colours = tuple[tuple[str, float], ...]
"""Materials of a crown and the share of trees that wear each."""


@dataclass(frozen=True)
class Species:
    """What is known of a species. Ranges are (low, high) of grown plants, metres; climates are where it is planted."""

    name: str
    form: Form
    height_m: tuple[float, float]
    crown_radius_m: tuple[float, float]
    colours: Mapping[Season, Colours]
    climates: tuple[Climate, ...]
    evergreen: bool = False

    @property
    def bare_in_winter(self) -> bool:
        return any(name == "crown_bare" for name, _ in self.colours["winter"])


def _all_year(material: str) -> Mapping[Season, Colours]:
    colours: Colours = ((material, 1.0),)
    return {"spring": colours, "summer": colours, "autumn": colours, "winter": colours}


def _deciduous(summer: str, *autumn: tuple[str, float], spring: str = "crown_fresh") -> Mapping[Season, Colours]:
    """Leaves come out fresh, a few trees later than others; some keep dry leaves into winter."""
    return {
        "spring": ((spring, 0.7), (summer, 0.3)),
        "summer": ((summer, 0.998), ("crown_autumn", 0.002)),
        "autumn": autumn,
        "winter": (("crown_bare", 0.92), ("crown_autumn", 0.08)),
    }


_TEMPERATE: tuple[Climate, ...] = ("temperate",)
_NORTH: tuple[Climate, ...] = ("temperate", "boreal")
_WARM: tuple[Climate, ...] = ("mediterranean", "tropical")
_WIDE: tuple[Climate, ...] = ("temperate", "mediterranean", "boreal", "tropical")

_MIXED = _deciduous("crown_broadleaf", ("crown_broadleaf", 0.38), ("crown_autumn", 0.34), ("crown_yellow", 0.2),
                    ("crown_red", 0.08))
_OAK = _deciduous("crown_broadleaf", ("crown_autumn", 0.6), ("crown_broadleaf", 0.3), ("crown_yellow", 0.1))
_MAPLE = _deciduous("crown_broadleaf", ("crown_red", 0.45), ("crown_yellow", 0.3), ("crown_broadleaf", 0.25))
_BIRCH = _deciduous("crown_light", ("crown_yellow", 0.7), ("crown_light", 0.3))
_FRUIT = _deciduous("crown_light", ("crown_light", 0.5), ("crown_autumn", 0.3), ("crown_red", 0.2),
                    spring="crown_blossom")
_BUSH: Mapping[Season, Colours] = {
    "spring": (("crown_bush", 0.6), ("crown_fresh", 0.4)),
    "summer": (("crown_bush", 0.8), ("crown_olive", 0.2)),
    "autumn": (("crown_bush", 0.6), ("crown_autumn", 0.25), ("crown_red", 0.15)),
    "winter": (("crown_bush", 0.5), ("crown_bare", 0.5)),
}

_ALL = (
    Species("broadleaf", "round", (6, 16), (2.2, 5.5), _MIXED, _WIDE),
    Species("oak", "spreading", (8, 20), (3.5, 8.0), _OAK, ("temperate", "mediterranean")),
    Species("maple", "round", (7, 18), (2.8, 6.0), _MAPLE, _TEMPERATE),
    Species("linden", "upright", (8, 20), (2.6, 5.0), _BIRCH, _TEMPERATE),
    Species("birch", "upright", (8, 18), (1.8, 3.6), _BIRCH, _NORTH),
    Species("willow", "spreading", (6, 14), (3.0, 6.5), _BIRCH, _TEMPERATE),
    Species("poplar", "column", (12, 26), (1.3, 2.6), _BIRCH, ("temperate", "mediterranean")),
    Species("fruit", "round", (2.5, 5), (1.4, 2.6), _FRUIT, ("temperate", "mediterranean")),
    Species("live_oak", "spreading", (6, 15), (3.0, 7.5), _all_year("crown_broadleaf"), _WARM, True),
    Species("eucalyptus", "upright", (10, 28), (2.5, 5.5), _all_year("crown_olive"), _WARM, True),
    Species("olive", "round", (3, 7), (1.6, 3.2), _all_year("crown_olive"), ("mediterranean",), True),
    Species("conifer", "cone", (7, 22), (1.6, 3.6), _all_year("crown_conifer"), _WIDE, True),
    Species("spruce", "cone", (8, 28), (1.6, 3.4), _all_year("crown_conifer"), _NORTH, True),
    Species("pine", "umbrella", (8, 22), (2.0, 5.0), _all_year("crown_pine"),
            ("temperate", "mediterranean", "boreal"), True),
    Species("cypress", "column", (6, 18), (0.7, 1.4), _all_year("crown_conifer"), ("mediterranean",), True),
    Species("palm", "palm", (5, 16), (1.8, 3.2), _all_year("crown_palm"), _WARM, True),
    Species("bush", "bush", (0.8, 3.0), (0.7, 1.8), _BUSH, _WIDE),
    Species("hedge", "hedge", (1.2, 2.4), (0.8, 1.1), _all_year("hedge"), _WIDE, True),
)

SPECIES: Mapping[str, Species] = {species.name: species for species in _ALL}
"""Every name that `Tree.species` may have."""


def crown_material(tree: Tree, season: Season) -> str:
    """Material of a healthy crown. Each tree keeps its own draw: one that turns yellow does so in every autumn."""
    shares = SPECIES[tree.species].colours[season]
    left = float(hash_unit(tree.x, tree.y, 5)) * sum(share for _, share in shares)
    for name, share in shares:
        left -= share
        if left < 0:
            return name
    return shares[-1][0]
