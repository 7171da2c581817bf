"""Runs as people handle them: create, start, follow, stop, list. Everything is read from the run folders.

Training lives in a process of its own, started with a command a person could type. One runs at a time; the rest wait
in the order they came. No torch here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event, RunEnded
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.runs import open_runs
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.process import SPARE
from tl_engine.runs.run import CONFIG, EVENTS, Run
from tl_engine.runs.saved_classifier import read_figures

ERRORS = "stderr.txt"
ASKED_AT = "TL_ASKED_AT"  # when a process in waiting got its work, seconds since 1970
TORCHRUN = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE",
            "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT")  # fmt: skip
OF_ONE_RUN = frozenset((ASKED_AT, *TORCHRUN))
OPEN_STATES = ("queued", "running")
PATIENCE = (2.0, 0.7, 2.0)  # seconds given to the stop flag, to SIGTERM, to SIGKILL
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


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


def create(
    config: TrainConfig, settings: Settings, name: str, *, workspace: str | None = None, process: int | None = None
) -> Run:
    """Make the folder of a new run, queued, or already the work of `process`. Raises RunError if the name is taken."""
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


def advance(settings: Settings) -> bool:
    """Start the run that waits longest, unless one is running; returns whether one is now.

    Reads open runs only, so its cost does not grow with the past. Anybody may call this at any time. A full disk or a
    process that dies at once is no error of theirs: it is tried again at the next call.
    """
    if not settings.runs.is_dir():
        return False
    try:
        with FileLock(settings.runs / ".lock", timeout=10):
            states = [(run, run.state()) for run in open_runs.listed(settings.runs)]
            for run, state in states:
                if state not in OPEN_STATES:
                    open_runs.remove(settings.runs, run.name)
            if any(state == "running" for _, state in states):
                return True
            waiting = next((run for run, state in states if state == "queued"), None)
            if waiting:
                waiting.record_process(_launch(waiting, settings))
            return waiting is not None
    except (Timeout, OSError, psutil.Error) as error:
        print(f"the queue could not move: {error}", file=sys.stderr)
        return False


def prepare_spare() -> None:
    """Keep a process ready for the next run; on several GPUs torchrun starts one for each, so there is none."""
    if gpus() < 2:
        SPARE.prepare(_environment())


def gpus() -> int:
    """How many NVIDIA GPUs this process may use, without asking torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def _environment() -> dict[str, str]:
    """This process's environment without what belongs to its own run: a run that ends starts the next one."""
    kept = {k: v for k, v in os.environ.items() if k not in OF_ONE_RUN and not k.startswith("TORCHELASTIC_")}
    if "RANK" in os.environ:
        kept.pop("OMP_NUM_THREADS", None)  # torchrun's choice, not the host's
    return kept | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}


def _launch(run: Run, settings: Settings) -> int:
    """Start the training process of a queued run, or hand it to the spare one; returns its number."""
    arguments = ["train", "--config", str(run.folder / CONFIG), "--runs", str(settings.runs), "--name", run.name]
    arguments.append("--json")
    errors = run.folder / ERRORS
    if (spare := SPARE.hand_over(arguments, str(errors))) is not None:
        return spare
    command = [sys.executable, "-m", "tl_engine", *arguments]
    if gpus() > 1:
        torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(gpus())]
        command = [sys.executable, "-m", *torchrun, "-m", "tl_engine", *arguments]
    with errors.open("ab") as stderr:
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,  # the training outlives the server that started it
        )
    return process.pid


def start(config: TrainConfig, settings: Settings, name: str, workspace: str | None = None) -> Run:
    """Queue a run and let the queue move."""
    run = create(config, settings, name, workspace=workspace)
    advance(settings)
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


def stop(run: Run, settings: Settings) -> None:
    """Ask a run to end, then make it: flag, SIGTERM, SIGKILL, within five seconds. What it saved stays."""
    if run.state() not in OPEN_STATES:
        return
    run.ask_to_stop()
    process = run.process()
    if process:
        _end(process)
        if not run.ended():
            run.log(_stopped_by_force(run))
    advance(settings)


def _end(process: psutil.Process) -> None:
    for patience, push in zip(PATIENCE, (lambda: None, process.terminate, process.kill), strict=True):
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
