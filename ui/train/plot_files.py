"""What a plot can be saved as: a picture that looks right outside the page, and a table for a spreadsheet."""

import base64
import csv
import io
import re
import time

from tl_engine.base.words import harmless
from tl_engine.runs.titles import title_of
from ui.parts.wording import text
from ui.train.curves import Plot
from ui.train.drawing import HEIGHT, INK, LEFT, WIDTH, axes, lines, sample
from ui.train.run_view import RunView

HEAD, ROW = 40, 17  # the picture's units: of the heading, of a line of the legend
SCALE = 2  # pixels of a saved picture for each of its units
FONTS = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # one such letter spoils the file
BOM = "\ufeff"  # without it Excel takes UTF-8 for the alphabet of its country


def file_stem(shown: RunView) -> str:
    """What the files of a run's plots begin with: what it is called, and when it was; never its name, a secret."""
    when = time.strftime("%Y-%m-%d-%H%M", time.localtime(shown.run.facts.created))
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in f"{title_of(shown.run)[:40]}-{when}")


def csv_text(plot: Plot) -> str:
    """A row for each epoch and a column for each curve; an empty cell where a curve has no value."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(["epoch", *(harmless(f"{curve.name} {plot.title.lower()}") for curve in plot.curves)])
    for epoch, values in plot.rows():
        writer.writerow([epoch, *("" if value is None else f"{value:.6g}" for value in values)])
    return written.getvalue()


def svg_text(plot: Plot, heading: str) -> str:
    """The plot on white, with its heading and its legend, as a file of its own."""
    height = HEAD + HEIGHT + ROW * (len(plot.curves) + 1)
    legend = "".join(_legend(index, plot) for index in range(len(plot.curves)))
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-HEAD} {WIDTH} {height}" width="{WIDTH * SCALE}" '
        f'height="{height * SCALE}" font-family="{FONTS}" fill="{INK}">'
        f"<title>{text(f'{plot.title}: {heading}', 200)}</title>"
        f'<rect y="{-HEAD}" width="{WIDTH}" height="{height}" fill="#fff"/>'
        f'<text x="{LEFT}" y="-23" font-size="14" font-weight="600" fill="#18181b">{plot.title} by epoch</text>'
        f'<text x="{LEFT}" y="-8" font-size="11">{text(heading, 70)}</text>'
        f"{axes(plot)}{lines(plot)}{legend}</svg>"
    )
    return NO_XML.sub("", picture)


def _legend(index: int, plot: Plot) -> str:
    curve, y = plot.curves[index], HEIGHT + ROW * index
    last = plot.value_words(curve.points[-1][1], curve)
    return (
        f'<g transform="translate(4 {y})" font-size="11">{sample(index)}'
        f'<text x="34" y="9">{text(curve.name, 60)} <tspan font-weight="600">{last}</tspan></text></g>'
    )


def links(plot: Plot, stem: str) -> str:
    """What saves the plot. The files travel within the links, so no visitor's curves lie at an address of their own."""
    name, title = text(f"{stem}-{plot.title.lower()}", 200), plot.title.lower()
    svg = address("image/svg+xml", svg_text(plot, stem))
    table = address("text/csv", BOM + csv_text(plot))
    return (
        f'<p class="tl-save">Save as '
        f'<a download="{name}.svg" href="{svg}" aria-label="Save {title} as SVG">SVG</a> '
        f'<button type="button" data-png="{name}.png" aria-label="Save {title} as PNG">PNG</button> '
        f'<a download="{name}.csv" href="{table}" aria-label="Save {title} as CSV">CSV</a></p>'
    )


def address(kind: str, content: str) -> str:
    """An address that holds the file itself, so that nothing lies on the server."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode()).decode()}"
