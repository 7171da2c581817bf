"""A run as the page shows it: one moment of it, read from its folder, and its log. Reads, never trains."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.events import DataRead, EpochEnd, Event, describe
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.meta import Figures
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.runs.saved_classifier import read_figures
from tl_engine.vitals.forecast import wait_of
from tl_engine.vitals.pulse import Silence, silence
from ui.parts.wording import text

LOG_LINES = 200


class EventReader:
    """The events of runs, each log read on from where it was left; thirty viewers of a run parse it once."""

    def __init__(self, keep: int = 64) -> None:
        self._known: OrderedDict[Path, tuple[int, list[Event]]] = OrderedDict()
        self._keep = keep
        self._lock = threading.Lock()

    def read(self, run: Run) -> list[Event]:
        """All events so far; the list is shared, so callers only read it."""
        with self._lock:
            offset, events = self._known.pop(run.folder, (0, []))
            if offset > run.logged_bytes():  # another run of that name took the place of the one we knew
                offset, events = 0, []
            more, offset = run.events(offset)
            events = [*events, *more] if more else events
            self._known[run.folder] = (offset, events)
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
            return events


@dataclass(frozen=True, slots=True)
class RunView:
    """One moment of one run. `version` changes whenever anything here does."""

    run: Run
    state: str
    events: list[Event]
    place: int  # in the queue
    kept: Figures | None = None  # the epoch of the classifier that is there
    silent: Silence | None = None  # since when its process gave no sign of life
    wait: int | None = None  # seconds until it is its turn, where anybody knows

    @property
    def version(self) -> str:
        """Names this moment, so that a page that has it already is not sent it again."""
        silent = f"{self.silent.since}+{self.silent.more_than}" if self.silent else ""
        return f"{self.run.name}:{self.state}:{len(self.events)}:{self.place}:{silent}:{self.wait or ''}"

    @property
    def live(self) -> bool:
        """Whether more is to come."""
        return self.state in OPEN_STATES

    @property
    def resumable(self) -> bool:
        """Whether it can be gone on with."""
        return not self.live and not queue.no_way_on(self.run)

    @property
    def epochs(self) -> list[EpochEnd]:
        """The epochs so far."""
        return [event for event in self.events if isinstance(event, EpochEnd)]

    @property
    def last(self) -> EpochEnd | None:
        """The last epoch so far."""
        return self.epochs[-1] if self.epochs else None

    @property
    def judged(self) -> int:
        """How many photos the accuracy of an epoch is about; 0 while nobody knows."""
        return self._photos("judged")

    @property
    def judge(self) -> str:
        """Who judges: "folds" or "val"."""
        return self._data.judge if self._data else "val"

    @property
    def learnt_from(self) -> int:
        """How many photos it learns from."""
        return self._photos("train")

    @property
    def tested(self) -> int:
        """How many test photos it was measured on at its end."""
        return self._photos("test")

    @property
    def _data(self) -> DataRead | None:
        return next((event for event in reversed(self.events) if isinstance(event, DataRead)), None)

    def _photos(self, split: str) -> int:
        return self._data.photos(split) if self._data else 0

    @property
    def best(self) -> Figures | None:
        """The best epoch so far: that of the saved classifier, which may be one further than the log."""
        told = next((event for event in reversed(self.epochs) if event.best), None)
        if self.kept or told is None:
            return self.kept
        return Figures(epoch=told.epoch, val_accuracy=told.val_accuracy, val_loss=told.val_loss)


def view(run: Run, settings: Settings, reader: EventReader) -> RunView:
    """The run as it is now. Moves nothing: the queue has a caretaker of its own."""
    state = run.state()
    place = queue.place_in_queue(run, settings) if state == "queued" else 0
    wait = wait_of(run, settings) if state == "queued" else None
    silent = silence(run) if state == "running" else None
    return RunView(run, state, reader.read(run), place, read_figures(run.best), silent, wait)


def log_html(shown: RunView | None) -> str:
    """The last lines of the log as text, never as HTML."""
    photos = {"train": shown.learnt_from, "val": shown.judged, "test": shown.tested} if shown else {}
    lines = [line for event in (shown.events if shown else []) if (line := describe(event, photos))]
    hidden = [f"… {len(lines) - LOG_LINES} earlier lines are in the run's folder"] if len(lines) > LOG_LINES else []
    body = "\n".join(text(line, 400) for line in hidden + lines[-LOG_LINES:])
    box = '<div class="tl-log-box" tabindex="0" role="log" aria-label="log of the training">'
    return f'{box}<pre class="tl-log">{body or "The log appears here."}</pre></div>'
