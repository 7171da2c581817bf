"""In which settings runs differ, with what each of them had, and whether that is what its strategy starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tl_engine.base.errors import ConfigError
from tl_engine.runs.config import OF_STEPS, SETTINGS, SOLVED, TrainConfig, to_dict
from tl_engine.runs.run import Run
from tl_engine.runs.titles import data_words

DATA = "data"  # shown as what people call it: it is the path of somebody's folder


@dataclass(frozen=True, slots=True)
class Value:
    """What one run had for a setting."""

    value: Any  # None: its folder does not say
    default: bool = False  # whether its strategy starts from it
    used: bool = True  # whether it had a use for it

    @property
    def words(self) -> str:
        """For people: `8 (default)`, `not used`."""
        if self.value is None:
            return "not said"
        if not self.used:
            return "not used"
        shown = ("yes" if self.value else "no") if isinstance(self.value, bool) else self.value
        return f"{shown}{' (default)' if self.default else ''}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting in which not all runs are alike."""

    setting: str
    values: tuple[Value, ...]  # in the order of the runs


def differences(runs: Sequence[Run]) -> list[Difference]:
    """Only the settings that differ, in the order of the settings."""
    each = [values_of(run) for run in runs]
    found = (Difference(name, tuple(values[name] for values in each)) for name in SETTINGS)
    return [d for d in found if len({(repr(v.value) if v.used else "", v.used) for v in d.values}) > 1]


def values_of(run: Run) -> dict[str, Value]:
    """Every setting of a run."""
    options = run.facts.options
    usual = _usual(options)
    found = {}
    for name in SETTINGS:
        value = options.get(name)
        default = name in usual and value is not None and usual[name] == value
        found[name] = Value(value, default, used=not unused(name, options))
    found[DATA] = Value(data_words(run))
    return found


def _usual(options: Mapping[str, Any]) -> dict[str, Any]:
    """What that strategy and backbone would have had, had nobody asked for anything else; nothing of older ones."""
    asked = {name: options.get(name) for name in ("data", "architecture", "strategy")}
    try:
        usual = to_dict(TrainConfig.from_options(asked))
    except ConfigError:
        return {}
    return {name: value for name, value in usual.items() if name not in asked}


def unused(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a training with these options had no use for a setting, whatever stands there."""
    strategy, optimizer = options.get("strategy"), options.get("optimizer")
    match name:
        case "head_epochs" | "head_learning_rate":
            return strategy != "head-then-all"
        case "views":
            return options.get("augmentation") == "none" or strategy not in ("feature-extraction", "head-then-all")
        case "val_fraction":
            return options.get("judge") == "folds"
        case "momentum":
            return optimizer != "sgd"
    return optimizer == SOLVED and name in OF_STEPS
