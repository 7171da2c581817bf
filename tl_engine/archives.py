"""Zips from strangers: read against budgets into a folder that appears only when all of it is good.

Zip only, stored or deflated; tar and its kin escape their folders through the usual extractors. No torch here.
"""

import hashlib
import mmap
import os
import re
import shutil
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

from tl_engine.download import OnProgress
from tl_engine.errors import DataError
from tl_engine.names import is_junk
from tl_engine.reading import AUTO
from tl_engine.settings import GIGABYTE, MEGABYTE, Limits

CHUNK = 1 << 18  # bytes
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
DIRECTORY_ENTRY = re.compile(rb"PK\x01\x02")  # zipfile wants this before each entry of the directory
PER_PHOTO = 3  # directory entries an honest photo may cost: itself, its shadow in __MACOSX, and folders
FILE_NAME_BYTES = 255  # what file systems take
SMALL = 10 * MEGABYTE  # below this in all, ratios say nothing: a drawing on white packs well
# What zipfile lets through on damaged input; IndexError comes from an entry without a name.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, IndexError)


def unpack(
    archive: Path,
    folder: Path,
    limits: Limits,
    on_progress: OnProgress | None = None,
    zip_names: str = AUTO,  # noqa: ARG001
) -> None:
    """Unpack into `folder`, which must not exist yet and exists afterwards only if everything was taken.

    Raises DataError with one sentence naming the entry, the rule and the remedy; then nothing is left behind.
    """
    name = _plain(archive.name)
    try:
        _check_file(archive, folder.parent, limits)
        # A folder of its own, so that two visitors with the same archive do not meet in it.
        with tempfile.TemporaryDirectory(".part", ".", folder.parent, ignore_cleanup_errors=True) as temporary:
            partial = Path(temporary, "data")
            with zipfile.ZipFile(archive) as opened:
                budget = min(limits.unpacked_bytes, sum(entry.file_size for entry in opened.infolist()))
                entries = list(_checked(opened, archive, limits))
                for done in _extracted(opened, entries, partial, limits, name):
                    if on_progress:
                        on_progress(done, budget)
            os.replace(partial, folder)
    except OSError as error:
        raise DataError(
            f"{name} could not be unpacked ({error.strerror or 'input/output error'}): make room or zip it again."
        ) from None
    except DAMAGED:
        raise DataError(f"{name} is no readable zip, or is damaged: zip the class folders again.") from None


def content_name(archive: Path) -> str:
    """A folder name for what is in this archive: its own name, made plain, and the start of its hash."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in archive.stem)[:40].strip("-")
    return f"{plain or 'data'}-{digest[:16]}"


def _check_file(archive: Path, parent: Path, limits: Limits) -> None:
    """Refuse what needs no look into the zip's directory."""
    name, size = _plain(archive.name), archive.stat().st_size
    if size > limits.archive_bytes:
        raise DataError(
            f"{name} has {size / MEGABYTE:.0f} MB: the largest archive taken has "
            f"{limits.archive_bytes / MEGABYTE:.0f} MB."
        )
    if not zipfile.is_zipfile(archive):
        raise DataError(_no_zip(archive, name))
    _check_count(archive, name, limits)
    free = shutil.disk_usage(parent).free
    if free < limits.free_bytes:
        raise DataError(f"The disk has {free / GIGABYTE:.1f} GB left, too little for new data: make room first.")


def _no_zip(archive: Path, name: str) -> str:
    with archive.open("rb") as file:
        start = file.read(4)
    if not start:
        return f"{name} is empty (0 bytes): copy or upload it again."
    if start == b"PK\x03\x04":
        return f"{name} is cut short: copy or upload it again."
    return f"{name} is no zip: pack the class folders as a zip, not tar, 7z or rar."


def _check_count(archive: Path, name: str, limits: Limits) -> None:
    """Count entries by their marks: zipfile spends 16 us on each, and the count that a zip declares may lie."""
    most = PER_PHOTO * limits.entries
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        if sum(1 for _ in islice(DIRECTORY_ENTRY.finditer(view), most + 1)) > most:
            raise DataError(f"{name} holds more than {most:,} entries: the most files taken is {limits.entries:,}.")


