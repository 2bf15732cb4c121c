"""The exact part of the translation (S1, S5), fitted from frames and unlabelled tiles, kept as safetensors and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin

from domain import colour
from domain.colour import ColourMap
from domain.measure import F32, F64, U8, luminance, power_spectrum
from domain.sensor import Effect, SensorProfile, blur, fit_grain, fit_profile, missing_sigma, quantise

MODES = ("before", "after", "shared")
"""A translation per acquisition of the target, and one that both phases share."""


@dataclass(frozen=True)
class Sample:
    """Rendered or real pictures of one phase: images (H, W, 3) uint8, and for rendered ones their classes (H, W)."""

    images: Sequence[U8]
    classes: Sequence[U8] = ()


class Transfer(ModelMixin, ConfigMixin):
    """Colour maps as buffers, sensor effects and target profiles as configuration, one of each per mode."""

    config_name: Any = "config.json"

    def __init__(self, effects: Mapping[str, Mapping[str, Any]] | None = None,
                 profiles: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.register_to_config(effects=effects, profiles=profiles)
        count = len(MODES)
        self.register_buffer("curves", torch.arange(256.0).expand(count, 3, 256).clone())
        self.register_buffer("matrix", torch.eye(3).expand(count, 3, 3).clone())
        self.register_buffer("offset", torch.zeros(count, 3))

    def colour(self, mode: str) -> ColourMap:
        at = MODES.index(mode)
        return ColourMap(*(_numpy(table[at]) for table in (self.curves, self.matrix, self.offset)))

    def effect(self, mode: str) -> Effect:
        """Blur and noise of a mode; none if the transfer was never fitted."""
        raw = (self.config["effects"] or {}).get(mode)
        if raw is None:
            return Effect(0.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return Effect(raw["blur_px"], tuple(raw["grain"]), tuple(raw["bands"]))

    def profile(self, mode: str) -> SensorProfile | None:
        raw = (self.config["profiles"] or {}).get(mode)
        return None if raw is None else SensorProfile.from_json(raw)

    def digest(self) -> str:
        """First 16 hex digits of a SHA-256 over tables, effects and profiles."""
        digest = hashlib.sha256(json.dumps([self.config["effects"], self.config["profiles"]], sort_keys=True).encode())
        for table in (self.curves, self.matrix, self.offset):
            digest.update(_numpy(table).tobytes())
        return digest.hexdigest()[:16]


def fit_transfer(rendered: Mapping[str, Sample], real: Mapping[str, Sample], seed: int) -> Transfer:
    """Fits all modes. `rendered` and `real` map before and after to samples; shared pools both.

    The shared map is fitted on what both phases hold, so that a pair can be moved by one and the same map.
    """
    rendered, real = _with_shared(rendered), _with_shared(real)
    maps, effects, profiles = [], {}, {}
    for mode in MODES:
        target = fit_profile(real[mode].images, mode)
        moved = fit_mode(rendered[mode], real[mode], target, seed)
        maps.append(moved)
        effects[mode] = asdict(fit_effect(rendered[mode], real[mode], moved, target))
        profiles[mode] = target.to_json()
    transfer: Transfer = Transfer(effects=effects, profiles=profiles)
    for at, moved in enumerate(maps):
        transfer.curves[at] = torch.from_numpy(moved.curves)
        transfer.matrix[at] = torch.from_numpy(moved.matrix)
        transfer.offset[at] = torch.from_numpy(moved.offset)
    return transfer


def fit_mode(rendered: Sample, real: Sample, target: SensorProfile, seed: int) -> ColourMap:
    """Colour map of one mode from a sample of 200,000 pixels on either side."""
    rng = np.random.default_rng(seed)
    pixels = np.concatenate([image.reshape(-1, 3) for image in rendered.images])
    classes = np.concatenate([labels.ravel() for labels in rendered.classes])
    chosen = rng.integers(0, len(pixels), 200_000)
    wanted = np.concatenate([image[image.any(axis=2)] for image in real.images])
    wanted = wanted[rng.integers(0, len(wanted), 200_000)]
    return colour.fit_balanced(pixels[chosen], classes[chosen], wanted, target)


def fit_effect(rendered: Sample, real: Sample, moved: ColourMap, target: SensorProfile) -> Effect:
    """Blur and grain that the rendered frames lack once their colours are right."""
    frames = [colour.apply(moved, image) for image in rendered.images]
    spread = missing_sigma(target.blur_px, fit_profile(map(quantise, frames), "rendered").blur_px)
    size = min(256, *(side for image in (*rendered.images, *real.images) for side in image.shape[:2]))
    present = mean_spectrum([blur(frame, spread) for frame in frames], size)
    bands = np.array(target.noise_sigma) + 1e-3
    return Effect(spread, fit_grain(mean_spectrum(real.images, size), present, size), tuple(bands / bands.mean()))


def mean_spectrum(images: Sequence[U8] | Sequence[F32], size: int) -> F64:
    """Mean spectrum in dB over the top left size x size of each image."""
    return np.asarray(np.mean([power_spectrum(luminance(image)[:size, :size]) for image in images], axis=0))


def _with_shared(samples: Mapping[str, Sample]) -> Mapping[str, Sample]:
    before, after = samples["before"], samples["after"]
    both = Sample([*before.images, *after.images], [*before.classes, *after.classes])
    return {"before": before, "after": after, "shared": both}


def _numpy(table: torch.Tensor) -> F32:
    values: F32 = table.detach().to("cpu", torch.float32).numpy()
    return values
