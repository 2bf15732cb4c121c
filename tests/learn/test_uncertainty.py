from __future__ import annotations

import numpy as np
import pytest
import torch

from learn.model import DamageNet, ModelCard, new_model
from learn.uncertainty import embed, entropy, uncertainty
from sim_bridge.errors import InputError


@pytest.fixture(scope="module")
def net() -> DamageNet:
    torch.set_num_threads(1)
    return new_model(ModelCard())


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), np.uint8)


def test_entropy_runs_from_sure_to_uniform() -> None:
    chances = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert entropy(chances).tolist() == pytest.approx([0.0, 1.0])


def test_each_pair_has_a_doubt_whatever_the_batch(net: DamageNet) -> None:
    before, after = images(5, 0), images(5, 1)
    doubt = uncertainty(net, before, after, batch=2)
    assert doubt.shape == (5,) and doubt.dtype == np.float32 and (doubt >= 0).all() and (doubt <= 1).all()
    np.testing.assert_allclose(doubt, uncertainty(net, before, after, batch=5), rtol=1e-4)


def test_a_hotter_model_is_less_sure(net: DamageNet) -> None:
    before, after = images(2, 0), images(2, 1)
    assert (uncertainty(net, before, after, temperature=100.0) > uncertainty(net, before, after)).all()


def test_embeddings_tell_images_apart(net: DamageNet) -> None:
    before, after = images(3, 0), images(3, 1)
    features = embed(net, before, after)
    assert features.shape == (3, 2 * (40 + 112 + 320)) and features.dtype == np.float32
    assert not np.allclose(features[0], features[1])
    assert embed(net, before[:0], after[:0]).shape[0] == uncertainty(net, before[:0], after[:0]).shape[0] == 0


def test_images_that_do_not_fit_are_named(net: DamageNet) -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        uncertainty(net, images(1, 0)[:, :50], images(1, 1)[:, :50])
