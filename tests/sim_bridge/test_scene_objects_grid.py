"""Objects of grids: buildings of one cell are changed without those of others, however often a package is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edited_world import CAMERA, CROWN, HOUSE, at, content, package

from sim_bridge.embedded import scene_objects
from sim_bridge.embedded.edits import FIRST_SPAWNED
from sim_bridge.embedded.grid import GridScene
from sim_bridge.embedded.queries import corner_points, in_sight, meshes
from sim_bridge.embedded.render import Rendered, measure, render
from sim_bridge.embedded.state import Loaded, State
from sim_bridge.embedded.voxels import box_around, occupied
from sim_bridge.frames import ENU, CameraPose, Geodetic, look_at
from sim_bridge.spec import Light, SceneSpec
from sim_bridge.world.grid import WorldGrid, read_grid, write_grid
from sim_bridge.world.package import write_package

WEST, EAST = look_at(ENU(-50, 0, 0), 60, 0, 0), look_at(ENU(50, 0, 0), 60, 0, 0)
ABOVE = look_at(ENU(0, 0, 0), 200, 0, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, root = package(HOUSE, CROWN), tmp_path_factory.mktemp("grids")
    write_package(root, SceneSpec(seed=3), made.world, made.aftermath)
    return root


@pytest.fixture(scope="module")
def grid(root: Path) -> WorldGrid:
    """One package, twice: cells with their middles 50 m to the west and to the east."""
    world_id = SceneSpec(seed=3).world_id
    return read_grid(write_grid(root, [(world_id, -50.0, 0.0), (world_id, 50.0, 0.0)], Geodetic(38.0, -122.0)))


def loaded(root: Path, grid: WorldGrid, memory_bytes: int = 1 << 30) -> State:
    """The grid with both cells loaded, as after a flight over them."""
    scene = GridScene(root, grid, memory_bytes)
    measure(scene, "before", ABOVE, CAMERA)
    return State({}, loaded=Loaded("grid", grid.origin, scene))


def shape(state: State, pose: CameraPose) -> Rendered:
    assert state.loaded is not None
    return measure(state.loaded.scene, "before", pose, CAMERA)


def picture(state: State, pose: CameraPose) -> Rendered:
    assert state.loaded is not None
    return render(state.loaded.scene, "before", pose, CAMERA, Light())


def test_a_building_of_one_cell_is_destroyed_and_its_twin_stays(root: Path, grid: WorldGrid) -> None:
    state = loaded(root, grid)
    twins = [f"mage_building_{7 + grid.first_id(place)}" for place in range(2)]
    assert set(twins) <= set(scene_objects.object_names(state))
    east = content(picture(state, EAST))
    gone, done = scene_objects.destroy(state, twins[0])
    assert done and shape(gone, WEST).depth[36, 48] == pytest.approx(60, abs=1e-3)
    assert content(picture(gone, EAST)) == east
    assert shape(state, WEST).depth[36, 48] == pytest.approx(50, abs=1e-3)


@pytest.mark.parametrize("memory_bytes", [1 << 30, 1])
def test_a_building_is_moved_into_another_cell(root: Path, grid: WorldGrid, memory_bytes: int) -> None:
    state, number = loaded(root, grid, memory_bytes), 7 + grid.first_id(1)
    moved, done = scene_objects.change(state, f"mage_building_{number}", pose=at(12, -50, 0), scale=(0.5, 0.5, 0.5))
    assert done
    seen = shape(moved, WEST)
    assert (60 - seen.depth[seen.instance == number]).max() == pytest.approx(5, abs=1e-3)
    assert (seen.instance == 7 + grid.first_id(0)).any() and not (shape(moved, EAST).instance > 0).any()


def test_a_thing_over_the_border_shows_and_is_gone_again(root: Path, grid: WorldGrid) -> None:
    state = loaded(root, grid)
    before = content(picture(state, look_at(ENU(0, 0, 0), 60, 30, 90)))
    spawned, name = scene_objects.spawn(state, "ball", "Sphere", at(0, 0, -5), (6, 6, 6))
    seen = picture(spawned, look_at(ENU(0, 0, 0), 60, 30, 90))
    assert (seen.instance == FIRST_SPAWNED).any() and content(seen) != before
    back, _ = scene_objects.destroy(spawned, name)
    assert content(picture(back, look_at(ENU(0, 0, 0), 60, 30, 90))) == before


def test_groups_of_a_grid_stay_as_they_are(root: Path, grid: WorldGrid) -> None:
    state = loaded(root, grid)
    assert scene_objects.destroy(state, "mage_trees") == (state, False)
    assert scene_objects.change(state, "mage_trees", pose=at(1, 1, 1)) == (state, False)


def test_queries_reach_over_cells(root: Path, grid: WorldGrid) -> None:
    state = loaded(root, grid)
    assert state.loaded is not None
    scene = state.loaded.scene
    assert not in_sight(scene, "before", ENU(-70, 0, 5), ENU(70, 0, 5))
    assert in_sight(scene, "before", ENU(-70, 30, 5), ENU(70, 30, 5))
    low, high = corner_points(scene, "before")
    assert (low.east, high.east, low.north, high.north) == (-100, 100, -50, 50)
    full = occupied(scene, "before", box_around(ENU(0, 0, 5), 20, 140, 16, 1.0))
    columns = np.nonzero(full[:, 10, 13])[0] - 70
    assert sorted(set(columns.tolist())) == [*range(-55, -44), *range(45, 56)]
    assert [mesh.vertices[:, 0].mean() for _, mesh in meshes(scene, "before")] == pytest.approx([-50, 50])
