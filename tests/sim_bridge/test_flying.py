"""Flown surveys: the plan and its errors by arithmetic, and a flight through a real server end to end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from serving import HEIGHT, SPEC, WIDTH, Running, end, start, write_world

from sim_bridge.airsim.client import Client
from sim_bridge.capture import prepare
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError, SimulatorError
from sim_bridge.flight import footprint, plan_survey
from sim_bridge.flying import Flight, FlightConfig, Plan, Track, fly, plan_flight, seconds_to, tracking_errors
from sim_bridge.frames import ENU, F64, intrinsics
from sim_bridge.labels import agreement, cast_labels
from sim_bridge.spec import View
from sim_bridge.world.package import read_package

AREA_M = 64.0
VIEW = View(gsd_m=0.4, hfov_deg=60.0, off_nadir_deg=0.0)
CAMERA = intrinsics(WIDTH, HEIGHT, VIEW.hfov_deg)
CONFIG = FlightConfig(speed_ms=5.0, lead_s=2.0)
SETTINGS = {"SettingsVersion": 1.2, "SimMode": "Multirotor", "ClockType": "SteppableClock",
            "Vehicles": {"Drone": {"VehicleType": "SimpleFlight", "X": -20, "Y": -25, "Cameras": {"steady": {
                "CaptureSettings": [{"ImageType": kind, "Width": WIDTH, "Height": HEIGHT} for kind in (0, 1, 5)],
                "X": 0, "Y": 0, "Z": 0, "Gimbal": {"Stabilization": 1, "Pitch": -90, "Roll": 0, "Yaw": 0}}}}}}


def survey(view: View = VIEW, size_m: float = AREA_M) -> Plan:
    poses = plan_survey(size_m, view, WIDTH, HEIGHT, 0.3, lambda x, y: np.zeros(np.shape(x)))
    return plan_flight(poses, CONFIG)


def track_along(points: F64, row: float) -> Track:
    return Track(np.arange(len(points), dtype=np.float64), points, np.zeros_like(points), np.full(len(points), row))


def test_plan_has_a_line_for_each_row_of_the_survey_flown_to_and_fro() -> None:
    plan = survey()
    rows = [np.array([pose.position.array() for pose in row]) for row in plan.rows]
    assert len(rows) > 2
    assert len({len(row) for row in rows}) == 1
    assert all(np.ptp(row[:, 1]) == 0 for row in rows)
    assert [float(plan.direction(row)[0]) for row in range(len(rows))] == [1.0, -1.0] * (len(rows) // 2) + \
        [1.0] * (len(rows) % 2)


def test_every_line_is_flown_beyond_its_pictures_on_both_sides() -> None:
    plan = survey()
    for row, poses in enumerate(plan.rows):
        line = plan.line(row)
        np.testing.assert_allclose(line[0] + plan.lead_m * plan.direction(row), poses[0].position.array())
        np.testing.assert_allclose(line[-1] - plan.lead_m * plan.direction(row), poses[-1].position.array())
    assert plan.lead_m == CONFIG.speed_ms * CONFIG.lead_s


def test_lines_of_one_picture_go_east_and_west_by_turns() -> None:
    plan = survey(size_m=38.0)
    assert [len(row) for row in plan.rows] == [1, 1]
    assert [tuple(plan.direction(row)) for row in (0, 1)] == [(1, 0, 0), (-1, 0, 0)]


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_speeds_that_none_can_fly_are_refused(speed: float) -> None:
    with pytest.raises(InputError, match="m/s"):
        plan_flight(survey().poses, FlightConfig(speed))


def test_no_picture_is_no_survey() -> None:
    with pytest.raises(InputError, match="0 pictures"):
        plan_flight((), CONFIG)


@given(st.floats(-30, 30), st.floats(0.5, 12), st.floats(-4, 4), st.integers(0, 3))
def test_time_to_a_picture_is_distance_over_speed_along_its_line(left_m: float, speed_ms: float, across_m: float,
                                                                number: int) -> None:
    plan = survey()
    row, pose = plan.placed[number]
    along = plan.direction(row)
    sideways = np.array([-along[1], along[0], 0.0])
    position = pose.position.array() - left_m * along + across_m * sideways
    assert seconds_to(plan, number, position, speed_ms * along) == pytest.approx(left_m / speed_ms)
    assert seconds_to(plan, number, position, -speed_ms * along) == math.inf
    assert seconds_to(plan, number, position, speed_ms * sideways) == math.inf


def test_a_picture_of_the_next_line_is_not_due_while_the_last_one_is_flown() -> None:
    plan = survey()
    first_of_next = len(plan.rows[0])
    at_end = plan.rows[0][-1].position.array()
    assert seconds_to(plan, first_of_next, at_end, 5 * plan.direction(0)) == math.inf


@given(st.floats(-3, 3), st.floats(-2, 2), st.integers(0, 2))
def test_tracking_errors_are_those_that_were_put_in(across_m: float, above_m: float, row: int) -> None:
    plan = survey(View(gsd_m=0.4, hfov_deg=60.0, off_nadir_deg=20.0, view_azimuth_deg=70.0))
    along = plan.direction(row)
    line = np.array([pose.position.array() for pose in plan.rows[row]])
    points = np.vstack([line, line.mean(axis=0)]) + across_m * np.array([along[1], -along[0], 0]) + [0, 0, above_m]
    across, above = tracking_errors(track_along(points, row), plan)
    np.testing.assert_allclose(across, across_m, atol=1e-9)
    np.testing.assert_allclose(above, above_m, atol=1e-9)
    assert np.isnan(tracking_errors(track_along(points, math.nan), plan)).all()


@dataclass(frozen=True)
class Flown:
    """A flight before and one after, each begun at the vehicle's start."""

    plan: Plan
    before: Flight
    after: Flight


