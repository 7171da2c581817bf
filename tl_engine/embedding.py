"""What a frozen backbone makes of every photo of a data set, for whoever is no training: the report, comparisons."""

from collections.abc import Generator
from pathlib import Path

from tl_engine.classifier import prepare_classifier
from tl_engine.config import TrainConfig
from tl_engine.dataset import ImageFolder, without
from tl_engine.duplicates import Features
from tl_engine.errors import DataError
from tl_engine.events import Event
from tl_engine.features import Embedder
from tl_engine.runtime import get_runtime
from tl_engine.settings import Settings


def embed_photos(
    data: ImageFolder, config: TrainConfig, settings: Settings
) -> Generator[Event, None, tuple[Features, dict[Path, str]]]:
    """Features (N, D) of the records that can be read, in their order, and the files that cannot, with the reason.

    They come from the cache that trainings fill, and fill it for them. Raises WeightsError.
    """
    classifier = yield from prepare_classifier(config, data.classes, settings, _never)
    runtime = get_runtime(classifier.model, image_size=classifier.preprocess.crop, learning=False)
    embedder = Embedder(classifier, runtime, settings, _never)
    bad = yield from embedder.look(data.records)
    readable = without(data, bad).records
    if not readable:
        raise DataError(
            f"No photo in {data.root.name} takes part, all are damaged or left out: copy them again or undo some."
        )
    rows = embedder.plain(readable).cpu()
    # Some heads begin before the pooling (SqueezeNet's); what is where does not matter here.
    return (rows.mean((2, 3)) if rows.dim() == 4 else rows.flatten(1)).numpy(), bad


def _never() -> None:
    """Nobody stops this; whoever does not want it any more ends the process."""
