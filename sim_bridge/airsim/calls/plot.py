"""Debug markers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded import markers
from sim_bridge.embedded.markers import Marker
from sim_bridge.frames import NED, NedPose

F64 = npt.NDArray[np.float64]
_RED, _GREEN, _BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
_TEXT = "taken; text is on the engine's own display only, which no camera sees"


@rpc("simFlushPersistentMarkers")
def flush_persistent_markers(context: Context) -> None:
    context.simulator.change(markers.flushed)


@rpc("simPlotPoints")
def plot_points(context: Context, points: list[NED], color_rgba: npt.NDArray[np.float32], size: float,
                duration: float, is_persistent: bool) -> None:
    _plot(context, [(_enu(points)[:, None], markers.srgb(color_rgba), size)], duration, is_persistent)


@rpc("simPlotLineStrip")
def plot_line_strip(context: Context, points: list[NED], color_rgba: npt.NDArray[np.float32], thickness: float,
                    duration: float, is_persistent: bool) -> None:
    knots = _enu(points)
    lines = np.stack([knots[:-1], knots[1:]], axis=1)
    _plot(context, [(lines, markers.srgb(color_rgba), thickness / 100)], duration, is_persistent)


@rpc("simPlotLineList")
def plot_line_list(context: Context, points: list[NED], color_rgba: npt.NDArray[np.float32], thickness: float,
                   duration: float, is_persistent: bool) -> None:
    ends = _enu(points)
    lines = ends[:len(ends) // 2 * 2].reshape(-1, 2, 3)
    _plot(context, [(lines, markers.srgb(color_rgba), thickness / 100)], duration, is_persistent)


@rpc("simPlotArrows")
def plot_arrows(context: Context, points_start: list[NED], points_end: list[NED],
                color_rgba: npt.NDArray[np.float32], thickness: float, arrow_size: float, duration: float,
                is_persistent: bool) -> None:
    count = min(len(points_start), len(points_end))
    lines = markers.arrow_lines(_enu(points_start)[:count], _enu(points_end)[:count], arrow_size / 100)
    _plot(context, [(lines, markers.srgb(color_rgba), thickness / 100)], duration, is_persistent)


@rpc("simPlotStrings", note=_TEXT)
def plot_strings(_: Context, strings: list[str], positions: list[NED], scale: float,
                 color_rgba: npt.NDArray[np.float32], duration: float) -> None:
    return None


@rpc("simPlotTransforms")
def plot_transforms(context: Context, poses: list[NedPose], scale: float, thickness: float, duration: float,
                    is_persistent: bool) -> None:
    forward, right, up = markers.axes_of(poses, scale / 100)
    _plot(context, [(forward, _RED, thickness / 100), (right, _GREEN, thickness / 100),
                    (up, _BLUE, thickness / 100)], duration, is_persistent)


@rpc("simPlotTransformsWithNames", note="the axes are drawn; names are " + _TEXT.removeprefix("taken; text is "))
def plot_transforms_with_names(context: Context, poses: list[NedPose], names: list[str], tf_scale: float,
                               tf_thickness: float, text_scale: float, text_color_rgba: npt.NDArray[np.float32],
                               duration: float) -> None:
    plot_transforms(context, poses, tf_scale, tf_thickness, duration, False)


def _enu(points: Sequence[NED]) -> F64:
    return markers.from_ned(np.array([point.array() for point in points]).reshape(-1, 3))


def _plot(context: Context, parts: Sequence[tuple[F64, tuple[int, int, int], float]], duration: float,
          is_persistent: bool) -> None:
    """duration: seconds of simulated time; not positive: the engine's own."""
    now_ns = context.simulator.now_ns()
    seconds = markers.DEFAULT_S if duration <= 0 else min(duration, 1e9)
    until_ns = None if is_persistent else now_ns + int(seconds * 1e9)
    plotted = [Marker(ends, rgb, width, until_ns) for ends, rgb, width in parts if len(ends)]
    context.simulator.change(lambda state: markers.plot(state, plotted, now_ns))