@pytest.fixture(scope="module")
def own_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flown")
    write_world(root)
    return root


@pytest.fixture(scope="module", params=["airsim", *(pytest.param(name, marks=pytest.mark.slow)
                                                  for name in ("colosseum", "cosys"))])
def running(request: pytest.FixtureRequest, own_root: Path) -> Iterator[Running]:
    server = start(own_root, "--dialect", request.param, "--samples", "1", "--settings", json.dumps(SETTINGS))
    yield server
    end(server)


def flown_once(client: Client, plan: Plan, phase: str, config: FlightConfig = CONFIG) -> Flight:
    prepare(client, SPEC.world_id, "before" if phase == "before" else "after", SPEC.light_before)
    client.reset()
    return fly(client, plan, CAMERA, config)


@pytest.fixture(scope="module")
def flown(running: Running) -> Flown:
    plan = survey()
    with running.client() as client:
        return Flown(plan, flown_once(client, plan, "before"), flown_once(client, plan, "after"))


def test_every_picture_is_taken_near_its_place(flown: Flown) -> None:
    asked = np.array([pose.position.array() for pose in flown.plan.poses])
    for flight in (flown.before, flown.after):
        assert flight.lockstep
        assert flight.collisions == ()
        measured = np.array([shot.pose.position.array() for shot in flight.shots])
        assert np.linalg.norm(measured - asked, axis=1).max() < 1.0


def test_the_camera_looks_where_it_shall_however_the_vehicle_tilts(flown: Flown) -> None:
    for pose, shot in zip(flown.plan.poses, flown.before.shots, strict=True):
        np.testing.assert_allclose(shot.pose.rotation, pose.rotation, atol=1e-4)


def test_the_vehicle_keeps_to_its_lines(flown: Flown) -> None:
    across, above = tracking_errors(flown.before.track, flown.plan)
    on_line = np.isfinite(across)
    assert on_line.sum() > 50
    assert np.abs(across[on_line]).max() < 1.0
    assert np.abs(above[on_line]).max() < 1.0


