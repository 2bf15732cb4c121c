"""Pictures of a page: overlays of label maps on images, scaled down and inlined as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sim_bridge.classes import GRADES, SEMANTIC, Entry

UintArray = npt.NDArray[np.uint8]
Overlay = Callable[[UintArray, UintArray], UintArray]
"""Image (H, W, 3) and labels (H, W) to an image."""
WIDTH_PX = 480
JPEG_QUALITY = 84


def palette(table: Sequence[Entry]) -> UintArray:
    """(256, 3) colour of every stored value; values outside the table are black."""
    colours = np.zeros((256, 3), np.uint8)
    for entry in table:
        colours[entry.id] = entry.rgb
    return colours


def semantic_overlay(rgb: UintArray, labels: UintArray, share: float = 0.6) -> UintArray:
    """Land-cover classes painted over an image (H, W, 3); 0 and values outside the table stay as they are."""
    return _blend(rgb, labels, palette(SEMANTIC), np.isin(labels, [e.id for e in SEMANTIC if e.id]), share)


def damage_overlay(rgb: UintArray, grades: UintArray, share: float = 0.42) -> UintArray:
    """Grades 1-4 over an image (H, W, 3): a light fill with a strong outline, so that the roof below stays visible."""
    colours = palette(GRADES)
    shown = np.isin(grades, [entry.id for entry in GRADES if entry.id])
    painted = _blend(rgb, grades, colours, shown, share)
    kept = np.where(shown, grades, 0).astype(np.uint8)
    edge = cv2.morphologyEx(kept, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    line = edge & shown
    painted[line] = colours[grades[line]]
    return painted


def _blend(rgb: UintArray, labels: UintArray, colours: UintArray, shown: npt.NDArray[np.bool_],
           share: float) -> UintArray:
    mixed = np.rint(rgb * (1 - share) + colours[labels] * share).astype(np.uint8)
    return np.where(shown[..., None], mixed, rgb)


def shrink(rgb: UintArray, width_px: int = WIDTH_PX) -> UintArray:
    """At most `width_px` wide: images (H, W, 3) averaged over area, label maps (H, W) by the nearest pixel."""
    if rgb.shape[1] <= width_px:
        return rgb
    method = cv2.INTER_AREA if rgb.ndim == 3 else cv2.INTER_NEAREST
    height = round(rgb.shape[0] * width_px / rgb.shape[1])
    return np.asarray(cv2.resize(rgb, (width_px, height), interpolation=method), np.uint8)


def jpeg_uri(rgb: UintArray, width_px: int = WIDTH_PX) -> str:
    """A `data:image/jpeg` URI of an image (H, W, 3) uint8."""
    _, data = cv2.imencode(".jpg", shrink(rgb, width_px)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def painted_uri(overlay: Overlay, rgb: UintArray, labels: UintArray, width_px: int = WIDTH_PX) -> str:
    """A data URI of an overlay, painted at the size it is shown at so that outlines stay one pixel sharp."""
    return jpeg_uri(overlay(shrink(rgb, width_px), shrink(labels, width_px)), width_px)
