from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from domain_pictures import pair

from domain.measure import U8
from domain.pipeline import RealismPipeline
from domain.transfer import Transfer
from sim_bridge.errors import InputError


def one(frames: tuple[U8, ...], i: int) -> tuple[U8, U8, U8, U8]:
    before, after, classes, classes_after = (f[i:i + 1] for f in frames)
    return before, after, classes, classes_after


def noiseless(pipeline: RealismPipeline) -> RealismPipeline:
    quiet = Transfer(profiles=dict(pipeline.transfer.config["profiles"]))
    quiet.load_state_dict(pipeline.transfer.state_dict())
    made = RealismPipeline(pipeline.unet, pipeline.scheduler, quiet)
    made.set_progress_bar_config(disable=True)
    return made


def test_strength_zero_is_the_identity_bit_for_bit(pipeline: RealismPipeline) -> None:
    given = pair(0)
    for paths in ("full", "exact"):
        before, after = pipeline(*given, strength=0.0, paths=paths)
        assert (before == given[0]).all()
        assert (after == given[1]).all()


def test_the_translation_does_something_and_says_what(pipeline: RealismPipeline) -> None:
    given = pair(0)
    done = pipeline.translate(*given)
    target = pipeline.transfer.profile("shared")
    assert target is not None
    far, near = (np.abs(image.mean((0, 1, 2)) - target.mean).mean() for image in (given[0], done.before))
    assert near < far
    assert len(done.verdicts) == 2
    assert all(v is not None and v.correlation > 0.9 for verdict in done.verdicts for v in verdict)


def test_a_frame_does_not_depend_on_its_batch(pipeline: RealismPipeline) -> None:
    given = pair(0)
    both = pipeline(*given, frame_ids=[4, 9], seed=3)
    single = pipeline(*one(given, 1), frame_ids=[9], seed=3)
    assert all((b[1] == s[0]).all() for b, s in zip(both, single, strict=True))


def test_equal_pairs_come_out_equal_but_for_their_noise(pipeline: RealismPipeline) -> None:
    before, _, classes, _ = pair(0)
    moved, again = noiseless(pipeline)(before, before, classes, classes)
    assert (moved == again).all()
    apart = noiseless(pipeline)(before, before, classes, classes, acquisitions="per_phase")
    assert (apart[0] != apart[1]).any()                                       # two acquisitions do differ


def test_saved_and_loaded_it_gives_the_same_pixels(pipeline: RealismPipeline, tmp_path: Path) -> None:
    given = pair(0)
    pipeline.save_pretrained(str(tmp_path / "saved"))
    assert not [f for f in (tmp_path / "saved").rglob("*") if f.suffix in (".bin", ".pt", ".pkl")]
    again = RealismPipeline.from_pretrained(tmp_path / "saved")
    again.set_progress_bar_config(disable=True)
    assert again.digest() == pipeline.digest()
    for mine, theirs in zip(pipeline(*given), again(*given), strict=True):
        assert (mine == theirs).all()
    with pytest.raises(InputError, match=r"run domain\.train"):
        RealismPipeline.from_pretrained(tmp_path)


def test_a_failed_check_sends_the_colour_only_frame(pipeline: RealismPipeline) -> None:
    given = pair(0)
    strict = RealismPipeline(pipeline.unet, pipeline.scheduler, pipeline.transfer)
    strict.set_progress_bar_config(disable=True)
    strict.bars = type(strict.bars)(correlation=1.1)
    done = strict.translate(*given)
    assert not any(v is None or v.accepted for verdict in done.verdicts for v in verdict)
    exact = strict.translate(*given, paths="exact")
    assert (done.before == exact.before).all()


def test_wrong_inputs_are_named(pipeline: RealismPipeline) -> None:
    before, after, classes, classes_after = pair(0)
    with pytest.raises(InputError, match="expected uint8 \\(B, H, W, 3\\)"):
        pipeline(before.astype(np.float32), after, classes, classes_after)
    with pytest.raises(InputError, match="semantic_after"):
        pipeline(before, after, classes, classes_after[:1])
    with pytest.raises(InputError, match=r"strength is 1\.5"):
        pipeline(before, after, classes, classes_after, strength=1.5)
