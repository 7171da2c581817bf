"""Which runs wait or are at work: an empty file for each, so that the queue never reads the runs that have ended.

The file's name begins with the time the run was asked for, so that a listing is the queue's order. No torch here.
"""

import os
from pathlib import Path

from filelock import FileLock

from tl_engine.runs.run import CONFIG, Run

FOLDER = ".open"  # below the folder of the runs
FROZEN = ".frozen"  # an empty file there: what waits goes on waiting


def add(runs: Path, name: str, created: float) -> Path:
    """Note that the run `name`, asked for at `created` (seconds since 1970), is open; the mark. Raises OSError."""
    _folder(runs)
    mark = runs / FOLDER / f"{created:018.6f}-{name}"
    mark.touch()
    return mark


def remove(runs: Path, name: str) -> None:
    """Note that a run has ended, or is gone."""
    for mark in _marks(runs):
        if _name(mark) == name:
            (runs / FOLDER / mark).unlink(missing_ok=True)


def names(runs: Path) -> list[str]:
    """The names of the open runs, the one that was asked for first first."""
    return [_name(mark) for mark in _marks(runs)]


def freeze(runs: Path, *, frozen: bool) -> None:
    """Have all that wait go on waiting, or no longer. Raises OSError."""
    runs.mkdir(parents=True, exist_ok=True)
    (runs / FROZEN).touch() if frozen else (runs / FROZEN).unlink(missing_ok=True)


def frozen(runs: Path) -> bool:
    """Whether nothing that waits is to begin."""
    return (runs / FROZEN).exists()


def move(runs: Path, name: str, *, first: bool) -> bool:
    """Put a run that waits before all others that wait, or behind them; False where it does not wait.

    The others keep their order: the times that they have are dealt out anew. Raises OSError or filelock.Timeout.
    """
    with FileLock(runs / ".lock", timeout=10):
        marks = [mark for mark in _marks(runs) if Run(runs / _name(mark)).state() == "queued"]
        waiting = [_name(mark) for mark in marks]
        if name not in waiting:
            return False
        others = [other for other in waiting if other != name]
        order = [name, *others] if first else [*others, name]
        own = dict(zip(waiting, marks, strict=True))
        for mark, moved in zip(marks, order, strict=True):
            os.rename(runs / FOLDER / own[moved], runs / FOLDER / f"{mark.split('-', 1)[0]}-{moved}")
        return True


def listed(runs: Path) -> list[Run]:
    """The open runs in that order; marks of runs that are not there are left by a crash and go."""
    found = []
    for name in names(runs):
        if _whole(runs / name):
            found.append(Run(runs / name))
        elif any(runs.glob(f".{name}.*")):
            continue  # it is being made right now
        elif _whole(runs / name):  # it was made between the two looks
            found.append(Run(runs / name))
        else:
            remove(runs, name)
    return found


def _whole(run: Path) -> bool:
    return (run / CONFIG).is_file()


def _marks(runs: Path) -> list[str]:
    _folder(runs)
    return sorted(mark for mark in os.listdir(runs / FOLDER) if not mark.startswith("."))  # noqa: PTH208


def _name(mark: str) -> str:
    return mark.split("-", 1)[1]


def _folder(runs: Path) -> None:
    """Make the folder; beside runs of an older version, which made none, look once which of them are open."""
    folder = runs / FOLDER
    if folder.is_dir():
        return
    found = [Run(path.parent) for path in runs.glob(f"[!.]*/{CONFIG}")] if runs.is_dir() else []
    folder.mkdir(parents=True, exist_ok=True)
    for run in found:
        if not run.ended():
            (folder / f"{run.facts.created:018.6f}-{run.name}").touch()