def test_it_started_on_the_ground_where_the_settings_say(flown: Flown) -> None:
    east, north, up = flown.before.track.position[0]
    assert (east, north) == pytest.approx((-25, -20), abs=0.01)
    assert up == pytest.approx(0.0, abs=0.3)


def test_footprints_cover_the_area(flown: Flown) -> None:
    seen = shapely.union_all([shapely.Polygon(footprint(shot.pose, CAMERA, 0.0)[:, :2])
                              for shot in flown.before.shots])
    inner = shapely.box(*(side * (AREA_M / 2 - 1.0) for side in (-1, -1, 1, 1)))
    assert shapely.difference(inner, seen).area < 1e-3 * inner.area


def test_labels_at_the_measured_poses_are_what_the_simulator_sent(flown: Flown, own_root: Path) -> None:
    scene = Scene(read_package(own_root / SPEC.world_id))
    pairs = list(zip(flown.before.shots, flown.after.shots, strict=True))
    for before, after in pairs:
        labels = cast_labels(scene, before.pose, after.pose, CAMERA)
        found = (agreement(before.depth, before.semantic, labels.before_depth, labels.before_semantic),
                 agreement(after.depth, after.semantic, labels.after_depth, labels.after_semantic))
        assert min(share for one in found for share in (one.depth_share, one.semantic_share)) > 0.99
    assert any((before.semantic == 1).any() for before, _ in pairs)


def test_the_same_flight_again_is_the_same_to_the_last_bit(running: Running, flown: Flown) -> None:
    with running.client() as client:
        again = flown_once(client, flown.plan, "before")
    np.testing.assert_array_equal(again.track.position, flown.before.track.position)
    np.testing.assert_array_equal(again.track.time_s, flown.before.track.time_s)
    for one, other in zip(again.shots, flown.before.shots, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_array_equal(one.depth, other.depth)


def test_a_gimbal_of_the_settings_holds_the_camera(running: Running, flown: Flown) -> None:
    with running.client() as client:
        flight = flown_once(client, flown.plan, "before", replace(CONFIG, camera="steady", gimbal=True))
    for pose, shot in zip(flown.plan.poses, flight.shots, strict=True):
        np.testing.assert_allclose(shot.pose.rotation, pose.rotation, atol=1e-3)


@pytest.mark.slow
def test_without_lock_step_pictures_are_taken_in_passing(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be continued for a time, three times as fast as the wall clock."""
    def refuse(*_: object) -> None:
        raise SimulatorError("continueForTime is not implemented by SimMode")

    settings = {**SETTINGS, "ClockType": "", "ClockSpeed": 3}
    server = start(own_root, "--samples", "1", "--settings", json.dumps(settings))
    plan = plan_flight(survey(View(gsd_m=0.15, hfov_deg=60.0, off_nadir_deg=0.0)).poses[:3], CONFIG)
    try:
        with server.client() as client:
            monkeypatch.setattr(client, "continue_for", refuse)
            flight = flown_once(client, plan, "before")
    finally:
        end(server)
    assert not flight.lockstep
    assert len(flight.shots) == 3
    for pose, shot in zip(plan.poses, flight.shots, strict=True):
        assert np.linalg.norm(shot.pose.position.array() - pose.position.array()) < 10.0
        assert shot.pose.rotation[:, 2] @ pose.rotation[:, 2] > math.cos(math.radians(30))


def test_a_camera_that_is_not_there_is_an_error_and_time_runs_on(running: Running, flown: Flown) -> None:
    with running.client() as client:
        with pytest.raises(SimulatorError):
            flown_once(client, flown.plan, "before", FlightConfig(camera="no such camera"))
        assert not client.is_paused()


def test_poses_of_the_track_are_in_the_worlds_frame(flown: Flown) -> None:
    last = flown.before.shots[-1].pose.position
    nearest = np.linalg.norm(flown.before.track.position - last.array(), axis=1).min()
    # the camera is 0.1 m above the vehicle's origin
    assert nearest < 0.12
    assert isinstance(last, ENU)
