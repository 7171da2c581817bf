"""What a training loop iterates over: batches of features already computed, or of pictures.

Pictures are decoded and shrunk once and kept in memory, then augmented from there in each epoch.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tl_engine.base.errors import ImageError
from tl_engine.base.events import Progress
from tl_engine.base.parallel import in_order
from tl_engine.base.progress import Stage
from tl_engine.data.dataset import Record
from tl_engine.data.decoded import Decoded
from tl_engine.networks.preprocessing import Preprocess
from tl_engine.training.endings import WORKER_SECONDS

MEMORY_SHARE = 0.25  # of the memory that is free; pictures beyond that are decoded each time
SPARE = 1.15  # the short side kept for random crops, in units of the side they are resized to


class Batches(Protocol):
    """Batches of (inputs, labels): inputs (B, ...), labels (B,)."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...
    def __len__(self) -> int: ...


class FeatureBatches:
    """Batches of the backbone's outputs, (B, ...). With several views each epoch draws one per picture."""

    def __init__(
        self, features: Tensor, labels: Tensor, batch_size: int, *, order: torch.Generator | None = None
    ) -> None:
        self.features = features  # (V, N, ...): V views of N pictures
        self.labels = labels  # (N,)
        self.batch_size = batch_size
        self.generator = order  # None: as they come

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        views, count = self.features.shape[:2]
        if self.generator is None:
            order, view = torch.arange(count), torch.zeros(count, dtype=torch.long)
        else:
            order = torch.randperm(count, generator=self.generator)
            view = torch.randint(views, (count,), generator=self.generator)
        for chosen in order.split(self.batch_size):
            yield self.features[view[chosen], chosen], self.labels[chosen]


class PhotoStore:
    """Small RGB pictures by record: what augmentation draws from, or the very view that evaluation sees."""

    def __init__(
        self, preprocess: Preprocess, augmentation: str, ahead: Decoded | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.preprocess = preprocess
        self.beat = beat  # called for each picture: a large batch of them takes a while
        self.ahead = ahead  # what was decoded before
        self.augmentation = augmentation
        self._augmented = preprocess.training_transform(augmentation)
        self._kept: dict[tuple[Path, bool], NDArray[np.uint8]] = {}
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's processes on this machine share its memory
        self._room = int(psutil.virtual_memory().available * MEMORY_SHARE / beside)

    def fill(
        self, records: Sequence[Record], check_stop: Callable[[], None]
    ) -> Generator[Progress, None, dict[Path, str]]:
        """Decode every record once; returns the files that do not decode, each with one sentence."""
        bad: dict[Path, str] = {}
        clock = Stage("reading photos", len(records))
        for done, (record, picture) in enumerate(zip(records, in_order(self._tried, records), strict=True), start=1):
            check_stop()
            if isinstance(picture, ImageError):
                bad[record.path] = str(picture)
            elif picture.nbytes <= self._room:
                self._room -= picture.nbytes
                self._kept[record.path, self.learns(record)] = picture
            if event := clock.due(done):
                yield event
        return bad

    def tensor(self, record: Record) -> Tensor:
        """The record as the network takes it, (3, H, W) float32: augmented anew if it is for training."""
        if self.beat:
            self.beat()
        learns = self.learns(record)
        kept = self._kept.get((record.path, learns))
        picture = Image.fromarray(self._found(record) if kept is None else kept)
        return self._augmented(picture) if learns else self.preprocess.to_tensor(picture)

    def __getstate__(self) -> dict[str, Any]:
        """What goes to a process that reads photos beside the training, whose life is not the training's."""
        return self.__dict__ | {"beat": None}

    def learns(self, record: Record) -> bool:
        """Whether a photo is drawn anew in each epoch."""
        return record.split == "train" and self.augmentation != "none"

    def _found(self, record: Record) -> NDArray[np.uint8]:
        learns = self.learns(record)
        known = self.ahead.get(record, learns=learns) if self.ahead else None
        return self.decoded(record, learns) if known is None else known

    def decoded(self, record: Record, learns: bool) -> NDArray[np.uint8]:
        """A photo as it is kept, (H, W, 3): to draw from where it is to be learnt from, else as the network sees it.

        Raises ImageError.
        """
        picture = self.preprocess.open(record.path)
        if not learns:
            return np.asarray(self.preprocess.view(picture))
        side = round(self.preprocess.resize * SPARE)
        if min(picture.size) > side:
            scale = side / min(picture.size)
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        return np.asarray(picture)

    def _tried(self, record: Record) -> NDArray[np.uint8] | ImageError:
        try:
            return self._found(record)
        except ImageError as error:
            return error


class Photos(Dataset[tuple[Tensor, int]]):
    """Records as (tensor (3, H, W), label)."""

    def __init__(self, records: Sequence[Record], store: PhotoStore) -> None:
        self.records = records
        self.store = store

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        record = self.records[index]
        return self.store.tensor(record), record.label


def photo_batches(
    photos: Photos, batch_size: int, *, workers: int, order: torch.Generator | None = None
) -> DataLoader[tuple[Tensor, int]]:
    """Batches of pictures (B, 3, H, W); with `order` shuffled for training, where a last batch of one is dropped.

    Batch norm cannot learn from one picture.
    """
    return DataLoader(
        photos,
        batch_size=batch_size,
        shuffle=order is not None,
        drop_last=order is not None and batch_size > 1 and len(photos) % batch_size == 1,
        num_workers=workers,
        persistent_workers=workers > 0,
        timeout=WORKER_SECONDS if workers else 0,
        generator=order or torch.Generator().manual_seed(0),  # not torch's own, from which the training draws
    )
