"""Trees, palms, bushes and hedges as meshes, the same for the same plant whoever asks.

A crown is a heap of lobes, so that its outline is ragged and lobes shade one another; tiers of ragged skirts make a
conifer, blades a palm, and thin twigs a tree in winter. All plants of a form are made at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh, Tree
from sim_bridge.world.shapes import F64, I64, hash_unit, mesh_of
from sim_bridge.world.species import SPECIES, Form, Species, crown_material

__all__ = ["SPECIES", "Species", "crown_material", "tree_mesh", "trees_mesh"]

_GOLDEN = np.pi * (3 - 5**0.5)


@dataclass(frozen=True)
class _Habit:
    """How lobes fill a crown. clear: share of the height below the crown; reach, size: of lobes, shares of the radius;
    low, high: heights of the lobes' middles, share of half the crown; tall: height of a lobe, share of the same.
    lobes: for small, middling and large crowns."""

    clear: float
    reach: float
    size: float
    low: float
    high: float
    tall: float
    lobes: tuple[int, int, int]


_HABITS: dict[Form, _Habit] = {
    "round": _Habit(0.12, 0.56, 0.50, -0.52, 0.44, 0.56, (5, 8, 11)),
    "spreading": _Habit(0.15, 0.62, 0.44, -0.42, 0.48, 0.52, (6, 9, 12)),
    "upright": _Habit(0.12, 0.46, 0.52, -0.60, 0.55, 0.46, (5, 8, 10)),
    "column": _Habit(0.10, 0.18, 0.80, -0.72, 0.66, 0.36, (5, 5, 5)),
    "umbrella": _Habit(0.56, 0.58, 0.46, -0.10, 0.40, 0.60, (5, 8, 10)),
    "bush": _Habit(0.0, 0.36, 0.70, -0.30, 0.20, 0.80, (2, 3, 4)),
    "hedge": _Habit(0.0, 0.0, 1.05, 0.0, 0.0, 1.0, (1, 1, 1)),
}
_SMALL_M, _LARGE_M = 2.0, 3.8
"""Crown radii at which a crown gets more lobes."""
_TIERS = ((0.14, 0.50, 1.0), (0.34, 0.66, 0.80), (0.54, 0.83, 0.56), (0.72, 1.0, 0.34))
"""Skirts of a conifer: foot and top (shares of the height) and radius (share of the crown's)."""
_SPOKES = 10
_TWIGS = (50, 84, 130)
"""Of small, middling and large crowns."""
_FRONDS = 11
_TRUNKLESS = ("bush", "hedge")


def tree_mesh(tree: Tree, crown: str) -> Mesh:
    """One tree whose crown has the material named `crown`."""
    return trees_mesh([tree], [crown])


def trees_mesh(trees: Sequence[Tree], crowns: Sequence[str]) -> Mesh:
    """All trees as one mesh, crowns grouped by form, then trunks. `crowns`: names of materials.

    Crowns of `crown_bare`, and half of those of `crown_burnt`, are twigs without leaves.
    """
    forms = np.array([SPECIES[tree.species].form for tree in trees], "U12")
    table = np.array([[t.x, t.y, t.base_m, t.height_m, t.crown_radius_m] for t in trees]).reshape(-1, 5)
    index = np.array([INDEX[name] for name in crowns], np.uint16)
    bare = (index == INDEX["crown_bare"]) | ((index == INDEX["crown_burnt"]) & (_draw(table, 6) < 0.5))
    size = np.digitize(table[:, 4], [_SMALL_M, _LARGE_M])
    parts = [_twigs(table[bare & (size == k)], index[bare & (size == k)], count) for k, count in enumerate(_TWIGS)]
    for form, habit in _HABITS.items():
        chosen = (forms == form) & ~bare
        for k, lobes in enumerate(habit.lobes):
            parts.append(_lobed(table[chosen & (size == k)], index[chosen & (size == k)], habit, lobes))
    cone, palm = (forms == "cone") & ~bare, (forms == "palm") & ~bare
    trunk = ~np.isin(forms, _TRUNKLESS)
    return Mesh.concatenate([*parts, _conifers(table[cone], index[cone]), _palms(table[palm], index[palm]),
                             _trunks(table[trunk], forms[trunk] == "palm")])


def _draw(table: F64, *purpose: npt.ArrayLike) -> F64:
    """Uniform numbers that belong to each plant (N,), or (N, ...) for an array of purposes."""
    keys = [np.asarray(p, np.float64) for p in purpose]
    extra = max((key.ndim for key in keys), default=0)
    x, y = (table[:, k].reshape(-1, *[1] * extra) for k in (0, 1))
    return hash_unit(x, y, *keys)


def _tones(table: F64, parts: int) -> F64:
    """(N, parts, 3) tints: every plant has its own brightness and hue, every part a little of its own."""
    whole = 0.74 + 0.52 * _draw(table, 1)
    hue = (_draw(table, 2) - 0.5)[:, None] * np.array([0.30, 0.06, -0.10]) + 1
    part = 0.84 + 0.32 * _draw(table, 10.0 + np.arange(parts))
    return np.asarray(128 * whole[:, None, None] * part[..., None] * hue[:, None, :])


def _lobe() -> tuple[F64, I64]:
    """Twenty-faced ball without its five lowest faces, which nobody sees: 11 vertices, 15 faces."""
    step = 2 * np.pi / 5 * np.arange(5)
    flat, up = 2 / 5**0.5, 1 / 5**0.5
    upper = np.column_stack([flat * np.cos(step), flat * np.sin(step), np.full(5, up)])
    lower = np.column_stack([flat * np.cos(step + np.pi / 5), flat * np.sin(step + np.pi / 5), np.full(5, -up)])
    here = np.arange(5)
    nxt = (here + 1) % 5
    faces = np.concatenate([np.column_stack([np.zeros(5, np.int64), 1 + here, 1 + nxt]),
                            np.column_stack([1 + here, 6 + here, 1 + nxt]),
                            np.column_stack([6 + here, 6 + nxt, 1 + nxt])])
    return np.concatenate([[[0.0, 0.0, 1.0]], upper, lower]), faces


_LOBE, _LOBE_FACES = _lobe()


def _lobed(table: F64, material: npt.NDArray[np.uint16], habit: _Habit, lobes: int) -> Mesh:
    """Crowns of `lobes` lobes each; table (N, 5): x, y, base, height, radius. Those that are clear of nothing reach
    down to the ground."""
    x, y, base, height, radius = (column[:, None] for column in table.T)
    k = np.arange(lobes)
    one = lobes == 1
    size = habit.size * (np.ones((len(table), 1)) if one else 0.82 + 0.36 * _draw(table, 20.0 + k))
    out = habit.reach * np.where(k == 0, 0.25, 0.72 + 0.5 * _draw(table, 40.0 + k)) * (0.0 if one else 1.0)
    angle = 2 * np.pi * _draw(table, 3)[:, None] + _GOLDEN * k + 0.7 * (_draw(table, 60.0 + k) - 0.5)
    # the first lobe is the top, the others go round below it
    level = np.where(k == 0, 1.0, _draw(table, 80.0 + k)) if habit.reach > 0.3 else (k + 0.5) / lobes + 0 * out
    half = height * (1 - habit.clear) / 2
    middle = base + height - half + half * (habit.low + (habit.high - habit.low) * level)
    if habit.reach <= 0.3 and not one:
        size = size * (1.1 - 0.65 * np.abs(level - 0.35))
    shape = 0.80 + 0.36 * _draw(table, 100.0 + np.arange(lobes * len(_LOBE))).reshape(-1, lobes, len(_LOBE))
    spin = 2 * np.pi * _draw(table, 400.0 + k)[..., None]
    cos, sin = np.cos(spin), np.sin(spin)
    reach = (radius * size)[..., None] * shape
    px = (x + radius * out * np.cos(angle))[..., None] + reach * (_LOBE[:, 0] * cos - _LOBE[:, 1] * sin)
    py = (y + radius * out * np.sin(angle))[..., None] + reach * (_LOBE[:, 0] * sin + _LOBE[:, 1] * cos)
    pz = middle[..., None] + (half * habit.tall)[..., None] * _LOBE[:, 2] * (0.9 + 0.1 * shape)
    if habit.clear == 0:
        pz[..., 6:] = base[..., None] - 0.1
    vertices = np.stack([px, py, pz], -1)
    tones = _tones(table, lobes) * (0.86 + 0.22 * level[..., None])
    faces = len(_LOBE_FACES)
    return mesh_of(vertices, _repeat(_LOBE_FACES, len(_LOBE), len(table) * lobes), material.repeat(lobes * faces),
                   tint=tones.reshape(-1, 3).repeat(faces, axis=0))


def _conifers(table: F64, material: npt.NDArray[np.uint16]) -> Mesh:
    """Ragged skirts one above the other, each reaching under the next."""
    x, y, base, height, radius = (column[:, None] for column in table.T)
    spoke = 2 * np.pi * np.arange(_SPOKES) / _SPOKES
    rings = []
    for k, (foot, top, out) in enumerate(_TIERS):
        ragged = np.where(np.arange(_SPOKES) % 2 == k % 2, 1.0, 0.68)
        reach = radius * out * ragged * (0.82 + 0.36 * _draw(table, 50.0 + _SPOKES * k + np.arange(_SPOKES)))
        angle = spoke + 2 * np.pi * _draw(table, 45.0 + k)[:, None]
        low = base + height * (foot + 0.05 * (1 - ragged))
        rings.append(np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle), low + 0 * reach], -1))
        rings.append(np.stack([x, y, base + height * top], -1))
    vertices = np.concatenate(rings, axis=1)
    here = np.arange(_SPOKES)
    skirt = np.column_stack([here, (here + 1) % _SPOKES, np.full(_SPOKES, _SPOKES)])
    faces = np.concatenate([skirt + k * (_SPOKES + 1) for k in range(len(_TIERS))])
    tones = (_tones(table, len(_TIERS)) * np.linspace(0.9, 1.1, len(_TIERS))[:, None]).repeat(_SPOKES, axis=1)
    return mesh_of(vertices, _repeat(faces, vertices.shape[1], len(table)), material.repeat(len(faces)),
                   tint=tones.reshape(-1, 3))


