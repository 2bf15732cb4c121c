"""Time of day, weather, wind, lines of sight."""

from __future__ import annotations

from sim_bridge.airsim.calls.registry import Context, rpc


@rpc("simSetTimeOfDay")
def set_time_of_day(context: Context, is_enabled: bool, start_datetime: str, is_start_datetime_dst: bool,
                    celestial_clock_speed: float, update_interval_secs: float, move_sun: bool) -> None:
    context.simulator.set_clock(is_enabled and move_sun, start_datetime, is_start_datetime_dst)
