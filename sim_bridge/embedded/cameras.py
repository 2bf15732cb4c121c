"""Cameras: which there are by name, where they look from, and the shape of each of their image types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sim_bridge.embedded.config import IDENTITY, MOUNTS, CameraConfig, CaptureConfig, SimulatorConfig, VehicleKind
from sim_bridge.embedded.state import Camera, State, Vehicle
from sim_bridge.frames import (
    NED,
    Intrinsics,
    NedPose,
    euler_from_quaternion,
    intrinsics,
    quaternion_from_euler,
    quaternion_from_rotation,
    rotation_from_quaternion,
)

_ALIASES = {"": "front_center", "fpv": "front_center"} | {str(i): name for i, name in enumerate(MOUNTS)}
_CAR_ALIASES = _ALIASES | {"3": "fpv"}
_CAR_MOUNTS: Mapping[str, CameraConfig] = {"fpv" if name == "bottom_center" else name: mount
                                           for name, mount in MOUNTS.items()} | {"fpv": CameraConfig()}


@dataclass(frozen=True)
class CameraRef:
    """One camera of the simulator, by the names it has there."""

    vehicle: str
    """Empty for an external camera."""
    camera: str


@dataclass(frozen=True)
class View:
    """Shape of one image type of a camera. Two types of the same shape show the same rays."""

    camera: Intrinsics
    """Of an orthographic one, only width and height count."""
    ortho_width_m: float | None = None
    """Width of what an orthographic camera sees; None: perspective."""


_ABOVE_M: Mapping[VehicleKind, float] = {"computervision": 0.0, "simpleflight": 0.1, "physxcar": 1.0}
"""Height of AirSim's five cameras over a vehicle's origin, its lowest point: at the start, that is on the ground."""


def mounted(kind: VehicleKind, configured: Mapping[str, CameraConfig]) -> dict[str, Camera]:
    """The cameras of a new vehicle: AirSim's five, and those of the settings beside or instead of them."""
    mounts = _CAR_MOUNTS if kind == "physxcar" else MOUNTS
    lift = NED(0.0, 0.0, -_ABOVE_M[kind])
    lifted = {name: replace(camera, mount=moved(camera.mount, lift)) for name, camera in mounts.items()}
    return {name: Camera(camera) for name, camera in {**lifted, **configured}.items()}


def find_camera(state: State, name: str, vehicle: str, external: bool) -> CameraRef:
    """The camera of a name, an id "0" to "4" or an alias. Raises KeyError."""
    if external:
        return CameraRef("", _known(state.external, name))
    owner = state.vehicle(vehicle)
    aliases = _CAR_ALIASES if owner.config.kind == "physxcar" else _ALIASES
    return CameraRef(owner.config.name, _known(owner.cameras, name if name in owner.cameras
                                               else aliases.get(name, name)))


def camera_of(state: State, ref: CameraRef) -> Camera:
    return state.vehicles[ref.vehicle].cameras[ref.camera] if ref.vehicle else state.external[ref.camera]


def with_camera(state: State, ref: CameraRef, camera: Camera) -> State:
    """The state with one camera replaced."""
    if not ref.vehicle:
        return replace(state, external={**state.external, ref.camera: camera})
    return state.with_vehicle(ref.vehicle, cameras={**state.vehicles[ref.vehicle].cameras, ref.camera: camera})


def posed(vehicle: Vehicle | None, name: str, camera: Camera, pose: NedPose) -> Camera:
    """A camera after simSetCameraPose (AirSim PIPCamera.cpp).

    The pose is relative to the base of a camera that every vehicle has. One that the settings describe, and an
    external one, has no such base: its place is replaced. A gimbal holds the new attitude from then on.
    """
    config = camera.config
    if config.gimbal is not None:
        config = replace(config, gimbal=euler_from_quaternion(pose.orientation))
    if vehicle is None or name in vehicle.config.cameras:
        return replace(camera, config=replace(config, mount=pose), relative=IDENTITY)
    return replace(camera, config=config, relative=pose)


def seen_from(state: State, ref: CameraRef) -> NedPose:
    """Pose of a camera in global NED."""
    pose = reported_pose(state, ref)
    return moved(pose, state.vehicles[ref.vehicle].start.position) if ref.vehicle else pose


def reported_pose(state: State, ref: CameraRef) -> NedPose:
    """Pose of a camera as replies give it: in local NED of its vehicle, external ones in global NED."""
    camera = camera_of(state, ref)
    body = state.vehicles[ref.vehicle].kinematics.pose if ref.vehicle else IDENTITY
    pose = compose(compose(body, camera.config.mount), camera.relative)
    return pose if camera.config.gimbal is None else held(pose, camera.config.gimbal)


def held(pose: NedPose, gimbal: tuple[float, float, float]) -> NedPose:
    """A pose whose roll, pitch and yaw in the world's frame are a gimbal's; nan: left as they are."""
    angles = [own if math.isnan(kept) else kept
              for own, kept in zip(euler_from_quaternion(pose.orientation), gimbal, strict=True)]
    return NedPose(pose.position, quaternion_from_euler(*angles))


def compose(outer: NedPose, inner: NedPose) -> NedPose:
    """The pose `inner`, given in the frame of `outer`, in the frame in which `outer` is given."""
    turn = rotation_from_quaternion(outer.orientation)
    position = outer.position.array() + turn @ inner.position.array()
    turned = turn @ rotation_from_quaternion(inner.orientation)
    return NedPose(NED(*(float(v) for v in position)), quaternion_from_rotation(turned))


def moved(pose: NedPose, by: NED) -> NedPose:
    """A pose shifted along the axes of the frame in which it is given."""
    at = pose.position
    return NedPose(NED(at.north + by.north, at.east + by.east, at.down + by.down), pose.orientation)


def view_of(config: SimulatorConfig, camera: Camera, image_type: int) -> View:
    """Shape of one image type of a camera: what the camera's own settings leave open, the simulator's fill."""
    own = camera.config.captures.get(image_type, CaptureConfig())
    base = config.camera_defaults.get(image_type, CaptureConfig())
    width = own.width or base.width or config.width
    height = own.height or base.height or config.height
    fov_deg = camera.fov_deg or own.fov_deg or base.fov_deg or config.fov_deg
    ortho = own.ortho_width_m or base.ortho_width_m
    # AirSim's angle spans the wider side, upright images included (PIPCamera.cpp)
    focal_px = intrinsics(max(width, height), 1, fov_deg).focal_px
    return View(Intrinsics(width, height, focal_px), ortho)


def fov_deg(view: View) -> float:
    """Field of view of a perspective view across its wider side."""
    camera = view.camera
    return 2 * math.degrees(math.atan2(max(camera.width, camera.height), 2 * camera.focal_px))


def _known(cameras: Mapping[str, Camera], name: str) -> str:
    if name not in cameras:
        raise KeyError(name)
    return name
