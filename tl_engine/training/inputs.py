"""A strategy as phases: which part learns, for how many epochs, from what."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from tl_engine.base.events import Event
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.data.hashes import content_hashes
from tl_engine.networks.embedder import Embedder
from tl_engine.networks.models import freeze_backbone
from tl_engine.networks.runtime import Runtime
from tl_engine.runs.config import STRATEGY_DEFAULTS, TrainConfig
from tl_engine.training.batches import Batches, FeatureBatches
from tl_engine.training.photo_store import Photos, PhotoStore, photo_batches

EVALUATION_BATCH = 64  # pictures
EVALUATION_FEATURES = 1024  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Consecutive epochs in which the same part learns."""

    name: str  # "head" or "all"
    first_epoch: int  # counted from 1 through the whole training
    epochs: int
    learning_rate: float
    usual_rate: float  # what such a phase learns with unless told otherwise
    rate_option: str = "learning-rate"  # what sets its rate
    last: bool = True  # whether the training ends with it

    @property
    def last_epoch(self) -> int:
        """The number of its last epoch."""
        return self.first_epoch + self.epochs - 1


@dataclass(frozen=True, slots=True)
class Ready:
    """A phase with its data in place: `learner` maps what `train` and `val` give to logits."""

    learner: nn.Module
    train: Batches
    val: Batches


def phases(config: TrainConfig) -> list[Phase]:
    """The phases of a strategy. Head, then all: https://arxiv.org/abs/2202.10054."""
    match config.strategy:
        case "feature-extraction":
            return [_head_phase(config.epochs, config.learning_rate, "learning-rate")]
        case "head-then-all":
            head = _head_phase(config.head_epochs, config.head_learning_rate, "head-learning-rate")
            return [replace(head, last=False), _whole_phase(config, config.head_epochs)]
    return [_whole_phase(config, 0)]


def _head_phase(epochs: int, rate: float, option: str) -> Phase:
    usual = STRATEGY_DEFAULTS["feature-extraction"]["learning_rate"]
    return Phase(name="head", first_epoch=1, epochs=epochs, learning_rate=rate, usual_rate=usual, rate_option=option)


def _whole_phase(config: TrainConfig, before: int) -> Phase:
    usual = STRATEGY_DEFAULTS[config.strategy]["learning_rate"]
    epochs, rate = config.epochs - before, config.learning_rate
    return Phase(name="all", first_epoch=before + 1, epochs=epochs, learning_rate=rate, usual_rate=usual)


class Preparation:
    """Looks at every file once and has the inputs of each phase ready: features, or pictures in memory."""

    def __init__(
        self,
        classifier: Classifier,
        config: TrainConfig,
        settings: Settings,
        runtime: Runtime,
        check_stop: Callable[[], None],
    ) -> None:
        self.classifier = classifier
        self.config = config
        self.runtime = runtime
        self.settings = settings
        self.check_stop = check_stop
        self.store = PhotoStore(classifier.backbone.preprocess, config.augmentation)
        self.embedder = None
        if phases(config)[0].name == "head":
            self.embedder = Embedder(classifier.backbone, runtime, settings, check_stop)

    def look(self, data: ImageFolder) -> Generator[Event, None, dict[Path, str]]:
        """Decode every file, once: into features, or into memory. Returns those that cannot be read, and why."""
        if self.embedder:
            return (yield from self.embedder.look(data))
        return (yield from self.store.fill(data.records, self.check_stop))

    def hashes(self, data: ImageFolder) -> dict[Path, str]:
        """The content hash of each file."""
        return content_hashes(data, self.settings)

    def ready(self, phase: Phase, data: ImageFolder) -> Generator[Event, None, Ready]:
        """Freeze or free the backbone, say what learns, and give the phase its inputs."""
        freeze_backbone(self.classifier.model, self.classifier.backbone.architecture, frozen=phase.name == "head")
        yield self.classifier.describe()
        if phase.name == "head" and self.embedder:
            return (yield from self._on_features(self.embedder, data))
        if self.embedder:
            yield from self.store.fill([r for r in data.records if r.split != "test"], self.check_stop)
        return self._on_photos(data)

    def _on_features(self, embedder: Embedder, data: ImageFolder) -> Generator[Event, None, Ready]:
        config, device = self.config, self.runtime.device
        train, val = data.of("train"), data.of("val")
        views = [embedder.plain(train)]
        # Before a fine-tuning the head only has to be sensible, so there the plain view alone is worth its pass.
        if config.strategy == "feature-extraction" and config.augmentation != "none":
            views += yield from embedder.augmented(train, config.augmentation, config.views)
        train_labels, val_labels = (torch.tensor([r.label for r in rs], device=device) for rs in (train, val))
        return Ready(
            nn.Sequential(self.classifier.backbone.head, nn.Flatten(1)),
            FeatureBatches(torch.stack(views), train_labels, config.batch_size, shuffle_seed=config.seed),
            FeatureBatches(embedder.plain(val)[None], val_labels, EVALUATION_FEATURES),
        )

    def _on_photos(self, data: ImageFolder) -> Ready:
        config, runtime = self.config, self.runtime
        train = photo_batches(
            Photos(data.of("train"), self.store),
            max(1, config.batch_size // runtime.accelerator.num_processes),  # the batch is that of all together
            workers=runtime.loader_workers,
            training=True,
            seed=config.seed,
        )
        model, train = runtime.accelerator.prepare(runtime.place_to_learn(self.classifier.model), train)
        return Ready(model, train, self.evaluation_batches(data.of("val")))

    def evaluation_batches(self, records: list[Record]) -> Batches:
        """The records as the network sees them when it predicts."""
        batches: Batches = self.runtime.accelerator.prepare(
            photo_batches(Photos(records, self.store), EVALUATION_BATCH, workers=self.runtime.loader_workers)
        )
        return batches
