"""Labels of worlds in which every pixel's truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from small_world import box, small_package

from sim_bridge.classes import BURNT, CLASS_ID
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, CameraPose, Intrinsics, intrinsics, look_at, project
from sim_bridge.labels import SEMANTIC_OF, Labels, agreement, cast_labels, half_step_m
from sim_bridge.spec import Light
from sim_bridge.world.model import BuildingDamage

CAMERA = intrinsics(120, 120, 12.0)
HOUSE = box((-5, -4, 0), (5, 4, 6), "roof_gravel", "wall_plaster", 7)
CROWN = box((2, -2, 7), (4, 2, 9), "crown_broadleaf", "crown_broadleaf")
NADIR = look_at(ENU(0, 0, 0), 200.0, 0.0, 0.0)
OBLIQUE = look_at(ENU(0, 0, 0), 200.0, 40.0, 90.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A house under a tree that burns down to nothing."""
    return Scene(small_package([HOUSE, CROWN], ground="lawn", ground_after="burnt_lawn",
                               damage=[BuildingDamage(7, "burnt", 4, "ignited by building 3")]))


@pytest.fixture(scope="module")
def nadir(scene: Scene) -> Labels:
    return cast_labels(scene, NADIR, NADIR, CAMERA)


def pixel(x: float, y: float, z: float, pose: CameraPose = NADIR, camera: Intrinsics = CAMERA) -> tuple[int, int]:
    """(row, column) in which a point shows."""
    pixels, _ = project(np.array([[x, y, z]]), pose, camera)
    return int(pixels[0, 1]), int(pixels[0, 0])


def test_a_roof_is_a_building_with_its_instance_and_grade(nadir: Labels) -> None:
    at = pixel(-2, 0, 6)
    assert nadir.before_semantic[at] == CLASS_ID["building"]
    assert (nadir.instance[at], nadir.surface[at], nadir.damage[at]) == (7, 1, 4)
    assert nadir.land_use[at] == 2
    assert nadir.before_depth[at] == pytest.approx(194.0, abs=1e-3)


def test_a_crown_over_a_roof_is_a_tree(nadir: Labels) -> None:
    at = pixel(3, 0, 9)
    assert nadir.before_semantic[at] == CLASS_ID["tree"]
    assert (nadir.instance[at], nadir.surface[at], nadir.damage[at]) == (0, 0, 0)


def test_damage_stays_in_the_pixels_of_the_house_that_is_gone(nadir: Labels) -> None:
    at = pixel(-2, 0, 6)
    assert nadir.after_semantic[at] == CLASS_ID["bare"]
    assert nadir.after_hazard[at] == BURNT
    assert nadir.after_depth[at] == pytest.approx(200.0, abs=1e-3)
    building = nadir.before_semantic == CLASS_ID["building"]
    np.testing.assert_array_equal(nadir.damage > 0, building)


def test_walls_show_off_nadir(scene: Scene) -> None:
    labels = cast_labels(scene, OBLIQUE, OBLIQUE, CAMERA)
    at = pixel(5, 3, 3, OBLIQUE)
    assert (labels.surface[at], labels.damage[at], labels.instance[at]) == (2, 4, 7)


def test_each_phase_is_cast_at_its_own_pose(scene: Scene) -> None:
    labels = cast_labels(scene, NADIR, OBLIQUE, CAMERA)
    turned = cast_labels(scene, OBLIQUE, OBLIQUE, CAMERA)
    plain = cast_labels(scene, NADIR, NADIR, CAMERA)
    np.testing.assert_array_equal(labels.after_depth, turned.after_depth)
    np.testing.assert_array_equal(labels.damage, plain.damage)


@pytest.mark.parametrize("pose", [NADIR, OBLIQUE])
def test_pictures_of_the_simulator_agree_with_labels(scene: Scene, pose: CameraPose) -> None:
    labels = cast_labels(scene, pose, pose, CAMERA)
    drawn = render(scene, "before", pose, CAMERA, Light())
    half = drawn.depth.astype(np.float16)
    found = agreement(half, SEMANTIC_OF[drawn.material], labels.before_depth, labels.before_semantic)
    assert min(found.depth_share, found.semantic_share) > 0.999


def test_types_and_sky(scene: Scene) -> None:
    away = look_at(ENU(500, 0, 0), 200.0, 0.0, 0.0)
    labels = cast_labels(scene, away, away, CAMERA)
    assert np.isinf(labels.before_depth).all()
    assert not any(getattr(labels, name).any() for name in ("before_semantic", "land_use", "damage", "instance"))
    assert labels.instance.dtype == np.uint32
    assert labels.after_hazard.dtype == labels.damage.dtype == labels.land_use.dtype == np.uint8


def test_agreement_counts_pixels_that_are_not_sky() -> None:
    depth = np.array([[100.0, 1000.0], [np.inf, 300.0]], np.float32)
    semantic = np.array([[1, 2], [0, 5]], np.uint8)
    engine_depth = np.array([[100.2, 1000.4], [3.0, 301.0]])
    engine_semantic = np.array([[1, 2], [7, 4]], np.uint8)
    found = agreement(engine_depth, engine_semantic, depth, semantic)
    assert found.depth_share == pytest.approx(2 / 3)
    assert found.semantic_share == pytest.approx(2 / 3)


def test_agreement_with_nothing_is_none_and_nan_never_agrees() -> None:
    semantic = np.ones((1, 2), np.uint8)
    sky = np.full((1, 2), np.inf, np.float32)
    assert agreement(sky, semantic, sky, semantic).depth_share == 0.0
    found = agreement(np.array([[np.nan, 5.0]]), semantic, np.full((1, 2), 5, np.float32), semantic)
    assert found.depth_share == 0.5


def test_half_step_is_that_of_float16() -> None:
    depth = np.array([0.7, 5.0, 300.0, 1000.0, 3000.0])
    np.testing.assert_allclose(half_step_m(depth), np.spacing(depth.astype(np.float16)).astype(float))
