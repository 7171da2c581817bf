"""A training's own process: started, ended, or kept ready with its imports done, waiting for its arguments.

Importing torch, timm and Accelerate takes seconds that a person who pressed Train should not wait. No torch here.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from tl_engine.base.files import write_json
from tl_engine.base.settings import PROJECT

ERRORS, DIED = "stderr.txt", "died.json"
ASKED_AT = "TL_ASKED_AT"  # when a process in waiting got its work, seconds since 1970
TORCHRUN = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE",
            "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT")  # fmt: skip
OF_ONE_RUN = frozenset((ASKED_AT, *TORCHRUN))
PATIENCE = (2.0, 0.7, 2.0)  # seconds given to the stop flag, to SIGTERM, to SIGKILL
PATIENCE_WITH_JOBS = (45.0, 5.0, 2.0)  # of a run that has to end a job elsewhere first, which else would go on costing


STEPS_BACK = "TL_NICENESS"
NICENESS = 10  # of a training beside those who wait for an answer: it takes what they leave, nearly all of the time
LEAST_FREE = 2_000_000_000  # bytes of memory; a spare needs 0.4 GB for itself
COMMAND = [sys.executable, "-m", "tl_engine", "spare"]
_CHILDREN: list[tuple[subprocess.Popen[bytes], Path, int]] = []  # started here: its run's folder, deaths before it
_GONE: set[int] = set()  # children of children that this process was left with, already dead at the last look


def reap() -> None:
    """Take note of trainings that ended, so that none stays a zombie; what killed one is written into its folder."""
    for child in list(_CHILDREN):
        process, folder, deaths = child
        if (status := process.poll()) is not None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _CHILDREN.remove(child)
            if status < 0 and folder.is_dir():
                facts = {"pid": process.pid, "status": status, "memory": status == -9 and memory_deaths() > deaths}
                with contextlib.suppress(OSError):
                    write_json(folder / DIED, facts)
    _reap_orphans({process.pid for process, _, _ in _CHILDREN})


def _reap_orphans(own: set[int]) -> None:
    """A training starts the next one and ends: in a container whose first process this is, that one becomes ours."""
    dead = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            # In a session of its own as trainings are, and for a while, so nobody else here waits for it.
            if child.pid not in own and child.status() == psutil.STATUS_ZOMBIE and os.getsid(child.pid) == child.pid:
                dead.add(child.pid)
    for number in dead & _GONE:
        with contextlib.suppress(OSError):
            os.waitpid(number, os.WNOHANG)
    _GONE.clear()
    _GONE.update(dead)


def memory_deaths() -> int:
    """How many processes the system ended for want of memory, in this container where it says so, else at all."""
    for file, word in (("/sys/fs/cgroup/memory.events", "oom_kill"), ("/sys/fs/cgroup/memory/memory.oom_control",
                       "oom_kill"), ("/proc/vmstat", "oom_kill")):  # fmt: skip
        with contextlib.suppress(OSError):
            if found := re.search(rf"^{word} (\d+)$", Path(file).read_text(), re.MULTILINE):
                return int(found[1])
    return 0


class Spare:
    """At most one process in waiting. Made by whoever serves, handed to the queue, dismissed at the end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def prepare(self, environment: dict[str, str]) -> None:
        """Start a process in waiting, unless there is one or memory is short."""
        with self._lock:
            ready = self._process is not None and self._process.poll() is None
            if ready or psutil.virtual_memory().available < LEAST_FREE:
                return
            self._process = subprocess.Popen(
                COMMAND,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            step_back(self._process.pid)

    def hand_over(self, arguments: list[str], errors: str) -> int | None:
        """Give the waiting process its arguments and a file for its stderr: its number, or None if there is none."""
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.stdin is None or process.poll() is not None:
            return None
        try:
            process.stdin.write(json.dumps({"arguments": arguments, "errors": errors}).encode() + b"\n")
            process.stdin.close()
        except OSError:
            return None
        _CHILDREN.append((process, Path(errors).parent, memory_deaths()))
        return process.pid

    def expect(self, name: str) -> None:
        """A run of that name was asked for by whoever calls, and will be handed over when its turn comes."""

    def dismiss(self) -> None:
        """End the process in waiting, if there is one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def prepare_spare(spare: Spare) -> None:
    """Keep a process ready for the next run; on several GPUs torchrun starts one for each, so there is none."""
    if gpus() < 2:
        spare.prepare(child_environment())


def launch(arguments: list[str], errors: Path, spare: Spare | None = None) -> int:
    """Start a process with that command, or hand it to the spare one; returns its number. Raises OSError.

    Under torchrun where there are several GPUs. `errors` gets what it says on stderr.
    """
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
    _CHILDREN.append((process, errors.parent, memory_deaths()))
    step_back(process.pid)
    return process.pid


def niceness() -> int:
    """How far a training steps back, as this computer's owner wants it: from 0, not at all, to 19."""
    try:
        return min(19, max(0, int(os.environ[STEPS_BACK])))
    except (KeyError, ValueError):
        return NICENESS


def step_back(pid: int) -> None:
    """Have a process that was just started, and all its threads to come, let others go first."""
    if not (worth := niceness()):
        return
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(pid).nice(worth if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)
    # Linux shares cores evenly between sessions, whatever the processes in them are worth (`man 7 sched`, autogroup).
    with contextlib.suppress(OSError, AttributeError):
        if os.getsid(pid) == pid:
            Path(f"/proc/{pid}/autogroup").write_text(str(worth))


def end(process: psutil.Process, *, elsewhere: bool = False) -> None:
    """See that a process that was asked to end does: wait, SIGTERM, SIGKILL; `elsewhere`: it has a job to end first."""
    patiences = PATIENCE_WITH_JOBS if elsewhere else PATIENCE
    for patience, push in zip(patiences, (lambda: None, process.terminate, process.kill), strict=True):
        try:
            push()
            process.wait(patience)
            return
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            continue


def gpus() -> int:
    """How many NVIDIA GPUs this process may use, without asking torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def child_environment() -> dict[str, str]:
    """This process's environment without what belongs to its own run: a run that ends starts the next one."""
    kept = {k: v for k, v in os.environ.items() if k not in OF_ONE_RUN and not k.startswith("TORCHELASTIC_")}
    if "RANK" in os.environ:
        kept.pop("OMP_NUM_THREADS", None)  # torchrun's choice, not the host's
    return kept | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
