"""Debug markers: points, lines and arrows that callers plot into the world, seen in Scene images and nowhere else.

What stands before a marker hides it, as in the engine, where markers are drawn with the scene's depth. A line is as
wide as its thickness in centimetres and at least a pixel; a point is so many pixels wide. Text goes to the engine's
head-up display, which no camera sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.light import GAMMA
from sim_bridge.embedded.state import State
from sim_bridge.frames import CameraPose, Intrinsics, NedPose, rotation_from_quaternion

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
MAX_LINES = 20_000
"""Segments and points that are plotted at a time."""
DEFAULT_S = 1.0
"""How long a marker stays whose duration is not positive (UE LineBatchComponent, DefaultLifeTime)."""
_KEY = "markers.plotted"
_NEAREST_M = 0.05
_PIECES = 256
"""Most pieces of a line, each seen or hidden as a whole."""
_PIECE_PX = 4.0
_IN_FRONT = 0.01
"""Share of the depth by which a marker may lie behind a surface and still shows, so that what is drawn on it does."""
_WIDEST_PX = 64
_SHIFT = 4
"""Bits of a corner's coordinates below the pixel."""
_ENU_OF_NED = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]], np.float64)
_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
"""Forward, right and up of a body: the axes that the engine draws."""
_HEAD = 0.5
"""Half width of an arrow's head, as a share of its length."""


@dataclass(frozen=True)
class Marker:
    """Lines or points of one colour."""

    ends: F64
    """(N, 2, 3) of lines, (N, 1, 3) of points: ENU metres."""
    rgb: tuple[int, int, int]
    width: float
    """Of lines in metres, of points in pixels."""
    until_ns: int | None
    """None: until all markers are flushed."""


def plotted(state: State) -> tuple[Marker, ...]:
    found: tuple[Marker, ...] = state.extra.get(_KEY, ())
    return found


def plot(state: State, markers: Sequence[Marker], now_ns: int) -> State:
    """The state with more markers, without those whose time is over. Raises ValueError if they are too many."""
    alive = [m for m in plotted(state) if m.until_ns is None or m.until_ns > now_ns]
    total = sum(len(marker.ends) for marker in (*alive, *markers))
    if total > MAX_LINES:
        raise ValueError(f"{total} points and lines are plotted: at most {MAX_LINES} are drawn, flush some first")
    return replace(state, extra={**state.extra, _KEY: (*alive, *markers)})


def flushed(state: State) -> State:
    """The state without markers that last."""
    return replace(state, extra={**state.extra, _KEY: tuple(m for m in plotted(state) if m.until_ns is not None)})


def cleared(state: State) -> State:
    """The state without markers."""
    return replace(state, extra={key: value for key, value in state.extra.items() if key != _KEY})


def from_ned(points: F64) -> F64:
    """(..., 3) ENU metres."""
    return points @ _ENU_OF_NED


def srgb(rgba: Iterable[float]) -> tuple[int, int, int]:
    """8-bit colour of a linear one; missing channels are 0, and so are those that are no number."""
    linear = np.clip(np.nan_to_num([*map(float, rgba), 0.0, 0.0, 0.0][:3]), 0.0, 1.0)
    red, green, blue = np.rint(255 * linear ** (1 / GAMMA)).astype(int)
    return int(red), int(green), int(blue)


def arrow_lines(starts: F64, ends: F64, head_m: float) -> F64:
    """(N * 5, 2, 3) shaft and four strokes of the head of arrows from starts to ends (N, 3)."""
    way = ends - starts
    along = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    aside = np.cross(along, np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]))
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-9)
    up = np.cross(along, aside)
    strokes = [np.stack([ends, ends - head_m * (along + _HEAD * turn)], axis=1) for turn in (aside, -aside, up, -up)]
    return np.concatenate([np.stack([starts, ends], axis=1), *strokes])


def axes_of(poses: Sequence[NedPose], length_m: float) -> tuple[F64, F64, F64]:
    """Lines (N, 2, 3) in ENU metres along forward, right and up of each pose."""
    origin = np.array([pose.position.array() for pose in poses]).reshape(-1, 3)
    turns = np.array([rotation_from_quaternion(pose.orientation) for pose in poses]).reshape(-1, 3, 3)
    lines = [from_ned(np.stack([origin, origin + turns @ np.array(axis) * length_m], axis=1)) for axis in _AXES]
    return lines[0], lines[1], lines[2]


