"""A small pipeline and a small store: everything real, nothing large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from domain_pictures import pair, picture

from domain import diffusion
from domain.pipeline import RealismPipeline
from domain.transfer import Sample, Transfer, fit_transfer
from sim_bridge import store

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def transfer() -> Transfer:
    rendered = {phase: Sample(*zip(*(picture(i) for i in range(3)), strict=True)) for phase in ("before", "after")}
    real = {"before": Sample([picture(i, cast=(1.1, 0.9, 0.8))[0] for i in range(10, 13)]),
            "after": Sample([picture(i, cast=(1.3, 1.0, 0.6))[0] for i in range(20, 23)])}
    return fit_transfer(rendered, real, seed=0)


@pytest.fixture(scope="session")
def pipeline(transfer: Transfer) -> RealismPipeline:
    torch.manual_seed(0)
    unet = diffusion.make_unet((8, 16))
    torch.nn.init.normal_(unet.conv_out.weight, std=0.02)                     # a net that does propose something
    made = RealismPipeline(unet.eval(), FlowMatchEulerDiscreteScheduler(), transfer)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Store of four captured frames in units of two."""
    path = tmp_path / "frames.zarr"
    store.create_store(path, 4, 2, 128, 128, {})
    for unit in range(2):
        before, after, classes, classes_after = pair(10 * unit)
        given = {"before_rgb": before, "after_rgb": after, "before_semantic": classes, "after_semantic": classes_after,
                 "gsd": np.full(2, 0.5)}
        store.write_unit(path, unit, store.stack([
            {name: given[name][i] if name in given else _blank(name) for name in store.FIELDS} for i in range(2)
        ]))
    return path


def _blank(name: str) -> object:
    field = store.FIELDS[name]
    sizes = {"y": 128, "x": 128, "band": 3, "phase": 2, "enu": 3, "quaternion": 4, "intrinsic": 4, "corner": 4}
    return "" if field.dtype == "string" else np.zeros([sizes[d] for d in field.dims], field.dtype)
