"""Detection of objects in a camera's images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sim_bridge.airsim.calls.images import camera, check_pixels
from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.messages import ImageType
from sim_bridge.embedded import detection
from sim_bridge.embedded.capture import Wanted
from sim_bridge.embedded.detection import Channel, Detection, Filter
from sim_bridge.frames import enu_from_ned, geodetic_from_enu

_MOST_M = 1e6
_LAST = max(ImageType)


def _channel(context: Context, camera_name: str, image_type: int, vehicle_name: str, external: bool,
             annotation_name: str) -> Channel:
    ref = camera(context, camera_name, vehicle_name, external)
    if not 0 <= image_type <= _LAST:
        raise ValueError(f"image type {image_type} is not in 0..{_LAST}")
    return Channel(ref, image_type, annotation_name[:detection.MAX_CHARACTERS]
                   if image_type == ImageType.ANNOTATION else "")


def _change(context: Context, channel: Channel, step: Callable[[Filter], Filter]) -> None:
    context.simulator.change(
        lambda state: detection.with_filter(state, channel, step(detection.filter_of(state, channel))))


@rpc("simAddDetectionFilterMeshName", note="the name of an object is its mesh's; of what was spawned, its asset's too")
def add_detection_filter_mesh_name(context: Context, camera_name: str, type: int, mesh_name: str, vehicle_name: str,
                                   external: bool = False, annotation_name: str = "") -> None:
    channel = _channel(context, camera_name, type, vehicle_name, external, annotation_name)
    _change(context, channel, lambda was: was if mesh_name in was.names
            else replace(was, names=(*was.names, mesh_name)))


@rpc("simSetDetectionFilterRadius")
def set_detection_filter_radius(context: Context, camera_name: str, type: int, radius_cm: float, vehicle_name: str,
                                external: bool = False, annotation_name: str = "") -> None:
    channel = _channel(context, camera_name, type, vehicle_name, external, annotation_name)
    _change(context, channel, lambda was: replace(was, radius_m=min(radius_cm / 100, _MOST_M)))


@rpc("simClearDetectionMeshNames")
def clear_detection_mesh_names(context: Context, camera_name: str, type: int, vehicle_name: str,
                               external: bool = False, annotation_name: str = "") -> None:
    channel = _channel(context, camera_name, type, vehicle_name, external, annotation_name)
    _change(context, channel, lambda was: replace(was, names=()))


@rpc("simGetDetections", note="box2D is tight around the pixels that are seen; groups such as trees are one object")
def get_detections(context: Context, camera_name: str, type: int, vehicle_name: str, external: bool = False,
                   annotation_name: str = "") -> list[dict[str, Any]]:
    channel = _channel(context, camera_name, type, vehicle_name, external, annotation_name)
    chosen = detection.filter_of(context.simulator.state, channel)
    if not chosen.names or context.simulator.state.loaded is None:
        return []
    wanted = [Wanted(channel.ref, type, frozenset({"objects"}))]
    check_pixels(context, wanted)
    return [_struct(context, found) for found in detection.detected(context.simulator.capture(wanted)[0], chosen)]


def _struct(context: Context, found: Detection) -> dict[str, Any]:
    low, high = ({"x_val": column, "y_val": row} for column, row in found.box_px)
    return {"name": found.name, "geo_point": geodetic_from_enu(enu_from_ned(found.place.position),
                                                               context.simulator.origin),
            "box2D": {"min": low, "max": high}, "box3D": {"min": found.box_m[0], "max": found.box_m[1]},
            "relative_pose": found.relative}
