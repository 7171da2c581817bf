"""What a command prints and where to: json lines or a readable log with a bar, for whoever listens, or nobody; and the
telling of a training, each event into the run's log too. None of them can end the training."""

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from tqdm import tqdm

from tl_engine.base.events import BatchEnd, Event, Progress, RunEnded, describe, to_json
from tl_engine.base.names import printable
from tl_engine.runs.run import Run
from tl_engine.vitals.pulse import make_room

FINISHED, FAILED, WRONG = 0, 1, 2  # exit codes: 2 is something a person can mend, before anything was made
INTERRUPTED, UNHEARD = 130, 141  # as shells have it: ended from the keyboard, or by a closed pipe
ESCAPED = "tl-escaped"  # our way with letters that an encoding lacks


def prepare_streams() -> None:
    """Make letters that this terminal or pipe cannot show appear as \\uXXXX, valid in json too, instead of raising."""
    codecs.register_error(ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def settle_streams() -> None:
    """Write what is buffered; a stream that nobody reads any more leads nowhere from now on.

    Else the interpreter would try again at its end, and fail with words of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):  # not every stream is a file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def heard_or_not() -> Iterator[None]:
    """Printing after which the work goes on even if the listener is gone or the disk behind it full."""
    try:
        yield
    except (OSError, ValueError):
        settle_streams()


class Printer(Protocol):
    """Shows events one by one, and never fails at it."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """Nothing but events on stdout, one json object a line."""

    def show(self, event: Event) -> None:
        """Print the event."""
        with heard_or_not():
            print(to_json(event), flush=True)

    def close(self) -> None:
        """Nothing is open between two lines."""


class ReadableLog:
    """A line for each event worth reading on stdout, and a bar on stderr for what takes a while."""

    def __init__(self) -> None:
        self.bar: Any = None

    def show(self, event: Event) -> None:
        """Print the event or move the bar."""
        with heard_or_not():
            match event:
                case Progress():
                    self._move(event.stage, event.done, event.total)
                case BatchEnd():
                    self._move(f"epoch {event.epoch}", event.batch, event.batches)
                case _:
                    self._tell(event)

    def close(self) -> None:
        """Take the bar away, so that what is printed next begins a line."""
        bar, self.bar = self.bar, None
        if bar is not None:
            with heard_or_not():
                bar.close()

    def _tell(self, event: Event) -> None:
        self.close()
        if line := describe(event):
            print(printable(line), flush=True)
        if isinstance(event, RunEnded):
            print(f"run folder: {event.run_folder}", flush=True)

    def _move(self, stage: str, done: int, total: int) -> None:
        if self.bar is None or self.bar.desc.rstrip(": ") != stage:
            self.close()
            self.bar = tqdm(total=total, desc=stage, leave=False, file=sys.stderr)
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.close()


class Beside(ReadableLog):
    """The same, all of it on stderr: of a command whose stdout is its answer."""

    def _tell(self, event: Event) -> None:
        self.close()
        if line := describe(event):
            print(printable(line), file=sys.stderr, flush=True)


class Teller:
    """Tells events of a run, or of what comes before there is one."""

    def __init__(self, printer: Printer, run: Run | None = None) -> None:
        self.printer: Printer | None = printer
        self.run = run
        self._log_failed = False

    def __call__(self, event: Event) -> None:
        """Log the event, then show it."""
        stamped = self._logged(self.run, event) if self.run else event
        if self.printer is not None:
            self._show(self.printer, stamped)

    def _logged(self, run: Run, event: Event) -> Event:
        try:
            try:
                return run.log(event)
            except OSError:
                if not isinstance(event, RunEnded):
                    raise
                make_room(run)  # how it ended is told even where the disk is full
                return run.log(event)
        except OSError as error:
            if not self._log_failed:  # a full disk is one sentence, not one for each event
                self._log_failed = True
                _say(f"The log of {run.name} cannot be written ({error.strerror}): make room; the training goes on.")
            return event

    def _show(self, printer: Printer, event: Event) -> None:
        try:
            printer.show(event)
        except UnicodeError:  # this line cannot be shown there, the next one may
            pass
        except Exception:
            self.printer = None
            _let_go()


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr)


def _let_go() -> None:
    """Nobody reads what is buffered for stdout: Python would try again at its end and make the exit code 120."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
