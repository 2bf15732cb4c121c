"""Objects that a camera detects: those whose name a filter knows, near enough, and with a pixel in its picture.

AirSim projects an object's box and asks ten rays whether any of it is seen (DetectionComponent.cpp). Here the picture
of objects itself says what is seen, and where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.cameras import CameraRef
from sim_bridge.embedded.capture import Frame
from sim_bridge.embedded.embree import Bvh
from sim_bridge.embedded.objects import GROUND, GROUPS, TERRAIN, building_id, class_of, matching
from sim_bridge.embedded.scene import Tile, corner_rays
from sim_bridge.embedded.scene_objects import present_edits
from sim_bridge.embedded.state import State
from sim_bridge.frames import (
    NED,
    NedPose,
    ned_from_camera,
    ned_from_enu,
    pixel_rays,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

MAX_NAMES, MAX_CHARACTERS, MAX_FILTERS = 128, 200, 256
"""Of one filter, of a name, and filters in all: bounds what callers can make the simulator keep."""
_KEY = "detection"
_CLASSES = len(CLASS_ID)


@dataclass(frozen=True)
class Channel:
    """What a filter belongs to: one image type of a camera, and the layer if that shows one."""

    ref: CameraRef
    image_type: int
    layer: str = ""


@dataclass(frozen=True)
class Filter:
    """names: patterns of mesh names, `*` for any text and `?` for one character, in any case."""

    names: tuple[str, ...] = ()
    radius_m: float = 200.0


@dataclass(frozen=True)
class Detection:
    """One object in a picture. Boxes as (min, max)."""

    name: str
    place: NedPose
    """In global NED."""
    box_px: tuple[tuple[float, float], tuple[float, float]]
    """Column and row of its corners, right and bottom exclusive."""
    box_m: tuple[NED, NED]
    """The corner of the object's upright box that is lowest in north, east and height, and the opposite one; forward,
    right and down of the camera."""
    relative: NedPose
    """Forward, right and down of the camera; its orientation is the camera's in the frame of the object, as AirSim has
    it."""


def filter_of(state: State, channel: Channel) -> Filter:
    kept: Mapping[Channel, Filter] = state.extra.get(_KEY, {})
    return kept.get(channel, Filter())


def with_filter(state: State, channel: Channel, new: Filter) -> State:
    """The state with another filter. Raises ValueError for one that is too large, or one too many."""
    kept: Mapping[Channel, Filter] = {**state.extra.get(_KEY, {}), channel: new}
    if len(kept) > MAX_FILTERS or len(new.names) > MAX_NAMES or any(len(n) > MAX_CHARACTERS for n in new.names):
        raise ValueError(f"detection filters: at most {MAX_FILTERS} of {MAX_NAMES} names of {MAX_CHARACTERS} "
                         "characters are kept")
    return replace(state, extra={**state.extra, _KEY: kept})


def filtered(state: State, patterns: Iterable[str]) -> list[str]:
    """Objects whose own name or whose asset's name a pattern means."""
    if state.loaded is None:
        return []
    assets = {name: thing.asset for name, thing in present_edits(state).spawned.items()}
    meshes = {*state.loaded.poses, *assets.values()}
    found: set[str] = set()
    for pattern in patterns:
        expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
        found.update(matching(meshes, expression, ignore_case=True))
    return [name for name in state.loaded.poses if name in found or assets.get(name) in found]


def detected(frame: Frame, chosen: Filter) -> list[Detection]:
    """What a frame with objects shows of the objects that a filter knows, in the order in which they are listed."""
    names = filtered(frame.state, chosen.names)
    if not names or frame.state.loaded is None:
        return []
    keys, spans = _seen(frame)
    points = _span_boxes(frame, spans)
    meshes = _mesh_boxes(frame) if frame.view.ortho_width_m is None else {}
    found = []
    for name in names:
        own = [place for key in _keys(frame.state, name) if (place := keys.get(key)) is not None]
        if own:
            box = meshes.get(_instance(frame.state, name)) or _joined([points[place] for place in own])
            pose = frame.state.loaded.poses[name]
            group = name in (GROUND, *GROUPS)
            if _distance(frame, box, pose, group) <= chosen.radius_m:
                found.append(Detection(name, pose, _pixels(spans, own), (_local(frame, box[0]), _local(frame, box[1])),
                                       _relative(frame, pose)))
    return found


@dataclass(frozen=True)
class _Spans:
    """Pixels sorted by what they show: places in the picture, and where the pixels of each thing begin."""

    width: int
    order: I64
    starts: I64

    def of(self, place: int) -> I64:
        ends = np.append(self.starts[1:], len(self.order))
        return self.order[self.starts[place]:ends[place]]


Box = tuple[F64, F64]


def _instance(state: State, name: str) -> int:
    """Of a building or what was spawned; 0 for groups."""
    spawned = state.loaded.scene.objects().spawned if state.loaded else {}
    return spawned.get(name, building_id(name) or 0)


def _keys(state: State, name: str) -> Sequence[int]:
    """What pixels of an object hold in `_seen`."""
    if name == GROUND:
        return [GROUPS[part] for part in TERRAIN]
    if name in GROUPS:
        return [GROUPS[name]]
    instance = _instance(state, name)
    return [_CLASSES + instance] if instance else []


