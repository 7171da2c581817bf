"""Data folders that appear whole or not at all, and what their makers share: names, room, refusals. No torch here."""

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tl_engine.base.errors import DataError, without_paths
from tl_engine.base.names import CLASS_NAME_LENGTH, clean_class_name, is_junk
from tl_engine.base.settings import GIGABYTE, Limits

COUNT_EVERY = 2.0  # seconds; five photos a second need not be counted one by one
COUNTED: dict[Path, tuple[float, int]] = {}  # folder of a person -> when it was counted, bytes
MOST_TAKEN = 2_000  # photos of a data set from elsewhere: enough to learn from, soon here
NAME_BYTES = 240  # of a class folder's name; file systems take 255
REASON_LENGTH = 160  # characters of somebody else's error
ELSEWHERE = "name a folder that can be written (--cache-dir, --into, or TL_UPLOADS for a page)"
OFFLINE = "use the sample digits, which needs no network"


def made_whole(folder: Path, what: str, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` in a temporary place beside it and moved only when it is complete."""
    make_parent(folder.parent)
    with temporary(folder.parent) as place:
        partial = Path(place, folder.name)
        try:
            make(partial)
        except OSError as error:
            raise DataError(f"{what} could not be written ({error.strerror}): make room.") from None
        publish(partial, folder, what)
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds it whole or not at all; until then its name begins with a dot.

    Raises OSError.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write json so that a reader finds the old file or the new one, never half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(values).encode("ascii"))  # a file's name may hold bytes that are no UTF-8


def publish(partial: Path, folder: Path, name: str) -> None:
    """Move what is complete to its place, at once; another process or visitor may have been faster."""
    try:
        os.replace(partial, folder)
    except OSError as error:
        if not folder.is_dir():
            raise DataError(f"{name} could not be written ({error.strerror}): make room on the disk.") from None


def temporary(parent: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder for what is not complete yet. Raises DataError where nothing can be written."""
    try:
        return tempfile.TemporaryDirectory(".part", ".", parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(
            f"Nothing can be written to the folder {parent.name} ({error.strerror}): make room, or {ELSEWHERE}."
        ) from None


def is_folder(path: Path) -> bool:
    """Whether a folder is there that may be read; one behind a folder without permission is not."""
    return os.access(path, os.R_OK | os.X_OK) and path.is_dir()


def make_parent(folder: Path) -> None:
    """Make a folder that others go into. Raises DataError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {folder.name} cannot be made ({error.strerror}): {ELSEWHERE}.") from None


def check_room(folder: Path, needed: int, limits: Limits) -> None:
    """Raise DataError where `needed` bytes would leave the disk with less than the limit."""
    free = shutil.disk_usage(folder).free
    if free - needed < limits.free_bytes:
        raise DataError(
            f"The disk has {free / GIGABYTE:.1f} GB left, {(needed + limits.free_bytes) / GIGABYTE:.1f} GB are needed "
            "for new data: make room first."
        )


def room_left(folder: Path, limits: Limits) -> int:
    """Bytes that one visitor may still bring into the folder that holds all of theirs. Raises DataError at none."""
    if limits.person_bytes >= shutil.disk_usage(folder if folder.exists() else folder.anchor).total:
        return limits.person_bytes  # at home nobody counts
    counted, used = COUNTED.get(folder, (0.0, 0))
    if time.monotonic() - counted > COUNT_EVERY:
        used = _bytes(folder)
        COUNTED[folder] = time.monotonic(), used
    if used >= limits.person_bytes:
        raise DataError(
            f"You have {used / GIGABYTE:.1f} GB here, and the most kept for one person is "
            f"{limits.person_bytes / GIGABYTE:.1f} GB: delete a data set first."
        )
    return limits.person_bytes - used


def _bytes(folder: Path) -> int:
    """Of all files below, while other threads and processes add and remove some."""
    total = 0
    for current, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(current, name).stat().st_size
    return total


def unavailable(what: str, error: Exception, remedy: str) -> DataError:
    """The refusal for data that cannot be had from elsewhere, whatever a library raised, with what works instead.

    A full disk is no such thing: that error is raised again as it is.
    """
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        raise error
    reason = getattr(error, "reason", None) or error  # a URLError's own text is "<urlopen error ...>"
    text = " ".join(without_paths(str(getattr(reason, "strerror", None) or reason)).split())
    first = re.split(r"(?<=\w)\. ", text)[0]
    text = first[:REASON_LENGTH].rstrip(" .:") or type(error).__name__
    return DataError(f"{what} cannot be had here ({text}): {OFFLINE}, or {remedy}.")


def class_folder_names(names: Sequence[str]) -> list[str]:
    """For each class name from elsewhere, in order, a folder name that is safe anywhere and nobody else's."""
    taken: set[str] = set()
    folders = []
    for index, name in enumerate(names):
        plain = re.sub(r'[/\\<>:"|?*]', "-", clean_class_name(name)).lstrip(" .")
        plain = _short(plain, CLASS_NAME_LENGTH).rstrip(" .-")
        if not plain or is_junk(plain):
            plain = f"class {index}"
        folder, number = plain, 2
        while folder.casefold() in taken:
            end = f" {number}"
            folder, number = _short(plain, CLASS_NAME_LENGTH - len(end)) + end, number + 1
        taken.add(folder.casefold())
        folders.append(folder)
    return folders


def _short(name: str, characters: int) -> str:
    return name[:characters].encode()[:NAME_BYTES].decode(errors="ignore")
