"""Telling a training: each event into the run's log and to whoever listens. Neither of them can end the training."""

import contextlib
import os
import sys

from tl_engine.base.events import Event
from tl_engine.commands.printing import Printer
from tl_engine.runs.run import Run


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
