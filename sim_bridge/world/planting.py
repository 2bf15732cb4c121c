"""Where trees stand: woods, groups in fields, yards, orchards and hedgerows, rows along streets and shores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.classes import CLASS_ID
from sim_bridge.spec import Layout
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.fields import FIELDS
from sim_bridge.world.flora import grown
from sim_bridge.world.ground import owners
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Grid, Tree
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.plan import Plan
from sim_bridge.world.shapes import F64, turn
from sim_bridge.world.shore import BEACH_M
from sim_bridge.world.streets import Network
from sim_bridge.world.terrain import Relief, smooth_noise

Heights = Callable[[F64, F64], F64]
Places = tuple[F64, F64, npt.NDArray[np.str_]]

_SPACING_M = 4.6
_RATE = {"wood": 0.95, "savanna": 0.15, "meadow": 0.025, "field_dry": 0.006, "soil": 0.01, "house": 0.46,
         "mobile": 0.22, "farm": 0.20, "vacant": 0.14, "verge": 0.40, "park": 0.26, "apartments": 0.30, "complex": 0.16,
         "commercial": 0.45, "hotel": 0.30, "church": 0.30, "court": 0.2, "townhouse": 0.14, "shops": 0.08,
         "palace": 0.06, "camp": 0.45, "garden": 0.10, "quay": 0.06, "industry": 0.05, "warehouse": 0.03}
"""Trees per candidate place at tree_density 0.5, before clustering; none where a use is not named."""
_VERGE = {"industrial": 0.2, "old_town": 0.2, "coastal": 0.4, "riverside": 0.4}
"""How much of the usual growth land between parcels has."""
_CLOSED = 0.55
"""Share of places taken in a wood whose crowns close: more trees would only cost triangles."""
_OPEN = ("savanna", "meadow", "soil", "field_dry")
_SOFT = [k for k, m in enumerate(TABLE) if m.semantic in (CLASS_ID["bare"], CLASS_ID["grass"])]
_PITS = [*_SOFT, INDEX["flagstone"], INDEX["sidewalk"], INDEX["yard"]]
"""Where a tree may stand in a pit of its own."""
_IN_PITS = ("palm_row", "court", "quay", "street")


def plant(layout: Layout, relief: Relief, network: Network, parcels: Sequence[Parcel], plans: Sequence[Plan],
          ground: Grid, heights: Heights, rng: np.random.Generator) -> tuple[Tree, ...]:
    """Trees on soft ground or in pits, none with its trunk in a building; crowns may hang over roofs and streets."""
    half = layout.size_m / 2 - 1
    sets = [_scattered(layout, parcels, rng), _avenues(layout, network, rng), _hedges(layout, parcels, plans, rng),
            _by_the_house(layout, parcels, plans, rng), _orchards(layout, parcels, rng),
            _hedgerows(layout, parcels, rng), _promenade(layout, relief, rng)]
    x, y, use = (np.concatenate([s[k] for s in sets]) for k in range(3))
    built = _built(layout, plans)
    margin = np.where(np.isin(use, ["hedge", "palm_row"]), 0.4, np.where(use == "wall", 0.9, 1.4))
    below = ground.at(x, y)
    fits = np.where(np.isin(use, _IN_PITS), np.isin(below, _PITS), np.isin(below, _SOFT))
    keep = (np.maximum(np.abs(x), np.abs(y)) < half) & fits & (built.at(x, y) > margin)
    x, y, use = x[keep], y[keep], use[keep]
    return grown(layout, x, y, heights(x, y), use, rng)


def _scattered(layout: Layout, parcels: Sequence[Parcel], rng: np.random.Generator) -> Places:
    """A jittered lattice, thinned by each parcel's rate and by clusters about 40 m wide."""
    half = layout.size_m / 2
    axis = np.arange(-half + 1, half - 1, _SPACING_M)
    x, y = (g.ravel() + rng.uniform(-0.5, 0.5, g.size) * _SPACING_M for g in np.meshgrid(axis, axis))
    names = np.array(["verge", *(p.use for p in parcels)])
    grown_over = {"old": 1.25, "mid": 1.0, "new": 0.45}
    verge = _RATE["verge"] * _VERGE.get(layout.settlement, 1.0)
    rates = np.array([verge, *(_RATE.get(p.use, 0.0) * grown_over[p.era] for p in parcels)])
    owner = owners(layout, parcels, 1.0).at(x, y)
    use, rate = names[owner], 2 * layout.tree_density * rates[owner]
    cluster = Grid(smooth_noise(layout.size_m, 2.0, 40.0, rng), -half, -half, 2.0).at(x, y)
    density = np.where(np.isin(use, _OPEN), 6 * np.clip(cluster - 0.55, 0, 1), np.clip(2.2 * cluster - 0.1, 0.3, 1.6))
    chosen = rng.random(len(x)) < np.where(use == "wood", np.minimum(rate * density, _CLOSED), rate * density)
    return x[chosen], y[chosen], use[chosen]


