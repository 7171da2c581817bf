"""A classifier while it is made: model, classes and preprocessing together, and how it is saved and restored."""

import dataclasses
import datetime
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tl_engine import checkpoint
from tl_engine.architectures import Architecture, get_architecture
from tl_engine.config import TrainConfig, to_dict
from tl_engine.dataset import ImageFolder
from tl_engine.download import OnProgress
from tl_engine.events import Event, ModelBuilt
from tl_engine.models import backbone_hash, build_model, count_parameters, head_names, head_of
from tl_engine.preprocessing import Preprocess, preprocess_for
from tl_engine.pretrained import build_pretrained
from tl_engine.progress import reporting
from tl_engine.settings import Settings
from tl_engine.weights import WeightsSource, find_weights, load_weights

NAMES_TOLD = 4  # learning tensors listed by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A model that maps (B, 3, H, W) to logits over `classes`, and the numbers that make its inputs."""

    architecture: Architecture
    model: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights_label: str  # where the backbone came from
    weights_hash: str | None  # of the pretrained backbone; None: it started from scratch

    @property
    def head(self) -> nn.Module:
        """The part that is new for this task."""
        return head_of(self.model, self.architecture)

    def describe(self) -> ModelBuilt:
        """What learns now and what does not."""
        named = list(self.model.named_parameters())
        learning = [(name, p) for name, p in named if p.requires_grad]
        names = [name for name, _ in learning]
        return ModelBuilt(
            architecture=self.architecture.name,
            weights=self.weights_label,
            learning_tensors=len(learning),
            tensors=len(named),
            learning_parameters=count_parameters(p for _, p in learning),
            parameters=count_parameters(p for _, p in named),
            names=names if len(names) <= NAMES_TOLD else [*names[:NAMES_TOLD], "..."],
        )

    def learned(self, phase: str) -> dict[str, Tensor]:
        """The tensors that learned: the head's, or with their buffers everybody's."""
        state = self.model.state_dict()
        return {name: state[name] for name in head_names(self.model, self.architecture)} if phase == "head" else state

    def save(self, folder: Path, phase: str, config: TrainConfig, data: ImageFolder, figures: dict[str, Any]) -> None:
        """Write the classifier as it is now, atomically."""
        # The data's own name only: the folder may be downloaded by people who should not see this machine's paths.
        settings = to_dict(config) | {"data": Path(config.data).name}
        counts = {split: len(data.of(split)) for split in ("train", "val", "test")}
        meta = {
            "architecture": self.architecture.name,
            "backbone": {"weights": self.weights_label, "hash": self.weights_hash},
            "learned": phase,
            "classes": list(self.classes),
            "preprocessing": self.preprocess.to_dict(),
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


def prepare_classifier(
    config: TrainConfig, classes: tuple[str, ...], settings: Settings, check_stop: Callable[[], None]
) -> Generator[Event, None, Classifier]:
    """Build the model for these classes with its weights, downloaded if need be. Raises WeightsError."""
    architecture = get_architecture(config.architecture)
    override = find_weights(architecture, settings).preprocess
    if config.strategy != "from-scratch":
        stage = f"downloading the weights of {architecture.name}"

        def load(told: OnProgress) -> tuple[dict[str, Tensor], WeightsSource]:
            def told_unless_stopped(done: int, total: int) -> None:
                check_stop()  # raised here, it ends the download, which then leaves nothing behind
                told(done, total)

            return load_weights(architecture, settings, told_unless_stopped)

        weights, source = yield from reporting(stage, load)
        label, model = source.label, build_pretrained(architecture, len(classes), weights, source)
    else:
        label, model = "none, from scratch", build_model(architecture, len(classes), None)
    return Classifier(
        architecture=architecture,
        model=model,
        preprocess=dataclasses.replace(preprocess_for(architecture, override), fit=config.fit),
        classes=classes,
        weights_label=label,
        weights_hash=None if config.strategy == "from-scratch" else backbone_hash(model, architecture),
    )
