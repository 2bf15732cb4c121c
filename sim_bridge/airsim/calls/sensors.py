"""Sensors of vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.calls.environment import place_of
from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.airsim.calls.vehicles import flown
from sim_bridge.embedded import lidar, sensors
from sim_bridge.embedded.cameras import compose
from sim_bridge.embedded.config import SensorConfig
from sim_bridge.embedded.instance_colours import colour_of, painted, registered
from sim_bridge.embedded.lidar import Echoes
from sim_bridge.embedded.objects import GROUPS, class_of, stencil_ids
from sim_bridge.embedded.scene import Hits
from sim_bridge.embedded.sensors import Moment
from sim_bridge.embedded.state import State, Vehicle
from sim_bridge.frames import NedPose
from sim_bridge.world.materials import TABLE

Rows = npt.NDArray[np.float32]

OUT_OF_RANGE = "out_of_range"
"""Cosys' label of a ray that came back from nothing."""
_POSES = "sensor_poses"
"""Key of the state's `extra`: poses that were set, by (vehicle, sensor)."""
_NAME_OF_CLASS = {semantic: name for name, semantic in GROUPS.items()}


@rpc("getImuData")
def get_imu_data(context: Context, imu_name: str, vehicle_name: str) -> dict[str, Any]:
    _, found, sensor, moment = _read(context, vehicle_name, sensors.IMU, imu_name)
    turning, force = sensors.imu(sensor, moment, found.kinematics, place_of(context, found).alt_m)
    return {"time_stamp": moment.now_ns, "orientation": found.kinematics.pose.orientation, "angular_velocity": turning,
            "linear_acceleration": force}


@rpc("getBarometerData")
def get_barometer_data(context: Context, barometer_name: str, vehicle_name: str) -> dict[str, Any]:
    _, found, sensor, moment = _read(context, vehicle_name, sensors.BAROMETER, barometer_name)
    return {"time_stamp": moment.now_ns, **sensors.barometer(sensor, moment, place_of(context, found).alt_m)}


@rpc("getMagnetometerData", note="dipole model, in gauss; the covariance is empty, as in AirSim")
def get_magnetometer_data(context: Context, magnetometer_name: str, vehicle_name: str) -> dict[str, Any]:
    _, found, sensor, moment = _read(context, vehicle_name, sensors.MAGNETOMETER, magnetometer_name)
    field = sensors.magnetometer(sensor, moment, place_of(context, found), found.kinematics.pose.orientation)
    return {"time_stamp": moment.now_ns, "magnetic_field_body": field, "magnetic_field_covariance": []}


@rpc("getGpsData", note="without the delay of 0.2 s; the receiver has its fix when the simulation starts")
def get_gps_data(context: Context, gps_name: str, vehicle_name: str) -> dict[str, Any]:
    _, found, sensor, moment = _read(context, vehicle_name, sensors.GPS, gps_name)
    return {"time_stamp": moment.now_ns,
            **sensors.gps(sensor, moment, place_of(context, found), found.kinematics.linear_velocity)}