def _seen(frame: Frame) -> tuple[dict[int, int], _Spans]:
    """Pixels by class or, where they have one, by instance: the place of each key among the spans."""
    assert frame.material is not None and frame.instance is not None
    instance = frame.instance.astype(np.int64).ravel()
    key = np.where(instance > 0, _CLASSES + instance, class_of(frame.material).ravel())
    order = np.argsort(key, kind="stable")
    found, starts = np.unique(key[order], return_index=True)
    spans = _Spans(frame.camera.width, order, starts.astype(np.int64))
    return {int(value): place for place, value in enumerate(found)}, spans


def _pixels(spans: _Spans, own: Sequence[int]) -> tuple[tuple[float, float], tuple[float, float]]:
    rows, columns = np.divmod(np.concatenate([spans.of(place) for place in own]), spans.width)
    return ((float(columns.min()), float(rows.min())), (float(columns.max() + 1), float(rows.max() + 1)))


def _span_boxes(frame: Frame, spans: _Spans) -> list[Box]:
    """Box (ENU) around the points that are seen of each thing."""
    depth = frame.depth.astype(np.float64).ravel()[spans.order, None]
    if frame.view.ortho_width_m is None:
        points = frame.eye.position.array() + pixel_rays(frame.eye, frame.camera)[spans.order] * depth
    else:
        points = _parallel(frame, spans.order) + frame.eye.rotation[:, 2] * depth
    low, high = (ends.reduceat(points, spans.starts, axis=0) for ends in (np.minimum, np.maximum))
    return list(zip(low, high, strict=True))


def _parallel(frame: Frame, pixels: I64) -> F64:
    """Where the ray of each pixel of an orthographic camera starts."""
    camera, metres = frame.camera, (frame.view.ortho_width_m or 0.0) / frame.camera.width
    rows, columns = np.divmod(pixels, camera.width)
    plane = np.stack([columns + 0.5 - camera.width / 2, rows + 0.5 - camera.height / 2], axis=-1) * metres
    return np.asarray(frame.eye.position.array() + plane @ frame.eye.rotation[:, :2].T)


def _joined(boxes: Sequence[Box]) -> Box:
    return np.min([low for low, _ in boxes], axis=0), np.max([high for _, high in boxes], axis=0)


def _mesh_boxes(frame: Frame) -> dict[int, Box]:
    """Box (ENU) of every building and spawned object near the view, by instance."""
    loaded = frame.state.loaded
    tiles = () if loaded is None else loaded.scene.tiles(frame.state.phase, frame.eye.position.array()[None],
                                                         corner_rays(frame.eye, frame.camera))
    found: dict[int, Box] = {}
    for tile in tiles:
        shift = np.array([tile.east_m, tile.north_m, 0.0])
        ids, low, high = _tile_boxes(tile)
        for k, number in enumerate(ids + tile.first_id):
            own = low[k] + shift, high[k] + shift
            found[int(number)] = _joined([found[int(number)], own]) if int(number) in found else own
    return found


_boxes_of: WeakKeyDictionary[Bvh, tuple[I64, F64, F64]] = WeakKeyDictionary()


def _tile_boxes(tile: Tile) -> tuple[I64, F64, F64]:
    """Instances of a tile and the corners of their boxes, in the frame of the tile."""
    bvh = tile.drawn.bvh
    if bvh not in _boxes_of:
        vertices, faces = bvh.arrays
        instance = tile.drawn.surface.instance
        order = np.argsort(instance, kind="stable")
        order = order[np.searchsorted(instance[order], 1):]
        ids, starts = np.unique(instance[order], return_index=True)
        corners = vertices[faces[order]].astype(np.float64)
        ends = ((np.zeros((0, 3)),) * 2 if not len(ids) else
                (np.minimum.reduceat(corners.min(axis=1), starts), np.maximum.reduceat(corners.max(axis=1), starts)))
        _boxes_of[bvh] = ids.astype(np.int64), *ends
    return _boxes_of[bvh]


def _distance(frame: Frame, box: Box, pose: NedPose, group: bool) -> float:
    """From the camera to an object's place, or to what is nearest in the box of a group."""
    eye = frame.eye.position.array()
    if group:
        return float(np.linalg.norm(np.clip(eye, *box) - eye))
    return float(np.linalg.norm(ned_from_enu(frame.eye.position).array() - pose.position.array()))


def _local(frame: Frame, point: F64) -> NED:
    """Forward, right and down of the camera."""
    right, down, forward = (point - frame.eye.position.array()) @ frame.eye.rotation
    return NED(float(forward), float(right), float(down))


def _relative(frame: Frame, pose: NedPose) -> NedPose:
    camera = ned_from_camera(frame.eye)
    turn = rotation_from_quaternion(camera.orientation)
    position = turn.T @ (pose.position.array() - camera.position.array())
    orientation = rotation_from_quaternion(pose.orientation).T @ turn
    return NedPose(NED(*(float(v) for v in position)), quaternion_from_rotation(orientation))
