"""What is painted on one parcel: rows of crops and vines, tracks, parking bays, driveways, patios, beds, pools."""

from __future__ import annotations

import math

import numpy as np
import shapely

from sim_bridge.spec import Season
from sim_bridge.world.amenities import paint_sports
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.complexes import paint_complex
from sim_bridge.world.materials import INDEX
from sim_bridge.world.parcels import Parcel, bay_rows
from sim_bridge.world.plan import Plan
from sim_bridge.world.shapes import F64, turn

_CLUTTER = ("concrete", "patio", "sidewalk", "gravel", "soil", "mulch", "fence", "lawn", "vegetables")
"""Beds, slabs, decks and sandpits in back yards."""
_ROWS = {
    "vineyard": ("vine_row", (2.2, 3.2), (0.6, 1.2), (3.0, 6.0)),
    "field_green": ("meadow", (3.0, 5.0), (0.5, 0.5), (1.0, 1.0)),
    "orchard": ("soil", (4.5, 6.5), (1.0, 1.6), (2.0, 4.0)),
    "crop": ("soil", (12.0, 24.0), (0.4, 0.7), (1.0, 1.0)),
    "crop_ripe": ("stubble", (12.0, 24.0), (0.5, 0.8), (1.0, 1.0)),
    "stubble": ("field_pale", (5.0, 9.0), (1.0, 2.5), (1.0, 1.0)),
    "plough": ("soil", (2.0, 3.5), (0.6, 0.9), (1.0, 1.0)),
    "garden": ("vegetables", (1.4, 2.2), (0.6, 1.0), (4.0, 9.0)),
    "soil": ("field_red", (3.0, 6.0), (0.5, 1.0), (1.0, 1.0)),
}
"""Rows: material, spacing, width, distance from the edge of the field (m)."""
_TRACKED = ("vineyard", "field_dry", "field_green", "meadow", "soil", "orchard", "crop", "crop_ripe", "plough")
_GROWTH = ("crop", "crop_ripe", "field_green", "garden")


def paint_parcel(canvas: Canvas, parcel: Parcel, season: Season, rng: np.random.Generator) -> None:
    """Everything on a parcel but its houses' surroundings."""
    if parcel.use in _ROWS and not (season == "winter" and parcel.use in _GROWTH):
        _rows(canvas, parcel, rng)
    if parcel.use in _TRACKED and rng.random() < 0.5:
        _edge_track(canvas, parcel, rng)
    if parcel.use == "commercial":
        _car_park(canvas, parcel, rng)
    if parcel.use in ("industry", "logistics", "warehouse"):
        _works_yard(canvas, parcel, rng)
    if parcel.use in ("park", "church", "camp") and len(parcel.ring) == 4:
        _path(canvas, parcel, rng)
    if parcel.use == "hotel":
        _hotel_garden(canvas, parcel, rng)
    if parcel.use == "complex":
        paint_complex(canvas, parcel)
    if parcel.use == "park" and parcel.polygon.area > 1500:
        if len(parcel.ring) == 4 and rng.random() < 0.5:
            paint_sports(canvas, parcel, rng)
        elif rng.random() < 0.35:
            _sports(canvas, parcel, rng)


