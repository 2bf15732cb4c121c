"""The server as a second process: its images and cameras."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from serving import HEIGHT, NADIR, PALETTE, ROOF_M, SPEC, WIDTH, ids, markers

from sim_bridge.airsim.client import Client
from sim_bridge.airsim.messages import DEPTH, SCENE, SEGMENTATION, ImageRequest, ImageType
from sim_bridge.classes import CLASS_ID
from sim_bridge.errors import SimulatorError
from sim_bridge.frames import ENU, CameraPose, look_at


def test_one_call_gives_aligned_images(client: Client) -> None:
    client.set_pose(NADIR)
    scene, depth, segmentation = client.images("0", [SCENE, DEPTH, SEGMENTATION])
    assert scene.pixels.shape == (HEIGHT, WIDTH, 3)
    assert all(image.pose.same_as(NADIR) for image in (scene, depth, segmentation))
    classes = PALETTE.ids(segmentation.pixels)
    assert set(np.unique(classes)) == {CLASS_ID["building"], CLASS_ID["paved"]}
    np.testing.assert_allclose(depth.pixels[classes == CLASS_ID["paved"]], 100.0, atol=1e-3)
    np.testing.assert_allclose(depth.pixels[HEIGHT // 2, WIDTH // 2], 100.0 - ROOF_M, atol=1e-3)
    focal_px = WIDTH / (2 * math.tan(math.radians(15)))
    side_px = 10.0 * focal_px / (100.0 - ROOF_M)
    assert np.count_nonzero(classes[HEIGHT // 2] == CLASS_ID["building"]) == pytest.approx(side_px, abs=1)


def test_geometry_is_the_same_without_colour(client: Client) -> None:
    client.set_pose(look_at(ENU(3, 2, 0), 90, 20, 45))
    _, depth, segmentation = client.images("0", [SCENE, DEPTH, SEGMENTATION])
    alone, ids_alone = client.images("0", [DEPTH, SEGMENTATION])
    np.testing.assert_allclose(alone.pixels, depth.pixels, atol=1e-3)
    assert np.mean(ids_alone.pixels == segmentation.pixels) > 0.99


def test_png_holds_the_same_pixels_as_raw(client: Client) -> None:
    client.set_pose(NADIR)
    for raw in (SCENE, SEGMENTATION):
        plain, packed = client.images("0", [raw, replace(raw, compress=True)])
        np.testing.assert_array_equal(plain.pixels, packed.pixels)
    png = bytes(client.call("simGetImage", "0", 0, "", False))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[25] == 6    # colour type RGBA


def test_every_form_is_answered(client: Client) -> None:
    client.set_pose(NADIR)
    planar, perspective, disparity, visible = (
        image.pixels for image in client.images("0", [ImageRequest(kind, pixels_as_float=True) for kind in (
            ImageType.DEPTH_PLANAR, ImageType.DEPTH_PERSPECTIVE, ImageType.DISPARITY_NORMALIZED,
            ImageType.DEPTH_VIS)]))
    focal_px = WIDTH / (2 * math.tan(math.radians(15)))
    corner = math.hypot(1, (WIDTH / 2 - 0.5) / focal_px, (HEIGHT / 2 - 0.5) / focal_px)
    assert perspective[0, 0] == pytest.approx(planar[0, 0] * corner, rel=1e-5)
    assert disparity[0, 0] == pytest.approx(focal_px * 0.25 / WIDTH / planar[0, 0], rel=1e-5)
    assert visible[HEIGHT // 2, WIDTH // 2] == pytest.approx(0.9, abs=1e-3)
    scene, floats = client.images("0", [SCENE, ImageRequest(ImageType.SCENE, pixels_as_float=True)])
    np.testing.assert_allclose(floats.pixels, scene.pixels[..., 0] / 255, atol=1e-6)
    for kind in (ImageType.SEGMENTATION, ImageType.INFRARED):
        assert client.images("0", [ImageRequest(kind, pixels_as_float=True)])[0].pixels.shape == (HEIGHT, WIDTH)
    with pytest.raises(SimulatorError, match="camera type is not active"):
        client.images("0", [ImageRequest(ImageType.LIGHTING)])    # Cosys alone has it


def test_sky_is_very_far(client: Client) -> None:
    client.set_pose(CameraPose(ENU(0, 0, 50), look_at(ENU(0, 0, 0), 10, 90, 0).rotation))
    depth, segmentation = client.images("0", [DEPTH, SEGMENTATION])
    assert depth.pixels[0, 0] == 65504
    assert PALETTE.ids(segmentation.pixels)[0, 0] == 0


def test_phase_band_and_light_change_the_picture(client: Client) -> None:
    client.set_pose(NADIR)
    before = ids(client)
    day = client.images("0", [SCENE])[0].pixels
    client.console("mage.phase after")
    assert markers(client) == [f"mage_state_{SPEC.world_id}_after_rgb_ready"]
    assert (before == CLASS_ID["building"]).any()
    assert not (ids(client) == CLASS_ID["building"]).any()
    client.console("mage.phase before")
    client.console("mage.band nir")
    assert markers(client) == [f"mage_state_{SPEC.world_id}_before_nir_ready"]
    assert (client.images("0", [SCENE])[0].pixels != day).any()
    client.console("mage.band rgb")
    client.console("mage.light 10 270 0.5")
    assert (client.images("0", [SCENE])[0].pixels != day).any()


def test_time_of_day_moves_the_sun(client: Client) -> None:
    client.set_pose(NADIR)
    shots = []
    for hour in (9, 12, 17):
        client.set_time_of_day(f"2021-06-20 {hour:02}:00:00")
        shots.append(client.images("0", [SCENE])[0].pixels)
    assert (shots[0] != shots[1]).any()
    assert (shots[1] != shots[2]).any()
    with pytest.raises(SimulatorError, match="expected YYYY-MM-DD"):
        client.set_time_of_day("noon")
    client.call("simSetTimeOfDay", False, "", False, 1.0, 60.0, True)


def test_cameras_stand_where_airsim_mounts_them(client: Client) -> None:
    client.call("simSetVehiclePose", {"position": {"z_val": -100}}, True, "")
    (down,) = client.images("bottom_center", [DEPTH])
    assert down.pose.same_as(look_at(ENU(0, 0, 0), 100, 0, 0))
    right, fov_deg = client.camera_info("1")
    assert right.position.east == pytest.approx(0.125)
    assert fov_deg == 90
    client.call("simSetCameraPose", "1", {"position": {"z_val": -5.0}}, "", False)
    assert client.camera_info("1")[0].position.up == pytest.approx(105)
    client.set_fov("1", 45)
    assert client.camera_info("front_right")[1] == 45
