"""Training state of the flow as safetensors and JSON: weights, optimiser, average. Nothing is pickled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

from sim_bridge.errors import InputError


def save(out: Path, step: int, unet: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: EMAModel) -> Path:
    """Writes out/checkpoint-<step>, which appears whole; then removes the older ones."""
    folder = out / f"checkpoint-{step}"
    partial = out / f"checkpoint-{step}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in unet.state_dict().items()}, partial / "unet.safetensors")
    save_file({str(i): value.contiguous() for i, value in enumerate(ema.shadow_params)}, partial / "ema.safetensors")
    state = optimizer.state_dict()["state"]
    save_file({f"{i}.{name}": value.contiguous() for i, entry in state.items() for name, value in entry.items()},
              partial / "optimizer.safetensors")
    # without its counter the average would start its warm-up again and forget what it holds
    (partial / "state.json").write_text(json.dumps({"step": step, "ema_step": ema.optimization_step}))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    for old in _checkpoints(out):
        if old != folder:
            shutil.rmtree(old)
    return folder


def load_latest(out: Path, unet: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: EMAModel) -> int:
    """Restores the newest checkpoint of `out` in place and returns its step, 0 if there is none.

    Raises InputError if it belongs to another net.
    """
    found = _checkpoints(out)
    if not found:
        return 0
    folder = found[-1]
    try:
        unet.load_state_dict(load_file(folder / "unet.safetensors"))
    except RuntimeError as error:
        raise InputError(f"{folder} is of another net: expected the same channels, remove it or choose another out"
                         ) from error
    counters = json.loads((folder / "state.json").read_text())
    average = load_file(folder / "ema.safetensors")
    ema.shadow_params = [average[str(i)] for i in range(len(average))]
    ema.optimization_step = int(counters["ema_step"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in load_file(folder / "optimizer.safetensors").items():
        index, entry = name.split(".")
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(counters["step"])


def _checkpoints(out: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    found = [f for f in out.glob("checkpoint-*") if f.suffix != ".partial"]
    return sorted(found, key=lambda f: int(f.name.removeprefix("checkpoint-")))
