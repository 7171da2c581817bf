"""Optimisers, schedules and losses by name: tables, so that a new one is a row."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tl_engine.data.dataset import Record
from tl_engine.runs.config import TrainConfig

STEP_EPOCHS, STEP_FACTOR = 7, 0.1  # the tutorial's
WARMUP_SHARE = 0.05  # of all steps, linear, before the cosine; https://arxiv.org/abs/1706.02677


def _sgd(parameters: list[nn.Parameter], config: TrainConfig, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True)


def _adam(parameters: list[nn.Parameter], config: TrainConfig, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, rate, weight_decay=config.weight_decay, fused=True)


def _adamw(parameters: list[nn.Parameter], config: TrainConfig, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, rate, weight_decay=config.weight_decay, fused=True)


OPTIMIZERS: dict[str, Callable[[list[nn.Parameter], TrainConfig, float], torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
}


def make_optimizer(parameters: Iterable[nn.Parameter], config: TrainConfig, rate: float) -> torch.optim.Optimizer:
    """The optimiser over the parameters that learn, with `rate` as the peak of its schedule."""
    return OPTIMIZERS[config.optimizer]([p for p in parameters if p.requires_grad], config, rate)


def make_schedule(optimizer: torch.optim.Optimizer, name: str, *, epochs: int, steps_per_epoch: int) -> LambdaLR:
    """The learning rate as a share of its peak, stepped once per batch."""
    total = epochs * steps_per_epoch
    warmup = max(1, round(total * WARMUP_SHARE))

    def cosine(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))

    shares: dict[str, Callable[[int], float]] = {
        "constant": lambda _step: 1.0,
        "step": lambda step: STEP_FACTOR ** (step // steps_per_epoch // STEP_EPOCHS),
        "cosine": cosine,
    }
    return LambdaLR(optimizer, shares[name])


def training_criterion(config: TrainConfig, records: Sequence[Record], classes: int) -> nn.CrossEntropyLoss:
    """Cross-entropy with label smoothing and, if asked, each class weighed by the inverse of its share."""
    weights = None
    if config.class_weights:
        counts = Counter(record.label for record in records)
        weights = torch.tensor([len(records) / (classes * counts[i]) for i in range(classes)])
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=config.label_smoothing)
