"""A server over a small world, one for all tests of the bridge, and clients of it that start from the same state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serving import SPEC, Running, end, start, write_world

if TYPE_CHECKING:
    from sim_bridge.airsim.client import Client


@pytest.fixture(scope="session")
def world_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """World root with one world: concrete, and a building of 10 m side and height over the origin."""
    root = tmp_path_factory.mktemp("worlds")
    write_world(root)
    return root


@pytest.fixture(scope="session")
def server(world_root: Path) -> Iterator[Running]:
    running = start(world_root)
    yield running
    end(running)


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with server.client() as client:
        client.reset()
        client.console(f"mage.load {SPEC.world_id}")
        client.set_fov("0", 30.0)
        yield client
