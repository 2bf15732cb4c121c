"""Weather, time of day, wind, and the air around a vehicle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import vehicle
from sim_bridge.airsim.messages import WeatherParameter
from sim_bridge.embedded.atmosphere import gravity_m_s2, standard_air
from sim_bridge.embedded.simulator import global_pose
from sim_bridge.embedded.state import Vehicle
from sim_bridge.embedded.sun import SunClock, local_start
from sim_bridge.frames import NED, Geodetic, enu_from_ned, geodetic_from_enu

_WEATHER_FIELDS = {
    WeatherParameter.RAIN: "rain", WeatherParameter.ROAD_WETNESS: "road_wetness", WeatherParameter.SNOW: "snow",
    WeatherParameter.ROAD_SNOW: "road_snow", WeatherParameter.MAPLE_LEAF: "leaves",
    WeatherParameter.ROAD_LEAF: "road_leaves", WeatherParameter.DUST: "dust", WeatherParameter.FOG: "fog",
}


def place_of(context: Context, found: Vehicle) -> Geodetic:
    """Where a vehicle is on the earth."""
    return geodetic_from_enu(enu_from_ned(global_pose(found).position), context.simulator.origin)


@rpc("simSetTimeOfDay", note="zone: the whole hour nearest to the longitude; the sun is drawn no lower than "
                             "5 degrees, from there on pictures grow dark")
def set_time_of_day(context: Context, is_enabled: bool, start_datetime: str, is_start_datetime_dst: bool,
                    celestial_clock_speed: float, update_interval_secs: float, move_sun: bool) -> None:
    simulator, now_ns = context.simulator, context.simulator.now_ns()
    if not is_enabled:
        simulator.update(sun_clock=None)
        return
    start = local_start(start_datetime, is_start_datetime_dst) if start_datetime else None
    clock = SunClock(start, now_ns, celestial_clock_speed, update_interval_secs)
    if move_sun:
        simulator.update(sun_clock=clock)
    else:
        # the sun stays where it was last put
        simulator.change(lambda state: replace(
            state, sun_clock=None if state.sun_clock is None else state.sun_clock.stopped(now_ns)))


@rpc("simEnableWeather")
def enable_weather(context: Context, enable: bool) -> None:
    context.simulator.change(lambda state: replace(state, weather=replace(state.weather, enabled=enable)))


@rpc("simSetWeatherParameter", note="values are clamped to 0..1; seen in Scene images once weather is enabled")
def set_weather_parameter(context: Context, param: int, val: float) -> None:
    if param == WeatherParameter.ENABLED:
        enable_weather(context, val > 0)
    elif param in _WEATHER_FIELDS:
        change: dict[str, Any] = {_WEATHER_FIELDS[WeatherParameter(param)]: min(max(val, 0.0), 1.0)}
        context.simulator.change(lambda state: replace(state, weather=replace(state.weather, **change)))


@rpc("simSetWind", note="Multirotor mode, as in AirSim; rain and snow fall with it")
def set_wind(context: Context, wind: NED) -> None:
    if context.simulator.config.mode != "Multirotor":
        raise ValueError("setWind not implemented by SimMode")
    context.simulator.update(wind=wind)


@rpc("simGetGroundTruthEnvironment", note="standard atmosphere of 1976")
def get_ground_truth_environment(context: Context, vehicle_name: str) -> dict[str, Any]:
    found = vehicle(context, vehicle_name)
    place = place_of(context, found)
    air = standard_air(place.alt_m)
    return {"position": found.kinematics.pose.position, "geo_point": place,
            "gravity": NED(0.0, 0.0, gravity_m_s2(place.alt_m)), "air_pressure": air.pressure_pa,
            "temperature": air.temperature_k, "air_density": air.density_kg_m3}
