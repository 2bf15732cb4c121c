"""Distortion of a lens: the model of Brown (1966) with three radial and two tangential coefficients, as OpenCV has it.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.frames import Intrinsics

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Coefficients = tuple[float, float, float, float, float]
"""K1, K2, K3, P1, P2."""
NAMES = ("K1", "K2", "K3", "P1", "P2")
MOST = 100.0
"""Of a coefficient's size: far beyond any lens, and finite after the fifth power."""


def distorted(rgb: U8, camera: Intrinsics, coefficients: Coefficients) -> U8:
    """A picture (H, W, 3) as the lens gives it; the very same array if all coefficients are zero. Black where the lens
    looks past the picture."""
    if not any(coefficients):
        return rgb
    column, row = _sources(camera, coefficients)
    picture: U8 = cv2.remap(rgb, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(np.uint8,
                                                                                                        copy=False)
    return picture


def with_coefficient(coefficients: Coefficients, name: str, value: float) -> Coefficients:
    """Coefficients of which the one of a name of `NAMES` is another."""
    k1, k2, k3, p1, p2 = (value if other == name else own for other, own in zip(NAMES, coefficients, strict=True))
    return k1, k2, k3, p1, p2


@lru_cache(maxsize=4)
def _sources(camera: Intrinsics, coefficients: Coefficients) -> tuple[F32, F32]:
    """(H, W) column and row of the undistorted picture that each pixel shows."""
    k1, k2, k3, p1, p2 = coefficients
    rows, columns = np.mgrid[0:camera.height, 0:camera.width].astype(np.float64)
    # pixel coordinates of OpenCV have their zero in the middle of the first pixel
    matrix = np.array([[camera.focal_px, 0.0, (camera.width - 1) / 2], [0.0, camera.focal_px, (camera.height - 1) / 2],
                       [0.0, 0.0, 1.0]])
    pixels = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2)
    found = cv2.undistortPoints(pixels, matrix, np.array([k1, k2, p1, p2, k3]), P=matrix)
    sources = np.nan_to_num(found.reshape(camera.height, camera.width, 2), nan=-1e6, posinf=-1e6, neginf=-1e6)
    clipped = np.clip(sources, -1e6, 1e6).astype(np.float32)
    return np.ascontiguousarray(clipped[..., 0]), np.ascontiguousarray(clipped[..., 1])
