"""A network as its weights come, prepared once: a head for any task goes on it, and features come out of it."""

import dataclasses
from collections.abc import Callable, Generator
from dataclasses import dataclass

from torch import Tensor, nn

from tl_engine.backbones.architectures import Architecture, get_architecture
from tl_engine.backbones.weights import WeightsSource, find_weights, load_weights
from tl_engine.base.events import Progress
from tl_engine.base.progress import OnProgress, reporting
from tl_engine.base.settings import Settings
from tl_engine.networks.models import backbone_hash, blank_model, head_of
from tl_engine.networks.preprocessing import Preprocess, preprocess_for
from tl_engine.networks.pretrained import load_backbone


def never() -> None:
    """For work that nobody stops: whoever does not want it any more ends the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A network (B, 3, H, W) -> logits, where its numbers came from, and the numbers that make its inputs."""

    architecture: Architecture
    model: nn.Module
    preprocess: Preprocess
    weights_label: str  # where the weights came from, for people
    weights_hash: str | None  # of the pretrained numbers; None: they are random

    @property
    def head(self) -> nn.Module:
        """The part that a new task replaces, or has replaced."""
        return head_of(self.model, self.architecture)


def prepare_backbone(
    name: str, settings: Settings, *, fit: str = "crop", pretrained: bool = True, check_stop: Callable[[], None] = never
) -> Generator[Progress, None, Backbone]:
    """Build the network of that name with its weights, downloaded if need be, or with random ones.

    Raises WeightsError, ConfigError for a name that is none, and what `check_stop` raises.
    """
    architecture = get_architecture(name)
    override = find_weights(architecture, settings).preprocess
    label, model = "none, from scratch", blank_model(architecture)
    if pretrained:
        loading = reporting(f"downloading the weights of {name}", _loader(architecture, settings, check_stop))
        weights, source = yield from loading
        label = source.label
        load_backbone(model, architecture, weights, source)
    return Backbone(
        architecture=architecture,
        model=model,
        preprocess=dataclasses.replace(preprocess_for(architecture, override), fit=fit),
        weights_label=label,
        weights_hash=backbone_hash(model, architecture) if pretrained else None,
    )


def _loader(
    architecture: Architecture, settings: Settings, check_stop: Callable[[], None]
) -> Callable[[OnProgress], tuple[dict[str, Tensor], WeightsSource]]:
    def load(told: OnProgress) -> tuple[dict[str, Tensor], WeightsSource]:
        def told_unless_stopped(done: int, total: int) -> None:
            check_stop()  # raised here, it ends the download, which then leaves nothing behind
            told(done, total)

        return load_weights(architecture, settings, told_unless_stopped)

    return load
