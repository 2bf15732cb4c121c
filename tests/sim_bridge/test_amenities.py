"""Sports grounds and solar fields: their sizes, their classes, and that they stay on their lot."""

import numpy as np
import pytest

from sim_bridge.classes import CLASS_ID
from sim_bridge.world.amenities import paint_ballfield, paint_pitch, paint_sports, paint_tennis, solar_mesh
from sim_bridge.world.canvas import Canvas
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.parcels import Parcel
from sim_bridge.world.shapes import turn


def lot(width, depth, yaw_deg=0.0, use="park"):
    ring = np.array([[0, 0], [width, 0], [width, depth], [0, depth]]) - (width / 2, depth / 2)
    return Parcel(turn(ring, yaw_deg), use, yaw_deg)


def area_m2(canvas, *names):
    return float(np.isin(canvas.values, [INDEX[n] for n in names]).sum() * canvas.cell_m**2)


@pytest.mark.parametrize("yaw_deg", [0.0, 30.0])
def test_a_tennis_court_has_the_size_of_the_rules(yaw_deg):
    canvas = Canvas.blank(120, 0.25, np.uint8)
    paint_tennis(canvas, lot(100, 60, yaw_deg), (10, 10), 1, np.random.default_rng(4))
    painted = canvas.values > 0
    assert painted.sum() * 0.0625 == pytest.approx((23.77 + 12) * (10.97 + 7.2), rel=0.03)
    assert 20 < area_m2(canvas, "court_line") < 60


def test_a_pitch_stays_on_its_lot():
    canvas = Canvas.blank(140, 0.25, np.uint8)
    paint_pitch(canvas, lot(80, 60), (80, 60))
    assert (canvas.values > 0).sum() * 0.0625 == pytest.approx(74 * 54, rel=0.02)
    assert area_m2(canvas, "pitch") > 1500 and area_m2(canvas, "pitch_mown") > 1400


def test_a_ballfield_is_a_quarter_circle_with_a_skinned_infield():
    canvas = Canvas.blank(140, 0.25, np.uint8)
    paint_ballfield(canvas, lot(100, 100), (100, 100), np.random.default_rng(0))
    assert (canvas.values > 0).sum() * 0.0625 == pytest.approx(np.pi / 4 * 94**2, rel=0.03)
    assert 500 < area_m2(canvas, "infield") < 1800


@pytest.mark.parametrize("size", [(20, 15), (45, 30), (90, 90)])
def test_sports_paint_only_inside_the_lot(size):
    for seed in range(12):
        canvas, parcel = Canvas.blank(140, 0.25, np.uint8), lot(*size, yaw_deg=25)
        paint_sports(canvas, parcel, np.random.default_rng(seed))
        inside = Canvas.blank(140, 0.25, np.uint8)
        inside.fill(parcel.polygon.buffer(0.3), 1)
        assert not ((canvas.values > 0) & (inside.values == 0)).any()


def test_solar_rows_stand_above_the_ground_and_are_no_building():
    lots = [lot(80, 50, 15, "solar"), lot(60, 60, 0, "park")]
    mesh = solar_mesh(lots, lambda x, y: 3.0 + 0 * x, np.random.default_rng(1))
    assert len(mesh.faces) > 40 and (mesh.instance == 0).all()
    assert {TABLE[m].semantic for m in set(mesh.material.tolist())} == {CLASS_ID["paved"]}
    assert mesh.vertices[:, 2].min() > 3.5
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()
    assert len(solar_mesh([lot(10, 8, 0, "solar")], lambda x, y: 0 * x, np.random.default_rng(1)).faces) == 0
