"""Files and folders that appear whole or not at all, and what a full disk looks like."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tl_engine.base.errors import DataError

ELSEWHERE = "name a folder that can be written (--cache-dir, --into, or TL_UPLOADS for a page)"
FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = ("no space left", "quota exceeded", *(f"os error {number})" for number in FULL))


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


@contextlib.contextmanager
def appearing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Where to write a file that readers are to find whole or not at all: it gets its name when the block has ended.

    Until then its name begins with a dot and is nobody else's; what raises leaves nothing behind. `durable`: it is on
    the disk before it has its name. Raises OSError.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield partial
        if durable:
            sync(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):  # it may not be there, nor its folder
            partial.unlink()


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file so that a reader finds it whole or not at all; `private`: its owner only. Raises OSError."""
    with appearing(path) as partial:
        if private:
            partial.touch(0o600, exist_ok=False)
        partial.write_bytes(content)


def sync(path: Path) -> None:
    """Return when a file or folder is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below."""
    total = 0
    for current, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # removed by another tab
                total += os.stat(os.path.join(current, file)).st_size  # noqa: PTH116, PTH118
    return total


def is_disk_full(error: BaseException) -> bool:
    """Whether the disk or somebody's share of it is full. safetensors, written in Rust, says so in its text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(words in str(error).lower() for words in WORDS)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
