from __future__ import annotations

import cv2
import numpy as np
import pytest
from domain_pictures import picture
from hypothesis import given
from hypothesis import strategies as st

from domain import colour, measure, sensor
from domain.colour import SLOPE
from domain.sensor import SensorProfile
from sim_bridge.errors import InputError


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_sharpness_finds_the_blur_that_was_applied(sigma: float) -> None:
    blocks = np.full((200, 200), 40, np.float32)
    blocks[50:150, 60:160] = 190
    found = measure.sharpness(measure.edge_sigmas(cv2.GaussianBlur(blocks, (0, 0), sigma)))
    assert found == pytest.approx(sigma, abs=0.15)


def test_noise_finds_the_noise_that_was_added() -> None:
    plane = (100 + np.random.default_rng(0).normal(0, 3, (256, 256))).astype(np.float32)
    assert measure.noise_sigma(measure.noise_levels(plane)) == pytest.approx(3, rel=0.15)


def test_blockiness_is_one_without_a_codec_and_more_with_jpeg() -> None:
    image = picture(0)[0]
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    assert measure.blockiness(measure.luminance(jpeg)) > measure.blockiness(measure.luminance(image)) + 0.05


def test_profile_survives_json_and_refuses_what_is_none() -> None:
    profile = sensor.fit_profile([picture(0)[0]], "small")
    assert SensorProfile.from_json(profile.to_json()) == profile
    with pytest.raises(InputError, match="fit the profile again"):
        SensorProfile.from_json("{}")
    with pytest.raises(InputError, match="not all black"):
        sensor.fit_profile([np.zeros((32, 32, 3), np.uint8)], "empty")


@given(st.lists(st.floats(0, 255), min_size=5, max_size=65), st.lists(st.floats(0, 255), min_size=5, max_size=65))
def test_curves_are_strictly_increasing_within_their_slopes(source: list[float], target: list[float]) -> None:
    number = min(len(source), len(target))
    curve = colour.quantile_curve(np.sort(source[:number]), np.sort(target[:number]), np.ones(256))
    assert np.diff(curve).min() >= SLOPE[0] - 1e-9
    assert np.diff(curve).max() <= SLOPE[1] + 1e-9


def test_transport_matrix_takes_one_covariance_to_the_other() -> None:
    source = np.diag([400.0, 300.0, 200.0])
    target = np.array([[350.0, 60, 30], [60, 330, 50], [30, 50, 240]])
    moved = colour.transport_matrix(source, target)
    assert moved @ (source + np.eye(3)) @ moved == pytest.approx(target + np.eye(3))


def test_colour_at_strength_zero_is_the_input() -> None:
    image = picture(1)[0]
    real = picture(2, cast=(1.2, 0.9, 0.7))[0]
    target = sensor.fit_profile([real], "target")
    fitted = colour.fit_colour(image.reshape(-1, 3), np.ones(image.shape[0] * image.shape[1]), target, np.zeros(3))
    assert (colour.apply(fitted, image, 0.0) == image).all()
    assert (colour.apply(fitted, image, 1.0) != image).any()


def test_greys_take_the_tint_of_the_targets_greys_and_not_that_of_its_forests() -> None:
    image = picture(1)[0].reshape(-1, 3)
    rng = np.random.default_rng(0)
    roads, forest = rng.normal((112, 110, 100), 2, (3000, 3)), rng.normal((30, 90, 30), 5, (9000, 3))
    real = np.concatenate([roads, forest]).clip(0, 255).astype(np.uint8)
    tint = colour.grey_tint(real)
    assert tint == pytest.approx(np.array([112, 110, 100]) - np.array([112, 110, 100]) @ measure.LUMA, abs=1)
    target = sensor.fit_profile([real.reshape(100, 120, 3)], "forest")
    fitted = colour.fit_colour(image, np.ones(len(image)), target, tint)
    grey = np.repeat(np.arange(60, 200, 20, dtype=np.uint8), 3).reshape(1, -1, 3)
    moved = colour.apply(fitted, grey)[0]
    cast = moved - (moved @ measure.LUMA)[:, None] - tint
    assert np.abs(cast).max() < 4 * colour.TINT


def test_class_shares_see_through_a_surplus_of_one_class() -> None:
    rng = np.random.default_rng(0)
    grass, tree = rng.normal((100, 120, 80), 4, (5000, 3)), rng.normal((40, 60, 35), 4, (5000, 3))
    pixels = np.concatenate([grass[:2000], tree]).astype(np.float32)          # rendered: mostly trees
    classes = np.repeat(np.array([5, 6], np.uint8), [2000, 5000])
    real = np.concatenate([grass, tree[:2500]]).astype(np.float32)            # real: mostly grass
    weights = colour.class_shares(pixels, classes, real)
    assert weights[5] > 1.4 > 1 > weights[6]


def test_noise_is_the_same_in_every_tile() -> None:
    whole = sensor.noise_field(300, 420, (1, 2, 0))
    part = sensor.noise_field(90, 200, (1, 2, 0), origin=(200, 150))
    assert (part == whole[200:290, 150:350]).all()
    assert not (sensor.noise_field(300, 420, (1, 2, 1)) == whole).any()


def test_grain_raises_a_spectrum_to_the_wanted_one() -> None:
    flat = np.full((256, 256, 3), 128, np.float32)
    given = sensor.Effect(0.0, (2.0, 6.0, 0.0), (1.0, 1.2, 0.8))
    wanted, present = (
        measure.power_spectrum(measure.luminance(sensor.expose(flat, effect, (0, 0, 0))))
        for effect in (given, sensor.Effect(0.0, (0.4, 0.0, 0.0), (1.0, 1.0, 1.0)))
    )
    found = sensor.fit_grain(wanted, present, 256)
    assert found[0] == pytest.approx(2, rel=0.25)
    assert found[1] == pytest.approx(6, rel=0.25)
    assert sensor.fit_grain(present, wanted, 256) == (0, 0, 0)
