"""The one table of classes, grades and hazard flags; palettes, stencil ids and schemas are generated from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

IGNORE = 255
"""Label value of a pixel that was not captured or must not be learned from."""


@dataclass(frozen=True)
class Entry:
    """One row of a label table: the stored value, the field's name for it, and the colour it is drawn with."""

    id: int
    name: str
    rgb: tuple[int, int, int]


SEMANTIC = (
    Entry(0, "void", (0, 0, 0)),
    Entry(1, "building", (220, 70, 60)),
    Entry(2, "road", (110, 110, 120)),
    Entry(3, "paved", (180, 175, 170)),
    Entry(4, "bare", (190, 150, 100)),
    Entry(5, "grass", (140, 200, 90)),
    Entry(6, "tree", (30, 110, 50)),
    Entry(7, "water", (60, 120, 210)),
    Entry(8, "vehicle", (240, 210, 60)),
    Entry(9, "rubble", (150, 80, 150)),
)
"""What is visible from above (arrays `before_semantic`, `after_semantic`)."""

GRADES = (
    Entry(0, "background", (0, 0, 0)),
    Entry(1, "no-damage", (60, 180, 90)),
    Entry(2, "minor-damage", (250, 220, 70)),
    Entry(3, "major-damage", (245, 140, 40)),
    Entry(4, "destroyed", (200, 30, 40)),
)
"""Damage visible from above, after xBD's definitions (array `damage`, pixels of the before frame)."""

LAND_USE = (
    Entry(0, "none", (0, 0, 0)),
    Entry(1, "street", (110, 110, 120)),
    Entry(2, "residential", (230, 160, 120)),
    Entry(3, "commercial", (200, 90, 160)),
    Entry(4, "park", (120, 190, 110)),
    Entry(5, "field", (220, 200, 110)),
    Entry(6, "forest", (40, 110, 60)),
    Entry(7, "water", (60, 120, 210)),
    Entry(8, "vacant", (170, 150, 130)),
    Entry(9, "industrial", (150, 130, 170)),
    Entry(10, "agriculture", (190, 170, 70)),
    Entry(11, "public", (240, 210, 140)),
)
"""Use of the parcel that a pixel belongs to (array `land_use`)."""

SURFACE = (
    Entry(0, "other", (0, 0, 0)),
    Entry(1, "roof", (220, 70, 60)),
    Entry(2, "wall", (240, 170, 60)),
)
"""Roof and wall of a building told apart (array `surface`, pixels of the before frame)."""

FLOODED, BURNT, DEBRIS = 1, 2, 4
HAZARD_BITS = {"flooded": FLOODED, "burnt": BURNT, "debris": DEBRIS}
"""Bit flags of the array `after_hazard`."""

CLASS_ID = {entry.name: entry.id for entry in SEMANTIC}
LAND_USE_ID = {entry.name: entry.id for entry in LAND_USE}


def table_hash() -> str:
    """SHA-256 (16 hex digits) of all label tables: models and stores carry it, so that a mismatch is found."""
    tables = [[asdict(entry) for entry in table] for table in (SEMANTIC, GRADES, LAND_USE, SURFACE)]
    text = json.dumps([*tables, HAZARD_BITS], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
