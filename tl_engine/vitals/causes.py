"""What a run died of whose process told no end: read from what is left of it."""

import contextlib
import json
import signal

import psutil

from tl_engine.base.errors import without_paths
from tl_engine.base.files import WORDS
from tl_engine.runs.process import DIED, ERRORS
from tl_engine.runs.run import PROCESS, Run
from tl_engine.vitals.pulse import last_sign

MEMORY = "the memory was full, so the system ended it: choose a smaller batch size or backbone, or close other programs"
KILLED = "it was ended from outside (SIGKILL), by a person or by a system whose memory was full"
UNKNOWN = "it was ended from outside, or the memory was full"
RESTARTED = "the computer, or the container it ran in, was restarted"
DISK = "the disk is full: make room"
BUG_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


def cause_of_death(run: Run) -> str:
    """Why the process of an interrupted run is gone: the end of a sentence, without this machine's paths."""
    line = _last_line(run)
    told = f": {line}" if line else ""
    how, memory = _exit(run)
    if memory:
        return MEMORY
    if how is not None and -how in BUG_SIGNALS:
        return f"it crashed ({signal.Signals(-how).name}){told}"
    if how == -signal.SIGKILL:
        return KILLED
    if how is not None and how < 0:
        return f"it was ended from outside ({_name(-how)})"
    if _is_error(line):
        if any(words in line.lower() for words in WORDS):
            return DISK
        return MEMORY if "MemoryError" in line or "out of memory" in line.lower() else line
    if _restarted_since(run):
        return RESTARTED
    return UNKNOWN


def _exit(run: Run) -> tuple[int | None, bool]:
    """How its process ended, as its parent saw it (below zero: by a signal), and whether for want of memory."""
    try:
        died = json.loads((run.folder / DIED).read_text(encoding="ascii"))
        known = json.loads((run.folder / PROCESS).read_text(encoding="ascii"))
        if died["pid"] == known["pid"]:
            return int(died["status"]), bool(died["memory"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None, False


def _last_line(run: Run) -> str:
    """The last line that the process left on stderr, if it says of an error."""
    with contextlib.suppress(OSError):
        lines = (run.folder / ERRORS).read_text("utf-8", "replace").strip().splitlines()
        if lines and _is_error(lines[-1]):
            return without_paths(lines[-1])[:300]
    return ""


def _is_error(line: str) -> bool:
    return "Error" in line


def _restarted_since(run: Run) -> bool:
    """Whether the machine, or the first process of its container, began after the run's last sign."""
    sign = last_sign(run)
    if sign is None:
        return False
    with contextlib.suppress(psutil.Error, OSError):
        return float(max(psutil.boot_time(), psutil.Process(1).create_time())) > sign + 1
    return False


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
