"""The ground raster (material of every 0.25 m cell) and the land use raster (1 m): painted back to front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import LAND_USE_ID
from sim_bridge.spec import Layout, Season
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.covers import choose_cover, greenness
from sim_bridge.world.homes import Plan
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import U8, Grid, Street
from sim_bridge.world.parcels import Parcel, bay_rows
from sim_bridge.world.shapes import turn
from sim_bridge.world.streets import Network
from sim_bridge.world.terrain import smooth_noise

CELL_M = 0.25
_USE = {"house": "residential", "mobile": "residential", "farm": "residential",
        "apartments": "residential", "commercial": "commercial", "park": "park", "vacant": "vacant", "wood": "forest"}

_CLUTTER = ("concrete", "patio", "sidewalk", "gravel", "soil", "mulch", "fence", "lawn")
"""Beds, slabs, decks and sandpits in back yards."""


def paint_land_use(layout: Layout, parcels: Sequence[Parcel], network: Network,
                   water: Sequence[shapely.Polygon]) -> Grid:
    """uint8 `classes.LAND_USE` at 1 m; streets and water on top of parcels."""
    canvas = Canvas.blank(layout.size_m, 1.0, np.uint8, LAND_USE_ID["vacant"])
    canvas.fill(network.open_land, LAND_USE_ID["field"])
    for parcel in parcels:
        canvas.fill(parcel.ring, LAND_USE_ID[_USE.get(parcel.use, "field")])
    canvas.fill(network.corridor, LAND_USE_ID["street"])
    for body in water:
        canvas.fill(body, LAND_USE_ID["water"])
    return canvas.grid()


def paint_ground(layout: Layout, season: Season, parcels: Sequence[Parcel], plans: Sequence[Plan], network: Network,
                 water: Sequence[shapely.Polygon], rng: np.random.Generator) -> Grid:
    """uint8 `materials.TABLE` index at 0.25 m."""
    canvas = Canvas.blank(layout.size_m, CELL_M, np.uint8)
    canvas.values[:] = _plots(layout, season, parcels, len(canvas.values), rng)
    for parcel in parcels:
        _paint_parcel(canvas, parcel, rng)
    for plan in plans:
        _around_house(canvas, parcels[plan.parcel], plan, rng)
    _paint_streets(canvas, layout, network, rng)
    for body in water:
        canvas.fill(body.buffer(rng.uniform(1, 2.5)), INDEX["soil"])
        canvas.fill(body, INDEX["water"])
    return canvas.grid()


def owners(layout: Layout, parcels: Sequence[Parcel], cell_m: float) -> Grid:
    """int32 raster: 1 + index of the parcel that a cell belongs to, 0 for land between parcels."""
    canvas = Canvas.blank(layout.size_m, cell_m, np.int32)
    for index, parcel in enumerate(parcels):
        canvas.fill(parcel.ring, index + 1)
    return canvas.grid()


def _plots(layout: Layout, season: Season, parcels: Sequence[Parcel], n: int, rng: np.random.Generator) -> U8:
    """Every parcel's three materials, told apart by noise."""
    owner = owners(layout, parcels, layout.size_m / n).values
    green = greenness(layout, season)
    covers = [choose_cover(use, green, rng) for use in ("verge", *(p.use for p in parcels))]
    names = np.array([[INDEX[m] for m in cover.materials] for cover in covers], np.uint8)
    shares = np.array([cover.shares for cover in covers], np.float32)
    values = names[owner, 0]
    for k, wavelengths in enumerate(((34.0, 9.0), (14.0, 4.5))):
        chosen = _ranked_noise(layout, wavelengths, n, rng) < shares[owner, k]
        values[chosen] = names[owner[chosen], k + 1]
    return np.asarray(values, np.uint8)


