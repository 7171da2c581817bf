"""Photos that a person took out last: hidden in the data set's folder, by class, until put back or gone for good."""

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tl_engine.base.names import REMOVED


def taken_out(root: Path) -> list[Path]:
    """The photos that were taken out of the data set at `root`."""
    return [path for path in sorted((root / REMOVED).glob("*/*")) if path.is_file()]


def take_out(photos: Iterable[Path], root: Path) -> int:
    """Move photos out of their class folders; how many were there to be moved. Raises OSError."""
    number = 0
    for photo in photos:
        place = root / REMOVED / photo.parent.name
        place.parent.mkdir(exist_ok=True)  # never `root` itself, which another tab may have deleted
        place.mkdir(exist_ok=True)
        number += _moved(photo, place)
    return number


def bring_back(root: Path, classes: Sequence[str]) -> int:
    """Move them back to their classes, capitals aside, and make those that are gone; how many photos. Raises OSError.

    What cannot be moved, since another tab was faster, stays where it lies.
    """
    number = 0
    for photo in taken_out(root):
        name = photo.parent.name
        folder = root / next((there for there in classes if there.lower() == name.lower()), name)
        folder.mkdir(exist_ok=True)
        number += _moved(photo, folder)
    for empty in [*(root / REMOVED).glob("*"), root / REMOVED]:
        with contextlib.suppress(OSError):  # it holds what another tab takes out this moment
            empty.rmdir()
    return number


def forget_taken_out(root: Path) -> None:
    """Do away with them for good."""
    shutil.rmtree(root / REMOVED, ignore_errors=True)


def _moved(photo: Path, folder: Path) -> bool:
    """Move a photo if it is still there; whether it was."""
    with contextlib.suppress(FileNotFoundError):
        photo.rename(folder / photo.name)
        return True
    return False
