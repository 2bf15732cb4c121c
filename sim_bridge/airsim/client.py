"""AirSim client: `connect` to any of the three dialects, typed calls in the world's frame, images as numpy arrays.

Every wait is finite. Positions and poses are the world's ENU, whatever local frame the vehicle has. What a typed method
does not cover, `ask` does: every RPC by its own name.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from sim_bridge.airsim.checks import AGAIN, Image, camera_pose, local_from, most_bytes, read_images
from sim_bridge.airsim.measure import Measured, Measuring
from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES, ImageRequest, ImageType, WeatherParameter
from sim_bridge.airsim.palette import U8
from sim_bridge.airsim.session import Session
from sim_bridge.errors import MageError, StaleFrame
from sim_bridge.frames import ENU, NED, CameraPose, Intrinsics, NedPose, Quaternion, ned_from_camera, ned_from_enu

FOLLOWED_CAMERAS = ("", "0", "front_center")
"""Cameras at the vehicle's origin in ComputerVision mode, whose measured pose must be the one that was set."""
TASK_TIMEOUT_S = 3600.0
"""Of a flight task, in real time."""
_FOREVER_S = 3e38
"""What official clients send as the time limit of a flight, in simulated seconds."""
_LOOKS = 5
"""How often a call is made whose frames were taken elsewhere or are empty, before it is given up."""
_STILL_M = 1e-3
_WHOLE = NED(1.0, 1.0, 1.0)
_LEVEL = Quaternion(1.0, 0.0, 0.0, 0.0)
_FREE_YAW = {"is_rate": True, "yaw_or_rate": 0.0}
_CHANGING = ("simRunConsoleCommand", "simLoadLevel", "simSetSegmentationObjectID", "simSpawnObject",
             "simDestroyObject")
_MOVING = ("reset", "takeoff", "land", "goHome", "hover", "move", "rotate", "simContinue", "simSetKinematics")


def connect(host: str = "127.0.0.1", port: int = 41451, timeout_s: float = 60.0,
            max_reply_bytes: int = 4 * MAX_MESSAGE_BYTES, retries: int = 2, vehicle: str = "") -> Client:
    """Connection to an AirSim server of any dialect. timeout_s bounds every call; retries is how often one that may be
    repeated is made again over a new connection; vehicle is the one that calls are about, "" the server's first.

    Raises SimulatorGone if nothing answers there, UnknownServer if it is no AirSim server.
    """
    return Client(host, port, timeout_s, max_reply_bytes, retries, vehicle)


def airsim_fov_deg(camera: Intrinsics) -> float:
    """The angle that `simSetCameraFov` takes: across the wider side of the image (PIPCamera.cpp)."""
    return 2 * math.degrees(math.atan2(max(camera.width, camera.height), 2 * camera.focal_px))


