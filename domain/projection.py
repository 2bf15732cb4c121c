"""S3: keep of a proposal only what a local affine colour map of the frame itself can express.

A bilateral grid (rows x columns x luminance) holds one affine change of colour per node; it is fitted to the proposal
in closed form and sliced at full resolution with the frame as its own guide (Chen et al. 2016, Gharbi et al. 2017):

    y(u) = x(u) + D(u, g(x(u))) [x(u); 1]

D = 0 is the identity. An edge that is not in x cannot come out sharper than a grid cell, an edge of x cannot move, and
an object of the proposal that is smaller than a cell is averaged away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
import torch
import torch.nn.functional as functional
from scipy.linalg import cho_factor, cho_solve

from domain.measure import F32, F64, luminance

GAIN = (0.5, 2.0)
"""Limits of the singular values of the colour map of a node: weakened edges and blown-up noise end here."""

REACH = 40.0
"""A proposal may ask for at most this change of a pixel, in grey levels: an invented object has little pull."""


@dataclass(frozen=True)
class Grid:
    """Size of the bilateral grid, and its two priors in units of one average node's evidence.

    ridge pulls a node to the identity, smooth pulls neighbours together.
    """

    rows: int = 8
    columns: int = 8
    levels: int = 4
    ridge: float = 0.02
    smooth: float = 0.2

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.rows, self.columns, self.levels

    @property
    def nodes(self) -> int:
        return self.rows * self.columns * self.levels


def fit(frame: F32, proposal: F32, weight: F32, grid: Grid) -> F64:
    """Change D (rows, columns, levels, 4, 3) with D [x; 1] nearest to proposal - frame, in grey levels / 255.

    frame, proposal: (K, h, w, 3) of K small images that share one grid; weight (K, h, w) non-negative. Ridge regression
    min_D sum w |D [x; 1] - (p - x)|^2 + ridge |D|^2 + smooth |grad D|^2, then gains limited. p = x gives exactly 0.
    """
    x = frame.reshape(-1, 3).astype(np.float64) / 255
    residual = np.clip((proposal.astype(np.float64) - frame).reshape(-1, 3), -REACH, REACH) / 255
    root = np.sqrt(weight.reshape(-1, 1).astype(np.float64))
    slicing = slicing_matrix(frame, grid)                                      # (pixels, nodes)
    homogeneous = np.concatenate([x, np.ones((len(x), 1))], axis=1) * root
    design = sparse.hstack([slicing.multiply(homogeneous[:, [i]]) for i in range(4)], format="csr")
    normal = np.asarray((design.T @ design).todense()) + _priors(grid, float(weight.sum()) / grid.nodes)
    change = cho_solve(cho_factor(normal), design.T @ (residual * root))      # (4 nodes, 3)
    change = change.reshape(4, *grid.shape, 3).transpose(1, 2, 3, 0, 4)
    return limit_gain(change, x.mean(0))


def slicing_matrix(frame: F32, grid: Grid) -> sparse.csr_matrix:
    """Trilinear weights (pixels, nodes) of frames (K, h, w, 3) in the grid: place, then luminance."""
    count, height, width = frame.shape[:3]
    place = _hats(np.linspace(0, 1, height), grid.rows), _hats(np.linspace(0, 1, width), grid.columns)
    level = _hats(guide(frame.reshape(-1, width, 3)).ravel(), grid.levels)
    rows = np.tile(np.repeat(np.arange(height), width), count)
    columns = np.tile(np.arange(width), count * height)
    shape = (count * height * width, grid.nodes)
    total = sparse.csr_matrix(shape)
    for i in range(2):
        for j in range(2):
            for k in range(2):
                node = (place[0][0][rows] + i) * grid.columns + place[1][0][columns] + j
                node = node * grid.levels + level[0] + k
                value = place[0][1][i][rows] * place[1][1][j][columns] * level[1][k]
                total += sparse.csr_matrix((value, (np.arange(shape[0]), node)), shape)
    return total


def guide(frame: F32) -> F32:
    """Luminance (h, w) in 0..1 of a frame (h, w, 3) in grey levels."""
    return np.clip(luminance(frame) / 255, 0, 1)


def _hats(at: npt.NDArray[np.floating], nodes: int) -> tuple[npt.NDArray[np.intp], tuple[F64, F64]]:
    """Lower node and the weights of lower and upper node for positions 0..1 on `nodes` evenly spaced nodes."""
    scaled = at.astype(np.float64) * (nodes - 1)
    low = np.clip(np.floor(scaled), 0, nodes - 2).astype(np.intp)
    return low, (1 - (scaled - low), scaled - low)


def _priors(grid: Grid, evidence: float) -> F64:
    """Penalty matrix (4 nodes, 4 nodes) of ridge and smoothness."""
    axes = [sparse.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n)) for n in grid.shape]
    eyes = [sparse.identity(n) for n in grid.shape]
    total = grid.ridge * sparse.identity(grid.nodes)
    for axis, difference in enumerate(axes):
        parts = [difference if axis == other else eyes[other] for other in range(3)]
        gradient = sparse.kron(sparse.kron(parts[0], parts[1]), parts[2])
        total = total + grid.smooth * (gradient.T @ gradient)
    return np.asarray(sparse.kron(sparse.identity(4), total * evidence).todense())


def limit_gain(change: F64, about: F64) -> F64:
    """Limits the singular values of I + linear part of D (..., 4, 3) to GAIN; the colour `about` (3,) keeps its map."""
    linear = np.eye(3) + change[..., :3, :]
    left, gains, right = np.linalg.svd(linear)
    limited = (left * np.clip(gains, *GAIN)[..., None, :]) @ right
    out = change.copy()
    out[..., :3, :] = limited - np.eye(3)
    out[..., 3, :] += about @ (linear - limited)
    return np.where((np.abs(limited - linear).max((-2, -1)) > 1e-9)[..., None, None], out, change)


def slice_change(frame: F32, change: F64, strength: float = 1.0, band_rows: int = 256) -> F32:
    """y = x + strength D(u, g(x)) [x; 1] for one frame (H, W, 3) float32, in bands of rows to bound the memory."""
    height, width = frame.shape[:2]
    volume = torch.from_numpy(np.ascontiguousarray(strength * change.reshape(*change.shape[:3], 12), np.float32))
    volume = volume.permute(3, 2, 0, 1)[None]                                 # (1, 12, levels, rows, columns)
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    out = np.empty_like(frame)
    for first in range(0, height, band_rows):
        band = frame[first:first + band_rows]
        at = np.empty((*band.shape[:2], 3), np.float32)
        at[..., 0], at[..., 1], at[..., 2] = across, down[first:first + band_rows, None], 2 * guide(band) - 1
        parts = functional.grid_sample(volume, torch.from_numpy(at)[None, None], align_corners=True)
        affine = parts.view(4, 3, *band.shape[:2])                            # source (r g b 1), target band
        pixels = torch.from_numpy(band).permute(2, 0, 1)
        moved = pixels + affine[3] * 255
        for source in range(3):
            moved.addcmul_(affine[source], pixels[source])
        out[first:first + band_rows] = moved.permute(1, 2, 0).numpy()
    return out