def _rows(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """Rows of vines or trees, the wheel tracks of a crop, furrows, beds."""
    name, spacing_m, width_m, edge_m = _ROWS[parcel.use]
    spacing = rng.uniform(*spacing_m)
    polygon = parcel.polygon.buffer(-rng.uniform(*edge_m))
    if polygon.is_empty:
        return
    local = turn(shapely.get_coordinates(polygon), -parcel.yaw_deg)
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    levels = np.arange(y0, y1, spacing)
    ends = np.stack([np.column_stack([np.full(len(levels), x), levels]) for x in (x0, x1)], axis=1)
    lines = shapely.intersection(shapely.linestrings(turn(ends, parcel.yaw_deg)), polygon)
    width = float(rng.uniform(*width_m))
    for line in shapely.get_parts(lines):
        if line.length > 2:
            canvas.line(shapely.get_coordinates(line), INDEX[name], width)


def _edge_track(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """A farm track along one or two sides of a field."""
    start = int(rng.integers(0, len(parcel.ring)))
    side = np.roll(parcel.ring, -start, axis=0)[:int(rng.integers(2, 4))]
    name = str(rng.choice(["dirt_road", "field_pale"]))
    canvas.line(side, INDEX[name], rng.uniform(2.5, 4.0))


def _size(parcel: Parcel) -> F64:
    return turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)


def _car_park(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """Planted strips round the lot, planted islands every dozen bays, painted bays."""
    bed = INDEX[str(rng.choice(["mulch", "lawn", "lawn_dry"]))]
    canvas.line(np.vstack([parcel.ring, parcel.ring[:1]]), bed, rng.uniform(3, 5))
    x1, y1 = _size(parcel)
    for row in bay_rows(y1):
        bays = np.arange(5.0, x1 - 5, 2.7)
        _stripes(canvas, parcel, bays - 1.35, row - 2.4, row + 7.6)
        for x in bays[::9]:
            rectangle(canvas, parcel, (x - 1.2, row - 2.4, x + 1.2, row + 7.6), bed)


def _stripes(canvas: Canvas, parcel: Parcel, xs: F64, y0: float, y1: float) -> None:
    for x in xs:
        line = turn(np.array([[x, y0], [x, y1]]), parcel.yaw_deg) + parcel.ring[0]
        canvas.line(line, INDEX["road_marking"], 0.2)


def _works_yard(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """A strip of grass on the street with an entrance, bays beside it, worn patches where trucks turn."""
    x1, y1 = _size(parcel)
    gate = rng.uniform(0.2, 0.7) * x1
    for a, b in ((0.0, gate), (gate + 9, x1)):
        strip = str(rng.choice(["lawn", "lawn_dry", "soil"]))
        rectangle(canvas, parcel, (a, 0, b, rng.uniform(1.5, 3.5)), INDEX[strip])
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(0, max(x1 - 14, 1)), rng.uniform(4, max(y1 - 10, 5))
        name = str(rng.choice(["asphalt_worn", "concrete", "gravel", "soil", "yard", "grass_gold"]))
        rectangle(canvas, parcel, (x, y, min(x + rng.uniform(6, 25), x1 - 1), min(y + rng.uniform(5, 18), y1 - 1)),
                  INDEX[name])
    _stripes(canvas, parcel, np.arange(4.0, min(gate, x1 - 4), 2.7), 4.0, 9.0)


def _path(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    x1, y1 = _size(parcel)
    s = np.linspace(0, 1, 30)
    path = np.column_stack([s * x1, y1 * (0.5 + 0.35 * np.sin(s * rng.uniform(3, 9) + rng.uniform(0, 6)))])
    canvas.line(turn(path, parcel.yaw_deg) + parcel.ring[0], INDEX["concrete"], 2.0)


def _hotel_garden(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """A pool on a terrace behind, cars in front."""
    x1, y1 = _size(parcel)
    rectangle(canvas, parcel, (1.0, 0.0, x1 - 1, 4.5), INDEX["parking"])
    x, y = x1 * rng.uniform(0.3, 0.6), y1 - rng.uniform(7, 10)
    w, d = rng.uniform(4, 8), rng.uniform(2.5, 4)
    rectangle(canvas, parcel, (x - w - 3, y - d - 3, x + w + 3, y + d + 3), INDEX["flagstone"])
    rectangle(canvas, parcel, (x - w, y - d, x + w, y + d), INDEX["pool_water"])


def _sports(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """A pitch with its lines, or a hard court."""
    centre = np.array(shapely.maximum_inscribed_circle(parcel.polygon).coords[0])
    hard = rng.random() < 0.6
    w, d = (rng.uniform(7, 9), rng.uniform(14, 17)) if hard else (rng.uniform(11, 16), rng.uniform(18, 26))
    ring = turn(np.array([[-w, -d], [w, -d], [w, d], [-w, d]]), parcel.yaw_deg) + centre
    if not parcel.polygon.buffer(1).contains(shapely.Polygon(ring)):
        return
    canvas.fill(ring, INDEX["court" if hard else "lawn"])
    inner = centre + 0.88 * (ring - centre)
    canvas.line(np.vstack([inner, inner[:1], (inner[1:3] + inner[[0, 3]]) / 2]), INDEX["road_marking"], 0.2)


def around_house(canvas: Canvas, parcel: Parcel, plan: Plan, room: bool, rng: np.random.Generator) -> None:
    """Driveway from the front to the street, a path to the door, a patio, beds and decks behind, a pool behind some.

    room: nothing else stands behind the house, so that a pool may lie there.
    """
    if plan.use not in ("house", "mobile_home", "apartments") or parcel.use in ("townhouse", "shops"):
        return
    local = turn(plan.ring - parcel.ring[0], -parcel.yaw_deg)
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    wide = rng.uniform(3.0, 6.5)
    front = local[local[:, 1] < y0 + 0.1, 0]
    left = front.min() if rng.random() < 0.5 else max(front.max() - wide, front.min())
    drive = str(rng.choice(["concrete", "sidewalk", "asphalt_worn", "gravel"], p=[0.35, 0.33, 0.25, 0.07]))
    if rng.random() < 0.07 * (parcel.use == "house"):
        left, y_end = (x0 - wide if x0 > wide else x1), y1 + 4
        rectangle(canvas, parcel, (left, -3.0, left + wide, y_end), INDEX[drive])
    rectangle(canvas, parcel, (left, -3.0, left + wide, y0 + 0.5), INDEX[drive])
    door = rng.uniform(x0 + 1, x1 - 2)
    rectangle(canvas, parcel, (door, 0.0, door + 1.2, y0 + 3), INDEX["sidewalk"])
    a, b = np.sort(rng.uniform(x0, x1, 2))
    rectangle(canvas, parcel, (a, y1 - 1.0, max(b, a + 2), y1 + rng.uniform(1.0, 4.0)),
              INDEX[str(rng.choice(["patio", "concrete", "sidewalk", "gravel", "pontoon"]))])
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(x0 - 3, x1 + 1), y1 + rng.uniform(0.5, 7)
        rectangle(canvas, parcel, (x, y, x + rng.uniform(0.8, 3.2), y + rng.uniform(0.8, 2.6)),
                  INDEX[str(rng.choice(_CLUTTER))])
    if room and plan.use == "house":
        _back_yard(canvas, parcel, (x0, y1, x1), plan.era, rng)


def _back_yard(canvas: Canvas, parcel: Parcel, house: tuple[float, float, float], era: str,
               rng: np.random.Generator) -> None:
    """A pool, a vegetable plot or a round of sand or netting: what the years leave behind a house (x0, back, x1)."""
    x0, y1, x1 = house
    middle = (x0 + x1) / 2 + rng.uniform(-3, 3)
    draw = rng.random()
    if draw < (0.07 if era != "new" else 0.04):
        _pool(canvas, parcel, (middle, y1 + rng.uniform(3.5, 5.0)), rng)
    elif draw < 0.16:
        w, d = rng.uniform(2.5, 5), rng.uniform(3, 7)
        for x in np.arange(middle - w, middle + w - 0.7, 1.5):
            rectangle(canvas, parcel, (x, y1 + 4, x + 0.9, y1 + 4 + d), INDEX[str(rng.choice(["vegetables", "soil"]))])
    elif draw < 0.21:
        angle = np.linspace(0, 2 * math.pi, 16, endpoint=False)
        ring = rng.uniform(1.5, 2.3) * np.column_stack([np.cos(angle), np.sin(angle)])
        name = str(rng.choice(["asphalt", "pool_water", "sand"], p=[0.5, 0.25, 0.25]))
        canvas.fill(turn(ring + np.array([middle, y1 + 5]), parcel.yaw_deg) + parcel.ring[0], INDEX[name])


def rectangle(canvas: Canvas, parcel: Parcel, rect: tuple[float, float, float, float], value: int) -> None:
    """Paints (x0, y0, x1, y1) of the parcel's own frame."""
    x0, y0, x1, y1 = rect
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    canvas.fill(turn(ring, parcel.yaw_deg) + parcel.ring[0], value)


def _pool(canvas: Canvas, parcel: Parcel, centre: tuple[float, float], rng: np.random.Generator) -> None:
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    lobes = 1 + rng.uniform(0, 0.3) * np.sin(2 * angle + rng.uniform(0, 6))
    ring = np.column_stack([np.cos(angle) * rng.uniform(3.0, 4.4), np.sin(angle) * rng.uniform(1.7, 2.3)])
    for scale, name in ((1.4, "concrete"), (1.0, "pool_water")):
        canvas.fill(turn(ring * (lobes * scale)[:, None] + np.array(centre), parcel.yaw_deg) + parcel.ring[0],
                    INDEX[name])
