"""`mage map`: damage of a real place, as GIS files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim_bridge.errors import InputError


def map_damage(model: Path, out: Annotated[Path, tyro.conf.arg(aliases=["-o"])], pre: Path | None = None,
               post: Path | None = None, pairs: Path | None = None, gsd: float | None = None) -> None:
    """Map damage of a before/after pair (--pre, --post), or of every pair in a folder (--pairs).

    Writes damage.tif (grades 0-4), confidence.tif, landcover_pre.tif, landcover_post.tif and buildings.gpkg.

    Args:
        model: Folder of a trained model.
        out: Folder to write into; with --pairs, one sub-folder for each id.
        pre: Raster from before: GeoTIFF, PNG or JPEG, three bands of 8 bits.
        post: Raster from after, on any grid.
        pairs: Folder of `<id>_pre.*` with `<id>_post.*`.
        gsd: Metres per pixel, for images that do not say where they lie.
    """
    if (pairs is None) == (pre is None or post is None):
        raise InputError("give either --pre with --post, or --pairs: expected one kind of input")
    from learn.mapping import map_pair, map_pairs

    if pairs is not None:
        map_pairs(pairs, model, out, gsd_m=gsd)
    elif pre is not None and post is not None:
        map_pair(pre, post, model, out, gsd_m=gsd)
    print(f"maps: {out}")


def main(argv: list[str]) -> None:
    """Parses the arguments and maps."""
    tyro.cli(map_damage, prog="mage map", args=argv)
