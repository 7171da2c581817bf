"""What a training is asked to do: one frozen, validated object, made from Python, terminal, file or page alike."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self, get_args, get_type_hints

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.base.errors import ConfigError
from tl_engine.base.written import AUTO
from tl_engine.data.reading import Layout, Reading
from tl_engine.photos.square import Fit
from tl_engine.runs.options import About, refuse_unknown, settings_of

Strategy = Literal["feature-extraction", "fine-tuning", "head-then-all", "from-scratch"]
Optimizer = Literal["lbfgs", "adamw", "sgd", "adam"]
Judge = Literal["folds", "split"]
Schedule = Literal["step", "cosine", "constant"]
Augmentation = Literal["none", "tutorial", "strong"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

# What each strategy starts from; measured on hymenoptera and digits (docs/figures.md).
STRATEGY_DEFAULTS: dict[str, dict[str, Any]] = {
    "feature-extraction": {"epochs": 50, "learning_rate": 3e-3, "weight_decay": 1e-2, "augmentation": "none"},
    "fine-tuning": {"epochs": 8, "learning_rate": 1e-4, "weight_decay": 1e-2, "augmentation": "tutorial"},
    "head-then-all": {"epochs": 12, "learning_rate": 1e-4, "weight_decay": 1e-2, "augmentation": "tutorial"},
    "from-scratch": {"epochs": 30, "learning_rate": 1e-3, "weight_decay": 1e-2, "augmentation": "tutorial"},
}
SOLVED = "lbfgs"  # the optimizer that takes no steps of a chosen length: it solves for the head on frozen features
OF_STEPS = ("learning_rate", "weight_decay", "schedule", "momentum", "early_stopping")  # what it has no use for
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
VAL_FRACTION, SEED = 0.2, 0
BY_STRATEGY: Final[Any] = object()  # a default that depends on the strategy; never seen in a finished config


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Every setting of one training, complete and checked. Raises ConfigError when made from nonsense.

    What is left out has the strategy's default. Text is taken where a number is meant, as terminals give it.
    """

    data: Annotated[str, About("A sample such as digits, a folder of class folders, a zip of one, or hf:OWNER/NAME.")]
    layout: Annotated[
        Layout, About("Whether the folders of the data are classes or splits; auto asks where it cannot tell.")
    ] = AUTO
    zip_names: Annotated[
        str, About("The encoding of the names in a zip that does not say it, such as gbk or cp866; auto asks.")
    ] = AUTO
    architecture: Annotated[str, About("The backbone; `architectures` lists them, timm:NAME takes any of timm's.")] = (
        DEFAULT_ARCHITECTURE
    )
    strategy: Annotated[Strategy, About("Which part of the network learns.")] = "feature-extraction"
    epochs: Annotated[int, About("How often every photo is learnt from, in the whole training.", 1, 10_000)] = (
        BY_STRATEGY
    )
    head_epochs: Annotated[
        int, About("The first epochs of head-then-all, in which only the head learns.", 0, 9_999)
    ] = BY_STRATEGY
    batch_size: Annotated[int, About("Photos per step.", 1, 4_096)] = 32
    learning_rate: Annotated[
        float, About("The peak of the schedule; for head-then-all, of its second part.", 0, open=True)
    ] = BY_STRATEGY
    head_learning_rate: Annotated[
        float, About("The peak while only the head learns, in head-then-all.", 0, open=True)
    ] = 3e-3
    optimizer: Annotated[
        Optimizer,
        About(
            "The rule by which weights change; lbfgs solves for the head of a frozen backbone, an epoch an iteration."
        ),
    ] = BY_STRATEGY
    momentum: Annotated[float, About("How much of the last step goes on in the next; sgd only.", 0, 0.9999)] = 0.9
    weight_decay: Annotated[float, About("The share by which weights shrink, in units of the rate.", 0, 1)] = (
        BY_STRATEGY
    )
    schedule: Annotated[Schedule, About("How the learning rate falls over the epochs.")] = "cosine"
    label_smoothing: Annotated[float, About("The share of each label given to all classes alike.", 0, 0.9)] = 0.0
    class_weights: Annotated[bool, About("Weigh each class by the inverse of its share, so that rare ones count.")] = (
        False
    )
    early_stopping: Annotated[int, About("Epochs without a better one before it ends; 0: never.", 0, 10_000)] = 0
    augmentation: Annotated[Augmentation, About("Random crops and flips; strong adds colours and more.")] = BY_STRATEGY
    fit: Annotated[
        Fit, About("How a photo becomes a square: its centre, all of it padded, or all of it stretched.")
    ] = "crop"
    views: Annotated[
        int, About("Augmented copies of each photo beside the plain one, for a frozen backbone.", 1, 64)
    ] = 4
    judge: Annotated[
        Judge,
        About(
            "How photos without a validation folder judge: in folds each is judged by a head that had not seen it and "
            "all teach, which needs lbfgs; a split holds some out."
        ),
    ] = BY_STRATEGY
    val_fraction: Annotated[float, About("The share of each class that a split holds out.", 0, 1, open=True)] = (
        VAL_FRACTION
    )
    seed: Annotated[int, About("The same seed gives the same result.", 0, 2**32 - 1)] = SEED

    def __post_init__(self) -> None:
        strategy = SETTINGS["strategy"].converted(self.strategy)
        SETTINGS["strategy"].check(strategy)
        defaults = STRATEGY_DEFAULTS[strategy] | {"optimizer": self._default_optimizer(strategy)}
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is BY_STRATEGY:
                value = self._default(name) if name in ("head_epochs", "judge") else defaults[name]
            value = setting.converted(value)
            setting.check(value)
            object.__setattr__(self, name, value)
        if not self.data.strip():
            raise ConfigError("data is empty: name a sample (digits, hymenoptera), a folder or a zip.")
        self._check_strategy()

    def _default_optimizer(self, strategy: str) -> str:
        """A head alone is solved; who names a size or a number of steps means a rule that takes steps."""
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        given = {name: getattr(self, name) for name in OF_STEPS if getattr(self, name) is not BY_STRATEGY}
        steps = any(SETTINGS[name].converted(value) != usual[name] for name, value in given.items())
        return SOLVED if strategy == "feature-extraction" and not steps else "adamw"

    def _default(self, name: str) -> Any:
        """The default of a setting that depends on those before it."""
        if name == "judge":
            return "folds" if self.optimizer == SOLVED else "split"
        # An epoch on frozen features is nearly free, so the head gets two thirds of them (and at least one).
        return max(1, self.epochs * 2 // 3) if self.strategy == "head-then-all" else 0

    def _check_strategy(self) -> None:
        architecture = get_architecture(self.architecture)
        if self.strategy != "from-scratch" and not architecture.pretrained:
            raise ConfigError(
                f"{self.architecture} has no pretrained weights, so {self.strategy} has nothing to start from: "
                "choose the strategy from-scratch."
            )
        if self.optimizer == SOLVED and self.strategy != "feature-extraction":
            raise ConfigError(
                f"optimizer {SOLVED} solves for a head on a frozen backbone, and {self.strategy} changes the backbone: "
                "choose adamw, sgd or adam."
            )
        if self.judge == "folds" and self.optimizer != SOLVED:
            raise ConfigError(
                f"judge folds needs a head that is solved for each fold: choose optimizer {SOLVED}, or judge split."
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
        refuse_unknown(given, SETTINGS)
        if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {str(preset)[:60]!r}.")
        values = (PRESETS[preset] if preset else {}) | given
        if "data" not in values:
            raise ConfigError("data is missing: name a sample (digits, hymenoptera), a folder or a zip.")
        return cls(**values)


SETTINGS = settings_of(get_type_hints(TrainConfig, include_extras=True))


# Defaults that depend on more than the strategy, in words.
DEPENDING = {
    "head_epochs": "two thirds of the epochs for head-then-all, else 0",
    "optimizer": f"{SOLVED} (feature-extraction, unless a setting of steps such as learning-rate is given), else adamw",
    "judge": f"folds with {SOLVED}, else split",
}


def default_of(name: str) -> str:
    """A setting's default in words, by strategy where it depends on that; empty for one that must be given."""
    default = next(field.default for field in dataclasses.fields(TrainConfig) if field.name == name)
    if default is dataclasses.MISSING:
        return ""
    if default is not BY_STRATEGY:
        return str(default)
    if name in DEPENDING:
        return DEPENDING[name]
    values = {strategy: defaults[name] for strategy, defaults in STRATEGY_DEFAULTS.items()}
    if len(set(values.values())) == 1:
        return str(next(iter(values.values())))
    return ", ".join(f"{value} ({strategy})" for strategy, value in values.items())


def explained(name: str) -> str:
    """All that is to be said of a setting in one line: what it is, what is allowed, its default."""
    setting = SETTINGS[name]
    allowed = f" {setting.allowed[:1].upper()}{setting.allowed[1:]}." if setting.allowed else ""
    default = f" Default: {default_of(name)}." if default_of(name) else ""
    return f"{setting.text}{allowed}{default}"


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as json-ready values, with the names that from_options reads."""
    return dataclasses.asdict(config)
