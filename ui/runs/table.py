"""The list of runs as a table, on a phone as cards: found by words, ordered, a page of rows at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.base.words import FEW, clock, duration, percent, plural, size_words
from tl_engine.evaluation.figures import interval
from tl_engine.ledger.rows import Row, bytes_of, row_of
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace
from ui.parts.wording import STATE_MARKS, STATE_WORDS, text

PAGE = 25  # rows of a page of the list
MOST_TICKED = 6  # side by side; more curves are a tangle
NOTE_SHOWN = 120  # characters of a note in the list
NEWEST = "Newest first"
ORDERS: dict[str, Callable[[Row], Any]] = {  # beside the newest first
    "Most accurate first": lambda row: -(row.accuracy if row.accuracy is not None else -1.0),
    "By name": lambda row: row.title.casefold(),
    "By data": lambda row: row.data.casefold(),
    "Longest first": lambda row: -(row.seconds or 0.0),
    "Largest first": lambda row: -bytes_of(row.run),
}
LEARNS = {
    "feature-extraction": "last layer",
    "head-then-all": "last layer, then all",
    "fine-tuning": "all layers",
    "from-scratch": "from nothing",
}
COLUMNS = ("Tick", "Training", "Data", "How", "Right", "Time", "Size", "State", "When")
# A press on a name picks a run; a tick tells all that are ticked, and which could have been.
PRESSES = (
    "element.addEventListener('click', (event) => { const part = event.target.closest('[data-run]'); "
    "if (part) trigger('click', {run: part.dataset.run}); }); "
    "element.addEventListener('change', () => { const all = [...element.querySelectorAll('[data-tick]')]; "
    "trigger('select', {ticked: all.filter((box) => box.checked).map((box) => box.dataset.tick), "
    "shown: all.map((box) => box.dataset.tick)}); });"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of the list a page shows. A browser sends anything."""

    words: str = ""
    order: str = NEWEST
    first: int = 0  # row
    ticked: tuple[str, ...] = ()  # names of runs

    @classmethod
    def of(cls, words: Any = "", order: Any = NEWEST, first: Any = "", ticked: Any = "") -> Self:
        """As the page's fields say it."""
        return cls(
            words=words if isinstance(words, str) else "",
            order=order if isinstance(order, str) and order in ORDERS else NEWEST,
            first=int(first) if isinstance(first, str) and first.isdecimal() and len(first) < 9 else 0,
            ticked=tuple(ticked.split()[:MOST_TICKED]) if isinstance(ticked, str) else (),
        )

    def ticking(self, sent: Any) -> Self:
        """After a tick: those that are ticked in what is shown, and those elsewhere as before."""
        here = sent if isinstance(sent, dict) else {}
        told = (here.get(key) for key in ("ticked", "shown"))
        on, shown = ([str(name) for name in names] if isinstance(names, list) else [] for names in told)
        kept = [name for name in self.ticked if name not in shown or name in on]
        added = [name for name in on if name not in kept]
        return type(self)(self.words, self.order, self.first, (*kept, *added))


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one page, of how many."""

    rows: Sequence[Row]
    first: int
    number: int  # that were found
    all: int  # that there are

    @property
    def words(self) -> str:
        """`26 - 50 of 1,000`; how many were found, if fewer than there are."""
        found = f" found among {self.all:,}" if self.number < self.all else ""
        if not self.number:
            return f"None{found}."
        return f"{self.first + 1:,} - {self.first + len(self.rows):,} of {self.number:,}{found}"


def part_of(runs: Sequence[Run], asked: Asked) -> Part:
    """The page of the list that was asked for, the nearest that there is. Reads no more rows than it has to."""
    found: Sequence[Run] = runs
    if asked.words.strip() or asked.order in ORDERS:
        rows = [row for run in runs if matches(row := row_of(run), asked.words)]
        if order := ORDERS.get(asked.order):
            rows.sort(key=order)
        found = [row.run for row in rows]
    last = max(0, (len(found) - 1) // PAGE * PAGE)
    first = min(asked.first // PAGE * PAGE, last)
    return Part([row_of(run) for run in found[first : first + PAGE]], first, len(found), len(runs))


def matches(row: Row, words: str) -> bool:
    """Whether each of the words stands somewhere in what the list says of the run."""
    said = f"{row.title} {row.data} {how_words(row)} {STATE_WORDS[row.state]} {row.note}".casefold()
    return all(word in said for word in words.casefold().split())


def how_words(row: Row) -> str:
    """`EfficientNet-Lite0, last layer, 50 epochs`."""
    known = ARCHITECTURES.get(row.architecture)
    epochs = [plural(row.epochs, "epoch")] if row.epochs is not None else []
    learns = LEARNS.get(row.strategy, row.strategy)
    return ", ".join([known.label if known else row.architecture, learns, *epochs])


def right_words(row: Row) -> str:
    """`146 of 153 right, 91 - 98 %`; of few photos only the count, of a number nobody knows a share."""
    if row.accuracy is None:
        return ""
    if not row.judged:
        return percent(row.accuracy)
    count = f"{row.right:,} of {row.judged:,} right"
    if row.judged < FEW:
        return count
    low, high = interval(row.right, row.judged)
    return f"{count}, {100 * low:.0f} - {100 * high:.0f} %"


def whose(run: Run, visitor: Workspace) -> str:
    """ "" for a run of the visitor's own."""
    return "" if visitor.owns(run) else "the host's" if run.facts.workspace is None else "from a link"


def table_html(part: Part, visitor: Workspace, ticked: Sequence[str], current: str) -> str:
    """A row for each run; names, notes and data are text. Its roles are named, since a phone shows it as cards."""
    titles = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in COLUMNS)
    body = "".join(_row_html(row, visitor, row.run.name in ticked, row.run.name == current) for row in part.rows)
    return (
        '<table class="tl-runs" role="table" aria-label="trainings"><thead role="rowgroup">'
        f'<tr role="row">{titles}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
    )


def _row_html(row: Row, visitor: Workspace, ticked: bool, current: bool) -> str:
    name, title = text(row.run.name, 80), text(row.title, 80)
    owner = whose(row.run, visitor)
    note = " ".join(row.note.split()) if owner != "from a link" else ""
    below = "".join(f"<small>{text(words, NOTE_SHOWN)}</small>" for words in (owner, note) if words)
    state = f'<span aria-hidden="true">{STATE_MARKS[row.state]}</span> {STATE_WORDS[row.state]}'
    seconds = "" if row.seconds is None else duration(row.seconds)
    cells = (text(row.data, 80), text(how_words(row), 120), right_words(row), seconds, size_words(bytes_of(row.run)),
             state, clock(row.created))  # fmt: skip
    shown = "".join(
        f'<td role="cell" data-label="{label}">{cell}</td>' for label, cell in zip(COLUMNS[2:], cells, strict=True)
    )
    return (
        f'<tr role="row" class="tl-{row.state}{" tl-now" if current else ""}"><td role="cell">'
        f'<input type="checkbox" data-tick="{name}" aria-label="Side by side: {title}"{" checked" if ticked else ""}>'
        f'</td><th scope="row" role="rowheader"><button type="button" class="tl-cell" data-run="{name}">{title}'
        f"</button>{below}</th>{shown}</tr>"
    )