@rpc("getDistanceSensorData")
def get_distance_sensor_data(context: Context, distance_sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    state, found, sensor, moment = _read(context, vehicle_name, sensors.DISTANCE, distance_sensor_name)
    farthest_m = sensors.number(sensor.options, "MaxDistance", 40.0)
    mount, ahead = _mount(state, found, sensor), np.array([[1.0, 0.0, 0.0]])
    echoes = _shoot(state, found, compose(found.kinematics.pose, mount), ahead, farthest_m)
    distance_m = float(echoes.hits.t[0]) if echoes.hit[0] else farthest_m
    return {"time_stamp": moment.now_ns, "distance": distance_m + sensors.range_noise_m(sensor, moment),
            "min_distance": sensors.number(sensor.options, "MinDistance", 0.2), "max_distance": farthest_m,
            "relative_pose": mount}


@rpc("getLidarData", note="at most 100,000 points a scan; debug points are not drawn")
def get_lidar_data(context: Context, lidar_name: str, vehicle_name: str) -> dict[str, Any]:
    state, found, sensor, moment = _read(context, vehicle_name, sensors.LIDAR, lidar_name)
    mount = _mount(state, found, sensor)
    pose = compose(found.kinematics.pose, mount)
    if context.dialect.name == "cosys":
        echoes = _scan(state, found, sensor, moment, pose, {"MeasurementsPerCycle": 512})
        points = np.where(echoes.hit[:, None], lidar.local(echoes.points, pose), np.float32(0))
        return {"time_stamp": moment.now_ns, "point_cloud": _filled(points), "pose": mount,
                "groundtruth": _names(state, echoes)}
    echoes = _scan(state, found, sensor, moment, pose, {})
    inertial = sensor.options.get("DataFrame", "VehicleInertialFrame") == "VehicleInertialFrame"
    points = echoes.points if inertial else lidar.local(echoes.points, pose)
    ids = stencil_ids(echoes.hits.material, echoes.hits.instance, state.stencils, _spawned(state))
    return {"time_stamp": moment.now_ns, "point_cloud": _filled(points[echoes.hit]), "pose": pose,
            "segmentation": ids[echoes.hit].tolist() or [0]}


@rpc("getGPULidarData", note="x, y, z, colour and intensity of each point")
def get_gpu_lidar_data(context: Context, lidar_name: str, vehicle_name: str) -> dict[str, Any]:
    state, found, sensor, moment = _read(context, vehicle_name, sensors.GPU_LIDAR, lidar_name)
    mount = _mount(state, found, sensor)
    pose = compose(found.kinematics.pose, mount)
    echoes = _scan(state, found, sensor, moment, pose, {"MeasurementsPerCycle": 2048})
    points = lidar.local(echoes.points, pose)[echoes.hit]
    rows = np.column_stack([points, _colours(state, echoes.hits)[echoes.hit], _intensity(echoes, pose)[echoes.hit]])
    return {"time_stamp": moment.now_ns, "point_cloud": _filled(rows), "pose": mount}


@rpc("getEchoData", note="first reflections; no passive beacons")
def get_echo_data(context: Context, echo_name: str, vehicle_name: str) -> dict[str, Any]:
    state, found, sensor, moment = _read(context, vehicle_name, sensors.ECHO, echo_name)
    mount, options = _mount(state, found, sensor), sensor.options
    pose = compose(found.kinematics.pose, mount)
    traces = int(min(abs(sensors.number(options, "NumberOfTraces", 10_000)), lidar.MAX_POINTS))
    limit_m = sensors.number(options, "DistanceLimit", 10.0)
    echoes = _shoot(state, found, pose, lidar.cone(traces, options), limit_m / 2)
    # what is heard comes straight back: there and back again
    way_m = 2 * echoes.hits.t[echoes.hit]
    lost = sensors.number(options, "AttenuationPerDistance", 0.0) * way_m \
        + sensors.number(options, "AttenuationPerReflection", 0.0)
    rows = np.column_stack([lidar.local(echoes.points, pose)[echoes.hit], lost, way_m, np.ones_like(way_m)])
    return {"time_stamp": moment.now_ns, "point_cloud": _filled(rows), "pose": mount,
            "groundtruth": [name for name in _names(state, echoes) if name != OUT_OF_RANGE],
            "passive_beacons_point_cloud": [0.0], "passive_beacons_groundtruth": []}


@rpc("setEchoData", note="taken and not drawn")
def set_echo_data(context: Context, echo_name: str, vehicle_name: str, echo_data: Mapping[str, Any]) -> None:
    _read(context, vehicle_name, sensors.ECHO, echo_name)


def _beacons(context: Context, kind: int, sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    state, found, sensor, moment = _read(context, vehicle_name, kind, sensor_name)
    return {"time_stamp": moment.now_ns, "pose": _mount(state, found, sensor), "allBeaconsId": [],
            "allBeaconsX": [], "allBeaconsY": [], "allBeaconsZ": []}


def _ranges(context: Context, vehicle_name: str, one: str, many: str) -> dict[str, Any]:
    flown(context, vehicle_name)
    own = [f"{one}_{key}" for key in ("time_stamp", "anchorId", "anchorPosX", "anchorPosY", "anchorPosZ", "valid_range",
                                      "distance", "rssi")]
    arrays = [f"{many}_{key}" for key in ("tagId", "tagPosX", "tagPosY", "tagPosZ", "ranges")]
    return {key: [] for key in (*own, *arrays)}


@rpc("getUWBSensorData", state="absent", note="no beacons stand in MAGE's worlds")
def get_uwb_sensor_data(context: Context, sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    return _beacons(context, sensors.UWB, sensor_name, vehicle_name)


@rpc("getUWBData", state="absent", note="no beacons stand in MAGE's worlds")
def get_uwb_data(context: Context, sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    return _ranges(context, vehicle_name, "mur", "mura")


@rpc("getWifiSensorData", state="absent", note="no beacons stand in MAGE's worlds")
def get_wifi_sensor_data(context: Context, sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    return _beacons(context, sensors.WIFI, sensor_name, vehicle_name)


@rpc("getWifiData", state="absent", note="no beacons stand in MAGE's worlds")
def get_wifi_data(context: Context, sensor_name: str, vehicle_name: str) -> dict[str, Any]:
    return _ranges(context, vehicle_name, "wr", "wra")


@rpc("simSetDistanceSensorPose")
def set_distance_sensor_pose(context: Context, sensor_name: str, pose: NedPose, vehicle_name: str) -> None:
    _place(context, sensors.DISTANCE, sensor_name, pose, vehicle_name)


@rpc("simSetLidarPose")
def set_lidar_pose(context: Context, sensor_name: str, pose: NedPose, vehicle_name: str) -> None:
    _place(context, sensors.LIDAR, sensor_name, pose, vehicle_name)


@rpc("simSetGPULidarPose")
def set_gpu_lidar_pose(context: Context, sensor_name: str, pose: NedPose, vehicle_name: str) -> None:
    _place(context, sensors.GPU_LIDAR, sensor_name, pose, vehicle_name)


@rpc("simSetEchoPose")
def set_echo_pose(context: Context, sensor_name: str, pose: NedPose, vehicle_name: str) -> None:
    _place(context, sensors.ECHO, sensor_name, pose, vehicle_name)


class Reading(NamedTuple):
    """All that one reading takes, of one moment."""

    state: State
    vehicle: Vehicle
    sensor: SensorConfig
    moment: Moment


def _read(context: Context, vehicle_name: str, kind: int, name: str) -> Reading:
    """What a sensor's reading takes. Raises ValueError if the vehicle or the sensor is not there."""
    flown(context, vehicle_name)
    simulator, state = context.simulator, context.simulator.state
    found = state.vehicle(vehicle_name)
    sensor = sensors.find(found.config.kind, found.config.sensors, kind, name)
    now_ns = state.time_ns or simulator.now_ns()
    return Reading(state, found, sensor, Moment(simulator.config.seed, found.config.name, now_ns, simulator.start_ns))


def _mount(state: State, found: Vehicle, sensor: SensorConfig) -> NedPose:
    """Pose of a sensor on its vehicle: as it was set, else as configured."""
    placed: Mapping[tuple[str, str], NedPose] = state.extra.get(_POSES, {})
    return placed.get((found.config.name, sensor.name)) or sensor.mount


def _place(context: Context, kind: int, sensor_name: str, pose: NedPose, vehicle_name: str) -> None:
    _, found, sensor, _ = _read(context, vehicle_name, kind, sensor_name)
    key = (found.config.name, sensor.name)
    context.simulator.change(lambda state: replace(
        state, extra={**state.extra, _POSES: {**state.extra.get(_POSES, {}), key: pose}}))


def _scan(state: State, found: Vehicle, sensor: SensorConfig, moment: Moment, pose: NedPose,
          defaults: Mapping[str, Any]) -> Echoes:
    options = {**defaults, **sensor.options}
    rays = lidar.fan(options, found.config.kind, moment.sample(1 / lidar.update_hz(options)))
    return _shoot(state, found, pose, lidar.directions(rays), rays.range_m)


def _shoot(state: State, found: Vehicle, pose: NedPose, vectors: npt.NDArray[np.float64],
           range_m: float) -> Echoes:
    scene = state.loaded.scene if state.loaded else None
    return lidar.shoot(scene, state.phase, pose, found.start.position, vectors, range_m)


def _filled(rows: Rows) -> Rows:
    """Flat, and never empty: AirSim sends one zero in place of no points."""
    return np.asarray(rows, np.float32).ravel() if len(rows) else np.zeros(1, np.float32)


def _spawned(state: State) -> Mapping[str, int]:
    return state.loaded.scene.objects().spawned if state.loaded else {}


def _names(state: State, echoes: Echoes) -> list[str]:
    """Name of the object that each ray met."""
    spawned = {instance: name for name, instance in _spawned(state).items()}
    hits = zip(echoes.hits.instance.tolist(), class_of(echoes.hits.material).tolist(), echoes.hit, strict=True)
    return [OUT_OF_RANGE if not hit else spawned.get(instance, f"mage_building_{instance}") if instance
            else _NAME_OF_CLASS.get(semantic, "") for instance, semantic, hit in hits]


def _colours(state: State, hits: Hits) -> npt.NDArray[np.float32]:
    """(N,) instance colour of what each ray met, its three bytes as one number."""
    colours = {name: colour_of(place) for name, place in registered(state).ids.items()}
    rgb = painted(hits.material, hits.instance, colours, _spawned(state)).astype(np.uint32)
    return (rgb @ np.array([1 << 16, 1 << 8, 1], np.uint32)).astype(np.float32)


def _intensity(echoes: Echoes, pose: NedPose) -> Rows:
    """(N,) near-infrared albedo times the cosine of the angle at which a ray meets the surface."""
    albedo = np.array([material.nir for material in TABLE], np.float32)[echoes.hits.material]
    toward = np.nan_to_num(pose.position.array() - echoes.points)
    length = np.maximum(np.linalg.norm(toward, axis=1), 1e-6)
    normal = echoes.hits.normal[:, [1, 0, 2]] * np.array([1, 1, -1], np.float32)
    sent: Rows = (albedo * np.abs((normal * toward).sum(axis=1)) / length).astype(np.float32)
    return sent
