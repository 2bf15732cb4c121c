"""Run by `mage airsim-env` inside the environment it made: `python airsim_check.py MODULE PORT WORLD_ID`.

Speaks to a running `mage serve` through the official client alone, and prints what it saw, a line a check.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

HEIGHT_M = 40.0


def check(client: Any, package: Any, world_id: str) -> None:
    """Raises AssertionError with what was wrong."""
    client.confirmConnection()
    client.simRunConsoleCommand(f"mage.load {world_id}")
    _check_pose(client, package)
    _check_images(client, package)


def _check_pose(client: Any, package: Any) -> None:
    down = package.Quaternionr(0.0, -(0.5 ** 0.5), 0.0, 0.5 ** 0.5)
    client.simSetVehiclePose(package.Pose(package.Vector3r(1.0, 2.0, -HEIGHT_M), down), True)
    found = client.simGetVehiclePose().position
    assert (found.x_val, found.y_val, found.z_val) == (1.0, 2.0, -HEIGHT_M), f"pose came back as {found}"
    print(f"pose: set and read back, {HEIGHT_M:g} m up and looking down")


def _check_images(client: Any, package: Any) -> None:
    png = client.simGetImage("0", package.ImageType.Scene)
    assert bytes(png[:8]) == b"\x89PNG\r\n\x1a\n", "simGetImage sent no PNG"
    raw, depth = client.simGetImages([package.ImageRequest("0", package.ImageType.Scene, False, False),
                                      package.ImageRequest("0", package.ImageType.DepthPlanar, True)])
    pixels = len(raw.image_data_uint8)
    assert pixels == raw.width * raw.height * 3, f"{pixels} bytes of {raw.width}x{raw.height} pixels"
    metres = package.get_pfm_array(depth)
    assert metres.shape == (depth.height, depth.width), f"depth of shape {metres.shape}"
    assert 1.0 < float(metres[depth.height // 2, depth.width // 2]) < 3 * HEIGHT_M, "depth is far off"
    print(f"images: PNG of {len(png)} bytes, raw frame of {raw.width}x{raw.height}, "
          f"depth of {float(metres.mean()):.1f} m on average")


def main(module: str, port: str, world_id: str) -> None:
    package = importlib.import_module(module)
    client = getattr(package, "ComputerVisionClient", package.VehicleClient)(port=int(port), timeout_value=60)
    check(client, package, world_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
