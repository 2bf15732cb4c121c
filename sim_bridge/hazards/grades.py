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
        "moderate": 2,              # tiles or a parapet fallen, a tarpaulin
        "extensive": 3,             # a corner of the roof and the uppermost storey
        "wall_failure": 3,          # a masonry wall out of its plane
        "partial_collapse": 3,      # a corner or a wing
        "soft_storey": 3,           # the ground floor; what stood on it sits lower
        "pancake": 4,
        "collapse": 4,
    },
    "tsunami": {
        "dry": 1,
        "wetted": 2,                # water or mud at the walls
        "minor": 2,
        "moderate": 3,              # surrounded by water or mud
        "major": 3,
        "complete": 3,              # a part of walls and roof gone, it stands
        "collapsed": 4,
        "washed_away": 4,
    },
    "wind": {
        "untouched": 1,
        "slight": 1,                # threshold of damage: nothing that shows from above
        "roof_cover_loss": 2,
        "roof_deck_loss": 3,
        "roof_loss": 3,
        "walls_collapsed": 4,
        "overturned": 4,            # mobile homes
        "swept_away": 4,
    },
    "fire": {
        "not_reached": 1,
        "spared": 1,
        "roof_scorched": 2,
        "partly_burnt": 3,
        "on_fire": 3,               # flames through a part of the roof
        "burnt_down": 4,
    },
}


def grade(hazard: str, state: str) -> int:
    """Grade 1-4 of a state. Raises KeyError for a state that the hazard does not have."""
    return STATES[hazard][state]


def order(hazard: str) -> tuple[str, ...]:
    """The hazard's states from least to worst."""
    return tuple(STATES[hazard])
