"""What a training loop iterates over: batches of pictures (photos.py) or of features already computed."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tl_engine.data.dataset import Record
from tl_engine.training.photo_store import PhotoStore


class Batches(Protocol):
    """Batches of (inputs, labels): inputs (B, ...), labels (B,)."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...
    def __len__(self) -> int: ...


class FeatureBatches:
    """Batches of the backbone's outputs, (B, ...). With several views each epoch draws one per picture."""

    def __init__(self, features: Tensor, labels: Tensor, batch_size: int, *, shuffle_seed: int | None = None) -> None:
        self.features = features  # (V, N, ...): V views of N pictures
        self.labels = labels  # (N,)
        self.batch_size = batch_size
        self.generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)

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
    photos: Photos, batch_size: int, *, workers: int, training: bool = False, seed: int = 0
) -> DataLoader[tuple[Tensor, int]]:
    """Batches of pictures (B, 3, H, W); shuffled for training, where a last batch of one is dropped.

    Batch norm cannot learn from one picture.
    """
    return DataLoader(
        photos,
        batch_size=batch_size,
        shuffle=training,
        drop_last=training and batch_size > 1 and len(photos) % batch_size == 1,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
    )
