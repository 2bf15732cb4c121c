"""Housing complexes: what follows what from the street, and plans that can stand."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import shapely

from sim_bridge.world.canvas import Canvas
from sim_bridge.world.complexes import design_complex, paint_complex, rows
from sim_bridge.world.materials import INDEX
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import turn


def lot(width, depth, yaw_deg=20.0):
    ring = np.array([[0, 0], [width, 0], [width, depth], [0, depth]]) - (width / 2, depth / 2)
    return Parcel(turn(ring, yaw_deg), "complex", yaw_deg)


@pytest.mark.parametrize("depth", [5, 22, 40, 63, 120])
def test_rows_follow_one_another_and_stay_on_the_lot(depth):
    found = rows(depth)
    assert all(b >= a for (_, _, a), (_, b, _) in pairwise(found))
    assert not found or (found[0][0] == "slab" and found[-1][2] <= depth - 2)
    lanes = [k for k, (kind, *_) in enumerate(found) if kind == "lane"]
    assert all(found[k - 1][0] == "carport" for k in lanes)


def test_plans_stand_clear_of_each_other_on_the_lot():
    for seed in range(20):
        parcel = lot(70, 63)
        plans = design_complex(parcel, 0, np.random.default_rng(seed))
        shapes = [shapely.Polygon(p.ring) for p in plans]
        assert {p.use for p in plans} <= {"apartments", "garage"} and "apartments" in {p.use for p in plans}
        assert all(s.is_valid and s.exterior.is_ccw and parcel.polygon.buffer(0.01).contains(s) for s in shapes)
        assert all(a.distance(b) > 0.6 for a, b in combinations(shapes, 2))
        assert all(p.storeys in (2, 3) for p in plans if p.use == "apartments")


def test_a_lot_too_small_stays_empty():
    assert design_complex(lot(20, 60), 0, np.random.default_rng(0)) == []
    assert design_complex(lot(60, 20), 0, np.random.default_rng(0)) == []


def test_lanes_and_bays_are_paved():
    canvas = Canvas.blank(160, 0.25, np.uint8)
    paint_complex(canvas, lot(70, 63))
    area = {name: (canvas.values == INDEX[name]).sum() * 0.0625 for name in ("asphalt_worn", "parking")}
    assert area["asphalt_worn"] == pytest.approx(67 * 6.8, rel=0.05)
    assert area["parking"] == pytest.approx(67 * 2 * 5.2, rel=0.06)
