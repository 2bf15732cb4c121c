"""S6: measures what a projection did to the edges of a frame, and says whether the frame may leave."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from domain.measure import F32, U8, luminance


@dataclass(frozen=True)
class Bars:
    """What a projected frame has to reach against the colour-only frame it came from."""

    correlation: float = 0.95
    recall: float = 0.95
    clipped: float = 0.02


@dataclass(frozen=True)
class Verdict:
    """correlation: of luminance gradients, 1 = same edges. recall: share of visible label edges kept at half their
    strength or more. clipped: share of pixels newly out of range. accepted: False means the colour-only frame was used.
    """

    correlation: float
    recall: float
    clipped: float
    accepted: bool


def judge(before: F32, after: F32, semantic: U8, bars: Bars) -> Verdict:
    """Compares frames (H, W, 3) in grey levels without and with projection; semantic (H, W) gives the label edges."""
    gx, gy = _gradients(before), _gradients(after)                            # (2, H, W)
    correlation = float((gx * gy).sum() / (np.sqrt((gx**2).sum() * (gy**2).sum()) + 1e-6))
    strength = np.hypot(*gx)
    edges = label_edges(semantic) & (strength > 8)
    recall = float((np.hypot(*gy)[edges] >= 0.5 * strength[edges]).mean()) if edges.any() else 1.0
    clipped = max(0.0, clipped_share(after) - clipped_share(before))
    accepted = correlation >= bars.correlation and recall >= bars.recall and clipped <= bars.clipped
    return Verdict(correlation, recall, clipped, accepted)


def label_edges(labels: U8) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """True (H, W) on both sides of every border between labels."""
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(labels, kernel) != cv2.erode(labels, kernel))


def clipped_share(frame: F32) -> float:
    """Share of pixels with a band outside 0..255."""
    return float(((frame < -0.5) | (frame > 255.5)).any(axis=2).mean())


def _gradients(frame: F32) -> F32:
    grey = luminance(frame)
    return np.stack([cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.25)])
