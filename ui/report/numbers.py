"""The numbers of a run by epoch, as a table to copy and to save."""

import csv
import io
from collections.abc import Sequence

from tl_engine.base.events import EpochEnd
from tl_engine.base.words import duration, score
from tl_engine.runs.saved_classifier import read_figures
from ui.parts.wording import text
from ui.train.plot_files import BOM, address, file_stem
from ui.train.run_view import RunView

TRAIN_FIRST = '<p class="tl-hint">Train first: then the numbers stand here.</p>'
COLUMNS = ("epoch", "training accuracy", "validation accuracy", "training loss", "validation loss", "seconds")
MOST_ROWS = 500  # on the page; the file has all


def numbers_html(shown: RunView) -> str:
    """A sentence, and a row for each epoch."""
    epochs = shown.epochs
    if not epochs:
        return TRAIN_FIRST
    rows = [_row(event, shown) for event in epochs]
    titles_row = "".join(f'<th scope="col">{title}</th>' for title in COLUMNS)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{c}</td>" for c in row[1:])}</tr>'
                   for row in rows[-MOST_ROWS:])  # fmt: skip
    name = text(f"{file_stem(shown)}-numbers.csv", 200)
    return (
        f'<div class="tl-report"><p>{_sentence(shown)}</p>'
        f'<p class="tl-save"><button type="button" data-copy="report-numbers">Copy</button> '
        f'<a download="{name}" href="{address("text/csv", BOM + csv_text(epochs))}">Save as CSV</a> '
        '<span role="status" data-copied></span></p>'
        '<div tabindex="0" role="region" aria-label="numbers by epoch" class="tl-numbers">'
        f'<table id="report-numbers"><thead><tr>{titles_row}</tr></thead><tbody>{body}</tbody></table></div></div>'
    )


def _sentence(shown: RunView) -> str:
    kept = read_figures(shown.run.best)
    last, facts = shown.epochs[-1], shown.run.facts
    seconds = sum(event.seconds for event in shown.epochs)
    learnt = duration(seconds) if seconds >= 1 else "under a second"
    how = f"{text(facts.architecture)}, {text(facts.strategy)}, {learnt} of learning."
    if kept is None:
        return how
    judged = shown.judged
    return (
        f"Best and kept: epoch {kept.epoch}, {score(kept.val_accuracy, judged)}. "
        f"Last: epoch {last.epoch}, {score(last.val_accuracy, judged)}. Judged on {judged:,} photos. {how}"
    )


def _row(event: EpochEnd, shown: RunView) -> list[str]:
    return [
        str(event.epoch),
        _share(event.train_accuracy, shown.learnt_from),
        _share(event.val_accuracy, shown.judged),
        _loss(event.train_loss),
        _loss(event.val_loss),
        f"{event.seconds:.2f}",
    ]


def _share(fraction: float, photos: int) -> str:
    """In a column that is headed by what it is."""
    return score(fraction, photos).removesuffix(" right")


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def csv_text(epochs: Sequence[EpochEnd]) -> str:
    """All numbers as they were logged; accuracies are fractions."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for e in epochs:
        writer.writerow([e.epoch, e.train_accuracy, e.val_accuracy, e.train_loss, e.val_loss, e.seconds])
    return written.getvalue()
