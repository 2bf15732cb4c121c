"""Environments of the official clients, a world, and running servers of every dialect and mode, made once a session."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.package import build_package
from tools.airsim_env import ClientName, make_env

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
SPEC = SceneSpec(seed=1, layout=Layout(size_m=120.0, tree_density=0.0))
Start = Callable[..., int]
Run = Callable[..., str]


@pytest.fixture(scope="session")
def official() -> Callable[[ClientName], Path]:
    """The Python executable of an official client's environment, which is made beside .venv or reused."""
    made: dict[ClientName, Path] = {}

    def python(client: ClientName) -> Path:
        if client not in made:
            made[client] = make_env(ROOT / f".venv-{client}", client, scipy=True, say=print)
        return made[client]
    return python


@pytest.fixture(scope="session")
def world_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """World root with one built world of 120 m."""
    root = tmp_path_factory.mktemp("worlds")
    build_package(root, SPEC)
    return root


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recording root of all servers."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def serving(world_root: Path, recordings: Path) -> Iterator[Start]:
    """serving(dialect, mode, settings, *options): port of a running `mage serve`, started once for equal arguments."""
    running: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        def start(dialect: str, mode: str, settings: dict[str, Any] | None = None, *options: str) -> int:
            key = json.dumps([dialect, mode, settings, options])
            if key not in running:
                path = recordings / f"settings_{len(running)}.json"
                path.write_text(json.dumps({"SettingsVersion": 1.2, "SimMode": mode, **(settings or {})}))
                running[key] = stack.enter_context(_server(
                    "--world-root", str(world_root), "--dialect", dialect, "--mode", mode, "--settings", str(path),
                    "--load", SPEC.world_id, "--recording-root", str(recordings), *options))
            return running[key]
        yield start


@contextlib.contextmanager
def _server(*options: str) -> Iterator[int]:
    command = [sys.executable, "-m", "sim_bridge.airsim.server", "--port", "0", "--width", "96", "--height", "64",
               "--samples", "1", "--stop-on-eof", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "port=" in line, "the server did not start"
            yield int(line.rpartition("port=")[2])
        finally:
            process.kill()


@pytest.fixture
def run(official: Callable[[ClientName], Path], tmp_path: Path) -> Run:
    """run(client, program, *arguments): what a program prints in a client's environment; it must end with code 0."""
    def run_program(client: ClientName, program: str, *arguments: object) -> str:
        done = subprocess.run([official(client), PROGRAMS / program, *map(str, arguments)], cwd=tmp_path,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout
    return run_program
