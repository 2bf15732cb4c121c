from __future__ import annotations

import pytest
import torch

from learn.consistency import Masks, Pseudo, consistency_losses, mix_labels, new_teacher, pseudo_labels, update_teacher
from learn.losses import BUILDING, damage_loss, grade_weights, landcover_loss
from learn.model import ModelCard, Output, new_model
from sim_bridge.classes import IGNORE


def logits_for(labels: torch.Tensor, classes: int, scale: float) -> torch.Tensor:
    return scale * torch.nn.functional.one_hot(labels, classes).permute(0, 3, 1, 2).float()


def output_of(landcover: torch.Tensor, grade: torch.Tensor, scale: float) -> Output:
    return Output(logits_for(landcover, 10, scale), logits_for(landcover, 10, scale), logits_for(grade - 1, 4, scale))


LANDCOVER = torch.tensor([[[BUILDING, 5], [BUILDING, 2]]])
GRADE = torch.tensor([[[4, 1], [1, 1]]])


def test_unsure_pixels_are_ignored_but_count() -> None:
    valid = torch.tensor([[[True, True], [False, True]]])
    sure = pseudo_labels(output_of(LANDCOVER, GRADE, 20.0), valid, 0.9, 0.9)
    assert sure.before.tolist() == [[[BUILDING, 5], [IGNORE, 2]]]
    assert sure.damage.tolist() == [[[4, IGNORE], [IGNORE, IGNORE]]]
    unsure = pseudo_labels(output_of(LANDCOVER, GRADE, 0.5), valid, 0.9, 0.9)
    assert (unsure.before == IGNORE).all() and (unsure.damage == IGNORE).all()
    assert torch.equal(unsure.valid, valid) and unsure.building.tolist() == [[[True, False], [False, False]]]


def test_loss_is_divided_by_all_pixels_that_count() -> None:
    valid, weights = torch.ones(1, 2, 2, dtype=torch.bool), torch.ones(4)
    pseudo = pseudo_labels(output_of(LANDCOVER, GRADE, 20.0), valid, 0.9, 0.9)
    flat = output_of(LANDCOVER, GRADE, 0.0)
    whole = consistency_losses(flat, pseudo, weights)["target_before"]
    half = consistency_losses(flat, pseudo._replace(before=torch.where(LANDCOVER == 5, 5, IGNORE)), weights)
    assert half["target_before"] == pytest.approx(float(whole) / 4)


def test_labels_are_mixed_like_the_images() -> None:
    shape = (2, 1, 3)
    mine = torch.arange(6).reshape(shape)
    all_true = torch.ones(shape, dtype=torch.bool)
    cut = torch.tensor([[[True, False, False]], [[False] * 3]])
    masks = Masks(all_true, cut, torch.tensor([[[False] * 3], [[False, False, True]]]))
    source = torch.full((1, 1, 3), 9)
    mixed = mix_labels(Pseudo(mine, mine, mine, all_true, all_true), masks, source, source, torch.full((1, 1, 3), 0))
    assert mixed.before.tolist() == [[[3, 1, 2]], [[3, 4, 9]]]
    assert not mixed.building[1, 0, 2] and mixed.valid[1, 0, 2]


def test_teacher_follows_parameters_and_buffers() -> None:
    student = new_model(ModelCard(), pretrained=False)
    teacher = new_teacher(student)
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    with torch.no_grad():
        student.landcover.bias += 1.0
        student.damage[1].running_mean += 1.0
    start = teacher.landcover.bias.clone()
    update_teacher(teacher, student, step=1000, decay=0.75)
    assert torch.allclose(teacher.landcover.bias, start + 0.25)
    assert torch.allclose(teacher.damage[1].running_mean, torch.full((48,), 0.25))
    update_teacher(teacher, student, step=0, decay=0.75)                          # early steps copy the student
    assert torch.equal(teacher.landcover.bias, student.landcover.bias)


def test_rare_grades_weigh_more_and_absent_ones_do_no_harm() -> None:
    weights = grade_weights((900, 0, 0, 100))
    assert weights[3] > weights[0] > 0 and torch.isfinite(weights).all()
    assert torch.isfinite(grade_weights((0, 0, 0, 0))).all()


def test_losses_without_a_labelled_pixel_are_finite() -> None:
    nothing = torch.full((1, 2, 2), IGNORE)
    flat = output_of(LANDCOVER, GRADE, 0.0)
    assert damage_loss(flat.damage, nothing, torch.ones(4)) == 0
    assert torch.isfinite(landcover_loss(flat.landcover_before, nothing))


def test_right_answers_cost_nothing() -> None:
    right = output_of(LANDCOVER, GRADE, 30.0)
    assert landcover_loss(right.landcover_before, LANDCOVER) == pytest.approx(0, abs=1e-3)
    assert damage_loss(right.damage, GRADE, grade_weights((1, 0, 0, 1))) == pytest.approx(0, abs=1e-3)
