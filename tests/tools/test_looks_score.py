"""The scorecard of looks on pictures whose differences are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from sim_bridge.errors import InputError
from tools import looks
from tools.looks_score import OCTAVES_PX, compare, joined, measured, nearest, octave_power, softened, table

U8 = npt.NDArray[np.uint8]


def noise(seed: int, beta: float = 2.0, deviation: float = 20.0, mean: float = 110.0) -> U8:
    """A crop (256, 256, 3) of grey 1/f^beta noise."""
    rng = np.random.default_rng(seed)
    fy, fx = np.meshgrid(np.fft.fftfreq(256), np.fft.rfftfreq(256), indexing="ij")
    f = np.hypot(fx, fy)
    f[0, 0] = np.inf
    plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((256, 256))) * f ** (-beta / 2), s=(256, 256))
    grey = np.clip(mean + deviation * plane / plane.std(), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


REAL = (measured([noise(i) for i in range(8)]), measured([noise(20 + i) for i in range(8)]))


def test_the_same_kind_of_picture_is_as_near_as_real_halves_are() -> None:
    card = compare(REAL, measured([noise(40 + i) for i in range(16)]))
    for name in ("A1_colour", "A2_spectrum", "A6_gradients", "colour_sliced"):
        assert card["rows"][name]["distance"] < 2.5 * card["rows"][name]["floor"] + 0.3, name
    assert max(abs(gap) for gap in card["octaves_db"].values()) < 1.5


def test_a_change_of_contrast_is_the_same_in_all_octaves() -> None:
    card = compare(REAL, measured([noise(i, deviation=40.0) for i in range(16)]))
    expected = 20 * np.log10(2)
    assert list(card["octaves_db"].values()) == pytest.approx([expected] * len(OCTAVES_PX), abs=1.2)
    assert card["rows"]["A6_gradients"]["distance"] > 1


def test_a_cast_shows_in_colour_and_not_in_the_spectrum() -> None:
    tinted = [np.clip(noise(40 + i).astype(int) + np.array([20, 0, -20]), 0, 255).astype(np.uint8) for i in range(16)]
    card = compare(REAL, measured(tinted))
    assert card["rows"]["A1_colour"]["distance"] == pytest.approx(40 / 3, abs=2.5)
    assert card["rows"]["colour_sliced"]["distance"] > 5
    assert card["rows"]["A2_spectrum"]["distance"] < 1
    assert np.diff(card["rendered"]["mean"]) == pytest.approx([-20, -20], abs=1)


def test_octaves_tell_fine_from_coarse() -> None:
    x = np.arange(256)
    for period, place in ((3, 0), (6, 1), (12, 2), (24, 3), (48, 4)):
        wave = np.tile(100 + 40 * np.sin(2 * np.pi * x / period), (256, 1)).astype(np.float32)
        assert int(octave_power(wave).argmax()) == place


def edges(blur_px: float) -> U8:
    """Squares of two greys, blurred."""
    board = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((32, 32)))
    plane = cv2.GaussianBlur((80 + 80 * board).astype(np.float32), (0, 0), blur_px)
    return np.repeat(plane.astype(np.uint8)[..., None], 3, axis=2)


def test_softened_crops_have_edges_as_wide_as_the_real_ones() -> None:
    sharp, wide = measured([edges(0.6)] * 8), measured([edges(1.3)] * 8)
    soft = softened(sharp, wide)
    assert np.nanmean(soft.measures.edges) == pytest.approx(np.nanmean(wide.measures.edges), abs=0.12)
    assert softened(wide, sharp) is wide


def test_the_nearest_crop_is_found_by_its_features() -> None:
    rendered = measured([noise(i, beta, mean=mean) for i, (beta, mean) in enumerate(
        (beta, mean) for beta in (1.0, 3.0) for mean in (60.0, 90.0, 130.0, 180.0))])
    order = np.array([5, 2, 7, 0])
    real = measured([noise(100 + i, (1.0, 3.0)[i // 4], mean=(60.0, 90.0, 130.0, 180.0)[i % 4]) for i in range(8)])
    found = nearest(real.take(order), rendered)
    for crop, place in zip(found.crops, order, strict=True):
        np.testing.assert_array_equal(crop, rendered.crops[place])


def test_too_few_crops_are_refused() -> None:
    with pytest.raises(InputError, match="found 3 crops of 256 px: expected 8 or more"):
        measured([noise(i) for i in range(3)])


def test_the_table_names_every_row() -> None:
    card = {"real": "x", "gsd_m": 0.5, "scenes": 2, "phases": {"before": compare(REAL, joined(REAL))}}
    text = table(card)
    for name in card["phases"]["before"]["rows"]:
        assert name in text


def test_looks_renders_measures_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "FRAME_PX", 300)
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    for i in range(2):
        for phase in ("pre", "post"):
            image = np.vstack([np.hstack([noise(4 * i + j), noise(9 * i + j)]) for j in range(2)])
            cv2.imwrite(str(tiles / f"{i}_{phase}.png"), image)
    config = looks.Looks(real=tiles, out=tmp_path / "out", scenes=1, gsd_m=0.4, crops=16)
    card = looks.run(config)
    assert json.loads((tmp_path / "out" / "scorecard.json").read_text()) == card
    assert cv2.imread(str(tmp_path / "out" / "side_by_side.png")).shape[1] == 8 * (256 + looks.GAP_PX)
    assert card["phases"]["after"]["rows"]["A2_spectrum"]["distance"] > 0
    assert looks.run(config) == card


def test_tiles_without_a_scale_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), noise(0))
    with pytest.raises(InputError, match="give --gsd-m"):
        looks.real_tiles(looks.Looks(real=tmp_path, out=tmp_path))