def _checked(opened: zipfile.ZipFile, archive: Path, limits: Limits) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    """The files worth taking, with where they go. Everything is refused before a byte is written."""
    name = _plain(archive.name)
    files = [entry for entry in opened.infolist() if not entry.is_dir() and not _is_junk_path(entry.filename)]
    if not files:
        raise DataError(f"{name} is empty: zip one folder per class, with its photos in it.")
    if len(files) > limits.entries:
        raise DataError(f"{name} holds {len(files):,} files: the most taken is {limits.entries:,}; leave some out.")
    _check_ratios(files, archive, limits)
    _check_overlaps(files, name)
    seen: set[str] = set()
    for entry in files:
        target = _safe_path(entry, name, limits)
        # Two names that one file system holds for the same file would overwrite each other.
        key = str(target).casefold()
        if key in seen:
            raise DataError(f"{name} holds {_shown(entry)} twice, capitals aside: keep one of them.")
        seen.add(key)
        yield entry, target


def _is_junk_path(name: str) -> bool:
    return any(is_junk(part) for part in PurePosixPath(name).parts)


def _check_ratios(files: list[zipfile.ZipInfo], archive: Path, limits: Limits) -> None:
    name, total = _plain(archive.name), sum(entry.file_size for entry in files)
    if total > limits.unpacked_bytes:
        raise DataError(
            f"{name} unpacks to {total / MEGABYTE:.0f} MB: the most taken is {limits.unpacked_bytes / MEGABYTE:.0f} MB."
        )
    bomb = total > max(SMALL, limits.archive_ratio * archive.stat().st_size) or any(
        entry.file_size > max(SMALL, limits.entry_ratio * entry.compress_size) for entry in files
    )
    if bomb:
        raise DataError(f"{name} unpacks to far more than photos do: zip the photos themselves.")


def _check_overlaps(files: list[zipfile.ZipInfo], name: str) -> None:
    """Refuse entries that share bytes (https://www.bamsoftware.com/hacks/zipbomb/); Python 3.11.7 accepts them."""
    end = 0
    for entry in sorted(files, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise DataError(f"{name} has entries that overlap: zip the class folders again.")
        end = entry.header_offset + 30 + entry.compress_size


def _safe_path(entry: zipfile.ZipInfo, archive: str, limits: Limits) -> Path:
    """Where an entry goes, below the folder for certain."""
    name, shown = entry.filename, f"{archive} holds {_shown(entry)}"
    parts = PurePosixPath(name).parts
    if "\\" in name or name.startswith("/") or ".." in parts or any(re.match("[A-Za-z]:", part) for part in parts):
        raise DataError(f"{shown}, whose path leads outside: zip the class folders themselves.")
    if entry.flag_bits & 0x1:
        raise DataError(f"{shown}, which is encrypted: zip without a password.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(f"{shown}, which is a link and not a file: zip the photos themselves.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{shown}, packed by a rare method: zip with the ordinary one (deflate).")
    if PurePosixPath(name).suffix.lower() in ARCHIVES:
        raise DataError(f"{shown}, an archive inside the archive: unpack it first.")
    if len(parts) > limits.depth + 1:
        raise DataError(f"{shown}, more than {limits.depth} folders deep: zip the class folders themselves.")
    if any(len(part) > limits.name_length or len(part.encode()) > FILE_NAME_BYTES for part in parts):
        raise DataError(f"{shown}, a name longer than {limits.name_length} characters: shorten it.")
    if any(unicodedata.category(c) == "Cc" for c in name):
        raise DataError(f"{shown}, a name with control characters: rename it.")
    return Path(*(unicodedata.normalize("NFC", part) for part in parts))


def _shown(entry: zipfile.ZipInfo) -> str:
    return f"'{_plain(entry.filename)}'"


def _plain(name: str) -> str:
    """A name as one short line."""
    printable = "".join(c if c.isprintable() else "?" for c in name)
    return printable if len(printable) <= 80 else f"{printable[:60]}..."


def _extracted(
    opened: zipfile.ZipFile, entries: list[tuple[zipfile.ZipInfo, Path]], folder: Path, limits: Limits, archive: str
) -> Iterator[int]:
    """Write the entries one by one; yields the bytes written so far."""
    written = 0
    for entry, target in entries:
        written += _extract(opened, entry, folder / target, limits.unpacked_bytes - written, archive)
        yield written


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, budget: int, archive: str) -> int:
    """Write one entry and return its size; what it declares is not believed, the bytes are counted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as source, target.open("xb") as file:
        return _copy(source, file, min(budget, entry.file_size), archive)


def _copy(source: IO[bytes], file: IO[bytes], most: int, archive: str) -> int:
    size = 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if size > most:
            raise DataError(f"{archive} unpacks to more than it declares: zip the class folders again.")
        file.write(chunk)
    return size
