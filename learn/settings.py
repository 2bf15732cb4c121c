"""Settings of a training; every field can stand in a TOML file (`mage train --config train.toml`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from learn.model import DEFAULT_ENCODER, ModelCard
from sim_bridge.config import to_table
from sim_bridge.errors import InputError


@dataclass(frozen=True)
class TrainConfig:
    frames: tuple[Path, ...]
    """Frame stores to learn from: all rounds so far."""
    out: Path
    """Run folder: checkpoint/, model/, metrics.jsonl, config.json."""
    translations: tuple[Path, ...] = ()
    """Translations of the frames, one for each store in the same order, or none."""
    translated_share: float = 0.75
    """Chance that a crop is taken from the translation and not from the frames as rendered."""
    target: Path | None = None
    """Folder of real before/after pairs without labels; consistency learning is left out without it."""
    target_gsd_m: float = 0.5
    """Ground sampling distance of target images that do not say where they lie."""
    init: Path | None = None
    """Model folder to start from; ImageNet weights without it."""
    encoder: str = DEFAULT_ENCODER
    gsd_m: float = 0.5
    """Ground sampling distance at which the model works."""
    steps: int = 600
    warmup_share: float = 0.4
    """Share of the steps on labelled crops alone, before the teacher's labels are worth learning from; a quarter of it
    where the start is a trained model (`init`)."""
    batch: int = 6
    """Labelled crops a step, over all processes."""
    target_batch: int = 4
    """Real crops a step, over all processes."""
    crop_px: int = 256
    building_share: float = 0.75
    """Share of crops that are centred on a building, all grades alike."""
    lr: float = 4e-3
    encoder_lr_factor: float = 0.3
    """The encoder learns at `lr` times this."""
    lr_warmup_steps: int = 20
    weight_decay: float = 0.01
    clip_norm: float = 5.0
    ema_decay: float = 0.99
    """The teacher keeps this share of itself a step; it becomes the model."""
    consistency_weight: float = 1.0
    threshold: float = 0.9
    """Confidence from which the teacher's land cover is learned."""
    damage_threshold: float = 0.8
    """Confidence from which the teacher's grades are learned."""
    masked_share: float = 0.0
    """Share of 32 px blocks hidden in the student's view of real pairs (MIC)."""
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10

    @property
    def warmup_steps(self) -> int:
        return round(self.steps * self.warmup_share * (0.25 if self.init else 1))

    @property
    def checkpoint_dir(self) -> Path:
        return self.out / "checkpoint"

    @property
    def model_dir(self) -> Path:
        return self.out / "model"

    @property
    def card(self) -> ModelCard:
        return ModelCard(gsd_m=self.gsd_m, encoder=self.encoder, training=to_table(self))


SHARES = ("warmup_share", "translated_share", "building_share", "ema_decay", "threshold", "damage_threshold",
          "masked_share")


def check(config: TrainConfig, processes: int) -> None:
    """Raises InputError, naming setting, value and what was expected, for settings that cannot be run."""
    for name in ("steps", "batch", "crop_px", "checkpoint_every", "log_every"):
        _expect(getattr(config, name) >= 1, config, name, "at least 1")
    for name in SHARES:
        _expect(0 <= getattr(config, name) <= 1, config, name, "0 to 1")
    for name in ("lr", "gsd_m", "target_gsd_m", "clip_norm"):
        _expect(getattr(config, name) > 0, config, name, "above 0")
    _expect(config.crop_px % 32 == 0, config, "crop_px", "a multiple of 32")
    for name in ("batch", "target_batch") if config.target else ("batch",):
        _expect(getattr(config, name) % processes == 0, config, name, f"a multiple of the {processes} processes")


def _expect(holds: bool, config: TrainConfig, name: str, expected: str) -> None:
    if not holds:
        raise InputError(f"{name} is {getattr(config, name)}: expected {expected}")
