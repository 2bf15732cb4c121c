"""Where trees stand: woods, groups in fields, yards, streets; and hedges along some lots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import shapely

from sim_bridge.spec import Layout
from sim_bridge.world.ground import Canvas
from sim_bridge.world.homes import Plan
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Grid, Tree
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64
from sim_bridge.world.terrain import smooth_noise

Heights = Callable[[F64, F64], F64]
_SPACING_M = 4.6
_RATE = {"wood": 1.0, "savanna": 0.16, "meadow": 0.03, "field_dry": 0.006, "vineyard": 0.0, "field_green": 0.0,
         "soil": 0.0, "house": 0.24, "farm": 0.20, "vacant": 0.12, "park": 0.30, "apartments": 0.22,
         "commercial": 0.05}
"""Trees per candidate place at tree_density 0.5, before clustering."""


def plant(layout: Layout, parcels: Sequence[Parcel], plans: Sequence[Plan], ground: Grid, heights: Heights,
          rng: np.random.Generator) -> tuple[Tree, ...]:
    """Trees on soft ground, none with its trunk in a building; crowns may hang over roofs and streets."""
    x, y, use = _candidates(layout, parcels, rng)
    cluster = smooth_noise(layout.size_m, 2.0, 45.0, rng)
    n = len(cluster)
    half = layout.size_m / 2
    at = np.clip(((np.column_stack([y, x]) + half) / 2).astype(int), 0, n - 1)
    rate = np.array([_RATE.get(name, 0.1) for name in use]) * 2 * layout.tree_density
    accepted = rng.random(len(x)) < rate * (0.35 + 1.5 * np.clip(cluster[at[:, 0], at[:, 1]] * 1.6 - 0.4, 0, 1))
    soft = np.isin(ground.at(x, y), [k for k, m in enumerate(TABLE) if m.semantic in (4, 5)])
    keep = accepted & soft & ~_built(layout, plans, 1.4)(x, y)
    x, y, use = x[keep], y[keep], use[keep]
    base = heights(x, y)
    conifers = rng.uniform(0.03, 0.35)
    return tuple(_tree(float(px), float(py), float(pz), str(u), conifers, rng)
                 for px, py, pz, u in zip(x, y, base, use, strict=True))


def _candidates(layout: Layout, parcels: Sequence[Parcel],
                rng: np.random.Generator) -> tuple[F64, F64, np.ndarray[tuple[int], np.dtype[np.str_]]]:
    """Jittered lattice over the square, with the use of the parcel under each place."""
    half = layout.size_m / 2
    axis = np.arange(-half + 1, half - 1, _SPACING_M)
    gx, gy = np.meshgrid(axis, axis)
    x, y = (np.clip(g.ravel() + rng.uniform(-0.5, 0.5, g.size) * _SPACING_M, -half + 1, half - 1) for g in (gx, gy))
    n = round(layout.size_m)
    owner = Canvas(layout.size_m, layout.size_m / n, np.zeros((n, n), np.int32))
    for index, parcel in enumerate(parcels):
        owner.fill(parcel.ring, index + 1)
    names = np.array(["vacant", *(p.use for p in parcels)])
    return x, y, names[Grid(owner.values, -half, -half, layout.size_m / n).at(x, y)]


def _built(layout: Layout, plans: Sequence[Plan], margin_m: float) -> Callable[[F64, F64], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Test for points within `margin_m` of a building."""
    n = round(layout.size_m * 2)
    canvas = Canvas(layout.size_m, layout.size_m / n, np.zeros((n, n), np.uint8))
    for plan in plans:
        canvas.fill(plan.ring, 1)
    reach = 2 * round(margin_m * 2) + 1
    grid = Grid(cv2.dilate(canvas.values, np.ones((reach, reach), np.uint8)), -layout.size_m / 2, -layout.size_m / 2,
                layout.size_m / n)
    return lambda x, y: grid.at(x, y) > 0


def _tree(x: float, y: float, base: float, use: str, conifers: float, rng: np.random.Generator) -> Tree:
    if use in ("house", "vacant") and rng.random() < 0.3:
        return Tree(x, y, base, rng.uniform(0.8, 2.4), rng.uniform(0.7, 1.6), "hedge")
    conifer = rng.random() < conifers
    radius = float(np.clip(rng.lognormal(np.log(2.4 if conifer else 3.1), 0.35), 1.2, 6.5))
    height = radius * (rng.uniform(3.2, 4.6) if conifer else rng.uniform(1.9, 2.7))
    return Tree(x, y, base, float(height), radius, "conifer" if conifer else "broadleaf")
