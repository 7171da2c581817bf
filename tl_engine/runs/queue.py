"""Runs as people handle them: create, start, follow, stop, list. Everything is read from the run folders.

Training lives in a process of its own, started with a command a person could type. One runs at a time; the rest wait
in the order they came. No torch here.
"""

import contextlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator

import psutil
from filelock import FileLock, Timeout

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event
from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.process import ERRORS, Spare, end, launch, reap
from tl_engine.runs.run import CONFIG, EVENTS, GO_ON, JOB, OPEN_STATES, PROCESS, STOP, Run, check_name
from tl_engine.runs.saved_classifier import STOPPED, ending

LOG = logging.getLogger("tl_engine")
_FOLLOWED: set[Run] = set()  # open when this process last looked
SHOWN = 6  # characters of a run's name in the host's log: whoever has all of it may see the run


def create(
    config: TrainConfig, settings: Settings, name: str, *, workspace: str | None = None, process: int | None = None,
    title: str | None = None, photos: int | None = None,
) -> Run:  # fmt: skip
    """Make the folder of a new run, queued, or already the work of `process`. Raises RunError if the name is taken."""
    check_name(name)
    run = Run(settings.runs / name)
    partial, created = settings.runs / f".{name}.{os.getpid()}", time.time()
    facts = {
        **to_dict(config),
        "data_dir": str(settings.data_dir),
        "cache_dir": str(settings.cache),
        "weights_dir": str(settings.weights_dir) if settings.weights_dir else None,
        "workspace": workspace,
        "title": title,
        "photos": photos,
        "minutes": settings.limits.minutes,
        "created": created,
    }
    mark = None
    try:
        partial.mkdir(parents=True)
        (partial / CONFIG).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        if process is not None:
            Run(partial).record_process(process)
        mark = open_runs.add(settings.runs, name, created)  # before the run is there: without it, it waits for ever
        # mkdir claims the name; renaming onto the empty folder fills it in one step.
        run.folder.mkdir()
        os.rename(partial, run.folder)
    except OSError as error:
        if mark:
            mark.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise RunError(f"A run named {name!r} is already there: choose another --name or --runs.") from None
        raise RunError(f"The run folder {name!r} cannot be made ({error.strerror}): choose another --runs.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return run


def claim(run: Run) -> None:
    """Make this process the one that works on a queued run. Raises RunError if another one did before."""
    try:
        (run.folder / EVENTS).open("x").close()
    except OSError:
        raise RunError(f"The run {run.name!r} has been started already: choose another --name.") from None
    run.record_process(os.getpid())


def advance(settings: Settings, spare: Spare | None = None) -> bool:
    """Start the run that waits longest, in the spare process if there is one; returns whether one is running now.

    Reads open runs only. Anybody may call this at any time: a full disk or a process that dies at once is no error of
    theirs, and it is tried again at the next call.
    """
    if not settings.runs.is_dir():
        return False
    reap()
    _tell_ended()
    try:
        with FileLock(settings.runs / ".lock", timeout=10):
            states = [(run, run.state()) for run in open_runs.listed(settings.runs)]
            for run, state in states:
                if state in OPEN_STATES:
                    _FOLLOWED.add(run)
                else:
                    open_runs.remove(settings.runs, run.name)
            if any(state == "running" for _, state in states):
                return True
            waiting = next((run for run, state in states if state == "queued"), None)
            if waiting:
                after = waiting.logged_bytes()  # before the process can add to it
                waiting.record_process(launch(_arguments(waiting, settings), waiting.folder / ERRORS, spare), after)
            return waiting is not None
    except (Timeout, OSError, psutil.Error) as error:
        print(f"the queue could not move: {error}", file=sys.stderr)
        return False


def _tell_ended() -> None:
    """Log the ends of runs that this process saw open: the training's own process may have moved the queue on."""
    for run in list(_FOLLOWED):
        state = run.state() if (run.folder / CONFIG).is_file() else "deleted"
        if state not in OPEN_STATES:
            with contextlib.suppress(KeyError):  # another thread was faster
                _FOLLOWED.remove(run)
                LOG.info("run %s ended: %s", run.name[:SHOWN], state)


def _arguments(run: Run, settings: Settings) -> list[str]:
    """The command that works on a run that waits."""
    if run.goes_on():
        return ["resume", str(run.folder), "--runs", str(settings.runs), "--json"]
    config = str(run.folder / CONFIG)
    return ["train", "--config", config, "--runs", str(settings.runs), "--name", run.name, "--json"]


def resume(run: Run, settings: Settings, spare: Spare | None = None) -> None:
    """Put a run that did not finish at the end of the line, to go on where it was left, and let the queue move.

    Raises RunError for one that cannot go on, or is going on already.
    """
    with _line(run):
        if refusal := no_way_on(run):
            raise RunError(refusal)
        (run.folder / PROCESS).unlink(missing_ok=True)
        _reopen(run)
        (run.folder / GO_ON).touch()
    if spare:
        spare.expect(run.name)
    _FOLLOWED.add(run)
    LOG.info("run %s goes on", run.name[:SHOWN])
    advance(settings, spare)


def hand_back(run: Run, settings: Settings) -> None:
    """Have a run that this process worked on go on in a process of its own. Raises RunError."""
    with _line(run):
        (run.folder / GO_ON).touch()
        (run.folder / PROCESS).unlink(missing_ok=True)
    advance(settings)


def take_up(run: Run) -> None:
    """Make this process the one that goes on with a run: one that waited only if the queue started this process for it.

    Raises RunError where another process works on it, or nothing can.
    """
    with _line(run):
        known = run.process()
        # Under torchrun the queue started the parent.
        started_for_it = run.goes_on() and known is not None and known.pid in (os.getpid(), os.getppid())
        if not started_for_it:
            if refusal := no_way_on(run):
                raise RunError(refusal)
            _reopen(run)
        run.mend_log()
        run.record_process(os.getpid(), run.logged_bytes())
        (run.folder / GO_ON).unlink(missing_ok=True)


def _reopen(run: Run) -> None:
    """Put it at the end of the line, as one that nobody asked to stop. Raises OSError."""
    (run.folder / STOP).unlink(missing_ok=True)
    open_runs.remove(run.folder.parent, run.name)  # the mark of its time before, if nobody has swept it yet
    open_runs.add(run.folder.parent, run.name, time.time())


def no_way_on(run: Run) -> str:
    """Why a run cannot go on, in a sentence, by what its folder says; "" if nothing there speaks against it."""
    match run.state():
        case "finished":
            return f"The run {run.name} is finished, there is nothing to go on with: train anew for more epochs."
        case "queued" | "running":
            return f"The run {run.name} waits in line or is at work already: follow it, or stop it first."
    if "data" not in run.facts.options:
        return f"The settings of {run.name} are missing or damaged, so it cannot go on: train anew."
    return ""


@contextlib.contextmanager
def _line(run: Run) -> Iterator[None]:
    """Alone with the line. Raises RunError where that, or what is done there, cannot be."""
    try:
        with FileLock(run.folder.parent / ".lock", timeout=10):
            yield
    except (Timeout, OSError, psutil.Error) as error:
        why = getattr(error, "strerror", None) or "the queue is busy"
        raise RunError(f"The run {run.name} could not be taken up ({why}): try again.") from None


def start(
    config: TrainConfig, settings: Settings, name: str, workspace: str | None = None, spare: Spare | None = None,
    title: str | None = None, photos: int | None = None,
) -> Run:  # fmt: skip
    """Queue a run and let the queue move; `photos`, how many it will learn from and judge by, helps to foretell it."""
    run = create(config, settings, name, workspace=workspace, title=title, photos=photos)
    if spare:
        spare.expect(name)
    _FOLLOWED.add(run)
    LOG.info("run %s asked for: %s, %s, %d epochs", name[:SHOWN], config.architecture, config.strategy, config.epochs)
    advance(settings, spare)
    return run


def place_in_queue(run: Run, settings: Settings) -> int:
    """How many runs are before this one; reads one listing and no other run."""
    names = open_runs.names(settings.runs)
    return names.index(run.name) if run.name in names else 0


def follow(run: Run, poll: float = 0.2) -> Iterator[Event]:
    """The events of a run as they come, until it has ended or its process is gone."""
    offset = 0
    while True:
        open_before = run.state() in OPEN_STATES
        events, offset = run.events(offset)
        yield from events
        if not open_before:
            return
        time.sleep(poll)


def stop(run: Run, settings: Settings, spare: Spare | None = None) -> None:
    """Ask a run to end, then make it: flag, SIGTERM, SIGKILL, within five seconds (longer where a job has to end)."""
    if run.state() not in OPEN_STATES:
        return
    run.ask_to_stop()
    process = run.process()
    if process and process.pid == os.getpid():  # a thread of ours works on it: it sees the flag, and tells the end
        return
    if process:
        end(process, elsewhere=(run.folder / JOB).is_file())
    (run.folder / GO_ON).unlink(missing_ok=True)  # what only waited to go on is again what it was
    if process and not run.ended():
        run.log(ending(run, "stopped", STOPPED))
    advance(settings, spare)
