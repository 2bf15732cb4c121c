"""Optical flow by a camera's own motion: where each point was in the camera's last frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.capture import Frame
from sim_bridge.frames import CameraPose

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def optical_flow(frame: Frame) -> F32:
    """(H, W, 2) how far each pixel's point has come since the last frame, as shares of the picture's width (positive
    to the right) and height (positive UPWARDS), of a standing world (AirSim's OpticalFlowMaterial). Zero for points
    that were behind the camera."""
    if frame.before is None or frame.before.same_as(frame.eye, 0.0, 0.0):
        return np.zeros((*frame.depth.shape, 2), np.float32)
    across, down, forward = _local(frame, frame.before)
    camera, ortho = frame.camera, frame.view.ortho_width_m
    per_px = camera.focal_px if ortho is None else camera.width / ortho
    depth = forward if ortho is None else np.ones_like(forward)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.width / 2)
    rows = np.arange(camera.height, dtype=np.float32) + np.float32(0.5 - camera.height / 2)
    ahead = depth > 0
    safe = np.where(ahead, depth, np.float32(1))
    right = (columns[None, :] - across / safe * per_px) / camera.width
    up = (down / safe * per_px - rows[:, None]) / camera.height
    return np.where(ahead[..., None], np.stack([right, up], axis=-1), 0).astype(np.float32)


def flow_colours(flow: F32) -> U8:
    """(H, W, 3) the direction of flow (H, W, 2) as hue, its length as brightness on a logarithmic scale, in the way of
    AirSim's OpticalFlowRGBMaterial."""
    shift = np.float32(0.999)
    angle = np.mod(180 + np.degrees(np.arctan2(flow[..., 1], flow[..., 0])), 360) / 60
    length = np.hypot(flow[..., 0], flow[..., 1])
    value = np.clip(np.log(length + shift) / np.log(np.float32(0.1) + shift), 0, 1)
    # of full saturation: a channel is the value, a ramp towards it, or nothing
    channels = [np.clip(np.abs(np.mod(angle - centre + 3, 6) - 3) * -1 + 2, 0, 1) for centre in (0, 2, 4)]
    colours: U8 = np.rint(255 * value[..., None] * np.stack(channels, axis=-1)).astype(np.uint8)
    return colours


def _local(frame: Frame, before: CameraPose) -> tuple[F32, F32, F32]:
    """Each pixel's point in the camera's last frame: (H, W) right, down, forward; of the sky, its direction."""
    camera, now = frame.camera, frame.eye
    turn = (before.rotation.T @ now.rotation).astype(np.float32)
    shift = (before.rotation.T @ (now.position.array() - before.position.array())).astype(np.float32)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.width / 2)
    rows = np.arange(camera.height, dtype=np.float32) + np.float32(0.5 - camera.height / 2)
    sky = np.isinf(frame.depth)
    depth = np.where(sky, np.float32(1), frame.depth)
    ortho = frame.view.ortho_width_m
    spread = depth / np.float32(camera.focal_px) if ortho is None else np.full_like(depth, ortho / camera.width)
    point = np.stack([columns[None, :] * spread, rows[:, None] * spread, depth], axis=-1)
    local = point @ turn.T + np.where(sky[..., None], np.float32(0), shift)
    return local[..., 0], local[..., 1], local[..., 2]
