"""Curves as data: what a plot shows, of which runs, at which epochs."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tl_engine.base.events import EpochEnd
from tl_engine.base.words import percent, score
from ui.train.run_view import RunView

POINTS = 200  # drawn of a curve, rows of its table; a screen has no more to show
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of (epoch, value) points, all that there are, by rising epoch."""

    name: str
    points: Sequence[tuple[int, float]]
    judged: int = 0  # photos that an accuracy is about, where that is known
    kept: int | None = None  # the epoch whose classifier is kept


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves of one quantity, the span of its scale, and how a value is put into words."""

    title: str
    curves: Sequence[Curve]
    span: tuple[float, float]
    in_words: Callable[[float], str]  # of a place on the scale

    def value_words(self, value: float, curve: Curve) -> str:
        """A value of a curve: of few photos as a count."""
        return score(value, curve.judged) if self.in_words is percent else self.in_words(value)

    def end_words(self, curve: Curve) -> str:
        """Where a curve ends; of a validation accuracy the kept one too: the two are easily confused."""
        last = self.value_words(curve.points[-1][1], curve)
        best = dict(curve.points).get(curve.kept or 0)
        if self.in_words is not percent or best is None:
            return last
        return f"last {last}, best {self.value_words(best, curve)} in epoch {curve.kept}"

    @property
    def last_epoch(self) -> int:
        """Where the scale of epochs ends; 1 where there is none."""
        return max((curve.points[-1][0] for curve in self.curves), default=1)

    def rows(self) -> list[tuple[int, list[float | None]]]:
        """Each epoch with its value on every curve, None where a curve has none."""
        known = [dict(curve.points) for curve in self.curves]
        return [(epoch, [values.get(epoch) for values in known]) for epoch in sorted(set().union(*known))]


def run_curves(shown: RunView | None, others: Sequence[tuple[str, RunView]], quantity: str) -> list[Curve]:
    """`accuracy` or `loss` of the run, validation and training, and the validation of named others laid over."""
    curves = []
    if shown and shown.epochs:
        curves.append(Curve("validation", _points(shown.epochs, f"val_{quantity}"), shown.judged, _kept(shown)))
        curves.append(Curve("training", _points(shown.epochs, f"train_{quantity}"), shown.learnt_from))
    for name, other in others:
        curves.append(Curve(name, _points(other.epochs, f"val_{quantity}"), other.judged, _kept(other)))
    return [curve for curve in curves if curve.points]


def _kept(shown: RunView) -> int | None:
    return shown.best.epoch if shown.best else None


def _points(epochs: Iterable[EpochEnd], field: str) -> list[tuple[int, float]]:
    """A loss that is no number is left out."""
    values = ((event.epoch, getattr(event, field)) for event in epochs)
    return [(epoch, value) for epoch, value in values if value is not None]


def thinned(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(items) <= most:
        return items
    step = (len(items) - 1) / (most - 1)
    return [items[round(index * step)] for index in range(most)]


def accuracy(curves: Sequence[Curve]) -> Plot:
    """Accuracies on a scale that begins where the data does, in steps of a tenth, and ends at 100 %."""
    lowest = min((value for curve in curves for _, value in curve.points), default=0.0)
    return Plot("Accuracy", curves, (min(0.9, math.floor(lowest * 10) / 10), 1.0), percent)


def loss(curves: Sequence[Curve]) -> Plot:
    """Losses from zero up."""
    highest = max((value for curve in curves for _, value in curve.points), default=1.0)
    return Plot("Loss", curves, (0.0, _round_up(highest)), lambda value: f"{value:.3g}")


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)
