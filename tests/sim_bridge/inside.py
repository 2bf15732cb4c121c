"""A server's calls without its socket, over the small world: what a client of a dialect would be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import msgpack
import numpy as np
import numpy.typing as npt
from small_world import box, small_package

from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.dialects import DIALECTS
from sim_bridge.airsim.dispatch import Dispatcher
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import Loaded
from sim_bridge.frames import CameraPose, Geodetic, Intrinsics, ned_from_camera
from sim_bridge.world.model import Building
from sim_bridge.world.package import Package

WIDTH, HEIGHT, FOV_DEG = 80, 60, 60.0
ROOF_M = 10.0
HOUSE = box((-5, -5, 0), (5, 5, ROOF_M), "roof_metal", "wall_plaster", instance=7)
HUT = box((15, -3, 0), (21, 3, 4.0), "roof_gravel", "wall_wood", instance=12)
TREE = box((-16, 8, 0), (-12, 12, 6.0), "crown_conifer", "crown_conifer")


def two_houses() -> Package:
    """Lawn with buildings 7 and 12 and a tree."""
    made = small_package([HOUSE, HUT, TREE], [HOUSE, HUT], "lawn", "lawn")
    buildings = tuple(Building(number, ((west, south), (east, south), (east, north), (west, north)), 0.0, height,
                               height, "flat", "masonry", "house", "roof_metal", "wall_plaster", 0.0)
                      for number, west, south, east, north, height in ((7, -5.0, -5.0, 5.0, 5.0, ROOF_M),
                                                                       (12, 15.0, -3.0, 21.0, 3.0, 4.0)))
    return replace(made, world=replace(made.world, buildings=buildings))


class RpcFailed(Exception):
    """What the server said instead of an answer."""


@dataclass(frozen=True)
class Inside:
    """Calls of one dialect."""

    simulator: Simulator
    dialect: str

    def call(self, method: str, *args: Any) -> Any:
        codec = Dispatcher(Context(self.simulator, DIALECTS[self.dialect], "{}"))
        reply = codec.answer([0, 1, method, list(args)])
        assert isinstance(reply, bytes)
        _, _, error, result = msgpack.unpackb(reply)
        if error is not None:
            raise RpcFailed(error)
        return result

    def on(self, method: str, *args: Any) -> Any:
        """A call of vehicle camera "0", whose last argument but in Cosys says that it is not an external one."""
        return self.call(method, *args, *([""] if self.dialect == "cosys" else ["", False]))

    def place(self, pose: CameraPose) -> None:
        self.simulator.place_vehicle("", ned_from_camera(pose))

    def responses(self, *kinds: int, floats: bool = False, compress: bool = False, camera: str = "0", layer: str = "",
                  external: bool = False) -> list[dict[str, Any]]:
        structs: list[Any] = [{"camera_name": camera, "image_type": kind, "pixels_as_float": floats,
                               "compress": compress, "annotation_name": layer} for kind in kinds]
        if self.dialect == "colosseum":
            structs = [list(struct.values())[:4] for struct in structs]
        replies = self.call("simGetImages", structs, "", *([] if self.dialect == "cosys" else [external]))
        if self.dialect == "colosseum":
            keys = ("image_data_uint8", "image_data_float", "camera_position", "camera_name", "camera_orientation",
                    "time_stamp", "message", "pixels_as_float", "compress", "width", "height", "image_type")
            return [dict(zip(keys, reply, strict=True)) for reply in replies]
        return [dict(reply) for reply in replies]

    def picture(self, kind: int, camera: str = "0", layer: str = "", external: bool = False) -> npt.NDArray[np.uint8]:
        """(H, W, 3) RGB from the raw form."""
        reply, = self.responses(kind, camera=camera, layer=layer, external=external)
        assert not reply["message"]
        raw = np.frombuffer(reply["image_data_uint8"], np.uint8).reshape(reply["height"], reply["width"], 3)
        return raw if self.dialect == "cosys" else raw[..., ::-1]

    def floats(self, kind: int) -> npt.NDArray[np.float32]:
        reply, = self.responses(kind, floats=True)
        return np.array(reply["image_data_float"], np.float32).reshape(reply["height"], reply["width"])


def inside(root: Path, dialect: str = "airsim", package: Package | None = None, **config: Any) -> Inside:
    """Calls over a world with two houses, or another one. config: fields of `SimulatorConfig`."""
    settings = SimulatorConfig(root, **{"width": WIDTH, "height": HEIGHT, "fov_deg": FOV_DEG, **config})
    simulator = Simulator(settings)
    world = two_houses() if package is None else package
    simulator.update(loaded=Loaded("small", Geodetic(38.0, -122.0, 0.0), Scene(world)))
    return Inside(simulator, dialect)


def decoded(png: bytes) -> npt.NDArray[np.uint8]:
    """(H, W, 4) RGBA of a PNG as it is."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA).astype(np.uint8)


def rays(camera: Intrinsics, depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(H, W, 3) right, down, forward of each pixel's point."""
    columns = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal_px
    rows = (np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal_px
    across, down = np.meshgrid(columns, rows)
    return np.stack([across * depth, down * depth, depth.astype(np.float64)], axis=-1)
