"""Where trees stand: woods, groups in fields, yards, rows along primary roads; hedges along some lots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Layout
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.ground import owners
from sim_bridge.world.homes import Plan
from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Grid, Tree
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64
from sim_bridge.world.streets import Network
from sim_bridge.world.terrain import smooth_noise

Heights = Callable[[F64, F64], F64]
_SPACING_M = 4.6
_RATE = {"wood": 0.95, "savanna": 0.15, "meadow": 0.025, "field_dry": 0.006, "vineyard": 0.0, "field_green": 0.0,
         "soil": 0.01, "house": 0.52, "mobile": 0.22, "farm": 0.20, "vacant": 0.14, "verge": 0.40, "park": 0.26,
         "apartments": 0.30, "commercial": 0.45}
"""Trees per candidate place at tree_density 0.5, before clustering."""
_RADIUS_M = {"wood": 3.5, "savanna": 4.8, "park": 3.6, "meadow": 4.2, "field_dry": 4.2, "commercial": 2.2, "verge": 3.0}
_CLOSED = 0.55
"""Share of places taken in a wood whose crowns close: more trees would only cost triangles."""
_SHRUBBY = ("house", "mobile", "vacant", "farm", "savanna", "meadow", "verge")
"""Where every third plant is a shrub."""
_SOFT = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["bare"], CLASS_ID["grass"])]


def plant(layout: Layout, network: Network, parcels: Sequence[Parcel], plans: Sequence[Plan], ground: Grid,
          heights: Heights, rng: np.random.Generator) -> tuple[Tree, ...]:
    """Trees on soft ground, none with its trunk in a building; crowns may hang over roofs and streets."""
    half = layout.size_m / 2 - 1
    sets = [_scattered(layout, parcels, rng), _avenues(layout, network, rng), _hedges(layout, parcels, plans, rng)]
    x, y, use = (np.concatenate([s[k] for s in sets]) for k in range(3))
    built = _built(layout, plans)
    margin = np.where(use == "hedge", 0.4, 1.4)
    keep = (np.maximum(np.abs(x), np.abs(y)) < half) & np.isin(ground.at(x, y), _SOFT) & (built.at(x, y) > margin)
    x, y, use = x[keep], y[keep], use[keep]
    conifers = rng.uniform(0.03, 0.35)
    return tuple(_tree(float(px), float(py), float(pz), str(u), conifers, rng)
                 for px, py, pz, u in zip(x, y, heights(x, y), use, strict=True))


Places = tuple[F64, F64, npt.NDArray[np.str_]]


def _scattered(layout: Layout, parcels: Sequence[Parcel], rng: np.random.Generator) -> Places:
    """A jittered lattice, thinned by each parcel's rate and by clusters about 40 m wide."""
    half = layout.size_m / 2
    axis = np.arange(-half + 1, half - 1, _SPACING_M)
    x, y = (g.ravel() + rng.uniform(-0.5, 0.5, g.size) * _SPACING_M for g in np.meshgrid(axis, axis))
    names = np.array(["verge", *(p.use for p in parcels)])
    use = names[owners(layout, parcels, 1.0).at(x, y)]
    rate = 2 * layout.tree_density * np.array([_RATE[name] for name in names])
    rate = rate[owners(layout, parcels, 1.0).at(x, y)]
    cluster = Grid(smooth_noise(layout.size_m, 2.0, 40.0, rng), -half, -half, 2.0).at(x, y)
    density = np.where(np.isin(use, ["savanna", "meadow", "soil", "field_dry"]), 6 * np.clip(cluster - 0.55, 0, 1),
                       np.clip(2.2 * cluster - 0.1, 0.3, 1.6))
    chosen = rng.random(len(x)) < np.where(use == "wood", np.minimum(rate * density, _CLOSED), rate * density)
    return x[chosen], y[chosen], use[chosen]


def _avenues(layout: Layout, network: Network, rng: np.random.Generator) -> Places:
    """Rows of trees beside primary roads, with gaps, and single trees beside other streets."""
    points = []
    for street in network.streets:
        line = shapely.LineString(street.line)
        primary = street.kind == "primary"
        share = layout.tree_density * (rng.uniform(0.4, 1.5) if primary else rng.uniform(0.1, 0.5))
        for offset in (-1, 1):
            side = shapely.offset_curve(line, offset * (street.width_m / 2 + rng.uniform(3.0, 5.0)))
            steps = np.arange(3.0, side.length, 5.0 if primary else 9.0)
            chosen = steps[rng.random(len(steps)) < share]
            points.append(shapely.get_coordinates(shapely.line_interpolate_point(side, chosen)))
    flat = np.concatenate(points) if points else np.zeros((0, 2))
    flat = flat + rng.normal(0, 0.6, flat.shape)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "verge")


def _hedges(layout: Layout, parcels: Sequence[Parcel], plans: Sequence[Plan], rng: np.random.Generator) -> Places:
    """Bushes side by side along a side of some lots with a house."""
    points = [np.zeros((0, 2))]
    for plan in plans:
        if plan.use != "house" or rng.random() > 0.5 * layout.tree_density:
            continue
        ring = parcels[plan.parcel].ring
        k = int(rng.integers(1, 4))
        a, b = ring[k], ring[(k + 1) % 4]
        length = float(np.hypot(*(b - a)))
        s = np.arange(1.0, length * rng.uniform(0.4, 1.0), 1.5)[:, None] / length
        points.append(a + s * (b - a))
    flat = np.concatenate(points)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "hedge")


def _built(layout: Layout, plans: Sequence[Plan]) -> Grid:
    """Distance (m) to the nearest building, 0.5 m cells."""
    canvas = Canvas.blank(layout.size_m, 0.5, np.uint8, 1)
    for plan in plans:
        canvas.fill(plan.ring, 0)
    distance = cv2.distanceTransform(canvas.values, cv2.DIST_L2, 3) if plans else np.full(canvas.values.shape, 1e3)
    return Grid(distance * canvas.cell_m, -layout.size_m / 2, -layout.size_m / 2, canvas.cell_m)


def _tree(x: float, y: float, base: float, use: str, conifers: float, rng: np.random.Generator) -> Tree:
    if use == "hedge":
        return Tree(x, y, base, rng.uniform(1.3, 2.2), rng.uniform(0.8, 1.1), "hedge")
    if use in _SHRUBBY and rng.random() < 0.3:
        return Tree(x, y, base, rng.uniform(0.8, 2.4), rng.uniform(0.7, 1.6), "hedge")
    conifer = rng.random() < conifers
    middle = _RADIUS_M.get(use, 2.9) * (0.75 if conifer else 1.0)
    radius = float(np.clip(rng.lognormal(np.log(middle), 0.38), 1.2, 8.0))
    height = radius * (rng.uniform(3.4, 5.0) if conifer else rng.uniform(1.9, 2.7))
    return Tree(x, y, base, float(height), radius, "conifer" if conifer else "broadleaf")
