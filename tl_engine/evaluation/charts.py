"""The charts of a report as SVG parts that need nothing else: what a bar or a band means stands beside it in words."""

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 408, 12, 198
INK, LINE, FILL = "currentColor", "#0d9488", "#0d948833"


def reliability_svg(bars: Sequence[Mapping[str, Any]]) -> str:
    """A point for each group of photos: how sure it was, and how often right, with the interval as a bar."""
    parts = [_frame("how sure it was", "how often right")]
    parts.append(
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="{INK}" stroke-dasharray="4" opacity=".5"/>'
    )
    for bar in bars:
        x, share = _x(bar["confidence"]), bar["right"] / bar["photos"]
        low, high = (_y(end) for end in bar["interval"])
        words = f"{bar['photos']} photos it was {bar['confidence']:.0%} sure of: {bar['right']} right"
        parts.append(
            f'<g stroke="{LINE}"><title>{words}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
            f'stroke-width="6" opacity=".35"/><circle cx="{x:.1f}" cy="{_y(share):.1f}" r="4" fill="{LINE}"/></g>'
        )
    return _svg("".join(parts), "How sure it was beside how often it was right")


def learning_svg(points: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy by the number of photos that taught, with the spread of the draws as a band."""
    least = min(point["low"] for point in points)
    floor = max(0.0, least - (1 - least) * 0.25)
    most = max(point["photos"] for point in points)
    places = [(_x(point["photos"] / most), point) for point in points]

    def height(value: float) -> float:
        return _y((value - floor) / max(1e-9, 1 - floor))

    upper = [f"{x:.1f},{height(point['high']):.1f}" for x, point in places]
    lower = [f"{x:.1f},{height(point['low']):.1f}" for x, point in reversed(places)]
    middle = " ".join(f"{x:.1f},{height(point['accuracy']):.1f}" for x, point in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{height(point["accuracy"]):.1f}" r="4" fill="{LINE}"><title>{point["photos"]} photos'
        f": {point['accuracy']:.1%}, between {point['low']:.1%} and {point['high']:.1%}</title></circle>"
        for x, point in places
    )
    band = f'<polygon points="{" ".join(upper + lower)}" fill="{FILL}"/>'
    line = f'<polyline points="{middle}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    frame = _frame(f"photos that taught, up to {most:,}", "accuracy", (f"{floor:.0%}", "100%"))
    return _svg(frame + band + line + dots, "Accuracy by the number of photos that taught")


def _frame(across: str, up: str, ends: tuple[str, str] = ("0%", "100%")) -> str:
    low, high = ends
    return (
        f'<g fill="{INK}" font-size="11"><line x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}" stroke="{INK}" '
        f'opacity=".4"/><line x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{BOTTOM}" stroke="{INK}" opacity=".4"/>'
        f'<text x="{LEFT - 5}" y="{BOTTOM}" text-anchor="end">{low}</text>'
        f'<text x="{LEFT - 5}" y="{TOP + 8}" text-anchor="end">{high}</text>'
        f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>'
        f'<text x="12" y="{(TOP + BOTTOM) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {(TOP + BOTTOM) / 2})">{up}</text></g>'
    )


def _svg(parts: str, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        f'class="tl-chart" font-family="sans-serif">{parts}</svg>'
    )


def _x(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * share


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share
