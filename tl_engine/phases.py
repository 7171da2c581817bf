"""A strategy as phases: which part learns, for how many epochs, from what."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from torch import nn

from tl_engine.batches import Batches, FeatureBatches, Photos, photo_batches
from tl_engine.classifier import Classifier
from tl_engine.config import TrainConfig
from tl_engine.dataset import ImageFolder
from tl_engine.events import Event
from tl_engine.features import Embedder
from tl_engine.models import freeze_backbone
from tl_engine.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Consecutive epochs in which the same part learns."""

    name: str  # "head" or "all"
    first_epoch: int  # counted from 1 through the whole training
    epochs: int
    learning_rate: float

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
    rate, epochs = config.learning_rate, config.epochs
    match config.strategy:
        case "feature-extraction":
            return [Phase(name="head", first_epoch=1, epochs=epochs, learning_rate=rate)]
        case "head-then-all":
            head = config.head_epochs
            return [
                Phase(name="head", first_epoch=1, epochs=head, learning_rate=config.head_learning_rate),
                Phase(name="all", first_epoch=head + 1, epochs=epochs - head, learning_rate=rate),
            ]
    return [Phase(name="all", first_epoch=1, epochs=epochs, learning_rate=rate)]


def prepare_phase(
    phase: Phase,
    classifier: Classifier,
    data: ImageFolder,
    config: TrainConfig,
    runtime: Runtime,
    check_stop: Callable[[], None],
) -> Generator[Event, None, Ready]:
    """Freeze or free the backbone, say what learns, and get the inputs: features computed once, or pictures."""
    freeze_backbone(classifier.model, classifier.architecture, frozen=phase.name == "head")
    yield classifier.describe()
    if phase.name == "head":
        return (yield from _on_features(classifier, data, config, runtime, check_stop))
    return _on_photos(classifier, data, config, runtime)


def _on_features(
    classifier: Classifier, data: ImageFolder, config: TrainConfig, runtime: Runtime, check_stop: Callable[[], None]
) -> Generator[Event, None, Ready]:
    head = classifier.head
    embedder = Embedder(classifier.model, head, classifier.preprocess, runtime, check_stop)
    train, train_labels = yield from embedder.training_features(data.of("train"), config)
    val, val_labels = yield from embedder.features(data.of("val"), "embedding validation photos")
    return Ready(
        nn.Sequential(head, nn.Flatten(1)),
        FeatureBatches(train, train_labels, config.batch_size, shuffle_seed=config.seed),
        FeatureBatches(val[None], val_labels, 1024),
    )


def _on_photos(classifier: Classifier, data: ImageFolder, config: TrainConfig, runtime: Runtime) -> Ready:
    transform = classifier.preprocess.training_transform(config.augmentation)
    photos = Photos(data.of("train"), classifier.preprocess, transform)
    train = photo_batches(photos, config.batch_size, workers=runtime.loader_workers, training=True, seed=config.seed)
    model, train = runtime.accelerator.prepare(runtime.place(classifier.model), train)
    return Ready(model, train, classifier.evaluation_batches(data.of("val"), runtime))
