"""A plot as parts of an SVG picture: its axes, lines, and the points where a value can be read.

Light colours stand in the parts themselves, so that a saved picture needs no style sheet and no program that knows
variables; the page's own style sheet overrides them in the dark.
"""

from collections.abc import Iterable

from ui.parts.wording import text
from ui.train.curves import POINTS, Curve, Plot, thinned

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 404, 12, 204  # of the plotting area, in the picture's units; left of it "0.000375"
REACH = (2.5, 9.0)  # least and most radius of a point that can be hit, in the same units
# Two sets of the same length, so that colour is never alone.
COLOURS = ("#0d9488", "#64748b", "#b45309", "#7c3aed", "#be123c", "#1d4ed8", "#4d7c0f", "#a21caf")
DASHES = ("", "6 4", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 4", "14 3 3 3")
GRID, INK = "#d4d4d8", "#52525b"


def axes(plot: Plot) -> str:
    """Five lines with their values, and a handful of epochs."""
    parts = []
    for step in range(5):
        value = plot.span[0] + (plot.span[1] - plot.span[0]) * step / 4
        y, label = _y(value, plot), plot.in_words(value).replace(".0 %", " %")
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    for epoch in _ticks(plot.last_epoch):
        parts.append(f'<text x="{_x(epoch, plot):.1f}" y="{BOTTOM + 16}" text-anchor="middle">{epoch}</text>')
    return f'<g class="tl-axes" fill="{INK}" font-size="11">{"".join(parts)}</g>'


def lines(plot: Plot) -> str:
    """Each curve as a line with a mark at its end; the first lies on top."""
    return "".join(reversed([_line(index, curve, plot) for index, curve in enumerate(plot.curves)]))


def hits(plot: Plot, most: int) -> str:
    """Invisible circles which tell a pointer the value of their point, for at most so many points of each curve."""
    return "".join(reversed([_hits(index, curve, plot, most) for index, curve in enumerate(plot.curves)]))


def sample(index: int) -> str:
    """A piece of a curve's line, 28 by 10 units, for a legend."""
    return f'<g {_look(index)}><line x1="1" y1="5" x2="27" y2="5"{_dash(index)}/></g>'


def _line(index: int, curve: Curve, plot: Plot) -> str:
    points = " ".join(f"{_x(epoch, plot):.1f},{_y(value, plot):.1f}" for epoch, value in thinned(curve.points, POINTS))
    end_x, end_y = points.split(" ")[-1].split(",")
    mark = f'<circle cx="{end_x}" cy="{end_y}" r="3" fill="{_colour(index)}" stroke="none"/>'
    return f'<g {_look(index)}><polyline points="{points}"{_dash(index)}/>{mark}</g>'


def _hits(index: int, curve: Curve, plot: Plot, most: int) -> str:
    points, name = thinned(curve.points, most), text(curve.name, 60)
    # Never so large that a neighbour answers for the point below the pointer.
    radius = min(REACH[1], max(REACH[0], (RIGHT - LEFT) / max(1, len(points) - 1) / 2))
    circles = "".join(
        f'<circle cx="{_x(epoch, plot):.1f}" cy="{_y(value, plot):.1f}" r="{radius:.1f}">'
        f"<title>{name}, epoch {epoch}: {plot.value_words(value, curve)}</title></circle>"
        for epoch, value in points
    )
    return f'<g class="tl-hits tl-curve-{_set(index)}" fill="{_colour(index)}" fill-opacity="0">{circles}</g>'


def _look(index: int) -> str:
    return f'class="tl-curve tl-curve-{_set(index)}" fill="none" stroke="{_colour(index)}" stroke-width="2"'


def _set(index: int) -> int:
    return index % len(COLOURS)


def _colour(index: int) -> str:
    return COLOURS[_set(index)]


def _dash(index: int) -> str:
    dash = DASHES[_set(index)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _x(epoch: float, plot: Plot) -> float:
    share = (epoch - 1) / (plot.last_epoch - 1) if plot.last_epoch > 1 else 0.5
    return LEFT + (RIGHT - LEFT) * share


def _y(value: float, plot: Plot) -> float:
    share = (value - plot.span[0]) / (plot.span[1] - plot.span[0])
    return BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, share))


def _ticks(last_epoch: int) -> Iterable[int]:
    """A handful of epochs, the first and the last among them."""
    if last_epoch <= 6:
        return range(1, last_epoch + 1)
    return sorted({1, *(round(1 + (last_epoch - 1) * share) for share in (0.25, 0.5, 0.75)), last_epoch})
