"""A run as a row of a list: what it is called, what it was asked, how it went; and how much room it takes.

Of a run that has ended both are read once, and again only when its folder changed.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tl_engine.base.files import folder_bytes
from tl_engine.base.words import score
from tl_engine.ledger.listing import settled
from tl_engine.runs import titles
from tl_engine.runs.run import BEST, OPEN_STATES, REPORT, Run
from tl_engine.runs.saved_classifier import read_figures, saved_folder

T = TypeVar("T")
KNOWN = 20_000  # rows that are remembered, half a kilobyte each
INSIDE = (
    "",
    f"/{BEST}",
    f"/{REPORT}",
    f"/{REPORT}/photos",
)  # folders of a run in which something may come or go after its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run, at one moment."""

    run: Run
    title: str
    data: str  # what its photos were called when it started
    note: str
    state: str
    accuracy: float | None  # of the classifier that is kept, a fraction; None without one
    judged: int  # photos that it is about; 0 while nobody knows
    classifier: bool  # whether one is there
    seconds: float | None  # that it took; None while that was not told
    created: float  # seconds since 1970
    architecture: str
    strategy: str
    epochs: int | None  # that were asked for

    @property
    def right(self) -> int:
        """How many of the judged photos were right."""
        return round((self.accuracy or 0.0) * self.judged)

    @property
    def result(self) -> str:
        """`4 of 4 right` or `92.5 %`; "" without a classifier."""
        return "" if self.accuracy is None else score(self.accuracy, self.judged)


Times = tuple[int, ...]
_ROWS: dict[Path, tuple[Times, Row]] = {}
_BYTES: dict[Path, tuple[Times, int]] = {}


def row_of(run: Run) -> Row:
    """The row of a run as it is now."""
    times = _times(run)
    known = _ROWS.get(run.folder)
    if known and known[0] == times:
        return known[1]
    row = _read(run)
    _keep(_ROWS, run, times, row, row.state)
    return row


def bytes_of(run: Run) -> int:
    """How much room a run takes on the disk."""
    times = _times(run)
    known = _BYTES.get(run.folder)
    if known and known[0] == times:
        return known[1]
    size = folder_bytes(run.folder)
    _keep(_BYTES, run, times, size, run.state())
    return size


def _keep(known: dict[Path, tuple[Times, T]], run: Run, times: Times, value: T, state: str) -> None:
    if state in OPEN_STATES or not settled(max(times)):
        return
    if len(known) >= KNOWN:
        known.clear()
    known[run.folder] = (times, value)


def _times(run: Run) -> Times:
    """When something last came or went in each of those folders, nanoseconds since 1970; 0 where there is none."""
    place = str(run.folder)
    return tuple(_changed(place + inside) for inside in INSIDE)


def _changed(folder: str) -> int:
    """Of a folder as text: a list of thousands of runs spends its time on making paths otherwise."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _read(run: Run) -> Row:
    ended, facts = run.ended(), run.facts
    epochs = facts.options.get("epochs")
    kept = read_figures(run.best)
    best = kept.val_accuracy if kept else ended.best_val_accuracy if ended else None
    return Row(
        run=run,
        title=titles.title_of(run),
        data=titles.data_words(run),
        note=titles.note_of(run),
        state=run.state(),
        accuracy=best,
        judged=titles.judged(run),
        classifier=saved_folder(run.best) is not None,
        seconds=ended.seconds if ended else None,
        created=facts.created,
        architecture=facts.architecture,
        strategy=facts.strategy,
        epochs=epochs if isinstance(epochs, int) else None,
    )
