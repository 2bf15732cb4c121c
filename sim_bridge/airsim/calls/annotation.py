"""Cosys' annotation layers."""

from __future__ import annotations

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.segmentation import poses
from sim_bridge.airsim.images import layer_named
from sim_bridge.embedded import annotation
from sim_bridge.embedded.annotation import GREYSCALE, RGB, Value
from sim_bridge.embedded.config import AnnotationLayer

_UNTAGGED = "no object of a world has a tag: a layer with Default has all of them, in black, any other has none"
_NO_TEXTURES = "layers with textures show black"


def _layer(context: Context, name: str, kind: int, direct: bool | None = None) -> AnnotationLayer | None:
    """The layer of a name, if it is of a kind, and direct or by index; None else."""
    layer = layer_named(context.simulator.config, name)
    fits = layer is not None and layer.kind == kind and direct in (None, layer.set_direct)
    return layer if fits else None


def _set(context: Context, layer: AnnotationLayer | None, mesh_name: str, value: Value, is_name_regex: bool) -> bool:
    if layer is None:
        return False
    return context.simulator.change_objects(
        lambda state: annotation.with_value(state, layer, mesh_name, value, is_name_regex))


@rpc("simListAnnotationObjects", note=_UNTAGGED)
def list_annotation_objects(context: Context, annotation_name: str) -> list[str]:
    layer = layer_named(context.simulator.config, annotation_name)
    return [] if layer is None else annotation.objects(context.simulator.state, layer)


@rpc("simListAnnotationPoses", note="Unreal's world frame and ours are one: ned changes nothing; all is visible")
def list_annotation_poses(context: Context, annotation_name: str, ned: bool, only_visible: bool) -> list[object]:
    return [*poses(context, list_annotation_objects(context, annotation_name))]


@rpc("simSetAnnotationObjectID")
def set_annotation_object_id(context: Context, annotation_name: str, mesh_name: str, object_id: int,
                             is_name_regex: bool) -> bool:
    return _set(context, _layer(context, annotation_name, RGB, False), mesh_name, object_id, is_name_regex)


@rpc("simGetAnnotationObjectID")
def get_annotation_object_id(context: Context, annotation_name: str, mesh_name: str) -> int:
    layer = _layer(context, annotation_name, RGB, False)
    value = None if layer is None else annotation.value(context.simulator.state, layer, mesh_name)
    return value if isinstance(value, int) else -1


@rpc("simSetAnnotationObjectColor", note="any colour shows as it was set")
def set_annotation_object_color(context: Context, annotation_name: str, mesh_name: str, r: int, g: int, b: int,
                                is_name_regex: bool) -> bool:
    layer = _layer(context, annotation_name, RGB, True)
    return _set(context, layer, mesh_name, (r & 255, g & 255, b & 255), is_name_regex)


@rpc("simGetAnnotationObjectColor")
def get_annotation_object_color(context: Context, annotation_name: str, mesh_name: str) -> str:
    layer = _layer(context, annotation_name, RGB, True)
    value = None if layer is None else annotation.value(context.simulator.state, layer, mesh_name)
    return annotation.shown(value) if isinstance(value, tuple) else ""


@rpc("simSetAnnotationObjectValue")
def set_annotation_object_value(context: Context, annotation_name: str, mesh_name: str, greyscale_value: float,
                                is_name_regex: bool) -> bool:
    layer = _layer(context, annotation_name, GREYSCALE)
    return _set(context, layer, mesh_name, min(max(greyscale_value, 0.0), 1.0), is_name_regex)


@rpc("simGetAnnotationObjectValue")
def get_annotation_object_value(context: Context, annotation_name: str, mesh_name: str) -> float:
    layer = _layer(context, annotation_name, GREYSCALE)
    value = None if layer is None else annotation.value(context.simulator.state, layer, mesh_name)
    return value if isinstance(value, float) else 0.0


@rpc("simSetAnnotationObjectTextureByPath", state="absent", note=_NO_TEXTURES)
def set_annotation_object_texture_by_path(_: Context, annotation_name: str, mesh_name: str, texture_path: str,
                                          is_name_regex: bool) -> bool:
    return False


@rpc("simEnableAnnotationObjectTextureByPath", state="absent", note=_NO_TEXTURES)
def enable_annotation_object_texture_by_path(_: Context, annotation_name: str, mesh_name: str,
                                             is_name_regex: bool) -> bool:
    return False


@rpc("simGetAnnotationObjectTexturePath", state="absent", note=_NO_TEXTURES)
def get_annotation_object_texture_path(_: Context, annotation_name: str, mesh_name: str) -> str:
    return ""
