"""Streaks of silt in moving water: noise drawn out along the flow (line integral convolution: Cabral and Leedom
1993)."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.world.model import Grid

F32 = npt.NDArray[np.float32]
NO_FIELD = Grid(np.zeros((1, 1), np.float32), 0.0, 0.0, 1.0)
CELL_M = 1.0
_STEPS, _STEP_M = 14, 1.6
"""Either way along the flow: streaks are some 45 m long."""
_STILL_MS = 0.02
"""Slower water is not drawn out."""


def silt_streaks(fields: Mapping[str, Grid]) -> Grid:
    """Streaks over the fields `flow_east_ms` and `flow_north_ms` of an aftermath: zero mean and unit deviation where
    water moves, 0 where it stands; `NO_FIELD` where it has no such fields. The same on every run: the noise is seeded
    by a constant, and the flow is the world's."""
    if "flow_east_ms" not in fields or "flow_north_ms" not in fields:
        return NO_FIELD
    frame = fields["flow_east_ms"]
    height, width = (round(n * frame.cell_m / CELL_M) for n in frame.values.shape)
    flow = [np.asarray(cv2.resize(np.nan_to_num(fields[name].values.astype(np.float32)), (width, height)), np.float32)
            for name in ("flow_east_ms", "flow_north_ms")]
    speed = np.asarray(np.hypot(*flow), np.float32)
    still = np.maximum(speed, np.float32(_STILL_MS))
    streaks = _drawn_out(_noise(height, width), *(np.asarray(part / still, np.float32) for part in flow))
    moving = speed > _STILL_MS
    if not moving.any():
        return NO_FIELD
    streaks = (streaks - streaks[moving].mean()) / streaks[moving].std()
    streaks = np.asarray(np.clip(streaks, -3, 3) * np.clip(speed / (10 * _STILL_MS), 0, 1), np.float32)
    return Grid(streaks, frame.west_m, frame.south_m, frame.cell_m * frame.values.shape[0] / height)


def _noise(height: int, width: int) -> F32:
    rng = np.random.default_rng([2718, 100])
    fine = rng.standard_normal((height, width)).astype(np.float32)
    return np.asarray(sum(cv2.GaussianBlur(fine, (0, 0), s) * s ** 0.7 for s in (0.8, 2.0, 5.0)), np.float32)


def _drawn_out(noise: F32, east: F32, north: F32) -> F32:
    """Mean of the noise along the streamline through each cell."""
    start: list[F32] = [np.asarray(a, np.float32) for a in np.indices(noise.shape)]
    total = noise.copy()
    for way in (_STEP_M / CELL_M, -_STEP_M / CELL_M):
        y, x = start
        for _ in range(_STEPS):
            along, up = _at(east, x, y), _at(north, x, y)
            x, y = np.asarray(x + way * along, np.float32), np.asarray(y + way * up, np.float32)
            total += _at(noise, x, y)
    return total


def _at(values: F32, x: F32, y: F32) -> F32:
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
