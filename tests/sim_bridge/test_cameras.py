"""Cameras: names, mounts, gimbals, external ones, shapes of image types, lens and film."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import FOV_DEG, HEIGHT, ROOF_M, WIDTH, Inside, RpcFailed, inside

from sim_bridge.airsim.messages import ImageType
from sim_bridge.embedded.cameras import compose, held
from sim_bridge.embedded.config import CameraConfig, CaptureConfig, VehicleConfig
from sim_bridge.embedded.lens import FILMBACKS, LENSES, Lens
from sim_bridge.embedded.render import render
from sim_bridge.frames import (
    ENU,
    NED,
    NedPose,
    Quaternion,
    euler_from_quaternion,
    look_at,
    ned_from_camera,
    quaternion_from_euler,
)

ABOVE = look_at(ENU(0, 0, 0), 60, 0, 0)
LEVEL = Quaternion(1.0, 0.0, 0.0, 0.0)
DOWN = quaternion_from_euler(0, -90, 0)


def wire(pose: NedPose) -> Mapping[str, Any]:
    q, p = pose.orientation, pose.position
    return {"position": {"x_val": p.north, "y_val": p.east, "z_val": p.down},
            "orientation": {"w_val": q.w, "x_val": q.x, "y_val": q.y, "z_val": q.z}}


def at(server: Inside, camera: str = "0", external: bool = False) -> NedPose:
    """Where a camera says it is."""
    pose = server.call("simGetCameraInfo", camera, "", external)["pose"]
    p, q = pose["position"], pose["orientation"]
    return NedPose(NED(p["x_val"], p["y_val"], p["z_val"]), Quaternion(q["w_val"], q["x_val"], q["y_val"], q["z_val"]))


def check_same(one: NedPose, other: NedPose) -> None:
    np.testing.assert_allclose(one.position.array(), other.position.array(), atol=1e-4)
    np.testing.assert_allclose(abs(float(one.orientation.array() @ other.orientation.array())), 1, atol=1e-6)


@pytest.fixture
def server(tmp_path: Path) -> Inside:
    found = inside(tmp_path)
    found.place(ABOVE)
    return found


@pytest.mark.parametrize(("width", "height"), [(80, 60), (60, 80), (50, 50)])
def test_the_angle_spans_the_wider_side(tmp_path: Path, width: int, height: int) -> None:
    server = inside(tmp_path, width=width, height=height)
    server.place(ABOVE)
    info = server.call("simGetCameraInfo", "0", "", False)
    assert info["fov"] == pytest.approx(FOV_DEG)
    one = 1 / math.tan(math.radians(FOV_DEG / 2))
    across, up = (one, one * width / height) if width >= height else (one * height / width, one)
    np.testing.assert_allclose(info["proj_mat"]["matrix"], [[0, across, 0, 0], [0, 0, -up, 0], [0, 0, 0, 10],
                                                            [-1, 0, 0, 0]], rtol=1e-6)
    # the house's ten metres at fifty from the camera
    roof = server.floats(ImageType.DEPTH_PLANAR) < 55
    longest = 10 / (60 - ROOF_M) / (2 * math.tan(math.radians(FOV_DEG / 2))) * max(width, height)
    assert np.count_nonzero(roof[:, width // 2]) == pytest.approx(longest, abs=1)


def test_each_type_has_its_own_shape(tmp_path: Path) -> None:
    own = CameraConfig(captures={int(ImageType.SEGMENTATION): CaptureConfig(width=30, fov_deg=20.0)})
    vehicle = VehicleConfig("Eye", "computervision", cameras={"0": own})
    server = inside(tmp_path, vehicles=(vehicle,),
                    camera_defaults={int(ImageType.DEPTH_PLANAR): CaptureConfig(24, 16)})
    sizes = [(r["width"], r["height"]) for r in server.responses(ImageType.SCENE, ImageType.DEPTH_PLANAR,
                                                                 ImageType.SEGMENTATION)]
    assert sizes == [(WIDTH, HEIGHT), (24, 16), (30, HEIGHT)]
    ref = server.simulator.find_camera("0")
    angles = [server.simulator.view(ref, kind).camera.hfov_deg for kind in (0, 1)]
    assert angles == pytest.approx([FOV_DEG, FOV_DEG])
    server.call("simSetCameraFov", "0", 33, "", False)
    spans = [2 * math.degrees(math.atan(max(c.width, c.height) / 2 / c.focal_px))
             for c in (server.simulator.view(ref, kind).camera for kind in range(12))]
    assert spans == pytest.approx([33] * 12)


@pytest.mark.parametrize("angle", [0.0, -5.0, 170.1, 3e38])
def test_angles_that_no_camera_has_are_refused(server: Inside, angle: float) -> None:
    with pytest.raises(RpcFailed, match="field of view"):
        server.call("simSetCameraFov", "0", angle, "", False)


def test_orthographic_pictures_show_equal_things_equally_large(tmp_path: Path) -> None:
    ortho = CaptureConfig(64, 48, None, 64.0)
    server = inside(tmp_path, camera_defaults=dict.fromkeys(range(12), ortho))
    server.place(ABOVE)
    depth = server.floats(ImageType.DEPTH_PLANAR)
    np.testing.assert_allclose(server.floats(ImageType.DEPTH_PERSPECTIVE), depth)
    roof, hut = np.isclose(depth, 60 - ROOF_M, atol=1e-3), np.isclose(depth, 60 - 4.0, atol=1e-3)
    assert (np.count_nonzero(roof), np.count_nonzero(hut)) == (100, 36)      # one pixel is one square metre
    rows, columns = np.nonzero(hut)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == (32 + 18, 24)
    info = server.call("simGetCameraInfo", "0", "", False)["proj_mat"]["matrix"]
    # forward, right, down in centimetres to clip coordinates: the picture's corner, 32 m to the right and 24 m down
    clip = np.array(info) @ [0, 3200, 2400, 1]
    np.testing.assert_allclose(clip, [1, -1, 1, 1], rtol=1e-6)
    scene = server.picture(ImageType.SCENE)
    assert scene[24, 50].mean() != pytest.approx(scene[2, 2].mean(), abs=10)


def test_parallel_rays_draw_what_a_far_camera_draws(tmp_path: Path) -> None:
    server = inside(tmp_path)
    scene = server.simulator.state.loaded
    assert scene is not None
    shape = server.simulator.view(server.simulator.find_camera("0")).camera
    light = server.simulator.state.light
    near = render(scene.scene, "before", look_at(ENU(0, 0, 0), 60, 30, 200), shape, light, ortho_m=40.0)
    distance = 40.0 / WIDTH * shape.focal_px * 100
    far_camera = type(shape)(WIDTH, HEIGHT, shape.focal_px * 100)
    far = render(scene.scene, "before", look_at(ENU(0, 0, 0), distance, 30, 200), far_camera, light)
    assert np.mean(near.material != far.material) < 0.01
    assert np.abs(near.rgb.astype(int) - far.rgb).mean() < 4


def test_the_five_cameras_move_from_their_mounts(server: Inside) -> None:
    server.simulator.place_vehicle("", NedPose(NED(1, 2, -50), quaternion_from_euler(0, 0, 90)))
    check_same(at(server, "front_left"), NedPose(NED(1 + 0.125, 2, -50), quaternion_from_euler(0, 0, 90)))
    server.call("simSetCameraPose", "3", wire(NedPose(NED(1, 0, 0), LEVEL)), "", False)
    # one metre forward of a camera that looks down is one metre down
    check_same(at(server, "3"), NedPose(NED(1, 2, -49), compose(NedPose(NED(0, 0, 0), quaternion_from_euler(0, 0, 90)),
                                                                NedPose(NED(0, 0, 0), DOWN)).orientation))
    server.call("simSetCameraPose", "3", wire(NedPose(NED(0, 0, 0), LEVEL)), "", False)
    assert at(server, "3").position.down == pytest.approx(-50)


def test_a_camera_of_the_settings_is_placed_anew(tmp_path: Path) -> None:
    nose = CameraConfig(NedPose(NED(2.0, 0.0, 0.0), DOWN))
    server = inside(tmp_path, vehicles=(VehicleConfig("Eye", "computervision", cameras={"nose": nose}),))
    check_same(at(server, "nose"), NedPose(NED(2, 0, 0), DOWN))
    server.call("simSetCameraPose", "nose", wire(NedPose(NED(0, 3, 0), LEVEL)), "", False)
    check_same(at(server, "nose"), NedPose(NED(0, 3, 0), LEVEL))


def test_a_gimbal_keeps_its_attitude_however_the_vehicle_tilts(tmp_path: Path) -> None:
    steady = CameraConfig(gimbal=(0.0, -30.0, math.nan))
    server = inside(tmp_path, vehicles=(VehicleConfig("Eye", "computervision", cameras={"0": steady}),))
    server.simulator.place_vehicle("", NedPose(NED(0, 0, -30), quaternion_from_euler(25, -10, 70)))
    roll, pitch, yaw = euler_from_quaternion(at(server).orientation)
    assert (roll, pitch, yaw) == pytest.approx((0, -30, 70), abs=1e-3)
    server.call("simSetCameraPose", "0", wire(NedPose(NED(0, 0, 0), quaternion_from_euler(5, -60, 10))), "", False)
    assert euler_from_quaternion(at(server).orientation) == pytest.approx((5, -60, 10), abs=1e-3)


ANGLES = st.tuples(st.floats(-179, 179), st.floats(-80, 80), st.floats(-179, 179))


@given(ANGLES, ANGLES)
def test_what_a_gimbal_holds_is_held_and_the_rest_is_left(own: tuple[float, float, float],
                                                          kept: tuple[float, float, float]) -> None:
    pose = NedPose(NED(1, 2, 3), quaternion_from_euler(*own))
    for mask in ((True, False, True), (False, False, False), (True, True, True)):
        gimbal = tuple(angle if hold else math.nan for angle, hold in zip(kept, mask, strict=True))
        found = held(pose, (gimbal[0], gimbal[1], gimbal[2]))
        wanted = [k if hold else o for o, k, hold in zip(own, kept, mask, strict=True)]
        assert found.position == pose.position
        assert abs(found.orientation.array() @ quaternion_from_euler(*wanted).array()) == pytest.approx(1, abs=1e-9)


def test_external_cameras_stand_in_the_world_and_stay(tmp_path: Path) -> None:
    mast = CameraConfig(ned_from_camera(ABOVE))
    start = VehicleConfig("Eye", "computervision", NedPose(NED(100.0, 50.0, 0.0), LEVEL))
    server = inside(tmp_path, external_cameras={"mast": mast}, vehicles=(start,))
    check_same(at(server, "mast", external=True), mast.mount)
    assert server.picture(ImageType.DEPTH_VIS, "mast", external=True)[HEIGHT // 2, WIDTH // 2, 0] == 128
    reply, = server.responses(ImageType.SCENE, camera="mast", external=True)
    assert reply["camera_position"]["z_val"] == pytest.approx(-60, abs=1e-3)
    moved = NedPose(NED(0, 0, -80), DOWN)
    server.call("simSetCameraPose", "mast", wire(moved), "", True)
    check_same(at(server, "mast", external=True), moved)
    with pytest.raises(RpcFailed, match="map::at"):
        server.call("simGetCameraInfo", "mast", "", False)
    with pytest.raises(RpcFailed, match="map::at"):
        server.call("simGetCameraInfo", "0", "", True)


def test_cars_have_a_driver_and_no_camera_below(tmp_path: Path) -> None:
    server = inside(tmp_path, mode="Car")
    assert server.simulator.find_camera("3") == server.simulator.find_camera("fpv")
    with pytest.raises(RpcFailed, match="map::at"):
        server.call("simGetCameraInfo", "bottom_center", "", False)


# lens and film

def test_presets_are_said_as_airsim_says_them(server: Inside) -> None:
    lenses = server.call("simGetPresetLensSettings", "0", "", False)
    assert len(lenses) == 9
    assert lenses[0] == ("Name: 12mm Prime f/2.8;\n\t MinFocalLength: 12; \t MaxFocalLength: 12"
                         "\n\t Min FStop: 2.8; \t Max Fstop: 22")
    films = server.call("simGetPresetFilmbackSettings", "0", "", False)
    assert len(films) == 13
    assert films[1] == ("Name: 16:9 Digital Film;\n\t Sensor Width: 23.76; \t Sensor Height: 13.365"
                        "\n\t Sensor Aspect Ratio: 1.77778")
    assert server.call("simGetFilmbackSettings", "0", "", False) == films[1]
    assert server.call("simGetLensSettings", "0", "", False).startswith("Name: Universal Zoom;\n\t MinFocalLength: 4; ")


def test_focal_length_and_angle_follow_from_each_other(server: Inside) -> None:
    server.call("simSetCameraFov", "0", 90, "", False)
    assert server.call("simGetFocalLength", "0", "", False) == pytest.approx(23.76 / 2)
    server.call("simSetFocalLength", 11.9, "0", "", False)
    # what AirSim's cameras say at the start (microsoft/AirSim issue 4557)
    assert server.call("simGetCurrentFieldOfView", "0", "", False).startswith(
        "Current Field Of View:\n\tHorizontal Field Of View: 89.9036;\n\t Vertical Field Of View: ")
    assert server.call("simGetCameraInfo", "0", "", False)["fov"] == pytest.approx(89.9036, abs=1e-4)
    focal_px = server.simulator.view(server.simulator.find_camera("0")).camera.focal_px
    assert focal_px == pytest.approx(WIDTH / 2)             # images keep the 90 degrees


def test_a_prime_lens_has_one_focal_length(server: Inside) -> None:
    server.call("simSetPresetLensSettings", "50mm Prime f/1.8", "0", "", False)
    assert server.call("simGetFocalLength", "0", "", False) == 50
    server.call("simSetFocalLength", 20, "0", "", False)
    assert server.call("simGetFocalLength", "0", "", False) == 50
    server.call("simSetFocusAperture", 1.0, "0", "", False)
    assert server.call("simGetFocusAperture", "0", "", False) == pytest.approx(1.8)
    server.call("simSetPresetLensSettings", "no such lens", "0", "", False)
    assert server.call("simGetLensSettings", "0", "", False).startswith("Name: 50mm Prime f/1.8;")


def test_film_of_any_size_and_its_aspect(server: Inside) -> None:
    assert server.call("simSetFilmbackSettings", 36.0, 24.0, "0", "", False) == pytest.approx(1.5)
    assert server.call("simGetFilmbackSettings", "0", "", False).startswith("Name: Full Frame DSLR;")
    assert server.call("simSetFilmbackSettings", 30.0, 10.0, "0", "", False) == pytest.approx(3)
    assert server.call("simGetFilmbackSettings", "0", "", False).startswith("Name: ;\n\t Sensor Width: 30;")
    server.call("simSetPresetFilmbackSettings", "IMAX 70mm", "0", "", False)
    assert "Sensor Width: 70.41" in server.call("simGetFilmbackSettings", "0", "", False)
    for width, height in ((0, 1), (-3, 1), (1, 1e30)):
        with pytest.raises(RpcFailed, match="sensor side"):
            server.call("simSetFilmbackSettings", width, height, "0", "", False)


def test_focus_is_kept_for_each_camera(server: Inside) -> None:
    assert server.call("simGetFocusDistance", "0", "", False) == 100_000
    server.call("simSetFocusDistance", 150.0, "0", "", False)
    server.call("simEnableManualFocus", True, "0", "", False)
    server.call("simEnableFocusPlane", True, "0", "", False)
    assert server.call("simGetFocusDistance", "0", "", False) == 150
    assert server.call("simGetFocusDistance", "1", "", False) == 100_000
    server.call("simSetFocusDistance", -7.0, "0", "", False)
    assert server.call("simGetFocusDistance", "0", "", False) == pytest.approx(1.5)     # the lens' nearest


@given(st.sampled_from(sorted(LENSES)), st.sampled_from(sorted(FILMBACKS)), st.floats(0.1, 169.9))
def test_an_angle_gives_the_focal_length_that_gives_the_angle(lens: str, film: str, angle: float) -> None:
    found = Lens(10.0, LENSES[lens], FILMBACKS[film]).seeing(angle)
    assert found.fov_deg == pytest.approx(angle)
    assert Lens.within(found).within() == found.within()
