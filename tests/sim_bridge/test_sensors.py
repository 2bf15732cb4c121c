"""Sensors against the tables of the standard atmosphere, AirSim's own magnetic values, known statistics and known
geometry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensing import call, load, simulated
from small_world import box

from sim_bridge.airsim.dialects import COLOSSEUM, COSYS
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded import lidar, sensors
from sim_bridge.embedded.atmosphere import (
    GRAVITY_M_S2,
    gravity_m_s2,
    magnetic_field_t,
    pressure_altitude_m,
    standard_air,
)
from sim_bridge.embedded.config import IDENTITY, SensorConfig
from sim_bridge.embedded.sensors import Moment
from sim_bridge.embedded.state import Kinematics
from sim_bridge.frames import (
    NED,
    Geodetic,
    NedPose,
    Quaternion,
    enu_from_ned,
    geodetic_from_enu,
    quaternion_from_euler,
    rotation_from_quaternion,
)

START_NS = 1_600_000_000_000_000_000
WALL = box((-50, 12, 0), (50, 14, 60), "roof_metal", "wall_plaster", instance=7)
"""Its south face stands 10 m north of a vehicle of `sensing.START`, which is at 2 m east, 3 m north."""


def at(seconds: float, seed: int = 0, vehicle: str = "A") -> Moment:
    return Moment(seed, vehicle, START_NS + round(seconds * 1e9), START_NS)


# the air and the field

@pytest.mark.parametrize(("altitude_m", "temperature_k", "pressure_pa", "density"), [
    # US Standard Atmosphere 1976 (NOAA-S/T 76-1562), table I, by geometric altitude
    (-1000, 294.651, 1.1393e5, 1.3470), (0, 288.150, 1.01325e5, 1.2250), (1000, 281.651, 8.9876e4, 1.1117),
    (5000, 255.676, 5.4048e4, 7.3643e-1), (11000, 216.774, 2.2700e4, 3.6480e-1), (20000, 216.650, 5.5293e3, 8.8910e-2),
    (32000, 228.490, 8.8906e2, 1.3555e-2), (50000, 270.650, 7.9779e1, 1.0269e-3), (70000, 219.585, 5.2209, 8.2829e-5),
    (80000, 198.639, 1.0524, 1.8458e-5),
])
def test_air_is_that_of_the_standard(altitude_m: float, temperature_k: float, pressure_pa: float,
                                     density: float) -> None:
    air = standard_air(altitude_m)
    assert air.temperature_k == pytest.approx(temperature_k, abs=2e-3)
    assert air.pressure_pa == pytest.approx(pressure_pa, rel=1e-4)
    assert air.density_kg_m3 == pytest.approx(density, rel=1e-4)


@given(st.floats(-1e9, 1e9), st.floats(0, 5000))
def test_air_is_finite_everywhere_and_thins_upwards(altitude_m: float, rise_m: float) -> None:
    low, high = standard_air(altitude_m), standard_air(altitude_m + rise_m)
    assert 0 < high.pressure_pa <= low.pressure_pa < 1e6
    assert 0 < gravity_m_s2(altitude_m) < 1e3
    assert np.isfinite(magnetic_field_t(Geodetic(10, 20, altitude_m)).array()).all()


@given(st.floats(-400, 10_000))
def test_the_altimeter_formula_undoes_the_standard(altitude_m: float) -> None:
    # it takes geometric height for the geopotential one: 16 m at 10 km
    assert pressure_altitude_m(standard_air(altitude_m).pressure_pa) == pytest.approx(altitude_m, abs=20)


@pytest.mark.parametrize(("place", "field"), [
    # AirSim EarthUtils.hpp, getMagField, comment "Dipole Model"
    (Geodetic(47.637, -122.147, 622), (2.50394e-05, 3.40771e-06, 3.6567e-05)),
    (Geodetic(47.646, -122.134, -378), (2.5047e-05, 3.41024e-06, 3.65953e-05)),
])
def test_the_field_is_airsims(place: Geodetic, field: tuple[float, float, float]) -> None:
    assert magnetic_field_t(place).array() == pytest.approx(field, rel=3e-5)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-1000, 100_000))
def test_the_field_is_finite_and_as_strong_as_the_earths(lat: float, lon: float, alt: float) -> None:
    strength = float(np.linalg.norm(magnetic_field_t(Geodetic(lat, lon, alt)).array()))
    assert 2.8e-5 < strength < 6.3e-5


# what is read

def test_a_multirotor_at_rest() -> None:
    context = simulated("Multirotor", seed=1)
    imu = call(context, "getImuData", "", "")
    assert imu["linear_acceleration"]["z_val"] == pytest.approx(-GRAVITY_M_S2, abs=0.3)
    assert imu["time_stamp"] == context.simulator.now_ns()
    gps = call(context, "getGpsData", "", "A")
    place = geodetic_from_enu(enu_from_ned(NED(3.0, 2.0, -20.0)), context.simulator.origin)
    assert gps["gnss"]["geo_point"]["latitude"] == pytest.approx(place.lat_deg, abs=1e-9)
    assert gps["gnss"]["geo_point"]["altitude"] == pytest.approx(142.0, abs=1e-3)
    assert (gps["is_valid"], gps["gnss"]["fix_type"]) == (True, 3)
    assert gps["gnss"]["eph"] == pytest.approx(0.1, abs=0.01)
    air = call(context, "simGetGroundTruthEnvironment", "")
    assert air["air_pressure"] == pytest.approx(standard_air(142.0).pressure_pa, abs=0.1)
    assert air["gravity"] == {"x_val": 0.0, "y_val": 0.0, "z_val": GRAVITY_M_S2}
    barometer = call(context, "getBarometerData", "", "")
    assert barometer["qnh"] == 1013.25
    # 3 sigma of AirSim's drift of pressure are 0.55 %, which are 46 m
    assert barometer["altitude"] == pytest.approx(142, abs=60)
    assert barometer["altitude"] == pytest.approx(pressure_altitude_m(barometer["pressure"]), abs=1e-9)


def test_the_same_moment_reads_the_same_and_another_seed_another() -> None:
    readings = [call(simulated("Multirotor", seed=seed), "getImuData", "", "") for seed in (5, 5, 6)]
    assert readings[0] == readings[1] != readings[2]


@pytest.mark.parametrize(("call_name", "words"), [
    ("getImuData", "IMU"), ("getBarometerData", "barometer"), ("getMagnetometerData", "magnetometer"),
    ("getGpsData", "gps"), ("getDistanceSensorData", "distance sensor"), ("getLidarData", "lidar"),
])
def test_unknown_sensors_are_told_in_airsims_words(call_name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"No {words} with name other exist on vehicle"):
        call(simulated("Multirotor"), call_name, "other", "")


def test_computer_vision_mode_has_no_sensors_but_the_air() -> None:
    context = simulated("ComputerVision")
    with pytest.raises(ValueError, match="Vehicle API for '' is not available"):
        call(context, "getImuData", "", "")
    assert call(context, "simGetGroundTruthEnvironment", "")["temperature"] > 250


def test_cars_have_a_gps_and_no_imu() -> None:
    context = simulated("Car")
    assert call(context, "getGpsData", "", "")["is_valid"]
    with pytest.raises(ValueError, match="No IMU with name"):
        call(context, "getImuData", "", "")


def test_own_sensors_hide_the_default_of_their_type() -> None:
    own = (SensorConfig("Zenith", sensors.GPS), SensorConfig("off", sensors.IMU, options={"Enabled": False}))
    assert [s.name for s in sensors.fitted("simpleflight", own)] == ["Zenith", "barometer", "magnetometer"]


# noise

def test_noise_of_the_imu_has_airsims_deviations() -> None:
    still = Kinematics()
    readings = [sensors.imu(SensorConfig("imu", sensors.IMU), at(0.003 * i), still, 0.0) for i in range(1500)]
    gyro, force = (np.array([reading[k].array() for reading in readings]) for k in (0, 1))
    # random walks over the square root of the 3 ms step; 4500 samples: the deviation is known to 1 %
    assert gyro.std() == pytest.approx(0.30 / 60 * math.pi / 180 / math.sqrt(0.003), rel=0.05)
    assert (force - (0, 0, -GRAVITY_M_S2)).std() == pytest.approx(0.24e-3 * 9.80665 / math.sqrt(0.003), rel=0.05)
    assert abs(gyro.mean()) < 4 * gyro.std() / math.sqrt(gyro.size)


def test_the_bias_wanders_as_a_wiener_process_does() -> None:
    ends = np.array([[sensors.wandered(at(t, seed), "imu", "x") for t in (4.0, 100.0)] for seed in range(400)])
    assert ends[:, 0].std() == pytest.approx(2.0, rel=0.07)
    assert ends[:, 1].std() == pytest.approx(10.0, rel=0.07)
    assert (ends[:, 1] - ends[:, 0]).std() == pytest.approx(math.sqrt(96), rel=0.07)
    assert sensors.wandered(at(0.0), "imu", "x").tolist() == [0.0, 0.0, 0.0]


@given(st.floats(0, 1e5), st.floats(0, 0.01))
def test_the_bias_is_continuous(seconds: float, step: float) -> None:
    jump = sensors.wandered(at(seconds + step), "imu", "x") - sensors.wandered(at(seconds), "imu", "x")
    assert np.abs(jump).max() < 0.2


def test_noise_of_barometer_magnetometer_and_range() -> None:
    moments = [at(0.02 * i) for i in range(2000)]
    sensor = SensorConfig("s", 1)
    pressures = [sensors.barometer(sensor, moment, 100.0)["pressure"] for moment in moments]
    assert np.std(pressures) == pytest.approx(2.7, rel=0.1)
    fields = np.array([sensors.magnetometer(sensor, m, Geodetic(38, -122), IDENTITY.orientation).array()
                       for m in moments])
    assert fields.std(axis=0) == pytest.approx([0.005] * 3, rel=0.1)
    assert fields.mean(axis=0) == pytest.approx(1e4 * magnetic_field_t(Geodetic(38, -122)).array(), abs=1e-3)
    ranges = [sensors.range_noise_m(sensor, moment) for moment in moments]
    assert np.std(ranges) == pytest.approx(0.2, rel=0.1)


def test_the_barometers_drift_is_drawn_once_and_fades() -> None:
    quiet = SensorConfig("b", 1, options={"UncorrelatedNoiseSigma": 0.0})
    truth = standard_air(0.0).pressure_pa
    first = np.array([sensors.barometer(quiet, at(0, seed), 0.0)["pressure"] / truth - 1 for seed in range(600)])
    assert first.std() == pytest.approx(0.0365 / 20, rel=0.1)
    later = sensors.barometer(quiet, at(3600, 1), 0.0)["pressure"] / truth - 1
    assert later == pytest.approx(first[1] / math.e, rel=1e-6)


def test_samples_hold_between_two_updates() -> None:
    noise = [sensors.range_noise_m(SensorConfig("d", 5), at(t)) for t in (0.1001, 0.1199, 0.1201)]
    assert noise[0] == noise[1] != noise[2]


def test_the_receiver_settles_as_its_settings_say() -> None:
    slow = SensorConfig("gps", sensors.GPS, options={"EPH_TimeConstant": 20.0, "EphInitial": 50.0, "StartupDelay": 12})
    early, late = (sensors.gps(slow, at(t), Geodetic(0, 0), NED(1, 2, 3)) for t in (0.0, 90.0))
    assert early["gnss"]["eph"] == pytest.approx(0.1 + 49.9 * math.exp(-0.5))
    assert (early["gnss"]["fix_type"], early["is_valid"]) == (0, False)
    assert (late["gnss"]["fix_type"], late["is_valid"]) == (3, True)


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_the_force_at_rest_turns_with_the_body(angles: tuple[float, float, float]) -> None:
    q = quaternion_from_euler(*angles)
    quiet = SensorConfig("imu", sensors.IMU, options={"VelocityRandomWalk": 0.0, "AccelBiasStability": 0.0})
    _, force = sensors.imu(quiet, at(1), Kinematics(NedPose(NED(0, 0, 0), q)), 0.0)
    assert rotation_from_quaternion(q) @ force.array() == pytest.approx([0, 0, -GRAVITY_M_S2], abs=1e-6)


# rays

DOWN = NedPose(NED(0.0, 0.0, 0.0), quaternion_from_euler(0, -90, 0))
STILL = {"UncorrelatedNoiseSigma": 0.0}


def distances(*mounts: tuple[str, NedPose]) -> dict[str, float]:
    fitted = [SensorConfig(name, sensors.DISTANCE, mount, STILL) for name, mount in mounts]
    context = simulated("Multirotor", fitted)
    load(context, WALL)
    return {name: call(context, "getDistanceSensorData", name, "")["distance"] for name, _ in mounts}


def test_distances_of_a_wall_and_of_the_ground() -> None:
    found = distances(("ahead", IDENTITY), ("down", DOWN), ("back", NedPose(NED(0, 0, 0), Quaternion(0, 0, 0, 1))),
                      ("nearer", NedPose(NED(4.0, 0.0, 0.0), IDENTITY.orientation)))
    assert found == pytest.approx({"ahead": 9.0, "down": 20.0, "back": 40.0, "nearer": 5.0}, abs=1e-3)


def test_a_sensor_can_be_moved_in_cosys_dialect() -> None:
    context = simulated("Multirotor", [SensorConfig("d", sensors.DISTANCE, options=STILL)], COSYS)
    load(context, WALL)
    call(context, "simSetDistanceSensorPose", "d", DOWN, "")
    reply = call(context, "getDistanceSensorData", "d", "")
    assert reply["distance"] == pytest.approx(20.0, abs=1e-3)
    assert reply["relative_pose"]["orientation"]["y_val"] == pytest.approx(-math.sqrt(0.5))
    assert (reply["min_distance"], reply["max_distance"]) == (pytest.approx(0.2), 40.0)


def scan(options: dict[str, Any], dialect: Any = None, kind: int = sensors.LIDAR) -> Any:
    extra = {} if dialect is None else {"dialect": dialect}
    context = simulated("Multirotor", [SensorConfig("l", kind, options=options)], **extra)
    load(context, WALL)
    return call(context, "getGPULidarData" if kind == sensors.GPU_LIDAR else "getLidarData", "", "")


@pytest.mark.parametrize("frame", ["VehicleInertialFrame", "SensorLocalFrame"])
def test_points_lie_on_the_ground_and_on_the_wall(frame: str) -> None:
    reply = scan({"DataFrame": frame, "Range": 60, "PointsPerSecond": 20_000})
    points = np.reshape(reply["point_cloud"], (-1, 3))
    north, _, down = points.T
    on_ground, on_wall = np.abs(down - 20) < 1e-3, np.abs(north - 9) < 1e-3
    assert (on_ground | on_wall).all() and on_ground.sum() > 100 and on_wall.sum() > 100
    assert np.linalg.norm(points, axis=1).max() <= 60 + 1e-3
    ids = np.array(reply["segmentation"])
    assert len(ids) == len(points)
    assert set(ids[on_wall & ~on_ground]) == {CLASS_ID["building"]}
    assert set(ids[on_ground & ~on_wall]) == {CLASS_ID["paved"]}


def test_frames_of_a_turned_vehicle_differ_by_its_pose() -> None:
    clouds = []
    for frame in ("VehicleInertialFrame", "SensorLocalFrame"):
        context = simulated("Multirotor", [SensorConfig("l", sensors.LIDAR, DOWN, {"DataFrame": frame})])
        load(context, WALL)
        context.simulator.place_vehicle("A", NedPose(NED(-5.0, 1.0, -3.0), quaternion_from_euler(5, 10, 70)))
        reply = call(context, "getLidarData", "", "")
        clouds.append(np.reshape(reply["point_cloud"], (-1, 3)))
        context.simulator.close()
    pose = reply["pose"]
    turn = rotation_from_quaternion(Quaternion(*(pose["orientation"][k] for k in ("w_val", "x_val", "y_val", "z_val"))))
    at_m = np.array([pose["position"][k] for k in ("x_val", "y_val", "z_val")])
    assert clouds[1] @ turn.T + at_m == pytest.approx(clouds[0], abs=1e-3)


def test_cosys_keeps_rays_without_an_echo_and_names_what_was_met() -> None:
    reply = scan({"NumberOfChannels": 8, "MeasurementsPerCycle": 100, "Range": 30, "VerticalFOVUpper": 20}, COSYS)
    points = np.reshape(reply["point_cloud"], (-1, 3))
    lost = np.array([name == "out_of_range" for name in reply["groundtruth"]])
    assert 0 < lost.sum() < len(lost) == len(points)
    assert (points[lost] == 0).all() and np.linalg.norm(points[~lost], axis=1).min() > 1
    assert {"mage_building_7", "mage_terrain_paved", "out_of_range"} == set(reply["groundtruth"])


def test_the_gpu_lidar_gives_five_numbers_a_point() -> None:
    reply = scan({"MeasurementsPerCycle": 200}, COSYS, sensors.GPU_LIDAR)
    rows = np.reshape(reply["point_cloud"], (-1, 5))
    colours = rows[:, 3].astype(np.uint32)
    assert len(set(colours)) == 2 and (colours < 1 << 24).all()
    assert ((rows[:, 4] >= 0) & (rows[:, 4] <= 1)).all()


def test_echoes_come_back_from_what_is_near() -> None:
    options = {"NumberOfTraces": 4000, "DistanceLimit": 24.0, "AttenuationPerDistance": -0.5}
    context = simulated("Multirotor", [SensorConfig("e", sensors.ECHO, options=options)], COSYS)
    load(context, WALL)
    reply = call(context, "getEchoData", "", "")
    rows = np.reshape(reply["point_cloud"], (-1, 6))
    assert rows[:, 0] == pytest.approx(9.0, abs=1e-3)
    assert rows[:, 4] == pytest.approx(2 * np.linalg.norm(rows[:, :3], axis=1), rel=1e-4)
    assert rows[:, 3] == pytest.approx(-0.5 * rows[:, 4], rel=1e-4)
    assert set(reply["groundtruth"]) == {"mage_building_7"} and len(reply["groundtruth"]) == len(rows)


def test_beacons_that_are_not_there_leave_the_shapes_of_cosys_replies() -> None:
    fitted = [SensorConfig("u", sensors.UWB), SensorConfig("w", sensors.WIFI)]
    context = simulated("Multirotor", fitted, COSYS)
    # RpcLibAdaptorsBase.hpp of Cosys-AirSim: MarLocUwbReturnMessage, WifiReturnMessage are maps, the others arrays
    tails = {"time_stamp", "anchorId", "anchorPosX", "anchorPosY", "anchorPosZ", "valid_range", "distance", "rssi"}
    many = {"tagId", "tagPosX", "tagPosY", "tagPosZ", "ranges"}
    for name, one, several in (("getUWBData", "mur", "mura"), ("getWifiData", "wr", "wra")):
        reply = call(context, name, "", "")
        assert set(reply) == {f"{one}_{key}" for key in tails} | {f"{several}_{key}" for key in many}
        assert not any(reply.values())
    for name in ("getUWBSensorData", "getWifiSensorData"):
        time_ns, pose, *beacons = call(context, name, "", "")
        assert (time_ns, set(pose), beacons) == (context.simulator.now_ns(), {"position", "orientation"}, [[]] * 4)


def test_without_a_world_sensors_see_nothing() -> None:
    fitted = [SensorConfig("d", sensors.DISTANCE, options=STILL), SensorConfig("l", sensors.LIDAR)]
    context = simulated("Multirotor", fitted, COLOSSEUM)
    assert call(context, "getDistanceSensorData", "", "")[1] == 40.0
    assert [list(part) for part in call(context, "getLidarData", "", "")[1::2]] == [[0.0], [0]]


@given(st.dictionaries(st.sampled_from([
    "NumberOfChannels", "Range", "PointsPerSecond", "RotationsPerSecond", "UpdateFrequency", "MeasurementsPerCycle",
    "HorizontalFOVStart", "HorizontalFOVEnd", "VerticalFOVUpper", "VerticalFOVLower"]),
    st.one_of(st.integers(-10**12, 10**12), st.floats(), st.text(max_size=3), st.none())), st.integers(0, 10**9))
def test_no_settings_make_a_scan_without_bounds(options: dict[str, Any], number: int) -> None:
    vectors = lidar.directions(lidar.fan(options, "simpleflight", number))
    assert len(vectors) <= lidar.MAX_POINTS and np.isfinite(vectors).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(vectors)))


def test_a_scan_has_airsims_angles() -> None:
    # UnrealLidarSensor.cpp: 16 channels, 100,000 points a second, ten scans and turns a second: 625 measurements a turn
    rays = lidar.fan({"HorizontalFOVEnd": 360}, "simpleflight", 0)
    vectors = lidar.directions(rays)
    assert (rays.count, rays.step_deg) == (10_000, pytest.approx(360 / 625))
    pitch = np.degrees(np.arcsin(-vectors[:, 2]))
    assert pitch[:17] == pytest.approx([-15 - 2 * i for i in range(16)] + [-15])
    half = lidar.directions(lidar.fan({"HorizontalFOVStart": -20, "HorizontalFOVEnd": 20}, "simpleflight", 0))
    turn = np.degrees(np.arctan2(half[:, 1], half[:, 0]))
    assert np.abs(turn).max() <= 20 and len(half) == pytest.approx(10_000 * 40 / 360, rel=0.02)