def _ranked_noise(layout: Layout, wavelengths: tuple[float, float], n: int,
                  rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(n, n) noise uniform in [0, 1]: two scales of bumps, frayed by white noise at 1 m."""
    coarse = 0.42 * smooth_noise(layout.size_m, 1.0, wavelengths[0], rng)
    coarse += 0.35 * smooth_noise(layout.size_m, 1.0, wavelengths[1], rng)
    coarse += 0.26 * rng.random(coarse.shape)
    order = np.empty(coarse.size, np.float32)
    order[np.argsort(coarse, axis=None, kind="stable")] = np.arange(coarse.size, dtype=np.float32) / coarse.size
    return np.asarray(cv2.resize(order.reshape(coarse.shape), (n, n), interpolation=cv2.INTER_LINEAR), np.float32)


def _paint_parcel(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    if parcel.use in ("vineyard", "field_green"):
        _rows(canvas, parcel, rng)
    if parcel.use in ("vineyard", "field_dry", "field_green", "meadow", "soil") and rng.random() < 0.5:
        _edge_track(canvas, parcel, rng)
    if parcel.use == "commercial":
        _car_park(canvas, parcel, rng)
    if parcel.use == "park":
        x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
        s = np.linspace(0, 1, 30)
        path = np.column_stack([s * x1, y1 * (0.5 + 0.35 * np.sin(s * rng.uniform(3, 9) + rng.uniform(0, 6)))])
        canvas.line(turn(path, parcel.yaw_deg) + parcel.ring[0], INDEX["concrete"], 2.0)


def _rows(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """Rows of vines, or the faint drill lines of a crop."""
    vines = parcel.use == "vineyard"
    spacing = rng.uniform(2.2, 3.2) if vines else rng.uniform(3.0, 5.0)
    polygon = parcel.polygon.buffer(-rng.uniform(3, 6) if vines else -1)
    if polygon.is_empty:
        return
    local = turn(shapely.get_coordinates(polygon), -parcel.yaw_deg)
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    levels = np.arange(y0, y1, spacing)
    ends = np.stack([np.column_stack([np.full(len(levels), x), levels]) for x in (x0, x1)], axis=1)
    lines = shapely.intersection(shapely.linestrings(turn(ends, parcel.yaw_deg)), polygon)
    name = "vine_row" if vines else "meadow"
    for line in shapely.get_parts(lines):
        if line.length > 2:
            canvas.line(shapely.get_coordinates(line), INDEX[name], rng.uniform(0.6, 1.2) if vines else 0.5)


def _edge_track(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """A farm track along one or two sides of a field."""
    start = int(rng.integers(0, len(parcel.ring)))
    side = np.roll(parcel.ring, -start, axis=0)[:int(rng.integers(2, 4))]
    name = str(rng.choice(["dirt_road", "field_pale"]))
    canvas.line(side, INDEX[name], rng.uniform(2.5, 4.0))


def _car_park(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """Planted strips round the lot and planted islands every dozen bays."""
    bed = INDEX[str(rng.choice(["mulch", "lawn", "lawn_dry"]))]
    canvas.line(np.vstack([parcel.ring, parcel.ring[:1]]), bed, rng.uniform(3, 5))
    x1, y1 = turn(parcel.ring[2] - parcel.ring[0], -parcel.yaw_deg)
    for row in bay_rows(y1):
        for x in np.arange(5.0, x1 - 5, 2.7 * 9):
            _rectangle(canvas, parcel, (x - 1.2, row - 2.4, x + 1.2, row + 7.6), bed)


def _around_house(canvas: Canvas, parcel: Parcel, plan: Plan, rng: np.random.Generator) -> None:
    """Driveway from the front to the street, a path to the door, a patio at the back, a pool behind some."""
    if plan.use not in ("house", "mobile_home", "apartments"):
        return
    local = turn(plan.ring - parcel.ring[0], -parcel.yaw_deg)
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    wide = rng.uniform(3.0, 6.5)
    front = local[local[:, 1] < y0 + 0.1, 0]
    left = front.min() if rng.random() < 0.5 else max(front.max() - wide, front.min())
    drive = str(rng.choice(["concrete", "sidewalk", "asphalt_worn"], p=[0.35, 0.35, 0.3]))
    _rectangle(canvas, parcel, (left, -3.0, left + wide, y0 + 0.5), INDEX[drive])
    door = rng.uniform(x0 + 1, x1 - 2)
    _rectangle(canvas, parcel, (door, 0.0, door + 1.2, y0 + 3), INDEX["sidewalk"])
    a, b = np.sort(rng.uniform(x0, x1, 2))
    _rectangle(canvas, parcel, (a, y1 - 1.0, max(b, a + 2), y1 + rng.uniform(1.0, 4.0)),
               INDEX[str(rng.choice(["patio", "concrete", "sidewalk", "gravel"]))])
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(x0 - 3, x1 + 1), y1 + rng.uniform(0.5, 7)
        _rectangle(canvas, parcel, (x, y, x + rng.uniform(0.8, 3.2), y + rng.uniform(0.8, 2.6)),
                   INDEX[str(rng.choice(_CLUTTER))])
    if plan.use == "house" and rng.random() < 0.06:
        _pool(canvas, parcel, ((x0 + x1) / 2 + rng.uniform(-3, 3), y1 + rng.uniform(3.5, 5.0)), rng)


def _rectangle(canvas: Canvas, parcel: Parcel, rect: tuple[float, float, float, float], value: int) -> None:
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


def _paint_streets(canvas: Canvas, layout: Layout, network: Network, rng: np.random.Generator) -> None:
    ordered = sorted(network.streets, key=lambda street: street.kind == "primary")
    lines = [shapely.LineString(street.line) for street in ordered]
    if layout.settlement != "rural" and rng.random() < 0.75:
        for street, line in zip(ordered, lines, strict=True):
            canvas.fill(line.buffer(street.width_m / 2 + 1.3), INDEX["sidewalk"])
    worn = "asphalt_worn" if rng.random() < 0.75 else "asphalt"
    for street, line in zip(ordered, lines, strict=True):
        name = {"primary": "asphalt", "track": "dirt_road"}.get(street.kind, worn)
        canvas.fill(line.buffer(street.width_m / 2), INDEX[name])
    for street in ordered:
        if street.kind == "primary":
            _markings(canvas, street)


def _markings(canvas: Canvas, street: Street) -> None:
    line = shapely.LineString(street.line)
    for share in (-0.42, 0.0, 0.42):
        side: shapely.Geometry = shapely.offset_curve(line, share * street.width_m) if share else line
        for part in shapely.get_parts(side):
            canvas.line(shapely.get_coordinates(part), INDEX["road_marking"], CELL_M)
