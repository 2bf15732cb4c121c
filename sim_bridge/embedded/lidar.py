"""Sensors that cast rays into the scene: distance, lidar, GPU lidar and echo.

Directions are those of AirSim's UnrealLidarSensor.cpp: laser i of a scan is i modulo the channels, and turns by a fixed
angle from each measurement to the next. Poses are in NED.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.config import VehicleKind
from sim_bridge.embedded.scene import Hits, Landscape, Phase
from sim_bridge.embedded.sensors import number
from sim_bridge.frames import NED, NedPose, enu_from_ned, rotation_from_quaternion

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

MAX_POINTS = 100_000
"""Rays of one scan, as in AirSim."""
MAX_CHANNELS = 1024


@dataclass(frozen=True)
class Fan:
    """Rays of one scan."""

    count: int
    channels: int
    upper_deg: float
    lower_deg: float
    start_deg: float
    """Where the horizontal field of view begins and, clockwise, ends."""
    end_deg: float
    first_deg: float
    """Angle of the scan's first ray."""
    step_deg: float
    range_m: float


@dataclass(frozen=True)
class Echoes:
    """What N rays met. points: (N, 3) in NED about the sensor's start, in the world's axes; nan where nothing was hit
    within the range."""

    points: F32
    hits: Hits
    hit: npt.NDArray[np.bool_]


def fan(options: Mapping[str, Any], kind: VehicleKind, scan: int) -> Fan:
    """Rays of the scan of a number; defaults are those of AirSim's LidarSimpleParams (a VLP-16)."""
    channels = int(_within(options, "NumberOfChannels", 16, 1, MAX_CHANNELS))
    rate_hz, turns_hz = update_hz(options), _within(options, "RotationsPerSecond", 10, 0, 1000)
    count = round(min(_points_per_second(options, channels, turns_hz) / rate_hz, MAX_POINTS))
    up, down = (-15.0, -45.0) if kind == "simpleflight" else (10.0, -10.0)
    turned_deg = turns_hz * 360 / rate_hz
    return Fan(count, channels, number(options, "VerticalFOVUpper", up), number(options, "VerticalFOVLower", down),
               number(options, "HorizontalFOVStart", 0.0) % 360, _end(number(options, "HorizontalFOVEnd", 359.0)),
               scan * turned_deg % 360, turned_deg / max(1, round(count / channels)),
               _within(options, "Range", 100.0, 0.0, 1e5))


def update_hz(options: Mapping[str, Any]) -> float:
    """Scans a second."""
    return _within(options, "UpdateFrequency", 10.0, 0.1, 1000.0)


def directions(rays: Fan) -> F64:
    """(N, 3) unit vectors (forward, right, down) of the rays that lie within the horizontal field of view."""
    index = np.arange(rays.count)
    turn_deg = (rays.first_deg + rays.step_deg * index) % 360
    inside = ((rays.start_deg <= turn_deg) & (turn_deg <= rays.end_deg)) if rays.start_deg < rays.end_deg else (
        (rays.start_deg <= turn_deg) | (turn_deg <= rays.end_deg))
    spacing_deg = (rays.upper_deg - rays.lower_deg) / max(1, rays.channels - 1)
    pitch = np.radians(rays.upper_deg - spacing_deg * (index % rays.channels))[inside]
    turn = np.radians(turn_deg)[inside]
    return np.stack([np.cos(pitch) * np.cos(turn), np.cos(pitch) * np.sin(turn), -np.sin(pitch)], axis=1)


def cone(count: int, options: Mapping[str, Any]) -> F64:
    """(N, 3) unit vectors of an echo sensor's traces: a spiral of equal areas, within its limits of angle."""
    index = np.arange(count) + 0.5
    height, turn = 1 - 2 * index / max(count, 1), math.pi * (1 + math.sqrt(5)) * index
    radius = np.sqrt(1 - height ** 2)
    vectors = np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
    azimuth = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    elevation = np.degrees(np.arcsin(-vectors[:, 2]))
    limits = [number(options, f"Sensor{end}{angle}Limit", sign * 90.0)
              for angle in ("Azimuth", "Elevation") for end, sign in (("Lower", -1), ("Upper", 1))]
    inside = (azimuth >= limits[0]) & (azimuth <= limits[1]) & (elevation >= limits[2]) & (elevation <= limits[3])
    chosen: F64 = vectors[inside]
    return chosen


def shoot(scene: Landscape | None, phase: Phase, sensor: NedPose, start: NED, vectors: F64, range_m: float) -> Echoes:
    """Casts unit vectors (N, 3) in the frame of a sensor whose pose is in NED about `start`, which is in global NED.

    Without a scene nothing is hit.
    """
    rotation = rotation_from_quaternion(sensor.orientation)
    world = vectors @ rotation.T
    if scene is None or not len(world):
        return _nothing(len(world))
    at = sensor.position.array() + start.array()
    eye = enu_from_ned(NED(*(float(v) for v in at))).array()
    hits = scene.cast(eye[None], world[:, [1, 0, 2]] * (1, 1, -1), phase)
    hit = hits.t <= range_m
    reach = np.where(hit, hits.t, np.nan).astype(np.float64)
    return Echoes((sensor.position.array() + world * reach[:, None]).astype(np.float32), hits, hit)


def local(points: F32, sensor: NedPose) -> F32:
    """Points (N, 3) in the frame of the sensor."""
    shifted = points.astype(np.float64) - sensor.position.array()
    return (shifted @ rotation_from_quaternion(sensor.orientation)).astype(np.float32)


def _nothing(count: int) -> Echoes:
    hits = Hits(np.full(count, np.inf, np.float32), np.zeros(count, np.uint16), np.zeros(count, np.uint32),
                np.zeros((count, 3), np.uint8), np.zeros((count, 3), np.float32))
    return Echoes(np.full((count, 3), np.nan, np.float32), hits, np.zeros(count, bool))


def _points_per_second(options: Mapping[str, Any], channels: int, turns_hz: float) -> float:
    if "MeasurementsPerCycle" in options:
        return _within(options, "MeasurementsPerCycle", 512, 1, MAX_POINTS) * channels * turns_hz
    return _within(options, "PointsPerSecond", 100_000, 0, MAX_POINTS * 1000)


def _end(angle_deg: float) -> float:
    """Where the field of view ends: a full turn ends at 360, not at 0."""
    return angle_deg % 360 or (360.0 if angle_deg > 0 else 0.0)


def _within(options: Mapping[str, Any], key: str, default: float, low: float, high: float) -> float:
    return max(low, min(high, number(options, key, default)))
