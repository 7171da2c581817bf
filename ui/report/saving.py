"""A report as files: one page, and a table for a spreadsheet. They lie in the page itself, so nothing stays behind."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from tl_engine.base.names import slug
from tl_engine.base.words import harmless
from tl_engine.evaluation import html
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.run import Run
from tl_engine.runs.titles import title_of
from ui.parts.wording import text
from ui.train.plot_files import BOM, address


def save_links(run: Run, report: Mapping[str, Any], photos: RunPhotos) -> str:
    """Links that save the report as one page and its table as CSV, and a button that copies the table."""
    name = text(slug(f"{title_of(run)[:40]}-{run.facts.architecture}", otherwise="report"), 100)
    page = address("text/html", html.whole_page(run, report, photos))
    table = address("text/csv", BOM + _csv(report))
    return (
        '<p class="tl-save"><button type="button" data-copy="report-classes">Copy the table</button> '
        f'<a download="{name}-report.csv" href="{table}">Save as CSV</a> '
        f'<a download="{name}-report.html" href="{page}">Save the report</a> '
        '<span role="status" data-copied></span></p>'
    )


def _csv(report: Mapping[str, Any]) -> str:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerows([harmless(cell) for cell in row] for row in html.csv_rows(report))
    return written.getvalue()
