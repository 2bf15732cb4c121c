"""Sports grounds and solar fields: large, flat, regular and no building, which is what they teach.

Sizes are those of the games' rules: tennis 23.77 m x 10.97 m (ITF, doubles), football about 100 m x 64 m (IFAB), a
baseball diamond of 27.43 m between bases (MLB).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sim_bridge.world.canvas import Canvas
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import F64, mesh_of, turn

Heights = Callable[[F64, F64], F64]
_TENNIS_M = (23.77, 10.97)
_APRON_M = (6.0, 3.6)
"""Run-back behind and beside a tennis court, to its fence."""
_DIAMOND_M = 27.43
_SURFACES = (("court_green", "court_red"), ("court_blue", "court_green"), ("court_green", "court_green"),
             ("court_red", "court_green"), ("concrete", "concrete"))
"""Court and apron."""


def local_size(parcel: Parcel) -> tuple[float, float]:
    """Width along the street side and depth of a lot, metres."""
    local = turn(parcel.ring - parcel.ring[0], -parcel.yaw_deg)
    return float(np.ptp(local[:, 0])), float(np.ptp(local[:, 1]))


def paint_sports(canvas: Canvas, parcel: Parcel, rng: np.random.Generator) -> None:
    """What fits a park: tennis courts, a football pitch or a baseball field."""
    width, depth = local_size(parcel)
    choice = rng.random()
    if width > 70 and depth > 70 and choice < 0.35:
        paint_ballfield(canvas, parcel, (width, depth), rng)
    elif width > 60 and depth > 45 and choice < 0.65:
        paint_pitch(canvas, parcel, (width, depth))
    elif width > 40 and depth > 22:
        paint_tennis(canvas, parcel, (2.0, 2.0), max(1, min(int((width - 4) // 36), 3)), rng)


def paint_tennis(canvas: Canvas, parcel: Parcel, corner: tuple[float, float], count: int,
                 rng: np.random.Generator) -> None:
    """A row of `count` courts from `corner` (m, in the lot's frame), each on its apron, with white lines."""
    court, apron = _SURFACES[int(rng.integers(len(_SURFACES)))]
    step = _TENNIS_M[0] + 2 * _APRON_M[0]
    x, y = corner
    _box(canvas, parcel, (x, y, x + count * step, y + _TENNIS_M[1] + 2 * _APRON_M[1]), apron)
    for k in range(count):
        x0, y0 = x + k * step + _APRON_M[0], y + _APRON_M[1]
        _box(canvas, parcel, (x0, y0, x0 + _TENNIS_M[0], y0 + _TENNIS_M[1]), court)
        for line in _tennis_lines():
            _line(canvas, parcel, line + np.array([x0, y0]), "court_line")


def _tennis_lines() -> list[F64]:
    """Outline, singles lines, net and the line between the service boxes, from the court's corner."""
    long, wide = _TENNIS_M
    ends = [((0, 0), (long, 0)), ((0, wide), (long, wide)), ((0, 0), (0, wide)), ((long, 0), (long, wide)),
            ((0, 1.37), (long, 1.37)), ((0, wide - 1.37), (long, wide - 1.37)), ((long / 2, 0), (long / 2, wide)),
            ((5.49, wide / 2), (long - 5.49, wide / 2))]
    return [np.array(end, np.float64) for end in ends]


def paint_pitch(canvas: Canvas, parcel: Parcel, size: tuple[float, float]) -> None:
    """A football pitch as large as the lot allows, with mown stripes and its lines."""
    w, d = min(size[0] - 6, 105.0), min(size[1] - 6, 68.0)
    x, y = (size[0] - w) / 2, (size[1] - d) / 2
    for k, left in enumerate(np.arange(0, w, 5.5)):
        _box(canvas, parcel, (x + left, y, x + min(left + 5.5, w), y + d), ("pitch", "pitch_mown")[k % 2])
    rect = np.array([[x, y], [x + w, y], [x + w, y + d], [x, y + d], [x, y]])
    _line(canvas, parcel, rect, "court_line")
    _line(canvas, parcel, np.array([[x + w / 2, y], [x + w / 2, y + d]]), "court_line")
    angle = np.linspace(0, 2 * math.pi, 33)
    _line(canvas, parcel, np.column_stack([np.cos(angle), np.sin(angle)]) * 9.15 + (x + w / 2, y + d / 2), "court_line")


def paint_ballfield(canvas: Canvas, parcel: Parcel, size: tuple[float, float], rng: np.random.Generator) -> None:
    """A baseball field in one corner: outfield, skinned infield, grass within the diamond, the mound."""
    reach = min(size[0], size[1], 100.0) - 6
    home = np.array([4.0, 4.0])
    angle = np.linspace(0, math.pi / 2, 20)
    for radius, name in ((reach, "pitch"), (min(_DIAMOND_M * 1.15 * math.sqrt(2), reach * 0.55), "infield")):
        arc = np.column_stack([np.cos(angle), np.sin(angle)]) * radius
        canvas.fill(_world(parcel, np.vstack([[0, 0], arc]) + home), INDEX[name])
    _box(canvas, parcel, (home[0] + 3, home[1] + 3, home[0] + _DIAMOND_M - 2, home[1] + _DIAMOND_M - 2), "pitch")
    mound = np.column_stack([np.cos(4 * angle), np.sin(4 * angle)]) * 2.7 + home + _DIAMOND_M / 2
    canvas.fill(_world(parcel, mound), INDEX["infield"])


def solar_rows(parcel: Parcel, heights: Heights, rng: np.random.Generator) -> Mesh:
    """Rows of panels on posts across a lot, tilted to the south, low edge 0.6 m above the ground; two faces a piece."""
    width, depth = local_size(parcel)
    pitch = rng.uniform(6.0, 8.0)
    local = turn(parcel.ring - parcel.ring[0], -parcel.yaw_deg)
    x, y = np.meshgrid(np.arange(local[:, 0].min() + 3, local[:, 0].min() + width - 10, 8.0),
                       np.arange(4.0, depth - 6, pitch))
    if not x.size:
        return Mesh.empty()
    a = np.column_stack([x.ravel(), y.ravel()])
    corners = a[:, None] + np.array([[0, 0], [7.9, 0], [7.9, 3.6], [0, 3.6]])                     # (N, 4, 2)
    flat = _world(parcel, corners.reshape(-1, 2))
    base = np.repeat(heights(flat[::4, 0], flat[::4, 1]), 4)
    z = base + 0.6 + np.tile([0.0, 0.0, 1.7, 1.7], len(a))
    first = np.arange(len(a))[:, None] * 4
    faces = np.concatenate([first + np.array(half) for half in ([0, 1, 2], [0, 2, 3])])
    return mesh_of(np.column_stack([flat, z]), faces, "solar_ground")


def solar_mesh(parcels: Sequence[Parcel], heights: Heights, rng: np.random.Generator) -> Mesh:
    """Panels of every lot whose use is `solar`."""
    return Mesh.concatenate([solar_rows(parcel, heights, rng) for parcel in parcels if parcel.use == "solar"])


def _world(parcel: Parcel, local: F64) -> F64:
    return np.asarray(turn(np.asarray(local, np.float64), parcel.yaw_deg) + parcel.ring[0])


def _box(canvas: Canvas, parcel: Parcel, rect: tuple[float, float, float, float], name: str) -> None:
    x0, y0, x1, y1 = rect
    canvas.fill(_world(parcel, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])), INDEX[name])


def _line(canvas: Canvas, parcel: Parcel, local: F64, name: str) -> None:
    canvas.line(_world(parcel, local), INDEX[name], canvas.cell_m)
