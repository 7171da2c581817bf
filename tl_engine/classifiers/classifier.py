"""A classifier while it is made: model, classes and preprocessing together, and how it is saved and restored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from tl_engine.base.events import ModelBuilt
from tl_engine.classifiers import saved
from tl_engine.networks.backbone import Backbone
from tl_engine.networks.models import count_parameters, head_names, replace_heads
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.meta import BackboneMeta, Figures, Learned, Meta

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

    def tensors(self, learned: Learned) -> dict[str, Tensor]:
        """The tensors of that part: the head's, or with their buffers everybody's."""
        state = self.model.state_dict()
        if not learned.head_only:
            return state
        return {name: state[name] for name in head_names(self.model, self.backbone.architecture)}

    def save(
        self, folder: Path, learned: Learned, config: TrainConfig, figures: Figures, temperature: float = 1.0
    ) -> None:
        """Write the classifier as it is now, whole or not at all. Raises TrainingError."""
        backbone = self.backbone
        meta = Meta(
            architecture=backbone.architecture.name,
            backbone=BackboneMeta(weights=backbone.weights_label, hash=backbone.weights_hash),
            learned=learned,
            classes=self.classes,
            preprocessing=backbone.preprocess.to_dict(),
            temperature=temperature,
            figures=figures,
            # The data's own name only: whoever downloads the folder should not see this machine's paths.
            config=to_dict(config) | {"data": Path(config.data).name},
        )
        saved.save(folder, self.tensors(learned), meta)

    def copied_state(self) -> dict[str, Tensor]:
        """All tensors as they are now, on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def restore(self, folder: Path, before: dict[str, Tensor] | None = None) -> None:
        """Take back the tensors of a saved classifier of this very model; what it does not hold comes from `before`."""
        if before is not None:
            self.model.load_state_dict(before)
        self.model.load_state_dict(saved.read_tensors(folder), strict=False)
