"""RealismPipeline: rendered pairs in, realistic pairs out, every label still true.

    pipeline = RealismPipeline.from_pretrained("runs/realism")
    before, after = pipeline(before, after, semantic_before, semantic_after, frame_ids=[17])

Order: exact colour (S1), diffusion proposal at low resolution (S2), bilateral affine projection of it onto the frame
(S3), quality gate (S6), sensor (S5). Frames are worked on one pair at a time, so that the result does not depend on
the batch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from domain import colour, diffusion, projection
from domain.gate import Bars, Verdict, judge
from domain.measure import F32, F64, U8
from domain.sensor import expose
from domain.transfer import Transfer
from sim_bridge.errors import InputError

Acquisitions = Literal["shared", "per_phase"]
Paths = Literal["full", "exact"]
PHASES = ("before", "after")
_FIT_PX_PER_CELL = 8


@dataclass(frozen=True)
class Translation:
    """before, after: (B, H, W, 3) uint8. verdicts: for each frame those of before and after; None on the exact path."""

    before: U8
    after: U8
    verdicts: tuple[tuple[Verdict | None, Verdict | None], ...]


class RealismPipeline(DiffusionPipeline):
    """See the module's docstring. `scale`: full-resolution pixels per pixel of the proposal."""

    unet: UNet2DModel
    scheduler: FlowMatchEulerDiscreteScheduler
    transfer: Transfer

    def __init__(self, unet: UNet2DModel, scheduler: FlowMatchEulerDiscreteScheduler, transfer: Transfer,
                 scale: int = 4, grid_rows: int = 8, grid_columns: int = 8, grid_levels: int = 4) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, transfer=transfer)
        self.register_to_config(scale=scale, grid_rows=grid_rows, grid_columns=grid_columns, grid_levels=grid_levels)
        self.scale = scale
        self.grid = projection.Grid(grid_rows, grid_columns, grid_levels)
        self.bars = Bars()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[Any], **kwargs: Any) -> RealismPipeline:
        """Loads what `save_pretrained` wrote, safetensors only. Raises InputError if the folder holds no pipeline."""
        folder = Path(pretrained_model_name_or_path)
        if not (folder / "model_index.json").is_file():
            raise InputError(f"{folder} holds no realism pipeline: expected model_index.json in it, run domain.train")
        pipeline: RealismPipeline = super().from_pretrained(str(folder), use_safetensors=True, **kwargs)
        return pipeline

    def digest(self) -> str:
        """First 16 hex digits of a SHA-256 over everything that decides the pixels."""
        digest = hashlib.sha256(f"{self.transfer.digest()} {self.scale} {self.grid} {self.bars}".encode())
        for name, value in sorted(self.unet.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_inputs(self, before: U8, after: U8, semantic_before: U8, semantic_after: U8, strength: float,
                     frame_ids: Sequence[int], num_inference_steps: int) -> None:
        """Raises InputError unless shapes, dtypes, strength and ids fit each other."""
        if before.ndim != 4 or before.shape[3] != 3 or before.dtype != np.uint8:
            raise InputError(f"before is {before.dtype} {before.shape}: expected uint8 (B, H, W, 3)")
        for name, array, shape in (("after", after, before.shape), ("semantic_before", semantic_before,
                                   before.shape[:3]), ("semantic_after", semantic_after, before.shape[:3])):
            if array.shape != shape or array.dtype != np.uint8:
                raise InputError(f"{name} is {array.dtype} {array.shape}: expected uint8 {shape}")
        if not 0 <= strength <= 1:
            raise InputError(f"strength is {strength}: expected 0 to 1")
        if len(frame_ids) != len(before) or min(frame_ids, default=0) < 0:
            raise InputError(f"frame_ids are {list(frame_ids)[:5]}: expected {len(before)} numbers from 0 up")
        if num_inference_steps < 1:
            raise InputError(f"num_inference_steps is {num_inference_steps}: expected 1 or more")

    def __call__(self, before: U8, after: U8, semantic_before: U8, semantic_after: U8, strength: float = 1.0,
                 seed: int = 0, frame_ids: Sequence[int] | None = None, acquisitions: Acquisitions = "shared",
                 paths: Paths = "full", num_inference_steps: int = 2) -> tuple[U8, U8]:
        """`translate` without the verdicts."""
        done = self.translate(before, after, semantic_before, semantic_after, strength, seed, frame_ids, acquisitions,
                              paths, num_inference_steps)
        return done.before, done.after

    @torch.no_grad()
    def translate(self, before: U8, after: U8, semantic_before: U8, semantic_after: U8, strength: float = 1.0,
                  seed: int = 0, frame_ids: Sequence[int] | None = None, acquisitions: Acquisitions = "shared",
                  paths: Paths = "full", num_inference_steps: int = 2) -> Translation:
        """Translates pairs (B, H, W, 3) uint8 with semantics (B, H, W) uint8; strength 0 returns the same bytes.

        acquisitions: "shared" moves both phases by one map, so that what did not change stays equal; "per_phase" moves
        each to its own acquisition of the target, as real pairs differ in sun, season and haze. paths: "exact" leaves
        the proposal out. frame_ids key the noise. Raises InputError as `check_inputs`.
        """
        ids = range(len(before)) if frame_ids is None else frame_ids
        self.check_inputs(before, after, semantic_before, semantic_after, strength, ids, num_inference_steps)
        if strength == 0:
            return Translation(before.copy(), after.copy(), ((None, None),) * len(before))
        modes = PHASES if acquisitions == "per_phase" else ("shared", "shared")
        done = np.empty((2, *before.shape), np.uint8)
        verdicts: list[tuple[Verdict | None, Verdict | None]] = []
        for i in self.progress_bar(range(len(before))):
            pair, labels = (before[i], after[i]), (semantic_before[i], semantic_after[i])
            frames = [colour.apply(self.transfer.colour(m), f, strength) for m, f in zip(modes, pair, strict=True)]
            verdict: tuple[Verdict | None, Verdict | None] = (None, None)
            if paths == "full":
                frames, verdict = self.project(frames, labels, modes, strength, num_inference_steps)
            verdicts.append(verdict)
            for phase, frame in enumerate(frames):
                effect = self.transfer.effect(modes[phase])
                done[phase, i] = expose(frame, effect, (seed, ids[i], phase), strength)
        return Translation(done[0], done[1], tuple(verdicts))

    def project(self, frames: Sequence[F32], labels: tuple[U8, U8], modes: Sequence[str], strength: float,
                steps: int) -> tuple[list[F32], tuple[Verdict, Verdict]]:
        """S2, S3 and S6 on one pair: projected frames, or the given ones where a check failed."""
        changes = self.changes(frames, labels, modes, steps)
        moved = [projection.slice_change(f, c, strength) for f, c in zip(frames, changes, strict=True)]
        first, second = (judge(f, m, sem, self.bars) for f, m, sem in zip(frames, moved, labels, strict=True))
        together = modes[0] == modes[1]                                      # one map for both: both or neither
        keep = [v.accepted and (not together or (first.accepted and second.accepted)) for v in (first, second)]
        return [m if k else f for f, m, k in zip(frames, moved, keep, strict=True)], (first, second)

    def changes(self, frames: Sequence[F32], labels: tuple[U8, U8], modes: Sequence[str], steps: int) -> list[F64]:
        """Grid changes for before and after; the same one twice where the phases share a map."""
        small = np.stack([diffusion.shrink(frame, self.scale) for frame in frames])
        proposals = self.propose(small, modes, steps)
        size = (self.grid.columns * _FIT_PX_PER_CELL, self.grid.rows * _FIT_PX_PER_CELL)
        x, p = (np.stack([_area(image, size) for image in images]) for images in (small, proposals))
        if modes[0] != modes[1]:
            even = np.ones((1, *x.shape[1:3]), np.float32)
            return [projection.fit(x[[i]], p[[i]], even, self.grid) for i in range(2)]
        unchanged = _area((labels[0] == labels[1]).astype(np.float32), size)
        weight = np.broadcast_to(np.maximum(unchanged, 0.02), x.shape[:3])   # all changed: better than no evidence
        return [projection.fit(x, p, weight, self.grid)] * 2

    def propose(self, small: F32, modes: Sequence[str], steps: int) -> F32:
        """S2: proposals (2, h, w, 3) in grey levels for the shrunken pair (2, h, w, 3)."""
        parameter = next(self.unet.parameters())
        source = diffusion.to_tensor(np.clip(small, 0, 255)).to(parameter.device, parameter.dtype)
        phase = torch.tensor([diffusion.PHASE[mode] for mode in modes], device=parameter.device, dtype=parameter.dtype)
        moved = diffusion.propose(self.unet, self.scheduler, source, phase, steps)
        return small + diffusion.to_levels((moved - source).float() - 1)


def _area(image: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
