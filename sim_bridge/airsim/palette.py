"""Colours of segmentation ids, AirSim's fixed 256 and Cosys' 2,744,000, and the way back from colours to ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import SimulatorError

U8 = npt.NDArray[np.uint8]

_LEVELS = bytes.fromhex(
    "ff7fbf5f9fdf4f6e8fafcfef5666778797a7b7c7d7e7f7535a626a727a838b939ba3abb3bbc3cbd3dbe3ebf3fb5155585d6065696d717578"
    "7d8185898d91999da1a5a9adb1b5b9bdc1c5c9cdd1d5d9dde1e5e9edf1f5f9fd96989a9c9ea0a2a4a6a8aaacaeb0b2b4b6b8babcbec0c2c4"
    "c6c8caccced0d2d4d6d8dadcdee0e2e4e6e8eaeceef0f2f4f6f8fafc")
"""The 140 levels that a channel has in Cosys' colour map, in the order in which they are used."""


@lru_cache(maxsize=1)
def static_palette() -> U8:
    """(256, 3) uint8 RGB of each id, from AirSim's docs/seg_rgbs.txt. Read only."""
    text = resources.files("sim_bridge.airsim").joinpath("palette.json").read_text()
    colours = np.frombuffer(bytes.fromhex("".join(json.loads(text)["rgb_hex"])), np.uint8).reshape(256, 3)
    return colours


def instance_colours(count: int) -> U8:
    """(count, 3) uint8 RGB of Cosys' first colours: entry i is that of the object with index i.

    Colours of the levels 0..n come before any of level n + 1: for each choice of channels that have the new level, all
    combinations of the older levels in the others (after the file colormap.npy of cosysairsim 3.5).
    """
    chosen = np.array(list(islice(_level_triples(), count)), np.intp).reshape(-1, 3)
    colours: U8 = np.frombuffer(_LEVELS, np.uint8)[chosen]
    return colours


def _level_triples() -> Iterator[tuple[int, ...]]:
    yield 0, 0, 0
    for newest in range(1, len(_LEVELS)):
        for which in range(1, 8):
            yield from product(*([newest] if which >> place & 1 else range(newest) for place in (2, 1, 0)))


class PaletteReader:
    """Ids from colours, by one table over all 2^24 colours (its untouched pages cost no memory)."""

    def __init__(self, palette: U8, ids: npt.ArrayLike | None = None) -> None:
        """palette: (N, 3) uint8 RGB, static or measured on the server, all rows different. ids: (N,) in 0..255, the
        rows' numbers without it."""
        self._id_plus_one = np.zeros(1 << 24, np.uint16)
        self._id_plus_one[_codes(palette)] = 1 + (np.arange(len(palette)) if ids is None else np.asarray(ids))

    def ids(self, rgb: U8) -> U8:
        """(H, W) uint8 ids of an (H, W, 3) RGB image.

        Raises SimulatorError for a colour that is not in the palette: a compressed, scaled or gamma-changed image.
        """
        found = self._id_plus_one[_codes(rgb)]
        if not found.all():
            row, column = (int(v) for v in np.argwhere(found == 0)[0])
            colour = tuple(int(v) for v in rgb[row, column])
            raise SimulatorError(f"segmentation colour {colour} at row {row}, column {column} is not in the palette: "
                                 "measure the palette of this server")
        return (found - 1).astype(np.uint8)


def _codes(rgb: U8) -> npt.NDArray[np.int32]:
    wide = rgb.astype(np.int32)
    codes: npt.NDArray[np.int32] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return codes
