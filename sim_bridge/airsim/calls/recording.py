"""Recording to the server's disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim_bridge.airsim.calls.images import camera
from sim_bridge.airsim.calls.registry import Context, registered, rpc
from sim_bridge.airsim.images import PARTS, image_response, refused
from sim_bridge.airsim.messages import ImageRequest, ImageType
from sim_bridge.embedded.capture import Frame, Wanted
from sim_bridge.embedded.recording import Moment, Picture, Recording, new_folder, pfm, ppm
from sim_bridge.embedded.scene_objects import NoWorld
from sim_bridge.embedded.state import State

_KEY = "recording"
"""Key of the state's `extra`: the recording under way, or the last one."""
_DEFAULT: Mapping[str, Any] = {"CameraName": "", "ImageType": ImageType.SCENE, "PixelsAsFloat": False, "Compress": True}
"""Recorded of every vehicle where the settings name no camera."""


@rpc("startRecording", note="below --recording-root, at most 8 GiB and 500,000 pictures; refused without it")
def start_recording(context: Context) -> None:
    stop_recording(context)
    simulator = context.simulator
    config, state = simulator.config, simulator.state
    requests = _requests(context, state)
    folder = new_folder(config.recording_root, config.recording.folder)
    kinds = [state.vehicles[name].config.kind for name in sorted(state.vehicles)]
    recording = Recording(folder, config.recording, kinds, lambda name: _taken(context, name, requests.get(name, [])))
    simulator.change(lambda now: _with(now, recording))
    if simulator.fleet is not None and config.steppable:
        # time waits for the recorder, so that no moment is missed
        simulator.fleet.watcher = lambda: recording.look(*_now(context))
        recording.look(*_now(context))
    else:
        recording.follow(lambda: _now(context))


@rpc("stopRecording")
def stop_recording(context: Context) -> None:
    recording = _present(context)
    if recording is not None:
        recording.end()


@rpc("isRecording")
def is_recording(context: Context) -> bool:
    recording = _present(context)
    return recording is not None and not recording.ended


def _present(context: Context) -> Recording | None:
    recording: Recording | None = context.simulator.state.extra.get(_KEY)
    return recording


def _with(state: State, recording: Recording) -> State:
    return replace(state, extra={**state.extra, _KEY: recording})


def _now(context: Context) -> tuple[State, int]:
    state = context.simulator.state
    return state, state.time_ns or context.simulator.now_ns()


def _requests(context: Context, state: State) -> dict[str, list[ImageRequest]]:
    """What is recorded of each vehicle. Raises ValueError for a camera or a vehicle that is not there."""
    found: dict[str, list[ImageRequest]] = {}
    for entry in context.simulator.config.recording.cameras:
        name = str(entry.get("VehicleName", "")) or next(iter(state.vehicles))
        found.setdefault(name, []).append(_request({**_DEFAULT, **entry}))
    found = found or {name: [_request(_DEFAULT)] for name in state.vehicles}
    for name, requests in found.items():
        for request in requests:
            camera(context, request.camera_name, name, external=False)
    return found


def _request(entry: Mapping[str, Any]) -> ImageRequest:
    return ImageRequest(int(entry["ImageType"]), bool(entry["PixelsAsFloat"]), bool(entry["Compress"]),
                        str(entry["CameraName"]), str(entry.get("Annotation", "")))


def _taken(context: Context, name: str, requests: list[ImageRequest]) -> Moment | None:
    simulator = context.simulator
    shown = [request for request in requests if not refused(request, context.dialect, simulator.config)]
    wanted = [Wanted(camera(context, request.camera_name, name, external=False), request.image_type,
                     PARTS.get(request.image_type, frozenset())) for request in shown]
    if not wanted:
        return None
    try:
        frames = simulator.capture(wanted)
    except NoWorld:
        return None
    pictures = tuple(_picture(context, frame, request) for frame, request in zip(frames, shown, strict=True))
    vehicle = frames[0].state.vehicles[name]
    car = _car(context, name) if vehicle.config.kind == "physxcar" else ()
    return Moment(vehicle, frames[0].time_ns, pictures, car)


def _picture(context: Context, frame: Frame, request: ImageRequest) -> Picture:
    response = image_response(frame, request, context.dialect, context.simulator.config)
    width, height = response["width"], response["height"]
    if request.pixels_as_float:
        values = np.asarray(response["image_data_float"], np.float32).reshape(height, width)
        return Picture(request.camera_name, request.image_type, "pfm", pfm(values))
    data = bytes(response["image_data_uint8"])
    if request.compress:
        return Picture(request.camera_name, request.image_type, "png", data)
    pixels = np.frombuffer(data, np.uint8).reshape(-1, 3)
    rgb = pixels[:, ::-1].tobytes() if context.dialect.bgr else data
    return Picture(request.camera_name, request.image_type, "ppm", ppm(rgb, width, height))


def _car(context: Context, name: str) -> tuple[Any, ...]:
    calls = registered()
    controls, state = (calls[call].run(context, vehicle_name=name) for call in ("getCarControls", "getCarState"))
    return (float(controls["throttle"]), float(controls["steering"]), float(controls["brake"]), state["gear"],
            bool(state["handbrake"]), float(state["rpm"]), float(state["speed"]))
