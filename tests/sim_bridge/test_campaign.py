"""Campaigns over real simulator processes: complete, repeatable, and whole again after any kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge.campaign import CampaignConfig, plan_campaign, run_campaign, scene_poses
from sim_bridge.errors import InputError, MageError, SimulatorError, SimulatorGone
from sim_bridge.spec import Fire, Layout, SceneSpec, View
from sim_bridge.store import FIELDS, done_units, open_frames, read
from sim_bridge.workers import SimulatorSettings, drop_simulators, start_simulator

SPECS = tuple(
    SceneSpec(seed=seed, layout=Layout(size_m=150.0), hazard=Fire(), view=View(gsd_m=2.0, off_nadir_deg=tilt))
    for seed, tilt in ((1, 0.0), (2, 12.0))
)
"""Two worlds of 150 m, four frames of 64 x 64 pixels each."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(scope="module")
def settings(worlds: Path) -> Callable[[Path], CampaignConfig]:
    return lambda out: CampaignConfig(out, width=64, height=64, unit_frames=2, workers=2, world_root=worlds)


@pytest.fixture(scope="module")
def undisturbed(settings: Callable[[Path], CampaignConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_campaign(settings(tmp_path_factory.mktemp("undisturbed")), SPECS)


@pytest.fixture(scope="module")
def address(worlds: Path) -> Iterator[str]:
    simulator = start_simulator(SimulatorSettings(worlds, 64, 64))
    yield "{}:{}".format(*simulator.address)
    simulator.client.close()
    simulator.process.kill()


def check_same(one: Path, other: Path) -> None:
    for name in (*FIELDS, "captured"):
        if name != "time":
            np.testing.assert_array_equal(read(open_frames(one), name), read(open_frames(other), name), err_msg=name)


@given(st.lists(st.floats(0.2, 3), min_size=1, max_size=4), st.integers(1, 20))
def test_every_frame_of_every_scene_is_in_one_unit(gsds: list[float], unit_frames: int) -> None:
    specs = [SceneSpec(layout=Layout(size_m=150.0), view=View(gsd_m=gsd)) for gsd in gsds]
    plan = plan_campaign(CampaignConfig(Path("out"), 64, 64, unit_frames=unit_frames), specs)
    seen = [(scene, i) for scene, first, last in plan.units.values() for i in range(first, last)]
    assert seen == [(scene, i) for scene, count in enumerate(plan.counts) for i in range(count)]
    assert plan.shard <= unit_frames and plan.frames % plan.shard == 0
    assert max(plan.units) < plan.frames // plan.shard


@pytest.mark.parametrize(("config", "says"), [
    (CampaignConfig(Path("out"), workers=0), "workers is 0"),
    (CampaignConfig(Path("out"), overlap=1.0), "overlap is 1.0"),
    (CampaignConfig(Path("out"), simulators=("localhost",)), "expected host:port"),
    (CampaignConfig(Path("out"), simulators=("localhost:99999",)), "expected host:port"),
])
def test_bad_settings_are_named(tmp_path: Path, config: CampaignConfig, says: str) -> None:
    with pytest.raises(InputError, match=says):
        run_campaign(replace(config, out=tmp_path), SPECS)
    assert not list(tmp_path.iterdir())


def flat(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.zeros(np.broadcast(x, y).shape)


@given(st.integers(1, 12))
def test_a_thinned_survey_is_spread_over_the_whole_one(most: int) -> None:
    spec = SceneSpec(layout=Layout(size_m=300), view=View(gsd_m=0.5, off_nadir_deg=0))
    whole, some = (scene_poses(CampaignConfig(Path("x"), 200, 200, 0.0, n), spec, flat) for n in (0, most))
    order = [next(i for i, pose in enumerate(whole) if pose.same_as(one)) for one in some]
    assert len(whole) == 9 and len(some) == min(most, 9) and order == sorted(set(order))
    if most == 1:
        assert (some[0].position.east, some[0].position.north) == (0, 0)


def test_no_scenes_or_impossible_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scenes"):
        run_campaign(CampaignConfig(tmp_path), [])
    with pytest.raises(InputError, match=r"layout\.size_m is 5"):
        run_campaign(CampaignConfig(tmp_path), [SceneSpec(layout=Layout(size_m=5.0))])


def test_frames_come_with_the_labels_of_their_place(undisturbed: Path) -> None:
    root = open_frames(undisturbed)
    assert read(root, "captured").all() and len(read(root, "captured")) == 8
    assert [*read(root, "scene_id")] == [spec.scene_id for spec in SPECS for _ in range(4)]
    assert (read(root, "agreement_depth") > 0.99).all() and (read(root, "agreement_semantic") > 0.99).all()
    np.testing.assert_allclose(read(root, "asked_position"), read(root, "measured_position"), atol=1e-3)
    buildings = read(root, "before_semantic") == 1
    np.testing.assert_array_equal(read(root, "damage") > 0, buildings)
    assert buildings.any() and (read(root, "instance")[buildings] > 0).all()
    assert read(root, "before_rgb").std() > 5 and (read(root, "before_rgb") != read(root, "after_rgb")).any()
    assert np.abs(read(root, "footprint")[..., :2]).max() <= 75 + 1


def test_a_store_says_what_its_simulator_did(undisturbed: Path) -> None:
    assert open_frames(undisturbed).attrs["simulator"] == {
        "dialect": "airsim", "raw_pixels": "BGR", "depth_precision": "float32", "palette": None}


def test_a_second_run_writes_nothing(undisturbed: Path, settings: Callable[[Path], CampaignConfig]) -> None:
    def stamps() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in undisturbed.rglob("*") if file.is_file()}

    before = stamps()
    run_campaign(settings(undisturbed.parent), SPECS)
    assert stamps() == before


def test_a_store_of_other_scenes_is_refused(undisturbed: Path, settings: Callable[[Path], CampaignConfig]) -> None:
    config = settings(undisturbed.parent)
    for changed, specs, says in ((config, SPECS[::-1], "scenes"), (replace(config, overlap=0.11), SPECS, "survey")):
        with pytest.raises(InputError, match=f"made for another {says}"):
            run_campaign(changed, specs)


def test_a_running_simulator_and_threads_give_the_same_frames(
        undisturbed: Path, settings: Callable[[Path], CampaignConfig], address: str, tmp_path: Path) -> None:
    config = replace(settings(tmp_path), simulators=(address,))
    with ThreadPoolExecutor(1) as pool:
        check_same(run_campaign(config, SPECS, pool), undisturbed)


def test_a_simulator_of_another_size_is_named(settings: Callable[[Path], CampaignConfig], address: str,
                                              tmp_path: Path) -> None:
    config = replace(settings(tmp_path), simulators=(address,), width=96)
    with ThreadPoolExecutor(1) as pool, pytest.raises(InputError, match="64x64 pixels: expected 96x64"):
        run_campaign(config, SPECS[:1], pool)


def test_a_simulator_with_another_world_root_is_named(settings: Callable[[Path], CampaignConfig], address: str,
                                                      tmp_path: Path) -> None:
    config = replace(settings(tmp_path), simulators=(address,), world_root=tmp_path / "elsewhere")
    with ThreadPoolExecutor(1) as pool, pytest.raises(SimulatorError, match=r"mage_error_.*world root"):
        run_campaign(config, [replace(SPECS[0], seed=3)], pool)


def test_no_simulator_at_the_address_is_one_line(settings: Callable[[Path], CampaignConfig], tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))                                            # bound, but nobody listens
        port = unused.getsockname()[1]
        config = replace(settings(tmp_path), simulators=(f"127.0.0.1:{port}",))
        with ThreadPoolExecutor(1) as pool, pytest.raises(SimulatorGone, match=str(port)) as caught:
            run_campaign(config, SPECS, pool)
    assert "\n" not in str(caught.value)


def test_a_simulator_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MageError, match=r"saying .*file"):
        start_simulator(SimulatorSettings(tmp_path / "file", 64, 64))
    with pytest.raises(SimulatorGone, match=r"not ready after 0\.01 s"):
        start_simulator(SimulatorSettings(tmp_path, 64, 64, start_timeout_s=0.01))
    drop_simulators()


