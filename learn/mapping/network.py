"""A trained model folder as the predictor that maps are made with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from learn.mapping.predict import Predict, Predictor, Probabilities
from learn.model import WEIGHTS_FILE, DamageNet, ModelCard, load_model, normalise


def network_predictor(folder: Path, device: str = "cpu") -> Predictor:
    """Loads a model folder. Its id is the first 12 hex digits of the SHA-256 of its weights.

    Raises InputError for anything but a model folder with today's classes.
    """
    net, card = load_model(folder)
    model_id = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()[:12]
    return Predictor(predict_with(net.to(device), card, device), card.gsd_m, card.building_threshold, model_id,
                     card.confidence_bar)


def predict_with(net: DamageNet, card: ModelCard, device: str = "cpu") -> Predict:
    """The callable a map asks for: normalises, runs the network in eval mode, corrects the damage logits by the card's
    offset, divides by the temperature, softmax."""
    net.eval()
    offset = torch.tensor(card.damage_offset or (0.0,), dtype=torch.float32, device=device)[:, None, None]

    def softmax(logits: torch.Tensor) -> npt.NDArray[np.float32]:
        return np.asarray((logits.float() / card.temperature).softmax(dim=1).cpu().numpy())

    def predict(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Probabilities:
        with torch.inference_mode():
            said = net(normalise(before, card).to(device), normalise(after, card).to(device))
            landcover = (softmax(said.landcover_before), softmax(said.landcover_after))
            return Probabilities(*landcover, softmax(said.damage - offset))

    return predict
