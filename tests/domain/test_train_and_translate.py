from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import zarr
from domain_pictures import picture
from safetensors.torch import load_file

from domain import train
from domain.pipeline import RealismPipeline
from domain.score import CROP_PX, ROWS, Crops, measure_crops, score_row, scorecard
from domain.train import RealismConfig, fit_realism
from domain.translate import translate_store
from sim_bridge.errors import InputError, StoreError


@pytest.fixture
def config(tmp_path: Path, frames: Path) -> RealismConfig:
    folder = tmp_path / "real"
    folder.mkdir()
    for i in range(4):
        for phase, cast in (("pre", (1.1, 0.9, 0.8)), ("post", (1.3, 1.0, 0.6))):
            image = picture(30 + i, 320, cast)[0]
            cv2.imwrite(str(folder / f"{i}_{phase}.png"), image[..., ::-1])
    return RealismConfig((folder,), (frames,), tmp_path / "out", max_train_steps=4, train_batch_size=2, resolution=16,
                         checkpointing_steps=2, channels=(8, 16), fit_frames=2, fit_crop_px=160)


def test_interrupted_and_resumed_gives_the_weights_of_an_uninterrupted_run(
        config: RealismConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_realism(config)
    cut = dataclasses.replace(config, out=tmp_path / "cut")
    step = train.train_step

    def interrupted(given: RealismConfig, at: int, *rest: object) -> float:
        if at == 3:
            raise KeyboardInterrupt
        return step(given, at, *rest)

    monkeypatch.setattr(train, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_realism(cut)
    assert (cut.out / "checkpoint-3").is_dir()
    monkeypatch.undo()
    fit_realism(cut)
    first, second = (load_file(out / "unet" / "diffusion_pytorch_model.safetensors") for out in (whole, cut.out))
    assert all((first[name] == second[name]).all() for name in first)
    assert RealismPipeline.from_pretrained(whole).digest() == RealismPipeline.from_pretrained(cut.out).digest()


def test_nothing_to_fit_from_is_said(config: RealismConfig) -> None:
    with pytest.raises(InputError, match="frames are"):
        fit_realism(dataclasses.replace(config, frames=()))
    with pytest.raises(InputError, match="real is empty"):
        fit_realism(dataclasses.replace(config, real=()))


def test_a_translation_cut_short_goes_on_to_the_same_bytes(
        frames: Path, pipeline: RealismPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = zarr.open_group(translate_store(frames, pipeline, tmp_path / "whole.zarr", seed=1), mode="r")
    assert whole["done"][:].all()
    assert whole["before_rgb"].chunks == zarr.open_group(frames, mode="r")["before_rgb"].chunks
    translate, calls = pipeline.translate, []

    def once(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return translate(*args, **kwargs)

    monkeypatch.setattr(pipeline, "translate", once)
    with pytest.raises(KeyboardInterrupt):
        translate_store(frames, pipeline, tmp_path / "cut.zarr", seed=1)
    monkeypatch.undo()
    cut = zarr.open_group(translate_store(frames, pipeline, tmp_path / "cut.zarr", seed=1), mode="r")
    for name in ("before_rgb", "after_rgb", "gate_recall", "done"):
        assert np.array_equal(cut[name][:], whole[name][:])
    with pytest.raises(StoreError, match="was made with seed 1, asked for 2"):
        translate_store(frames, pipeline, tmp_path / "cut.zarr", seed=2)


def test_frames_too_small_for_the_scorecard_are_refused(
        config: RealismConfig, pipeline: RealismPipeline, frames: Path) -> None:
    with pytest.raises(InputError, match="images of 256 px"):
        scorecard(frames, frames, config.real[0], crops=4)


def crops_of(cast: tuple[float, float, float], noise: float, seed: int) -> Crops:
    rng = np.random.default_rng(seed)
    images = [picture(seed + i, CROP_PX, cast)[0] + rng.normal(0, noise, (CROP_PX, CROP_PX, 3)) for i in range(6)]
    return measure_crops([image.clip(0, 255).astype(np.uint8) for image in images])


def test_the_scorecard_tells_near_from_far_and_says_when_nothing_can_be_said() -> None:
    far, near = crops_of((1.0, 1.0, 1.0), 0, 0), crops_of((1.2, 1.0, 0.7), 4, 100)
    halves = crops_of((1.2, 1.0, 0.7), 4, 200), crops_of((1.2, 1.0, 0.7), 4, 300)
    for name in ("A1_colour", "A4_noise"):
        unit, distance = ROWS[name]
        row = score_row(distance, unit, [far, near, *halves], seed=0)
        assert row["gap_closed"] > 0.8
        assert row["note"].startswith("indistinguishable")
    unit, distance = ROWS["A5_codec"]
    assert score_row(distance, unit, [near, near, *halves], seed=0)["gap_closed"] is None