def _avenues(layout: Layout, network: Network, rng: np.random.Generator) -> Places:
    """Rows of trees beside primary roads, with gaps, and single trees beside other streets."""
    points = [np.zeros((0, 2))]
    for street in network.streets:
        if street.bridge or street.kind == "rail" or (layout.settlement == "old_town" and street.width_m < 8):
            continue
        line = shapely.LineString(street.line)
        primary = street.kind == "primary"
        share = layout.tree_density * (rng.uniform(0.4, 1.5) if primary else rng.uniform(0.1, 0.5))
        for offset in (-1, 1):
            side = shapely.offset_curve(line, offset * (street.width_m / 2 + rng.uniform(3.0, 5.0)))
            steps = np.arange(3.0, side.length, 5.0 if primary else 9.0)
            chosen = steps[rng.random(len(steps)) < share]
            points.append(shapely.get_coordinates(shapely.line_interpolate_point(side, chosen)))
    flat = np.concatenate(points)
    flat = flat + rng.normal(0, 0.6, flat.shape)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "street")


def _hedges(layout: Layout, parcels: Sequence[Parcel], plans: Sequence[Plan], rng: np.random.Generator) -> Places:
    """Bushes side by side along a side of some lots with a house."""
    points = [np.zeros((0, 2))]
    for plan in plans:
        ring = parcels[plan.parcel].ring
        if plan.use != "house" or len(ring) != 4 or rng.random() > 0.5 * layout.tree_density:
            continue
        k = int(rng.integers(1, 4))
        a, b = ring[k], ring[(k + 1) % 4]
        length = float(np.hypot(*(b - a)))
        s = np.arange(1.0, length * rng.uniform(0.4, 1.0), 1.5)[:, None] / length
        points.append(a + s * (b - a))
    flat = np.concatenate(points)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "hedge")


def _by_the_house(layout: Layout, parcels: Sequence[Parcel], plans: Sequence[Plan], rng: np.random.Generator) -> Places:
    """Large trees a step or two from the walls of houses, whose crowns hang over the roof; few in new districts."""
    points = [np.zeros((0, 2))]
    share = {"old": 0.5, "mid": 0.3, "new": 0.06}
    for plan in plans:
        if plan.use not in ("house", "mobile_home", "apartments") or plan.look == "core":
            continue
        local = turn(plan.ring - plan.ring[0], -plan.yaw_deg)
        (x0, y0), (x1, y1) = local.min(axis=0), local.max(axis=0)
        for _ in range(2):
            if rng.random() > layout.tree_density * share[plan.era]:
                continue
            gap, s = rng.uniform(1.1, 2.6), rng.random()
            side = int(rng.choice(4, p=[0.15, 0.25, 0.35, 0.25]))
            place = np.array([(x0 + s * (x1 - x0), y0 - gap), (x1 + gap, y0 + s * (y1 - y0)),
                              (x0 + s * (x1 - x0), y1 + gap), (x0 - gap, y0 + s * (y1 - y0))][side])
            points.append((turn(place, plan.yaw_deg) + plan.ring[0])[None])
    flat = np.concatenate(points)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "wall")


