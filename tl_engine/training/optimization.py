"""Optimisers, schedules and losses by name: tables, so that a new one is a row; and what steps change, as one thing."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import Record
from tl_engine.networks.runtime import Portion
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import Learned

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


@dataclass(frozen=True, slots=True)
class Stepping:
    """What steps change: tensors of the model, the optimiser and its schedule, the order of the photos."""

    classifier: Classifier
    learns: Learned
    optimizer: torch.optim.Optimizer
    schedule: LambdaLR
    order: torch.Generator
    scaler: torch.amp.GradScaler | None  # of gradients in float16
    portion: Portion = field(default_factory=Portion)  # how many photos the memory held at once

    def state(self) -> dict[str, Any]:
        """All of it as it is now."""
        return {
            "model": self.classifier.tensors(self.learns),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.order.get_state(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "portion": self.portion.most,
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises LookupError, ValueError or RuntimeError for the state of another network."""
        if state["model"].keys() != self.classifier.tensors(self.learns).keys():
            raise ValueError("tensors of another network")
        self.classifier.model.load_state_dict(state["model"], strict=False)
        self.optimizer.load_state_dict(self._laid_out(state["optimizer"]))
        self.schedule.load_state_dict(state["schedule"])
        self.order.set_state(state["order"])
        if self.scaler and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.portion.most = state.get("portion")  # older checkpoints do not say it

    def _laid_out(self, rule: dict[str, Any]) -> dict[str, Any]:
        """With moments in the layout of their parameters: a fused step walks through both alike."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

        def laid_out(value: Any, parameter: Tensor) -> Any:
            if not isinstance(value, Tensor) or not value.dim():
                return value
            if value.shape != parameter.shape:
                raise ValueError("moments of another network")
            return torch.empty_like(parameter, dtype=value.dtype).copy_(value)

        moments = {
            number: {name: laid_out(value, parameters[number]) for name, value in values.items()}
            for number, values in rule["state"].items()
        }
        return {**rule, "state": moments}


def training_criterion(config: TrainConfig, records: Sequence[Record], classes: int) -> nn.CrossEntropyLoss:
    """Cross-entropy with label smoothing and, if asked, each class weighed by the inverse of its share."""
    weights = None
    if config.class_weights:
        counts = Counter(record.label for record in records)
        weights = torch.tensor([len(records) / (classes * counts[i]) for i in range(classes)])
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=config.label_smoothing)
