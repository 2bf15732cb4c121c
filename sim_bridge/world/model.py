"""World and Aftermath: what exists before and after. Engine-independent; the simulator draws it, it invents nothing.

Frame: ENU metres, z up, origin at the spec's geodetic origin, which is the centre of the world's square. Rasters over
the ground (`Grid`) have row 0 in the SOUTH and column 0 in the WEST: index [iy, ix] covers
x in west + [ix, ix + 1] * cell_m, y in south + [iy, iy + 1] * cell_m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.frames import Geodetic

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Mesh:
    """Triangles with one material, one instance and one tint a face.

    vertices: (V, 3) float32, ENU metres. faces: (F, 3) uint32, counter-clockwise seen from outside. material: (F,)
    uint16, index into `materials.TABLE`. instance: (F,) uint32, building id or 0. tint: (F, 3) uint8, albedo
    multiplier times 128 (128 = unchanged).
    """

    vertices: F32
    faces: U32
    material: U16
    instance: U32
    tint: U8

    @staticmethod
    def empty() -> Mesh:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32), np.zeros(0, np.uint16),
                    np.zeros(0, np.uint32), np.zeros((0, 3), np.uint8))

    @staticmethod
    def concatenate(meshes: Sequence[Mesh]) -> Mesh:
        """One mesh out of many; order is kept."""
        if not meshes:
            return Mesh.empty()
        offsets = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
        return Mesh(
            np.concatenate([m.vertices for m in meshes]),
            np.concatenate([m.faces + np.uint32(o) for m, o in zip(meshes, offsets, strict=True)]),
            np.concatenate([m.material for m in meshes]),
            np.concatenate([m.instance for m in meshes]),
            np.concatenate([m.tint for m in meshes]),
        )


@dataclass(frozen=True)
class Grid:
    """A raster over the ground: values (ny, nx), row 0 in the south, column 0 in the west."""

    values: npt.NDArray[Any]
    west_m: float
    south_m: float
    cell_m: float

    def cell(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(iy, ix) of the cells that hold points x, y (m), clamped to the raster."""
        ny, nx = self.values.shape[:2]
        ix = np.floor((np.asarray(x, np.float64) - self.west_m) / self.cell_m).astype(np.int64)
        iy = np.floor((np.asarray(y, np.float64) - self.south_m) / self.cell_m).astype(np.int64)
        return np.clip(iy, 0, ny - 1), np.clip(ix, 0, nx - 1)

    def at(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[Any]:
        """Value of the cell under each point."""
        iy, ix = self.cell(x, y)
        return self.values[iy, ix]


def terrain_height(t: Grid, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Height (m) of terrain nodes `t` (see `World.terrain`) under points, see `World.height_at`."""
    ny, nx = t.values.shape
    gx = np.clip((np.asarray(x, np.float64) - t.west_m) / t.cell_m, 0, nx - 1 - 1e-9)
    gy = np.clip((np.asarray(y, np.float64) - t.south_m) / t.cell_m, 0, ny - 1 - 1e-9)
    ix, iy = gx.astype(np.int64), gy.astype(np.int64)
    fx, fy = gx - ix, gy - iy
    v = t.values.astype(np.float64)
    sw, se, nw, ne = v[iy, ix], v[iy, ix + 1], v[iy + 1, ix], v[iy + 1, ix + 1]
    lower = sw + fx * (se - sw) + fy * (ne - se)
    upper = sw + fy * (nw - sw) + fx * (ne - nw)
    return np.where(fx >= fy, lower, upper)


@dataclass(frozen=True)
class Building:
    """A building: footprint ring (x, y) m, counter-clockwise, unclosed; heights above `base_m` (z of its ground)."""

    id: int
    footprint: tuple[tuple[float, float], ...]
    base_m: float
    eaves_m: float
    ridge_m: float
    roof: str
    """gable, hip, half_hip, gambrel, mansard, shed, flat, sawtooth, monitor, dome, cone; custom: imported geometry."""
    typology: str
    """HAZUS-like structural type: wood_light, masonry, concrete_frame, steel_light, mobile_home."""
    use: str
    """house, garage, apartments, commercial, industrial, barn, greenhouse, church (with a tower), tank, silo."""
    roof_material: str
    wall_material: str
    yaw_deg: float
    """Direction of the long side, counter-clockwise from east."""
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Courtyards: rings (x, y), clockwise, unclosed."""
    storeys: int = 1
    soft_storey: bool = False
    """The ground floor is open (shops, parking) and weaker than what stands on it."""
    custom: bool = False
    """The geometry is imported or grown by a rule package: it is in `World.before` and cannot be rebuilt from this."""
    guessed: tuple[str, ...] = ()
    """Fields that the source of a real place did not tell, filled in plausibly."""


@dataclass(frozen=True)
class Tree:
    x: float
    y: float
    base_m: float
    height_m: float
    crown_radius_m: float
    species: str
    """A name of `plants.SPECIES`."""
    guessed: bool = False
    """True if a real place's source did not name this tree."""


@dataclass(frozen=True)
class Vehicle:
    x: float
    y: float
    base_m: float
    yaw_deg: float
    length_m: float
    width_m: float
    kind: str
    """car, van, truck, bus, boat, container, tent."""
    rgb: tuple[int, int, int]
    """Tint (albedo multiplier times 128) of its paint."""
    seen: str = "both"
    """before, after, both: cars come and go between two pictures."""


@dataclass(frozen=True)
class Street:
    id: int
    line: tuple[tuple[float, float], ...]
    width_m: float
    kind: str
    """primary, residential, cul_de_sac, track, path, rail."""
    bridge: bool = False
    """It crosses water: its deck is in `World.static`."""


@dataclass(frozen=True)
class World:
    """Everything that exists before the hazard. Terrain heights (ny, nx) float32 m at cell CORNERS of `terrain`."""

    world_id: str
    seed: int
    size_m: float
    origin: Geodetic
    terrain: Grid
    """values float32 (n + 1, n + 1): node [iy, ix] stands at (west + ix * cell, south + iy * cell)."""
    ground: Grid
    """uint8 material index (`materials.TABLE`), 0.25 m cells."""
    land_use: Grid
    """uint8 (`classes.LAND_USE`), 1 m cells."""
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]
    vehicles: tuple[Vehicle, ...]
    streets: tuple[Street, ...]
    water_level_m: float | None
    """z of the river's or pond's surface; None where there is no water."""
    water: tuple[tuple[tuple[float, float], ...], ...]
    """Rings (x, y) of water bodies."""
    static: Mesh
    """Terrain (material `ground`) and water: what no hazard moves."""
    before: Mesh
    """Buildings, plants, vehicles, fences, pools: everything that a hazard may change."""
    scene: Mapping[str, object] = field(default_factory=dict)
    """The world part of the SceneSpec as JSON, for the record."""
    source_grades: Mapping[int, int] = field(default_factory=dict)
    """Grades 1-4 that the source of a real place gives to buildings, by id: what `spec.Replay` replays."""

    def height_at(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Terrain z (m) under points, on the very triangles that are drawn: each cell is cut from its south-west to
        its north-east corner."""
        return terrain_height(self.terrain, x, y)


@dataclass(frozen=True)
class BuildingDamage:
    """What the hazard did to one building: the model's state, and the grade 1-4 that can be seen from above."""

    id: int
    state: str
    grade: int
    cause: str
    """Where it came from, in words a person can check: 'flood depth 1.3 m', 'PGA 0.41 g', 'ignited by building 12'."""


@dataclass(frozen=True)
class Aftermath:
    """The world after the hazard: geometry, ground, damage and the fields that caused it."""

    hazard: Mapping[str, object]
    after: Mesh
    ground: Grid
    """uint8 material index after the hazard, same grid as `World.ground`."""
    damage: tuple[BuildingDamage, ...]
    fields: Mapping[str, Grid] = field(default_factory=dict)
    """Physical rasters: flood `depth_m`, `flow_east_ms`, `flow_north_ms`; earthquake `pga_g`; fire `arrival_min` (NaN
    where it never came), `smoke` (optical depth straight down, drawn over colour, never a label); wind `gust_ms`."""
    blocked_streets: tuple[int, ...] = ()
