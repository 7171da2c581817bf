"""What each phase of a training learns from: features computed once, or pictures kept in memory."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tl_engine.base.events import Event, ModelBuilt
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.data.decoded import Decoded
from tl_engine.networks.embedder import Embedded, Embedder
from tl_engine.networks.models import freeze_backbone
from tl_engine.networks.runtime import Runtime
from tl_engine.runs.config import TrainConfig
from tl_engine.training.batches import Batches, FeatureBatches, Photos, PhotoStore, photo_batches
from tl_engine.training.phases import Phase, phases

EVALUATION_BATCH = 64  # pictures
EVALUATION_FEATURES = 1024  # rows


@dataclass(frozen=True, slots=True)
class Ready:
    """A phase with its data in place: `learner` maps what `train` and `val` give to logits (B, C).

    Both give (inputs, labels (B,)): features (B, ...) where the head alone learns, else images (B, 3, H, W).
    """

    learner: nn.Module
    train: Batches
    val: Batches
    order: torch.Generator  # draws what `train` gives next


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Photos that were all looked at once, as features where the first phase needs them and as pictures elsewhere."""

    classifier: Classifier
    config: TrainConfig
    settings: Settings
    runtime: Runtime
    check_stop: Callable[[], None]
    store: PhotoStore
    embedded: Embedded | None  # None: no phase learns on features
    unreadable: Mapping[Path, str]  # the photos that do not decode, each with one sentence

    def ready(self, phase: Phase, data: ImageFolder) -> Generator[Event, None, Ready]:
        """Freeze or free the backbone, say what learns, and give the phase its inputs."""
        head_only = phase.learns.head_only
        yield self.freeze(frozen=head_only)
        if head_only and self.embedded:
            return (yield from self._on_features(self.embedded, data))
        if self.embedded:
            yield from self.store.fill([r for r in data.records if r.split != "test"], self.check_stop)
        return self._on_photos(data)

    def freeze(self, *, frozen: bool) -> ModelBuilt:
        """Freeze or free the backbone, and what learns now."""
        freeze_backbone(self.classifier.model, self.classifier.backbone.architecture, frozen=frozen)
        return self.classifier.describe()

    def _on_features(self, embedded: Embedded, data: ImageFolder) -> Generator[Event, None, Ready]:
        config, device = self.config, self.runtime.device
        train, val = data.of("train"), data.of("val")
        views = yield from self.views(embedded, train)
        train_labels, val_labels = (torch.tensor([r.label for r in rs], device=device) for rs in (train, val))
        order = torch.Generator().manual_seed(config.seed)
        return Ready(
            nn.Sequential(self.classifier.backbone.head, nn.Flatten(1)),
            FeatureBatches(views, train_labels, config.batch_size, order=order),
            FeatureBatches(embedded.plain(val)[None], val_labels, EVALUATION_FEATURES),
            order,
        )

    def views(self, embedded: Embedded, records: list[Record]) -> Generator[Event, None, Tensor]:
        """The features (V, N, ...) of V views of N photos: each as it is, then its augmented copies if asked for."""
        config, views = self.config, [embedded.plain(records)]
        # Before a fine-tuning the head only has to be sensible, so there the plain view alone is worth its pass.
        if config.strategy == "feature-extraction" and config.augmentation != "none":
            views += yield from embedded.augmented(records, config.augmentation, config.views)
        return torch.stack(views)

    def _on_photos(self, data: ImageFolder) -> Ready:
        config, runtime = self.config, self.runtime
        order = torch.Generator().manual_seed(config.seed)
        train = photo_batches(
            Photos(data.of("train"), self.store),
            max(1, config.batch_size // runtime.accelerator.num_processes),  # the batch is that of all together
            workers=runtime.loader_workers,
            order=order,
        )
        model, train = runtime.accelerator.prepare(runtime.place_to_learn(self.classifier.model), train)
        return Ready(model, train, self.evaluation_batches(data.of("val")), order)

    def evaluation_batches(self, records: list[Record]) -> Batches:
        """The records as the network sees them when it predicts: images (B, 3, H, W) and labels (B,)."""
        batches: Batches = self.runtime.accelerator.prepare(
            photo_batches(Photos(records, self.store), EVALUATION_BATCH, workers=self.runtime.loader_workers)
        )
        return batches


def look_at_photos(
    data: ImageFolder,
    classifier: Classifier,
    config: TrainConfig,
    settings: Settings,
    runtime: Runtime,
    check_stop: Callable[[], None],
    ahead: Path | None = None,
    beat: Callable[[], None] | None = None,
) -> Generator[Event, None, Inputs]:
    """Decode every photo, once: into features if the head learns first, else into memory.

    `ahead`: a folder of photos that were decoded before; `beat` is called for each picture that is drawn later.
    """
    decoded = Decoded(ahead) if ahead else None
    store, embedded = PhotoStore(classifier.backbone.preprocess, config.augmentation, decoded, beat), None
    if phases(config)[0].learns.head_only:
        embedded = yield from Embedder(classifier.backbone, runtime, settings, check_stop, decoded).look(data)
        unreadable = embedded.unreadable
    else:
        unreadable = yield from store.fill(data.records, check_stop)
    return Inputs(
        classifier=classifier,
        config=config,
        settings=settings,
        runtime=runtime,
        check_stop=check_stop,
        store=store,
        embedded=embedded,
        unreadable=unreadable,
    )
