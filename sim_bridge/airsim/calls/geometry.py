"""Geometry of the world: extents, lines of sight, voxel grid, meshes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import vehicle
from sim_bridge.embedded.paths import confined
from sim_bridge.embedded.queries import corner_points, in_sight, look_at_deg, meshes
from sim_bridge.embedded.scene_objects import NoWorld
from sim_bridge.embedded.state import Loaded
from sim_bridge.embedded.voxels import box_around, occupied, write_binvox
from sim_bridge.frames import (
    ENU,
    NED,
    Geodetic,
    NedPose,
    enu_from_geodetic,
    enu_from_ned,
    geodetic_from_enu,
    unreal_from_enu,
    unreal_from_ned,
)

_FARTHEST_M = 1e6


@rpc("simGetWorldExtents", note="of everything, terrain included")
def get_world_extents(context: Context) -> list[Geodetic]:
    loaded = _loaded(context)
    corners = corner_points(loaded.scene, context.simulator.state.phase)
    return [geodetic_from_enu(corner, loaded.origin) for corner in corners]


@rpc("simTestLineOfSightToPoint")
def line_of_sight_to_point(context: Context, point: Geodetic, vehicle_name: str) -> bool:
    name = vehicle(context, vehicle_name).config.name
    pose = context.simulator.object_pose(name)
    return pose is not None and _sees(context, enu_from_ned(pose.position), _point(context, point))


@rpc("simTestLineOfSightBetweenPoints")
def line_of_sight_between_points(context: Context, point1: Geodetic, point2: Geodetic) -> bool:
    return _sees(context, _point(context, point1), _point(context, point2))


@rpc("simFindLookAtRotation")
def find_look_at_rotation(context: Context, vehicle_name: str, object_name: str) -> NED:
    state, poses = context.simulator.state, context.simulator.object_pose
    eye = poses(vehicle_name or next(iter(state.vehicles)))
    target = poses(object_name)
    # a vector on the wire only: pitch, roll, yaw
    return NED(0.0, 0.0, 0.0) if eye is None or target is None else NED(*look_at_deg(eye.position, target.position))


@rpc("simCreateVoxelGrid", note="below the recording root; buildings and closed objects are solid")
def create_voxel_grid(context: Context, position: NED, x: int, y: int, z: int, res: float, output_file: str) -> bool:
    loaded, root = _loaded(context), context.simulator.config.recording_root
    if root is None:
        raise ValueError("no folder for files is configured: start the server with a recording root")
    path = confined(root, output_file)
    box = box_around(enu_from_ned(position), x, y, z, res)
    full = occupied(loaded.scene, context.simulator.state.phase, box)
    try:
        write_binvox(path, full, (x, y, z))
    except OSError:
        return False
    return True


@rpc("simGetMeshPositionVertexBuffers", note="buildings and spawned objects, in Unreal's frame and centimetres")
def get_mesh_position_vertex_buffers(context: Context) -> list[dict[str, Any]]:
    state, loaded = context.simulator.state, _loaded(context)
    return [{**_unreal(loaded.poses[name]), "name": name.lower(), "indices": mesh.faces.ravel(),
             "vertices": unreal_from_enu(mesh.vertices.astype(np.float64)).astype(np.float32).ravel()}
            for name, mesh in meshes(loaded.scene, state.phase)]


def _unreal(pose: NedPose) -> dict[str, Any]:
    engine = unreal_from_ned(pose)
    return {"position": engine.position, "orientation": engine.orientation}


def _loaded(context: Context) -> Loaded:
    loaded = context.simulator.state.loaded
    if loaded is None:
        raise NoWorld
    return loaded


def _point(context: Context, point: Geodetic) -> ENU:
    """Raises ValueError for what is no point near the world."""
    if not (abs(point.lat_deg) <= 90 and abs(point.lon_deg) <= 360 and abs(point.alt_m) < _FARTHEST_M):
        raise ValueError(f"{point} is not a point near the earth")
    enu = enu_from_geodetic(point, context.simulator.origin)
    if not math.dist(enu.array(), (0.0, 0.0, 0.0)) < _FARTHEST_M:
        raise ValueError(f"{point} is farther than {_FARTHEST_M / 1000:g} km from the world")
    return enu


def _sees(context: Context, a: ENU, b: ENU) -> bool:
    return in_sight(_loaded(context).scene, context.simulator.state.phase, a, b)
