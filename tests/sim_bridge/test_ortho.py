"""Orthomosaics of a flat world with a block on it: where things are follows from the world, not from the pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from small_world import box, small_package

from sim_bridge.capture import Shot
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError
from sim_bridge.flight import plan_survey
from sim_bridge.frames import intrinsics
from sim_bridge.ortho import Mosaic, orthomosaic
from sim_bridge.spec import Light, View

CAMERA = intrinsics(80, 60, 60.0)
ROOF_M, SIZE_M, CELL_M = 12.0, 60.0, 0.5
SCENE = Scene(small_package(before=[box((-6, -4, 0), (6, 8, ROOF_M), "roof_metal", "wall_plaster", 7)]))


def shots_of(view: View) -> list[Shot]:
    poses = plan_survey(SIZE_M, view, CAMERA.width, CAMERA.height, 0.6, SCENE.package.world.height_at)
    drawn = [(pose, render(SCENE, "before", pose, CAMERA, Light(), samples=1)) for pose in poses]
    return [Shot(seen.rgb, seen.depth, np.zeros(seen.depth.shape, np.uint8), pose, 0.0) for pose, seen in drawn]


def distance_inside() -> npt.NDArray[np.float64]:
    """How far each cell's centre lies inside the roof's outline, metres, from the world's coordinates."""
    centre = (np.arange(round(SIZE_M / CELL_M)) + 0.5) * CELL_M - SIZE_M / 2
    x, y = np.meshgrid(centre, -centre)
    return 6.0 - np.maximum(abs(x), abs(y - 2.0))


ROOF, GROUND = distance_inside() > CELL_M, distance_inside() < -CELL_M
"""Cells of the mosaic on the roof, and beside the house: its walls stand between."""


@pytest.fixture(scope="module")
def mosaic() -> Mosaic:
    return orthomosaic(shots_of(View(gsd_m=0.4, hfov_deg=60.0, off_nadir_deg=0.0)), CAMERA, SIZE_M, CELL_M)


def test_roofs_stand_where_they_are_and_not_where_pictures_show_them(mosaic: Mosaic) -> None:
    np.testing.assert_allclose(mosaic.height[ROOF], ROOF_M, atol=0.1)
    seen = GROUND & np.isfinite(mosaic.height)
    np.testing.assert_allclose(mosaic.height[seen], 0.0, atol=0.1)
    assert seen.sum() > 0.95 * GROUND.sum()


def test_the_roofs_colour_is_in_the_roofs_cells(mosaic: Mosaic) -> None:
    grey = mosaic.rgb.mean(axis=-1)
    assert grey[ROOF].mean() > grey[GROUND].mean() + 15
    assert grey[ROOF].std() < 15


def test_it_is_the_same_from_a_slant_as_from_above(mosaic: Mosaic) -> None:
    slanted = orthomosaic(shots_of(View(gsd_m=0.4, hfov_deg=60.0, off_nadir_deg=20.0)), CAMERA, SIZE_M, CELL_M)
    both = np.isfinite(slanted.height) & np.isfinite(mosaic.height)
    assert both.mean() > 0.8
    assert (np.abs(slanted.height - mosaic.height)[both] < 0.3).mean() > 0.97


def test_what_no_picture_shows_is_empty(mosaic: Mosaic) -> None:
    one = orthomosaic(shots_of(View(gsd_m=0.4, hfov_deg=60.0, off_nadir_deg=0.0))[:1], CAMERA, SIZE_M, CELL_M)
    assert mosaic.seen_share > 0.97
    assert 0.1 < one.seen_share < 0.5
    assert not one.rgb[np.isnan(one.height)].any()


def test_no_frame_makes_an_empty_mosaic() -> None:
    empty = orthomosaic([], CAMERA, 10.0, 1.0)
    assert empty.rgb.shape == (10, 10, 3)
    assert empty.seen_share == 0.0


@pytest.mark.parametrize("cell_m", [0.0, -1.0, 1e-6])
def test_cells_that_make_no_picture_are_refused(cell_m: float) -> None:
    with pytest.raises(InputError, match="cells"):
        orthomosaic([], CAMERA, 60.0, cell_m)
