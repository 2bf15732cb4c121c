"""Fragility: the chance that shaking of a strength brings a kind of building to a state of damage.

Medians of peak ground acceleration by structural type, height and design level, and their dispersion of 0.64: FEMA,
Hazus Earthquake Model Technical Manual 5.1/6.1, tables of equivalent-PGA structural fragility (high, moderate, low and
pre code; 5-37 to 5-40 in 6.1), compared with two public transcriptions (USGS ShakeCast, tables of 6.1). Types that
the manual does not permit at a level (unreinforced masonry, infilled frames) stay at low code there.

Share of buildings in complete damage that fall down: the same manual, collapse rates by structural type. There they are
shares of area; here they are shares of buildings that lie flat, while the others in complete damage stand in part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy.special

from sim_bridge.spec import Earthquake
from sim_bridge.world.model import Building

F64 = npt.NDArray[np.float64]
Medians = tuple[float, float, float, float]

BETA = 0.64
"""Of every curve: sqrt(0.4^2 + 0.5^2), thresholds of damage and the demand's variability in space."""
DEMAND_SHARE = (0.5 / BETA) ** 2
"""Share of BETA's variance that is demand's: it differs from place to place, not from house to house."""

LEVELS = ("pre", "low", "moderate", "high")
LIMITS = ("slight", "moderate", "extensive", "complete")

MEDIAN_PGA_G: Mapping[str, tuple[Medians, Medians, Medians | None, Medians | None]] = {
    "W1": ((0.18, 0.29, 0.51, 0.77), (0.20, 0.34, 0.61, 0.95), (0.24, 0.43, 0.91, 1.34), (0.26, 0.55, 1.28, 2.01)),
    "S3": ((0.08, 0.10, 0.16, 0.30), (0.10, 0.13, 0.20, 0.38), (0.13, 0.19, 0.33, 0.60), (0.15, 0.26, 0.54, 1.00)),
    "C1L": ((0.10, 0.12, 0.21, 0.36), (0.12, 0.15, 0.27, 0.45), (0.16, 0.23, 0.41, 0.77), (0.21, 0.35, 0.70, 1.37)),
    "C1M": ((0.09, 0.13, 0.26, 0.43), (0.12, 0.17, 0.32, 0.54), (0.13, 0.21, 0.49, 0.89), (0.15, 0.27, 0.73, 1.61)),
    "C1H": ((0.08, 0.12, 0.21, 0.35), (0.10, 0.15, 0.27, 0.44), (0.11, 0.18, 0.41, 0.74), (0.11, 0.22, 0.62, 1.35)),
    "C3L": ((0.10, 0.14, 0.21, 0.35), (0.12, 0.17, 0.26, 0.44), None, None),
    "C3M": ((0.09, 0.14, 0.25, 0.41), (0.11, 0.17, 0.32, 0.51), None, None),
    "C3H": ((0.08, 0.13, 0.27, 0.43), (0.09, 0.16, 0.33, 0.53), None, None),
    "RM1L": ((0.13, 0.16, 0.24, 0.43), (0.16, 0.20, 0.29, 0.54), (0.22, 0.30, 0.50, 0.85), (0.30, 0.46, 0.93, 1.57)),
    "RM1M": ((0.11, 0.15, 0.28, 0.50), (0.14, 0.19, 0.35, 0.63), (0.18, 0.26, 0.51, 1.03), (0.20, 0.37, 0.81, 1.90)),
    "URML": ((0.13, 0.17, 0.26, 0.37), (0.14, 0.20, 0.32, 0.46), None, None),
    "URMM": ((0.09, 0.13, 0.21, 0.38), (0.10, 0.16, 0.27, 0.46), None, None),
    "MH": ((0.08, 0.11, 0.18, 0.34), (0.11, 0.18, 0.31, 0.60), (0.11, 0.18, 0.31, 0.60), (0.11, 0.18, 0.31, 0.60)),
}
"""Median PGA (g) of slight, moderate, extensive and complete damage, for each of LEVELS."""

COLLAPSE_RATE: Mapping[str, float] = {
    "W1": 0.03, "S3": 0.03, "C1L": 0.13, "C1M": 0.10, "C1H": 0.05, "C3L": 0.15, "C3M": 0.13, "C3H": 0.10, "RM1L": 0.13,
    "RM1M": 0.10, "URML": 0.15, "URMM": 0.15, "MH": 0.03,
}
"""Of buildings in complete damage."""

_LOW_RISE, _MID_RISE = 3, 7


def structure(building: Building, code: str) -> str:
    """Hazus' structural type of a building: low rise to 3 storeys, mid rise to 7.

    A concrete frame is of type C3, infilled with unreinforced masonry, where it was built to low code or none.
    """
    rise = "L" if building.storeys <= _LOW_RISE else "M" if building.storeys <= _MID_RISE else "H"
    kind = building.typology
    if kind == "concrete_frame":
        return ("C3" if code in ("pre", "low") else "C1") + rise
    if kind in ("masonry", "reinforced_masonry"):
        return ("URM" if kind == "masonry" else "RM1") + rise.replace("H", "M")
    return {"wood_light": "W1", "steel_light": "S3", "mobile_home": "MH"}[kind]


def level(building: Building, code: str) -> str:
    """Design level of a building: one below the place's for a soft storey, as Hazus does with inferior construction."""
    return LEVELS[max(LEVELS.index(code) - building.soft_storey, 0)]


def medians(building: Building, code: str) -> F64:
    """Median PGA (4,), g, of slight, moderate, extensive and complete damage."""
    own = level(building, code)
    table = MEDIAN_PGA_G[structure(building, own)]
    found = table[LEVELS.index(own)] or table[LEVELS.index("low")]
    assert found is not None
    return np.array(found)


def exceedance(pga_g: npt.ArrayLike, median_g: npt.ArrayLike, beta: float = BETA) -> F64:
    """Chance that a limit of median_g is reached at pga_g: the lognormal distribution function (broadcast)."""
    ratio = np.maximum(np.asarray(pga_g, np.float64), 1e-9) / np.asarray(median_g, np.float64)
    return np.asarray(scipy.special.ndtr(np.log(ratio) / beta))


def reached(buildings: Sequence[Building], pga_g: F64, rank: F64, quake: Earthquake) -> npt.NDArray[np.int64]:
    """How many of slight, moderate, extensive, complete and collapse each building (N,) has reached, 0 to 5.

    rank: (N,), uniform in 0 to 1: the building's place among all of its kind, the weakest first. A limit is reached
    where its chance at pga_g exceeds the rank; the collapse rate's share of those in complete damage are its weakest.
    """
    counts = np.zeros(len(buildings), np.int64)
    for k, building in enumerate(buildings):
        chance = exceedance(pga_g[k], medians(building, quake.code))
        rate = COLLAPSE_RATE[structure(building, level(building, quake.code))]
        counts[k] = int((np.append(chance, rate * chance[-1]) > rank[k]).sum())
    return counts
