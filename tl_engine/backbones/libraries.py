"""The libraries of the backbones, imported without torch's compiler; no torch before one of them is asked for."""

import importlib
import sys
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
VISION = "torchvision.transforms.v2"  # which brings the rest of it


class _StandIn(ModuleType):
    """For the compiler while others are imported; what is asked of it beyond the names set brings the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _forget_stand_ins()
        return getattr(importlib.import_module(self.__name__), name)


def _is_compile_supported(device_type: str) -> bool:
    """What torchvision/ops/roi_align.py imports, and asks only when a model finds objects."""
    supported: bool = importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device_type)
    return supported


def _disable(function: Any = None, *_values: Any, **_named: Any) -> Any:
    """What marks a function that the compiler shall leave alone: nothing compiles it."""
    return function or _disable


def _forget_stand_ins() -> None:
    for name in (COMPILER, f"{COMPILER}.utils"):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def _have_optimizers_left_alone() -> None:
    """What torch's wrapper of these methods does at their first call, but that it imports the compiler to say so."""
    from torch.optim import Optimizer

    for method in (Optimizer.add_param_group, Optimizer.zero_grad, Optimizer.state_dict, Optimizer.load_state_dict):
        if plain := getattr(method, "__wrapped__", None):
            vars(plain).setdefault("__dynamo_disable", plain)


def import_without_compiler(name: str) -> Any:
    """Import torchvision or timm without torch's compiler: most of what they add to torch's import, of no use here.

    It is imported all the same where something runs it: an export, and SGD's or Adam's first step.
    """
    _have_optimizers_left_alone()
    if COMPILER not in sys.modules and name not in sys.modules:
        whole, utils = _StandIn(COMPILER), _StandIn(f"{COMPILER}.utils")
        vars(whole)["disable"], vars(utils)["is_compile_supported"] = _disable, _is_compile_supported
        sys.modules |= {COMPILER: whole, utils.__name__: utils}
    try:
        return importlib.import_module(name)
    finally:
        _forget_stand_ins()


def import_timm() -> Any:
    """The library of the timm rows, which takes a second."""
    return import_without_compiler("timm")


def needed_for(library: str) -> tuple[str, ...]:
    """What a training imports whose backbone comes from that library, in the order in which they take their time."""
    return ("torch", VISION, *(("timm",) if library == "timm" else ()), "accelerate")
