"""One training step: student, teacher, optimizer, and what they do with a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from learn.checkpoint import load_state, save_state
from learn.consistency import (
    Masks,
    consistency_losses,
    mask_ratio,
    mix_labels,
    new_teacher,
    pseudo_labels,
    update_teacher,
)
from learn.data import Batch, SourceBatch, TargetBatch
from learn.losses import grade_weights, supervised_losses
from learn.model import Output, load_model, new_model, normalise
from learn.settings import TrainConfig
from sim_bridge.errors import InputError

Losses = dict[str, Tensor]
Array = npt.NDArray[Any]


class Learner:
    """Student and teacher of one run on this process's device, and the steps that they have taken."""

    def __init__(self, config: TrainConfig, accelerator: Accelerator, grade_pixels: tuple[int, ...], run: str) -> None:
        self.config, self.accelerator, self.run, self.card = config, accelerator, run, config.card
        self.net = _initial(config).to(accelerator.device).train()
        self.teacher = new_teacher(self.net)
        self.weights = grade_weights(grade_pixels).to(accelerator.device)
        optimizer = torch.optim.AdamW(list(_groups(self.net, config)))
        # read before `prepare`, so that no wrapper's names or device moves come between
        self.step = load_state(config.checkpoint_dir, run, {"student": self.net, "teacher": self.teacher}, optimizer)
        self.student, self.optimizer = accelerator.prepare(self.net, optimizer)

    def learn(self, batch: Batch) -> Losses:
        """Takes one step; returns the losses by name, detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(self.step, self.config)
        losses = self._losses(batch)
        total = torch.stack([value for name, value in losses.items() if name != "mask_ratio"]).sum()
        if not torch.isfinite(total):
            raise InputError(f"the loss is {float(total)} at step {self.step}: expected a finite one, lower lr "
                             f"(now {self.config.lr}) and start again in another out")
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(total)
        self.accelerator.clip_grad_norm_(self.student.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.accelerator.num_processes > 1:
            average_buffers(self.net)
        update_teacher(self.teacher, self.net, self.step, self.config.ema_decay)
        self.step += 1
        return {"loss": total.detach(), **{name: value.detach() for name, value in losses.items()}}

    def save(self) -> None:
        """Writes the training state; only the main process writes."""
        if self.accelerator.is_main_process:
            save_state(self.config.checkpoint_dir, self.step, self.run,
                       {"student": self.net, "teacher": self.teacher}, self.optimizer)

    def _losses(self, batch: Batch) -> Losses:
        source, target = batch.source, batch.target
        labels = (source.semantic_before, source.semantic_after, source.damage)
        before, after, damage = (self._labels(array) for array in labels)
        if target is None:
            output = self._forward(self.student, source.before, source.after)
            return supervised_losses(output, before, after, damage, self.weights)
        pseudo = pseudo_labels(self._teach(target), self._labels(target.valid).bool(), self.config.threshold,
                               self.config.damage_threshold)
        masks = Masks(*(self._labels(mask).bool() for mask in (target.valid, target.cut, target.paste)))
        mixed = mix_labels(pseudo, masks, before, after, damage)
        # one forward for both: two through DistributedDataParallel would fail on the buffers of BatchNorm
        both = self._forward(self.student, *_joined(source, target))
        count = len(source.before)
        own, other = Output(*(part[:count] for part in both)), Output(*(part[count:] for part in both))
        unsupervised = consistency_losses(other, mixed, self.weights)
        return {
            **supervised_losses(own, before, after, damage, self.weights),
            **{name: self.config.consistency_weight * value for name, value in unsupervised.items()},
            "mask_ratio": mask_ratio(pseudo),
        }

    @torch.no_grad()
    def _teach(self, target: TargetBatch) -> Output:
        return self._forward(self.teacher, target.before, target.after)

    def _forward(self, net: nn.Module, before: Array, after: Array) -> Output:
        device = self.accelerator.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            output = net(normalise(before, self.card).to(device), normalise(after, self.card).to(device))
        return Output(*output)

    def _labels(self, labels: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(labels)).to(self.accelerator.device, torch.int64)


def lr_factor(step: int, config: TrainConfig) -> float:
    """Share of the peak rate: linear warm-up, then a cosine down to 2 %."""
    if step < config.lr_warmup_steps:
        return (step + 1) / config.lr_warmup_steps
    done = (step - config.lr_warmup_steps) / max(1, config.steps - config.lr_warmup_steps)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def average_buffers(net: nn.Module) -> None:
    """Means of BatchNorm's statistics over all processes, so that student and teacher are the same on each."""
    buffers = [b for b in net.buffers() if b.is_floating_point()]
    flat = torch.cat([b.flatten() for b in buffers])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for buffer, mean in zip(buffers, torch.split(flat, [b.numel() for b in buffers]), strict=True):
        buffer.copy_(mean.view_as(buffer))


def _initial(config: TrainConfig) -> nn.Module:
    if config.init is None:
        return new_model(config.card, seed=config.seed)
    net, card = load_model(config.init)
    if card.encoder != config.encoder:
        raise InputError(f"init {config.init} has encoder {card.encoder}: expected {config.encoder}, set encoder to it")
    return net


def _groups(net: nn.Module, config: TrainConfig) -> Iterator[dict[str, object]]:
    """Parameter groups: the encoder slower, no weight decay on norms and biases."""
    for encoder in (True, False):
        for matrix in (True, False):
            lr = config.lr * (config.encoder_lr_factor if encoder else 1.0)
            chosen = [p for name, p in net.named_parameters()
                      if name.startswith("encoder.") == encoder and (p.ndim > 1) == matrix]
            yield {"params": chosen, "lr": lr, "peak_lr": lr, "weight_decay": config.weight_decay * matrix}


def _joined(source: SourceBatch, target: TargetBatch) -> tuple[Array, Array]:
    return (np.concatenate([source.before, target.mixed_before]), np.concatenate([source.after, target.mixed_after]))
