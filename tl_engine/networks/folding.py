"""A frozen network made faster: a batch norm in eval mode is a scale and a shift, which the layer before can do itself.

Which convolution feeds which norm is seen from one pass of a picture, not from names: every family is served alike.
"""

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tl_engine.networks.models import main_logits

CLOSE = 1e-4  # of the largest output: as far as the folded network may be from the whole one


@dataclass(frozen=True, slots=True)
class Pair:
    """A convolution whose output goes into a batch norm, and the norm's name."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d
    name: str


@torch.no_grad()
def folded(model: nn.Module, side: int) -> nn.Module:
    """A copy for predicting, (B, 3, side, side) -> the same logits, with its batch norms folded away.

    The model itself where there is nothing to fold, or where what comes out would not be the same.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    whole = copy.deepcopy(model).eval()
    where = next(whole.parameters()).device
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(where)
    pairs, before = _observed(whole, images)
    for pair in pairs:
        _fold(whole, pair)
    after = main_logits(whole(images))
    return whole if bool((after - before).abs().max() <= CLOSE * before.abs().max().clamp(min=1)) else model


def _observed(model: nn.Module, images: Tensor) -> tuple[list[Pair], Tensor]:
    """The pairs of that network, and its logits."""
    made: list[tuple[nn.Conv2d, Tensor]] = []  # every output is kept, so that no other gets its identity
    fed: list[tuple[str, nn.BatchNorm2d, Tensor]] = []
    with contextlib.ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d):

                def after(module: nn.Conv2d, _inputs: object, output: Tensor) -> None:
                    made.append((module, output))

                hooks.callback(module.register_forward_hook(after).remove)
            elif isinstance(module, nn.BatchNorm2d):

                def before(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...], name: str = name) -> None:
                    fed.append((name, module, inputs[0]))

                hooks.callback(module.register_forward_pre_hook(before).remove)
        logits = main_logits(model(images))
    return list(_pairs(made, fed)), logits


def _pairs(made: list[tuple[nn.Conv2d, Tensor]], fed: list[tuple[str, nn.BatchNorm2d, Tensor]]) -> Iterator[Pair]:
    """Those of which each part ran once, and the norm took what the convolution gave, as it was."""
    makers: Mapping[int, nn.Conv2d] = {id(output): module for module, output in made}
    runs = [id(module) for module, _ in made] + [id(norm) for _, norm, _ in fed]
    taken = [id(inputs) for _, _, inputs in fed]
    for name, norm, inputs in fed:
        convolution = makers.get(id(inputs))
        if convolution and runs.count(id(convolution)) == runs.count(id(norm)) == taken.count(id(inputs)) == 1:
            yield Pair(convolution, norm, name)


def _fold(model: nn.Module, pair: Pair) -> None:
    """Give the convolution the norm's scale and shift; what else the norm did, as timm's do an activation, stays."""
    convolution, norm = pair.convolution, pair.norm
    if norm.running_mean is None or norm.running_var is None:  # it measures each batch, also in eval mode
        return
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale, shift = scale * norm.weight.double(), shift * norm.weight.double() + norm.bias.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    weight = convolution.weight.double() * scale.view(-1, 1, 1, 1)
    kind = convolution.weight.dtype
    convolution.weight = nn.Parameter(weight.to(kind), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(kind), requires_grad=False)
    rest = [part for name in ("drop", "act") if isinstance(part := getattr(norm, name, None), nn.Module)]
    model.set_submodule(pair.name, nn.Sequential(*rest) if rest else nn.Identity())