SCRIPT = """
import sys
from pathlib import Path
from sim_bridge.campaign import CampaignConfig, run_campaign
from tests.sim_bridge.test_campaign import SPECS

if __name__ == "__main__":
    run_campaign(CampaignConfig(Path(sys.argv[1]), width=64, height=64, unit_frames=1, workers=2,
                                world_root=Path(sys.argv[2])), SPECS)
"""


@pytest.fixture
def campaign(tmp_path: Path, worlds: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The campaign as a process of its own, stopped when its first unit is in the store."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, script, tmp_path, worlds], env={**os.environ, "PYTHONPATH": str(root)},
                               stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "frames.zarr").exists() and bool(done_units(tmp_path / "frames.zarr")))
    yield process
    process.kill()
    process.wait()


def wait_until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@pytest.fixture
def by_ones(settings: Callable[[Path], CampaignConfig], undisturbed: Path) -> Callable[[Path], CampaignConfig]:
    return lambda out: replace(settings(out), unit_frames=1)


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_campaign_leaves_no_process_and_resumes(
        campaign: subprocess.Popen[bytes], by_ones: Callable[[Path], CampaignConfig], undisturbed: Path,
        tmp_path: Path, blow: signal.Signals) -> None:
    family = psutil.Process(campaign.pid).children(recursive=True)
    assert any("sim_bridge.airsim.server" in " ".join(child.cmdline()) for child in family)
    campaign.send_signal(blow)
    assert campaign.wait(20) != 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    done = done_units(tmp_path / "frames.zarr")
    assert 0 < len(done) < 8
    files = {file: file.stat().st_mtime_ns for unit in done for file in (tmp_path / "frames.zarr").rglob(f"c/{unit}/**")
             if file.is_file()}
    check_same(run_campaign(by_ones(tmp_path), SPECS), undisturbed)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in files.items())


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["sim_bridge.airsim.server", "spawn_main"])
def test_killed_simulators_and_workers_are_replaced(
        campaign: subprocess.Popen[bytes], undisturbed: Path, tmp_path: Path, victim: str) -> None:
    children = psutil.Process(campaign.pid).children(recursive=True)
    chosen = [child for child in children if victim in " ".join(child.cmdline())]
    assert chosen
    chosen[0].kill()
    assert len(done_units(tmp_path / "frames.zarr")) < 8
    assert campaign.wait(120) == 0
    check_same(tmp_path / "frames.zarr", undisturbed)
