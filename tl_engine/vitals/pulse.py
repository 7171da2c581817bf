"""Signs of life of a training, and since when it has given none.

The loop itself touches a file of its run, from each batch and each layer: nothing beats by a clock of its own, so what
hangs gives no sign.
"""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from tl_engine.backbones.libraries import import_without_compiler, needed_for
from tl_engine.base.words import about
from tl_engine.runs.run import EVENTS, JOB, PROCESS, Run

ALIVE = "alive"  # a file of a run
RESERVE = 16_384  # bytes of it: room for the last word on a disk that is full
EVERY = 1.0  # seconds between two touches at most
SLEPT = 30.0  # seconds that the wall clock is ahead of the other after a computer slept; less is a clock being set
AFTER_SLEEP = 120.0  # seconds in which what goes wrong is put down to the sleep
STEPS = (10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)  # seconds of silence that are told apart


class Pulse:
    """What a training's loop touches as it goes on; also notices that the computer slept meanwhile."""

    def __init__(
        self, run: Run, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._file = run.folder / ALIVE
        self._tells = os.environ.get("RANK", "0") == "0"  # one of several processes does,
        self._process = os.getpid()  # and none that it forked, which may go on while it hangs
        self._clock, self._wall = clock, wall
        self._at, self._wall_at = clock(), wall()
        self._touched: float | None = None
        self._slept, self._woke = 0.0, -AFTER_SLEEP
        self._said = True

    def beat(self) -> None:
        """It goes on."""
        now = self._clock()
        if self._touched is not None and now - self._touched < EVERY:
            return
        wall = self._wall()
        asleep = (wall - self._wall_at) - (now - self._at)
        if asleep > SLEPT:  # the monotonic clock stands still in a sleep
            self._slept, self._woke, self._said = asleep, now, False
        self._at, self._wall_at, self._touched = now, wall, now
        if self._tells and os.getpid() == self._process:
            self._touch()

    def _touch(self) -> None:
        with contextlib.suppress(OSError):  # a sign that cannot be given ends no training
            try:
                os.utime(self._file)
            except FileNotFoundError:
                self._file.write_bytes(b"\0" * RESERVE)

    def beating(self, ask: Callable[[], bool]) -> Callable[[], bool]:
        """The same question, each time it is asked a sign of life."""

        def asked() -> bool:
            self.beat()
            return ask()

        return asked

    def importing(self, library: str) -> None:
        """Import what a training needs whose backbone comes from that library, one by one: each may take a while."""
        for name in needed_for(library):
            self.beat()
            import_without_compiler(name)

    def news(self) -> str:
        """A sentence, once, after the computer slept; else ""."""
        if self._said:
            return ""
        self._said = True
        return f"The computer slept for {about(self._slept)}; the training goes on."

    def after_sleep(self) -> str:
        """What to say before an error that came soon after a sleep; else ""."""
        if self._clock() - self._woke > AFTER_SLEEP:
            return ""
        return f"The computer had slept for {about(self._slept)}, and then: "


def make_room(run: Run) -> None:
    """Give up the room that is kept for a run's last word."""
    with contextlib.suppress(OSError):
        (run.folder / ALIVE).unlink()


@dataclass(frozen=True, slots=True)
class Silence:
    """No sign of life since a moment; the same for every look until it has lasted a good deal longer."""

    since: int  # seconds since 1970
    more_than: int  # seconds, one of STEPS


def last_sign(run: Run) -> float | None:
    """When a run last told or touched anything, seconds since 1970."""
    times = []
    for name in (EVENTS, ALIVE, PROCESS):
        with contextlib.suppress(OSError):
            times.append((run.folder / name).stat().st_mtime)
    return max(times, default=None)


def silence(run: Run, now: float | None = None) -> Silence | None:
    """Since when a run that is at work has given no sign; None while it does, or where nobody here can tell.

    One that is worked on by this process's own threads, or on a machine elsewhere, has waits that are no silence.
    """
    sign = last_sign(run)
    lasted = 0.0 if sign is None else (time.time() if now is None else now) - sign
    if sign is None or lasted < STEPS[0] or (run.folder / JOB).is_file():
        return None
    process = run.process()
    if process is None or process.pid == os.getpid():
        return None
    return Silence(int(sign), max(step for step in STEPS if step <= lasted))


def silence_words(silent: Silence) -> str:
    """The sentence for it."""
    since = time.strftime("%H:%M:%S", time.localtime(silent.since))
    return f"No news from the training process for more than {about(silent.more_than)}, since {since}."