def drawn_over(rgb: U8, depth: F32, eye: CameraPose, camera: Intrinsics, ortho_m: float | None, state: State,
               now_ns: int) -> U8:
    """The picture (H, W, 3) with the markers that are alive; the same array if none is. ortho_m: width of a picture
    with parallel rays."""
    alive = [m for m in plotted(state) if m.until_ns is None or m.until_ns > now_ns]
    if not alive:
        return rgb
    shot = _Shot(rgb.copy(), depth, camera, ortho_m)
    for marker in alive:
        local = (marker.ends - eye.position.array()) @ eye.rotation
        if marker.ends.shape[1] == 1:
            _draw_points(shot, local[:, 0], marker)
        else:
            _draw_lines(shot, local, marker)
    return shot.picture


@dataclass(frozen=True)
class _Shot:
    picture: U8
    depth: F32
    camera: Intrinsics
    ortho_m: float | None

    def metre_px(self, far: F64) -> F64:
        """Pixels of a metre at depths (N,)."""
        if self.ortho_m is not None:
            return np.full(len(far), self.camera.width / self.ortho_m)
        return np.asarray(self.camera.focal_px / far)

    def pixels(self, local: F64) -> F64:
        """(N, 2) column and row of points in the camera's frame, all before it."""
        middle = np.array([self.camera.width / 2, self.camera.height / 2])
        return np.asarray(local[:, :2] * self.metre_px(local[:, 2])[:, None] + middle)


def _seen(depth: F32, pixels: F64, far: F64) -> npt.NDArray[np.bool_]:
    """(N,) whether points at pixels are within the picture and not behind what it shows."""
    inside = np.all((pixels >= 0) & (pixels < np.array([depth.shape[1], depth.shape[0]])), axis=1)
    column, row = np.where(inside[:, None], pixels, 0).astype(int).T
    return np.asarray(inside & (far <= depth[row, column] * (1 + _IN_FRONT)))


def _draw_points(shot: _Shot, local: F64, marker: Marker) -> None:
    ahead = local[local[:, 2] > _NEAREST_M]
    pixels = shot.pixels(ahead)
    side = int(min(max(marker.width, 1.0), _WIDEST_PX))
    for column, row in pixels[_seen(shot.depth, pixels, ahead[:, 2])].astype(int):
        left, top = column - side // 2, row - side // 2
        shot.picture[max(0, top):max(0, top + side), max(0, left):max(0, left + side)] = marker.rgb


def _draw_lines(shot: _Shot, local: F64, marker: Marker) -> None:
    for ends in local:
        clipped = _before_camera(ends)
        if clipped is not None:
            _draw_line(shot, clipped, marker)


def _before_camera(ends: F64) -> F64 | None:
    """The part (2, 3) of a line that lies before the camera."""
    near = ends[:, 2] > _NEAREST_M
    if near.all():
        return ends
    if not near.any():
        return None
    share = (_NEAREST_M - ends[0, 2]) / (ends[1, 2] - ends[0, 2])
    cut = ends[0] + share * (ends[1] - ends[0])
    return np.stack([ends[0], cut]) if near[0] else np.stack([cut, ends[1]])


def _draw_line(shot: _Shot, ends: F64, marker: Marker) -> None:
    flat = shot.pixels(ends)
    span = float(np.abs(np.diff(np.clip(flat, -4096, 4096), axis=0)).max())
    shares = np.linspace(0, 1, int(min(max(span / _PIECE_PX, 1), _PIECES)) + 1)
    # pieces are even in the picture: there, one over the depth is linear
    way, back = (ends[:, 2], False) if shot.ortho_m is not None else (1 / ends[:, 2], True)
    middle = (shares[:-1] + shares[1:]) / 2
    far = way[0] + middle * (way[1] - way[0])
    far = 1 / far if back else far
    knots = flat[0] + shares[:, None] * (flat[1] - flat[0])
    # a filled polygon has its border's pixels as well
    half = np.clip(marker.width * shot.metre_px(far), 1, _WIDEST_PX) / 2 - 0.5
    along = (flat[1] - flat[0]) / max(float(np.hypot(*(flat[1] - flat[0]))), 1e-9)
    aside = half[:, None] * np.array([-along[1], along[0]])
    quads = np.stack([knots[:-1] - aside, knots[:-1] + aside, knots[1:] + aside, knots[1:] - aside], axis=1) - 0.5
    corners = np.rint(np.clip(quads, -16000, 16000) * (1 << _SHIFT)).astype(np.int32)
    for place in np.flatnonzero(_seen(shot.depth, (knots[:-1] + knots[1:]) / 2, far)):
        cv2.fillConvexPoly(shot.picture, corners[place], marker.rgb, cv2.LINE_8, _SHIFT)
