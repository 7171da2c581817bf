"""What a shared page gives to one training: so many epochs, so many minutes, and how much silence before it ends."""

import contextlib
import time
from collections.abc import Callable

import psutil

from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import Limits, Settings
from tl_engine.base.words import about, plural
from tl_engine.runs import open_runs
from tl_engine.runs.config import SOLVED, TrainConfig
from tl_engine.runs.process import end
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import ending
from tl_engine.vitals.pulse import last_sign, silence


def time_up(minutes: float) -> str:
    """Why a training ends whose minutes are over."""
    return (
        f"the {minutes:g} minutes that this page gives a training are over; what was saved stays, and it can go on "
        "after those who wait"
    )


def limits_words(limits: Limits) -> str:
    """What a training may take here, in a sentence; "" where nothing is limited."""
    epochs = plural(limits.epochs, "epoch") if limits.epochs else ""
    minutes = plural(limits.minutes, "minute") if limits.minutes else ""
    if not epochs and not minutes:
        return ""
    steps = " The steps of a solved head, which take no photo anew, are no epochs." if epochs else ""
    return f"Here a training takes at most {' and '.join(filter(None, (epochs, minutes)))}.{steps}"


def within_epochs(config: TrainConfig, limits: Limits) -> bool:
    """Whether it asks for no more epochs than are given here."""
    return not limits.epochs or config.optimizer == SOLVED or config.epochs <= limits.epochs


def check_epochs(config: TrainConfig, limits: Limits) -> None:
    """Raise ConfigError for more epochs than are given here."""
    if not within_epochs(config, limits):
        raise ConfigError(
            f"epochs must lie between 1 and {limits.epochs} on this page, got {config.epochs}: choose fewer, or train "
            "on a computer of your own, where nothing is limited."
        )


class SilenceWatch:
    """Ends a training on a shared page that gives no sign of life for minutes; at home nothing does.

    The minutes are those that this process itself was awake for: a computer that slept accuses nobody.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # run -> its last sign, and when it was first seen here

    def look(self) -> None:
        """To be called every few seconds."""
        most, before = self.settings.limits.silent_minutes * 60, self._seen
        self._seen = {}
        for run in open_runs.listed(self.settings.runs) if most else ():
            sign = last_sign(run)
            if sign is None or run.state() != "running" or silence(run) is None:
                continue
            known = before.get(run.name, (sign, self._clock()))
            since = known[1] if known[0] == sign else self._clock()
            self._seen[run.name] = sign, since
            if self._clock() - since >= most:
                self._end(run, most)

    def _end(self, run: Run, seconds: int) -> None:
        process = run.process()
        run.ask_to_stop()
        if process:
            with contextlib.suppress(psutil.Error):
                for child in process.children(recursive=True):
                    child.kill()
            end(process)
        if not run.ended():
            why = f"It gave no sign of life for {about(seconds)} and was ended, so that others can train"
            run.mend_log()
            run.log(ending(run, "failed", f"{why}; what was saved before stays."))
