"""Training: `python -m learn.train --config train.toml`, or `accelerate launch -m learn.train --config train.toml`.

The same command resumes exactly: batches are pure functions of (seed, step), and the state is written every few steps
and on Ctrl-C.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from tqdm import tqdm

from learn.data import Batch, Frames, Sampler, prefetched, read_pairs
from learn.learner import Learner, Losses, lr_factor
from learn.model import save_model
from learn.settings import TrainConfig, check
from sim_bridge.config import load_config, to_table
from sim_bridge.errors import MageError, StoreError

STATE_FREE = ("out", "checkpoint_every", "log_every")
"""Settings that may change between the parts of one run."""


def train(config: TrainConfig, on_step: Callable[[int], None] | None = None) -> Path:
    """Trains, or goes on where the run folder's checkpoint ends; returns the run folder.

    The model is the mean teacher, in `out/model`. `on_step` is called with the steps taken after each. Raises
    InputError for settings or stores that cannot be used; KeyboardInterrupt after Ctrl-C, once the state is written.
    """
    accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)])
    check(config, accelerator.num_processes)
    sampler = make_sampler(config)
    learner = Learner(config, accelerator, sampler.frames.grade_pixels, run_digest(config))
    log = MetricsLog(config.out / "metrics.jsonl", learner.step, config.log_every, accelerator.is_main_process)
    if accelerator.is_main_process:
        config.out.mkdir(parents=True, exist_ok=True)
        (config.out / "config.json").write_text(json.dumps(to_table(config), indent=2) + "\n", encoding="utf-8")
    with interruptions() as interrupted:
        for batch in tqdm(_batches(config, sampler, learner, log), desc="train", unit="step", initial=learner.step,
                          total=config.steps, disable=not accelerator.is_main_process, mininterval=1.0):
            log.add(learner.step + 1, lr_factor(learner.step, config) * config.lr, learner.learn(batch))
            if on_step is not None:
                on_step(learner.step)
            stop = _any_process(accelerator, bool(interrupted))
            if stop or learner.step % config.checkpoint_every == 0 or learner.step == config.steps:
                _save(accelerator, learner)
            if stop:
                raise KeyboardInterrupt
        if _any_process(accelerator, bool(interrupted)):
            raise KeyboardInterrupt                        # it came while the last state was being written
    if accelerator.is_main_process:
        offset = tuple(round(float(w), 6) for w in learner.weights.log())
        save_model(config.model_dir, learner.teacher, replace(learner.card, damage_offset=offset))
    accelerator.wait_for_everyone()
    return config.out


def make_sampler(config: TrainConfig) -> Sampler:
    """Opens all that a training reads. Raises InputError or StoreError."""
    return Sampler(
        frames=Frames(config.frames, config.translations),
        target=read_pairs(config.target, config.target_gsd_m) if config.target else (),
        seed=config.seed, crop_px=config.crop_px, gsd_m=config.gsd_m, batch=config.batch,
        target_batch=config.target_batch, building_share=config.building_share,
        translated_share=config.translated_share, masked_share=config.masked_share,
    )


@dataclass
class MetricsLog:
    """Appends one JSON line every few steps: step, lr, seconds, share of them spent waiting for data, mean losses."""

    path: Path
    resumed_at: int
    every: int
    enabled: bool
    waited_s: float = 0.0
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    count: int = 0
    since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.enabled and self.path.exists():            # lines after the last checkpoint will be written again
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.resumed_at]
            self.path.write_text("".join(kept), encoding="utf-8")

    def add(self, step: int, lr: float, losses: Losses) -> None:
        """Counts the losses of a step; writes a line when it is time."""
        self.count += 1
        for name, value in losses.items():
            self.sums[name] += float(value)
        if step % self.every == 0:
            self._write(step, lr)

    def _write(self, step: int, lr: float) -> None:
        seconds = time.monotonic() - self.since
        means = {name: round(value / self.count, 5) for name, value in self.sums.items()}
        line = {"step": step, "lr": lr, "seconds": round(seconds, 3),
                "data_share": round(self.waited_s / max(seconds, 1e-9), 4), **means}
        if self.enabled:
            with self.path.open("a", encoding="utf-8") as sink:
                sink.write(json.dumps(line) + "\n")
        self.sums.clear()
        self.count, self.waited_s, self.since = 0, 0.0, time.monotonic()


def _batches(config: TrainConfig, sampler: Sampler, learner: Learner, log: MetricsLog) -> Iterator[Batch]:
    rank, ranks = learner.accelerator.process_index, learner.accelerator.num_processes

    def make(step: int) -> Batch:
        return sampler.make(step, step >= config.warmup_steps, rank, ranks)

    source = prefetched(make, learner.step, config.steps)
    while True:
        start = time.monotonic()
        batch = next(source, None)
        log.waited_s += time.monotonic() - start
        if batch is None:
            return
        yield batch


def run_digest(config: TrainConfig) -> str:
    """Digest of all settings that a resumed run must share with the one that was stopped."""
    table = {name: value for name, value in to_table(config).items() if name not in STATE_FREE}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """A list that receives SIGINT and SIGTERM instead of their handlers, so that a step is never cut in two."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    kept = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _any_process(accelerator: Accelerator, here: bool) -> bool:
    if accelerator.num_processes == 1:
        return here
    flag = torch.tensor([int(here)], device=accelerator.device)
    return bool(accelerator.gather(flag).any())


def _save(accelerator: Accelerator, learner: Learner) -> None:
    total = sum(float(p.detach().double().sum()) for p in learner.net.parameters())
    sums = accelerator.gather(torch.tensor([total], dtype=torch.float64, device=accelerator.device))
    if not torch.all(sums == sums[0]):
        raise StoreError(f"processes disagree about the weights at step {learner.step}: {sums.tolist()}; "
                         "nothing was saved, run again from the last checkpoint")
    learner.save()


def main() -> int:
    """Command line of one process."""
    parser = argparse.ArgumentParser(prog="python -m learn.train", description="Train the damage model.")
    parser.add_argument("--config", type=Path, required=True, help="TOML file of TrainConfig")
    try:
        train(load_config(TrainConfig, parser.parse_args().config))
    except MageError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on from here\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
