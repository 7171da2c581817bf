"""A strategy as phases: which part learns, for how many epochs, from what."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from tl_engine.base.events import Event
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.data.hashes import content_hashes
from tl_engine.networks.embedder import Embedded, Embedder
from tl_engine.networks.models import freeze_backbone
from tl_engine.networks.runtime import Runtime
from tl_engine.runs.config import TrainConfig
from tl_engine.training.batches import Batches, FeatureBatches, Photos, photo_batches
from tl_engine.training.phases import Phase, phases
from tl_engine.training.photo_store import PhotoStore

EVALUATION_BATCH = 64  # pictures
EVALUATION_FEATURES = 1024  # rows


@dataclass(frozen=True, slots=True)
class Ready:
    """A phase with its data in place: `learner` maps what `train` and `val` give to logits."""

    learner: nn.Module
    train: Batches
    val: Batches


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking at every file gave: those that do not decode, each with one sentence, and features for a head."""

    unreadable: dict[Path, str]
    embedded: Embedded | None = None


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
        if phases(config)[0].head_only:
            self.embedder = Embedder(classifier.backbone, runtime, settings, check_stop)

    def look(self, data: ImageFolder) -> Generator[Event, None, Looked]:
        """Decode every file, once: into features, or into memory."""
        if self.embedder:
            embedded = yield from self.embedder.look(data)
            return Looked(embedded.unreadable, embedded)
        return Looked((yield from self.store.fill(data.records, self.check_stop)))

    def hashes(self, data: ImageFolder) -> dict[Path, str]:
        """The content hash of each file."""
        return content_hashes(data, self.settings)

    def ready(self, phase: Phase, data: ImageFolder, looked: Looked) -> Generator[Event, None, Ready]:
        """Freeze or free the backbone, say what learns, and give the phase its inputs."""
        freeze_backbone(self.classifier.model, self.classifier.backbone.architecture, frozen=phase.head_only)
        yield self.classifier.describe()
        if phase.head_only and looked.embedded:
            return (yield from self._on_features(looked.embedded, data))
        if looked.embedded:
            yield from self.store.fill([r for r in data.records if r.split != "test"], self.check_stop)
        return self._on_photos(data)

    def _on_features(self, embedded: Embedded, data: ImageFolder) -> Generator[Event, None, Ready]:
        config, device = self.config, self.runtime.device
        train, val = data.of("train"), data.of("val")
        views = [embedded.plain(train)]
        # Before a fine-tuning the head only has to be sensible, so there the plain view alone is worth its pass.
        if config.strategy == "feature-extraction" and config.augmentation != "none":
            views += yield from embedded.augmented(train, config.augmentation, config.views)
        train_labels, val_labels = (torch.tensor([r.label for r in rs], device=device) for rs in (train, val))
        return Ready(
            nn.Sequential(self.classifier.backbone.head, nn.Flatten(1)),
            FeatureBatches(torch.stack(views), train_labels, config.batch_size, shuffle_seed=config.seed),
            FeatureBatches(embedded.plain(val)[None], val_labels, EVALUATION_FEATURES),
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
