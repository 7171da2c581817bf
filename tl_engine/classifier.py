"""A classifier while it is made: model, classes and preprocessing together, and how it is saved and restored."""

import datetime
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from tl_engine import checkpoint
from tl_engine.backbone import Backbone
from tl_engine.config import TrainConfig, to_dict
from tl_engine.dataset import ImageFolder
from tl_engine.events import ModelBuilt
from tl_engine.models import count_parameters, head_names, replace_heads

NAMES_TOLD = 4  # learning tensors listed by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A backbone whose head gives logits over `classes`."""

    backbone: Backbone
    classes: tuple[str, ...]

    @classmethod
    def on(cls, backbone: Backbone, classes: tuple[str, ...]) -> Self:
        """The backbone with a fresh head for these classes in place of its own."""
        replace_heads(backbone.model, backbone.architecture, len(classes))
        return cls(backbone=backbone, classes=classes)

    @property
    def model(self) -> nn.Module:
        """The whole network, (B, 3, H, W) -> logits (B, C)."""
        return self.backbone.model

    def describe(self) -> ModelBuilt:
        """What learns now and what does not."""
        named = list(self.model.named_parameters())
        learning = [(name, p) for name, p in named if p.requires_grad]
        names = [name for name, _ in learning]
        return ModelBuilt(
            architecture=self.backbone.architecture.name,
            weights=self.backbone.weights_label,
            learning_tensors=len(learning),
            tensors=len(named),
            learning_parameters=count_parameters(p for _, p in learning),
            parameters=count_parameters(p for _, p in named),
            names=names if len(names) <= NAMES_TOLD else [*names[:NAMES_TOLD], "..."],
        )

    def learned(self, phase: str) -> dict[str, Tensor]:
        """The tensors that learned: the head's, or with their buffers everybody's."""
        state = self.model.state_dict()
        if phase != "head":
            return state
        return {name: state[name] for name in head_names(self.model, self.backbone.architecture)}

    def save(self, folder: Path, phase: str, config: TrainConfig, data: ImageFolder, figures: dict[str, Any]) -> None:
        """Write the classifier as it is now, atomically."""
        # The data's own name only: the folder may be downloaded by people who should not see this machine's paths.
        settings = to_dict(config) | {"data": Path(config.data).name}
        counts = {split: len(data.of(split)) for split in ("train", "val", "test")}
        meta = {
            "architecture": self.backbone.architecture.name,
            "backbone": {"weights": self.backbone.weights_label, "hash": self.backbone.weights_hash},
            "learned": phase,
            "classes": list(self.classes),
            "preprocessing": self.backbone.preprocess.to_dict(),
            "figures": figures | {"images": counts},
            "config": settings,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": {name: version(name) for name in ("torch", "torchvision", "timm")},
        }
        checkpoint.save(folder, self.learned(phase), meta)

    def copied_state(self) -> dict[str, Tensor]:
        """All tensors as they are now, on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def restore(self, folder: Path, before: dict[str, Tensor] | None = None) -> None:
        """Take back the tensors of a saved classifier of this very model; what it does not hold comes from `before`."""
        if before is not None:
            self.model.load_state_dict(before)
        self.model.load_state_dict(checkpoint.read_tensors(folder), strict=False)
