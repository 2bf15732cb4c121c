"""Segmentation: AirSim's 256 ids, and Cosys' colour for each object."""

from __future__ import annotations

import math

import numpy as np

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.structs import Packed, packed_vectors
from sim_bridge.embedded import instance_colours
from sim_bridge.frames import NED, NedPose, Quaternion

_NOWHERE = NedPose(NED(*(math.nan,) * 3), Quaternion(*(math.nan,) * 4))


@rpc("simSetSegmentationObjectID", note="Cosys: the id is a place in the list of colours, and may be given twice")
def set_segmentation_object_id(context: Context, mesh_name: str, object_id: int, is_name_regex: bool) -> bool:
    if context.dialect.name != "cosys":
        return context.simulator.set_stencil(mesh_name, object_id, is_name_regex)
    return context.simulator.change_objects(
        lambda state: instance_colours.with_id(state, mesh_name, object_id, is_name_regex))


@rpc("simGetSegmentationObjectID")
def get_segmentation_object_id(context: Context, mesh_name: str) -> int:
    if context.dialect.name == "cosys":
        return instance_colours.registered(context.simulator.state).ids.get(mesh_name, -1)
    return context.simulator.stencil(mesh_name)


def _registered(context: Context) -> instance_colours.Instances:
    """What is registered now; from here on it keeps its ids, whatever a grid of worlds loads or lets go."""
    return instance_colours.registered(context.simulator.change(instance_colours.with_registered))


@rpc("simListInstanceSegmentationObjects")
def list_instance_segmentation_objects(context: Context) -> list[str]:
    return list(_registered(context).ids)


@rpc("simGetInstanceSegmentationColorMap", note="colours as images show them, up to 4 levels off Cosys' own reply")
def get_instance_segmentation_color_map(_: Context) -> Packed:
    return packed_vectors(instance_colours.colour_map().astype(np.float32))


@rpc("simListInstanceSegmentationPoses", note="Unreal's world frame and ours are one: ned changes nothing; all is "
                                              "visible")
def list_instance_segmentation_poses(context: Context, ned: bool, only_visible: bool) -> list[NedPose]:
    return poses(context, list(_registered(context).ids))


def poses(context: Context, names: list[str]) -> list[NedPose]:
    """Pose of each object in global NED, nan where there is none any more."""
    loaded = context.simulator.state.loaded
    present = loaded.poses if loaded else {}
    return [present.get(name, _NOWHERE) for name in names]
