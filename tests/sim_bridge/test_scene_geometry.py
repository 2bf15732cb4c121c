"""Lines of sight, voxel grids, meshes and extents of a world, against what its boxes say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from edited_world import HOUSE, at, package, scene_of, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.embedded import scene_objects, voxels
from sim_bridge.embedded.paths import confined
from sim_bridge.embedded.queries import corner_points, in_sight, look_at_deg, meshes, swept
from sim_bridge.embedded.voxels import MAX_CELLS, Box, box_around, occupied, write_binvox
from sim_bridge.frames import ENU, NED, NedPose, Quaternion, unreal_from_enu, unreal_from_ned

TOWN = state_of(package(HOUSE))
SCENE = scene_of(TOWN)
HALF_M, ROOF_M = 5.0, 10.0
places = st.tuples(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.5, 20))


def through_house(a: ENU, b: ENU, grown_m: float) -> bool:
    """Whether a segment meets the house, its sides moved out by some metres: slabs, Kay and Kajiya 1986."""
    start, way = a.array(), b.array() - a.array()
    low, high = np.array([-HALF_M, -HALF_M, 0]) - grown_m, np.array([HALF_M, HALF_M, ROOF_M]) + grown_m
    with np.errstate(all="ignore"):
        ends = np.sort(np.stack([(low - start) / way, (high - start) / way]), axis=0)
    return bool(max(0.0, np.nanmax(ends[0])) <= min(1.0, np.nanmin(ends[1])))


def inside_house(point: ENU) -> bool:
    return max(abs(point.east), abs(point.north)) < HALF_M + 0.1 and point.up < ROOF_M + 0.1


# lines of sight

@settings(max_examples=200, deadline=None)
@given(places, places)
def test_a_line_of_sight_is_blocked_by_the_house_and_nothing_else(a: tuple[float, float, float],
                                                                  b: tuple[float, float, float]) -> None:
    start, end = ENU(*a), ENU(*b)
    seen = in_sight(SCENE, "before", start, end)
    assert seen == in_sight(SCENE, "before", end, start)
    if not inside_house(start) and not inside_house(end):
        assert seen or through_house(start, end, 0.01)
        assert not seen or not through_house(start, end, -0.01)


def test_points_on_surfaces_see_each_other() -> None:
    assert in_sight(SCENE, "before", ENU(0, 0, ROOF_M), ENU(0, 0, 40))
    assert in_sight(SCENE, "before", ENU(20, 0, 0), ENU(20, 0, 40))
    assert in_sight(SCENE, "before", ENU(1, 1, 1), ENU(1, 1, 1))
    assert not in_sight(SCENE, "before", ENU(20, 0, -1), ENU(20, 0, 40))


def test_a_spawned_object_stands_in_the_way_until_it_is_gone() -> None:
    a, b = ENU(-20, -20, 5), ENU(20, -20, 5)
    state, name = scene_objects.spawn(TOWN, "wall", "Cube", at(-20, 0, -5), (10, 1, 10))
    assert in_sight(SCENE, "before", a, b)
    assert not in_sight(scene_of(state), "before", a, b)
    assert in_sight(scene_of(scene_objects.destroy(state, name)[0]), "before", a, b)


def test_a_pushed_object_stops_where_it_meets_something() -> None:
    state, name = scene_objects.spawn(TOWN, "box", "Cube", at(0, 20, -1), (2, 2, 2))
    assert swept(scene_of(state), "before", name, at(0, -20, -1)).position.east == pytest.approx(HALF_M + 1, abs=0.1)
    assert swept(scene_of(state), "before", name, at(0, -20, -60)) == at(0, -20, -60)
    assert swept(scene_of(state), "before", name, at(0, 20, 5)).position.down == pytest.approx(-1, abs=0.1)
    assert swept(scene_of(state), "before", name, at(10, 20, -1, 30)) == at(10, 20, -1, 30)
    assert swept(SCENE, "before", "mage_building_7", at(0, 9, 0)).position == NED(0, 9, 0)
    pushed = swept(scene_of(state), "before", "mage_building_7", at(0, 30, 0)).position
    assert pushed.east == pytest.approx(20 - 1 - HALF_M, abs=0.2) and pushed.north == 0
    lamp, light = scene_objects.spawn(TOWN, "lamp", "PointLightBP", at(0, 20, -1), (1, 1, 1))
    assert swept(scene_of(lamp), "before", light, at(0, -20, -1)) == at(0, -20, -1)


def test_the_rotation_to_a_target_is_that_of_unreal() -> None:
    assert look_at_deg(NED(0, 0, 0), NED(10, 0, 0)) == pytest.approx((0, 0, 0))
    assert look_at_deg(NED(0, 0, 0), NED(0, 10, -10)) == pytest.approx((45, 0, 90))
    assert look_at_deg(NED(1, 1, -5), NED(0, 1, -4)) == pytest.approx((-45, 0, 180))


def test_extents_are_those_of_ground_and_roof_and_grow_with_what_is_spawned() -> None:
    assert corner_points(SCENE, "before") == (ENU(-50, -50, 0), ENU(50, 50, ROOF_M))
    state, _ = scene_objects.spawn(TOWN, "ball", "Cube", at(80, 0, -40), (2, 2, 2))
    assert corner_points(scene_of(state), "before") == (ENU(-50, -50, 0), ENU(50, 81, 41))


# voxel grids

def read_binvox(path: Path) -> tuple[list[bytes], npt.NDArray[np.bool_]]:
    """Header, and cells (east, north, up), by the format's own rule: x fastest, then z, then y (P. Min, binvox)."""
    head, data = path.read_bytes().split(b"data\n", 1)
    lines = head.splitlines()
    north, up, east = (int(word) for word in lines[1].split()[1:])
    runs = np.frombuffer(data, np.uint8).reshape(-1, 2)
    cells = np.repeat(runs[:, 0], runs[:, 1])
    assert cells.size == north * up * east
    return lines, cells.reshape(east, up, north).transpose(0, 2, 1).astype(bool)


