"""The ground raster (material of every 0.25 m cell) and the land use raster (1 m): painted back to front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import LAND_USE_ID
from sim_bridge.spec import Layout, Season
from sim_bridge.world.homes import Plan
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import U8, Grid, Street
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64, turn
from sim_bridge.world.streets import Network
from sim_bridge.world.terrain import smooth_noise

CELL_M = 0.25
_SHIFT = 4
"""Fraction bits of OpenCV's polygon corners."""
_USE = {"house": "residential", "farm": "residential", "apartments": "residential", "commercial": "commercial",
        "park": "park", "vacant": "vacant", "wood": "forest"}


@dataclass(frozen=True)
class Cover:
    """Two materials that share a plot in patches: `other` covers the given share."""

    main: str
    other: str
    share: float


class Canvas:
    """A raster over the square that polygons in metres are painted on."""

    def __init__(self, size_m: float, cell_m: float, values: npt.NDArray[np.generic]) -> None:
        self.size_m, self.cell_m, self.values = size_m, cell_m, values

    def fill(self, shape: shapely.Geometry | F64, value: int) -> None:
        """Sets cells whose centre lies in a ring (N, 2) or in a polygon, holes left out."""
        if isinstance(shape, np.ndarray):
            cv2.fillPoly(self.values, [self._pixels(shape)], value, shift=_SHIFT)
            return
        for part in shapely.get_parts(shape):
            if isinstance(part, shapely.Polygon) and not part.is_empty:
                rings = [part.exterior, *part.interiors]
                cv2.fillPoly(self.values, [self._pixels(shapely.get_coordinates(r)) for r in rings], value,
                             shift=_SHIFT)

    def line(self, points: F64, value: int, width_m: float) -> None:
        """Draws a line of at least one cell."""
        cv2.polylines(self.values, [self._pixels(points)], False, value, max(round(width_m / self.cell_m), 1),
                      shift=_SHIFT)

    def _pixels(self, points: F64) -> npt.NDArray[np.int32]:
        cells = (points + self.size_m / 2) / self.cell_m - 0.5
        return np.asarray(np.round(cells * (1 << _SHIFT)), np.int32)


def paint_land_use(layout: Layout, parcels: Sequence[Parcel], network: Network,
                   water: Sequence[shapely.Polygon]) -> Grid:
    """uint8 `classes.LAND_USE` at 1 m; streets and water on top of parcels."""
    n = round(layout.size_m)
    canvas = Canvas(layout.size_m, layout.size_m / n, np.full((n, n), LAND_USE_ID["residential"], np.uint8))
    canvas.fill(network.open_land, LAND_USE_ID["field"])
    for parcel in parcels:
        canvas.fill(parcel.ring, LAND_USE_ID[_USE.get(parcel.use, "field")])
    canvas.fill(network.corridor, LAND_USE_ID["street"])
    for body in water:
        canvas.fill(body, LAND_USE_ID["water"])
    return Grid(canvas.values, -layout.size_m / 2, -layout.size_m / 2, canvas.cell_m)


def paint_ground(layout: Layout, season: Season, parcels: Sequence[Parcel], plans: Sequence[Plan], network: Network,
                 water: Sequence[shapely.Polygon], rng: np.random.Generator) -> Grid:
    """uint8 `materials.TABLE` index at 0.25 m."""
    n = round(layout.size_m / CELL_M)
    canvas = Canvas(layout.size_m, layout.size_m / n, _plots(layout, season, parcels, n, rng))
    for plan in plans:
        _around_house(canvas, parcels[plan.parcel], plan, rng)
    _paint_streets(canvas, layout, network, rng)
    for body in water:
        canvas.fill(body.buffer(1.5), INDEX["soil"])
        canvas.fill(body, INDEX["water"])
    return Grid(canvas.values, -layout.size_m / 2, -layout.size_m / 2, canvas.cell_m)


def greenness(layout: Layout, season: Season) -> float:
    """Share of grass that is green, 0 to 1: what dryness and the season before the picture leave."""
    shift = {"spring": 0.30, "summer": 0.0, "autumn": -0.08, "winter": 0.10}[season]
    return float(np.clip(1 - layout.dryness + shift, 0.02, 0.98))


def _plots(layout: Layout, season: Season, parcels: Sequence[Parcel], n: int, rng: np.random.Generator) -> U8:
    """Every parcel's two materials, told apart by noise at two scales."""
    owner = Canvas(layout.size_m, layout.size_m / n, np.zeros((n, n), np.int32))
    for index, parcel in enumerate(parcels):
        owner.fill(parcel.ring, index + 1)
    green = greenness(layout, season)
    covers = [_cover("vacant", green, rng), *(_cover(p.use, green, rng) for p in parcels)]
    main, other = (np.array([INDEX[getattr(c, name)] for c in covers], np.uint8) for name in ("main", "other"))
    share = np.array([c.share for c in covers], np.float32)
    half = smooth_noise(layout.size_m, 1.0, 26.0, rng) * 0.45 + smooth_noise(layout.size_m, 1.0, 6.0, rng) * 0.55
    ranked = (np.argsort(np.argsort(half.ravel())) / half.size).astype(np.float32).reshape(half.shape)
    fine = cv2.resize(ranked, (n, n), interpolation=cv2.INTER_LINEAR)
    owners = owner.values
    return np.asarray(np.where(fine < share[owners], other[owners], main[owners]), np.uint8)


