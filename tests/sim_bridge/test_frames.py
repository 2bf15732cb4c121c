"""Laws of the coordinate frames: round trips, known answers, handedness."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge import frames as f

coordinate = st.floats(-5000, 5000, allow_nan=False)
angle = st.floats(-179, 179, allow_nan=False)
unit = st.floats(-1, 1, allow_nan=False)


@st.composite
def quaternions(draw):
    q = np.array([draw(unit) for _ in range(4)])
    if np.linalg.norm(q) < 0.1:
        q = np.array([1.0, 0, 0, 0])
    return f.Quaternion(*(float(c) for c in q / np.linalg.norm(q)))


@given(coordinate, coordinate, coordinate)
def test_enu_ned_round_trip(east, north, up):
    p = f.ENU(east, north, up)
    assert f.enu_from_ned(f.ned_from_enu(p)) == p
    assert f.ned_from_enu(p).array() == pytest.approx([north, east, -up])


@given(quaternions())
def test_quaternion_matrix_round_trip(q):
    r = f.rotation_from_quaternion(q)
    assert r @ r.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(r) == pytest.approx(1)
    back = f.quaternion_from_rotation(r).array()
    assert min(np.abs(back - q.array()).max(), np.abs(back + q.array()).max()) < 1e-9


@given(angle, st.floats(-89, 89), angle)
def test_euler_round_trip(roll, pitch, yaw):
    q = f.quaternion_from_euler(roll, pitch, yaw)
    assert f.euler_from_quaternion(q) == pytest.approx((roll, pitch, yaw), abs=1e-6)


def test_quaternion_conventions_known_answers():
    # yaw 90 about down turns forward (north) to east; (w, x, y, z)
    yaw = f.quaternion_from_euler(0, 0, 90)
    assert yaw.array() == pytest.approx([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    assert f.rotation_from_quaternion(yaw) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    # pitch -90 looks straight down
    down = f.rotation_from_quaternion(f.quaternion_from_euler(0, -90, 0))
    assert down @ [1, 0, 0] == pytest.approx([0, 0, 1])


def test_nadir_camera_of_airsim_is_north_up():
    pose = f.camera_from_ned(f.NedPose(f.NED(0, 0, -100), f.quaternion_from_euler(0, -90, 0)))
    pixels, depth = f.project(np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]]), pose, f.intrinsics(100, 100, 90))
    assert pixels == pytest.approx(np.array([[50, 50], [55, 50], [50, 45]]))     # east is right, north is up
    assert depth == pytest.approx([100, 100, 100])


@given(quaternions(), coordinate, coordinate, coordinate)
def test_camera_pose_round_trip(q, east, north, up):
    pose = f.camera_from_ned(f.NedPose(f.NED(north, east, -up), q))
    assert f.camera_from_ned(f.ned_from_camera(pose)).same_as(pose, 1e-9, 1e-5)


@given(coordinate, coordinate, st.floats(0, 60), st.floats(0, 360), st.floats(0, 360), st.floats(20, 2000))
def test_look_at_centres_the_target(east, north, tilt, azimuth, heading, distance):
    pose = f.look_at(f.ENU(east, north, 7.0), distance, tilt, azimuth, heading)
    pixels, depth = f.project(np.array([[east, north, 7.0]]), pose, f.intrinsics(512, 512, 15))
    assert pixels == pytest.approx(np.array([[256, 256]]), abs=1e-4)
    assert depth == pytest.approx([distance])
    assert np.linalg.det(pose.rotation) == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), quaternions())
def test_project_unproject(seed, q):
    rng = np.random.default_rng(seed)
    pose = f.camera_from_ned(f.NedPose(f.NED(*rng.uniform(-500, 500, 3)), q))
    camera = f.intrinsics(640, 480, float(rng.uniform(10, 100)))
    pixels = rng.uniform(0, 480, (20, 2))
    depth = rng.uniform(1, 3000, 20)
    points = f.unproject(pixels, depth, pose, camera)
    back, again = f.project(points, pose, camera)
    assert back == pytest.approx(pixels, abs=1e-6)
    assert again == pytest.approx(depth, rel=1e-9)


def test_pixel_rays_meet_unproject():
    pose = f.look_at(f.ENU(3, 4, 5), 100, 20, 30)
    camera = f.intrinsics(8, 6, 40)
    rays = f.pixel_rays(pose, camera).reshape(6, 8, 3)
    point = f.unproject(np.array([[2.5, 4.5]]), np.array([50.0]), pose, camera)[0]
    assert pose.position.array() + 50 * rays[4, 2] == pytest.approx(point)


@given(st.floats(5, 150), st.sampled_from([(512, 512), (640, 360)]))
def test_hfov_round_trip(hfov, size):
    assert f.intrinsics(*size, hfov).hfov_deg == pytest.approx(hfov)


@given(st.floats(-80, 80), st.floats(-179, 179), coordinate, coordinate, st.floats(-100, 3000))
def test_geodetic_round_trip(lat, lon, east, north, up):
    origin = f.Geodetic(lat, lon, 50)
    p = f.ENU(east, north, up)
    back = f.enu_from_geodetic(f.geodetic_from_enu(p, origin), origin)
    assert back.array() == pytest.approx(p.array(), abs=1e-5)


def test_geodetic_known_answer():
    # one second of latitude at 45 degrees is 30.87 m of meridian arc
    origin = f.Geodetic(45, 5)
    p = f.enu_from_geodetic(f.Geodetic(45 + 1 / 3600, 5), origin)
    assert p.array() == pytest.approx([0, 30.87, 0], abs=0.01)
