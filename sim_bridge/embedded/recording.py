"""Recordings on disk in AirSim's own layout: a folder named by its date, `airsim_rec.txt` with a line for each moment
and vehicle, and the pictures in `images/` (RecordingFile.cpp, PawnSimApi.cpp, CarPawnSimApi.cpp)."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.config import IDENTITY, RecordingConfig, VehicleKind
from sim_bridge.embedded.state import State, Vehicle
from sim_bridge.errors import InputError
from sim_bridge.frames import NedPose

_log = logging.getLogger(__name__)

MAX_BYTES, MAX_PICTURES = 8 << 30, 500_000
"""What one recording may write before it ends by itself."""
MAX_RECORDINGS = 1000
"""In one folder; one more is refused."""
LEAST_FREE_BYTES = 512 << 20
"""A recording ends before less than this is left on the disk."""
NAME = "airsim_rec.txt"
_COLUMNS = ("VehicleName", "TimeStamp", "POS_X", "POS_Y", "POS_Z", "Q_W", "Q_X", "Q_Y", "Q_Z")
CAR_COLUMNS = ("Throttle", "Steering", "Brake", "Gear", "Handbrake", "RPM", "Speed")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_CHARACTERS = 64
_POLL_S = 0.005


@dataclass(frozen=True)
class Picture:
    """One picture of a moment, as it goes to its file."""

    camera: str
    """As it was asked for."""
    image_type: int
    kind: Literal["png", "ppm", "pfm"]
    data: bytes


@dataclass(frozen=True)
class Moment:
    """What was seen of one vehicle, and when."""

    vehicle: Vehicle
    time_ns: int
    pictures: tuple[Picture, ...]
    car: tuple[Any, ...] = ()
    """Values of CAR_COLUMNS for a car."""


Take = Callable[[str], Moment | None]
"""What is seen of a vehicle now; None: nothing is asked of it, or there is no world."""


class Recording:
    """One recording under way. Thread-safe."""

    def __init__(self, folder: Path, config: RecordingConfig, kinds: Sequence[VehicleKind], take: Take) -> None:
        self.folder, self._config, self._take = folder, config, take
        self._written = self._pictures = 0
        self._last_ns: int | None = None
        self._poses: dict[str, NedPose] = {}
        self._ended, self._looking = threading.Event(), threading.Lock()
        columns = (*_COLUMNS, *(CAR_COLUMNS if kinds and kinds[0] == "physxcar" else ()), "ImageFile")
        self._write(NAME, ("\t".join(columns) + "\n").encode())

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """No line is begun after this."""
        self._ended.set()

    def look(self, state: State, now_ns: int) -> None:
        """Record the vehicles if the interval has passed. What goes wrong ends the recording and is logged."""
        try:
            with self._looking:
                if not self.ended and self._due(now_ns):
                    self._record_all(state, now_ns)
        except (OSError, InputError) as error:
            self.end()
            _log.error("recording in %s ended: %s", self.folder, error)
        except Exception:
            self.end()
            _log.exception("recording in %s ended", self.folder)

    def follow(self, now: Callable[[], tuple[State, int]]) -> None:
        """Look again and again, in a thread of its own, until the recording ends."""
        def run() -> None:
            while not self._ended.wait(_POLL_S):
                self.look(*now())
        threading.Thread(target=run, daemon=True, name="recording").start()

    def _due(self, now_ns: int) -> bool:
        return self._last_ns is None or now_ns - self._last_ns >= self._config.interval_s * 1e9

    def _record_all(self, state: State, now_ns: int) -> None:
        for name, vehicle in sorted(state.vehicles.items()):
            if not self._config.on_move or self._poses.get(name, IDENTITY) != vehicle.kinematics.pose:
                self._record(name, now_ns)

    def _record(self, name: str, now_ns: int) -> None:
        moment = self._take(name)
        if moment is None or not moment.pictures:
            return
        self._last_ns, self._poses[name] = now_ns, moment.vehicle.kinematics.pose
        files = [(_file_name(name, picture, moment.time_ns), picture.data) for picture in moment.pictures]
        self._pictures += len(files)
        self._check_room(sum(len(data) for _, data in files))
        for file, data in files:
            self._write(f"images/{file}", data)
        # the line comes last: what it names is there
        self._write(NAME, (line(moment) + ";".join(file for file, _ in files) + "\n").encode())

    def _check_room(self, size: int) -> None:
        if self._written + size > MAX_BYTES:
            raise InputError(f"{MAX_BYTES >> 30} GiB are written, which is the most of one recording")
        if self._pictures > MAX_PICTURES:
            raise InputError(f"{MAX_PICTURES} pictures are written, which is the most of one recording")
        if shutil.disk_usage(self.folder).free - size < LEAST_FREE_BYTES:
            raise InputError(f"less than {LEAST_FREE_BYTES >> 20} MiB would be left on the disk")

    def _write(self, file: str, data: bytes) -> None:
        with (self.folder / file).open("ab" if file == NAME else "wb") as stream:
            stream.write(data)
        self._written += len(data)


def new_folder(root: Path | None, below: str) -> Path:
    """A fresh folder for a recording below the root, named by the present date (UTC), with `images` in it.

    Raises InputError without a root, for a way out of it, beside MAX_RECORDINGS others, and when the disk refuses.
    """
    if root is None:
        raise InputError("recording is refused: the server was started without --recording-root")
    try:
        parent = (root / below).resolve()
        if not parent.is_relative_to(root.resolve()):
            raise InputError(f"recording folder {below[:80]!r} lies outside of the recording root")
        if parent.is_dir() and sum(1 for _ in parent.iterdir()) >= MAX_RECORDINGS:
            raise InputError(f"{MAX_RECORDINGS} recordings are in {below[:80]!r}: move them away")
        stamp = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S")
        number = 1
        while (folder := parent / (stamp if number == 1 else f"{stamp}-{number}")).exists():
            number += 1
        (folder / "images").mkdir(parents=True)
    except (OSError, ValueError) as error:
        raise InputError(f"recording cannot be written: {error}") from error
    return folder


def line(moment: Moment) -> str:
    """Columns of a moment but for the last, each with its tab; the time in milliseconds, the pose in local NED."""
    pose = moment.vehicle.kinematics.pose
    at, q = pose.position, pose.orientation
    numbers = (at.north, at.east, at.down, q.w, q.x, q.y, q.z)
    cells = (_safe(moment.vehicle.config.name), moment.time_ns // 1_000_000, *(f"{v:.9g}" for v in numbers),
             *(f"{v:.9g}" if isinstance(v, float) else int(v) for v in moment.car))
    return "".join(f"{cell}\t" for cell in cells)


def pfm(values: npt.NDArray[np.float32]) -> bytes:
    """Portable float map of (H, W) values: rows from the bottom up, little-endian."""
    height, width = values.shape
    return f"Pf\n{width} {height}\n-1\n".encode() + np.ascontiguousarray(values[::-1], "<f4").tobytes()


def ppm(rgb: bytes, width: int, height: int) -> bytes:
    """Portable pixel map of RGB bytes."""
    return f"P6\n{width} {height}\n255\n".encode() + rgb


def _file_name(vehicle: str, picture: Picture, time_ns: int) -> str:
    return f"img_{_safe(vehicle)}_{_safe(picture.camera)}_{picture.image_type}_{time_ns}.{picture.kind}"


def _safe(name: str) -> str:
    """A name from the wire or the settings as part of a file's name and as a cell of a table."""
    return _UNSAFE.sub("_", name)[:_NAME_CHARACTERS]
