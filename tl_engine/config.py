"""What a training is asked to do: one frozen, validated object, made from the options of terminal, file or page."""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

from tl_engine.architectures import DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.errors import ConfigError
from tl_engine.reading import AUTO, LAYOUTS, Reading

STRATEGIES = ("feature-extraction", "fine-tuning", "head-then-all", "from-scratch")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("step", "cosine", "constant")
AUGMENTATIONS = ("none", "tutorial", "strong")
FITS = ("crop", "pad", "stretch")

# What each strategy starts from; measured on hymenoptera and digits (README, "Figures").
STRATEGY_DEFAULTS: dict[str, dict[str, Any]] = {
    "feature-extraction": {"epochs": 25, "learning_rate": 3e-3, "weight_decay": 1e-2, "augmentation": "none"},
    "fine-tuning": {"epochs": 8, "learning_rate": 1e-4, "weight_decay": 1e-2},
    "head-then-all": {"epochs": 12, "learning_rate": 1e-4, "weight_decay": 1e-2},
    "from-scratch": {"epochs": 30, "learning_rate": 1e-3, "weight_decay": 1e-2},
}
PRESETS: dict[str, dict[str, Any]] = {
    # PyTorch's transfer-learning tutorial (https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html)
    "tutorial": {
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "step",
        "batch_size": 4,
        "epochs": 25,
        "augmentation": "tutorial",
    },
    "blog": {
        "optimizer": "adam",
        "learning_rate": 1e-5,
        "weight_decay": 0.0,
        "schedule": "constant",
        "batch_size": 16,
        "epochs": 10,
        "augmentation": "none",
    },
}
# Field: (smallest, largest); None is unbounded. Numbers must be finite.
RANGES: dict[str, tuple[float, float | None]] = {
    "epochs": (1, 10_000),
    "head_epochs": (0, 9_999),
    "batch_size": (1, 4_096),
    "momentum": (0, 0.9999),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.9),
    "early_stopping": (0, 10_000),
    "views": (1, 64),
    "seed": (0, 2**32 - 1),
}
CHOICES = {
    "strategy": STRATEGIES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
    "fit": FITS,
    "layout": LAYOUTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Every setting of one training, complete and checked. Raises ConfigError when made from nonsense."""

    data: str  # a sample's name, a folder or a zip
    layout: str = AUTO  # whether the folders of the data are classes or splits; auto asks where it cannot tell
    zip_names: str = AUTO  # the encoding of names in a zip that does not say it
    architecture: str = DEFAULT_ARCHITECTURE
    strategy: str = "feature-extraction"
    epochs: int = 25  # of the whole training
    head_epochs: int = 0  # the first epochs of head-then-all, with the backbone frozen; 0 elsewhere
    batch_size: int = 32
    learning_rate: float = 1e-3  # peak of the schedule; of the fine-tuning part for head-then-all
    head_learning_rate: float = 3e-3  # peak while only the head learns, in head-then-all
    optimizer: str = "adamw"
    momentum: float = 0.9  # sgd only
    weight_decay: float = 0.0
    schedule: str = "cosine"
    label_smoothing: float = 0.0
    class_weights: bool = False  # weigh each class by the inverse of its share
    early_stopping: int = 0  # epochs without a better one before stopping; 0: never
    augmentation: str = "tutorial"
    fit: str = "crop"  # what makes a square of a photo: its centre, padding all of it, or stretching all of it
    views: int = 4  # augmented copies of each photo beside the plain one, when a frozen backbone meets augmentation
    val_fraction: float = 0.2  # of each class, held out when the data has no validation folder
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= low and (high is None or value <= high)):
                raise ConfigError(f"{_option(name)} must lie between {low} and {high}, got {value}.")
        for name in ("learning_rate", "head_learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{_option(name)} must be a number above 0, such as 0.001, got {value}.")
        if not 0 < self.val_fraction < 1:
            raise ConfigError(f"val-fraction must lie between 0 and 1, both excluded, got {self.val_fraction}.")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)[:60]!r}.")
        if not self.data.strip():
            raise ConfigError("data is empty: name a sample (digits, hymenoptera), a folder or a zip.")
        self._check_strategy()

    def _check_strategy(self) -> None:
        architecture = get_architecture(self.architecture)
        if self.strategy != "from-scratch" and not architecture.pretrained:
            raise ConfigError(
                f"{self.architecture} has no pretrained weights, so {self.strategy} has nothing to start from: "
                "choose the strategy from-scratch."
            )
        if self.strategy == "head-then-all":
            if not 0 < self.head_epochs < self.epochs:
                raise ConfigError(
                    "head-then-all needs at least 2 epochs, some for the head and some for all: "
                    f"got epochs {self.epochs} and head-epochs {self.head_epochs}."
                )
        elif self.head_epochs:
            raise ConfigError(f"head-epochs belongs to the strategy head-then-all, not to {self.strategy}.")

    @property
    def reading(self) -> Reading:
        """How the data is to be read."""
        return Reading(layout=self.layout, zip_names=self.zip_names)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], preset: str | None = None) -> Self:
        """A config from option names ("batch-size" or "batch_size") and values (text or numbers).

        Later wins: the strategy's defaults, the preset, the options. Raises ConfigError naming the option.
        """
        given = {key.replace("-", "_"): value for key, value in options.items() if value is not None}
        _refuse_unknown(given)
        strategy = str(given.get("strategy", "feature-extraction"))
        if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {str(preset)[:60]!r}.")
        values = STRATEGY_DEFAULTS.get(strategy, {}) | (PRESETS[preset] if preset else {}) | given
        if "data" not in values:
            raise ConfigError("data is missing: name a sample (digits, hymenoptera), a folder or a zip.")
        values = {name: _converted(name, value) for name, value in values.items()}
        if strategy == "head-then-all":
            # An epoch on frozen features is nearly free, so the head gets two thirds of them (and at least one).
            values.setdefault("head_epochs", max(1, values["epochs"] * 2 // 3))
        return cls(**values)


def _option(name: str) -> str:
    return name.replace("_", "-")


FIELDS = get_type_hints(TrainConfig)


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {_option(near[0])}?" if near else f"known: {', '.join(map(_option, FIELDS))}."
            raise ConfigError(f"Unknown setting {name[:60]!r}: {hint}")


def _converted(name: str, value: Any) -> Any:
    """The value as the field's type, from text or json. Raises ConfigError."""
    kind = FIELDS[name]
    try:
        if kind is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]
        if kind is int:
            number = float(value)
            if number != int(number) or isinstance(value, bool):
                raise ValueError
            return int(number)
        if kind is float and isinstance(value, bool):
            raise ValueError
        if kind is str and not isinstance(value, str):
            raise ValueError
        return kind(value)
    except (ValueError, TypeError, KeyError, OverflowError):
        wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
        raise ConfigError(f"{_option(name)} must be {wanted}, got {str(value)[:60]!r}.") from None


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as json-ready values, with the names that from_options reads."""
    return dataclasses.asdict(config)