def middles(box: Box) -> npt.NDArray[np.float64]:
    """(east, north, up, 3) middle of every cell."""
    lines = [start + np.arange(count) * box.cell_m for start, count in zip(box.corner, box.cells, strict=True)]
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)


@pytest.mark.parametrize("cell_m", [0.5, 0.7, 2.1])
def test_voxels_are_full_where_house_and_ground_are(cell_m: float) -> None:
    box = box_around(ENU(1.0, -2.0, 5.0), 24, 20, 16, cell_m)
    full = occupied(SCENE, "before", box)
    reach = cell_m / 2 + 1e-9
    east, north, up = np.moveaxis(middles(box), -1, 0)
    beside = np.maximum(np.abs(east), np.abs(north)) - HALF_M
    house = (beside <= reach) & (up <= ROOF_M + reach) & (up >= -reach)
    assert (full == (house | (np.abs(up) <= reach))).all()


def test_a_closed_thing_is_solid_and_an_open_sky_is_empty() -> None:
    state, _ = scene_objects.spawn(TOWN, "ball", "Sphere", at(0, 20, -20), (8, 8, 8))
    box = box_around(ENU(20, 0, 20), 12, 12, 12, 0.5)
    full = occupied(scene_of(state), "before", box)
    far = np.linalg.norm(middles(box) - (20, 0, 20), axis=-1)
    assert full[far < 3.9].all() and not full[far > 4.5].any()


def test_the_after_phase_has_the_voxels_of_the_ruin() -> None:
    box = box_around(ENU(0, 0, 5), 20, 20, 12, 1.0)
    top = [np.nonzero(occupied(SCENE, phase, box).any(axis=(0, 1)))[0].max() for phase in ("before", "after")]
    assert [box.corner[2] + place for place in top] == [10, 3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 600)), min_size=1, max_size=12), st.integers(1, 4))
