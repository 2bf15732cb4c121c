"""Ground of a real place: known heights (contours, bases of buildings) or noise of `layout.relief_m`, and its water."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.interpolate
import scipy.spatial
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.model import Grid, Mesh
from sim_bridge.world.places.survey import F64, Survey
from sim_bridge.world.shapes import cap
from sim_bridge.world.terrain import CELL_M, level_pads, smooth_noise

_BANK_M, _BED_M = 0.8, 1.8


@dataclass(frozen=True)
class Land:
    """Terrain nodes (`World.terrain`), z of each body of water, whether heights are guessed, height of z 0."""

    terrain: Grid
    levels_m: tuple[float, ...]
    guessed: bool
    datum_m: float


def land_of(survey: Survey, water: Sequence[shapely.Polygon], layout: Layout, rng: np.random.Generator) -> Land:
    """Terrain with level pads under buildings and beds under water; its lowest dry ground is near z 0."""
    nodes = round(layout.size_m / CELL_M) + 1
    axis = np.linspace(-layout.size_m / 2, layout.size_m / 2, nodes)
    x, y = np.meshgrid(axis, axis)
    known = len(survey.heights) > 0
    height = _interpolated(survey.heights, x, y) if known else _noise(layout, water, x, y, rng)
    datum = float(height.min()) if known else 0.0
    height = height - datum
    levels = []
    for body in water:
        level, height = _sunk(body, height, x, y, known)
        levels.append(level)
    terrain = Grid(height.astype(np.float32), -layout.size_m / 2, -layout.size_m / 2, layout.size_m / (nodes - 1))
    rings = [np.asarray(f.polygon.exterior.coords)[:-1] for f in survey.footprints]
    return Land(level_pads(terrain, rings), tuple(levels), not known, datum)


def water_surfaces(water: Sequence[shapely.Polygon], land: Land) -> Mesh:
    """The surface of all bodies of water, each at its own level."""
    return Mesh.concatenate([cap(body, level, "water") for body, level in zip(water, land.levels_m, strict=True)])


def _noise(layout: Layout, water: Sequence[shapely.Polygon], x: F64, y: F64, rng: np.random.Generator) -> F64:
    """Two scales of bumps that run out to a bank of 0.8 m along water, whose level is 0."""
    n, span = len(x), (len(x) + 1) * CELL_M
    bumps = smooth_noise(span, CELL_M, max(layout.size_m / 2.2, 60.0), rng)[:n, :n]
    bumps = bumps + 0.1 * smooth_noise(span, CELL_M, 80.0, rng)[:n, :n]
    unit = (bumps - bumps.min()) / max(float(np.ptp(bumps)), 1e-9)
    if not water:
        return np.asarray(layout.relief_m * unit)
    distance = shapely.distance(shapely.points(x, y), shapely.union_all(list(water)))
    return np.asarray(_BANK_M + layout.relief_m * unit * (1 - np.exp(-distance / 120.0)))


def _interpolated(points: F64, x: F64, y: F64) -> F64:
    """Heights linear between known points, the nearest one's beyond them, smoothed over 15 m."""
    nearest = scipy.interpolate.griddata(points[:, :2], points[:, 2], (x, y), method="nearest")
    try:
        linear = scipy.interpolate.griddata(points[:, :2], points[:, 2], (x, y), method="linear")
    except scipy.spatial.QhullError:                                    # fewer than three points, or all on a line
        linear = nearest
    return np.asarray(cv2.GaussianBlur(np.where(np.isnan(linear), nearest, linear), (0, 0), 15.0 / CELL_M))


def _sunk(body: shapely.Polygon, height: F64, x: F64, y: F64, known: bool) -> tuple[float, F64]:
    """Level of a body of water, and the terrain with its bed."""
    shapely.prepare(body)
    inside = shapely.contains_xy(body, x, y)
    centre = body.representative_point()
    if not known:
        level = 0.0
    elif inside.any():
        level = float(np.quantile(height[inside], 0.1)) - 0.3
    else:
        level = float(height.flat[int(np.argmin((x - centre.x) ** 2 + (y - centre.y) ** 2))]) - 0.3
    edge = shapely.distance(shapely.points(x[inside], y[inside]), body.boundary)
    bed = height.copy()
    bed[inside] = np.minimum(bed[inside], level - 0.4 - (_BED_M - 0.4) * np.minimum(edge / 5.0, 1.0))
    if known:
        return level, bed
    return level, np.where(inside, bed, np.maximum(bed, level + 0.3 * _BANK_M))
