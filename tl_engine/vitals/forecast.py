"""How long a training will take and when it is whose turn, from what trainings of its kind took on this machine.

Where nothing is known nothing is said: a place in the line is true, a guess is not.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median, median_high
from typing import Any

from tl_engine.base.events import BatchEnd, DataRead, EpochEnd, Event, RunEnded, RunStarted, from_json
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs
from tl_engine.runs.config import SOLVED
from tl_engine.runs.run import EVENTS, Run

FILE, FORMAT = "durations.json", 1  # below the cache
KEPT = 5  # of a kind, the newest; their median is not moved by one that met a busy machine
ENOUGH = 2  # of a kind that a line is foretold by: one may have found a process ready, which the next ones do not
MOST_KINDS = 200
TAIL = 16_384  # bytes of a log in which its last event of any worth lies
LIMIT_SPARE = 5.0  # seconds to end in, beside the minutes that are given
FINE, COARSE, MINUTES = 60, 600, 3600  # seconds of a wait below which it is told in tens, halves of a minute, minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one training took, in seconds."""

    start: float  # until its process was at work
    ready: float  # of a photo, before the first epoch and after the last: embedding or decoding, describing
    epoch: float  # of a photo in an epoch

    def seconds(self, photos: int, epochs: int) -> float:
        """Of a training on so many photos."""
        return self.start + photos * (self.ready + epochs * self.epoch)


def kind_of(options: Mapping[str, Any]) -> str:
    """What trainings must have in common to take alike long; options as in a run's config.json."""
    names = ("architecture", "strategy", "optimizer", "augmentation", "batch_size", "views")
    return " ".join(str(options.get(name)) for name in names)


def took(events: Sequence[Event], epochs: int) -> Took | None:
    """What a training of one part took, by its log; None for one that did not run through."""
    started = [e for e in events if isinstance(e, RunStarted)]
    told = [e for e in events if isinstance(e, EpochEnd)]
    read = next((e for e in events if isinstance(e, DataRead)), None)
    last = events[-1] if events else None
    if len(started) != 1 or not told or read is None or not isinstance(last, RunEnded) or last.state != "finished":
        return None
    photos = sum(sum(splits.values()) for splits in read.counts.values())
    if not photos or last.at is None or started[0].at is None:
        return None
    learning = sum(event.seconds for event in told)
    start = max(0.0, started[0].at - (last.at - last.seconds))
    ready = max(0.0, last.seconds - start - learning)
    # By the epochs that were asked for: a head that needs fewer steps than that stops early the next time too.
    return Took(start=start, ready=ready / photos, epoch=learning / photos / max(1, epochs))


def learn_from(run: Run, settings: Settings) -> None:
    """Remember what a finished run took. The cache only helps: where it cannot be written, nothing is remembered."""
    options = run.facts.options
    try:
        found = took(run.events()[0], int(options.get("epochs", 1)))
    except (TypeError, ValueError):
        return
    if found is None:
        return
    known = _read(settings)
    kind = kind_of(options)
    kept = [*known.pop(kind, []), found][-KEPT:]
    known = dict(list(known.items())[-MOST_KINDS:]) | {kind: kept}
    written = {"format": FORMAT, "kinds": {name: [asdict(one) for one in some] for name, some in known.items()}}
    with contextlib.suppress(OSError):
        write_json(settings.cache / FILE, written)


def _read(settings: Settings) -> dict[str, list[Took]]:
    """What is remembered, by kind; nothing where it is missing, damaged or of another version."""
    try:
        kept = json.loads((settings.cache / FILE).read_text(encoding="ascii"))
        if kept["format"] != FORMAT:
            return {}
        names = [field.name for field in fields(Took)]
        return {
            kind: [Took(**{name: float(one[name]) for name in names}) for one in some]
            for kind, some in kept["kinds"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def foretold(run: Run, known: Mapping[str, Sequence[Took]], *, in_line: bool = False) -> float | None:
    """The seconds that a whole run takes; None where too few of its kind did, or nobody knows its photos.

    One that starts as soon as another ends waits for its process to be made: of two starts the longer is taken, of more
    the one in the middle.
    """
    options = run.facts.options
    some, photos, epochs = known.get(kind_of(options)), options.get("photos"), options.get("epochs")
    if not some or not isinstance(photos, int) or not isinstance(epochs, int) or (in_line and len(some) < ENOUGH):
        return None
    start = (median_high if in_line else median)([one.start for one in some])
    seconds = start + median(one.seconds(photos, epochs) - one.start for one in some)
    minutes = float(options.get("minutes") or 0)
    return min(seconds, minutes * 60 + LIMIT_SPARE) if minutes else seconds


def left_of(run: Run, known: Mapping[str, Sequence[Took]], now: float) -> float | None:
    """The seconds that a run at work will still take: by its own epochs, before there are any by its kind."""
    began, last = _latest(run)
    whole = foretold(run, known)
    left: float | None = getattr(last, "seconds_left", None)
    if left is not None and last is not None and last.at is not None:
        # A head in steps is done within seconds; what comes after the last epoch is known only of its kind.
        after = _tail(run, known)
        return max(0.0, left + after - (now - last.at))
    if whole is None or began is None:
        return None
    return max(0.0, whole - (now - began))


def _tail(run: Run, known: Mapping[str, Sequence[Took]]) -> float:
    """The seconds after the last epoch of a run whose photos pass once more then."""
    options = run.facts.options
    some, photos = known.get(kind_of(options)), options.get("photos")
    again = options.get("strategy") in ("fine-tuning", "head-then-all") and options.get("optimizer") != SOLVED
    return median(one.ready for one in some) * photos / 2 if some and again and isinstance(photos, int) else 0.0


def _latest(run: Run) -> tuple[float | None, Event | None]:
    """When its process was asked to work, and its last event that tells an epoch or a batch."""
    with contextlib.suppress(OSError):
        began = (run.folder / "process.json").stat().st_mtime
        with (run.folder / EVENTS).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            lines = log.read().decode("utf-8", "replace").splitlines()
        events = (from_json(line) for line in reversed(lines))
        return began, next((e for e in events if isinstance(e, BatchEnd | EpochEnd) and (e.at or 0) >= began - 5), None)
    return None, None


def wait_of(run: Run, settings: Settings, now: float | None = None) -> int | None:
    """The seconds until it is a waiting run's turn, rounded as people say it; None where nobody knows."""
    names, now = open_runs.names(settings.runs), time.time() if now is None else now
    if run.name not in names:
        return None
    known, total = _read_once(settings.cache / FILE, settings), 0.0
    for name in names[: names.index(run.name)]:
        before = Run(settings.runs / name)
        seconds = left_of(before, known, now) if before.state() == "running" else foretold(before, known, in_line=True)
        if seconds is None:
            return None
        total += seconds
    return rounded(total)


_KNOWN: dict[Path, tuple[int, dict[str, list[Took]]]] = {}


def _read_once(file: Path, settings: Settings) -> dict[str, list[Took]]:
    """What is remembered, read again only when it changed."""
    try:
        changed = file.stat().st_mtime_ns
    except OSError:
        return {}
    if file not in _KNOWN or _KNOWN[file][0] != changed:
        _KNOWN[file] = changed, _read(settings)
    return _KNOWN[file][1]


def rounded(seconds: float) -> int:
    """To tens of seconds, halves of a minute, minutes or fives of them: what a person is told does not flicker."""
    step = 10 if seconds < FINE else 30 if seconds < COARSE else 60 if seconds < MINUTES else 300
    return max(step, round(seconds / step) * step)
