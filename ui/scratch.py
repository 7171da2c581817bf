"""A folder of this server's own for what it hands out: uploads Gradio keeps, CSV tables, zips of classifiers."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from tl_engine.settings import Settings
from tl_engine.thumbnails import place

PREFIX = "tl-page-"  # followed by the number of the process it belongs to
VARIABLE = "GRADIO_TEMP_DIR"
KEPT_SECONDS = 24 * 3600


def own_folder() -> Path:
    """Where this process puts them; Gradio makes it when it is needed."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}"


def sweep() -> None:
    """Remove the folders of servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX)
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def release() -> None:
    """Remove this process's own folder; one that the host named stays."""
    shutil.rmtree(own_folder(), ignore_errors=True)


def forget_photos(photos: Iterable[Path], settings: Settings) -> None:
    """Remove what else there is of photos about to be deleted: thumbnails, and every copy handed in or out.

    Copies are known by their content; they cannot go when a photo arrives, since the same one may arrive twice at once.
    """
    gone: dict[int, set[bytes]] = {}
    for photo in photos:
        with contextlib.suppress(OSError):
            small = place(photo, settings)
            for path in (photo, small):
                gone.setdefault(path.stat().st_size, set()).add(_digest(path))
            small.unlink()
    for copy in Path(os.environ.get(VARIABLE) or own_folder()).rglob("*.*"):
        with contextlib.suppress(OSError):
            if copy.is_file() and copy.stat().st_size in gone and _digest(copy) in gone[copy.stat().st_size]:
                copy.unlink()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def new_folder(kind: str, name: str) -> Path:
    """A folder for one thing to hand out; those of the kind that are a day old go."""
    parent = Path(os.environ.get(VARIABLE) or tempfile.gettempdir()) / f"made-{kind}"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in parent.iterdir():
        with contextlib.suppress(OSError):  # another visitor's call may be cleaning too
            if old.name != name and time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    folder = parent / name
    folder.mkdir(exist_ok=True)
    return folder
