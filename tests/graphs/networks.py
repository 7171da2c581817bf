"""Networks whose answers really differ between pictures: with random numbers alone they forget their input, and any two
agree."""

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from tests.tiles import PHOTOS, tile
from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import load_weights
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.networks.models import build_model, head_of, main_logits
from tl_engine.networks.preprocessing import Preprocess, preprocess_for
from tl_engine.networks.pretrained import build_pretrained

CLASSES = ("temple", "flower", "neither")
SPREAD = 3.0  # standard deviation of a logit between pictures


def pictures(count: int = 12) -> list[Image.Image]:
    """Real ones, of several shapes."""
    labels = list(PHOTOS)
    return [tile(labels[n % 2], n).resize((300 + 40 * (n % 3), 320), Image.Resampling.BICUBIC) for n in range(count)]


def answering(name: str, **changed: object) -> Predictor:
    """A predictor of that architecture; `changed` replaces numbers of its preprocessing."""
    torch.manual_seed(0)
    row = get_architecture(name)
    preprocess = dataclasses.replace(preprocess_for(row), **changed)
    if row.package:  # its weights are here
        model = build_pretrained(row, len(CLASSES), *load_weights(row, Settings()))
    else:
        model = build_model(row, len(CLASSES), None)
    images = preprocess.normalised(torch.from_numpy(views(preprocess)))
    if not row.package:
        awakened(model, images)
    model.eval()
    head = head_of(model, row)
    last = [module for module in head.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.mul_(SPREAD / main_logits(model(images)).std(0).mean().clamp(min=1e-6))
        means = main_logits(model(images)).mean(0)
        last.bias.sub_(means - means.mean())  # no class is likelier than the others in all pictures
    return Predictor(model, row, preprocess, CLASSES)


def awakened(model: nn.Module, images: torch.Tensor) -> None:
    """Batch norms as if they had learnt from these images; eval mode."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    with torch.no_grad():
        model.eval()
        for norm in norms:
            norm.train()
        if norms:
            model(images)
    model.eval()


def views(preprocess: Preprocess, count: int = 12) -> NDArray[np.uint8]:
    """What a network sees of the pictures, (N, S, S, 3) bytes."""
    return np.stack([np.asarray(preprocess.view(picture)) for picture in pictures(count)])