def _orchards(layout: Layout, parcels: Sequence[Parcel], rng: np.random.Generator) -> Places:
    """Trees on a lattice along the rows, with gaps where one has died."""
    points = [np.zeros((0, 2))]
    for parcel in parcels:
        if parcel.use != "orchard" or layout.tree_density == 0:
            continue
        inside = parcel.polygon.buffer(-3.0)
        if inside.is_empty:
            continue
        local = turn(shapely.get_coordinates(inside), -parcel.yaw_deg)
        row, step = rng.uniform(5.0, 7.5), rng.uniform(4.2, 6.5)
        gx, gy = np.meshgrid(np.arange(local[:, 0].min(), local[:, 0].max(), step),
                             np.arange(local[:, 1].min(), local[:, 1].max(), row))
        grid = turn(np.column_stack([gx.ravel(), gy.ravel()]) + rng.normal(0, 0.15, (gx.size, 2)), parcel.yaw_deg)
        keep = shapely.contains_xy(inside, grid[:, 0], grid[:, 1]) & (rng.random(len(grid)) < 0.92)
        points.append(grid[keep])
    flat = np.concatenate(points)
    return flat[:, 0], flat[:, 1], np.full(len(flat), "orchard")


def _hedgerows(layout: Layout, parcels: Sequence[Parcel], rng: np.random.Generator) -> Places:
    """Bushes and trees between fields, closed where it is green, or a windbreak of one species; none in dry land."""
    points, uses = [np.zeros((0, 2))], [np.zeros(0, "U9")]
    for parcel in parcels:
        if parcel.use not in FIELDS or parcel.use == "wood":
            continue
        sides = np.roll(parcel.ring, -1, axis=0) - parcel.ring
        length = np.hypot(*sides.T)
        for k in np.flatnonzero(length > 25):
            windbreak = rng.random() < 0.12 * layout.tree_density
            hedge = rng.random() < 0.9 * layout.tree_density * (1 - layout.dryness)
            if not (hedge or windbreak):
                continue
            s = np.arange(1.0, length[k], 3.4 if windbreak else 2.1)
            s = s[rng.random(len(s)) < 0.85]
            line = parcel.ring[k] + s[:, None] * sides[k] / length[k]
            points.append(line + rng.normal(0, 0.25 if windbreak else 0.7, line.shape))
            mixed = np.where(rng.random(len(s)) < 0.22, "wood", "row_bush")
            uses.append(np.full(len(s), "windbreak") if windbreak else mixed.astype("U9"))
    flat = np.concatenate(points)
    return flat[:, 0], flat[:, 1], np.concatenate(uses)


def _promenade(layout: Layout, relief: Relief, rng: np.random.Generator) -> Places:
    """A row of trees in pits between promenade and beach."""
    if layout.settlement != "coastal" or relief.axis is None or layout.tree_density == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0, "U9")
    line = shapely.offset_curve(relief.axis, BEACH_M - 2.0)
    s = np.arange(4.0, line.length, rng.uniform(7, 11))
    flat = shapely.get_coordinates(shapely.line_interpolate_point(line, s[rng.random(len(s)) < 0.85]))
    return flat[:, 0], flat[:, 1], np.full(len(flat), "palm_row")


def _built(layout: Layout, plans: Sequence[Plan]) -> Grid:
    """Distance (m) to the nearest building, 0.5 m cells."""
    canvas = Canvas.blank(layout.size_m, 0.5, np.uint8, 1)
    for plan in plans:
        canvas.fill(plan.ring, 0)
    distance = cv2.distanceTransform(canvas.values, cv2.DIST_L2, 3) if plans else np.full(canvas.values.shape, 1e3)
    return Grid(distance * canvas.cell_m, -layout.size_m / 2, -layout.size_m / 2, canvas.cell_m)
