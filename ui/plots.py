"""Curves as small SVG pictures: no script, no warnings in the console, dark mode and screen readers for free.

Gradio's own LinePlot tells series apart by colour alone and fills the browser's console with Vega's warnings.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tl_engine.events import EpochEnd
from ui.run_view import RunView
from ui.wording import clock, percent, text

POINTS = 200  # of a curve; a screen has no more to show
WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 42, 412, 12, 204  # of the plotting area, in the picture's units
Shown = Callable[[float], str]  # a value in words
DASHES = ("", "6 4", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 4", "14 3 3 3")  # so that colour is never alone


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of (epoch, value) points."""

    name: str
    points: Sequence[tuple[int, float]]


def run_curves(shown: RunView | None, others: list[RunView], quantity: str) -> list[Curve]:
    """`accuracy` or `loss` of the run, validation and training, and the validation of others laid over."""
    curves = []
    if shown and shown.epochs:
        curves.append(Curve("validation", _points(shown.epochs, f"val_{quantity}")))
        curves.append(Curve("training", _points(shown.epochs, f"train_{quantity}")))
    for other in others:
        facts = other.run.facts
        name = f"{clock(facts.created)} {facts.architecture}, {facts.strategy}"
        curves.append(Curve(name, _points(other.epochs, f"val_{quantity}")))
    return [curve for curve in curves if curve.points]


def _points(epochs: list[EpochEnd], field: str) -> list[tuple[int, float]]:
    """At most POINTS of them, the first and the last among them; a loss that is no number is left out."""
    if len(epochs) > POINTS:
        step = (len(epochs) - 1) / (POINTS - 1)
        epochs = [epochs[round(index * step)] for index in range(POINTS)]
    values = ((event.epoch, getattr(event, field)) for event in epochs)
    return [(epoch, value) for epoch, value in values if value is not None]


def accuracy_plot(curves: list[Curve]) -> str:
    """Accuracies on a scale that begins where the data does, in steps of a tenth, and ends at 100 %."""
    lowest = min((value for curve in curves for _, value in curve.points), default=0.0)
    return _plot("Accuracy", curves, (min(0.9, math.floor(lowest * 10) / 10), 1.0), percent)


def loss_plot(curves: list[Curve]) -> str:
    """Losses from zero up."""
    highest = max((value for curve in curves for _, value in curve.points), default=1.0)
    return _plot("Loss", curves, (0.0, _round_up(highest)), lambda value: f"{value:.3g}")


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _plot(title: str, curves: list[Curve], span: tuple[float, float], shown: Shown) -> str:
    last_epoch = max((curve.points[-1][0] for curve in curves), default=1)
    lines = "".join(_line(index, curve, span, last_epoch) for index, curve in enumerate(curves))
    ends = "; ".join(f"{curve.name} {shown(curve.points[-1][1])}" for curve in curves) or "nothing yet"
    legend = "".join(_legend(index, curve, shown) for index, curve in enumerate(curves))
    return (
        f'<figure class="tl-plot"><figcaption>{title}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title} by epoch: {text(ends, 400)}">'
        f"{_axes(span, last_epoch, shown)}{lines}</svg><ul>{legend or '<li>The curve grows here.</li>'}</ul></figure>"
    )


def _x(epoch: float, last_epoch: int) -> float:
    return LEFT + (RIGHT - LEFT) * ((epoch - 1) / max(1, last_epoch - 1) if last_epoch > 1 else 0.5)


def _y(value: float, span: tuple[float, float]) -> float:
    share = (value - span[0]) / (span[1] - span[0])
    return BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, share))


def _line(index: int, curve: Curve, span: tuple[float, float], last_epoch: int) -> str:
    points = " ".join(f"{_x(epoch, last_epoch):.1f},{_y(value, span):.1f}" for epoch, value in curve.points)
    end_x, end_y = points.split(" ")[-1].split(",")
    mark = f'<circle cx="{end_x}" cy="{end_y}" r="3"/>'
    return f'<g class="tl-curve tl-curve-{index % 8}"><polyline points="{points}"{_dash(index)}/>{mark}</g>'


def _dash(index: int) -> str:
    dash = DASHES[index % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _axes(span: tuple[float, float], last_epoch: int, shown: Shown) -> str:
    parts = []
    for step in range(5):
        value = span[0] + (span[1] - span[0]) * step / 4
        y = _y(value, span)
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{shown(value).replace(".0 %", " %")}</text>'
        )
    for epoch in _ticks(last_epoch):
        parts.append(f'<text x="{_x(epoch, last_epoch):.1f}" y="{BOTTOM + 16}" text-anchor="middle">{epoch}</text>')
    return f'<g class="tl-axes">{"".join(parts)}</g>'


def _ticks(last_epoch: int) -> Iterable[int]:
    """A handful of epochs, the first and the last among them."""
    if last_epoch <= 6:
        return range(1, last_epoch + 1)
    return sorted({1, *(round(1 + (last_epoch - 1) * share) for share in (0.25, 0.5, 0.75)), last_epoch})


def _legend(index: int, curve: Curve, shown: Shown) -> str:
    sample = f'<line x1="1" y1="5" x2="27" y2="5"{_dash(index)}/>'
    return (
        f'<li><svg class="tl-curve tl-curve-{index % 8}" viewBox="0 0 28 10" aria-hidden="true">{sample}</svg> '
        f"{text(curve.name, 60)} <b>{shown(curve.points[-1][1])}</b></li>"
    )
