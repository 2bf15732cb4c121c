"""Weather over pictures: off is the very same picture, each kind does what it says, and nothing but colours changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensing import call, load, simulated
from small_world import box

from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.messages import WeatherParameter
from sim_bridge.embedded import weather as module
from sim_bridge.embedded.config import IDENTITY
from sim_bridge.embedded.light import TONE_STEPS, TONE_TOP, tone_curve
from sim_bridge.embedded.state import Weather
from sim_bridge.embedded.weather import Shot, weathered
from sim_bridge.frames import ENU, NED, NedPose, camera_from_ned, intrinsics, look_at, quaternion_from_euler
from sim_bridge.world.materials import INDEX, TABLE

SHARES = st.floats(0, 1)
FIELDS = ("rain", "road_wetness", "snow", "road_snow", "leaves", "road_leaves", "dust", "fog")
CAMERA = intrinsics(64, 48, 60)
NADIR = look_at(ENU(0, 0, 0), 120, 0, 0)
U8 = npt.NDArray[np.uint8]


def shot(material: str = "asphalt", depth_m: float = 120.0) -> Shot:
    shape = (48, 64)
    return Shot(np.full(shape, depth_m, np.float32), np.full(shape, INDEX[material], np.uint16), CAMERA, NADIR)


def grey(value: int = 90) -> U8:
    return np.full((48, 64, 3), value, np.uint8)


def under(material: str, value: int = 90, time_ns: int = 0, **amounts: float) -> npt.NDArray[np.float64]:
    """Mean colour of a surface in a weather."""
    seen = weathered(grey(value), shot(material), Weather(enabled=True, **amounts), time_ns)
    return np.asarray(seen, np.float64).mean(axis=(0, 1))


# off

@given(st.builds(Weather, st.just(False), *[SHARES] * len(FIELDS)), st.integers(0, 2**63))
def test_weather_that_is_off_is_the_same_array(weather: Weather, time_ns: int) -> None:
    rgb = grey()
    assert weathered(rgb, shot(), weather, time_ns) is rgb


def test_weather_that_is_on_and_nothing_of_it_is_the_same_array() -> None:
    rgb = grey()
    assert weathered(rgb, shot(), Weather(enabled=True), 5) is rgb


@given(st.builds(Weather, st.just(True), *[SHARES] * len(FIELDS)), st.integers(0, 2**62), st.integers(0, 9))
def test_a_weather_is_the_same_at_the_same_time(weather: Weather, time_ns: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
    kept = rgb.copy()
    first, second = (weathered(rgb, shot(), weather, time_ns, seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(rgb, kept)


def test_what_falls_moves_with_time_and_differs_by_seed() -> None:
    rain = Weather(enabled=True, rain=1.0)
    pictures = [weathered(grey(), shot(), rain, time_ns, seed).tobytes()
                for time_ns, seed in ((0, 0), (50_000_000, 0), (0, 1))]
    assert len(set(pictures)) == 3


# air

def plain_air(rgb: U8, distance_m: Any, weather: Weather) -> U8:
    """The formula of fog and dust, straightforward."""
    fog, dust = module.FOG_PER_M * weather.fog, module.DUST_PER_M * weather.dust
    colour = (fog * np.array(module.FOG_COLOUR) + dust * np.array(module.DUST_COLOUR)) / (fog + dust)
    left = np.exp(-(fog + dust) * distance_m)[..., None]
    linear = module._radiance()[rgb] * left + colour * (1 - left)
    return tone_curve()[np.minimum((linear * (TONE_STEPS / TONE_TOP)).astype(int), TONE_STEPS - 1)]


@pytest.mark.parametrize("weather", [Weather(True, fog=0.3), Weather(True, dust=1.0), Weather(True, fog=0.7, dust=0.2)])
def test_fog_and_dust_thicken_exponentially_with_distance(weather: Weather) -> None:
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
    view = replace(shot(), depth=rng.uniform(1, 900, (48, 64)).astype(np.float32))
    row, column = np.mgrid[0:48, 0:64] + 0.5
    length = np.sqrt(1 + ((column - 32) / CAMERA.focal_px) ** 2 + ((row - 24) / CAMERA.focal_px) ** 2)
    seen = weathered(rgb, view, weather, 0).astype(int)
    assert np.abs(seen - plain_air(rgb, view.depth * length, weather)).max() <= 1


@pytest.mark.parametrize(("kind", "sight_m"), [("fog", 400), ("dust", 500)])
def test_two_hundredths_of_the_contrast_are_left_at_the_range_of_sight(kind: str, sight_m: float) -> None:
    depth = np.full((48, 64), sight_m, np.float32)
    view = replace(shot(), depth=depth, camera=replace(CAMERA, focal_px=1e6))
    ends = [weathered(grey(value), view, Weather(True, **{kind: 1.0}), 0)[0, 0].astype(float) for value in (10, 240)]
    table = module._radiance()
    apart = [table[int(end[1])] for end in ends]
    assert (apart[1] - apart[0]) / (table[240] - table[10]) == pytest.approx(0.02, abs=0.008)


def test_the_sky_is_all_fog_and_the_ground_below_the_worlds_end_is_not() -> None:
    level = look_at(ENU(0, 0, 1000), 100, 90, 0)
    sky = replace(shot(depth_m=np.inf), pose=look_at(ENU(0, 0, 20), 100, 120, 0))
    end = replace(shot(depth_m=np.inf), pose=look_at(ENU(0, 0, 0), 20, 0, 0))
    mist = Weather(True, fog=0.3)
    assert level.position.up == pytest.approx(1000, abs=1)
    assert np.ptp(weathered(grey(20), sky, mist, 0)) < 6 and weathered(grey(20), sky, mist, 0).min() > 180
    assert weathered(grey(20), end, mist, 0).max() < 80


# ground

def test_rain_darkens_streets_and_wet_streets_do_without_rain() -> None:
    dry, wet, rained = under("asphalt", fog=1e-9), under("asphalt", road_wetness=1.0), under("asphalt", rain=1.0)
    assert wet.mean() < 0.87 * dry.mean()
    assert rained.mean() < dry.mean()
    assert under("lawn", road_wetness=1.0) == pytest.approx(under("lawn", fog=1e-9), abs=0.1)
    assert under("wall_brick", road_wetness=1.0) == pytest.approx(under("wall_brick", fog=1e-9), abs=0.1)


@pytest.mark.parametrize(("material", "street"), [("asphalt", True), ("sidewalk", True), ("lawn", False),
                                                  ("roof_tile_red", False), ("soil", False)])
def test_snow_whitens_what_lies_open(material: str, street: bool) -> None:
    own = {"road_snow": 1.0} if street else {"snow": 1.0}
    lit = int(tone_curve()[round(float(np.mean(TABLE[INDEX[material]].albedo)) * TONE_STEPS / TONE_TOP)])
    bare, white = under(material, lit, fog=1e-9), under(material, lit, **own)
    half = under(material, lit, **dict.fromkeys(own, 0.4))
    assert white.min() > 175 and white.min() > half.min() + 15 > bare.max() + 25
    if street:
        # only what is in the air
        assert under(material, lit, snow=1.0) == pytest.approx(under("wall_brick", lit, snow=1.0), abs=0.1)


@pytest.mark.parametrize("material", ["wall_brick", "water", "window"])
def test_snow_stays_off_walls_and_water(material: str) -> None:
    assert under(material, road_snow=1.0) == pytest.approx(under(material, fog=1e-9), abs=0.1)


def test_shadows_show_on_snow() -> None:
    assert under("asphalt", 40, road_snow=1.0).mean() < 0.75 * under("asphalt", 95, road_snow=1.0).mean()


def test_leaves_colour_streets_only() -> None:
    red, green, blue = under("asphalt", road_leaves=1.0)
    assert red > green + 8 > blue + 8
    assert under("lawn", road_leaves=1.0) == pytest.approx(under("lawn", fog=1e-9), abs=0.1)


def test_near_infrared_stays_grey() -> None:
    seen = weathered(grey(), replace(shot(), band="nir"), Weather(True, dust=0.5, leaves=1.0, road_leaves=1.0), 0)
    assert (seen == seen[..., :1]).all()


# what falls

@pytest.mark.parametrize(("kind", "least"), [("rain", 20), ("snow", 20), ("leaves", 2)])
def test_what_falls_is_seen_before_what_is_far_and_not_before_what_is_near(kind: str, least: int) -> None:
    weather = Weather(True, **{kind: 1.0})
    changed = []
    for depth_m in (120.0, 1.0):
        seen = weathered(grey(50), shot("window", depth_m), weather, 0).astype(int)
        changed.append(int((np.abs(seen - np.median(seen, axis=(0, 1))).max(axis=2) > 3).sum()))
    assert changed[0] >= least and changed[1] == 0


@given(st.floats(-30, 30), st.floats(-30, 30), st.integers(0, 2**62))
def test_any_wind_and_time_can_be_drawn(north: float, east: float, time_ns: int) -> None:
    view = replace(shot(), wind=NED(north, east, 0.0))
    assert weathered(grey(), view, Weather(True, rain=0.2, leaves=1.0), time_ns).shape == (48, 64, 3)


def test_rain_falls_with_the_wind() -> None:
    # looking north: east is right
    north = camera_from_ned(NedPose(NED(0.0, 0.0, -10.0), IDENTITY.orientation))
    level = replace(shot("window", 500.0), pose=north)
    slants = []
    for east in (-9.0, 0.0, 9.0):
        seen = weathered(grey(20), replace(level, wind=NED(0.0, east, 0.0)), Weather(True, rain=1.0), 0)[..., 1]
        down, right = np.gradient(seen.astype(float))
        # streaks run across the gradient: where that points up and right, they fall to the right
        slants.append(float(-(down * right).sum()))
    assert slants[0] < 0 < slants[2] and abs(slants[1]) < 0.5 * min(-slants[0], slants[2])


def test_large_pictures_are_weathered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    weather = Weather(True, *[0.6] * len(FIELDS))
    whole = weathered(rgb, shot(), weather, 7)
    monkeypatch.setattr(module, "_BAND_PIXELS", 64 * 5)
    np.testing.assert_array_equal(weathered(rgb, shot(), weather, 7), whole)


def test_an_orthographic_picture_has_the_same_ground() -> None:
    wide = replace(shot(), ortho_m=138.0)
    assert np.asarray(weathered(grey(), wide, Weather(True, road_snow=0.5), 0)).mean() == pytest.approx(
        under("asphalt", road_snow=0.5).mean(), abs=12)


# by the RPCs

ABOVE = NedPose(NED(-3.0, -2.0, -60.0), quaternion_from_euler(0, -90, 0))


def images(context: Context) -> list[bytes]:
    wanted = [{"camera_name": "0", "image_type": kind, "pixels_as_float": kind == 1, "compress": False,
               "annotation_name": ""} for kind in (0, 1, 5)]
    replies = call(context, "simGetImages", wanted, "", False)
    return [np.asarray(r["image_data_float"], np.float32).tobytes() if r["pixels_as_float"]
            else bytes(r["image_data_uint8"]) for r in replies]


@pytest.fixture
def town() -> Context:
    context = simulated("ComputerVision", start=NedPose(NED(0, 0, 0), IDENTITY.orientation))
    load(context, box((-5, -5, 0), (5, 5, 10), "roof_metal", "wall_plaster", instance=7))
    context.simulator.place_vehicle("A", ABOVE)
    return context


def test_only_the_scene_changes(town: Context) -> None:
    clear = images(town)
    call(town, "simSetWeatherParameter", WeatherParameter.SNOW, 1.0)
    call(town, "simSetWeatherParameter", WeatherParameter.ROAD_SNOW, 1.0)
    assert images(town) == clear
    call(town, "simEnableWeather", True)
    white = images(town)
    assert white[0] != clear[0] and white[1:] == clear[1:]
    before, after = (np.frombuffer(data, np.uint8).reshape(48, 64, 3).astype(int) for data in (clear[0], white[0]))
    assert after.mean() > before.mean() + 40
    call(town, "simEnableWeather", False)
    assert images(town) == clear


def test_parameters_are_kept_within_bounds(town: Context) -> None:
    for number, field in enumerate(FIELDS):
        call(town, "simSetWeatherParameter", number, 7.5)
        assert getattr(town.simulator.state.weather, field) == 1.0
        call(town, "simSetWeatherParameter", number, -1.0)
        assert getattr(town.simulator.state.weather, field) == 0.0
    for number in (9, 99, -1):
        call(town, "simSetWeatherParameter", number, 1.0)
    assert town.simulator.state.weather == Weather()
    call(town, "simSetWeatherParameter", WeatherParameter.ENABLED, 1.0)
    assert town.simulator.state.weather == Weather(enabled=True)


def test_wind_is_for_multirotors() -> None:
    context = simulated("Multirotor")
    call(context, "simSetWind", NED(1.0, 2.0, 3.0))
    assert context.simulator.state.wind == NED(1.0, 2.0, 3.0)
    context.simulator.close()
    with pytest.raises(ValueError, match="setWind not implemented by SimMode"):
        call(simulated("ComputerVision"), "simSetWind", NED(1.0, 2.0, 3.0))
