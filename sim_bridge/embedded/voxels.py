"""Occupancy of space by what stands in it, as a grid of cubes, and the binvox file of one.

A cube is occupied where a face passes through it (separating axes: Akenine-Möller 2001, "Fast 3D triangle-box overlap
testing"; on the border of two, through the upper one), and inside bodies: below a building's roof down to the ground,
and within closed objects. The engine's test for overlap, too, takes bodies for solid.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.edits import FIRST_SPAWNED
from sim_bridge.embedded.rays import inner, kernel
from sim_bridge.embedded.scene import Landscape, Phase, Tile
from sim_bridge.frames import ENU
from sim_bridge.world.materials import GROUND

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
MAX_CELLS = 1 << 24
MAX_WORK = 1 << 28
"""Pairs of a face and a cell in the box around it: bounds the time that one grid takes."""
_LONGEST_RUN = 255
_ASIDE = (1.7e-4, 3.1e-4)
"""Shares of a cell by which columns miss the middle, and with it the sides of faces on round coordinates."""


@dataclass(frozen=True)
class Box:
    """Cells of `cell_m` whose middles lie at corner + index * cell_m: ENU metres, counts along east, north, up."""

    corner: tuple[float, float, float]
    cells: tuple[int, int, int]
    cell_m: float

    def low(self) -> F64:
        return np.array(self.corner) - self.cell_m / 2


def box_around(centre: ENU, north_m: int, east_m: int, up_m: int, cell_m: float) -> Box:
    """The cells of simCreateVoxelGrid (AirSim WorldSimApi::createVoxelGrid). Raises ValueError if they are none or too
    many."""
    if not cell_m > 0:
        raise ValueError(f"resolution {cell_m} m: expected a positive number")
    if min(north_m, east_m, up_m) <= 0 or max(north_m, east_m, up_m) / cell_m > MAX_CELLS:
        raise ValueError(f"a voxel grid of {north_m} x {east_m} x {up_m} m with cells of {cell_m:g} m: expected 1 to "
                         f"{MAX_CELLS} cells")
    counts = [int(np.float32(side) / np.float32(cell_m)) for side in (east_m, north_m, up_m)]
    if not 0 < counts[0] * counts[1] * counts[2] <= MAX_CELLS:
        raise ValueError(f"a voxel grid of {counts} cells: expected 1 to {MAX_CELLS} in all")
    east, north, up = (count // 2 * cell_m for count in counts)
    return Box((centre.east - east, centre.north - north, centre.up - up), (counts[0], counts[1], counts[2]), cell_m)


def occupied(scene: Landscape, phase: Phase, box: Box) -> npt.NDArray[np.bool_]:
    """(east, north, up) true where a cell holds something. Raises ValueError if that would take very long."""
    full = np.zeros(box.cells, np.uint8)
    above = np.zeros((3, *box.cells), np.uint8)
    near = list(_faces_near(scene, phase, box))
    if sum(_work(vertices, faces, box) for vertices, faces, _ in near) > MAX_WORK:
        raise ValueError(f"the faces here reach over more than {MAX_WORK} cells: expected fewer or larger cells")
    for vertices, surface_faces, kind in near:
        touch(vertices, surface_faces, box.cell_m, np.empty((3, 3)), full)
        for layer, chosen in enumerate(kind):
            pile(vertices, surface_faces[chosen], box.cell_m, _ASIDE, layer == 2, above[layer])
    under_roof = (above[0] > 0) & (above[1] == 0)
    return np.asarray((full > 0) | under_roof | (above[2] > 0))


def write_binvox(path: Path, full: npt.NDArray[np.bool_], sides_m: tuple[int, int, int]) -> None:
    """A grid (east, north, up) as AirSim writes it: x north fastest, then z up, then y east, with run lengths; sides_m:
    (north, east, up). Raises OSError."""
    east, north, up = full.shape
    values = full.transpose(0, 2, 1).ravel().astype(np.uint8)
    shift = " ".join(f"{-side * 0.5:g}" for side in sides_m)
    header = f"#binvox 1\ndim {north} {up} {east}\ntranslate {shift}\nscale {1 / sides_m[0]:g}\ndata\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode("ascii") + _runs(values))


def _runs(values: U8) -> bytes:
    """Pairs of value and count of a run, no run longer than 255."""
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    lengths = np.diff(np.append(-1, ends))
    whole, rest = np.divmod(lengths - 1, _LONGEST_RUN)
    counts = np.full(int((whole + 1).sum()), _LONGEST_RUN, np.uint8)
    counts[np.cumsum(whole + 1) - 1] = rest + 1
    return np.stack([np.repeat(values[ends], whole + 1), counts], axis=1).tobytes()


def _faces_near(scene: Landscape, phase: Phase, box: Box) -> Iterable[tuple[F64, I32, tuple[Bools, Bools, Bools]]]:
    """Of each tile that reaches into the columns of a box: vertices with the box's low corner as origin, faces over the
    columns, and which of them are of buildings, of terrain, of spawned objects."""
    low, high = box.low(), box.low() + np.array(box.cells) * box.cell_m
    corners = np.array([(x, y, high[2] + 1.0) for x in (low[0], high[0]) for y in (low[1], high[1])])
    for tile in scene.tiles(phase, corners, np.tile([0.0, 0.0, -1.0], (4, 1))):
        vertices, faces = _shifted(tile, low), tile.drawn.surface.faces
        corner = vertices[faces]
        over = ((corner[..., :2].max(axis=1) >= 0) & (corner[..., :2].min(axis=1) <= (high - low)[:2])).all(axis=1)
        over &= corner[..., 2].max(axis=1) >= 0
        instance, material = tile.drawn.surface.instance[over], tile.drawn.surface.material[over]
        yield vertices, faces[over], ((instance > 0) & (instance < FIRST_SPAWNED), material == GROUND,
                                      instance >= FIRST_SPAWNED)


def _work(vertices: F64, faces: I32, box: Box) -> float:
    """Cells in the boxes around faces, within a grid and below them."""
    corners = np.clip(vertices[faces] / box.cell_m, 0, box.cells)
    columns = np.prod(np.ptp(corners[..., :2], axis=1) + 1, axis=1)
    return float(columns @ (corners[..., 2].max(axis=1) + 1))


def _shifted(tile: Tile, low: F64) -> F64:
    shift = np.array([tile.east_m, tile.north_m, 0.0]) - low
    return np.ascontiguousarray(tile.drawn.bvh.arrays[0][:-1].astype(np.float64) + shift)


@inner
def apart(ax: float, ay: float, az: float, corner: F64, half: float) -> bool:
    """True if a face and a cube around the origin lie apart along an axis."""
    reach = half * (abs(ax) + abs(ay) + abs(az))
    low, high = np.inf, -np.inf
    for k in range(3):
        along = ax * corner[k, 0] + ay * corner[k, 1] + az * corner[k, 2]
        low, high = min(low, along), max(high, along)
    return low > reach or high < -reach


@inner
def overlaps(corner: F64, half: float) -> bool:
    """Whether a face (3, 3) passes through the cube around the origin."""
    for k in range(3):
        ex, ey, ez = (corner[(k + 1) % 3, 0] - corner[k, 0], corner[(k + 1) % 3, 1] - corner[k, 1],
                      corner[(k + 1) % 3, 2] - corner[k, 2])
        if apart(0.0, -ez, ey, corner, half) or apart(ez, 0.0, -ex, corner, half) or apart(-ey, ex, 0.0, corner, half):
            return False
    ux, uy, uz = corner[1, 0] - corner[0, 0], corner[1, 1] - corner[0, 1], corner[1, 2] - corner[0, 2]
    vx, vy, vz = corner[2, 0] - corner[0, 0], corner[2, 1] - corner[0, 1], corner[2, 2] - corner[0, 2]
    return not apart(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx, corner, half)


@inner
def span(a: float, b: float, c: float, cell_m: float, count: int) -> tuple[int, int]:
    """First and one past the last of `count` cells that a face may reach, by one coordinate of its corners."""
    return (min(max(math.floor(min(a, b, c) / cell_m), 0), count),
            min(max(math.floor(max(a, b, c) / cell_m) + 1, 0), count))


@kernel
def touch(vertices: F64, faces: I32, cell_m: float, scratch: F64, full: U8) -> None:
    """Sets full (nx, ny, nz) where a face passes through a cell of a grid whose low corner is the origin; scratch:
    (3, 3)."""
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        west, east = span(vertices[a, 0], vertices[b, 0], vertices[c, 0], cell_m, full.shape[0])
        south, north = span(vertices[a, 1], vertices[b, 1], vertices[c, 1], cell_m, full.shape[1])
        bottom, top = span(vertices[a, 2], vertices[b, 2], vertices[c, 2], cell_m, full.shape[2])
        for i in range(west, east):
            for j in range(south, north):
                for k in range(bottom, top):
                    for n in range(3):
                        scratch[n, 0] = vertices[faces[f, n], 0] - (i + 0.5) * cell_m
                        scratch[n, 1] = vertices[faces[f, n], 1] - (j + 0.5) * cell_m
                        scratch[n, 2] = vertices[faces[f, n], 2] - (k + 0.5) * cell_m
                    if full[i, j, k] == 0 and overlaps(scratch, cell_m / 2):
                        full[i, j, k] = 1


@kernel
def pile(vertices: F64, faces: I32, cell_m: float, aside: tuple[float, float], flips: bool, above: U8) -> None:
    """Sets above (nx, ny, nz) in the cells whose middle lies below a face; flips: swaps it instead, so that it ends up
    set within closed bodies."""
    for f in range(faces.shape[0]):
        ax, ay, az = vertices[faces[f, 0], 0], vertices[faces[f, 0], 1], vertices[faces[f, 0], 2]
        bx, by, bz = vertices[faces[f, 1], 0], vertices[faces[f, 1], 1], vertices[faces[f, 1], 2]
        cx, cy, cz = vertices[faces[f, 2], 0], vertices[faces[f, 2], 1], vertices[faces[f, 2], 2]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0:
            continue
        west, east = span(ax, bx, cx, cell_m, above.shape[0])
        south, north = span(ay, by, cy, cell_m, above.shape[1])
        for i in range(west, east):
            x = (i + 0.5 + aside[0]) * cell_m
            for j in range(south, north):
                y = (j + 0.5 + aside[1]) * cell_m
                u = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
                v = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
                if u < 0 or v < 0 or u + v > 1:
                    continue
                top = az + u * (bz - az) + v * (cz - az)
                for k in range(min(max(math.ceil(top / cell_m - 0.5), 0), above.shape[2])):
                    above[i, j, k] = 1 - above[i, j, k] if flips else 1
