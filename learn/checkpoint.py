"""The state of a training: one safetensors file, replaced as a whole; no pickle.

Nothing random is stored, because every batch is a pure function of (seed, step).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sim_bridge.errors import InputError

STATE_FILE = "state.safetensors"


def save_state(folder: Path, step: int, run: str, modules: Mapping[str, nn.Module],
               optimizer: torch.optim.Optimizer) -> None:
    """Writes the state after `step` steps of the run with the digest `run`; a kill leaves the old state or the new."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": value for slot, value in slots.items()}
    part = folder / (STATE_FILE + ".part")
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(whole, part, metadata={"step": str(step), "run": run, "format": "1"})
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(folder / STATE_FILE)


def load_state(folder: Path, run: str, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> int:
    """Reads the state into modules and optimizer and returns the steps it stands for; 0 if there is none.

    Raises InputError for a file that is damaged or that belongs to a run with other settings.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            meta, names = file.metadata() or {}, file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({error}): delete it to start this run again") from error
    if meta.get("run") != run:
        raise InputError(f"{path} belongs to settings {meta.get('run')}: expected {run}, "
                         "give another out or the settings it was started with")
    for name, module in modules.items():
        module.load_state_dict(_under(tensors, name))
    _load_optimizer(optimizer, _under(tensors, "optimizer"))
    return int(meta["step"])


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, slot = name.partition("/")
        state.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix + "/"): v for name, v in tensors.items() if name.startswith(prefix + "/")}
