"""Pictures with sharp edges, several classes and texture."""

from __future__ import annotations

import numpy as np

from domain.measure import U8


def picture(seed: int, size: int = 128, cast: tuple[float, float, float] = (1, 1, 1)) -> tuple[U8, U8]:
    """Sharp blocks of several classes with texture: (size, size, 3) and their classes (size, size)."""
    rng = np.random.default_rng(seed)
    classes = np.full((size, size), 5, np.uint8)
    image = np.full((size, size, 3), (90, 110, 70), np.float64)
    for label, colour in ((1, (170, 160, 150)), (2, (100, 100, 105)), (6, (45, 70, 40)), (4, (150, 125, 95))) * 3:
        y, x = rng.integers(4, size - 40, 2)
        image[y:y + 28, x:x + 32], classes[y:y + 28, x:x + 32] = colour, label
    image = (image + rng.normal(0, 1.5, image.shape)) * cast
    return image.clip(0, 255).astype(np.uint8), classes


def pair(seed: int, count: int = 2) -> tuple[U8, U8, U8, U8]:
    """before, after (B, H, W, 3), classes before, after (B, H, W); after lost one block."""
    made = [picture(seed + i) for i in range(count)]
    before, classes = np.stack([m[0] for m in made]), np.stack([m[1] for m in made])
    after, classes_after = before.copy(), classes.copy()
    after[:, 40:70, 40:70], classes_after[:, 40:70, 40:70] = (120, 110, 100), 9
    return before, after, classes, classes_after
