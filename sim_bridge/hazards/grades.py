"""What can be seen of each state from above: one committed table a hazard.

Grades follow the visual definitions of xBD (Gupta et al. 2019, arXiv 1911.09296): 1 no visible damage; 2 minor:
partly burnt, water around the structure, roof elements missing, visible cracks; 3 major: partial wall or roof
collapse, or surrounded by water or mud; 4 destroyed: scorched, collapsed, covered or gone. States of a hazard are
ordered: a stronger hazard never moves a building to the left.
"""

from __future__ import annotations

from collections.abc import Mapping

STATES: Mapping[str, Mapping[str, int]] = {
    "none": {"untouched": 1},
    "flood": {
        "dry": 1,
        "water_at_wall": 2,
        "surrounded": 3,
        "inundated": 3,
        "submerged": 4,
    },
    "earthquake": {
        "untouched": 1,
        "slight": 1,                # hairline cracks: nothing that shows from above
        "moderate": 2,
        "extensive": 3,
        "partial_collapse": 3,
        "collapse": 4,
    },
    "fire": {
        "not_reached": 1,
        "spared": 1,
        "roof_scorched": 2,
        "partly_burnt": 3,
        "burnt_down": 4,
    },
}


def grade(hazard: str, state: str) -> int:
    """Grade 1-4 of a state. Raises KeyError for a state that the hazard does not have."""
    return STATES[hazard][state]


def order(hazard: str) -> tuple[str, ...]:
    """The hazard's states from least to worst."""
    return tuple(STATES[hazard])
