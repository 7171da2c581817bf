"""What a run is called and how well it did, in words: for lists, legends and files. No torch."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_engine.base.errors import RunError
from tl_engine.base.events import DataRead, EpochEnd, from_json
from tl_engine.base.files import write_whole
from tl_engine.base.names import NOTE_LENGTH, TITLE_LENGTH, plain_note, plain_title
from tl_engine.base.words import clock, plural, score
from tl_engine.runs.config import SETTINGS
from tl_engine.runs.run import CONFIG, EVENTS, Run
from tl_engine.runs.saved_classifier import read_figures

TITLE_FILE, NOTE_FILE = "title.txt", "note.txt"
MOST_READ = 4 * NOTE_LENGTH  # bytes of a note, whatever a host put there
KNOWN = 20_000  # runs of which it is remembered how many photos they judged


def data_name(config_data: str) -> str:
    """What to call a run's data by how it was named: a sample's name or the last part of its path."""
    return Path(config_data).name.removesuffix(".json") or config_data


def title_of(run: Run) -> str:
    """What somebody called it later, else what its data was called when it started."""
    with contextlib.suppress(OSError, ValueError):
        if title := (run.folder / TITLE_FILE).read_text(encoding="utf-8").strip():
            return title
    return data_words(run)


def data_words(run: Run) -> str:
    """What people call its data: as who started it saw it, else by how it was named."""
    return run.facts.title or data_name(run.facts.data)


def rename(run: Run, title: str) -> None:
    """Call it something else. Raises RunError."""
    plain = plain_title(title)
    if plain is None:
        raise RunError(f"A training's name must have 1 to {TITLE_LENGTH} visible characters, got {str(title)[:80]!r}.")
    _write(run, TITLE_FILE, plain, "The name")


def note_of(run: Run) -> str:
    """What somebody noted down about it, some lines; "" where nobody did."""
    with contextlib.suppress(OSError), (run.folder / NOTE_FILE).open("rb") as file:
        return plain_note(file.read(MOST_READ).decode("utf-8", "replace"), MOST_READ) or ""
    return ""


def write_note(run: Run, note: str) -> str:
    """Note some lines down about it, in the place of those before, and return them made plain. Raises RunError."""
    plain = plain_note(note)
    if plain is None:
        raise RunError(f"A note has at most {NOTE_LENGTH} characters: shorten it, it was not saved.")
    _write(run, NOTE_FILE, plain, "The note")
    return plain


def _write(run: Run, file: str, words: str, what: str) -> None:
    if not (run.folder / CONFIG).is_file():
        raise RunError("This training was deleted in the meantime: choose another.")
    try:
        write_whole(run.folder / file, words.encode())
    except OSError as error:
        raise RunError(f"{what} could not be saved ({error.strerror}): make room and try again.") from None


def judged(run: Run) -> int:
    """How many judged photos its figures are about; 0 while nobody knows."""
    try:
        return _judged(run.folder / EVENTS, (run.folder / CONFIG).stat().st_mtime_ns)
    except (OSError, LookupError):
        return 0


@functools.lru_cache(maxsize=KNOWN)
def _judged(log: Path, _made: int) -> int:
    """The number in that log, which is written once. Raises LookupError, so that a run which goes on is asked again."""
    with log.open("rb") as opened:
        for line in opened:
            event = from_json(line.decode("utf-8", "replace"))
            if isinstance(event, DataRead):
                return event.photos("judged")
            if isinstance(event, EpochEnd):  # the data is told before, after every file that was skipped
                break
    raise LookupError


def result_words(run: Run) -> str:
    """`4 of 4 right` or `92.5 %`; "" without a classifier."""
    ended = run.ended()
    kept = None if ended and ended.best_val_accuracy is not None else read_figures(run.best)
    best = kept.val_accuracy if kept else ended.best_val_accuracy if ended else None
    return "" if best is None else score(best, judged(run))


def names(runs: Sequence[Run], titled: Callable[[Run], str] = title_of) -> dict[str, str]:
    """What each is called among the others: its title, and for those of one title in what they differ, or when."""
    alike: dict[str, list[Run]] = {}
    for run in runs:
        alike.setdefault(titled(run), []).append(run)
    found = {name: ", ".join([title, *told]) for title in alike for name, told in _differences(alike[title]).items()}
    found = _told_apart(found, runs, lambda run, _number: clock(run.facts.created))
    return _told_apart(found, runs, lambda _run, number: f"({number})")


def _told_apart(found: Mapping[str, str], runs: Sequence[Run], more: Callable[[Run, int], str]) -> dict[str, str]:
    """The names with something more for those that are alike."""
    alike, number = Counter(found.values()), Counter[str]()
    apart = {}
    for run in runs:
        name = found[run.name]
        number[name] += 1
        apart[run.name] = f"{name}, {more(run, number[name])}" if alike[name] > 1 else name
    return apart


def _differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Of each the settings in which not all are alike, in words."""
    options = [run.facts.options for run in runs]
    differing = [name for name in SETTINGS if name != "data" and len({repr(o.get(name)) for o in options}) > 1]
    return {
        run.name: [_setting_words(name, value) for name in differing if (value := had.get(name)) is not None]
        for run, had in zip(runs, options, strict=True)
    }


def _setting_words(name: str, value: Any) -> str:
    if name == "epochs" and isinstance(value, int):
        return plural(value, "epoch")
    if name in ("architecture", "strategy"):
        return str(value)
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {value}"
