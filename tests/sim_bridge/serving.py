"""A server as a second process over a small world, for tests that speak to it through real sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
from small_world import box, small_package

from sim_bridge.airsim.messages import SEGMENTATION
from sim_bridge.airsim.palette import PaletteReader, static_palette
from sim_bridge.frames import ENU, look_at
from sim_bridge.spec import SceneSpec
from sim_bridge.world.model import Building, BuildingDamage
from sim_bridge.world.package import write_package

if TYPE_CHECKING:
    from sim_bridge.airsim.client import Client

WIDTH, HEIGHT = 96, 64
ROOF_M = 10.0
SPEC = SceneSpec(seed=3)
NADIR = look_at(ENU(0, 0, 0), 100, 0, 0)
PALETTE = PaletteReader(static_palette())


@dataclass(frozen=True)
class Running:
    """A server of ours and where it listens."""

    process: subprocess.Popen[bytes]
    port: int

    def client(self, timeout_s: float = 60.0) -> Client:
        # not needed by tests that speak to the socket themselves
        from sim_bridge.airsim.client import connect

        return connect("127.0.0.1", self.port, timeout_s=timeout_s)


def start(root: Path, *options: str) -> Running:
    process = subprocess.Popen(
        [sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(root), "--port", "0",
         "--width", str(WIDTH), "--height", str(HEIGHT), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    assert line.startswith("mage-serve ready host=127.0.0.1 port="), line
    return Running(process, int(line.rpartition("=")[2]))


def end(server: Running, number: signal.Signals = signal.SIGTERM) -> int:
    server.process.send_signal(number)
    server.process.communicate(timeout=20)
    return server.process.returncode


def write_world(root: Path) -> None:
    """A world root with one world: concrete, and a building of 10 m side and height over the origin."""
    house = box((-5, -5, 0), (5, 5, ROOF_M), "roof_metal", "wall_plaster", instance=7)
    package = small_package(before=[house], damage=[BuildingDamage(7, "destroyed", 4, "test")])
    ring = ((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0))
    building = Building(7, ring, 0.0, ROOF_M, ROOF_M, "flat", "masonry", "house", "roof_metal", "wall_plaster", 0.0)
    write_package(root, SPEC, replace(package.world, buildings=(building,)), package.aftermath)


def exchange(port: int, data: bytes, replies: int) -> list[Any]:
    """Messages that come back for raw bytes; fewer if the server closes the connection."""
    got: list[Any] = []
    unpacker = msgpack.Unpacker()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while len(got) < replies and (chunk := sock.recv(65536)):
                unpacker.feed(chunk)
                got += unpacker
        except TimeoutError:
            raise
        except OSError:
            return got
    return got


def markers(client: Client) -> list[str]:
    return client.list_objects("mage_(state|error)_.*")


def ids(client: Client) -> Any:
    return PALETTE.ids(client.images("0", [SEGMENTATION])[0].pixels)
