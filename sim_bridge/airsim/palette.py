"""AirSim's fixed colours of the 256 segmentation ids, and the way back from colours to ids."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import SimulatorError

U8 = npt.NDArray[np.uint8]


@lru_cache(maxsize=1)
def static_palette() -> U8:
    """(256, 3) uint8 RGB of each id, from AirSim's docs/seg_rgbs.txt. Read only."""
    text = resources.files("sim_bridge.airsim").joinpath("palette.json").read_text()
    colours = np.frombuffer(bytes.fromhex("".join(json.loads(text)["rgb_hex"])), np.uint8).reshape(256, 3)
    return colours


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
