from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from painted_frames import paint, painted_store
from safetensors.torch import load_file

from learn.learner import lr_factor
from learn.model import load_model
from learn.settings import TrainConfig
from learn.train import train
from sim_bridge.errors import InputError

STEPS = 6


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_store(tmp_path_factory.mktemp("frames") / "frames.zarr")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    for index in range(2):
        scene = paint(100 + index, 128)
        cv2.imwrite(str(folder / f"{index}_pre.png"), scene["before_rgb"][..., ::-1])
        cv2.imwrite(str(folder / f"{index}_post.png"), scene["after_rgb"][..., ::-1])
    return folder


@pytest.fixture
def config(store: Path, target: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(frames=(store,), out=tmp_path / "run", target=target, steps=STEPS, warmup_share=0.34, batch=2,
                       target_batch=2, crop_px=64, lr_warmup_steps=2, checkpoint_every=4, log_every=2, threshold=0.3,
                       damage_threshold=0.3)


def weights(config: TrainConfig) -> dict[str, torch.Tensor]:
    return load_file(config.model_dir / "model.safetensors")


def state(config: TrainConfig) -> dict[str, torch.Tensor]:
    return load_file(config.checkpoint_dir / "state.safetensors")


def lines(config: TrainConfig) -> list[dict[str, float]]:
    return [json.loads(line) for line in (config.out / "metrics.jsonl").read_text().splitlines()]


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def stop_at(step: int) -> object:
    return lambda at: signal.raise_signal(signal.SIGINT) if at == step else None


@pytest.mark.parametrize("stop", [1, 5])
def test_stopped_and_resumed_equals_uninterrupted(config: TrainConfig, tmp_path: Path, stop: int) -> None:
    train(config)
    parted = replace(config, out=tmp_path / "parted")
    with pytest.raises(KeyboardInterrupt):
        train(parted, stop_at(stop))
    assert not parted.model_dir.exists()
    train(parted)
    assert equal(state(config), state(parted))
    assert equal(weights(config), weights(parted))
    assert [line["step"] for line in lines(parted)] == [2, 4, 6]


def test_the_model_is_the_teacher_and_a_finished_run_stays(config: TrainConfig) -> None:
    train(config)
    first = weights(config)
    teacher = {n.removeprefix("teacher/"): v for n, v in state(config).items() if n.startswith("teacher/")}
    assert equal(first, teacher)
    train(config)
    assert equal(first, weights(config))
    _, card = load_model(config.model_dir)
    assert card.training["steps"] == STEPS and card.gsd_m == config.gsd_m


def test_metrics_tell_losses_of_both_families(config: TrainConfig) -> None:
    train(config)
    first, last = lines(config)[0], lines(config)[-1]
    assert {"landcover_before", "landcover_after", "damage", "loss", "lr", "seconds", "data_share"} <= first.keys()
    assert "mask_ratio" not in first
    assert {"target_before", "target_after", "target_damage"} <= last.keys() and 0 <= last["mask_ratio"] <= 1


def test_losses_fall_without_a_target(config: TrainConfig) -> None:
    plain = replace(config, target=None, steps=12, precision="fp32", log_every=3)
    train(plain)
    assert lines(plain)[-1]["loss"] < 0.8 * lines(plain)[0]["loss"]


def test_the_next_round_starts_from_the_last_model(config: TrainConfig, tmp_path: Path) -> None:
    train(config)
    later = replace(config, out=tmp_path / "later", init=config.model_dir, steps=1, lr=1e-9)
    train(later)
    before, after = weights(config), weights(later)
    assert all(torch.allclose(before[n], after[n], atol=1e-6) for n in before if n.endswith("weight"))


def test_other_settings_do_not_resume_a_run(config: TrainConfig) -> None:
    train(config)
    with pytest.raises(InputError, match="give another out"):
        train(replace(config, lr=1e-4))
    (config.checkpoint_dir / "state.safetensors").write_bytes(b"cut short")
    with pytest.raises(InputError, match="cannot be read"):
        train(config)


@pytest.mark.parametrize(("change", "message"), [
    ({"crop_px": 100}, "crop_px is 100: expected a multiple of 32"),
    ({"threshold": 1.5}, "threshold is 1.5: expected 0 to 1"),
    ({"steps": 0}, "steps is 0: expected at least 1"),
    ({"lr": 0.0}, "lr is 0.0: expected above 0"),
])
def test_settings_that_cannot_run_are_named(config: TrainConfig, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(replace(config, **change))


def test_rate_warms_up_and_falls() -> None:
    config = TrainConfig(frames=(), out=Path("x"), steps=100, lr_warmup_steps=10)
    rates = [lr_factor(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1.0 and rates[100] == pytest.approx(0.02)
    assert np.argmax(rates) in (9, 10)


@pytest.mark.slow
def test_two_processes_agree_and_share_the_schedule(config: TrainConfig, tmp_path: Path) -> None:
    text = [f'frames = ["{config.frames[0]}"]', f'out = "{tmp_path / "two"}"', f'target = "{config.target}"']
    text += [f"{name} = {getattr(config, name)}" for name in (
        "steps", "warmup_share", "batch", "target_batch", "crop_px", "lr_warmup_steps", "log_every", "threshold")]
    path = tmp_path / "two.toml"
    path.write_text("\n".join(text))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "learn.train"]
    done = subprocess.run([*launch, "--config", str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    train(replace(config, out=tmp_path / "one", damage_threshold=0.8, checkpoint_every=100))
    two, one = replace(config, out=tmp_path / "two"), replace(config, out=tmp_path / "one")
    assert [line["lr"] for line in lines(two)] == [line["lr"] for line in lines(one)]
    assert weights(two).keys() == weights(one).keys()
