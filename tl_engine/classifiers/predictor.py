"""A saved classifier that predicts: pictures in, probabilities out, through the same preprocessing as in training."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE, Architecture, get_architecture
from tl_engine.backbones.weights import load_weights
from tl_engine.base.errors import RunError
from tl_engine.base.settings import HOME, Settings
from tl_engine.classifiers import saved
from tl_engine.networks.models import backbone_hash, build_model
from tl_engine.networks.preprocessing import Preprocess, preprocess_for
from tl_engine.networks.pretrained import build_pretrained
from tl_engine.networks.runtime import best_device
from tl_engine.photos.photo_file import Source
from tl_engine.runs.meta import META, Meta
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import TENSORS, read_meta

BATCH = 32
# ImageNet has two cranes and two maillots; a table of probabilities needs a name for each.
TWINS = {134: "crane (bird)", 517: "crane (machine)", 638: "maillot", 639: "maillot (tank suit)"}


class Predictor:
    """A classifier ready to predict. Safe to share between threads: it never changes after it is made."""

    def __init__(
        self,
        model: nn.Module,
        preprocess: Preprocess,
        classes: Sequence[str],
        meta: Meta | None = None,
        most_bytes: int = HOME.image_bytes,  # of a picture's file
    ) -> None:
        self.device = best_device()
        self.model = model.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.preprocess = preprocess
        self.classes = tuple(classes)
        self.meta = meta  # None: a backbone as it comes
        self.most_bytes = most_bytes

    @classmethod
    def load(cls, folder: Path, settings: Settings | None = None) -> Self:
        """A trained classifier from its folder (`best/`), as `tl_engine.find` names it.

        Raises RunError when the folder holds none, WeightsError when its backbone cannot be had here.
        """
        settings = _with_remembered_weights(folder, settings or Settings.make())
        meta = read_meta(folder)
        architecture, preprocess = get_architecture(meta.architecture), Preprocess.from_dict(meta.preprocessing)
        classes, head_only = meta.classes, meta.learned.head_only
        if head_only:
            model = build_pretrained(architecture, len(classes), *load_weights(architecture, settings))
        else:
            model = build_model(architecture, len(classes), None)
        if head_only and backbone_hash(model, architecture) != meta.backbone.hash:
            raise RunError(
                f"The classifier in {folder.name} was trained on other weights of {architecture.name} than those "
                "found here: name the folder with the right ones with --weights-dir."
            )
        _fill(model, folder)
        return cls(model, preprocess, classes, meta, settings.limits.image_bytes)

    @classmethod
    def imagenet(cls, settings: Settings | None = None, name: str = DEFAULT_ARCHITECTURE) -> Self:
        """A backbone as it comes, with its own 1,000 classes. Raises WeightsError."""
        settings = settings or Settings.make()
        architecture: Architecture = get_architecture(name)
        weights, source = load_weights(architecture, settings)
        model = build_pretrained(architecture, None, weights, source)
        preprocess = preprocess_for(architecture, source.preprocess)
        return cls(model, preprocess, imagenet_classes(), most_bytes=settings.limits.image_bytes)

    def open(self, source: Source, name: str | None = None) -> Image.Image:
        """A picture as `__call__` expects it. Raises ImageError, also for more bytes than the settings allow."""
        return self.preprocess.open(source, name, self.most_bytes)

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Probabilities (N, C) for N opened pictures."""
        rows = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(images), BATCH):
            views = [np.array(self.preprocess.view(image)) for image in images[start : start + BATCH]]
            rows.append(self.of_views(np.stack(views)))
        return np.concatenate(rows)

    @torch.inference_mode()
    def of_views(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, C) for what the network sees of N pictures, bytes (N, H, W, 3)."""
        images = self.preprocess.normalised(torch.from_numpy(pixels).to(self.device))
        probabilities: NDArray[np.float32] = self.model(images).float().softmax(1).cpu().numpy()
        return probabilities

    def probabilities(self, image: Image.Image) -> dict[str, float]:
        """{class: probability} of one opened picture, the likeliest first."""
        return self.named(self([image])[0])

    def named(self, row: NDArray[np.float32]) -> dict[str, float]:
        """One row of probabilities (C,) by class, the likeliest first."""
        return {self.classes[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}


def _fill(model: nn.Module, folder: Path) -> None:
    tensors = saved.read_tensors(folder)
    own = model.state_dict()
    strangers = [name for name, t in tensors.items() if name not in own or own[name].shape != t.shape]
    if strangers or not tensors:
        raise RunError(f"{TENSORS} in {folder.name} does not fit its {META}: use another copy.")
    model.load_state_dict(tensors, strict=False)


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names in index order, each of them once."""
    from torchvision.models import ResNet18_Weights

    names: list[str] = list(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
    for index, name in TWINS.items():
        names[index] = name
    return tuple(names)


def load_classifier(folder: Path | None, settings: Settings) -> Predictor:
    """The classifier of a folder (None: the default backbone as it comes). Raises RunError or WeightsError."""
    return Predictor.imagenet(settings) if folder is None else Predictor.load(folder, settings)


def _with_remembered_weights(folder: Path, settings: Settings) -> Settings:
    """A run remembers where its backbone came from, so that predicting needs no --weights-dir."""
    remembered = Run(folder.parent).facts.weights_dir
    if remembered and settings.weights_dir is None:
        return dataclasses.replace(settings, weights_dir=remembered)
    return settings
