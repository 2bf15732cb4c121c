"""Connection and simulation control."""

from __future__ import annotations

from concurrent.futures import Future

from sim_bridge.airsim.calls.registry import Context, rpc


@rpc("ping")
def ping(_: Context) -> bool:
    return True


@rpc("getServerVersion")
def server_version(context: Context) -> int:
    return context.dialect.server_version


@rpc("getMinRequiredClientVersion")
def min_client_version(context: Context) -> int:
    return context.dialect.min_client_version


@rpc("getSettingsString")
def settings(context: Context) -> str:
    return context.settings


@rpc("reset", note="vehicles to their starts, tasks cancelled; the world, its light and its objects' ids stay")
def reset(context: Context) -> None:
    context.simulator.reset()


@rpc("simPause")
def pause(context: Context, is_paused: bool) -> None:
    context.simulator.pause(is_paused)


@rpc("simIsPaused")
def is_paused(context: Context) -> bool:
    return context.simulator.state.paused


@rpc("simContinueForTime")
def continue_for_time(context: Context, seconds: float) -> Future[None]:
    if context.simulator.config.mode == "ComputerVision":
        raise ValueError("continueForTime is not implemented by SimMode")
    return context.simulator.continue_for(seconds)


@rpc("simContinueForFrames", note="a frame is 1/60 s of simulated time")
def continue_for_frames(context: Context, frames: int) -> Future[None]:
    if context.simulator.config.mode == "ComputerVision":
        raise ValueError("continueForFrames is not implemented by SimMode")
    return context.simulator.continue_for(frames / 60)
