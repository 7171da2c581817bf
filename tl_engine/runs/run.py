"""A run is its folder: config.json, events.jsonl, best/. All that is known of a run is read from here. No torch."""

import contextlib
import dataclasses
import functools
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event, RunEnded, from_json, to_json
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings

OPEN_STATES = ("queued", "running")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
KNOWN = 20_000  # runs whose facts are remembered, a kilobyte each
CONFIG, EVENTS, PROCESS, STOP, GO_ON = "config.json", "events.jsonl", "process.json", "stop", "go-on"
BEST, MANIFEST, REPORT, CHECKPOINT, JOB = "best", "manifest.json", "report", "checkpoint", "job.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run's config.json says, which never changes."""

    options: Mapping[str, Any] = field(default_factory=dict)  # all of it: the training's settings, and the folders
    workspace: str | None = None  # whom it belongs to; None: the host
    created: float = 0.0  # seconds since 1970 when it was asked for

    @property
    def data(self) -> str:
        """The training's data as it was named: a sample, a folder, a zip, a file of mends."""
        return str(self.options.get("data", "?"))

    @property
    def title(self) -> str:
        """What its data was called by who started it; "" where nobody said."""
        return str(self.options.get("title") or "")

    @property
    def architecture(self) -> str:
        """The name of the backbone's row."""
        return str(self.options.get("architecture", "?"))

    @property
    def strategy(self) -> str:
        """Which part learns."""
        return str(self.options.get("strategy", "?"))

    @property
    def weights_dir(self) -> Path | None:
        """The host's folder of weights that the training used."""
        named = self.options.get("weights_dir")
        return Path(named) if isinstance(named, str) else None


@functools.lru_cache(maxsize=KNOWN)
def _facts(file: Path, _changed: int) -> RunFacts:
    """The facts in that file as it was then; a new run of an old name has another file."""
    try:
        options = json.loads(file.read_text(encoding="utf-8"))
        created, workspace = float(options.get("created", 0.0)), options.get("workspace")
        return RunFacts(options=options, workspace=workspace, created=created)
    except (OSError, ValueError, TypeError, AttributeError):
        return RunFacts()