def _cover(use: str, green: float, rng: np.random.Generator) -> Cover:
    lush = rng.random() < green
    lawn, dry = ("lawn", "lawn_dry") if lush else ("lawn_dry", "lawn")
    if use in ("house", "farm"):
        other = str(rng.choice(["mulch", "soil", "lawn_dry", "gravel", "lawn"], p=[0.35, 0.2, 0.2, 0.1, 0.15]))
        return Cover(lawn, other, rng.uniform(0.1, 0.55))
    if use == "commercial":
        return Cover("parking", "asphalt_worn", rng.uniform(0.0, 0.25))
    if use in ("park", "apartments"):
        return Cover(lawn, dry, rng.uniform(0.05, 0.3))
    grass = "meadow" if lush else "lawn_dry"
    fields = {"meadow": Cover(grass, "field_dry", rng.uniform(0.1, 0.6)), "savanna": Cover(grass, "field_dry", 0.4),
              "wood": Cover("mulch", grass, 0.35), "field_dry": Cover("field_dry", "lawn_dry", rng.uniform(0, 0.3)),
              "field_green": Cover("field_green" if lush else "lawn_dry", "meadow", rng.uniform(0, 0.2)),
              "vineyard": Cover("vineyard", "soil", rng.uniform(0, 0.15)),
              "soil": Cover("soil", "gravel", rng.uniform(0, 0.4))}
    return fields.get(use, Cover(grass, "soil", rng.uniform(0.15, 0.5)))


def _around_house(canvas: Canvas, parcel: Parcel, plan: Plan, rng: np.random.Generator) -> None:
    """Driveway from the front to the street, patio at the back, pool behind some."""
    if plan.use not in ("house", "apartments"):
        return
    local = turn(plan.ring - parcel.ring[0], -parcel.yaw_deg)
    (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
    wide = rng.uniform(3.0, 6.0)
    front = local[local[:, 1] < y0 + 0.1, 0]
    left = front.min() if rng.random() < 0.5 else max(front.max() - wide, front.min())
    drive = "concrete" if rng.random() < 0.6 else "asphalt_worn"
    _rectangle(canvas, parcel, (left, -3.0, left + wide, y0 + 0.5), INDEX[drive])
    a, b = np.sort(rng.uniform(x0, x1, 2))
    _rectangle(canvas, parcel, (a, y1 - 1.0, max(b, a + 2), y1 + rng.uniform(1.5, 4.5)),
               INDEX[str(rng.choice(["patio", "concrete", "gravel"]))])
    if rng.random() < 0.07:
        _pool(canvas, parcel, (rng.uniform(x0 + 3, x1 - 3), y1 + rng.uniform(4.5, 6.5)), rng)


def _rectangle(canvas: Canvas, parcel: Parcel, rect: tuple[float, float, float, float], value: int) -> None:
    x0, y0, x1, y1 = rect
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    canvas.fill(turn(ring, parcel.yaw_deg) + parcel.ring[0], value)


def _pool(canvas: Canvas, parcel: Parcel, centre: tuple[float, float], rng: np.random.Generator) -> None:
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    lobes = 1 + rng.uniform(0, 0.3) * np.sin(2 * angle + rng.uniform(0, 6))
    ring = np.column_stack([np.cos(angle) * rng.uniform(3.2, 4.8), np.sin(angle) * rng.uniform(1.8, 2.6)])
    for scale, name in ((1.45, "concrete"), (1.0, "pool_water")):
        canvas.fill(turn(ring * (lobes * scale)[:, None] + np.array(centre), parcel.yaw_deg) + parcel.ring[0],
                    INDEX[name])


def _paint_streets(canvas: Canvas, layout: Layout, network: Network, rng: np.random.Generator) -> None:
    lines = [np.asarray(s.line) for s in network.streets]
    walks = layout.settlement != "rural" and rng.random() < 0.75
    for street, line in zip(network.streets, lines, strict=True):
        if walks:
            canvas.fill(shapely.LineString(line).buffer(street.width_m / 2 + 1.3), INDEX["sidewalk"])
    worn = "asphalt_worn" if rng.random() < 0.75 else "asphalt"
    for street, line in sorted(zip(network.streets, lines, strict=True), key=lambda pair: pair[0].kind == "primary"):
        name = {"primary": "asphalt", "track": "dirt_road"}.get(street.kind, worn)
        canvas.fill(shapely.LineString(line).buffer(street.width_m / 2), INDEX[name])
    for street in network.streets:
        if street.kind == "primary":
            _markings(canvas, street)


def _markings(canvas: Canvas, street: Street) -> None:
    line = shapely.LineString(street.line)
    for offset in (-0.42, 0.0, 0.42):
        side = shapely.offset_curve(line, offset * street.width_m) if offset else line
        for part in shapely.get_parts(side):
            canvas.line(shapely.get_coordinates(part), INDEX["road_marking"], CELL_M)