def test_a_binvox_file_gives_back_its_cells(tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[bool, int]],
                                            up: int) -> None:
    values = np.concatenate([np.full(count, value) for value, count in runs])
    cells = values[:max(1, len(values) // up) * up] if len(values) >= up else np.full(up, values[0])
    full = cells.reshape(1, up, -1).transpose(0, 2, 1)
    path = tmp_path_factory.getbasetemp() / "runs.binvox"
    write_binvox(path, full, (10, 10, 10))
    header, back = read_binvox(path)
    assert header[0] == b"#binvox 1" and (back == full).all()


def test_a_binvox_file_says_what_airsims_says(tmp_path: Path) -> None:
    box = box_around(ENU(0, 0, 0), 4, 6, 8, 0.5)
    write_binvox(tmp_path / "deep" / "grid.binvox", occupied(SCENE, "before", box), (4, 6, 8))
    header, full = read_binvox(tmp_path / "deep" / "grid.binvox")
    assert header == [b"#binvox 1", b"dim 8 16 12", b"translate -2 -3 -4", b"scale 0.25"]
    assert full.shape == box.cells == (12, 8, 16)


@pytest.mark.parametrize(("sides", "cell_m"), [((10, 10, 10), 0.0), ((0, 10, 10), 1.0), ((10, -1, 10), 1.0),
                                               ((10**9, 10, 10), 1e-3), ((1000, 1000, 1000), 0.1), ((1, 1, 1), 2.0)])
def test_voxel_grids_are_bounded(sides: tuple[int, int, int], cell_m: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        box_around(ENU(0, 0, 0), *sides, cell_m)
    assert math.prod(box_around(ENU(0, 0, 0), 256, 256, 256, 1.0).cells) == MAX_CELLS


def test_a_voxel_grid_does_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    state = TOWN
    for yaw in range(3):
        state, _ = scene_objects.spawn(state, "x", "Cube", at(0, 0, -50, yaw_deg=10 + yaw), (100, 100, 100))
    monkeypatch.setattr(voxels, "MAX_WORK", 5_000_000)
    assert occupied(scene_of(state), "before", box_around(ENU(0, 0, 50), 100, 100, 100, 4.0)).any()
    with pytest.raises(ValueError, match="larger cells"):
        occupied(scene_of(state), "before", box_around(ENU(0, 0, 50), 100, 100, 100, 1.0))


def test_paths_stay_in_their_folder(tmp_path: Path) -> None:
    assert confined(tmp_path, "a/b.binvox") == tmp_path.resolve() / "a" / "b.binvox"
    assert confined(tmp_path, str(tmp_path / "c")) == tmp_path.resolve() / "c"
    (tmp_path / "out").symlink_to("/")
    for name in ("../x", "/etc/passwd", "out/x", "a/../../x", "", "x\0y", "x" * 2000):
        with pytest.raises(ValueError, match="path"):
            confined(tmp_path, name)


# meshes

def test_meshes_are_those_of_buildings_and_spawned_things() -> None:
    state, name = scene_objects.spawn(TOWN, "Ball", "Sphere", at(0, 20, -20), (8, 8, 8))
    found = dict(meshes(scene_of(state), "before"))
    assert list(found) == ["mage_building_7", name]
    np.testing.assert_array_equal(np.sort(found["mage_building_7"].vertices, axis=0), np.sort(HOUSE.vertices, axis=0))
    np.testing.assert_allclose(np.linalg.norm(found[name].vertices - (20, 0, 20), axis=1), 4, atol=1e-4)


@pytest.mark.parametrize("kind", ["Cube", "1M_Cube_Chamfer", "Sphere", "Cylinder", "Cone", "OrangeBall", "mage_car"])
def test_meshes_of_solids_are_closed_and_turned_outward(kind: str) -> None:
    state, _ = scene_objects.spawn(TOWN, "x", kind, at(0, 20, -20, yaw_deg=30), (2, 2, 2))
    mesh = dict(meshes(scene_of(state), "before"))["x"]
    corners = mesh.vertices[mesh.faces].astype(np.float64) - (20, 0, 20)
    volume = np.einsum("ij,ij->i", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]).sum() / 6
    expected = {"Cube": 8, "1M_Cube_Chamfer": 8, "Sphere": 8 * math.pi / 6, "OrangeBall": 8 * math.pi / 6,
                "Cylinder": 8 * math.pi / 4, "Cone": 8 * math.pi / 12}
    if kind in expected:
        _, spot = np.unique(mesh.vertices.round(4), axis=0, return_inverse=True)
        faces = spot.ravel()[mesh.faces]
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        assert sorted(map(tuple, edges)) == sorted(map(tuple, edges[:, ::-1]))
        assert volume == pytest.approx(expected[kind], rel=0.02)
    assert volume > 0


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_unreals_frame_is_left_handed_and_in_centimetres(x: float, y: float, z: float) -> None:
    assert unreal_from_enu(np.array([[x, y, z]])).tolist() == [[y * 100, x * 100, z * 100]]
    engine = unreal_from_ned(NedPose(NED(x, y, z), Quaternion(1.0, 0.0, 0.0, 0.0)))
    assert engine.position == NED(x * 100, y * 100, -z * 100)
