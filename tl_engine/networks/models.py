"""Builds a backbone with a new head, and says which part is which.

Contract, for every row of the table: `model(images)` maps (B, 3, H, W) to logits (B, C); the module at the head's
path maps what the backbone gives it to something whose `flatten(1)` is those logits.
"""

import contextlib
import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tl_engine.backbones.architectures import Architecture
from tl_engine.backbones.libraries import import_timm, import_without_compiler
from tl_engine.backbones.weights import check_timm_name
from tl_engine.base.errors import ConfigError
from tl_engine.networks.fitting import Demand, fitted
from tl_engine.networks.small_vgg import SmallVGG


def build_model(architecture: Architecture, num_classes: int | None, weights: Mapping[str, Tensor] | None) -> nn.Module:
    """A model with pretrained `weights` (None: random) and a fresh head of `num_classes` (None: the 1,000 it had).

    Raises MisfitError when the weights do not fit, ConfigError for a timm name that does not exist.
    """
    model = blank_model(architecture)
    if weights is not None:
        model.load_state_dict(
            fitted_backbone(model, weights, architecture, keep_head=num_classes is None), strict=False
        )
    if num_classes is not None:
        replace_heads(model, architecture, num_classes)
    return model


class _Undrawn(TorchFunctionMode):
    """Draws no random numbers: for tensors on no device torch would import its compiler first, which takes seconds."""

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in (Tensor.normal_, Tensor.uniform_) or getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


@contextlib.contextmanager
def without_numbers() -> Iterator[None]:
    """Networks that are made here have names and shapes, and no numbers: they take a tenth of a second."""
    with torch.device("meta"), _Undrawn():
        yield


def replace_heads(model: nn.Module, architecture: Architecture, num_classes: int) -> None:
    """Put fresh heads of `num_classes` in place of the model's own, the auxiliary one too if it has it."""
    _replace_head(model, head_path(model, architecture), num_classes)
    if architecture.auxiliary_head:
        _replace_head(model, architecture.auxiliary_head, num_classes)


def blank_model(architecture: Architecture) -> nn.Module:
    """The library's own model with 1,000 classes and random weights."""
    if architecture.library == "timm":
        timm = import_timm()
        check_timm_name(architecture)
        model: nn.Module = timm.create_model(architecture.builder, pretrained=False)
        return model
    if architecture.library == "tl_engine":
        return SmallVGG()
    vision = import_without_compiler("torchvision.models")
    # Inception's weights were ported from TensorFlow and want its input scaling; its own initialisation takes long.
    inception = {"transform_input": True, "init_weights": False} if architecture.auxiliary_head else {}
    built: nn.Module = vision.get_model_builder(architecture.builder)(weights=None, **inception)
    return built


def head_path(model: nn.Module, architecture: Architecture) -> str:
    """Where the head sits: the row's column, or what timm says of its model."""
    path = architecture.head or getattr(model, "pretrained_cfg", {}).get("classifier")
    if not isinstance(path, str) or not path:
        raise ConfigError(f"{architecture.name} has no single head to replace: choose another timm model.")
    return path


def head_of(model: nn.Module, architecture: Architecture) -> nn.Module:
    """The module that a new task replaces."""
    return model.get_submodule(head_path(model, architecture))


def _replace_head(model: nn.Module, path: str, num_classes: int) -> None:
    """Put a fresh head at `path`. What follows it in its Sequential joins it, so that its output is the logits.

    SqueezeNet's ReLU and pooling do; timm's convolutional heads have no such tail and get none.
    """
    head, parent = new_head(model.get_submodule(path), num_classes), model.get_submodule(path.rpartition(".")[0])
    if isinstance(parent, nn.Sequential):
        names = list(dict(parent.named_children()))
        after = names[names.index(path.rpartition(".")[2]) + 1 :]
        if after:
            head = nn.Sequential(head, *(parent.get_submodule(name) for name in after))
            for name in after:
                parent.set_submodule(name, nn.Identity())
    model.set_submodule(path, head)


def new_head(old: nn.Module, num_classes: int) -> nn.Module:
    """A fresh head like the old one with `num_classes` outputs; the only case analysis is the layer's kind."""
    match old:
        case nn.Linear():
            return nn.Linear(old.in_features, num_classes)
        case nn.Conv2d():
            return _new_convolution(old, num_classes)
        case nn.Sequential():  # a whole classifier, as in the blog's VGG-16: all its layers start anew
            *layers, last = copy.deepcopy(old)
            for layer in layers:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()
            return nn.Sequential(*layers, new_head(last, num_classes))
    raise ConfigError(f"A head of kind {type(old).__name__} cannot be replaced: choose another architecture.")


def _new_convolution(old: nn.Conv2d, num_classes: int) -> nn.Conv2d:
    """A head on a map of features, as SqueezeNet's; the small start is torchvision's."""
    convolution = nn.Conv2d(old.in_channels, num_classes, old.kernel_size, old.stride)  # type: ignore[arg-type]
    nn.init.normal_(convolution.weight, std=0.01)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution


def fitted_backbone(
    model: nn.Module, weights: Mapping[str, Tensor], architecture: Architecture, *, keep_head: bool = False
) -> dict[str, Tensor]:
    """What the model takes of these weights, by its own names; a new head needs none. Raises MisfitError."""
    path = head_path(model, architecture)
    auxiliary, container = _auxiliary_branch(architecture), path.rpartition(".")[0]
    demand = Demand(
        name=architecture.name,
        own=model.state_dict(),
        optional=auxiliary + (() if keep_head else (f"{path}.",)),
        loose=(*auxiliary, f"{container or path}."),
    )
    return fitted(weights, demand)


def _auxiliary_branch(architecture: Architecture) -> tuple[str, ...]:
    """The prefix of all that only the auxiliary head needs; backbone-only files may lack the whole branch."""
    return (architecture.auxiliary_head.split(".")[0] + ".",) if architecture.auxiliary_head else ()


def head_names(model: nn.Module, architecture: Architecture) -> list[str]:
    """The state names of the head."""
    prefix = head_path(model, architecture) + "."
    return [name for name in model.state_dict() if name.startswith(prefix)]


def freeze_backbone(model: nn.Module, architecture: Architecture, *, frozen: bool = True) -> None:
    """Frozen: eval mode for all and gradients for the head alone. Not frozen: train mode and gradients everywhere."""
    model.requires_grad_(not frozen)
    model.train(not frozen)
    if frozen:
        head_of(model, architecture).requires_grad_(True)


def backbone_hash(model: nn.Module, architecture: Architecture) -> str:
    """The same for the same backbone numbers, whatever file they came from; heads and counters do not count.

    Nor does the auxiliary branch: a file without it leaves random numbers there, which no feature depends on.
    """
    skipped = (head_path(model, architecture) + ".", *_auxiliary_branch(architecture))
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(skipped) and not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def main_logits(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits (B, C) of what a model returns; Inception returns its auxiliary ones too while training."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """How many numbers they hold."""
    return sum(p.numel() for p in parameters)


def flat_features(features: Tensor) -> Tensor:
    """Features (B, ...) as rows (B, D); where on the picture averages out, as before SqueezeNet's pooling."""
    return features.mean((2, 3)) if features.dim() == 4 else features.flatten(1)


@torch.no_grad()
def backbone_outputs(model: nn.Module, head: nn.Module, images: Tensor) -> Tensor:
    """What the backbone hands to its head for `images`, (B, ...); the head's own work is not used.

    `no_grad`, not `inference_mode`: these features will train a head.
    """
    caught: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    try:
        model(images)
    finally:
        handle.remove()
    return caught[0]
