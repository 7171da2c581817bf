"""The class in words and tables. Names, titles and reasons come from outside: all of them become text here."""

import time
from collections.abc import Sequence

from tl_engine.base.errors import without_paths
from tl_engine.base.events import RunEnded
from tl_engine.base.words import clock, duration, percent, plural, score
from tl_engine.classroom.board import Board, Entry
from tl_engine.classroom.lesson import OPENABLE, Lesson
from tl_engine.classroom.overview import Row
from tl_engine.runs import titles
from ui.parts.wording import STATE_MARKS, STATE_WORDS, text
from ui.train.run_view import RunView

BoardRow = tuple[str, str, str]  # (seat, label, cells), the last two as HTML
HERE = 20  # seconds without a word from a page after which its pupil is not there any more
TEACHER_WORDS = "<p>You lead this class: the tab Class has its lesson, and shows who is here.</p>"
PAUSED = "Training is paused: what waits begins when you let it go on."
NOBODY = "Nobody has opened the lesson yet: hand out the link or the QR code."


def seen_words(seen: float | None) -> str:
    """`here`, `4 min ago`."""
    if seen is None:
        return "not here"
    ago = time.time() - seen
    if ago < HERE:
        return "here"
    return f"{duration(ago)} ago" if ago < 60 else f"{duration(ago // 60 * 60).replace(' 0 s', '')} ago"


def run_words(shown: RunView | None) -> str:
    """How a pupil's newest training stands, in one line; of one that failed, why."""
    if shown is None:
        return "no training yet"
    last, best = shown.last, shown.best
    match shown.state:
        case "queued":
            return f"waiting, {plural(shown.place, 'training')} before it"
        case "running":
            sofar = f", best so far {score(best.val_accuracy, shown.judged)}" if best else ""
            return f"epoch {last.epoch} of {last.epochs}{sofar}" if last else "getting ready"
        case "interrupted":
            return "its process died: the pupil can go on with it"
    ended = next((event for event in reversed(shown.events) if isinstance(event, RunEnded)), None)
    if shown.state == "failed" and ended:
        return without_paths(ended.reason)
    return titles.result_words(shown.run) or "no classifier"


def class_table(rows: Sequence[tuple[Row, RunView | None]], *, frozen: bool) -> str:
    """A row for each pupil."""
    if not rows:
        return f'<div class="tl-class"><p class="tl-hint">{NOBODY}</p></div>'
    body = "".join(_row(row, shown) for row, shown in rows)
    here = sum(seen_words(row.seen) == "here" for row, _ in rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Pupil", "Seen", "Photos", "Training", "How it stands"))
    note = f'<p class="tl-problem">{PAUSED}</p>' if frozen else ""
    number = f"{plural(len(rows), 'pupil')}, {here} here now"
    return (
        f'<div class="tl-class">{note}<p class="tl-hint">{number}</p>'
        '<div class="tl-wide" tabindex="0" role="region" aria-label="the class">'
        f'<table class="tl-pupils"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>'
    )


def _row(row: Row, shown: RunView | None) -> str:
    state = ""
    if shown:
        state = f"{STATE_MARKS[shown.state]} {STATE_WORDS[shown.state]}"
        state = f'<a href="?run={text(shown.run.name, 80)}" target="_blank">{state}</a>'
    cells = (
        ("seen", text(seen_words(row.seen))),
        ("photos", f"{row.photos:,}"),
        ("training", state),
        ("how", text(run_words(shown), 200)),
    )
    told = "".join(f'<td class="tl-of-{name}">{cell}</td>' for name, cell in cells)
    kind = f"tl-{shown.state}" if shown else ""
    return f'<tr class="{kind}"><th scope="row">{text(row.label, 60)}</th>{told}</tr>'


def listed(words: Sequence[str]) -> str:
    """`the backbone, the epochs and the classes`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def lesson_html(lesson: Lesson | None, data_title: str) -> str:
    """What the lesson is about, for its pupils."""
    if lesson is None:
        return "<p>Your teacher has not prepared a lesson yet: look around, and reload the page when it begins.</p>"
    about = f"on {text(data_title, 60)}" if not lesson.brings else "with photos that you bring"
    free = [OPENABLE[name] for name in lesson.open]
    may = f" You may change {listed(free)}." if free else ""
    classes = f" It tells apart: {', '.join(text(name) for name in lesson.classes)}." if lesson.classes else ""
    return f"<h2>{text(lesson.title, 60)}</h2><p>The class learns {about}.{classes}{may}</p>"


def shown_html(shown: RunView, plot: str, name: str) -> str:
    """One pupil's result as the whole class sees it."""
    whose = f" by {text(name, 60)}" if name else ""
    result = titles.result_words(shown.run) or STATE_WORDS[shown.state].lower()
    link = f'<a href="?run={text(shown.run.name, 80)}">Try this classifier</a>'
    return (
        f'<div class="tl-status"><h3>Your teacher shows: {text(titles.title_of(shown.run), 60)}{whose}</h3>'
        f"<p><b>{text(result, 60)}</b> · {link}</p>{plot}</div>"
    )


def board_rows(board: Board, names: dict[str, str]) -> list[BoardRow]:
    """The rows of the board, the best first; without names the classifiers have numbers."""
    places = board.places()
    rows = []
    for number, entry in enumerate(board.entries, start=1):
        label = names.get(entry.seat) or f"Classifier {number}"
        place = f"{places[entry.run]}." if entry.run in places else "–"
        cells = "".join(f"<td>{cell}</td>" for cell in (place, *_measured(entry)))
        rows.append((entry.seat, text(label, 60), cells))
    return rows


def _measured(entry: Entry) -> tuple[str, str]:
    if not entry.right:
        return "not measured", text(entry.trouble, 160)
    if entry.seen:
        return score(entry.score / len(entry.right), len(entry.right)), (
            f"learnt from {plural(entry.seen, 'photo')} of the test, so it has no place"
        )
    low, high = entry.interval
    words = f"{entry.score} of {len(entry.right)}"
    return words, f"{percent(low)} to {percent(high)}"


def board_html(board: Board, rows: Sequence[BoardRow], seat: str = "") -> str:
    """The board; the row of that seat is marked."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "Place", "Right", "95 of 100 times within"))
    body = "".join(
        f'<tr><th scope="row">{label}{" (yours)" if seat and own == seat else ""}</th>{cells}</tr>'
        for own, label, cells in rows
    )
    return (
        f'<div class="tl-class tl-status"><h3>On photos that nobody had seen</h3><p>{text(board.sentence(), 200)} '
        f"Measured {clock(board.at)}.</p>"
        '<div class="tl-wide" tabindex="0" role="region" aria-label="the board"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )
