"""A transfer-learning engine: labelled photos in, an image classifier out. Importing it never imports torch."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from tl_engine.base.settings import VERSION

if TYPE_CHECKING:
    from tl_engine.api import find, inspect, load_data, resume, train
    from tl_engine.classifiers.predictor import Predictor
    from tl_engine.runs.config import TrainConfig

__version__ = VERSION
__all__ = ["Predictor", "TrainConfig", "__version__", "find", "inspect", "load_data", "resume", "train"]

# Page, training and other programs share the cores. OpenMP's waiting threads spin by default, and then a training
# beside any other work took 34 s instead of 19 s (2 cores; alone the two are equal). Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_PLACES = {
    "Predictor": ("tl_engine.classifiers.predictor", "Predictor"),
    "TrainConfig": ("tl_engine.runs.config", "TrainConfig"),
}


def __getattr__(name: str) -> Any:
    """The public names, resolved when somebody asks (PEP 562): Predictor brings torch along, the others do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES.get(name, ("tl_engine.api", name))
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
