"""A saved classifier that predicts: pictures in, probabilities out, through the same preprocessing as in training."""

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE, Architecture, get_architecture
from tl_engine.backbones.libraries import import_without_compiler
from tl_engine.backbones.weights import load_weights
from tl_engine.base.errors import RunError, WeightsError
from tl_engine.base.settings import HOME, Settings
from tl_engine.classifiers import saved
from tl_engine.classifiers.answers import Answer, Seen, answer, by_class
from tl_engine.classifiers.reference import KEPT, Reference, reference_of
from tl_engine.networks.folding import folded
from tl_engine.networks.models import backbone_hash, build_model, flat_features, head_of
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


class Frozen(threading.local):
    """What the head was last given, in each thread."""

    features: Tensor | None = None


class Network:
    """A network that predicts, its batch norms folded; gives its logits, and what it hands to its head."""

    def __init__(self, model: nn.Module, architecture: Architecture, side: int, device: torch.device) -> None:
        self.model: nn.Module = folded(model.eval().requires_grad_(False), side).to(
            device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.head = head_of(self.model, architecture)
        self._last = Frozen()
        # Detached: what is explained would otherwise keep the memory of its gradients until the next prediction.
        self.head.register_forward_pre_hook(lambda _module, inputs: setattr(self._last, "features", inputs[0].detach()))

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and features (B, D) of images (B, 3, H, W)."""
        logits = self.model(images).float()
        features = self._last.features
        self._last.features = None
        return logits, flat_features(logits if features is None else features)


class Predictor:
    """A classifier ready to predict. Safe to share between threads: it never changes after it is made."""

    def __init__(
        self,
        model: nn.Module,
        architecture: Architecture,
        preprocess: Preprocess,
        classes: Sequence[str],
        meta: Meta | None = None,
        most_bytes: int = HOME.image_bytes,  # of a picture's file
        reference: Reference | None = None,
        frozen: nn.Module | None = None,  # the backbone as it was before it learnt; None: it never did
    ) -> None:
        self.device = best_device()
        self.network = Network(model, architecture, preprocess.crop, self.device)
        self.model = self.network.model
        self.preprocess = preprocess
        self.classes = tuple(classes)
        self.meta = meta  # None: a backbone as it comes
        self.temperature = meta.temperature if meta else 1.0
        self.most_bytes = most_bytes
        self.reference = reference
        self.frozen = None if frozen is None else Network(frozen, architecture, preprocess.crop, self.device)

    @classmethod
    def load(cls, folder: Path, settings: Settings | None = None) -> Self:
        """A trained classifier from its folder (`best/`), as `tl_engine.find` names it.

        Raises RunError when the folder holds none, WeightsError when its backbone cannot be had here.
        """
        settings = _with_remembered_weights(folder, settings or Settings.make())
        model, architecture, meta = network_of(folder, settings)
        preprocess, classes = Preprocess.from_dict(meta.preprocessing), meta.classes
        # A whole network may hold the backbone as it came: one that was merged with its head, to be shared.
        as_it_came = meta.learned.head_only or backbone_hash(model, architecture) == meta.backbone.hash
        reference = reference_of(folder)
        frozen = None if as_it_came or reference is None else _frozen(architecture, meta, settings)
        if reference and not (reference.fits(len(classes)) and (as_it_came or frozen)):
            reference = None
        return cls(model, architecture, preprocess, classes, meta, settings.limits.image_bytes, reference, frozen)

    @classmethod
    def imagenet(cls, settings: Settings | None = None, name: str = DEFAULT_ARCHITECTURE) -> Self:
        """A backbone as it comes, with its own 1,000 classes. Raises WeightsError."""
        settings = settings or Settings.make()
        architecture: Architecture = get_architecture(name)
        weights, source = load_weights(architecture, settings)
        model = build_pretrained(architecture, None, weights, source)
        preprocess = preprocess_for(architecture, source.preprocess)
        return cls(model, architecture, preprocess, imagenet_classes(), most_bytes=settings.limits.image_bytes)

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

    def of_views(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, C) for what the network sees of N pictures, bytes (N, H, W, 3)."""
        return self.look(pixels).probabilities

    @torch.inference_mode()
    def look(self, pixels: NDArray[np.uint8]) -> Seen:
        """All that the networks say of N pictures as they see them, bytes (N, H, W, 3)."""
        images = self.preprocess.normalised(torch.from_numpy(pixels).to(self.device))
        logits, features = self.network(images)
        if self.frozen is not None:
            features = self.frozen(images)[1]
        return Seen(
            probabilities=(logits / self.temperature).softmax(1).cpu().numpy(),
            raw=logits.softmax(1).cpu().numpy(),
            features=features.float().cpu().numpy(),
        )

    def probabilities(self, image: Image.Image) -> dict[str, float]:
        """{class: probability} of one opened picture, the likeliest first."""
        return by_class(self([image])[0], self.classes)

    def answer(self, image: Image.Image, kept: float = KEPT) -> Answer:
        """All that is to be said of one opened picture."""
        return self.answered(self.look(np.array(self.preprocess.view(image))[None]), kept)

    def answered(self, seen: Seen, kept: float = KEPT) -> Answer:
        """The same of the first picture of those that were looked at."""
        return answer(seen, self.classes, self.reference, kept)


def network_of(folder: Path, settings: Settings) -> tuple[nn.Module, Architecture, Meta]:
    """The network of a saved classifier as it learnt, its batch norms unfolded, its row and what it says of itself.

    Raises RunError when the folder holds none, WeightsError when its backbone cannot be had here.
    """
    settings = _with_remembered_weights(folder, settings)
    meta = read_meta(folder)
    architecture, head_only = get_architecture(meta.architecture), meta.learned.head_only
    if head_only:
        model = build_pretrained(architecture, len(meta.classes), *load_weights(architecture, settings))
    else:
        model = build_model(architecture, len(meta.classes), None)
    if head_only and backbone_hash(model, architecture) != meta.backbone.hash:
        raise RunError(
            f"The classifier in {folder.name} was trained on other weights of {architecture.name} than those "
            "found here: name the folder with the right ones with --weights-dir."
        )
    _fill(model, folder)
    return model, architecture, meta


def _frozen(architecture: Architecture, meta: Meta, settings: Settings) -> nn.Module | None:
    """The backbone that a fine-tuning began with; None where it cannot be had here."""
    if meta.backbone.hash is None:
        return None
    try:
        model = build_pretrained(architecture, len(meta.classes), *load_weights(architecture, settings))
    except WeightsError:
        return None
    return model if backbone_hash(model, architecture) == meta.backbone.hash else None


def _fill(model: nn.Module, folder: Path) -> None:
    tensors = saved.read_tensors(folder)
    own = model.state_dict()
    strangers = [name for name, t in tensors.items() if name not in own or own[name].shape != t.shape]
    if strangers or not tensors:
        raise RunError(f"{TENSORS} in {folder.name} does not fit its {META}: use another copy.")
    model.load_state_dict(tensors, strict=False)


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names in index order, each of them once."""
    models = import_without_compiler("torchvision.models")
    names: list[str] = list(models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
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
