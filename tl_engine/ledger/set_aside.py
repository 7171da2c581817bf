"""Runs that were deleted a moment ago: in no list any more, whole, to be brought back for a minute, then gone for good.

Each lies in `.deleted/` below the runs, its name behind the time when it was deleted; what has another name there is
being removed, or was when a process was killed.
"""

import contextlib
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import RunError
from tl_engine.runs.run import NAME, Run

FOLDER = ".deleted"
UNDO_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Aside:
    """One of them."""

    folder: Path
    name: str  # of the run
    at: float  # when it was deleted, seconds since 1970

    @property
    def run(self) -> Run:
        """The run where it lies now."""
        return Run(self.folder)

    @property
    def lasts(self) -> bool:
        """Whether it can still be brought back."""
        return time.time() - self.at < UNDO_SECONDS


def take_out(run: Run) -> Aside | None:
    """Move a run out of every list; None where another tab was faster. Raises OSError."""
    at = round(time.time(), 3)
    place = run.folder.parent / FOLDER
    place.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        return Aside(run.folder.rename(place / f"{at:.3f}-{run.name}"), run.name, at)
    return None


def taken_out(runs: Path) -> list[Aside]:
    """All that lie aside, the last one first."""
    found = [aside for folder in _entries(runs) if (aside := _aside(folder))]
    return sorted(found, key=lambda aside: aside.at, reverse=True)


def bring_back(aside: Aside) -> Run:
    """Move it back to where it was. Raises RunError."""
    back = Run(aside.folder.parent.parent / aside.name)
    try:
        if not aside.lasts:
            raise FileNotFoundError
        aside.folder.rename(back.folder)
    except FileNotFoundError:
        raise RunError("This training is gone for good: it could be brought back for a minute.") from None
    except OSError as error:
        raise RunError(f"This training could not be brought back ({error.strerror}): ask the host.") from None
    return back


def forget(aside: Aside) -> bool:
    """Remove it for good; whether it was still there. Its name goes first, so that nobody brings half of it back."""
    gone = aside.folder.with_name(f"gone-{secrets.token_hex(4)}")
    try:
        aside.folder.rename(gone)
    except OSError:  # brought back, or forgotten by another process
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def sweep(runs: Path) -> None:
    """Remove what killed processes left half removed, also as older versions called it."""
    for folder in [*(f for f in _entries(runs) if _aside(f) is None), *runs.glob(f"{FOLDER}-*")]:
        shutil.rmtree(folder, ignore_errors=True)


def _entries(runs: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list((runs / FOLDER).iterdir())
    return []


def _aside(folder: Path) -> Aside | None:
    at, _, name = folder.name.partition("-")
    try:
        return Aside(folder, name, float(at)) if NAME.fullmatch(name) else None
    except ValueError:
        return None
