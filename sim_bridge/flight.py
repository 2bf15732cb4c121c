"""Survey flights: where the camera stands so that a square of ground is seen with a given overlap."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, F64, CameraPose, Intrinsics, intrinsics, look_at, unproject
from sim_bridge.spec import View

Heights = Callable[[npt.ArrayLike, npt.ArrayLike], npt.NDArray[np.float64]]
"""Ground z (m) under points x, y (m), as `World.height_at`."""

_STEEPEST = math.sin(math.radians(5))
"""Least sine of the angle at which a corner's line of sight may meet the ground; flatter ones end far away."""


def plan_survey(size_m: float, view: View, width_px: int, height_px: int, overlap: float,
                heights: Heights) -> tuple[CameraPose, ...]:
    """Poses of a survey over the world's square, row by row from the south-west, every other row backwards.

    size_m: side of the square about the ENU origin. overlap: least share of a frame that its neighbour also sees, 0 up
    to but not 1. Frames are laid out on flat ground: all of them lie inside the square, and neighbours overlap by at
    least `overlap`; along an axis on which the square is smaller than a frame, one frame is centred. Where footprints
    are slanted (off nadir), the margin between a footprint's bounding box and the box inside it may stay unseen at the
    square's edge. Each pose then looks at its centre at the terrain's height, from `view.distance_m(width_px)`.

    Raises InputError for a size, overlap or view that no survey can be laid out for.
    """
    if not 0 <= overlap < 1:
        raise InputError(f"overlap is {overlap}: expected at least 0 and less than 1")
    if not (math.isfinite(size_m) and size_m > 0 and width_px > 0 and height_px > 0):
        raise InputError(f"survey of {size_m} m with {width_px}x{height_px} pixels: expected positive sizes")
    camera = intrinsics(width_px, height_px, view.hfov_deg)
    corners = footprint(_pose(view, width_px, ENU(0, 0, 0)), camera, 0.0)
    columns = _centres(size_m, overlap, *_extent(corners[:, 0], west=(0, 3), east=(1, 2)))
    rows = _centres(size_m, overlap, *_extent(corners[:, 1], west=(3, 2), east=(0, 1)))
    if len(columns) * len(rows) > 100_000:
        raise InputError(f"survey of {size_m:g} m at {view.gsd_m} m takes {len(columns) * len(rows)} frames: "
                         f"expected at most 100000, choose a larger gsd_m or a smaller overlap")
    tour = [(x, y) for i, y in enumerate(rows) for x in (columns if i % 2 == 0 else columns[::-1])]
    return tuple(_pose(view, width_px, ENU(x, y, float(heights(x, y)))) for x, y in tour)


def footprint(pose: CameraPose, camera: Intrinsics, ground_m: float) -> F64:
    """ENU points (4, 3) where the image corners meet the plane z = ground_m, clockwise from the top left.

    Raises InputError if a corner sees the horizon.
    """
    pixels = np.array([[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]], np.float64)
    rays = unproject(pixels, np.ones(4), pose, camera) - pose.position.array()
    if (-rays[:, 2] / np.linalg.norm(rays, axis=1)).min() < _STEEPEST or pose.position.up <= ground_m:
        raise InputError("a frame's corner looks at the horizon: expected a smaller off_nadir_deg or hfov_deg")
    return unproject(pixels, (ground_m - pose.position.up) / rays[:, 2], pose, camera)


def _pose(view: View, width_px: int, target: ENU) -> CameraPose:
    return look_at(target, view.distance_m(width_px), view.off_nadir_deg, view.view_azimuth_deg)


def _extent(along: F64, west: tuple[int, int], east: tuple[int, int]) -> tuple[float, float, float, float]:
    """(outer low, outer high, inner low, inner high) of a footprint along one axis, from its corners (4,).

    The inner box is bounded by the footprint's sides, each given by its two corners, and lies inside it.
    """
    low, high = along[list(west)], along[list(east)]
    return float(along.min()), float(along.max()), float(low.max()), float(high.min())


def _centres(size_m: float, overlap: float, low: float, high: float, inner_low: float,
             inner_high: float) -> list[float]:
    step = (inner_high - inner_low) * (1 - overlap)
    if step <= 0:
        raise InputError("frames are too slanted to tile the ground: expected a smaller off_nadir_deg or hfov_deg")
    span = size_m - (high - low)
    if span <= 0:
        return [-(low + high) / 2]
    count = 1 + math.ceil(span / step - 1e-9)
    return [float(c) for c in np.linspace(-size_m / 2 - low, size_m / 2 - high, count)]
