"""Trees and hedges as meshes: lumpy crowns on thin trunks, the same for the same tree whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh, Tree
from sim_bridge.world.shapes import F64, I64, hash_unit, icosphere, mesh_of
from sim_bridge.world.species import SPECIES, Species, crown_material

__all__ = ["SPECIES", "Species", "crown_material", "tree_mesh", "trees_mesh"]

_RINGS = ((0.16, 1.0), (0.50, 0.66), (0.78, 0.34))
"""Height (share of the tree) and radius (share of the crown) of a conifer's tiers."""
_SPOKES = 9


def tree_mesh(tree: Tree, crown: str) -> Mesh:
    """One tree whose crown has the material named `crown`."""
    return trees_mesh([tree], [crown])


def trees_mesh(trees: Sequence[Tree], crowns: Sequence[str]) -> Mesh:
    """All trees as one mesh, grouped by form: broadleaves, conifers, hedges, then trunks. `crowns`: material names."""
    forms = np.array([tree.species for tree in trees])
    table = np.array([[t.x, t.y, t.base_m, t.height_m, t.crown_radius_m] for t in trees]).reshape(-1, 5)
    index = np.array([INDEX[name] for name in crowns], np.uint16)
    conifer, hedge = forms == "conifer", forms == "hedge"
    broad = ~conifer & ~hedge
    return Mesh.concatenate([
        _crowns(table[broad], index[broad], 1, 0.30),
        _conifers(table[conifer], index[conifer]),
        _crowns(table[hedge], index[hedge], 0, 0.0),
        _trunks(table[~hedge]),
    ])


def _tints(table: F64, faces: int) -> F64:
    """(N * faces, 3): every tree has its own brightness and hue, every face a little of its own."""
    x, y = table[:, 0], table[:, 1]
    whole = 0.72 + 0.56 * hash_unit(x, y, 1)
    hue = (hash_unit(x, y, 2) - 0.5)[:, None] * np.array([0.30, 0.06, -0.10]) + 1
    facet = 0.84 + 0.32 * hash_unit(x[:, None], y[:, None], 10.0 + np.arange(faces))
    return np.asarray((128 * whole[:, None] * facet)[..., None] * hue[:, None, :]).reshape(-1, 3)


def _crowns(table: F64, material: I64, subdivisions: int, clear_share: float) -> Mesh:
    """Lumpy ellipsoids from `clear_share` of the height up; table (N, 5): x, y, base, height, radius."""
    sphere, faces = icosphere(subdivisions)
    x, y, base, height, radius = table.T[:, :, None]
    turn = 2 * np.pi * hash_unit(x, y, 3)
    lobes = 3 + np.floor(3 * hash_unit(x, y, 4))
    angle = np.arctan2(sphere[:, 1], sphere[:, 0])[None]
    lump = 0.74 + 0.40 * hash_unit(x, y, 100.0 + np.arange(len(sphere))) + 0.10 * np.cos(lobes * angle + turn)
    flat = sphere[None, :, :2] * (radius * lump)[..., None] + np.stack([x, y], -1)
    half = height * (1 - clear_share) / 2
    z = base + height - half + sphere[None, :, 2] * half * (0.85 + 0.25 * (lump - 0.74))
    vertices = np.concatenate([flat, z[..., None]], -1)
    return mesh_of(vertices, _repeat(faces, len(sphere), len(table)), material.repeat(len(faces)),
                   tint=_tints(table, len(faces)))


def _conifers(table: F64, material: I64) -> Mesh:
    """Cones of three ragged tiers and a tip."""
    spoke = 2 * np.pi * np.arange(_SPOKES) / _SPOKES
    x, y, base, height, radius = table.T[:, :, None]
    levels = []
    for k, (up, out) in enumerate(_RINGS):
        reach = radius * out * (0.70 + 0.45 * hash_unit(x, y, 50.0 + _SPOKES * k + np.arange(_SPOKES)))
        levels.append(np.stack([x + reach * np.cos(spoke + k), y + reach * np.sin(spoke + k),
                                base + height * up + 0 * reach], -1))
    tip = np.stack([x, y, base + height], -1)
    vertices = np.concatenate([*levels, tip], axis=1)
    faces = _cone_faces()
    return mesh_of(vertices, _repeat(faces, vertices.shape[1], len(table)), material.repeat(len(faces)),
                   tint=_tints(table, len(faces)))


def _cone_faces() -> I64:
    here = np.arange(_SPOKES)
    following = np.roll(here, -1)
    bands = []
    for k in range(len(_RINGS) - 1):
        low, high = k * _SPOKES, (k + 1) * _SPOKES
        bands += [np.column_stack([low + here, low + following, high + following]),
                  np.column_stack([low + here, high + following, high + here])]
    top = (len(_RINGS) - 1) * _SPOKES
    tip = np.full(_SPOKES, len(_RINGS) * _SPOKES)
    return np.concatenate([*bands, np.column_stack([top + here, top + following, tip])])


def _trunks(table: F64) -> Mesh:
    """Four-sided trunks up to the middle of the crown."""
    x, y, base, height, radius = table.T[:, :, None]
    corner = np.pi / 2 * np.arange(4)
    thick = 0.06 + 0.04 * radius
    ring = np.stack([x + thick * np.cos(corner), y + thick * np.sin(corner)], -1)
    low = np.concatenate([ring, np.broadcast_to((base - 0.3)[..., None], (*ring.shape[:2], 1))], -1)
    high = np.concatenate([ring, np.broadcast_to((base + 0.55 * height)[..., None], (*ring.shape[:2], 1))], -1)
    here, following = np.arange(4), np.roll(np.arange(4), -1)
    faces = np.concatenate([np.column_stack([here, following, following + 4]),
                            np.column_stack([here, following + 4, here + 4])])
    return mesh_of(np.concatenate([low, high], axis=1), _repeat(faces, 8, len(table)), "trunk")


def _repeat(faces: I64, vertices: int, count: int) -> I64:
    """The faces of `count` copies of a form with `vertices` vertices, one after another."""
    return np.asarray(faces[None] + vertices * np.arange(count)[:, None, None], np.int64).reshape(-1, 3)
