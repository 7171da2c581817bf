"""Privacy by time: on a page for strangers what a visitor brought goes some hours after they were last seen.

Never a run that waits or is at work, nor the photos it uses; never the host's; at home nothing at all.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.settings import HOUR, Limits, Settings
from tl_engine.base.words import plural
from tl_engine.data.mends import Located
from tl_engine.runs import open_runs
from tl_engine.runs.run import EVENTS, OPEN_STATES, Run, list_runs
from tl_engine.visits import seen
from tl_engine.visits.kept import is_kept
from tl_engine.workspaces import forget, traces
from tl_engine.workspaces.chosen import last_change
from tl_engine.workspaces.workspace import TOKEN, Workspace

LOG = logging.getLogger("tl_engine")
EVERY = 60.0  # seconds between two looks
MARK_SECONDS = 7 * 24 * HOUR  # a mark of somebody who has nothing any more


def promise(limits: Limits) -> str:
    """What is told where people bring photos; "" where everything stays."""
    if not limits.data_seconds:
        return ""
    photos = f"Photos you bring are deleted {hours(limits.data_seconds)} after you were last here"
    return f"{photos}, trainings after {hours(limits.run_seconds)} unless you keep them (in My things)."


def hours(seconds: int) -> str:
    """`2 hours`, `a day`, `30 minutes`."""
    if seconds < HOUR:
        return plural(round(seconds / 60), "minute")
    return "a day" if seconds == 24 * HOUR else plural(round(seconds / HOUR), "hour")


class Ageing:
    """Looks once a minute, and deletes what is due."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._looked = 0.0

    def look(self) -> None:
        """Called as often as one likes; does nothing where nothing goes by its age."""
        if not self.settings.limits.data_seconds or 0 <= time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        forget_aged(self.settings, time.time())


def forget_aged(settings: Settings, now: float) -> None:
    """Delete what is due at `now`, seconds since 1970. What cannot be deleted stands in nobody's way."""
    limits = settings.limits
    if not limits.data_seconds:
        return
    runs: dict[str, list[Run]] = {}
    for run in list_runs(settings):
        if run.facts.workspace and TOKEN.fullmatch(str(run.facts.workspace)):
            runs.setdefault(run.facts.workspace, []).append(run)
    used = _used(settings)
    folders = settings.uploads.iterdir() if settings.uploads.is_dir() else ()
    brought = {folder.name for folder in folders if TOKEN.fullmatch(folder.name)}
    for token in brought | runs.keys() | set(seen.marked(settings)):
        _apart(partial(_forget_of, Workspace(settings, token), runs.get(token, []), used, now))
    _apart(partial(traces.erase_handed, settings, now - limits.data_seconds))


def _apart(work: Callable[[], object]) -> None:
    """One failure does not stop the others; whose it was is nobody's to read."""
    try:
        work()
    except Exception as error:
        LOG.warning("what is due by its age could not be deleted (%s)", type(error).__name__)


def _forget_of(visitor: Workspace, runs: Iterable[Run], used: set[Path], now: float) -> None:
    settings, limits = visitor.settings, visitor.settings.limits
    last = seen.last_seen(settings, visitor.token)
    if visitor.folder.is_dir() and _away(last or _changed(visitor.folder), limits.data_seconds, now):
        _forget_data(visitor, used)
    for run in runs:
        if _away(max(last or 0.0, _worked(run)), limits.run_seconds, now) and not is_kept(run):
            _apart(partial(_forget_run, visitor, run))
    if (
        _away(last or 0.0, MARK_SECONDS, now)
        and not visitor.folder.exists()
        and not any(r.folder.is_dir() for r in runs)
    ):
        seen.forget(settings, visitor.token)


def _forget_data(visitor: Workspace, used: set[Path]) -> None:
    spared = [path for path in used if path.is_relative_to(visitor.folder)]
    names = forget.delete_brought(visitor, spared)
    if names:
        seen.remember_gone(visitor.settings, visitor.token, names)
        LOG.info("a visitor's photos were deleted by their age: %s", plural(len(names), "data set"))


def _forget_run(visitor: Workspace, run: Run) -> None:
    if run.state() in OPEN_STATES:
        return
    forget.delete_run(visitor, run.name)
    seen.remember_gone(visitor.settings, visitor.token, [run.name])
    LOG.info("a visitor's training was deleted by its age")


def _away(last: float, most: int, now: float) -> bool:
    return now - last > most


def _changed(folder: Path) -> float:
    """When something was last brought, seconds since 1970: what counts for who has no mark."""
    return last_change(folder) / 1e9


def _worked(run: Run) -> float:
    """When a run was last at work, or asked for."""
    with contextlib.suppress(OSError):
        return max(run.facts.created, (run.folder / EVENTS).stat().st_mtime)
    return run.facts.created


def _used(settings: Settings) -> set[Path]:
    """What the runs that wait or are at work learn from: folders, and files of corrections."""
    used: set[Path] = set()
    if settings.runs.is_dir():
        for run in open_runs.listed(settings.runs):
            if run.state() in OPEN_STATES:
                used |= {Path(run.facts.data), _root(Path(run.facts.data))}
    return used


def _root(data: Path) -> Path:
    """The folder with the photos behind a file of corrections."""
    with contextlib.suppress(DataError, OSError):
        return Located.read(data).root if data.suffix == ".json" else data
    return data
