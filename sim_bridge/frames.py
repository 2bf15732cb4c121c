"""Coordinate frames, and the only code that converts between them (docs/conventions.md).

World: ENU metres, x east, y north, z up, origin at the scene's geodetic origin. AirSim: NED metres, x north, y east,
z down. Body (AirSim vehicles and cameras): x forward, y right, z down. Camera (computer vision): x right, y down,
z forward. Pixels: (0, 0) is the outer corner of the top-left pixel, centres at +0.5. Quaternions (w, x, y, z),
Hamilton, rotating body vectors into the parent frame. Angles in degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ENU:
    """A point or vector in the world frame, metres."""

    east: float
    north: float
    up: float

    def array(self) -> F64:
        return np.array([self.east, self.north, self.up])


@dataclass(frozen=True)
class NED:
    """A point or vector in AirSim's frame, metres."""

    north: float
    east: float
    down: float

    def array(self) -> F64:
        return np.array([self.north, self.east, self.down])


@dataclass(frozen=True)
class Geodetic:
    """WGS 84 position: degrees, and metres above the ellipsoid."""

    lat_deg: float
    lon_deg: float
    alt_m: float = 0.0


@dataclass(frozen=True)
class Quaternion:
    """Unit quaternion (w, x, y, z), Hamilton convention."""

    w: float
    x: float
    y: float
    z: float

    def array(self) -> F64:
        return np.array([self.w, self.x, self.y, self.z])


@dataclass(frozen=True)
class NedPose:
    """Where an AirSim camera is and how it is turned: body (x forward, y right, z down) in NED."""

    position: NED
    orientation: Quaternion


@dataclass(frozen=True)
class CameraPose:
    """Camera centre in ENU and the 3x3 rotation whose columns are the camera's x, y, z axes in ENU."""

    position: ENU
    rotation: F64

    def same_as(self, other: CameraPose, metres: float = 1e-3, degrees: float = 1e-2) -> bool:
        """True if the two poses agree within the given distance and angle."""
        shift = float(np.linalg.norm(self.position.array() - other.position.array()))
        # asin of the chord: acos of the trace loses half the digits near zero, which is where this is used
        chord = float(np.linalg.norm(self.rotation - other.rotation)) / (2 * math.sqrt(2))
        return shift <= metres and math.degrees(2 * math.asin(min(1.0, chord))) <= degrees


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera: image size in pixels, focal length in pixels (square pixels), principal point at the centre."""

    width: int
    height: int
    focal_px: float

    @property
    def hfov_deg(self) -> float:
        return 2 * math.degrees(math.atan2(self.width, 2 * self.focal_px))


_CAMERA_FROM_BODY = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])    # right, down, forward from forward, right, down
_ENU_FROM_NED = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])       # its own inverse


def intrinsics(width: int, height: int, hfov_deg: float) -> Intrinsics:
    """fx = fy = width / (2 tan(hfov / 2)); the field of view is horizontal."""
    return Intrinsics(width, height, width / (2 * math.tan(math.radians(hfov_deg) / 2)))


def ned_from_enu(p: ENU) -> NED:
    return NED(p.north, p.east, -p.up)


def enu_from_ned(p: NED) -> ENU:
    return ENU(p.east, p.north, -p.down)


def unreal_from_enu(points: F64) -> F64:
    """(N, 3) points in Unreal's world frame (x north, y east, z up, left-handed, centimetres) from ENU metres."""
    return points[:, [1, 0, 2]] * 100.0


def unreal_from_ned(pose: NedPose) -> NedPose:
    """A pose whose numbers are those of Unreal's world frame: centimetres and (w, -x, -y, z), see AirSim's
    NedTransform.cpp. Only for what AirSim sends as the engine has it."""
    p, q = pose.position, pose.orientation
    return NedPose(NED(p.north * 100.0, p.east * 100.0, -p.down * 100.0), Quaternion(q.w, -q.x, -q.y, q.z))


def rotation_from_quaternion(q: Quaternion) -> F64:
    """3x3 matrix that turns body vectors into the parent frame. The quaternion is normalised first."""
    w, x, y, z = q.array() / np.linalg.norm(q.array())
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])


def quaternion_from_rotation(r: F64) -> Quaternion:
    """Shepperd's method (1978): the largest of the four components is computed first. w >= 0."""
    trace = float(np.trace(r))
    q = np.array([
        1 + trace,
        1 + 2 * r[0, 0] - trace,
        1 + 2 * r[1, 1] - trace,
        1 + 2 * r[2, 2] - trace,
    ])
    k = int(np.argmax(q))
    rows = np.array([
        [q[0], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], q[1], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
        [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], q[2], r[1, 2] + r[2, 1]],
        [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], q[3]],
    ])
    v = rows[k] / np.linalg.norm(rows[k])
    v = -v if v[0] < 0 else v
    return Quaternion(*(float(c) for c in v))