@functools.lru_cache(maxsize=KNOWN)
def _ending(file: Path, _size: int, _changed: int) -> RunEnded | None:
    """The last event of a log that had this size then, if it tells the end; reads its tail only."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            last = log.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
    except OSError:
        return None
    event = from_json(last.decode("utf-8", "replace"))
    return event if isinstance(event, RunEnded) else None


@dataclass(frozen=True, slots=True)
class Run:
    """One run, by its folder."""

    folder: Path

    @property
    def name(self) -> str:
        """Its name, which on the page is an unguessable token."""
        return self.folder.name

    @property
    def best(self) -> Path:
        """Where the best classifier lies once an epoch has ended."""
        return self.folder / BEST

    @property
    def report(self) -> Path:
        """Where lies what was judged, how the classifier knows its own kind of photos, and the report made of it."""
        return self.folder / REPORT

    @property
    def manifest(self) -> Path:
        """Where it is written which photos it used."""
        return self.folder / MANIFEST

    @property
    def facts(self) -> RunFacts:
        """What was asked for, by whom and when; nothing where config.json is missing or damaged."""
        try:
            return _facts(self.folder / CONFIG, (self.folder / CONFIG).stat().st_mtime_ns)
        except OSError:
            return RunFacts()

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events logged after byte `offset`, and the offset to go on from. A line being written waits."""
        try:
            with (self.folder / EVENTS).open("rb") as log:
                log.seek(offset)
                text = log.read()
        except FileNotFoundError:
            return [], 0
        whole = text[: text.rfind(b"\n") + 1]
        events = (from_json(line) for line in whole.decode("utf-8", "replace").splitlines())
        return [event for event in events if event is not None], offset + len(whole)

    def logged_bytes(self) -> int:
        """The size of the event log."""
        try:
            return (self.folder / EVENTS).stat().st_size
        except OSError:
            return 0

    def ended(self) -> RunEnded | None:
        """The last event, if the run told its end and nobody took it up since; read once."""
        try:
            status = (self.folder / EVENTS).stat()
        except OSError:
            return None
        ended = _ending(self.folder / EVENTS, status.st_size, status.st_mtime_ns)
        taken_up = ended and (self.goes_on() or status.st_size <= self._known().get("after", 0))
        return None if taken_up else ended

    def state(self) -> str:
        """queued, running, finished, stopped, failed or interrupted (its process died without a word)."""
        if ended := self.ended():
            return ended.state
        if not (self.folder / PROCESS).exists() and (self.goes_on() or not (self.folder / EVENTS).exists()):
            return "stopped" if self.stop_asked() else "queued"
        if self.process() or self._just_claimed():
            return "running"
        # It may have told its end since we looked first.
        return ended.state if (ended := self.ended()) else "interrupted"

    def _just_claimed(self) -> bool:
        """Whether a process opened the log this moment and has not written down yet who it is."""
        try:
            return not (self.folder / PROCESS).exists() and time.time() - (self.folder / EVENTS).stat().st_mtime < 5
        except OSError:
            return False

    def process(self) -> psutil.Process | None:
        """The living process of this run; a number that the system gave to another process does not count."""
        known = self._known()
        try:
            process = psutil.Process(known["pid"])
            alive = abs(process.create_time() - known["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
            return process if alive else None
        except (ValueError, KeyError, TypeError, psutil.Error):
            return None

    def _known(self) -> dict[str, Any]:
        """What is written down of its process; nothing where there is none."""
        try:
            known = json.loads((self.folder / PROCESS).read_text())
            return known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            return {}

    def goes_on(self) -> bool:
        """Whether somebody asked it to go on, and no process has begun to."""
        return (self.folder / GO_ON).exists()

    def stop_asked(self) -> bool:
        """Whether somebody asked this run to end."""
        return (self.folder / STOP).exists()

    def ask_to_stop(self) -> None:
        """Leave the flag that the training looks at between batches."""
        (self.folder / STOP).touch()

    def log(self, event: Event) -> Event:
        """Append one event and return it as written: stamped with the time. Raises OSError."""
        stamped = dataclasses.replace(event, at=round(time.time(), 3))
        before = self.logged_bytes()
        try:
            with (self.folder / EVENTS).open("a", encoding="utf-8") as log:
                log.write(to_json(stamped) + "\n")
        except OSError:
            with contextlib.suppress(OSError):  # half a line, as a full disk leaves it, would spoil the next one
                os.truncate(self.folder / EVENTS, before)
            raise
        return stamped

    def mend_log(self) -> None:
        """Cut half a line that a killed process left, which would spoil the next one. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.folder / EVENTS, self.events()[1])

    def record_process(self, pid: int, after: int = 0) -> None:
        """Remember which process works on this run, with its start time, since numbers are used again.

        An end that the first `after` bytes of the log tell is not this process's. Raises OSError or psutil.Error.
        """
        facts = {"pid": pid, "created": psutil.Process(pid).create_time(), "after": after}
        write_json(self.folder / PROCESS, facts)


def check_name(name: str) -> None:
    """Raise RunError unless the name is safe as a folder's."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise RunError(
            f"A run's name has 1 to 80 letters, digits, dots, dashes or underscores and begins with a letter or digit, "
            f"got {str(name)[:60]!r}."
        )


def find_run(name: str, settings: Settings) -> Run:
    """The run of that name. Raises RunError when there is none; the name is checked before it becomes a path."""
    check_name(name)
    run = Run(settings.runs / name)
    if not (run.folder / CONFIG).is_file():
        raise RunError(f"There is no run {name!r} in {settings.runs.name}: `python -m tl_engine runs` lists them.")
    return run


def list_runs(settings: Settings, workspace: str | None = None) -> list[Run]:
    """All runs, or those of one workspace, the newest first."""
    folders = settings.runs.iterdir() if settings.runs.is_dir() else ()
    runs = [Run(folder) for folder in folders if not folder.name.startswith(".") and (folder / CONFIG).is_file()]
    if workspace is not None:
        runs = [run for run in runs if run.facts.workspace == workspace]
    return sorted(runs, key=lambda run: (run.facts.created, run.name), reverse=True)
