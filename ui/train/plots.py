"""Plots on the page, as HTML with a small SVG picture: no script to draw, no warnings in the console, dark mode free.

Gradio's own LinePlot tells series apart by colour alone and fills the browser's console with Vega's warnings.
"""

from collections.abc import Sequence

from ui.parts.wording import text
from ui.train.curves import POINTS, Curve, Plot, accuracy, loss, thinned
from ui.train.drawing import HEIGHT, WIDTH, axes, hits, lines, sample
from ui.train.plot_files import links

LIVE_POINTS = 50  # that can be read while a run goes on: its plots travel anew every second


def accuracy_plot(curves: Sequence[Curve], saved_as: str = "") -> str:
    """Accuracies by epoch. A name for the files, which a run has once it has ended, lets them be saved."""
    return _figure(accuracy(curves), saved_as)


def loss_plot(curves: Sequence[Curve], saved_as: str = "") -> str:
    """Losses by epoch, likewise."""
    return _figure(loss(curves), saved_as)


def _figure(plot: Plot, saved_as: str) -> str:
    ends = (
        "; ".join(f"{curve.name} {plot.value_words(curve.points[-1][1], curve)}" for curve in plot.curves)
        or "nothing yet"
    )
    legend = "".join(_legend(index, plot) for index in range(len(plot.curves)))
    most = POINTS if saved_as else LIVE_POINTS
    below = f"{_values(plot, most)}{links(plot, saved_as) if saved_as else ''}" if plot.curves else ""
    return (
        f'<figure class="tl-plot"><figcaption>{plot.title}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{plot.title} by epoch: {text(ends, 400)}">'
        f"{axes(plot)}{lines(plot)}{hits(plot, most)}</svg>"
        f"<ul>{legend or '<li>The curve grows here.</li>'}</ul>{below}</figure>"
    )


def _legend(index: int, plot: Plot) -> str:
    curve = plot.curves[index]
    return (
        f'<li><svg viewBox="0 0 28 10" aria-hidden="true">{sample(index)}</svg> '
        f"{text(curve.name, 60)} <b>{plot.end_words(curve)}</b></li>"
    )


def _values(plot: Plot, most: int) -> str:
    """The same as a table, for those who use no pointer or see no picture; closed, since it is long."""
    rows = plot.rows()
    shown = thinned(rows, most)
    part = f", {len(shown)} of {len(rows):,} epochs" if len(shown) < len(rows) else ""
    titles = "".join(f'<th scope="col">{text(curve.name, 60)}</th>' for curve in plot.curves)
    body = "".join(f'<tr><th scope="row">{epoch}</th>{_cells(values, plot)}</tr>' for epoch, values in shown)
    return (
        f'<details class="tl-values" data-plot="{plot.title}"><summary>Values of the curves{part}</summary>'
        f'<div tabindex="0" role="region" aria-label="{plot.title} by epoch">'
        f'<table><thead><tr><th scope="col">epoch</th>{titles}</tr></thead><tbody>{body}</tbody></table>'
        "</div></details>"
    )


def _cells(values: Sequence[float | None], plot: Plot) -> str:
    cells = zip(values, plot.curves, strict=True)
    return "".join(f"<td>{'' if value is None else plot.value_words(value, curve)}</td>" for value, curve in cells)
