"""What a training loop iterates over: batches of pictures (photos.py) or of features already computed."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor


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
