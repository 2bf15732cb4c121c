from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from learn.mapping.network import predict_with
from learn.model import DamageNet, ModelCard, load_model, new_model, normalise, save_model
from sim_bridge.errors import InputError


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def net() -> DamageNet:
    return new_model(ModelCard(), seed=3).eval()


def test_logits_have_the_size_of_the_images(net: DamageNet) -> None:
    with torch.no_grad():
        output = net(torch.zeros(2, 3, 64, 96), torch.zeros(2, 3, 64, 96))
    assert output.landcover_before.shape == output.landcover_after.shape == (2, 10, 64, 96)
    assert output.damage.shape == (2, 4, 64, 96)


def test_both_images_pass_the_same_weights(net: DamageNet) -> None:
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        output = net(image, image)
    assert torch.equal(output.landcover_before, output.landcover_after)


def test_encoder_starts_from_imagenet_and_heads_from_the_seed(net: DamageNet) -> None:
    other, same = new_model(ModelCard(), seed=4), new_model(ModelCard(), seed=3)
    # the first filters of a trained network are far from the spread of fresh ones, and equal in both
    assert torch.equal(net.encoder.state_dict()["conv_stem.weight"], other.encoder.state_dict()["conv_stem.weight"])
    fresh = new_model(ModelCard(), pretrained=False, seed=3)
    assert not torch.equal(net.encoder.state_dict()["bn1.running_var"], fresh.encoder.state_dict()["bn1.running_var"])
    assert torch.equal(net.landcover.weight, same.landcover.weight)
    assert not torch.equal(net.landcover.weight, other.landcover.weight)


def test_model_folder_round_trip(tmp_path: Path, net: DamageNet) -> None:
    card = ModelCard(gsd_m=0.47, temperature=1.3, training={"steps": 10})
    again, found = load_model(save_model(tmp_path / "model", net, card))
    assert found == card
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


def test_broken_model_folders_are_refused(tmp_path: Path, net: DamageNet) -> None:
    with pytest.raises(InputError, match="expected a model folder"):
        load_model(tmp_path)
    folder = save_model(tmp_path / "model", net, ModelCard())
    table = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**table, "classes": "0"}))
    with pytest.raises(InputError, match="classes is 0"):
        load_model(folder)
    (folder / "model.json").write_text(json.dumps(table))
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="cannot be used"):
        load_model(folder)


def test_unknown_encoder_is_named() -> None:
    with pytest.raises(InputError, match="'nonesuch'"):
        DamageNet("nonesuch")


def test_normalise_follows_the_card() -> None:
    rgb = np.array([[[[255, 0, 124]]]], np.uint8)
    expected = (rgb.reshape(3) / 255 - ModelCard().mean) / ModelCard().std
    np.testing.assert_allclose(normalise(rgb, ModelCard()).reshape(3).numpy(), expected, rtol=1e-5)


def test_weights_of_training_are_taken_back_at_use(net: DamageNet) -> None:
    before, after = np.random.default_rng(3).integers(0, 255, (2, 1, 64, 64, 3), np.uint8)
    weights = np.array([0.6, 5.0, 3.0, 1.2])
    said = predict_with(net, ModelCard())(before, after)
    corrected = predict_with(net, ModelCard(damage_offset=tuple(float(w) for w in np.log(weights))))(before, after)
    natural = said.damage / weights[:, None, None]
    np.testing.assert_allclose(corrected.damage, natural / natural.sum(axis=1, keepdims=True), rtol=2e-4)
    np.testing.assert_array_equal(corrected.landcover_before, said.landcover_before)
