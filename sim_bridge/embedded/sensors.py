"""What the sensors of a vehicle measure: AirSim's models and default parameters, as functions of simulated time alone.

Noise comes from generators seeded by (seed, vehicle, sensor, purpose, number of the sample), so a value depends on when
it is read and not on what was read before. Sources: AirLib/include/sensors/{imu,barometer,magnetometer,gps}.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.atmosphere import (
    SEA_LEVEL_PA,
    gravity_m_s2,
    magnetic_field_t,
    pressure_altitude_m,
    standard_air,
)
from sim_bridge.embedded.config import SensorConfig, VehicleKind
from sim_bridge.embedded.state import Kinematics
from sim_bridge.frames import NED, Geodetic, Quaternion, rotation_from_quaternion

F64 = npt.NDArray[np.float64]

BAROMETER, IMU, GPS, MAGNETOMETER, DISTANCE, LIDAR, ECHO, GPU_LIDAR, UWB, WIFI = range(1, 11)
"""SensorType of settings.json."""
NAMES: Mapping[int, str] = {BAROMETER: "barometer", IMU: "IMU", GPS: "gps", MAGNETOMETER: "magnetometer",
                            DISTANCE: "distance sensor", LIDAR: "lidar", ECHO: "echo", GPU_LIDAR: "GPU lidar",
                            UWB: "UWB sensor", WIFI: "WiFi sensor"}
"""As error texts name them (VehicleApiBase.hpp)."""
_DEFAULTS: Mapping[VehicleKind, tuple[SensorConfig, ...]] = {
    "simpleflight": (SensorConfig("barometer", BAROMETER), SensorConfig("gps", GPS), SensorConfig("imu", IMU),
                     SensorConfig("magnetometer", MAGNETOMETER)),
    "physxcar": (SensorConfig("gps", GPS),),
    "computervision": (),
}
"""Sensors of a kind of vehicle, for types that it has none of its own of (AirSimSettings.hpp)."""

_IMU_PERIOD_S = 0.003
"""AirSim's physics step, after which it draws noise anew."""
_PERIOD_S = 0.02
"""Of barometer, magnetometer and distance sensors: 50 Hz."""
WARM_UP_S = 10.0
"""Receivers have run this long before simulated time begins: a program that connects finds a fix."""
_NO_FIX, _FIX_2D, _FIX_3D = 0, 2, 3


@dataclass(frozen=True)
class Moment:
    """When and of what a sensor is read."""

    seed: int
    vehicle: str
    now_ns: int
    start_ns: int
    """Beginning of the simulated time."""

    @property
    def elapsed_s(self) -> float:
        return max(0, self.now_ns - self.start_ns) / 1e9

    def normal(self, sensor: str, purpose: str, sample: int, count: int = 1) -> F64:
        """(count,) standard normal numbers of one sample of a sensor."""
        key = [self.seed & 0xFFFFFFFF, *(zlib.crc32(text.encode()) for text in (self.vehicle, sensor, purpose)),
               sample]
        return np.random.default_rng(key).standard_normal(count)

    def sample(self, period_s: float) -> int:
        """Number of the sample that a sensor with this period holds now."""
        return int(self.elapsed_s / period_s + 1e-6)


def fitted(kind: VehicleKind, own: tuple[SensorConfig, ...]) -> tuple[SensorConfig, ...]:
    """Sensors of a vehicle by name: its own, and AirSim's default ones of types that it has none of; without those that
    are not enabled."""
    types = {sensor.kind for sensor in own}
    sensors = [*own, *(sensor for sensor in _DEFAULTS[kind] if sensor.kind not in types)]
    return tuple(sorted((s for s in sensors if s.options.get("Enabled", True)), key=lambda sensor: sensor.name))


def find(kind: VehicleKind, own: tuple[SensorConfig, ...], wanted: int, name: str) -> SensorConfig:
    """The sensor of a type and name, "" is the first. Raises ValueError in AirSim's words."""
    for sensor in fitted(kind, own):
        if sensor.kind == wanted and name in ("", sensor.name):
            return sensor
    raise ValueError(f"No {NAMES[wanted]} with name {name[:80]} exist on vehicle")


def imu(sensor: SensorConfig, moment: Moment, motion: Kinematics, altitude_m: float) -> tuple[NED, NED]:
    """(angular velocity rad/s, specific force m/s^2) in the body's frame.

    White noise of the angle and velocity random walks and a wandering bias (Woodman 2007, section 3.2); defaults of an
    MPU 6000.
    """
    options, sample = sensor.options, moment.sample(_IMU_PERIOD_S)
    walk = number(options, "AngularRandomWalk", 0.30) / 60 * math.pi / 180
    bias = number(options, "GyroBiasStability", 4.6) / 3600 * math.pi / 180
    gyro = motion.angular_velocity.array() + _noise(moment, sensor, "gyro", sample, walk)
    gyro += _bias(moment, sensor, "gyro", bias, number(options, "GyroBiasStabilityTau", 500.0))
    velocity_walk = number(options, "VelocityRandomWalk", 0.24) * 9.80665 / 1000
    bias = number(options, "AccelBiasStability", 36.0) * 9.80665e-6
    force = motion.linear_acceleration.array() - (0.0, 0.0, gravity_m_s2(altitude_m))
    force = to_body(motion.pose.orientation, force) + _noise(moment, sensor, "accelerometer", sample, velocity_walk)
    force += _bias(moment, sensor, "accelerometer", bias, number(options, "AccelBiasStabilityTau", 800.0))
    return vector(gyro), vector(force)


