"""Runs as people handle them: create, start, follow, stop, list. Everything is read from the run folders.

Training lives in a process of its own, started with a command a person could type. One runs at a time; the rest wait
in the order they came. No torch here.
"""

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
from filelock import FileLock, Timeout

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event, RunEnded
from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.process import ERRORS, PATIENCE, PATIENCE_WITH_JOBS, Spare, child_environment, gpus
from tl_engine.runs.run import CONFIG, EVENTS, JOB, OPEN_STATES, Run, check_name
from tl_engine.runs.saved_classifier import read_figures

LOG = logging.getLogger("tl_engine")
_FOLLOWED: set[Run] = set()  # open when this process last looked
SHOWN = 6  # characters of a run's name in the host's log: whoever has all of it may see the run


def create(
    config: TrainConfig, settings: Settings, name: str, *, workspace: str | None = None, process: int | None = None,
    title: str | None = None,
) -> Run:  # fmt: skip
    """Make the folder of a new run, queued, or already the work of `process`; `title` is what its data is called.

    Raises RunError if the name is taken.
    """
    check_name(name)
    run = Run(settings.runs / name)
    partial = settings.runs / f".{name}.{os.getpid()}"
    created = time.time()
    facts = {
        **to_dict(config),
        "data_dir": str(settings.data_dir),
        "cache_dir": str(settings.cache),
        "weights_dir": str(settings.weights_dir) if settings.weights_dir else None,
        "workspace": workspace,
        "title": title,
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

    Reads open runs only, so its cost does not grow with the past. Anybody may call this at any time. A full disk or a
    process that dies at once is no error of theirs: it is tried again at the next call.
    """
    if not settings.runs.is_dir():
        return False
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
                waiting.record_process(_launch(waiting, settings, spare))
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


def _launch(run: Run, settings: Settings, spare: Spare | None) -> int:
    """Start the training process of a queued run, or hand it to the spare one; returns its number."""
    arguments = ["train", "--config", str(run.folder / CONFIG), "--runs", str(settings.runs), "--name", run.name]
    arguments.append("--json")
    errors = run.folder / ERRORS
    if spare and (number := spare.hand_over(arguments, str(errors))) is not None:
        return number
    command = [sys.executable, "-m", "tl_engine", *arguments]
    if gpus() > 1:
        torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(gpus())]
        command = [sys.executable, "-m", *torchrun, "-m", "tl_engine", *arguments]
    with errors.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,  # the training outlives the server that started it
        )
    return process.pid


def start(
    config: TrainConfig, settings: Settings, name: str, workspace: str | None = None, spare: Spare | None = None,
    title: str | None = None,
) -> Run:  # fmt: skip
    """Queue a run and let the queue move."""
    run = create(config, settings, name, workspace=workspace, title=title)
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
    """Ask a run to end, then make it: flag, SIGTERM, SIGKILL, within five seconds. What it saved stays.

    One that trains on a machine elsewhere is given longer, to end what is there.
    """
    if run.state() not in OPEN_STATES:
        return
    run.ask_to_stop()
    process = run.process()
    if process:
        _end(process, PATIENCE_WITH_JOBS if (run.folder / JOB).is_file() else PATIENCE)
        if not run.ended():
            run.log(_stopped_by_force(run))
    advance(settings, spare)


def _end(process: psutil.Process, patiences: tuple[float, ...]) -> None:
    for patience, push in zip(patiences, (lambda: None, process.terminate, process.kill), strict=True):
        try:
            push()
            process.wait(patience)
            return
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            continue


def _stopped_by_force(run: Run) -> RunEnded:
    """The end of a run whose process was too deep in a batch to tell it itself."""
    kept = read_figures(run.best)
    return RunEnded(
        state="stopped",
        reason="stopped on request; the best epoch so far is kept",
        run_folder=str(run.folder),
        best_val_accuracy=kept.val_accuracy if kept else None,
        best_epoch=kept.epoch if kept else None,
        seconds=time.time() - run.facts.created,
    )
