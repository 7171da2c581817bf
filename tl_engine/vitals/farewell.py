"""An end in time: whatever a process is doing, it is gone some seconds after it was asked to end from outside."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

import psutil

from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs, queue
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import STOPPED, ending

ENDING = (signal.SIGTERM, signal.SIGINT)
TRAINER_SECONDS, AFTERWARDS_SECONDS = 3.0, 2.0  # to end by itself, and to finish the report of a run that told its end
TELLING_SECONDS = 1.5  # to tell the end in its place, on a machine that is busy
INTERRUPTED = 130
FROM_OUTSIDE = "ended from outside (SIGTERM), as by a shutdown of the computer or the server; what was saved stays"


def when_asked(act: Callable[[int], None]) -> None:
    """Have `act` called in a thread, once, with the first signal that asks this process to end; later ones do nothing.

    Not in the main thread, which may be in the middle of a batch that takes half a minute. Call it there.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    for number in ENDING:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def wait() -> None:
        while number := os.read(heard, 1):
            if number[0] in ENDING:
                act(number[0])
                return

    threading.Thread(target=wait, daemon=True, name="farewell").start()


def end_children() -> None:
    """End what this process started, but for what is in a session of its own, as trainings are."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(child.pid) == os.getsid(0):
                child.kill()


def gone(code: int) -> None:
    """End this process at once; threads that still answer somebody would hold it for as long as they take."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def tell_own_runs(settings: Settings) -> None:
    """Write how they ended into the logs of runs that this process's own threads work on, before it goes."""
    for run in open_runs.listed(settings.runs):
        process = run.process()
        if process and process.pid == os.getpid() and not run.ended():
            with contextlib.suppress(OSError):
                run.log(ending(run, "stopped", FROM_OUTSIDE))


def gone_after(seconds: float, code: int) -> None:
    """End this process when so much time has passed, if it is still there; nothing is waited for then."""
    late = threading.Timer(seconds, os._exit, (code,))
    late.daemon = True
    late.start()


class TrainerFarewell:
    """A training process that is asked to end: first by the flag its loop looks at, then without it.

    What it saved is whole at any moment, so it need not reach the end of a batch; only its last word must be told.
    """

    def __init__(self, run: Run, settings: Settings, *, tells: bool = True) -> None:
        self.run, self.settings, self.tells = run, settings, tells
        self.reason = STOPPED
        self._word = threading.Lock()
        when_asked(self._asked)

    def claim_last_word(self) -> None:
        """To be called before the end is told; does not return where it was told, and this process is about to go."""
        self._word.acquire()

    def _asked(self, number: int) -> None:
        if number == signal.SIGTERM and not self.run.stop_asked():
            self.reason = FROM_OUTSIDE
        with contextlib.suppress(OSError):
            self.run.ask_to_stop()
        gone_after(TRAINER_SECONDS + TELLING_SECONDS, INTERRUPTED)
        threading.Event().wait(AFTERWARDS_SECONDS if self._word.locked() else TRAINER_SECONDS)
        if self._word.acquire(blocking=False) and self.tells:
            with contextlib.suppress(Exception):  # it leaves, whatever there is
                self.run.log(ending(self.run, "stopped", self.reason))
                queue.advance(self.settings)
        end_children()
        gone(INTERRUPTED)
