"""A texture on an object: its faces cut into small ones, each with the colour that the texture has there.

The renderer knows patterns, not pictures; a face small enough to be one texel is all the same to it. The texture lies
once over the object, on each face from the side of the box from which the face is seen best (box mapping).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.assets import PAINT
from sim_bridge.embedded.light import GAMMA
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Mesh

U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
_Kind = TypeVar("_Kind", bound=np.generic)
MAX_FACES = 20_000
"""Of one object, after its faces were cut."""
_LARGEST_BYTES = 16 << 20
_SIDE = 128
"""Texels a side that are kept of a texture."""


def read_texture(path: Path) -> U8 | None:
    """(H, W, 3) RGB of a picture, at most 128 a side; None if there is no picture there, or one of over 16 MiB."""
    if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
        return None
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        return None
    size = (min(_SIDE, picture.shape[1]), min(_SIDE, picture.shape[0]))
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8)


def textured(mesh: Mesh, curved: Bools, slot: Ints, place: int, texture: U8) -> tuple[Mesh, Bools, Ints]:
    """The mesh with a texture on the faces of one slot: those are cut in four until they are about as small as texels,
    or `MAX_FACES` is reached. curved, slot: (F,), handed on to the faces that come of each."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    texel_m = float((high - low).max()) / max(texture.shape[:2])
    while True:
        large = (slot == place) & (_longest(mesh) > 2 * texel_m)
        if not large.any() or len(slot) + 3 * int(large.sum()) > MAX_FACES:
            break
        mesh, curved, slot = _quartered(mesh, large), _four(curved, large), _four(slot, large)
    here = slot == place
    tint = mesh.tint.copy()
    tint[here] = _tints(_sampled(texture, mesh, here, low, np.maximum(high - low, 1e-6)))
    material = mesh.material.copy()
    material[here] = INDEX[PAINT]
    return replace(mesh, tint=tint, material=material), curved, slot


def _corners(mesh: Mesh) -> F64:
    return mesh.vertices[mesh.faces].astype(np.float64)


def _longest(mesh: Mesh) -> F64:
    corners = _corners(mesh)
    return np.asarray(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1))


def _four(values: npt.NDArray[_Kind], large: Bools) -> npt.NDArray[_Kind]:
    return np.concatenate([values[~large], np.repeat(values[large], 4, axis=0)])


def _quartered(mesh: Mesh, large: Bools) -> Mesh:
    """The mesh with some faces cut in four at the middles of their sides; they come last."""
    corners = _corners(mesh)[large]
    middles = (corners + np.roll(corners, -1, axis=1)) / 2
    a, b, c = (corners[:, k] for k in range(3))
    ab, bc, ca = (middles[:, k] for k in range(3))
    parts = np.stack([np.stack([a, ab, ca], 1), np.stack([ab, b, bc], 1), np.stack([ca, bc, c], 1),
                      np.stack([ab, bc, ca], 1)], axis=1).reshape(-1, 3)
    faces = np.arange(len(parts)).reshape(-1, 3) + len(mesh.vertices)
    return Mesh(np.concatenate([mesh.vertices, parts.astype(np.float32)]),
                np.concatenate([mesh.faces[~large], faces.astype(np.uint32)]),
                _four(mesh.material, large), _four(mesh.instance, large), _four(mesh.tint, large))


def _sampled(texture: U8, mesh: Mesh, here: Bools, low: npt.NDArray[np.float32],
             size: npt.NDArray[np.float32]) -> U8:
    """(M, 3) colour of the texture at the middle of each chosen face; the picture's top is up on sides (z is down), and
    forward on what lies flat."""
    corners = _corners(mesh)[here]
    at = (corners.mean(axis=1) - low) / size
    normal = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    axis = normal.argmax(axis=1)
    across = np.where(axis == 1, at[:, 0], at[:, 1])
    down = np.where(axis == 2, 1 - at[:, 0], at[:, 2])
    rows = np.clip((down * texture.shape[0]).astype(int), 0, texture.shape[0] - 1)
    columns = np.clip((across * texture.shape[1]).astype(int), 0, texture.shape[1] - 1)
    colours: U8 = texture[rows, columns]
    return colours


def _tints(rgb: U8) -> U8:
    """Tints of paint whose albedo is that of colours in a picture."""
    albedo = (rgb / 255.0) ** GAMMA
    tints: U8 = np.clip(np.rint(128 * albedo / np.array(TABLE[INDEX[PAINT]].albedo)), 0, 255).astype(np.uint8)
    return tints
