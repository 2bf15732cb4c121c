"""Every image type in every form, of a small world whose pictures follow from trigonometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inside import HEIGHT, ROOF_M, WIDTH, Inside, RpcFailed, decoded, inside
from small_world import small_package

from sim_bridge.airsim.calls.images import MAX_IMAGES, MAX_PIXELS, check_pixels
from sim_bridge.airsim.calls.registry import Context
from sim_bridge.airsim.dialects import DIALECTS
from sim_bridge.airsim.images import INACTIVE, NO_LAYER, PARTS, SKY_M
from sim_bridge.airsim.messages import ImageType
from sim_bridge.airsim.palette import static_palette
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.cameras import View
from sim_bridge.embedded.capture import Frame, Part, Wanted
from sim_bridge.embedded.config import AnnotationLayer
from sim_bridge.embedded.lens_distortion import distorted
from sim_bridge.embedded.motion import flow_colours, optical_flow
from sim_bridge.embedded.render import measure, render
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.state import State
from sim_bridge.frames import ENU, CameraPose, camera_from_ned, intrinsics, look_at, ned_from_camera, project
from sim_bridge.spec import Light

ABOVE = look_at(ENU(0, 0, 0), 60, 0, 0)
ASLANT = look_at(ENU(0, 0, 4), 50, 40, 200, heading_deg=30)
LAYER = AnnotationLayer("marks", 0, set_direct=True)
KINDS = {"airsim": range(10), "colosseum": range(10), "cosys": range(12)}
ROOF = (HEIGHT // 2, WIDTH // 2)


@pytest.fixture(params=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    found = inside(tmp_path, request.param, annotation=(LAYER,))
    found.place(ASLANT)
    return found


@pytest.fixture
def airsim(tmp_path: Path) -> Inside:
    found = inside(tmp_path)
    found.place(ABOVE)
    return found


def test_every_type_comes_in_every_form(server: Inside) -> None:
    kinds = KINDS[server.dialect]
    for floats, compress in ((False, False), (False, True), (True, False), (True, True)):
        replies = server.responses(*kinds, floats=floats, compress=compress, layer="marks")
        for kind, reply in zip(kinds, replies, strict=True):
            size = len(reply["image_data_float" if floats else "image_data_uint8"])
            assert (reply["width"], reply["height"], reply["message"]) == (WIDTH, HEIGHT, ""), kind
            assert size == WIDTH * HEIGHT * (1 if floats else 3) or (compress and not floats and size > 0)
            assert not reply["image_data_uint8" if floats else "image_data_float"]


def test_png_holds_the_raw_pixels_and_is_opaque(server: Inside) -> None:
    for kind in KINDS[server.dialect]:
        reply, = server.responses(kind, compress=True, layer="marks")
        rgba = decoded(reply["image_data_uint8"])
        assert (rgba[..., 3] == 255).all()
        np.testing.assert_array_equal(rgba[..., :3], server.picture(kind, layer="marks"), str(kind))


@pytest.mark.parametrize("kind", [-1, 10, 11, 12, 99, 2**31])
def test_an_unknown_type_is_a_reply_without_an_image(airsim: Inside, kind: int) -> None:
    scene, unknown = airsim.responses(ImageType.SCENE, kind)
    assert scene["width"] == WIDTH
    assert (unknown["width"], unknown["height"], unknown["image_data_uint8"]) == (0, 0, b"")
    assert unknown["message"] == INACTIVE
    assert airsim.call("simGetImage", "0", kind, "", False) == b""


def test_an_unknown_layer_is_named_in_cosys_words(tmp_path: Path) -> None:
    reply, = inside(tmp_path, "cosys").responses(ImageType.ANNOTATION, layer="none")
    assert (reply["width"], reply["message"]) == (0, NO_LAYER)


def test_without_a_world_every_reply_says_so(airsim: Inside) -> None:
    airsim.simulator.update(loaded=None)
    for reply in airsim.responses(ImageType.SCENE, 99):
        assert reply["width"] == 0
        assert reply["message"]


def test_unknown_cameras_and_vehicles_are_errors_in_airsims_words(airsim: Inside) -> None:
    with pytest.raises(RpcFailed, match="map::at"):
        airsim.responses(ImageType.SCENE, camera="nose")
    with pytest.raises(RpcFailed, match="Vehicle Sim-API for 'Bob' is not available"):
        airsim.call("simGetImage", "0", 0, "Bob", False)


def test_one_call_holds_no_more_than_its_bound(tmp_path: Path) -> None:
    side = 2048
    server = inside(tmp_path, width=side, height=side)
    with pytest.raises(RpcFailed, match=f"at most {MAX_PIXELS}"):
        server.responses(*[ImageType.DEPTH_PLANAR] * (MAX_PIXELS // side**2 + 1))
    huge = inside(tmp_path, width=4 * side, height=4 * side).simulator
    check_pixels(Context(huge, DIALECTS["airsim"], "{}"), [Wanted(huge.find_camera("0"), ImageType.SCENE)])
    with pytest.raises(RpcFailed, match=f"at most {MAX_IMAGES}"):
        inside(tmp_path).responses(*[ImageType.DEPTH_PLANAR] * (MAX_IMAGES + 1))


def test_depths_follow_from_the_distance(airsim: Inside) -> None:
    planar, perspective = airsim.floats(ImageType.DEPTH_PLANAR), airsim.floats(ImageType.DEPTH_PERSPECTIVE)
    assert planar[ROOF] == pytest.approx(60 - ROOF_M, abs=1e-3)
    assert planar[0, 0] == pytest.approx(60, abs=1e-3)
    focal_px = airsim.simulator.view(airsim.simulator.find_camera("0")).camera.focal_px
    corner = np.hypot(np.hypot(WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5) / focal_px, 1)
    assert perspective[0, 0] == pytest.approx(60 * corner, rel=1e-5)
    assert airsim.floats(ImageType.DEPTH_VIS)[ROOF] == pytest.approx(0.5, abs=1e-4)
    assert airsim.picture(ImageType.DEPTH_VIS)[ROOF] == pytest.approx(128, abs=1)
    assert airsim.floats(ImageType.DISPARITY_NORMALIZED)[ROOF] == pytest.approx(focal_px * 0.25 / WIDTH / 50, rel=1e-4)


def test_the_sky_is_as_far_as_half_precision_reaches(airsim: Inside) -> None:
    airsim.place(look_at(ENU(0, 60, 5), 10, 89, 180))        # northwards from the world's border
    assert airsim.floats(ImageType.DEPTH_PLANAR)[0, 0] == SKY_M
    assert (airsim.picture(ImageType.SURFACE_NORMALS)[0, 0] == 128).all()
    assert (airsim.picture(ImageType.SEGMENTATION)[0, 0] == 0).all()


def test_normals_are_unreals_north_east_up(airsim: Inside) -> None:
    assert tuple(airsim.picture(ImageType.SURFACE_NORMALS)[ROOF]) == (128, 128, 255)
    # a camera south of the house that looks north sees the wall that faces south
    airsim.place(look_at(ENU(0, 0, 5), 20, 90, 180))
    assert tuple(airsim.picture(ImageType.SURFACE_NORMALS)[ROOF]) == (0, 128, 128)
    # one east of it, the wall that faces east
    airsim.place(look_at(ENU(5, 0, 5), 8, 90, 90))
    assert tuple(airsim.picture(ImageType.SURFACE_NORMALS)[ROOF]) == (128, 255, 128)


def test_infrared_is_the_id_as_grey_and_segmentation_its_colour(airsim: Inside) -> None:
    assert airsim.call("simSetSegmentationObjectID", "MAGE_building_7", 42, True)
    assert tuple(airsim.picture(ImageType.INFRARED)[ROOF]) == (42, 42, 42)
    assert tuple(airsim.picture(ImageType.SEGMENTATION)[ROOF]) == tuple(static_palette()[42]) == (92, 31, 106)
    assert tuple(airsim.picture(ImageType.INFRARED)[0, 0]) == (CLASS_ID["grass"],) * 3


def test_flow_is_zero_at_first_and_then_since_the_last_flow(airsim: Inside) -> None:
    assert not airsim.floats(ImageType.OPTICAL_FLOW).any()
    airsim.place(look_at(ENU(-3, 0, 0), 60, 0, 0))          # 3 m to the west: what is seen goes to the right
    airsim.floats(ImageType.DEPTH_PLANAR)                    # other images leave it as it is
    focal_px = airsim.simulator.view(airsim.simulator.find_camera("0")).camera.focal_px
    expected = 3 * focal_px / 60 / WIDTH
    raw, = airsim.responses(ImageType.OPTICAL_FLOW)
    bgr = np.frombuffer(raw["image_data_uint8"], np.uint8).reshape(HEIGHT, WIDTH, 3)
    assert bgr[0, 0, 2] == round(expected * 255)
    assert not bgr[..., :2].any()
    assert not airsim.floats(ImageType.OPTICAL_FLOW).any()   # nothing moved since


def test_flow_upwards_is_positive(airsim: Inside) -> None:
    airsim.responses(ImageType.OPTICAL_FLOW_VIS)
    airsim.place(look_at(ENU(0, -4, 0), 60, 0, 0))          # to the south: the world goes up in a picture whose top is
    green = airsim.picture(ImageType.OPTICAL_FLOW)[..., 1]   # north
    focal_px = airsim.simulator.view(airsim.simulator.find_camera("0")).camera.focal_px
    assert green[0, 0] == round(4 * focal_px / 60 / HEIGHT * 255)


@given(st.integers(0, 2**32 - 1))
def test_flow_is_where_points_project_to_before_and_after(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, now = (look_at(ENU(*random.uniform(-5, 5, 3)), random.uniform(30, 60), random.uniform(0, 50),
                           random.uniform(0, 360), random.uniform(0, 360)) for _ in range(2))
    frame = _frame(now, before)
    flow, depth = optical_flow(frame), np.minimum(frame.depth, 1e6)     # of the sky, the direction counts
    row, column = int(random.integers(0, HEIGHT)), int(random.integers(0, WIDTH))
    camera = frame.camera
    ray = np.array([(column + 0.5 - camera.width / 2) / camera.focal_px,
                    (row + 0.5 - camera.height / 2) / camera.focal_px, 1.0])
    point = now.position.array() + now.rotation @ (ray * depth[row, column])
    (then,), (ahead,) = project(point[None], before, camera)
    expected = (np.array([column + 0.5, row + 0.5]) - then) / (camera.width, -camera.height) if ahead > 0 else (0, 0)
    np.testing.assert_allclose(flow[row, column], expected, atol=2e-4 * (1 + np.abs(expected).max()) ** 2)


def _frame(now: CameraPose, before: CameraPose) -> Frame:
    camera = intrinsics(WIDTH, HEIGHT, 60)
    seen = measure(_FLAT, "before", now, camera)
    return Frame(View(camera), ned_from_camera(now), now, 0, State({}), seen.depth, before=before)


_FLAT = Scene(small_package())


def test_flow_colours_are_those_of_the_material() -> None:
    flow = np.array([[[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [2.0, 0.0]]], np.float32)
    still, right, left, far = (tuple(int(v) for v in colour) for colour in flow_colours(flow)[0])
    assert still == (0, 0, 0)
    assert far == (0, 255, 255)             # angle 180 degrees, full brightness
    assert right[0] == 0 and right[1] == right[2] == 255
    assert left[1] == left[2] == 0 and left[0] == 255


def test_lighting_shows_shadow_but_no_material(tmp_path: Path) -> None:
    server = inside(tmp_path, "cosys")
    server.place(look_at(ENU(0, 0, 0), 60, 0, 0))
    grey = server.picture(ImageType.LIGHTING).astype(float)
    scene = server.picture(ImageType.SCENE).astype(float)
    assert np.ptp(grey[:4, :4].mean(axis=2)) < 2 < np.ptp(scene[:4, :4].mean(axis=2))
    assert grey.mean(axis=2).min() < 0.7 * grey[0, 0].mean()


def test_images_of_one_shape_are_cast_once(airsim: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    cast: list[str] = []
    for name, cast_rays in (("render", render), ("measure", measure)):
        def counted(*args: Any, name: str = name, cast_rays: Callable[..., Any] = cast_rays, **options: Any) -> Any:
            cast.append(name)
            return cast_rays(*args, **options)
        monkeypatch.setattr(f"sim_bridge.embedded.capture.{name}", counted)
    airsim.responses(*range(10))
    assert cast == ["render"]
    airsim.responses(1, 2, 3, 5, 6, 7)
    assert cast == ["render", "measure"]


def test_distortion_bends_the_scene_alone_and_is_nothing_at_zero(airsim: Inside) -> None:
    plain, labels = airsim.picture(ImageType.SCENE), airsim.picture(ImageType.SEGMENTATION)
    airsim.call("simSetDistortionParam", "0", "K1", 0.4, "", False)
    airsim.call("simSetDistortionParam", "0", "P2", -0.05, "", False)
    assert airsim.call("simGetDistortionParams", "0", "", False) == pytest.approx([0.4, 0, 0, 0, -0.05])
    assert (airsim.picture(ImageType.SCENE) != plain).any()
    np.testing.assert_array_equal(airsim.picture(ImageType.SEGMENTATION), labels)
    for name in ("K1", "P2"):
        airsim.call("simSetDistortionParam", "0", name, 0, "", False)
    np.testing.assert_array_equal(airsim.picture(ImageType.SCENE), plain)
    airsim.call("simSetDistortionParam", "0", "K9", 1.0, "", False)
    assert airsim.call("simGetDistortionParams", "0", "", False) == [0.0] * 5
    with pytest.raises(RpcFailed, match="distortion parameter"):
        airsim.call("simSetDistortionParam", "0", "K1", 1e30, "", False)


def test_a_point_is_bent_to_where_browns_model_says() -> None:
    camera = intrinsics(201, 151, 70)
    picture = np.zeros((151, 201, 3), np.uint8)
    picture[40:43, 150:153] = 255
    x, y = (151 - 100) / camera.focal_px, (41 - 75) / camera.focal_px
    k1, k2, k3, p1, p2 = 0.2, -0.05, 0.01, 0.01, -0.02
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    bent = (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)
    rows, columns = np.nonzero(distorted(picture, camera, (k1, k2, k3, p1, p2))[..., 0] > 128)
    assert columns.mean() == pytest.approx(100 + bent[0] * camera.focal_px, abs=1)
    assert rows.mean() == pytest.approx(75 + bent[1] * camera.focal_px, abs=1)


def test_normals_cost_no_other_picture(airsim: Inside) -> None:
    ref = airsim.simulator.find_camera("0")
    parts: frozenset[Part] = PARTS[ImageType.SURFACE_NORMALS]
    with_them, = airsim.simulator.capture([Wanted(ref, ImageType.SURFACE_NORMALS, parts)])
    without, = airsim.simulator.capture([Wanted(ref, ImageType.SURFACE_NORMALS)])
    np.testing.assert_array_equal(with_them.depth, without.depth)
    assert without.normal is None
    light = render(_FLAT, "before", ABOVE, intrinsics(32, 32, 60), Light(), normals=True)
    assert light.normal is not None
    np.testing.assert_allclose(light.normal, np.broadcast_to((0, 0, 1), (32, 32, 3)), atol=1e-6)
    assert camera_from_ned(airsim.simulator.camera_pose(ref)).same_as(ABOVE)
