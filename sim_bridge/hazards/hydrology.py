"""Water over a relief: connected stages, rain that runs off and fills hollows, and how fast the water moves.

Runoff: the curve number method (NRCS, TR-55, equations 2-3 and 2-4). Hollows: a hierarchy of depressions that fill,
spill into their neighbours and merge (Barnes, Callaghan & Wickert 2021, doi 10.5194/esurf-9-105-2021), so that every
litre of runoff stands somewhere or has left over the edge. Speed: the zero-inertia equation with Manning's friction,
made linear about a reference slope: depth-averaged, steady, driven by the river's fall or by the water that fills the
flooded ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg

from sim_bridge.hazards.common import F64, Bool

I64 = npt.NDArray[np.int64]

_SLOPE = 1e-3
"""Fall of a lowland river, and the slope about which friction is made linear."""
_FASTEST_MS = 3.5


def runoff_mm(rain_mm: float, curve_number: npt.ArrayLike) -> F64:
    """Rain that runs off ground of a curve number (30 to 100), mm."""
    storage = 25400 / np.asarray(curve_number, np.float64) - 254
    excess = np.maximum(rain_mm - 0.2 * storage, 0.0)
    return np.asarray(excess**2 / np.maximum(rain_mm + 0.8 * storage, 1e-9))


def connected(above_m: F64, source: Bool) -> Bool:
    """Cells below the water (above_m < 0) that are connected, across edges, to the source's cells."""
    labels, _ = scipy.ndimage.label(above_m < 0)
    fed = np.unique(labels[source])
    return np.asarray(np.isin(labels, fed[fed > 0]))


@dataclass(frozen=True)
class Ponds:
    """Level of the water standing in each cell (ny, nx), NaN where it is dry, and what left over the edge, m3."""

    level_m: F64
    left_m3: float


def ponds(height_m: F64, runoff_m: F64, cell_m: float) -> Ponds:
    """Fills the hollows of a relief (ny, nx) with the runoff (depth, m, same shape) of their catchments.

    The border is open: what comes to it is gone. Water is flat within each pond, and its volume and what left add up
    to the runoff's.
    """
    area = cell_m**2
    ny, nx = height_m.shape
    flat = np.ascontiguousarray(height_m, np.float64).ravel()
    order: I64 = np.argsort(flat, kind="stable").astype(np.int64)
    steepest = _downhill(height_m)
    parent, saddle, leaf = _hierarchy(flat, order, ny, nx)
    sink = _sinks(order, steepest, leaf)
    inflow: F64 = np.bincount(sink, runoff_m.ravel() * area, len(parent)).astype(np.float64)
    volume = _capacities(flat, leaf, parent, saddle) * area
    pond, water, left = _settle(parent, volume, inflow)
    level = _levels(flat, order, pond[leaf], water / area)
    return Ponds(np.where(level > flat, level, np.nan).reshape(ny, nx), left)


def _downhill(height_m: F64) -> I64:
    """Flat index of the neighbour (of 8) to which the ground falls most steeply; the cell itself in a pit."""
    ny, nx = height_m.shape
    number = np.arange(ny * nx).reshape(ny, nx)
    padded, names = np.pad(height_m, 1, constant_values=np.inf), np.pad(number, 1, constant_values=0)
    best, target = np.zeros((ny, nx)), number.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dx or dy:
                window = (slice(1 + dy, ny + 1 + dy), slice(1 + dx, nx + 1 + dx))
                fall = (height_m - padded[window]) / np.hypot(dx, dy)
                better = fall > best
                best[better], target[better] = fall[better], names[window][better]
    return np.asarray(target.ravel(), np.int64)


@numba.njit(cache=True)
def _find(root: npt.NDArray[np.int64], i: int) -> int:
    while root[i] != i:
        root[i] = root[root[i]]
        i = root[i]
    return i


