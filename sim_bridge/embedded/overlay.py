"""A world with what callers changed in it: the tiles of the world, without the faces of what was moved or destroyed,
and one small tile more with everything that was spawned or altered.

Nothing is drawn anew before a picture needs it, and what did not change keeps its acceleration structure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.assets import PAINT
from sim_bridge.embedded.canopy import NOTHING_M
from sim_bridge.embedded.edits import Edits, Skin, Thing, known_asset
from sim_bridge.embedded.objects import GROUPS, SceneObjects, building_id, class_of
from sim_bridge.embedded.rays import Surface
from sim_bridge.embedded.scene import SOFT, Drawn, Landscape, Phase, Tile, assembled, global_ids, without
from sim_bridge.embedded.skins import textured
from sim_bridge.frames import NedPose, rotation_from_quaternion
from sim_bridge.world.grid import IDS_A_CELL
from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import BuildingDamage, Mesh

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
_KEPT = 8
"""Tiles that are remembered without their hidden faces."""
_NED_OF_ENU = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]], np.float64)
"""Its own inverse."""


@dataclass(frozen=True)
class Hidden:
    """What of a world is not drawn: instances, and classes of faces that belong to no instance."""

    instances: frozenset[int]
    classes: frozenset[int]

    @staticmethod
    def of(names: Collection[str]) -> Hidden:
        ids = (building_id(name) for name in names)
        return Hidden(frozenset(number for number in ids if number is not None),
                      frozenset(GROUPS[name] for name in names if name in GROUPS))

    def touches(self, tile: Tile) -> bool:
        """Whether faces of a tile may be hidden."""
        return bool(self.classes) or any(0 < number - tile.first_id < IDS_A_CELL for number in self.instances)

    def keeps(self, tile: Tile) -> npt.NDArray[np.bool_]:
        """(F,) faces of a tile that are drawn all the same."""
        instance = tile.drawn.surface.instance
        own = np.array([number - tile.first_id for number in self.instances if number > tile.first_id], np.int64)
        keep: npt.NDArray[np.bool_] = ~np.isin(instance, own) | (instance == 0)
        if self.classes:
            keep &= ~(np.isin(class_of(tile.drawn.surface.material), list(self.classes)) & (instance == 0))
        return keep


@dataclass
class _Cuts:
    """Tiles without hidden faces, by the tile's drawn world, its first id and what is hidden; shared by the scenes of
    one world. The oldest go first: what segmentation sees and what is seen else need two of a tile at a time."""

    kept: dict[tuple[int, int, Hidden], tuple[Drawn, Drawn]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def cut(self, tile: Tile, hidden: Hidden) -> Tile:
        """The tile itself if nothing of it is hidden."""
        if not hidden.touches(tile):
            return tile
        key = (id(tile.drawn), tile.first_id, hidden)
        with self.lock:
            if key not in self.kept:
                same = [other for other in self.kept if other[:2] == key[:2]]
                for old in [*same[:-1], *list(self.kept)[:max(0, 1 + len(self.kept) - _KEPT)]]:
                    self.kept.pop(old, None)
                # the drawn world is kept as well, so that no other one gets its id
                self.kept[key] = (tile.drawn, without(tile.drawn, hidden.keeps(tile)))
            return replace(tile, drawn=self.kept[key][1])


class EditedScene(Landscape):
    """See the module. Edits are fixed: other edits make another scene, which shares what is the same."""

    def __init__(self, base: Landscape, edits: Edits, cuts: _Cuts | None = None) -> None:
        self.base, self.edits, self.whole = base, edits, base.whole
        self._hidden = Hidden.of(edits.hidden)
        self._cuts = cuts or _Cuts()
        self._overlays: dict[Phase, Drawn | None] = {}
        self._drawing = Lock()
        self._objects: tuple[SceneObjects, SceneObjects] | None = None

    def with_edits(self, edits: Edits) -> Landscape:
        return EditedScene(self.base, edits, self._cuts) if edits else self.base

    def tiles(self, phase: Phase, origins: npt.NDArray[np.floating], directions: npt.NDArray[np.floating],
              margin_m: float = 0.0) -> tuple[Tile, ...]:
        """See `Landscape.tiles`; the tile with the changes is the last, and there wherever rays go."""
        tiles = self.base.tiles(phase, origins, directions, margin_m)
        if self._hidden.instances or self._hidden.classes:
            tiles = tuple(self._cuts.cut(tile, self._hidden) for tile in tiles)
        overlay = self._overlay(phase)
        return tiles if overlay is None else (*tiles, Tile(overlay))

    def _overlay(self, phase: Phase) -> Drawn | None:
        with self._drawing:
            if phase not in self._overlays:
                self._overlays[phase] = _draw(self.base, self.edits, phase)
            return self._overlays[phase]

    def holder(self, phase: Phase, instance: int) -> Tile | None:
        """See `Landscape.holder`: as the world has it."""
        return self.base.holder(phase, instance)

    def bounds(self, phase: Phase) -> tuple[F64, F64]:
        """See `Landscape.bounds`."""
        low, high = self.base.bounds(phase)
        overlay = self._overlay(phase)
        if overlay is None:
            return low, high
        vertices = overlay.bvh.arrays[0][:-1]
        return np.minimum(low, vertices.min(axis=0)), np.maximum(high, vertices.max(axis=0))

    def land_use(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """See `Landscape.land_use`."""
        return self.base.land_use(x, y)

    def damage(self) -> tuple[BuildingDamage, ...]:
        """See `Landscape.damage`."""
        return self.base.damage()

    def objects(self) -> SceneObjects:
        """See `Landscape.objects`: without what is destroyed, with what is spawned, where it is now."""
        base, edits = self.base.objects(), self.edits
        if self._objects is None or self._objects[0] is not base:
            poses = {name: pose for name, pose in base.poses.items() if name not in edits.destroyed}
            poses |= {name: thing.pose for name, thing in edits.things.items()}
            self._objects = base, SceneObjects(poses, {n: thing.instance for n, thing in edits.spawned.items()})
        return self._objects[1]


def edits_of(scene: Landscape) -> Edits:
    return scene.edits if isinstance(scene, EditedScene) else Edits()


def edited(scene: Landscape, edits: Edits) -> Landscape:
    """A scene with other edits: the world itself if there are none."""
    if isinstance(scene, EditedScene):
        return scene.with_edits(edits)
    return EditedScene(scene, edits) if edits else scene


def mesh_of_thing(base: Landscape, name: str, thing: Thing, phase: Phase) -> tuple[Mesh, npt.NDArray[np.bool_]]:
    """Mesh of an object in ENU metres as it is drawn in a phase, and which of its faces (F,) are curved."""
    if thing.asset:
        made = known_asset(thing.asset)
        local, curved, instance = made.mesh, made.curved, thing.instance
        vertices = local.vertices.astype(np.float64)
    else:
        local = mesh_in_world(base, name, phase)
        curved, instance = SOFT[local.material], 0
        vertices = _to_local(local.vertices, base.objects().poses.get(name, thing.pose))
    if 0.0 in thing.scale:
        return Mesh.empty(), np.zeros(0, np.bool_)
    sized = replace(local, vertices=(vertices * np.array(thing.scale)).astype(np.float32),
                    instance=np.full(len(local.faces), instance, np.uint32) if instance else local.instance)
    clad, curved = _clad(sized, curved, thing.skins)
    return replace(clad, vertices=_to_world(clad.vertices.astype(np.float64), thing.pose)), curved


def mesh_in_world(base: Landscape, name: str, phase: Phase) -> Mesh:
    """Faces of an object of the world, in ENU metres, with the instance ids of the scene; none if it has none."""
    tile = base.holder(phase, building_id(name) or 0)
    return Mesh.empty() if tile is None else mesh_of_faces(tile, np.flatnonzero(~Hidden.of([name]).keeps(tile)))


def mesh_of_faces(tile: Tile, chosen: npt.NDArray[np.int64]) -> Mesh:
    """Some faces of a tile, by their numbers, in ENU metres, with the instance ids of the scene."""
    surface = tile.drawn.surface
    used, faces = np.unique(surface.faces[chosen], return_inverse=True)
    shift = np.array([tile.east_m, tile.north_m, 0.0])
    return Mesh((tile.drawn.bvh.arrays[0][used] + shift).astype(np.float32), faces.reshape(-1, 3).astype(np.uint32),
                surface.material[chosen], global_ids(tile, surface.instance[chosen]), surface.tint[chosen])


def _to_local(vertices: F32, pose: NedPose) -> F64:
    """ENU points in the frame of an object: x forward, y right, z down."""
    ned = vertices.astype(np.float64) @ _NED_OF_ENU - pose.position.array()
    return ned @ rotation_from_quaternion(pose.orientation)


def _to_world(local: F64, pose: NedPose) -> F32:
    ned = local @ rotation_from_quaternion(pose.orientation).T + pose.position.array()
    return np.ascontiguousarray(ned @ _NED_OF_ENU, np.float32)


def _clad(mesh: Mesh, curved: npt.NDArray[np.bool_], skins: Mapping[int, Skin]) -> tuple[Mesh, npt.NDArray[np.bool_]]:
    """The mesh with other materials in some of its slots."""
    if not skins:
        return mesh, curved
    slot = slots_of(mesh.material)
    material, tint = mesh.material.copy(), mesh.tint.copy()
    for place, skin in skins.items():
        here = slot == place
        material[here], tint[here] = INDEX[skin.material or PAINT], 128
    clad = replace(mesh, material=material, tint=tint)
    for place, skin in skins.items():
        if skin.texture is not None:
            clad, curved, slot = textured(clad, curved, slot, place, skin.texture)
    return clad, curved


def slots_of(material: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """(F,) number of each face's material, in the order in which faces first use them."""
    _, first, place = np.unique(material, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]


def _draw(base: Landscape, edits: Edits, phase: Phase) -> Drawn | None:
    """All that was spawned or altered as one drawn tile; None if there is nothing to see."""
    made = [mesh_of_thing(base, name, thing, phase) for name, thing in edits.things.items()]
    mesh = Mesh.concatenate([part for part, _ in made])
    if not len(mesh.faces):
        return None
    curved = np.concatenate([smooth for _, smooth in made])
    tile = base.holder(phase, 0)
    surface = _BARE if tile is None else tile.drawn.surface
    ground_m = tile.drawn.ground_m if tile else float(mesh.vertices[:, 2].min())
    return assembled(mesh, curved, surface, ground_m)


def _nothing_around() -> Surface:
    """Surroundings where nothing is known of them: open sky, no crowns, no smoke."""
    frame = np.array([-1e6, -1e6, 1e6], np.float32)
    low, none = np.full((2, 2), NOTHING_M, np.float32), np.zeros((1, 1), np.float32)
    empty = Mesh.empty()
    return Surface(empty.faces.astype(np.int32), empty.material, empty.instance, empty.tint, empty.vertices,
                   np.zeros((1, 1), np.uint8), frame, low, frame, low, none, frame, none, frame)


_BARE = _nothing_around()
