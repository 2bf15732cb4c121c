"""Open land cut into fields: crops, pastures, orchards, woods, each with a direction of its own."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.affinity
import shapely.ops

from sim_bridge.spec import Layout

FIELDS = ("field_dry", "meadow", "vineyard", "field_green", "wood", "savanna", "soil", "orchard", "crop", "crop_ripe",
          "stubble", "plough", "rapeseed")
"""Kinds of countryside that a parcel may be."""
_DRY = (1.2, 1.0, 0.9, 0.3, 0.3, 1.0, 0.3, 0.25, 0.15, 0.3, 0.3, 0.3, 0.0)
_LUSH = (0.3, 1.2, 0.3, 0.7, 0.5, 0.3, 0.2, 0.4, 1.0, 0.9, 0.6, 0.6, 0.3)


def cut_fields(layout: Layout, open_land: shapely.Geometry,
               rng: np.random.Generator) -> list[tuple[shapely.Polygon, str, float]]:
    """Open land cut in irregular halves until the pieces are of a field's size: piece, use, direction of its rows."""
    weights = np.array(_DRY) * layout.dryness + np.array(_LUSH) * (1 - layout.dryness)
    weights[FIELDS.index("wood")] += 1.6 * layout.tree_density
    shares = rng.dirichlet(2.0 * weights + 1e-3)
    pieces = [p for p in shapely.get_parts(open_land) if isinstance(p, shapely.Polygon) and p.area > 1]
    small = layout.settlement == "village"
    heading, target = rng.uniform(0, 180), rng.uniform(2000, 8000) if small else rng.uniform(5000, 30000)
    done: list[tuple[shapely.Polygon, str, float]] = []
    while pieces:
        piece = pieces.pop()
        if piece.area < target * rng.uniform(0.4, 2.0):
            row = heading + 90.0 * int(rng.integers(0, 2)) + rng.normal(0, 6)
            done.append((piece, str(rng.choice(FIELDS, p=shares)), float(row)))
        else:
            pieces += _halves(piece, heading, rng)
    return done


def _halves(piece: shapely.Polygon, heading: float, rng: np.random.Generator) -> list[shapely.Polygon]:
    """The piece cut across its longer extent, about along `heading` or at right angles to it."""
    turned = shapely.affinity.rotate(piece, -heading, origin=(0, 0))
    x0, y0, x1, y1 = turned.bounds
    share = rng.uniform(0.3, 0.7)
    lean = rng.uniform(-0.1, 0.1) * (x1 - x0 + y1 - y0)
    if x1 - x0 > y1 - y0:
        x = x0 + share * (x1 - x0)
        cut = shapely.LineString([(x - lean, y0 - 1), (x + lean, y1 + 1)])
    else:
        y = y0 + share * (y1 - y0)
        cut = shapely.LineString([(x0 - 1, y - lean), (x1 + 1, y + lean)])
    parts = shapely.get_parts(shapely.ops.split(turned, cut))
    return [shapely.affinity.rotate(p, heading, origin=(0, 0)) for p in parts if isinstance(p, shapely.Polygon)]
