"""The ground raster (material of every 0.25 m cell) and the land use raster (1 m): painted back to front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import LAND_USE_ID
from sim_bridge.spec import Layout, Season
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.covers import choose_cover, greenness
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import U8, Grid, Street
from sim_bridge.world.parcels import LAND_USE_OF, Parcel
from sim_bridge.world.plan import Plan
from sim_bridge.world.shore import BEACH_M, Pier
from sim_bridge.world.streets import Network
from sim_bridge.world.surfaces import around_house, paint_parcel
from sim_bridge.world.terrain import Relief, smooth_noise, water_kind

CELL_M = 0.25
_BAND_ROWS = 128
_WALKS = {"rural": 0.0, "village": 0.2, "old_town": 0.35, "industrial": 0.5}
"""Chance that streets have pavements; elsewhere three in four."""


def paint_land_use(layout: Layout, parcels: Sequence[Parcel], network: Network, relief: Relief) -> Grid:
    """uint8 `classes.LAND_USE` at 1 m; streets and water on top of parcels, bridges on top of water."""
    canvas = Canvas.blank(layout.size_m, 1.0, np.uint8, LAND_USE_ID["vacant"])
    canvas.fill(network.open_land, LAND_USE_ID["field"])
    for parcel in parcels:
        canvas.fill(parcel.ring, LAND_USE_ID[LAND_USE_OF.get(parcel.use, "field")])
    canvas.fill(network.corridor, LAND_USE_ID["street"])
    for body in relief.water:
        canvas.fill(body, LAND_USE_ID["water"])
    for street in network.streets:
        if street.bridge:
            canvas.fill(shapely.LineString(street.line).buffer(street.width_m / 2), LAND_USE_ID["street"])
    return canvas.grid()


def paint_ground(layout: Layout, season: Season, parcels: Sequence[Parcel], plans: Sequence[Plan], network: Network,
                 relief: Relief, decks: Sequence[Pier], rng: np.random.Generator) -> Grid:
    """uint8 `materials.TABLE` index at 0.25 m. Bridges and piers are meshes: the raster shows the water below them."""
    canvas = Canvas.blank(layout.size_m, CELL_M, np.uint8)
    canvas.values[:] = _plots(layout, season, parcels, len(canvas.values), rng)
    for parcel in parcels:
        paint_parcel(canvas, parcel, season, rng)
    stands = Counter(plan.parcel for plan in plans)
    for plan in plans:
        around_house(canvas, parcels[plan.parcel], plan, stands[plan.parcel] == 1, rng)
    _paint_shore(canvas, layout, relief, decks)
    _paint_streets(canvas, layout, network, rng)
    for body in relief.water:
        _paint_water(canvas, water_kind(layout), body, rng)
    return canvas.grid()


def _paint_shore(canvas: Canvas, layout: Layout, relief: Relief, decks: Sequence[Pier]) -> None:
    """The promenade's flagstones above the beach, and a paved apron where piers begin."""
    if layout.settlement != "coastal" or relief.axis is None:
        return
    canvas.line(shapely.get_coordinates(shapely.offset_curve(relief.axis, BEACH_M - 3.5)), INDEX["flagstone"], 6.5)
    for pier in decks:
        canvas.fill(shapely.LineString(pier.line[:2]).buffer(13), INDEX["flagstone"])