def _palms(table: F64, material: npt.NDArray[np.uint16]) -> Mesh:
    """Fronds that rise, bend and droop: three triangles each."""
    x, y, base, height, radius = (column[:, None] for column in table.T)
    k = np.arange(_FRONDS)
    angle = 2 * np.pi * (k + 0.6 * _draw(table, 20.0 + k)) / _FRONDS + 2 * np.pi * _draw(table, 3)[:, None]
    length = radius * (0.85 + 0.3 * _draw(table, 40.0 + k))
    top = base + height - 0.2 * radius
    # along the frond, across it, height; the order makes all faces look up
    stations = ((0.0, 0.03, 0.0), (0.0, -0.03, 0.0), (0.5, 0.11, 0.16), (0.5, -0.11, 0.16), (1.0, 0.0, -0.22))
    points = []
    for along, across, lift in stations:
        u, v = along * length, across * length
        points.append(np.stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle),
                                top + (lift - 0.25 * along * _draw(table, 60.0 + k)) * length], -1))
    vertices = np.stack(points, axis=2)
    faces = np.array([[1, 3, 2], [1, 2, 0], [3, 4, 2]])
    return mesh_of(vertices, _repeat(faces, 5, len(table) * _FRONDS), material.repeat(_FRONDS * 3),
                   tint=_tones(table, _FRONDS).repeat(3, axis=1).reshape(-1, 3))


