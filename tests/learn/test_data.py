from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from painted_frames import brighter_translation, painted_store

from learn import augment
from learn.data import Frames, RealPair, Sampler, prefetched, read_pairs
from sim_bridge.classes import CLASS_ID, IGNORE
from sim_bridge.errors import InputError
from sim_bridge.store import create_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_store(tmp_path_factory.mktemp("frames") / "frames.zarr")


@pytest.fixture(scope="module")
def sampler(store: Path) -> Sampler:
    rng = np.random.default_rng(5)
    pair = RealPair(rng.integers(1, 255, (200, 240, 3), np.uint8), rng.integers(1, 255, (200, 240, 3), np.uint8), 0.5)
    return Sampler(Frames((store,), ()), (pair,), seed=1, crop_px=96, gsd_m=0.5, batch=4, target_batch=4,
                   building_share=0.75, translated_share=1.0, masked_share=0.0)


def flat(batch: object) -> list[np.ndarray]:
    return [array for part in (batch.source, batch.target) if part for array in vars(part).values()]


def test_a_batch_depends_on_seed_and_step_only(sampler: Sampler) -> None:
    once = flat(sampler.make(7, True))
    sampler.make(8, True)
    assert all(np.array_equal(a, b) for a, b in zip(once, flat(sampler.make(7, True)), strict=True))
    assert not np.array_equal(once[0], flat(sampler.make(8, True))[0])
    assert not np.array_equal(once[0], flat(replace(sampler, seed=2).make(7, True))[0])


def test_two_processes_share_the_batch_of_one(sampler: Sampler) -> None:
    whole, halves = sampler.make(3, False).source, [sampler.make(3, False, rank, 2).source for rank in (0, 1)]
    assert np.array_equal(whole.before[0::2], halves[0].before)
    assert np.array_equal(whole.damage[1::2], halves[1].damage)


def test_labels_follow_the_images(sampler: Sampler) -> None:
    for step in range(3):
        source = sampler.make(step, False).source
        house = source.semantic_before == CLASS_ID["building"]
        inner = np.stack([cv2.erode(mask.astype(np.uint8), np.ones((7, 7))) for mask in house]).astype(bool)
        known = inner & (source.damage != IGNORE)
        assert known.any()
        assert np.isin(source.damage[known], (1, 4)).all()
        for image, mask in zip(source.before, inner, strict=True):     # roofs are redder than grass in every light
            if mask.any() and not mask.all():
                red = image[..., 0].astype(int) - image[..., 1]
                assert red[mask].mean() > red[~mask].mean()


def test_crops_prefer_places_with_buildings_and_all_grades_alike(store: Path) -> None:
    frames = Frames((store,), ())
    assert frames.grades == [1, 4]
    assert frames.grade_pixels[0] > 0 and frames.grade_pixels[1:3] == (0, 0)
    rng = np.random.default_rng(0)
    places = [frames.draw_place(rng, 1.0) for _ in range(20)]
    assert {store for store, *_ in places} == {0} and {frame for _, frame, *_ in places} <= set(range(4))


def test_translated_images_are_used_where_given(store: Path, tmp_path: Path, sampler: Sampler) -> None:
    translation = brighter_translation(tmp_path / "t.zarr", store)
    translated = replace(sampler, frames=Frames((store,), (translation,)))
    raw, moved = sampler.make(2, False).source, translated.make(2, False).source
    assert raw.before.mean() + 10 < moved.before.mean()


def test_a_store_too_large_for_memory_gives_the_same_crops(store: Path, sampler: Sampler) -> None:
    lazy = replace(sampler, frames=Frames((store,), (), memory_bytes=0))
    assert all(np.array_equal(a, b) for a, b in zip(flat(sampler.make(1, True)), flat(lazy.make(1, True)), strict=True))


def test_target_crops_are_mixed_as_their_masks_say(sampler: Sampler) -> None:
    batch = sampler.make(4, True)
    target = batch.target
    assert target is not None and target.valid.any() and target.cut.any() and target.paste.any()
    assert np.array_equal(target.mixed_before[target.paste], batch.source.before[target.paste])
    assert np.array_equal(target.mixed_after[target.paste], batch.source.after[target.paste])
    assert target.before.shape == target.mixed_before.shape == (4, 96, 96, 3)


def test_pixels_without_data_do_not_count(sampler: Sampler) -> None:
    pair = sampler.target[0]
    empty = replace(pair, after=np.zeros_like(pair.after))
    target = replace(sampler, target=(empty,)).make(0, True).target
    assert target is not None and not target.valid.any()


def test_window_keeps_the_centre_of_the_image_and_the_scale() -> None:
    window = augment.draw_window(np.random.default_rng(3), (100, 400), (50, 390), 64, 1.0)
    middle = window.before @ np.array([31.5, 31.5, 1.0])
    assert np.isclose(middle[1], 49.5, atol=20) and middle[0] < 400 - 20
    assert np.isclose(abs(np.linalg.det(window.before[:, :2])), window.scale**2)
    assert np.abs(window.after - window.before).max() <= augment.MISREGISTRATION_PX


def test_tones_without_spread_change_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    tone = augment.draw_tone(np.random.default_rng(1), augment.Light(0, 0, 0, 0, 0))
    assert np.abs(augment.apply_tone(image, tone.then(tone)).astype(int) - image).max() <= 1


def test_unusable_frames_are_named(store: Path, tmp_path: Path) -> None:
    create_store(tmp_path / "empty.zarr", 2, 2, 64, 64, {})
    with pytest.raises(InputError, match="no frame is captured"):
        Frames((tmp_path / "empty.zarr",), ())
    with pytest.raises(InputError, match="frames is empty"):
        Frames((), ())
    with pytest.raises(InputError, match="translations has 2 entries"):
        Frames((store,), (store, store))
    with pytest.raises(InputError, match="expected a translation"):
        Frames((store,), (tmp_path / "missing.zarr",))


def test_pairs_of_unequal_size_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a_pre.png"), np.full((40, 40, 3), 9, np.uint8))
    cv2.imwrite(str(tmp_path / "a_post.png"), np.full((40, 50, 3), 9, np.uint8))
    with pytest.raises(InputError, match=r"a_post.png is \(40, 50\): expected \(40, 40\)"):
        read_pairs(tmp_path, 0.5)


def test_prefetched_keeps_order_and_passes_errors_on() -> None:
    assert list(prefetched(lambda step: step * 2, 3, 6)) == [6, 8, 10]
    assert list(prefetched(lambda step: step, 3, 3)) == []

    def fails(step: int) -> int:
        raise InputError("broken frame")

    with pytest.raises(InputError, match="broken frame"):
        next(prefetched(fails, 0, 1))
