"""Time of day: what simSetTimeOfDay sets, and the sun that moves with simulated time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensing import call, load, simulated

from sim_bridge.airsim.calls.registry import Context
from sim_bridge.embedded.console import run_command
from sim_bridge.embedded.state import Weather
from sim_bridge.embedded.sun import LOWEST_DEG, SunClock, daylight, light_at, local_start, solar_position
from sim_bridge.embedded.weather import Shot, weathered
from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, NED, Geodetic, NedPose, intrinsics, look_at, quaternion_from_euler
from sim_bridge.spec import Light

PLACE = Geodetic(38.0, -122.0)
NOON = "2021-06-21 12:00:00"


def light(context: Context) -> Light:
    simulator = context.simulator
    return light_at(simulator.state.sun_clock, simulator.state.light, simulator.now_ns(), simulator.origin)


def sun_at(utc: datetime) -> tuple[float, float]:
    elevation_deg, azimuth_deg = solar_position(PLACE, utc)
    return max(LOWEST_DEG, elevation_deg), azimuth_deg


def shown(context: Context) -> tuple[float, float]:
    now = light(context)
    return now.sun_elevation_deg, now.sun_azimuth_deg


def placed() -> Context:
    context = simulated("Multirotor")
    load(context)
    return context


def test_the_sun_moves_with_simulated_time_and_goes_back() -> None:
    context = placed()
    usual = light(context)
    call(context, "simSetTimeOfDay", True, NOON, False, 600.0, 0.5, True)
    # the zone of 122 degrees west is 8 hours behind
    start = datetime(2021, 6, 21, 20)
    assert shown(context) == pytest.approx(sun_at(start))
    context.simulator.continue_for(10.0).result(60)
    assert shown(context) == pytest.approx(sun_at(start + timedelta(seconds=6000)), abs=0.1)
    call(context, "simSetTimeOfDay", False, "", False, 1.0, 60.0, True)
    assert light(context) == usual
    context.simulator.close()


def test_pictures_follow_the_sun() -> None:
    context = placed()
    context.simulator.place_vehicle("A", NedPose(NED(0.0, 0.0, -30.0), quaternion_from_euler(0, -90, 0)))
    call(context, "simSetTimeOfDay", True, "2021-06-21 08:00:00", False, 3600.0, 0.0, True)
    request = [{"camera_name": "0", "image_type": 0, "pixels_as_float": False, "compress": False,
                "annotation_name": ""}]
    pictures = []
    for _ in range(2):
        pictures += [bytes(reply["image_data_uint8"]) for reply in call(context, "simGetImages", request, "", False)]
        context.simulator.pause(True)
        context.simulator.continue_for(4.0).result(60)
        context.simulator.place_vehicle("A", NedPose(NED(0.0, 0.0, -30.0), quaternion_from_euler(0, -90, 0)))
    assert len(pictures[0]) == len(pictures[1]) > 0 and pictures[0] != pictures[1]
    context.simulator.close()


def test_it_grows_dark_and_no_darker_than_night() -> None:
    noon, dusk, late, night = (daylight(SunClock(local_start(f"2021-06-21 {hour}:00", False), 0), 0, PLACE)
                               for hour in ("12:00", "19:15", "20:00", "23:00"))
    assert noon == daylight(None, 0, PLACE) == 1.0
    assert 1.0 > dusk > late > night == pytest.approx(0.03)
    rgb = np.full((8, 8, 3), 120, np.uint8)
    view = Shot(np.full((8, 8), 50, np.float32), np.full((8, 8), 1, np.uint16), intrinsics(8, 8, 60),
                look_at(ENU(0, 0, 0), 50, 0, 0))
    assert weathered(rgb, view, Weather(), 0) is rgb
    # gamma 2.2: a radiance of 0.03 is a fifth of the value
    dark = weathered(rgb, replace(view, daylight=night), Weather(), 0)
    assert dark.mean() == pytest.approx(120 * 0.03 ** (1 / 2.2), abs=1)


def test_the_sun_moves_in_steps_of_the_interval() -> None:
    clock = SunClock(local_start(NOON, False), 0, speed=60.0, interval_s=10.0)
    times = [clock.utc(round(seconds * 1e9), PLACE) for seconds in (0, 9.9, 10.0, 19.9)]
    assert times[0] == times[1] == datetime(2021, 6, 21, 20)
    assert times[2] == times[3] == datetime(2021, 6, 21, 20, 10)


def test_without_moving_the_sun_stays_where_it_is() -> None:
    context = placed()
    usual = light(context)
    call(context, "simSetTimeOfDay", True, NOON, False, 100.0, 0.0, False)
    assert light(context) == usual
    call(context, "simSetTimeOfDay", True, NOON, False, 1000.0, 0.0, True)
    context.simulator.continue_for(2.0).result(60)
    here = light(context)
    call(context, "simSetTimeOfDay", True, NOON, False, 1000.0, 0.0, False)
    context.simulator.continue_for(2.0).result(60)
    assert light(context) == here != usual
    context.simulator.close()


def test_an_empty_start_is_now() -> None:
    clock = SunClock(None, 1_600_000_000_000_000_000)
    assert clock.utc(1_600_000_000_000_000_000, PLACE) == datetime(2020, 9, 13, 12, 26, 40)
    context = placed()
    call(context, "simSetTimeOfDay", True, "", False, 1.0, 60.0, True)
    assert shown(context) == pytest.approx(sun_at(datetime(2020, 9, 13, 12, 26, 40)))
    context.simulator.close()


def test_summer_time_is_an_hour_ahead() -> None:
    assert local_start(NOON, True) == local_start("2021-06-21 11:00:00", False)


@pytest.mark.parametrize("text", ["noon", "2021-06-21", "2021-13-01 00:00:00", "0001-01-01 00:00:00",
                                  "9999-12-31 23:59:59"])
def test_other_times_are_refused_and_change_nothing(text: str) -> None:
    context = placed()
    with pytest.raises(InputError, match="expected"):
        call(context, "simSetTimeOfDay", True, text, False, 1.0, 60.0, True)
    assert context.simulator.state.sun_clock is None
    context.simulator.close()


def test_the_settings_start_the_clock() -> None:
    context = simulated("Multirotor", clock_start=NOON)
    load(context)
    assert shown(context) == pytest.approx(sun_at(datetime(2021, 6, 21, 20)))
    context.simulator.close()


def test_the_console_takes_the_light_back() -> None:
    context = simulated("ComputerVision", clock_start=NOON)
    run_command(context.simulator, "mage.light 33 44 0.2")
    assert shown(context) == (33.0, 44.0)


@given(st.floats(-1e30, 1e30), st.floats(-1e9, 1e9), st.integers(0, 2**62))
def test_no_speed_breaks_the_light(speed: float, interval_s: float, now_ns: int) -> None:
    clock = SunClock(local_start(NOON, False), 0, speed, interval_s)
    for one in (clock, clock.stopped(now_ns)):
        drawn = light_at(one, Light(), now_ns, PLACE)
        assert LOWEST_DEG <= drawn.sun_elevation_deg <= 90
