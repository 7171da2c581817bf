"""Embed once: a frozen backbone gives the same numbers in every epoch, so it runs once and the head learns on them."""

from collections.abc import Callable, Generator

import torch
from torch import Tensor, nn

from tl_engine.batches import Photos, photo_batches
from tl_engine.config import TrainConfig
from tl_engine.dataset import Record
from tl_engine.events import Progress
from tl_engine.models import backbone_outputs
from tl_engine.preprocessing import Preprocess
from tl_engine.progress import Stage
from tl_engine.runtime import Runtime

EMBED_BATCH = 32  # pictures; larger ones were no faster on two CPU cores


class Embedder:
    """Runs the frozen backbone over records: features as float32, labels, and progress on the way."""

    def __init__(
        self,
        model: nn.Module,
        head: nn.Module,
        preprocess: Preprocess,
        runtime: Runtime,
        check_stop: Callable[[], None],
    ) -> None:
        self.model = runtime.place(model).eval()
        self.head = head
        self.preprocess = preprocess
        self.runtime = runtime
        self.check_stop = check_stop

    def training_features(
        self, records: list[Record], config: TrainConfig
    ) -> Generator[Progress, None, tuple[Tensor, Tensor]]:
        """Features (V, N, ...) of the plain view and, with augmentation, of `config.views` augmented ones.

        Before a fine-tuning the head only has to be sensible, so there the plain view alone is worth its pass.
        """
        plain, labels = yield from self.features(records, "embedding training photos")
        views = [plain]
        augmented = self.preprocess.training_transform(config.augmentation)
        augmenting = config.strategy == "feature-extraction" and config.augmentation != "none"
        for number in range(config.views if augmenting else 0):
            stage = f"embedding augmented view {number + 1} of {config.views}"
            more, _ = yield from self.features(records, stage, Photos(records, self.preprocess, augmented))
            views.append(more)
        return torch.stack(views), labels

    def features(
        self, records: list[Record], stage: str, photos: Photos | None = None
    ) -> Generator[Progress, None, tuple[Tensor, Tensor]]:
        """What the backbone gives for each record, (N, ...) float32, and the labels (N,), both on the device."""
        photos = photos or Photos(records, self.preprocess, self.preprocess)
        accelerator = self.runtime.accelerator
        # Under torchrun each process embeds its share, and all of them get everything.
        loader = accelerator.prepare(photo_batches(photos, EMBED_BATCH, workers=self.runtime.loader_workers))
        clock = Stage(stage, len(records))
        features: list[Tensor] = []
        labels: list[Tensor] = []
        done = 0
        for images, batch_labels in loader:
            self.check_stop()
            outputs, known = accelerator.gather_for_metrics((self._embed(images), batch_labels))
            features.append(outputs)
            labels.append(known)
            done += len(known)
            if event := clock.due(done):
                yield event
        return torch.cat(features), torch.cat(labels)

    def _embed(self, images: Tensor) -> Tensor:
        images = images.to(memory_format=torch.channels_last)
        with self.runtime.accelerator.autocast():
            return backbone_outputs(self.model, self.head, images).float()
