"""Which materials cover a parcel, by its use, by how dry the place is and by the season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim_bridge.spec import Layout, Season


@dataclass(frozen=True)
class Cover:
    """Three materials that share a parcel in patches: the second and third cover the given shares."""

    materials: tuple[str, str, str]
    shares: tuple[float, float]


_DRY = (("field_dry", "grass_gold", "field_red"), ("grass_gold", "lawn_dry", "field_dry"),
        ("field_red", "field_dry", "grass_gold"), ("lawn_dry", "grass_gold", "field_dry"),
        ("grass_gold", "field_dry", "soil"))
_LUSH = (("meadow", "lawn_dry", "field_green"), ("meadow", "field_green", "lawn_dry"),
         ("field_green", "meadow", "meadow"))
_BEDS = ("mulch", "soil", "gravel", "grass_gold", "forest_floor")
_GROWING: dict[Season, tuple[str, str]] = {"spring": ("crop", "crop"), "summer": ("crop", "crop_ripe"),
                                           "autumn": ("stubble", "stubble"), "winter": ("plough", "crop")}
"""What a field of summer crops and one of corn show in each season."""
_PAVED = {
    "commercial": (("parking", "asphalt_worn", "parking"), 0.3, 0.0),
    "industry": (("yard", "concrete", "asphalt_worn"), 0.35, 0.3),
    "logistics": (("concrete", "yard", "asphalt_worn"), 0.3, 0.15),
    "tanks": (("gravel", "yard", "soil"), 0.3, 0.2),
    "depot": (("yard", "gravel", "soil"), 0.45, 0.3),
    "warehouse": (("yard", "flagstone", "gravel"), 0.3, 0.1),
    "plaza": (("flagstone", "cobble", "concrete"), 0.12, 0.05),
    "quay": (("flagstone", "concrete", "yard"), 0.15, 0.1),
    "townhouse": (("flagstone", "yard", "soil"), 0.4, 0.25),
    "shops": (("yard", "flagstone", "concrete"), 0.4, 0.1),
    "palace": (("flagstone", "concrete", "yard"), 0.3, 0.1),
    "nursery": (("gravel", "soil", "vegetables"), 0.3, 0.3),
    "beach": (("sand", "field_pale", "sand"), 0.25, 0.0),
}
"""Uses whose ground does not depend on rain: materials, largest shares of the second and third."""


_COURTS = (("yard", "flagstone", "soil"), ("lawn", "soil", "flagstone"), ("soil", "lawn_dry", "yard"),
           ("lawn_dry", "gravel", "lawn"), ("lawn", "lawn_dry", "yard"))
"""What lies behind the houses of an old town."""


def greenness(layout: Layout, season: Season) -> float:
    """Share of grass that is green, 0 to 1: what dryness and the season before the picture leave."""
    shift = {"spring": 0.30, "summer": 0.0, "autumn": -0.08, "winter": 0.10}[season]
    return float(np.clip(1 - layout.dryness + shift, 0.02, 0.98))


def choose_cover(use: str, green: float, season: Season, rng: np.random.Generator) -> Cover:
    """Cover of one parcel; `green` is the chance that its grass is."""
    lush = rng.random() < green
    grass = ("lawn", "lawn_dry") if lush else ("lawn_dry", "grass_gold")
    wild = (_LUSH if lush else _DRY)[int(rng.integers(0, 3 if lush else 5))]
    first, second = (str(name) for name in rng.choice(_BEDS, 2))
    if use in ("house", "mobile", "farm", "verge"):
        bare = 0.0 if use == "house" else 0.25
        return Cover((grass[0], first, second), (rng.uniform(0.15, 0.5) + bare, rng.uniform(0.05, 0.35)))
    if use in ("park", "apartments", "complex", "church", "hotel", "camp"):
        return Cover((*grass, first), (rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.12)))
    if use in _PAVED:
        materials, second_share, third_share = _PAVED[use]
        return Cover(materials, (rng.uniform(0, second_share), rng.uniform(0, third_share)))
    if use == "court":
        return Cover(_COURTS[int(rng.integers(0, len(_COURTS)))], (rng.uniform(0.1, 0.45), rng.uniform(0, 0.3)))
    main, other = _GROWING[season]
    fixed = {
        "wood": Cover(("forest_floor", wild[0], "mulch"), (0.25, 0.2)),
        "vineyard": Cover(("vineyard", "grass_gold", "soil"), (rng.uniform(0, 0.3), rng.uniform(0, 0.1))),
        "soil": Cover(("soil", "field_red", "field_dry"), (rng.uniform(0.1, 0.5), rng.uniform(0, 0.3))),
        "field_green": Cover(("field_green" if green > 0.15 else "meadow", "meadow", "lawn_dry"), (0.2, 0.06)),
        "orchard": Cover((grass[0], "soil", grass[1]), (rng.uniform(0.1, 0.5), rng.uniform(0, 0.3))),
        "garden": Cover((grass[0], "soil", "vegetables"), (0.3, 0.2)),
        "crop": Cover((main, "field_green" if main == "crop" else "soil", "soil"), (rng.uniform(0, 0.12), 0.02)),
        "crop_ripe": Cover((other, "stubble", "soil"), (rng.uniform(0, 0.1), 0.02)),
        "stubble": Cover(("stubble", "field_pale", "grass_gold"), (rng.uniform(0, 0.3), rng.uniform(0, 0.1))),
        "plough": Cover(("plough", "soil", "plough"), (rng.uniform(0.05, 0.35), 0.0)),
        "rapeseed": Cover(("rapeseed" if season == "spring" else main, "crop", "soil"), (rng.uniform(0, 0.1), 0.02)),
    }
    return fixed.get(use, Cover(wild, (rng.uniform(0.15, 0.6), rng.uniform(0.02, 0.15))))