def quaternion_from_euler(roll_deg: float, pitch_deg: float, yaw_deg: float) -> Quaternion:
    """AirSim's order: yaw about down, then pitch about right, then roll about forward (intrinsic z-y-x)."""
    (sr, cr), (sp, cp), (sy, cy) = (
        (math.sin(math.radians(a) / 2), math.cos(math.radians(a) / 2)) for a in (roll_deg, pitch_deg, yaw_deg)
    )
    return Quaternion(
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def euler_from_quaternion(q: Quaternion) -> tuple[float, float, float]:
    """(roll, pitch, yaw) in degrees, inverse of `quaternion_from_euler` for |pitch| < 90."""
    w, x, y, z = q.array() / np.linalg.norm(q.array())
    roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return math.degrees(roll), math.degrees(pitch), math.degrees(yaw)


def camera_from_ned(pose: NedPose) -> CameraPose:
    """Camera in ENU from AirSim's body pose in NED."""
    body = rotation_from_quaternion(pose.orientation)                 # columns: forward, right, down in NED
    return CameraPose(enu_from_ned(pose.position), _ENU_FROM_NED @ body @ _CAMERA_FROM_BODY.T)


def ned_from_camera(pose: CameraPose) -> NedPose:
    """AirSim's body pose in NED from a camera in ENU."""
    body = _ENU_FROM_NED @ pose.rotation @ _CAMERA_FROM_BODY
    return NedPose(ned_from_enu(pose.position), quaternion_from_rotation(body))


def look_at(target: ENU, distance_m: float, off_nadir_deg: float, view_azimuth_deg: float,
            heading_deg: float = 0.0) -> CameraPose:
    """Camera that sees `target` in its image centre from `distance_m` away.

    off_nadir_deg is the angle at the target between the line of sight and the vertical; view_azimuth_deg is the
    compass direction, clockwise from north, in which the camera stands as seen from the target. At nadir, the top of
    the image points to heading_deg; off nadir, the image is turned so that its top is as near to that as it can be.
    """
    tilt, azimuth, heading = (math.radians(a) for a in (off_nadir_deg, view_azimuth_deg, heading_deg))
    toward = np.array([math.sin(tilt) * math.sin(azimuth), math.sin(tilt) * math.cos(azimuth), math.cos(tilt)])
    forward = -toward
    top = np.array([math.sin(heading), math.cos(heading), 0.0])
    down = -(top - forward * float(top @ forward))
    down /= np.linalg.norm(down)
    right = np.cross(down, forward)
    centre = target.array() + distance_m * toward
    return CameraPose(ENU(*(float(c) for c in centre)), np.stack([right, down, forward], axis=1))


def project(points: F64, pose: CameraPose, camera: Intrinsics) -> tuple[F64, F64]:
    """Pixels (N, 2) as (column, row) and planar depth (N,) in metres of ENU points (N, 3)."""
    local = (points - pose.position.array()) @ pose.rotation          # (N, 3) right, down, forward
    centre = np.array([camera.width / 2, camera.height / 2])
    return camera.focal_px * local[:, :2] / local[:, 2:] + centre, local[:, 2]


def unproject(pixels: F64, depth_m: F64, pose: CameraPose, camera: Intrinsics) -> F64:
    """ENU points (N, 3) of pixels (N, 2) as (column, row) at planar depth (N,), inverse of `project`."""
    centre = np.array([camera.width / 2, camera.height / 2])
    plane = (pixels - centre) / camera.focal_px * depth_m[:, None]    # (N, 2)
    local = np.concatenate([plane, depth_m[:, None]], axis=1)         # (N, 3)
    return local @ pose.rotation.T + pose.position.array()


def pixel_rays(pose: CameraPose, camera: Intrinsics, offset: tuple[float, float] = (0.5, 0.5)) -> F64:
    """Ray directions (height * width, 3) in ENU through each pixel at `offset` from its corner, row by row.

    The component along the optical axis is 1, so that a hit at parameter t has planar depth t.
    """
    columns = (np.arange(camera.width) + offset[0] - camera.width / 2) / camera.focal_px
    rows = (np.arange(camera.height) + offset[1] - camera.height / 2) / camera.focal_px
    grid = np.empty((camera.height, camera.width, 3))
    grid[..., 0], grid[..., 1], grid[..., 2] = columns[None, :], rows[:, None], 1.0
    return grid.reshape(-1, 3) @ pose.rotation.T


@lru_cache(maxsize=64)
def _topocentric(origin: Geodetic) -> Transformer:
    place = f"+lon_0={origin.lon_deg!r} +lat_0={origin.lat_deg!r} +h_0={origin.alt_m!r}"
    return Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=cart +ellps=WGS84 +step +proj=topocentric +ellps=WGS84 {place}"
    )


def enu_from_geodetic(point: Geodetic, origin: Geodetic) -> ENU:
    """Topocentric ENU (PROJ `topocentric`) of a WGS 84 position about `origin`."""
    return ENU(*(float(c) for c in _topocentric(origin).transform(point.lon_deg, point.lat_deg, point.alt_m)))


def geodetic_from_enu(point: ENU, origin: Geodetic) -> Geodetic:
    """WGS 84 position of a topocentric ENU point about `origin`."""
    lon, lat, alt = _topocentric(origin).transform(point.east, point.north, point.up, direction="INVERSE")
    return Geodetic(float(lat), float(lon), float(alt))


def enu_from_lonlat(lonlat: F64, origin: Geodetic) -> F64:
    """East and north (N, 2) m about `origin` of longitudes and latitudes (N, 2) at its height."""
    east, north, _ = _topocentric(origin).transform(lonlat[:, 0], lonlat[:, 1], np.full(len(lonlat), origin.alt_m))
    return np.column_stack([east, north])
