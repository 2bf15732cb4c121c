"""Markers that callers plot: where they show, what hides them, how long they stay."""

from __future__ import annotations

import numpy as np
import pytest
from edited_world import ABOVE, CAMERA, HOUSE, LEVEL, package, picture, shape, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.embedded import markers
from sim_bridge.embedded.markers import DEFAULT_S, MAX_LINES, Marker, arrow_lines, axes_of, from_ned, srgb
from sim_bridge.embedded.state import State
from sim_bridge.frames import ENU, NED, CameraPose, NedPose, look_at, project, quaternion_from_euler

TOWN = state_of(package(HOUSE))
SHAPE = shape(TOWN)
PINK = (255, 0, 255)
BLACK = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)


def lines(*ends: tuple[tuple[float, float, float], tuple[float, float, float]], width: float = 0.0,
          until_ns: int | None = None) -> Marker:
    return Marker(np.array(ends, np.float64), PINK, width, until_ns)


def points(*places: tuple[float, float, float], side: float = 1.0) -> Marker:
    return Marker(np.array(places, np.float64)[:, None], PINK, side, None)


def drawn(marker: Marker, pose: CameraPose = ABOVE, ortho_m: float | None = None) -> np.ndarray:
    """(H, W) true where a marker shows over a black picture of the town."""
    depth = SHAPE.depth if pose is ABOVE else shape(TOWN, pose).depth
    state = markers.plot(State({}), [marker], 0)
    return np.asarray(markers.drawn_over(BLACK, depth, pose, CAMERA, ortho_m, state, 1).any(axis=2))


@settings(max_examples=60, deadline=None)
@given(st.floats(-20, 20), st.floats(-15, 15), st.floats(0.5, 30))
def test_a_point_shows_in_the_pixel_it_is_projected_to_unless_something_is_before_it(x: float, y: float,
                                                                                     z: float) -> None:
    pixels, _ = project(np.array([[x, y, z]]), ABOVE, CAMERA)
    column, row = np.floor(pixels[0]).astype(int)
    seen = drawn(points((x, y, z)))
    inside = 0 <= column < CAMERA.width and 0 <= row < CAMERA.height
    hidden = inside and 60 - z > SHAPE.depth[row, column] * 1.01
    assert seen.sum() == (1 if inside and not hidden else 0)
    assert not seen.any() or seen[row, column]


def test_a_line_is_hidden_where_the_house_is_before_it() -> None:
    low, high = drawn(lines(((-15, 0, 2), (15, 0, 2)))), drawn(lines(((-15, 0, 12), (15, 0, 12))))
    house = SHAPE.instance[36] == 7
    assert high[36].sum() > low[36].sum() > 20
    assert not low[36][house].any() and high[36][house].all()


def test_lines_are_as_wide_as_their_thickness_seen_from_there() -> None:
    metre_px = CAMERA.focal_px / (60 - 20)
    for width in (0.5, 1.0, 2.0):
        seen = drawn(lines(((-10, 0, 20), (10, 0, 20)), width=width))
        assert seen[:, 48].sum() == pytest.approx(width * metre_px, abs=2.0)
    assert drawn(lines(((-10, 0, 20), (10, 0, 20))))[:, 48].sum() == 1


def test_the_part_behind_the_camera_is_not_drawn() -> None:
    level = look_at(ENU(0, 0, 30), 30, 90, 180)
    assert drawn(lines(((0, -80, 30), (0, -50, 30))), level).sum() == 0
    assert drawn(lines(((2, -80, 30), (2, 0, 30))), level).sum() > 5
    assert drawn(points((0, -80, 30)), level).sum() == 0


def test_parallel_rays_show_a_height_where_it_stands() -> None:
    seen = drawn(points((10, 0, 1), (10, 0, 40)), ortho_m=48.0)
    assert np.argwhere(seen).tolist() == [[36, 48 + 20]]


def test_markers_stay_for_their_time() -> None:
    state = markers.plot(State({}), [lines(((0, 0, 20), (5, 0, 20)), until_ns=1000)], 0)
    state = markers.plot(state, [points((9, 9, 20))], 10)

    def count(now_ns: int, of: State) -> int:
        return int(markers.drawn_over(BLACK, SHAPE.depth, ABOVE, CAMERA, None, of, now_ns).any(axis=2).sum())
    assert count(999, state) > count(1000, state) == 1
    assert count(10, markers.flushed(state)) == count(10, state) - 1
    assert count(10, markers.cleared(state)) == 0
    assert len(markers.plotted(markers.plot(state, [], 2000))) == 1
    assert DEFAULT_S == 1.0


def test_a_picture_without_markers_is_the_same_array() -> None:
    rgb = picture(TOWN, ABOVE).rgb
    assert markers.drawn_over(rgb, SHAPE.depth, ABOVE, CAMERA, None, TOWN, 0) is rgb


def test_markers_are_bounded() -> None:
    many = Marker(np.zeros((MAX_LINES, 1, 3)), PINK, 1.0, None)
    state = markers.plot(State({}), [many], 0)
    with pytest.raises(ValueError, match=f"at most {MAX_LINES}"):
        markers.plot(state, [points((0, 0, 0))], 0)


def test_hostile_numbers_do_no_harm() -> None:
    huge = lines(((-1e9, 0, 1), (1e9, 1e9, 1e8)), ((0, 0, 59.9), (1e9, 0, 59.9)), width=1e30)
    assert drawn(huge).shape == BLACK.shape[:2]
    assert drawn(points((1e9, 1e9, -1e9), (0, 0, 20), side=1e30)).any()
    assert drawn(lines(((0, 0, 20), (0, 0, 20)))).sum() == 1


@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 3), min_size=2, max_size=2))
def test_an_arrow_has_its_shaft_and_four_strokes_at_its_end(ends: list[tuple[float, float, float]]) -> None:
    start, end = np.array(ends)
    drawn_lines = arrow_lines(start[None], end[None], 0.5)
    assert drawn_lines.shape == (5, 2, 3)
    np.testing.assert_array_equal(drawn_lines[0], [start, end])
    if np.linalg.norm(end - start) > 1e-3:
        back = (drawn_lines[1:, 1] - end) @ (end - start) / np.linalg.norm(end - start)
        np.testing.assert_allclose(back, -0.5, atol=1e-9)
        np.testing.assert_allclose(drawn_lines[1:, 1].mean(axis=0), end - 0.5 * (end - start)
                                   / np.linalg.norm(end - start), atol=1e-9)


def test_axes_are_forward_right_and_up_as_the_engine_draws_them() -> None:
    pose = NedPose(NED(1, 2, -3), quaternion_from_euler(0, 0, 90))
    ends = [axis[0, 1] - axis[0, 0] for axis in axes_of([pose], 2.0)]
    np.testing.assert_allclose(ends, [[2, 0, 0], [0, -2, 0], [0, 0, 2]], atol=1e-12)
    assert axes_of([], 1.0)[0].shape == (0, 2, 3)
    assert axes_of([NedPose(NED(0, 0, 0), LEVEL)], 1.0)[0][0, 1].tolist() == [0, 1, 0]


def test_colours_are_linear() -> None:
    assert srgb([1, 0, 0, 1]) == (255, 0, 0) and srgb([]) == (0, 0, 0)
    assert srgb([0.5, 2.0, -1.0]) == (186, 255, 0)
    assert srgb([float("nan"), float("inf"), float("-inf")]) == (0, 255, 0)
    assert from_ned(np.array([[1.0, 2.0, 3.0]])).tolist() == [[2.0, 1.0, -3.0]]
