"""Data folders that appear whole or not at all, and what their makers share: names, room, refusals. No torch here."""

import contextlib
import errno
import functools
import os
import re
import shutil
import time
from pathlib import Path

from tl_engine.base.errors import DataError, without_paths
from tl_engine.base.settings import GIGABYTE, Limits

COUNT_EVERY = 2.0  # seconds; five photos a second need not be counted one by one
MOST_TAKEN = 2_000  # photos of a data set from elsewhere: enough to learn from, soon here
REASON_LENGTH = 160  # characters of somebody else's error
OFFLINE = "use the sample digits, which needs no network"


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
    used = used_bytes(folder, int(time.monotonic() / COUNT_EVERY))
    if used >= limits.person_bytes:
        raise DataError(
            f"You have {used / GIGABYTE:.1f} GB here, and the most kept for one person is "
            f"{limits.person_bytes / GIGABYTE:.1f} GB: delete a data set first."
        )
    return limits.person_bytes - used


@functools.lru_cache(maxsize=64)
def used_bytes(folder: Path, _moment: int) -> int:
    """Of all files below, while other threads and processes add and remove some; counted once in each moment."""
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
