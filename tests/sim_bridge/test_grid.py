"""Grids of packages: the same pictures and labels as each package gives alone, and only what is seen in memory."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sim_bridge.embedded.capture import Wanted
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.console import run_command
from sim_bridge.embedded.grid import GridScene, cells_seen
from sim_bridge.embedded.render import Rendered, measure, render
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, CameraPose, Geodetic, intrinsics, look_at
from sim_bridge.labels import cast_labels
from sim_bridge.spec import Earthquake, Layout, Light, SceneSpec
from sim_bridge.world.grid import WorldGrid, read_grid, write_grid
from sim_bridge.world.package import build_package, read_package

SIZE_M = 150.0
HALF_M = SIZE_M / 2
CORNERS = ((-HALF_M, -HALF_M), (HALF_M, -HALF_M), (-HALF_M, HALF_M), (HALF_M, HALF_M))
CAMERA = intrinsics(192, 192, 15.0)
NOON = Light(85.0, 180.0, 0.0)
POSES = {"nadir": look_at(ENU(3, 5, 0), 400.0, 0.0, 0.0), "oblique": look_at(ENU(-4, 2, 0), 400.0, 40.0, 60.0)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    """Two worlds, each in two of four cells."""
    layout = Layout(size_m=SIZE_M, density=1.0, relief_m=3.0)
    ids = [build_package(root, SceneSpec(seed, layout, hazard=Earthquake())).name for seed in (4, 5)]
    return write_grid(root, [(ids[i in (1, 2)], *corner) for i, corner in enumerate(CORNERS)], Geodetic(38.0, -122.0))


@pytest.fixture(scope="module")
def grid(folder: Path) -> WorldGrid:
    return read_grid(folder)


@pytest.fixture(scope="module")
def scene(root: Path, grid: WorldGrid) -> GridScene:
    return GridScene(root, grid)


def from_cell(pose: CameraPose, east_m: float, north_m: float) -> CameraPose:
    at = pose.position
    return CameraPose(ENU(at.east - east_m, at.north - north_m, at.up), pose.rotation)


def owner(grid: WorldGrid, pose: CameraPose, seen: Rendered) -> np.ndarray:
    """(H, W) place of the cell that shows in a pixel, -1 for none."""
    rows, columns = np.indices(seen.depth.shape) + 0.5
    rays = np.stack([(columns - CAMERA.width / 2) / CAMERA.focal_px, (rows - CAMERA.height / 2) / CAMERA.focal_px,
                     np.ones_like(rows)], axis=-1) @ pose.rotation.T
    at = pose.position.array() + rays * np.where(np.isfinite(seen.depth), seen.depth, 0)[..., None]
    place = np.full(seen.depth.shape, -1)
    for i, cell in enumerate(grid.cells):
        inside = (np.abs(at[..., 0] - cell.east_m) < HALF_M) & (np.abs(at[..., 1] - cell.north_m) < HALF_M)
        place[inside & np.isfinite(seen.depth)] = i
    return place


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("view", list(POSES))
def test_over_a_seam_each_cell_looks_as_it_does_alone(root: Path, grid: WorldGrid, scene: GridScene, view: str,
                                                      phase: str) -> None:
    pose = POSES[view]
    whole = render(scene, phase, pose, CAMERA, NOON)
    place = owner(grid, pose, whole)
    assert set(np.unique(place)) >= {0, 1, 2, 3}
    for i, cell in enumerate(grid.cells):
        alone = render(Scene(read_package(root / cell.world_id)), phase,
                       from_cell(pose, cell.east_m, cell.north_m), CAMERA, NOON)
        # a few pixels off the seam: there, the neighbour's edges and shadows reach over
        inside = cv2.erode((place == i).astype(np.uint8), np.ones((31, 31), np.uint8), borderValue=1) > 0
        assert inside.mean() > 0.05
        for name in ("depth", "material", "rgb"):
            np.testing.assert_array_equal(getattr(whole, name)[inside], getattr(alone, name)[inside])
        own = np.where(alone.instance > 0, alone.instance + grid.first_id(i), 0)
        np.testing.assert_array_equal(whole.instance[inside], own[inside])


def test_depth_and_classes_alone_are_those_of_the_picture(scene: GridScene) -> None:
    for pose in POSES.values():
        full, fast = render(scene, "after", pose, CAMERA, NOON), measure(scene, "after", pose, CAMERA)
        for name in ("depth", "material", "instance"):
            np.testing.assert_array_equal(getattr(full, name), getattr(fast, name))


def test_labels_carry_the_ids_and_grades_of_the_grid(root: Path, grid: WorldGrid, scene: GridScene) -> None:
    pose = look_at(ENU(0, 0, 0), 1100.0, 0.0, 0.0)
    labels = cast_labels(scene, pose, pose, CAMERA)
    grades = {row.id: row.grade for row in scene.damage()}
    shown = np.unique(labels.instance[labels.damage > 0])
    assert len({int(i) >> 17 for i in shown}) > 1
    for i in shown:
        assert set(np.unique(labels.damage[(labels.instance == i) & (labels.damage > 0)])) == {grades[int(i)]}
    assert (labels.land_use[np.isfinite(labels.before_depth)] > 0).mean() > 0.9


def test_only_cells_in_view_are_loaded_and_the_oldest_go(root: Path, grid: WorldGrid) -> None:
    loaded: list[str] = []

    def read(folder: Path) -> object:
        loaded.append(folder.name)
        return read_package(folder)

    scene = GridScene(root, grid, memory_bytes=1, read=read)
    narrow = intrinsics(32, 32, 2.0)
    over = [look_at(ENU(x, y, 0), 400.0, 0.0, 0.0) for x, y in CORNERS]
    for pose in over[:2]:
        measure(scene, "before", pose, narrow)
    assert loaded == [grid.cells[0].world_id, grid.cells[1].world_id]
    measure(scene, "before", over[3], narrow)
    assert len(loaded) == 3
    assert set(scene._held) == {grid.cells[3].world_id}
    assert np.isinf(measure(scene, "before", look_at(ENU(900, 0, 0), 400.0, 0.0, 0.0), narrow).depth).all()


def test_beyond_all_cells_there_is_haze(scene: GridScene) -> None:
    out = render(scene, "before", look_at(ENU(2000, 0, 0), 400.0, 0.0, 0.0), CAMERA, NOON)
    assert np.isinf(out.depth).all()
    assert len(np.unique(out.rgb.reshape(-1, 3), axis=0)) == 1


def test_level_rays_reach_some_way(grid: WorldGrid) -> None:
    east = np.array([[1.0, 0.0, 0.0]])
    assert cells_seen(grid, np.array([[-400.0, -HALF_M, 20.0]]), east, 0.0) == [0, 1]
    assert cells_seen(grid, np.array([[400.0, -HALF_M, 20.0]]), east, 0.0) == []


def test_the_simulator_loads_a_grid_and_says_so(root: Path, grid: WorldGrid) -> None:
    simulator = Simulator(SimulatorConfig(root, 64, 64, 15.0))
    run_command(simulator, f"mage.load {grid.grid_id}")
    assert simulator.object_names("mage_(state|error)_.*") == [f"mage_state_{grid.grid_id}_before_rgb_ready"]
    assert simulator.object_names("mage_building_.*") == []
    frame, = simulator.capture([Wanted(simulator.find_camera("0"), 0, frozenset({"colour"}))])
    assert frame.rgb is not None
    run_command(simulator, "mage.load 0123456789abcdef")
    assert simulator.object_names("mage_error_.*") == ["mage_error_unknown_world"]


def test_a_grid_without_one_of_its_packages_is_refused(root: Path, grid: WorldGrid, tmp_path: Path) -> None:
    lonely = tmp_path / grid.grid_id
    lonely.mkdir()
    (lonely / "grid.json").write_text((root / grid.grid_id / "grid.json").read_text())
    simulator = Simulator(SimulatorConfig(tmp_path, 64, 64, 15.0))
    run_command(simulator, f"mage.load {grid.grid_id}")
    assert simulator.object_names("mage_.*") == [*[n for n in simulator.object_names("mage_.*") if "error" not in n],
                                                 "mage_error_bad_package"]


@pytest.mark.parametrize(("damage", "says"), [
    ({"format": "other"}, "not a grid"), ({"version": 99}, "newer"), ({"cells": []}, "0 cells"),
    ({"cells": [{"world_id": "x"}]}, "damaged"),
])
def test_damaged_grids_are_told(folder: Path, tmp_path: Path, damage: dict[str, object], says: str) -> None:
    document = json.loads((folder / "grid.json").read_text()) | damage
    (tmp_path / "grid.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=says):
        read_grid(tmp_path)


def test_packages_may_not_lie_over_each_other(root: Path, grid: WorldGrid) -> None:
    world_id = grid.cells[0].world_id
    with pytest.raises(InputError, match="lie over each other"):
        write_grid(root, [(world_id, 0, 0), (world_id, 100, 0)], Geodetic(0, 0))
    with pytest.raises(InputError, match="no packages"):
        write_grid(root, [], Geodetic(0, 0))
    with pytest.raises(InputError, match="cannot be read"):
        write_grid(root, [("0" * 16, 0, 0)], Geodetic(0, 0))


def test_objects_of_cells_have_their_place_and_id(root: Path, grid: WorldGrid) -> None:
    scene = GridScene(root, grid)
    measure(scene, "before", POSES["nadir"], CAMERA)
    building = read_package(root / grid.cells[3].world_id).world.buildings[0]
    pose = scene.objects().poses[f"mage_building_{building.id + grid.first_id(3)}"]
    x, y = np.mean(building.footprint, axis=0)
    assert (pose.position.east, pose.position.north) == pytest.approx((x + HALF_M, y + HALF_M))
