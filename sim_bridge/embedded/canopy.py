"""Height of crowns seen from above: by it the shading tells a tree's shadow, which light seeps into, from a wall's."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.world.materials import TABLE
from sim_bridge.world.model import Grid, Mesh

F32 = npt.NDArray[np.float32]
NOTHING_M = -1000.0
"""Height where there is no crown."""
_FLANK_M = 3.0
"""How far a crown falls off over the cell beside it."""
_LEAVES = np.array([m.texture == "leaf" for m in TABLE])


def crown_heights(mesh: Mesh, frame: Grid) -> F32:
    """Height (m) of the tops of crowns over the cells of `frame`, whose values are not used; NOTHING_M elsewhere."""
    top = np.full(frame.values.shape, NOTHING_M, np.float32)
    corners = mesh.vertices[mesh.faces[_LEAVES[mesh.material]]]               # (F, 3 corners, xyz)
    if len(corners) == 0:
        return top
    # corners and middles of the faces: a crown's faces are about as large as the cells
    middles = np.concatenate([corners.mean(axis=1, keepdims=True), (corners + np.roll(corners, 1, axis=1)) / 2], axis=1)
    points = np.concatenate([corners, middles], axis=1).reshape(-1, 3)
    np.maximum.at(top, frame.cell(points[:, 0], points[:, 1]), points[:, 2])
    around = cv2.dilate(top, np.ones((3, 3), np.uint8))
    return np.asarray(np.where(top > NOTHING_M, top, np.maximum(around - _FLANK_M, NOTHING_M)), np.float32)
