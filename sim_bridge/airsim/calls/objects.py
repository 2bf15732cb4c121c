"""Objects of the scene."""

from __future__ import annotations

import math

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.frames import NED, NedPose, Quaternion

NAN_POSE = NedPose(NED(math.nan, math.nan, math.nan), Quaternion(math.nan, math.nan, math.nan, math.nan))
"""What simGetObjectPose answers for an object that does not exist."""


@rpc("simListSceneObjects")
def list_scene_objects(context: Context, name_regex: str) -> list[str]:
    return context.simulator.object_names(name_regex)


@rpc("simGetObjectPose")
def get_object_pose(context: Context, object_name: str, ned: bool = True) -> NedPose:
    pose = context.simulator.object_pose(object_name)
    return NAN_POSE if pose is None else pose
