"""A classifier's folder by its two files: whether it is whole, what it says of itself, what a killed process left.

Everybody who wants to know whether there is a classifier asks here. No torch.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from tl_engine.base.errors import RunError
from tl_engine.base.events import Note, RunEnded, worked
from tl_engine.runs.meta import META, Figures, Meta
from tl_engine.runs.run import Run

TENSORS = "model.safetensors"
STOPPED = "stopped on request; the best epoch so far is kept"


def aside(folder: Path, suffix: str) -> Path:
    """Where a swap keeps the "new" or the "old" classifier of that name."""
    whole = folder.absolute()  # "." has no name
    return whole.parent / f".{whole.name}.{suffix}"


def saved_folder(folder: Path) -> Path | None:
    """The classifier of that name; its predecessor if a process died between the two renames of a swap."""
    for candidate in (folder, aside(folder, "old")):
        if (candidate / META).is_file() and (candidate / TENSORS).is_file():
            return candidate
    return None


def sweep(folder: Path) -> None:
    """Put a classifier whose swap was cut short back in its place and remove what lies beside it.

    Only for a folder that no process saves into. Where nothing may be written, all stays as it is.
    """
    old = aside(folder, "old")
    if saved_folder(folder) == old:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # somebody else was faster, or it is read only: it is found where it lies
            os.rename(old, folder)
    if saved_folder(folder) == folder:
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(aside(folder, "new"), ignore_errors=True)


def saved_at(folder: Path) -> int:
    """When the classifier was written, nanoseconds since 1970; 0 if there is none."""
    try:
        found = saved_folder(folder)
        return (found / META).stat().st_mtime_ns if found else 0
    except FileNotFoundError:  # replaced this moment
        return 0


def read_meta(folder: Path) -> Meta:
    """What the classifier of that name says of itself. Raises RunError when the folder holds none."""
    found = saved_folder(folder)
    if found is None:
        raise RunError(f"{folder.name} holds no classifier ({TENSORS} and {META}): train one, or name another folder.")
    return Meta.read(found)


def ending(run: Run, state: str, reason: str) -> RunEnded:
    """The last event of a run whose training did not live to tell it, with the best that it saved."""
    kept = read_figures(run.best)
    return RunEnded(
        state=state,
        reason=reason,
        run_folder=str(run.folder),
        best_val_accuracy=kept.val_accuracy if kept else None,
        best_epoch=kept.epoch if kept else None,
        seconds=worked([*run.events()[0], Note(message="", at=time.time())]),
    )


def read_figures(folder: Path) -> Figures | None:
    """How good the classifier is, and of which epoch; None if there is none, or it does not say so.

    A process killed between saving and telling leaves a newer one than its log knows.
    """
    try:
        return read_meta(folder).figures
    except RunError:
        return None
