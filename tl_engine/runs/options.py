"""What one setting of a training is: its type, range and sentence, which every place that shows or checks it reads."""

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from tl_engine.base.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `low` and `high` bound a number, both included unless `open`; None is unbounded."""

    name: str
    kind: type  # bool, int, float or str
    text: str  # one sentence, with the unit
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    open: bool = False  # whether the bounds themselves are excluded

    @property
    def option(self) -> str:
        """Its name in the terminal."""
        return self.name.replace("_", "-")

    @property
    def allowed(self) -> str:
        """What may be given, in words; empty where anything may."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.low is None:
            return ""
        if self.high is None:
            return f"above {self.low}" if self.open else f"at least {self.low}"
        return f"between {self.low} and {self.high}" + (", both excluded" if self.open else "")

    def converted(self, value: Any) -> Any:
        """The value as this setting's type, from text, json or Python. Raises ConfigError."""
        try:
            return _CONVERTERS[self.kind](value)
        except (ValueError, TypeError, KeyError, OverflowError):
            wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[self.kind]
            raise ConfigError(f"{self.option} must be {wanted}, got {str(value)[:60]!r}.") from None

    def check(self, value: Any) -> None:
        """Raise ConfigError, with what is allowed, for a value out of range."""
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.option} must be {self.allowed}, got {value[:60]!r}.")
        if self.kind in (int, float) and not self._within(value):
            if self.high is None:
                raise ConfigError(f"{self.option} must be a number {self.allowed}, such as 0.001, got {value}.")
            raise ConfigError(f"{self.option} must lie {self.allowed}, got {value}.")

    def _within(self, value: float) -> bool:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return math.isfinite(value) and (low < value < high if self.open else low <= value <= high)


@dataclass(frozen=True, slots=True)
class About:
    """What a field's annotation says of a setting besides its type."""

    text: str
    low: float | None = None
    high: float | None = None
    open: bool = False


def settings_of(annotations: Mapping[str, Any]) -> dict[str, Setting]:
    """Settings by name from annotations such as `Annotated[int, About("Photos per step.", 1, 4096)]`."""
    found = {}
    for name, annotation in annotations.items():
        inner, about = get_args(annotation)
        choices = get_args(inner) if get_origin(inner) is Literal else ()
        found[name] = Setting(name=name, kind=str if choices else inner, text=about.text, choices=choices,
                              low=about.low, high=about.high, open=about.open)  # fmt: skip
    return found


def refuse_unknown(given: Iterable[str], known: Mapping[str, Setting]) -> None:
    """Raise ConfigError for a name that is no setting, with the nearest one."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            options = ", ".join(setting.option for setting in known.values())
            hint = f"did you mean {known[near[0]].option}?" if near else f"known: {options}."
            raise ConfigError(f"Unknown setting {name[:60]!r}: {hint}")


def _bool(value: Any) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]


def _int(value: Any) -> int:
    number = float(value)
    if number != int(number) or isinstance(value, bool):
        raise ValueError
    return int(number)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _str(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if not isinstance(value, str):
        raise ValueError
    return value


_CONVERTERS: dict[type, Any] = {bool: _bool, int: _int, float: _float, str: _str}
