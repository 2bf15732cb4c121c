"""Segmentation ids."""

from __future__ import annotations

from sim_bridge.airsim.calls.registry import Context, rpc


@rpc("simSetSegmentationObjectID")
def set_segmentation_object_id(context: Context, mesh_name: str, object_id: int, is_name_regex: bool) -> bool:
    return context.simulator.set_stencil(mesh_name, object_id, is_name_regex)


@rpc("simGetSegmentationObjectID")
def get_segmentation_object_id(context: Context, mesh_name: str) -> int:
    return context.simulator.stencil(mesh_name)