def _paint_water(canvas: Canvas, kind: str, body: shapely.Polygon, rng: np.random.Generator) -> None:
    edge, name = {"sea": (rng.uniform(3, 6), "field_pale"), "quay": (1.0, "concrete")}.get(
        kind, (rng.uniform(1, 2.5), "soil"))
    ring = body.buffer(edge).difference(body)
    if kind == "sea":       # wet sand, a little darker
        canvas.fill(ring, INDEX["sand"])
        canvas.fill(body.buffer(0.35 * edge).difference(body), INDEX["field_dry"])
    else:
        canvas.fill(ring, INDEX[name])
    canvas.fill(body, INDEX["water"])


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
    covers = [choose_cover(use, green, season, rng) for use in ("verge", *(p.use for p in parcels))]
    names = np.array([[INDEX[m] for m in cover.materials] for cover in covers], np.uint8)
    shares = np.array([cover.shares for cover in covers], np.float32)
    noise = [_ranked_noise(layout, wavelengths, rng) for wavelengths in ((34.0, 9.0), (14.0, 4.5))]
    fine = [cv2.resize(layer, (n, n), interpolation=cv2.INTER_LINEAR) for layer in noise]
    values = np.empty((n, n), np.uint8)
    # in bands of rows, which stay in the processor's cache
    for rows in np.array_split(np.arange(n), max(n // _BAND_ROWS, 1)):
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        here = owner[band]
        values[band] = names[:, 0].take(here)
        for k in (0, 1):
            chosen = fine[k][band] < shares[:, k].take(here)
            values[band] = np.where(chosen, names[:, k + 1].take(here), values[band])
    return values


def _ranked_noise(layout: Layout, wavelengths: tuple[float, float],
                  rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Noise about uniform in [0, 1], 1 m cells: two scales of bumps, frayed by white noise."""
    coarse = 0.42 * smooth_noise(layout.size_m, 1.0, wavelengths[0], rng)
    coarse += 0.35 * smooth_noise(layout.size_m, 1.0, wavelengths[1], rng)
    coarse += 0.26 * rng.random(coarse.shape)
    counts, edges = np.histogram(coarse, 2048)
    return np.interp(coarse, edges[1:], np.cumsum(counts) / coarse.size).astype(np.float32)


def _paint_streets(canvas: Canvas, layout: Layout, network: Network, rng: np.random.Generator) -> None:
    order = {"track": 0, "path": 0, "rail": 1, "residential": 2, "cul_de_sac": 2, "primary": 3}
    ordered = sorted((s for s in network.streets if not s.bridge), key=lambda street: order[street.kind])
    lines = np.array([shapely.LineString(street.line) for street in ordered], dtype=object)
    width = np.array([street.width_m for street in ordered])
    if rng.random() < _WALKS.get(layout.settlement, 0.75):
        kerbs = np.array([street.kind not in ("track", "path", "rail") for street in ordered], bool)
        for walk in shapely.buffer(lines[kerbs], width[kerbs] / 2 + 1.3):
            canvas.fill(walk, INDEX["sidewalk"])
    worn = "asphalt_worn" if rng.random() < 0.75 else "asphalt"
    stone = layout.settlement == "old_town" and rng.random() < 0.7
    for street, area in zip(ordered, shapely.buffer(lines, width / 2), strict=True):
        lane = "cobble" if stone and street.width_m < 8 else worn
        name = {"primary": "asphalt", "track": "dirt_road", "path": "gravel", "rail": "ballast"}.get(street.kind, lane)
        canvas.fill(area, INDEX[name])
    for street in ordered:
        if street.kind == "primary":
            _markings(canvas, street)
        if street.kind == "rail":
            _stripes(canvas, street, [side * 2.1 + gauge for side in (-1, 1) for gauge in (-0.72, 0.72)], "rail")


def _markings(canvas: Canvas, street: Street) -> None:
    """Lines along both edges and the middle; roads of an old width have dashes in their middle only."""
    if street.width_m < 9:
        line = shapely.LineString(street.line)
        for s in np.arange(2.0, line.length - 3, 7.0):
            ends = shapely.get_coordinates(shapely.line_interpolate_point(line, np.array([s, s + 3.0])))
            canvas.line(ends, INDEX["road_marking"], CELL_M)
        return
    _stripes(canvas, street, [share * street.width_m for share in (-0.42, 0.0, 0.42)], "road_marking")


def _stripes(canvas: Canvas, street: Street, offsets: Sequence[float], name: str) -> None:
    line = shapely.LineString(street.line)
    for offset in offsets:
        side: shapely.Geometry = shapely.offset_curve(line, offset) if offset else line
        for part in shapely.get_parts(side):
            canvas.line(shapely.get_coordinates(part), INDEX[name], CELL_M)