class Client(Session):
    """Typed calls on one connection, which any number of threads may share."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.learning = threading.RLock()
        self._asked: CameraPose | None = None
        self.forget()

    def forget(self) -> None:
        """Drop what was learnt from the server. The pose that was asked for stays: a server that started anew has its
        vehicle elsewhere, and must not pass for one that obeyed."""
        self._turned: set[str] = set()
        self._start: NED | None = None
        self._follows: bool | None = None
        self._measuring = Measuring(self)

    def call(self, method: str, *args: Any, timeout_s: float | None = None, max_bytes: int | None = None) -> Any:
        self._note(method, args)
        return super().call(method, *args, timeout_s=timeout_s, max_bytes=max_bytes)

    def submit(self, method: str, *, timeout_s: float | None = None, **values: Any) -> Future[Any]:
        self._note(method, ())
        return super().submit(method, timeout_s=timeout_s, **values)

    def _note(self, method: str, args: Sequence[Any]) -> None:
        """Forget what a call may change."""
        if method.startswith(_MOVING):
            self._asked = None
        if method in _CHANGING:
            # the same world again, as before each phase of a capture, has the same objects
            self._measuring.forget_objects(tuple(args))

    # connection, time, world

    def ping(self) -> bool:
        return bool(self.call("ping"))

    def reset(self) -> None:
        """Vehicles back to their starts."""
        self.call("reset")
        with self.learning:
            # one that starts on the ground starts at another height where the ground has changed
            self._start = None

    def list_vehicles(self) -> list[str]:
        return list(self.ask("listVehicles"))

    def settings(self) -> str:
        """The server's settings.json as text."""
        return str(self.call("getSettingsString"))

    def pause(self, paused: bool = True) -> None:
        self.ask("simPause", is_paused=paused)

    def is_paused(self) -> bool:
        return bool(self.ask("simIsPaused"))

    def continue_for(self, seconds: float, timeout_s: float = TASK_TIMEOUT_S) -> None:
        """Let simulated time pass, then pause."""
        self.ask("simContinueForTime", seconds=seconds, timeout_s=timeout_s)

    def console(self, command: str, timeout_s: float | None = None) -> bool:
        """Run a console command. True says that it was taken, not that it worked."""
        return bool(self.ask("simRunConsoleCommand", command=command, timeout_s=timeout_s))

    def set_time_of_day(self, local_time: str, summer_time: bool = False) -> None:
        """Move the sun to where it stands at `%Y-%m-%d %H:%M:%S`; the clock then stands still."""
        self.ask("simSetTimeOfDay", is_enabled=True, start_datetime=local_time, is_start_datetime_dst=summer_time,
                 celestial_clock_speed=0.0, update_interval_secs=60.0, move_sun=True)

    def set_weather(self, weather: Mapping[WeatherParameter, float]) -> None:
        """Amounts in 0..1 of rain, fog, snow, ...; weather is enabled if any is above 0."""
        self.ask("simEnableWeather", enable=any(amount > 0 for amount in weather.values()))
        for parameter, amount in weather.items():
            self.ask("simSetWeatherParameter", param=parameter, val=amount)

    def set_wind(self, wind_m_s: ENU) -> None:
        """Where the wind blows to."""
        self.ask("simSetWind", wind=ned_from_enu(wind_m_s))

    def record(self, on: bool) -> None:
        """Start or stop the recording that the server's settings describe."""
        self.ask("startRecording" if on else "stopRecording")

    # poses and cameras

    def set_pose(self, pose: CameraPose) -> None:
        """Put the vehicle, and with it camera "0", at a pose."""
        local = local_from(ned_from_camera(pose), self.start())
        self._asked = pose
        self.ask("simSetVehiclePose", pose=local, ignore_collision=True)

    def get_pose(self) -> CameraPose:
        return camera_pose(self.ask("simGetVehiclePose"), self.start())

    def start(self) -> NED:
        """Origin, in global NED, of the vehicle's local frame: where it is as an object less where it says it is."""
        with self.learning:
            if self._start is None:
                self._start = self._measured_start()
            return self._start

    def _measured_start(self) -> NED:
        name = self.vehicle or self._first_vehicle()
        seen, local = self.object_pose(name) if name else None, self.ask("simGetVehiclePose")
        for _ in range(_LOOKS):
            if seen is None:
                return NED(0.0, 0.0, 0.0)
            # a vehicle that flies is elsewhere a moment later
            before, seen, local = local, self.object_pose(name), self.ask("simGetVehiclePose")
            if np.linalg.norm(local.position.array() - before.position.array()) <= _STILL_M:
                break
        middle = (before.position.array() + local.position.array()) / 2
        return NED(*(float(v) for v in seen.position.array() - middle)) if seen else NED(0.0, 0.0, 0.0)

    def _first_vehicle(self) -> str:
        """Name of the vehicle that "" means: the one that stands where it does."""
        names = self.list_vehicles()
        if len(names) < 2:
            return names[0] if names else ""
        def place(name: str) -> Any:
            return self.ask("simGetGroundTruthEnvironment", vehicle_name=name)["geo_point"]
        here = place("")
        return min(names, key=lambda name: math.hypot(place(name).lat_deg - here.lat_deg,
                                                      place(name).lon_deg - here.lon_deg))

    def set_fov(self, camera_name: str, fov_deg: float) -> None:
        """Field of view of a camera across its wider side; `airsim_fov_deg` computes it."""
        self.ask("simSetCameraFov", camera_name=camera_name, fov_degrees=fov_deg)

    def set_camera_pose(self, camera_name: str, pose: NedPose) -> None:
        """Pose of a camera relative to its mount on the vehicle: forward, right, down."""
        self._turned.add(camera_name)
        self.ask("simSetCameraPose", camera_name=camera_name, pose=pose)

    def camera_info(self, camera_name: str) -> tuple[CameraPose, float]:
        """(pose, field of view in degrees across the wider side) of a camera."""
        info = self.ask("simGetCameraInfo", camera_name=camera_name)
        return camera_pose(info["pose"], self.start()), info["fov"]

    # images

    def images(self, camera_name: str, requests: Sequence[ImageRequest],
               size: tuple[int, int] | None = None) -> list[Image]:
        """Images of one camera, all of one moment and in the order of the requests.

        Colours are RGB; float images float32. size: (width, height) that they must have, which also bounds the reply.
        Frames that are stale, empty or not finite are asked for again a few times. Raises StaleFrame if they were
        still not taken where `set_pose` put the vehicle, FrameError (by kind: `errors`) if an image is missing or not
        as asked for, SimulatorError, SimulatorGone.
        """
        colours = any(not (request.pixels_as_float or request.compress) for request in requests)
        bgr = self._measuring.bgr(camera_name) if colours else self.dialect.bgr
        for _ in range(_LOOKS):
            try:
                taken = self._look(camera_name, requests, bgr, size)
                break
            except AGAIN as error:
                last = error
        else:
            raise last
        self._measuring.note_depths(taken)
        return taken

    def _look(self, camera_name: str, requests: Sequence[ImageRequest], bgr: bool,
              size: tuple[int, int] | None) -> list[Image]:
        wanted = self._asked if self._is_followed(camera_name) else None
        taken = read_images(self.replies(camera_name, requests, size), requests, bgr, self.start(), size)
        if wanted is not None and not all(image.pose.same_as(wanted) for image in taken):
            raise StaleFrame(f"frames were taken at {[image.pose.position for image in taken]}: expected {wanted}, "
                             "restart the simulator")
        return taken

    def replies(self, camera_name: str, requests: Sequence[ImageRequest],
                size: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        """ImageResponse structs as they come."""
        structs = [{**vars(request), "camera_name": camera_name} for request in requests]
        found: list[dict[str, Any]] = self.ask("simGetImages", request_adapter=structs,
                                               max_bytes=None if size is None else most_bytes(requests, size))
        return found

    def _is_followed(self, camera_name: str) -> bool:
        if self._asked is None or camera_name not in FOLLOWED_CAMERAS or self._turned:
            return False
        if self._follows is None:
            self._follows = _sim_mode(self) in ("ComputerVision", None)
        return self._follows

    def measured(self, camera_name: str = "0") -> Measured:
        """What this server does with pixels and ids, measured through a camera before which a world must stand."""
        with self.learning:
            return self._measuring.value(camera_name)

    def classes(self, segmentation: U8, camera_name: str = "0") -> U8:
        """(H, W) ids of a segmentation image: the 256 of AirSim and Colosseum; with Cosys, whose colours are the
        objects', the classes (`classes.SEMANTIC`) of MAGE's objects by their names. Raises SimulatorError for a colour
        that no object has."""
        with self.learning:
            reader = self._measuring.reader(camera_name)
        return reader.ids(segmentation)

    def detections(self, camera_name: str, image_type: ImageType, pattern: str,
                   radius_m: float) -> list[dict[str, Any]]:
        """DetectionInfo structs of the objects in the image whose name the pattern matches, within a distance."""
        camera: dict[str, Any] = {"camera_name": camera_name, "type": image_type}
        self.ask("simClearDetectionMeshNames", **camera)
        self.ask("simSetDetectionFilterRadius", radius_cm=100 * radius_m, **camera)
        self.ask("simAddDetectionFilterMeshName", mesh_name=pattern, **camera)
        return list(self.ask("simGetDetections", **camera))

    # objects and their ids

    def list_objects(self, pattern: str = ".*") -> list[str]:
        """Names of objects that the whole regular expression matches, case-sensitive."""
        return list(self.ask("simListSceneObjects", name_regex=pattern))

    def object_pose(self, name: str) -> NedPose | None:
        """Pose of an object in global NED, None if there is none of that name."""
        pose: NedPose = self.ask("simGetObjectPose", object_name=name)
        return None if math.isnan(pose.position.north) else pose

    def spawn_object(self, name: str, asset: str, pose: NedPose, scale: NED = _WHOLE) -> str:
        """Put an asset into the world; pose in global NED, scale along its axes. Returns the name that it got."""
        return str(self.ask("simSpawnObject", object_name=name, load_component=asset, pose=pose, scale=scale,
                            physics_enabled=False, is_blueprint=False))

    def destroy_object(self, name: str) -> bool:
        return bool(self.ask("simDestroyObject", object_name=name))

    def set_segmentation_id(self, name: str, segmentation_id: int, is_pattern: bool = False) -> bool:
        """Give objects a segmentation id, -1 to remove them from the image. True if any has that name."""
        return bool(self.ask("simSetSegmentationObjectID", mesh_name=name, object_id=segmentation_id,
                             is_name_regex=is_pattern))

    def segmentation_id(self, name: str) -> int:
        """Segmentation id of an object, -1 if there is none; AirSim and Colosseum know it by its lower-case name."""
        mesh = name if self.dialect.name == "cosys" else name.lower()
        return int(self.ask("simGetSegmentationObjectID", mesh_name=mesh))

    # flight

    def take_control(self, on: bool = True) -> None:
        """Let calls fly the vehicle, and arm it; or neither."""
        self.ask("enableApiControl", is_enabled=on)
        self.ask("armDisarm", arm=on)

    def takeoff(self) -> Future[bool]:
        """Climb a little. As of all flight tasks, the result comes at the end: True if it was reached."""
        return self._fly("takeoff", timeout_sec=_FOREVER_S)

    def land(self) -> Future[bool]:
        return self._fly("land", timeout_sec=_FOREVER_S)

    def hover(self) -> Future[bool]:
        return self._fly("hover")

    def go_home(self) -> Future[bool]:
        return self._fly("goHome", timeout_sec=_FOREVER_S)

    def move_to(self, position: ENU, speed_m_s: float) -> Future[bool]:
        """Fly straight to a place in the world."""
        return self.move_on_path([position], speed_m_s)

    def move_on_path(self, path: Sequence[ENU], speed_m_s: float) -> Future[bool]:
        """Fly along places in the world."""
        start = self.start()
        local = [local_from(NedPose(ned_from_enu(place), _LEVEL), start).position for place in path]
        return self._fly("moveOnPath", path=local, velocity=speed_m_s, timeout_sec=_FOREVER_S, drivetrain=0,
                         yaw_mode=_FREE_YAW, lookahead=-1.0, adaptive_lookahead=1.0)

    def move_by_velocity(self, velocity_m_s: ENU, seconds: float) -> Future[bool]:
        """Fly with a velocity in the world's axes for some simulated time."""
        ned = ned_from_enu(velocity_m_s)
        return self._fly("moveByVelocity", vx=ned.north, vy=ned.east, vz=ned.down, duration=seconds, drivetrain=0,
                         yaw_mode=_FREE_YAW)

    def rotate_to(self, compass_deg: float, margin_deg: float = 5.0) -> Future[bool]:
        return self._fly("rotateToYaw", yaw=compass_deg, timeout_sec=_FOREVER_S, margin=margin_deg)

    def _fly(self, method: str, **values: Any) -> Future[bool]:
        return self.submit(method, timeout_s=TASK_TIMEOUT_S, **values)

    def state(self) -> dict[str, Any]:
        """MultirotorState struct; its positions are in the vehicle's local NED (`start`)."""
        return dict(self.ask("getMultirotorState"))

    def sensor(self, kind: str, name: str = "") -> dict[str, Any]:
        """The struct of a sensor of a kind: Imu, Barometer, Magnetometer, Gps, DistanceSensor, Lidar, ...; "" is the
        first of its kind."""
        method = f"get{kind}Data"
        values: dict[str, Any] = {argument: name for argument, _ in self._signature(method).args
                                  if argument != "vehicle_name"}
        return dict(self.ask(method, **values))


def _sim_mode(client: Client) -> str | None:
    """SimMode of the server's settings; None if they do not say."""
    with contextlib.suppress(ValueError, AttributeError, MageError):
        mode = json.loads(client.settings()).get("SimMode")
        return str(mode) if mode else None
    return None
