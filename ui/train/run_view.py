"""A run as the page shows it: its events folded into words, a progress bar, curves and a log. Reads, never trains."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import without_paths
from tl_engine.base.events import (
    BatchEnd,
    DataRead,
    EpochEnd,
    Event,
    FinalTest,
    Progress,
    RunEnded,
    RunStarted,
    describe,
)
from tl_engine.base.settings import Settings
from tl_engine.base.words import duration, percent, plural
from tl_engine.runs import queue
from tl_engine.runs.meta import Figures
from tl_engine.runs.process import ERRORS
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.runs.saved_classifier import read_figures
from ui.parts.wording import NO_RUN, STATE_MARKS, STATE_WORDS, text

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

    @property
    def version(self) -> str:
        """Names this moment, so that a page that has it already is not sent it again."""
        return f"{self.run.name}:{self.state}:{len(self.events)}:{self.place}"

    @property
    def live(self) -> bool:
        """Whether more is to come."""
        return self.state in OPEN_STATES

    @property
    def epochs(self) -> list[EpochEnd]:
        """The epochs so far."""
        return [event for event in self.events if isinstance(event, EpochEnd)]

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
    events = reader.read(run)
    return RunView(run, state, events, place, read_figures(run.best))


def status_html(shown: RunView | None) -> str:
    """The headline, a sentence, and while it runs a progress bar."""
    if shown is None:
        return f'<div class="tl-status"><p>{NO_RUN}</p></div>'
    headline, sentence = _words(shown)
    bar = _progress(shown) if shown.live else ""
    mark = STATE_MARKS[shown.state]
    return (
        f'<div class="tl-status tl-{shown.state}" role="status"><h3><span aria-hidden="true">{mark}</span> '
        f"{headline}</h3><p>{sentence}</p>{bar}</div>"
    )


def _words(shown: RunView) -> tuple[str, str]:
    best = shown.best
    sofar = f"Best so far: {percent(best.val_accuracy)} in epoch {best.epoch}." if best else ""
    match shown.state:
        case "queued":
            return "Waiting", f"{plural(shown.place, 'training')} before this one; it starts by itself."
        case "running":
            return "Training", sofar or "Getting ready: starting the training process."
        case "interrupted":
            return "Interrupted", f"{text(_death(shown), 300)} {_kept(best)}"
    ended = next((event for event in reversed(shown.events) if isinstance(event, RunEnded)), None)
    if ended is None:
        return STATE_WORDS[shown.state], "Stopped before it began."
    if shown.state == "failed":
        return "Failed", f"{text(ended.reason, 400)} {_kept(best) if best else ''}"
    return _result(shown, ended)


def _result(shown: RunView, ended: RunEnded) -> tuple[str, str]:
    """How a finished or stopped run went, in words a person would use."""
    best = shown.best
    if best is None:
        return STATE_WORDS[shown.state], "No epoch had ended, so there is no classifier from this run."
    data = next((event for event in shown.events if isinstance(event, DataRead)), None)
    photos = sum(splits.get("val", 0) for splits in data.counts.values()) if data else 0
    right = f"{round(best.val_accuracy * photos)} of {photos} validation photos right"
    tested = next((event for event in shown.events if isinstance(event, FinalTest)), None)
    test = f" On the test photos it reached {percent(tested.test_accuracy)}." if tested else ""
    epochs = shown.epochs[-1].epochs if shown.epochs else shown.run.facts.options.get("epochs")
    folder = f"{shown.run.folder.parent.name}/{shown.run.name}/best"
    return (
        f"{STATE_WORDS[shown.state]}: {percent(best.val_accuracy)}",
        f"{right}, in epoch {best.epoch} of {epochs}, after {duration(ended.seconds)}.{test} "
        f"The classifier lies in <code>{text(folder, 120)}</code> on this computer.",
    )


def _kept(best: Figures | None) -> str:
    if best is None:
        return "No epoch had ended."
    return f"What epoch {best.epoch} had learned is kept ({percent(best.val_accuracy)})."


def _death(shown: RunView) -> str:
    """Why a process may have ended without a word: the last line it left on stderr, or a guess."""
    try:
        lines = (shown.run.folder / ERRORS).read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    epochs = f" at epoch {shown.epochs[-1].epoch}" if shown.epochs else ""
    cause = (
        without_paths(lines[-1])
        if lines and "Error" in lines[-1]
        else "it was ended from outside, or the memory was full"
    )
    return f"The training process died{epochs}: {cause}."


def _progress(shown: RunView) -> str:
    """How far, and how long still. A process that is starting has no number yet: the bar moves by itself."""
    last = next((e for e in reversed(shown.events) if isinstance(e, Progress | BatchEnd | EpochEnd | RunStarted)), None)
    left = getattr(last, "seconds_left", None)
    match last:
        case Progress(stage=stage, done=done, total=total):
            share, what = (done / total if total else None), f"{stage}: {done:,} of {total:,}"
        case BatchEnd(epoch=epoch, batch=batch, batches=batches):
            share, what = batch / batches, f"epoch {epoch}, batch {batch} of {batches}"
        case EpochEnd(epoch=epoch, epochs=epochs):
            share, what = epoch / epochs, f"epoch {epoch} of {epochs}"
        case _:
            share, what = None, f"started {duration(time.time() - shown.run.facts.created)} ago"
    value = "" if share is None else f' value="{share:.3f}" max="1"'
    rest = f", about {duration(left)} left" if left is not None else ""
    return f'<progress aria-label="progress"{value}></progress><small>{text(what, 90)}{rest}</small>'


def log_html(shown: RunView | None) -> str:
    """The last lines of the log as text, never as HTML."""
    lines = [line for event in (shown.events if shown else []) if (line := describe(event))]
    hidden = [f"… {len(lines) - LOG_LINES} earlier lines are in the run's folder"] if len(lines) > LOG_LINES else []
    body = "\n".join(text(line, 400) for line in hidden + lines[-LOG_LINES:])
    box = '<div class="tl-log-box" tabindex="0" role="log" aria-label="log of the training">'
    return f'{box}<pre class="tl-log">{body or "The log appears here."}</pre></div>'