def _twigs(table: F64, material: npt.NDArray[np.uint16], count: int) -> Mesh:
    """Slender blades that point up and outwards through the crown: a grey haze from afar, branches from near by."""
    x, y, base, height, radius = (column[:, None] for column in table.T)
    k = np.arange(count)
    limb = k < 14 + count // 20
    angle = _GOLDEN * k + 2 * np.pi * _draw(table, 3)[:, None] + 0.5 * _draw(table, 20.0 + k)
    start = np.where(limb, 0.02, 0.2 + 0.5 * _draw(table, 80.0 + k))
    end = start + np.where(limb, 0.6 + 0.35 * _draw(table, 140.0 + k), 0.3 + 0.2 * _draw(table, 140.0 + k))
    end = np.minimum(end, 1.05)
    bend = angle + np.where(limb, 0.15, 0.9) * (_draw(table, 200.0 + k) - 0.5)
    width = radius * np.where(limb, 0.022, 0.014 + 0.014 * _draw(table, 260.0 + k))
    low = base + height * np.where(limb, 0.36, 0.42 + 0.35 * _draw(table, 320.0 + k))
    high = base + height * (0.60 + 0.38 * _draw(table, 380.0 + k))
    ax, ay = x + radius * start * np.cos(angle), y + radius * start * np.sin(angle)
    bx, by = x + radius * end * np.cos(bend), y + radius * end * np.sin(bend)
    side = np.hypot(bx - ax, by - ay)
    sx, sy = -(by - ay) / side * width, (bx - ax) / side * width
    vertices = np.stack([np.stack([ax - sx, ay - sy, low], -1), np.stack([bx, by, high], -1),
                         np.stack([ax + sx, ay + sy, low], -1)], axis=2)
    return mesh_of(vertices, np.arange(3 * count * len(table)), material.repeat(count),
                   tint=_tones(table, count).reshape(-1, 3))


def _trunks(table: F64, slim: npt.NDArray[np.bool_]) -> Mesh:
    """Four-sided trunks up to the middle of the crown, or to its top where `slim` (palms)."""
    x, y, base, height, radius = (column[:, None] for column in table.T)
    corner = np.pi / 2 * np.arange(4)
    thick = np.where(slim[:, None], 0.08 * radius, 0.06 + 0.04 * radius)
    top = base + height * np.where(slim[:, None], 0.94, 0.55)
    ring = np.stack([x + thick * np.cos(corner), y + thick * np.sin(corner)], -1)
    low = np.concatenate([ring, np.broadcast_to((base - 0.3)[..., None], (*ring.shape[:2], 1))], -1)
    high = np.concatenate([ring, np.broadcast_to(top[..., None], (*ring.shape[:2], 1))], -1)
    here, following = np.arange(4), np.roll(np.arange(4), -1)
    faces = np.concatenate([np.column_stack([here, following, following + 4]),
                            np.column_stack([here, following + 4, here + 4])])
    return mesh_of(np.concatenate([low, high], axis=1), _repeat(faces, 8, len(table)), "trunk")


def _repeat(faces: I64, vertices: int, count: int) -> I64:
    """The faces of `count` copies of a form with `vertices` vertices, one after another."""
    return np.asarray(faces[None] + vertices * np.arange(count)[:, None, None], np.int64).reshape(-1, 3)
