from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from domain_pictures import picture

from domain import diffusion, projection
from domain.gate import Bars, judge
from domain.measure import F32, luminance

GRID = projection.Grid(4, 4, 4)


def small(image: F32) -> F32:
    return np.asarray(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA))[None]


def evidence() -> F32:
    return np.ones((1, 32, 32), np.float32)


def test_a_proposal_equal_to_the_frame_is_the_identity() -> None:
    frame = picture(0)[0].astype(np.float32)
    change = projection.fit(small(frame), small(frame), evidence(), GRID)
    assert (change == 0).all()
    assert (projection.slice_change(frame, change) == frame).all()


def test_an_affine_proposal_is_followed() -> None:
    frame = picture(0)[0].astype(np.float32)
    wanted = frame * np.array([1.1, 1.0, 0.9], np.float32) + 6
    change = projection.fit(small(frame), small(wanted), evidence(), GRID)
    assert np.abs(projection.slice_change(frame, change) - wanted).mean() < 2


def test_an_object_invented_by_the_proposal_does_not_appear() -> None:
    frame = np.full((128, 128, 3), 110, np.float32)
    proposal = frame.copy()
    proposal[60:72, 60:72] = (250, 30, 30)
    moved = projection.slice_change(frame, projection.fit(small(frame), small(proposal), evidence(), GRID))
    sharpest = np.abs(np.diff(luminance(moved), axis=0)).max()
    assert np.abs(moved - frame).max() < 12                                   # it was painted 140 levels off
    assert sharpest < 0.5


def test_edges_stay_where_they_are_under_a_hostile_proposal() -> None:
    frame, classes = picture(3)
    given = frame.astype(np.float32)
    hostile = np.asarray(np.roll(given, 9, axis=1)[::-1])                      # another layout altogether
    moved = projection.slice_change(given, projection.fit(small(given), small(hostile), evidence(), GRID))
    shift, _ = cv2.phaseCorrelate(luminance(given).astype(np.float64), luminance(moved).astype(np.float64))
    assert np.abs(shift).max() < 0.05
    assert judge(given, moved, classes, Bars()).recall > 0.9


def test_gains_are_limited() -> None:
    frame = picture(0)[0].astype(np.float32)
    flat = np.full_like(frame, 90)                                             # wants every edge gone
    change = projection.fit(small(frame), small(flat), evidence(), GRID)
    gains = np.linalg.svd(np.eye(3) + change[..., :3, :], compute_uv=False)
    assert gains.min() > projection.GAIN[0] - 1e-6
    assert gains.max() < projection.GAIN[1] + 1e-6


def test_the_gate_refuses_a_frame_that_lost_its_edges() -> None:
    frame, classes = picture(0)
    sharp = frame.astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.float32)
    assert judge(sharp, sharp, classes, Bars()).accepted
    assert not judge(sharp, soft, classes, Bars()).accepted
    assert not judge(sharp, sharp * 3, classes, Bars()).accepted


def test_bridge_and_one_euler_step_by_hand() -> None:
    source, target = torch.full((1, 3, 8, 8), 0.6), torch.full((1, 3, 8, 8), 0.2)
    seen = diffusion.bridge(source, target, torch.tensor([0.25]), torch.ones(1, 3, 8, 8))
    assert seen[0, 0, 0, 0].item() == pytest.approx(0.25 * 0.6 + 0.75 * 0.2 + 0.005 * (0.25 * 0.75) ** 0.5)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1.0, 0.5])
    stepped = scheduler.step(source - target, scheduler.timesteps[0], source, return_dict=False)[0]
    assert stepped[0, 0, 0, 0].item() == pytest.approx(0.4)                    # 0.6 + (0.5 - 1) 0.4


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_perfect_velocity_reaches_the_target_in_any_number_of_steps(steps: int) -> None:
    source, target = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)

    class Exact(torch.nn.Module):
        def forward(self, x: torch.Tensor, timestep: torch.Tensor) -> object:
            return type("Answer", (), {"sample": source - target})

    scheduler = FlowMatchEulerDiscreteScheduler()
    reached = diffusion.propose(Exact(), scheduler, source, torch.zeros(1), steps)
    assert torch.allclose(reached, target, atol=1e-6)
    assert scheduler.sigmas.diff().abs().tolist() == pytest.approx([1 / steps] * steps)


def test_an_untrained_net_proposes_nothing() -> None:
    source = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        moved = diffusion.propose(diffusion.make_unet((8, 16)), FlowMatchEulerDiscreteScheduler(), source,
                                  torch.zeros(1), 2)
    assert torch.equal(moved, source)
