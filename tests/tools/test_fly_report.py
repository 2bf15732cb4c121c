"""`mage fly`: its figures, its page without a simulator, the command end to end, and bad input in one line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from sim_bridge.capture import Shot
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.scene import Scene
from sim_bridge.flight import footprint, plan_survey
from sim_bridge.flying import Flight, FlightConfig, Plan, Track, plan_flight
from sim_bridge.frames import ENU, CameraPose, intrinsics
from sim_bridge.labels import SEMANTIC_OF
from sim_bridge.ortho import orthomosaic
from sim_bridge.spec import Layout, SceneSpec, View
from sim_bridge.workers import SimulatorSettings, start_simulator
from sim_bridge.world.model import World
from sim_bridge.world.package import build_package, read_package
from tools.cli import main
from tools.fly import FlyConfig, Leg, Survey, figures, open_ground, settings_of
from tools.fly_report import write_fly_report

WIDTH, HEIGHT, SHIFT_M = 48, 36, 0.5
SPEC = SceneSpec(seed=2, layout=Layout("riverside", size_m=120.0), view=View(gsd_m=1.0, hfov_deg=50.0,
                                                                             off_nadir_deg=0.0))
CAMERA = intrinsics(WIDTH, HEIGHT, SPEC.view.hfov_deg)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(read_package(build_package(tmp_path_factory.mktemp("worlds"), SPEC)))


def drawn_leg(plan: Plan, world: World, after: bool) -> Leg:
    """A flight that keeps SHIFT_M north of its lines at 5 m/s, its frames plain grey over the terrain's mean height."""
    shots = []
    for pose in plan.poses:
        at = CameraPose(ENU(pose.position.east, pose.position.north + SHIFT_M, pose.position.up), pose.rotation)
        shots.append(Shot(np.full((HEIGHT, WIDTH, 3), 90 + 60 * after, np.uint8),
                          np.full((HEIGHT, WIDTH), at.position.up, np.float32), np.zeros((HEIGHT, WIDTH), np.uint8),
                          at, 0.0))
    position = np.array([shot.pose.position.array() for shot in shots])
    rows = np.array([float(row) for row, _ in plan.placed])
    track = Track(np.arange(len(shots), dtype=np.float64), position, np.full((len(shots), 3), 5.0), rows)
    seen = tuple(footprint(shot.pose, CAMERA, 0.0)[:, :2] for shot in shots)
    return Leg("after" if after else "before", (3.0, -4.0) if after else (0.0, 0.0),
               Flight(tuple(shots), track, True, ()), orthomosaic(shots, CAMERA, world.size_m, 1.2), seen,
               np.full((len(shots), 2), 0.9), 2.0)


@pytest.fixture(scope="module")
def drawn(scene: Scene) -> Survey:
    poses = plan_survey(120.0, SPEC.view, WIDTH, HEIGHT, 0.3, lambda x, y: np.zeros(np.shape(x)))
    plan = plan_flight(poses, FlightConfig(5.0))
    world = scene.package.world
    return Survey(SPEC, world, CAMERA, plan, (drawn_leg(plan, world, False), drawn_leg(plan, world, True)))


def test_figures_are_those_of_the_flight(drawn: Survey) -> None:
    own = figures(drawn)["after"]
    assert own["frames"] == len(drawn.plan.poses)
    assert own["cross_track_rms_m"] == pytest.approx(SHIFT_M)
    assert own["cross_track_max_m"] == pytest.approx(SHIFT_M)
    assert own["trigger_rms_m"] == pytest.approx(SHIFT_M)
    assert own["vertical_max_m"] == pytest.approx(0.0, abs=1e-9)
    assert own["turned_max_deg"] == pytest.approx(0.0, abs=1e-6)
    assert own["agreement_depth"] == pytest.approx(0.9)
    assert own["planned_m"] == pytest.approx(drawn.plan.length_m)


def test_page_holds_everything_and_asks_nothing_of_the_network(drawn: Survey, tmp_path: Path) -> None:
    page = write_fly_report(drawn, tmp_path).read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "https://" not in page
    assert page.count("data:image/jpeg") == 2 + 2 + 6
    assert "data:image/svg+xml" in page
    assert f">{SHIFT_M:.2f} m<" in page
    assert "wind 5.0 m/s" not in page, "words of pictures are in the pictures"


def test_pictures_beside_the_page_can_be_read(drawn: Survey, tmp_path: Path) -> None:
    write_fly_report(drawn, tmp_path)
    ortho = cv2.imread(str(tmp_path / "ortho_after.png"))
    assert ortho is not None
    assert ortho.shape == (100, 100, 3)
    assert ortho[50, 50].tolist() == [150, 150, 150]
    for name in ("flight.png", "turn.png"):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None
        assert picture.std() > 10
    assert (tmp_path / "motion.svg").read_text(encoding="utf-8").startswith("<?xml")
    record = json.loads((tmp_path / "flight.json").read_text())
    assert record["world_id"] == SPEC.world_id
    assert set(record["figures"]) == {"before", "after"}


def test_take_off_is_from_land_and_clear_of_houses_and_trees(scene: Scene) -> None:
    world = scene.package.world
    east, north = open_ground(world)
    assert SEMANTIC_OF[int(world.ground.at(east, north))] != CLASS_ID["water"]
    assert min(math.hypot(tree.x - east, tree.y - north) for tree in world.trees) > 3.0
    vehicle = settings_of(world, FlyConfig(Path("x")))["Vehicles"]["Drone"]
    assert (vehicle["X"], vehicle["Y"]) == (north, east)


@pytest.mark.parametrize(("arguments", "said"), [
    (("--spec", "nowhere.json"), "nowhere.json"),
    (("--speed", "0"), "0.0 m/s"),
    (("--overlap", "1"), "overlap"),
    (("--width", "-5"), "-5"),
    (("--simulator", "here"), "host:port"),
])
def test_bad_input_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                          arguments: tuple[str, ...], said: str) -> None:
    assert main(["fly", "--out", str(tmp_path / "out"), *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_command_flies_and_draws(tmp_path: Path) -> None:
    scene = tmp_path / "scene.json"
    scene.write_text(json.dumps({"seed": SPEC.seed, "layout": {"settlement": "riverside", "size_m": 120.0},
                                 "hazard": {"kind": "flood", "stage_m": 3.0},
                                 "view": {"gsd_m": 0.5, "hfov_deg": 50.0, "off_nadir_deg": 12.0}}))
    assert main(["fly", "--out", str(tmp_path / "out"), "--spec", str(scene), "--width", "96", "--height", "72",
                 "--overlap", "0.4"]) == 0
    record = json.loads((tmp_path / "out" / "flight.json").read_text())
    for own in record["figures"].values():
        assert own["cross_track_max_m"] < 1.0
        assert min(own["agreement_depth"], own["agreement_semantic"]) > 0.99
        assert own["seen_share"] > 0.9


@pytest.mark.slow
def test_a_simulator_in_which_nothing_flies_is_bad_input(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    simulator = start_simulator(SimulatorSettings(tmp_path, 64, 48))
    scene = tmp_path / "scene.json"
    scene.write_text(json.dumps({"seed": SPEC.seed, "layout": {"settlement": "riverside", "size_m": 120.0}}))
    try:
        assert main(["fly", "--out", str(tmp_path / "out"), "--spec", str(scene), "--world-root", str(tmp_path),
                     "--simulator", "{}:{}".format(*simulator.address)]) == 2
    finally:
        simulator.client.close()
        simulator.process.kill()
        simulator.process.wait()
    assert "SimMode Multirotor" in capfd.readouterr().err