def barometer(sensor: SensorConfig, moment: Moment, altitude_m: float) -> dict[str, Any]:
    """Pressure in Pa, with the altitude in m that follows from it, and the pressure at sea level in hPa.

    AirSim's drift is a Gauss-Markov process whose first value, once drawn, fades with its time constant: what drives it
    at AirSim's small steps is negligible beside that.
    """
    options = sensor.options
    spread, tau_s = number(options, "PressureFactorSigma", 0.0365 / 20), number(options, "PressureFactorTau", 3600.0)
    drift = spread * float(moment.normal(sensor.name, "drift", 0)[0]) * math.exp(-moment.elapsed_s / max(tau_s, 1e-3))
    noise = float(moment.normal(sensor.name, "pressure", moment.sample(_PERIOD_S))[0])
    pressure = standard_air(altitude_m).pressure_pa * (1 + drift)
    pressure += number(options, "UncorrelatedNoiseSigma", 2.7) * noise
    return {"altitude": pressure_altitude_m(pressure), "pressure": pressure, "qnh": SEA_LEVEL_PA / 100}


def magnetometer(sensor: SensorConfig, moment: Moment, place: Geodetic, orientation: Quaternion) -> NED:
    """Field in gauss in the body's frame; noise of 5 milligauss."""
    options = sensor.options
    field = to_body(orientation, 1e4 * magnetic_field_t(place).array()) * number(options, "ScaleFactor", 1.0)
    noise = moment.normal(sensor.name, "field", moment.sample(_PERIOD_S), 3) * number(options, "NoiseSigma", 0.005)
    # uniform within the bound, once for all: by the normal distribution's own percentiles
    bias = [math.erf(n / math.sqrt(2)) for n in moment.normal(sensor.name, "bias", 0, 3)]
    return vector(field + noise + np.array(bias) * number(options, "NoiseBias", 0.0))


def gps(sensor: SensorConfig, moment: Moment, place: Geodetic, velocity: NED) -> dict[str, Any]:
    """GnssReport and its validity: the true place and velocity, and deviations that settle after the receiver's start.
    """
    options, on_s = sensor.options, moment.elapsed_s + WARM_UP_S
    eph = _settling(options, "EphInitial", "EphFinal", "EPH_TimeConstant", on_s)
    epv = _settling(options, "EpvInitial", "EpvFinal", "EPV_TimeConstant", on_s)
    fix = _FIX_3D if eph <= number(options, "EphMin3d", 3.0) else (
        _FIX_2D if eph <= number(options, "EphMin2d", 4.0) else _NO_FIX)
    report = {"geo_point": place, "eph": eph, "epv": epv, "velocity": velocity, "fix_type": fix,
              "time_utc": moment.now_ns // 1000}
    return {"gnss": report, "is_valid": on_s >= number(options, "StartupDelay", 1.0)}


def range_noise_m(sensor: SensorConfig, moment: Moment) -> float:
    """What a distance sensor adds to the truth: 0.2 m standard deviation."""
    sigma_m = number(sensor.options, "UncorrelatedNoiseSigma", 0.2)
    return sigma_m * float(moment.normal(sensor.name, "range", moment.sample(_PERIOD_S))[0])


def number(options: Mapping[str, Any], key: str, default: float) -> float:
    """A finite number of the options, else the default."""
    value = options.get(key, default)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else default


def to_body(orientation: Quaternion, world: F64) -> F64:
    """A vector of the world's axes in those of the body."""
    return rotation_from_quaternion(orientation).T @ world


def vector(values: F64) -> NED:
    return NED(*(float(value) for value in values))


def wandered(moment: Moment, sensor: str, purpose: str) -> F64:
    """(3,) a Wiener process of unit rate at the present time, straight between whole seconds; at 0 s it is 0.

    Made by halving the power of two that the time lies below (Levy's construction), so that any time can be asked for.
    """
    low_s, high_s = 0, 1
    low, high = np.zeros(3), moment.normal(sensor, purpose, 1, 3)
    while high_s <= moment.elapsed_s:
        low_s, high_s, low = high_s, 2 * high_s, high
        high = low + moment.normal(sensor, purpose, high_s, 3) * math.sqrt(low_s)
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        middle = (low + high) / 2 + moment.normal(sensor, purpose, middle_s, 3) * math.sqrt((high_s - low_s) / 4)
        if moment.elapsed_s < middle_s:
            high_s, high = middle_s, middle
        else:
            low_s, low = middle_s, middle
    return low + (high - low) * (moment.elapsed_s - low_s) / (high_s - low_s)


def _noise(moment: Moment, sensor: SensorConfig, purpose: str, sample: int, walk: float) -> F64:
    return moment.normal(sensor.name, purpose, sample, 3) * (walk / math.sqrt(_IMU_PERIOD_S))


def _bias(moment: Moment, sensor: SensorConfig, purpose: str, stability: float, tau_s: float) -> F64:
    return wandered(moment, sensor.name, f"{purpose} bias") * (stability / math.sqrt(max(tau_s, 1e-3)))


def _settling(options: Mapping[str, Any], first: str, last: str, constant: str, on_s: float) -> float:
    initial, final = number(options, first, 100.0), number(options, last, 0.1)
    return final + (initial - final) * math.exp(-on_s / max(number(options, constant, 0.9), 1e-3))