@numba.njit(cache=True)
def _hierarchy(flat: npt.NDArray[np.float64], order: npt.NDArray[np.int64], ny: int,
               nx: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Tree of depressions: parent and height of the saddle at which each one spills (node 0: outside), and the node
    that each cell belongs to when it is first flooded."""
    limit = 2 * flat.size + 1
    parent, saddle = np.full(limit, -1, np.int64), np.full(limit, np.inf)
    leaf, root = np.full(flat.size, -1, np.int64), np.arange(limit)
    count = 1
    for cell in order:
        y, x = cell // nx, cell % nx
        mine = 0 if y == 0 or x == 0 or y == ny - 1 or x == nx - 1 else -1
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                v, u = y + dy, x + dx
                if 0 <= v < ny and 0 <= u < nx and leaf[v * nx + u] >= 0:
                    other = _find(root, leaf[v * nx + u])
                    if mine < 0:
                        mine = other
                    elif other != mine:
                        if mine == 0 or other == 0:
                            inner = other if mine == 0 else mine
                            parent[inner], saddle[inner], root[inner] = 0, flat[cell], 0
                            mine = 0
                        else:
                            for child in (mine, other):
                                parent[child], saddle[child], root[child] = count, flat[cell], count
                            mine = count
                            count += 1
        if mine < 0:
            mine = count
            count += 1
        leaf[cell] = mine
    return parent[:count], saddle[:count], leaf


@numba.njit(cache=True)
def _sinks(order: npt.NDArray[np.int64], steepest: npt.NDArray[np.int64],
           leaf: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The leaf of the hierarchy (or the outside, 0) into which each cell drains."""
    sink = np.zeros(leaf.size, np.int64)
    for cell in order:
        sink[cell] = leaf[cell] if steepest[cell] == cell else sink[steepest[cell]]
    return sink


@numba.njit(cache=True)
def _capacities(flat: npt.NDArray[np.float64], leaf: npt.NDArray[np.int64], parent: npt.NDArray[np.int64],
                saddle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Space below each node's saddle, in metres of water over one cell."""
    cells, heights = np.zeros(parent.size), np.zeros(parent.size)
    for cell in range(leaf.size):
        cells[leaf[cell]] += 1
        heights[leaf[cell]] += flat[cell]
    volume = np.zeros(parent.size)
    # children have smaller numbers than their parents
    for node in range(1, parent.size):
        volume[node] = saddle[node] * cells[node] - heights[node]
        if parent[node] > 0:
            cells[parent[node]] += cells[node]
            heights[parent[node]] += heights[node]
    return volume


@numba.njit(cache=True)
def _settle(parent: npt.NDArray[np.int64], volume: npt.NDArray[np.float64], inflow: npt.NDArray[np.float64],
            ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], float]:
    """The node whose pond stands in each node (-1: none), the water of that pond, and what left over the edge.

    Upwards, inflow adds up; downwards it is handed to the children, of which a full one spills into the other. Where
    both are full, they are one pond.
    """
    count = parent.size
    first, second = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    total = inflow.copy()
    for node in range(1, count):
        up = parent[node]
        if up > 0:
            total[up] += total[node]
            if first[up] < 0:
                first[up] = node
            else:
                second[up] = node
    pond, water, left = np.full(count, -1, np.int64), np.zeros(count), inflow[0]
    for node in range(count - 1, 0, -1):
        a, b = first[node], second[node]
        if parent[node] <= 0:
            water[node] = min(total[node], volume[node])
            left += total[node] - water[node]
        elif pond[parent[node]] >= 0:
            pond[node] = pond[parent[node]]
            continue
        if a < 0 or water[node] >= volume[a] + volume[b]:
            pond[node] = node if water[node] > 0 else -1
            continue
        extra = water[node] - total[a] - total[b]
        own_a = total[a] + (extra if volume[a] - total[a] >= volume[b] - total[b] else 0.0)
        own_a = min(max(own_a, water[node] - volume[b]), volume[a])
        water[a], water[b] = own_a, water[node] - own_a
    return pond, water, left


@numba.njit(cache=True)
def _levels(flat: npt.NDArray[np.float64], order: npt.NDArray[np.int64], pond: npt.NDArray[np.int64],
            water_cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Level over each cell (-inf without a pond): that at which the pond's cells hold its water."""
    count, heights = np.zeros(water_cells.size), np.zeros(water_cells.size)
    full = np.zeros(water_cells.size, np.bool_)
    for cell in order:
        own = pond[cell]
        if own >= 0 and not full[own]:
            if count[own] > 0 and water_cells[own] + heights[own] <= flat[cell] * count[own]:
                full[own] = True
            else:
                count[own] += 1
                heights[own] += flat[cell]
    level = np.full(flat.size, -np.inf)
    for cell in range(flat.size):
        own = pond[cell]
        if own >= 0 and count[own] > 0:
            level[cell] = (water_cells[own] + heights[own]) / count[own]
    return level


def flow(depth_m: F64, source: Bool, head_m: F64, cell_m: float, manning: float | F64 = 0.05,
         rise_m_s: float = 0.0) -> tuple[F64, F64]:
    """Velocity of the water (ny, nx), towards east and towards north, m/s; 0 where it is dry.

    source: cells that hold their head `head_m` (the ends of a river, the sea); elsewhere the water rises by rise_m_s.
    Solves div(h^(5/3) / (n sqrt(S)) grad(head)) = rise with S = 0.001.
    """
    wet = depth_m > 0.02
    number = np.full(depth_m.shape, -1)
    number[wet] = np.arange(int(wet.sum()))
    zero = np.zeros(depth_m.shape)
    if not (wet & source).any():
        return zero, zero
    conveyance = np.where(wet, np.maximum(depth_m, 0.0) ** (5 / 3), 0) / (np.asarray(manning) * _SLOPE**0.5)
    head = _solved(number, conveyance, wet & source, head_m, rise_m_s * cell_m**2)
    east, north = np.zeros(depth_m.shape), np.zeros(depth_m.shape)
    speed = np.where(wet, conveyance / np.maximum(depth_m, 0.05), 0.0) / cell_m
    for axis, out in ((1, east), (0, north)):
        for step in (1, -1):
            other = np.roll(head, -step, axis)
            known = wet & np.roll(wet, -step, axis)
            edge: list[slice | int] = [slice(None), slice(None)]
            edge[axis] = -1 if step == 1 else 0
            known[tuple(edge)] = False
            out += np.where(known, step * (head - other), 0.0) * speed / 2
    fast = np.maximum(np.hypot(east, north) / _FASTEST_MS, 1.0)
    return np.asarray(east / fast), np.asarray(north / fast)


def _solved(number: I64, conveyance: F64, fixed: Bool, head_m: F64, gain: float) -> F64:
    """Head of every wet cell; cells that no fixed one is connected to keep 0."""
    count = int(number.max()) + 1
    rows, columns, weights = [], [], []
    for a, b, k, m in ((number[:, :-1], number[:, 1:], conveyance[:, :-1], conveyance[:, 1:]),
                       (number[:-1], number[1:], conveyance[:-1], conveyance[1:])):
        both = (a >= 0) & (b >= 0)
        rows.append(a[both])
        columns.append(b[both])
        weights.append(2 * k[both] * m[both] / (k[both] + m[both]))
    i, j, w = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    links = scipy.sparse.coo_array((np.concatenate([w, w]), (np.concatenate([i, j]), np.concatenate([j, i]))),
                                   shape=(count, count)).tocsr()
    known = fixed[number >= 0]
    _, label = scipy.sparse.csgraph.connected_components(links, directed=False)
    fed = np.isin(label, np.unique(label[known]))
    free = fed & ~known
    head = np.where(known, head_m[number >= 0], 0.0)
    if free.any():
        total = np.asarray(links.sum(axis=1)).ravel()
        matrix = scipy.sparse.diags_array(total[free]) - links[free][:, free]
        right = links[free][:, known] @ head[known] - gain
        head[free] = scipy.sparse.linalg.spsolve(matrix.tocsc(), right)
    out = np.zeros(number.shape)
    out[number >= 0] = head
    return out
