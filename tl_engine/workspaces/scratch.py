"""A folder of this server's own for what it hands out: uploads Gradio keeps, CSV tables, zips of classifiers."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil

PREFIX = "tl-page-"  # followed by the number of the process it belongs to
VARIABLE = "GRADIO_TEMP_DIR"
KEPT_SECONDS = 24 * 3600
ZIP = "zip"  # the kind of what is handed out that holds packed classifiers
EXPORT = "export"  # the kind that holds exports of classifiers
PACKED = "data"  # the kind of what is handed out that holds zips of whole data sets


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


def handed_folder() -> Path:
    """Where Gradio keeps what arrives, and we what is handed out: everything below it can be had by its address."""
    return Path(os.environ.get(VARIABLE) or own_folder())


def made_folder(kind: str, name: str) -> Path:
    """Where the folder for one thing to hand out lies, or would lie."""
    return handed_folder() / f"made-{kind}" / name


def new_folder(kind: str, name: str) -> Path:
    """A folder for one thing to hand out; those of the kind that are a day old go."""
    folder = made_folder(kind, name)
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in parent.iterdir():
        with contextlib.suppress(OSError):  # another visitor's call may be cleaning too
            if old.name != name and time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    return folder
