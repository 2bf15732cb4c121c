"""Surveys stay inside the world, overlap as asked, and look where the terrain is."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge.errors import InputError
from sim_bridge.flight import footprint, plan_survey
from sim_bridge.frames import intrinsics, project
from sim_bridge.spec import View


def flat(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.zeros(np.broadcast(x, y).shape)


def slope(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(0.05 * np.asarray(x, float) - 0.02 * np.asarray(y, float) + 3)


def polygons(size_m: float, view: View, width: int, height: int, overlap: float) -> list[shapely.Polygon]:
    camera = intrinsics(width, height, view.hfov_deg)
    poses = plan_survey(size_m, view, width, height, overlap, flat)
    return [shapely.Polygon(footprint(pose, camera, 0.0)[:, :2]) for pose in poses]


views = st.builds(View, gsd_m=st.floats(0.1, 1), hfov_deg=st.floats(5, 40), off_nadir_deg=st.floats(0, 30),
                  view_azimuth_deg=st.floats(0, 360))


@given(views, st.floats(100, 300), st.integers(64, 256), st.integers(64, 256), st.floats(0, 0.6))
def test_footprints_stay_inside_the_world_and_overlap(view: View, size_m: float, width: int, height: int,
                                                      overlap: float) -> None:
    shapes = polygons(size_m, view, width, height, overlap)
    west, south, east, north = shapely.unary_union(shapes).bounds
    frame = shapes[0].bounds
    for low, high, extent in ((west, east, frame[2] - frame[0]), (south, north, frame[3] - frame[1])):
        if extent <= size_m:
            assert low >= -size_m / 2 - 1e-6 and high <= size_m / 2 + 1e-6
        else:
            assert low + high == pytest.approx(0, abs=1e-6)
    for one, following in pairwise(shapes):  # the tour goes from neighbour to neighbour
        slant = 1 - one.area / shapely.box(*one.bounds).area
        assert one.intersection(following).area >= (overlap - slant - 1e-6) * one.area


@given(views, st.floats(0, 0.6))
def test_nothing_between_the_frames_is_missed(view: View, overlap: float) -> None:
    shapes = polygons(200.0, view, 200, 160, overlap)
    whole = shapely.unary_union(shapes).buffer(1e-6)
    assert not list(whole.interiors) if whole.geom_type == "Polygon" else False


def test_nadir_frames_cover_the_whole_square() -> None:
    shapes = polygons(500.0, View(off_nadir_deg=0.0), 512, 512, 0.1)
    assert len(shapes) == 9
    assert shapely.unary_union(shapes).area == pytest.approx(500.0 ** 2, rel=1e-6)


def test_poses_look_at_the_terrain_from_the_asked_range() -> None:
    view = View(gsd_m=0.5, hfov_deg=15.0, off_nadir_deg=20.0)
    camera = intrinsics(128, 128, view.hfov_deg)
    for pose in plan_survey(200.0, view, 128, 128, 0.2, slope):
        target = pose.position.array() + view.distance_m(128) * pose.rotation[:, 2]
        assert target[2] == pytest.approx(float(slope(target[0], target[1])))
        pixel, _ = project(target[None], pose, camera)
        assert pixel[0] == pytest.approx([64, 64])


def test_a_world_smaller_than_a_frame_takes_one_centred_frame() -> None:
    poses = plan_survey(50.0, View(off_nadir_deg=0.0), 512, 512, 0.1, flat)
    assert len(poses) == 1
    assert poses[0].position.east == pytest.approx(0) and poses[0].position.north == pytest.approx(0)


@pytest.mark.parametrize(("size_m", "view", "overlap", "names"), [
    (500.0, View(), 1.0, "overlap is 1.0"),
    (500.0, View(), -0.1, "overlap is -0.1"),
    (500.0, View(), math.nan, "overlap is nan"),
    (0.0, View(), 0.1, "survey of 0.0 m"),
    (500.0, View(off_nadir_deg=60.0, hfov_deg=120.0), 0.1, "horizon"),
    (2000.0, View(gsd_m=0.01), 0.99, "at most 100000"),
])
def test_impossible_surveys_say_what_to_change(size_m: float, view: View, overlap: float, names: str) -> None:
    with pytest.raises(InputError, match=names):
        plan_survey(size_m, view, 512, 512, overlap, flat)
