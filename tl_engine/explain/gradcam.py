"""Grad-CAM for every network that trains here (https://arxiv.org/abs/1610.02391), without a line for any family.

Own lines and no package: those that exist want the layer and the shape of its tokens named for each family, and fail on
a frozen network. Here every map that one pass makes is a candidate, and the last that counts is taken.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tl_engine.networks.models import main_logits

LEAST_SIDE, MOST_SHARE = 4, 4  # a map's side; into how many a picture's side is divided at least
MOST_TOKENS = 8  # in front of a map of tokens: class and register tokens
LEAST_TAKING_PART = 0.05  # of a map's places that get gradient; a last block that only its class token leaves has none


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Where the evidence for a class lies: (S, S) from 0 to 1; all 0 where nothing speaks for it."""

    values: NDArray[np.float32]

    @property
    def empty(self) -> bool:
        """Whether no part of the picture speaks for the class."""
        return not self.values.any()

    @property
    def peak(self) -> tuple[float, float]:
        """Where most speaks for it, as shares of width and height."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        height, width = self.values.shape
        return (float(column) + 0.5) / width, (float(row) + 0.5) / height

    def at_border(self) -> float:
        """The share of the evidence in the outer sixths, beside the share of the area they have: 1 is even."""
        side = len(self.values)
        edge = max(1, round(side / 6))
        inner = self.values[edge : side - edge, edge : side - edge].sum()
        total = self.values.sum()
        area = 1 - ((side - 2 * edge) / side) ** 2
        return float((1 - inner / total) / area) if total else 0.0


def heat_map(model: nn.Module, head: nn.Module, images: Tensor, label: int) -> HeatMap:
    """The map of one picture (1, 3, H, W) for the class of that index; no parameter needs a gradient."""
    with torch.enable_grad():
        candidates, width, logit = _pass(model, head, images, label)
        # A head that ends in a ReLU says nothing below zero, and then there is no gradient.
        if not logit.requires_grad or not candidates:
            return HeatMap(np.zeros((LEAST_SIDE, LEAST_SIDE), np.float32))
        gradients = torch.autograd.grad(logit, candidates, allow_unused=True)
    chosen = _chosen(candidates, gradients, width, images)
    if chosen is None:
        return HeatMap(np.zeros((LEAST_SIDE, LEAST_SIDE), np.float32))
    return HeatMap(_drawn(*chosen))


def _pass(model: nn.Module, head: nn.Module, images: Tensor, label: int) -> tuple[list[Tensor], int, Tensor]:
    """All maps on the way to the head, how many channels the head takes, and the logit of the class."""
    found: list[Tensor] = []
    taken: list[Tensor] = []

    def seen(_module: nn.Module, _inputs: object, output: object) -> None:
        if not taken and isinstance(output, Tensor) and output.requires_grad and _side(output, images):
            found.append(output)

    def before_head(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        taken.append(inputs[0])

    hooks = [module.register_forward_hook(seen) for module in model.modules() if module is not head]
    hooks.append(head.register_forward_pre_hook(before_head))
    try:
        logits = main_logits(model(images.detach().clone().requires_grad_(True)))
    finally:
        for hook in hooks:
            hook.remove()
    if taken and taken[0].dim() == 4 and _side(taken[0], images):
        found.append(taken[0])
    width = taken[0].shape[1] if taken and taken[0].dim() in (2, 4) else 0
    return found, width, logits[0, label]


def _side(output: Tensor, images: Tensor) -> int:
    """The side of the square map that this is, whatever its layout; 0 for anything else."""
    most = images.shape[-1] // MOST_SHARE
    if output.shape[0] != images.shape[0]:
        return 0
    side = 0
    if output.dim() == 4 and output.shape[2] == output.shape[3]:
        side = output.shape[2]
    elif output.dim() == 4 and output.shape[1] == output.shape[2]:
        side = output.shape[1]
    elif output.dim() == 3:
        root = math.isqrt(output.shape[1])
        side = root if output.shape[1] - root * root <= MOST_TOKENS else 0
    return side if LEAST_SIDE <= side <= most else 0


def _as_map(tensor: Tensor, side: int) -> Tensor:
    """(1, C, S, S) of a map in any layout; tokens in front of it are left out."""
    if tensor.dim() == 3:
        tokens = tensor[:, tensor.shape[1] - side * side :]
        return tokens.transpose(1, 2).reshape(tensor.shape[0], -1, side, side)
    return tensor if tensor.shape[2] == tensor.shape[3] == side else tensor.permute(0, 3, 1, 2)


def _chosen(
    candidates: list[Tensor], gradients: tuple[Tensor | None, ...], width: int, images: Tensor
) -> tuple[Tensor, Tensor] | None:
    """The last map of the head's own width that takes part in the answer; of any width where there is none."""
    counting = []
    for values, gradient in zip(candidates, gradients, strict=True):
        if gradient is None:
            continue
        side = _side(values, images)
        pair = _as_map(values.detach(), side), _as_map(gradient, side)
        if (pair[1].abs().sum(1) > 0).float().mean() > LEAST_TAKING_PART:
            counting.append(pair)
    fitting = [pair for pair in counting if pair[0].shape[1] == width]
    found = fitting or counting
    return found[-1] if found else None


def _drawn(values: Tensor, gradient: Tensor) -> NDArray[np.float32]:
    weights = gradient.float().mean((2, 3), keepdim=True)
    cam = functional.relu((weights * values.float()).sum(1))[0]
    if not bool(torch.isfinite(cam).all()) or float(cam.max()) <= 0:
        return np.zeros(tuple(cam.shape), np.float32)
    return (cam / cam.max()).cpu().numpy().astype(np.float32)
