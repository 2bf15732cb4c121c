"""Objects of the scene: which there are, where they are, what they look like."""

from __future__ import annotations

import math

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded import scene_objects
from sim_bridge.embedded.assets import NAMES
from sim_bridge.embedded.console import WORLD_ID, run_command
from sim_bridge.embedded.edits import MAX_SLOTS, Skin, within_reach
from sim_bridge.embedded.paths import confined
from sim_bridge.embedded.queries import swept
from sim_bridge.embedded.skins import read_texture
from sim_bridge.frames import NED, NedPose, Quaternion
from sim_bridge.world.materials import INDEX

NAN_POSE = NedPose(NED(math.nan, math.nan, math.nan), Quaternion(math.nan, math.nan, math.nan, math.nan))
"""What simGetObjectPose answers for an object that does not exist."""
_NOWHERE = NED(0.0, 0.0, 0.0)


@rpc("simListSceneObjects")
def list_scene_objects(context: Context, name_regex: str) -> list[str]:
    return context.simulator.object_names(name_regex)


@rpc("simListSceneObjectsByTag", note="tags are an object's class, light, vehicle, terrain, spawned")
def list_scene_objects_by_tag(context: Context, tag_regex: str) -> list[str]:
    return [name for name, _ in scene_objects.tagged(context.simulator.state, tag_regex)]


@rpc("simListSceneObjectsTags", note="tags are an object's class, light, vehicle, terrain, spawned")
def list_scene_objects_tags(context: Context, name_regex: str) -> list[tuple[str, str]]:
    return scene_objects.tagged(context.simulator.state, name_regex)


@rpc("simListAssets")
def list_assets(_: Context) -> list[str]:
    return list(NAMES)


@rpc("simSpawnObject", note="objects have no physics; what an asset is made of is MAGE's own")
def spawn_object(context: Context, object_name: str, load_component: str, pose: NedPose, scale: NED,
                 physics_enabled: bool, is_blueprint: bool) -> str:
    # as Cosys does, a spawned object is labelled from the first there and nowhere else
    registered = context.dialect.name == "cosys"
    return context.simulator.change_objects(lambda state: scene_objects.spawn(
        state, object_name, load_component, pose, _scale(scale), registered))


@rpc("simDestroyObject", note="terrain and vehicles stay: false")
def destroy_object(context: Context, object_name: str) -> bool:
    name = scene_objects.named_or_tagged(context.simulator.state, object_name)
    return name is not None and context.simulator.change_objects(lambda state: scene_objects.destroy(state, name))


@rpc("simGetObjectPose")
def get_object_pose(context: Context, object_name: str, ned: bool = True) -> NedPose:
    name: str | None = object_name
    if context.dialect.name == "cosys":
        name = scene_objects.named_or_tagged(context.simulator.state, object_name)
    pose = None if name is None else context.simulator.object_pose(name)
    return NAN_POSE if pose is None else pose


@rpc("simSetObjectPose", note="without teleport an object stops at what is in its way; terrain stays: false")
def set_object_pose(context: Context, object_name: str, pose: NedPose, teleport: bool) -> bool:
    simulator = context.simulator
    if object_name in simulator.state.vehicles:
        at = within_reach(pose).position.array() - simulator.state.vehicles[object_name].start.position.array()
        simulator.place_vehicle(object_name, NedPose(NED(*(float(v) for v in at)), pose.orientation))
        return True
    target = pose if teleport else _swept(context, object_name, pose)
    return simulator.change_objects(lambda state: scene_objects.change(state, object_name, pose=target))


@rpc("simGetObjectScale")
def get_object_scale(context: Context, object_name: str) -> NED:
    scale = scene_objects.scale_of(context.simulator.state, object_name)
    return _NOWHERE if scale is None else NED(*scale)


@rpc("simSetObjectScale")
def set_object_scale(context: Context, object_name: str, scale: NED) -> bool:
    return context.simulator.change_objects(
        lambda state: scene_objects.change(state, object_name, scale=_scale(scale)))


@rpc("simSetObjectMaterial", note="materials are MAGE's, by name or as the last part of a path; others: false")
def set_object_material(context: Context, object_name: str, material_name: str, component_id: int) -> bool:
    material = material_name.rpartition("/")[2].rpartition(".")[2]
    if material not in INDEX or material == "ground":
        return False
    return _clothe(context, object_name, component_id, Skin(material))


@rpc("simSetObjectMaterialFromTexture", note="a file of the world root")
def set_object_material_from_texture(context: Context, object_name: str, texture_path: str,
                                     component_id: int) -> bool:
    texture = read_texture(confined(context.simulator.config.world_root, texture_path))
    return texture is not None and _clothe(context, object_name, component_id, Skin(texture=texture))


@rpc("simSwapTextures", state="absent", note="no object has textures to swap: none is changed")
def swap_textures(_: Context, tag: str, tex_id: int, component_id: int, material_id: int) -> list[str]:
    return []


@rpc("simSetLightIntensity", state="absent", note="lights are objects that keep their intensity and cast no light")
def set_light_intensity(context: Context, light_name: str, intensity: float) -> bool:
    return _dim(context, light_name, intensity)


@rpc("simSetWorldLightIntensity", state="absent", note="lights are objects that keep their intensity and cast no light")
def set_world_light_intensity(context: Context, light_name: str, intensity: float) -> bool:
    return _dim(context, light_name, intensity)


@rpc("simSetWorldLightVisibility", state="absent", note="true for a light, which casts none either way")
def set_world_light_visibility(context: Context, light_name: str, is_visible: bool) -> bool:
    return scene_objects.is_light(context.simulator.state, light_name)


@rpc("simSetVehicleLightVisibility", state="absent", note="vehicles have no lights: false")
def set_vehicle_light_visibility(_: Context, vehicle_name: str, light_name: str, is_visible: bool) -> bool:
    return False


@rpc("simSetVehicleLightIntensity", state="absent", note="vehicles have no lights: false")
def set_vehicle_light_intensity(_: Context, vehicle_name: str, light_name: str, intensity: float) -> bool:
    return False


@rpc("simLoadLevel", note="a level is a world id of the world root; vehicles go back to their starts")
def load_level(context: Context, level_name: str) -> bool:
    simulator, loaded = context.simulator, context.simulator.state.loaded
    if not WORLD_ID.fullmatch(level_name) or (loaded is not None and loaded.world_id == level_name):
        return False
    run_command(simulator, f"mage.load {level_name}")
    if simulator.state.loaded is None or simulator.state.loaded.world_id != level_name:
        return False
    simulator.reset()
    return True


def _dim(context: Context, light_name: str, intensity: float) -> bool:
    return context.simulator.change_objects(lambda state: scene_objects.set_light(state, light_name, intensity))


def _clothe(context: Context, name_or_tag: str, slot: int, skin: Skin) -> bool:
    if not 0 <= slot < MAX_SLOTS:
        return False
    name = scene_objects.named_or_tagged(context.simulator.state, name_or_tag)
    return name is not None and context.simulator.change_objects(
        lambda state: scene_objects.change(state, name, skins={slot: skin}))


def _swept(context: Context, name: str, pose: NedPose) -> NedPose:
    """Where an object gets on its way to a pose; the pose itself for what cannot be moved."""
    state = context.simulator.state
    if state.loaded is None or not scene_objects.can_change(state, name):
        return pose
    return swept(state.loaded.scene, state.phase, name, within_reach(pose))


def _scale(scale: NED) -> tuple[float, float, float]:
    return scale.north, scale.east, scale.down
