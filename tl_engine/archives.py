"""Zips from strangers: read against budgets into a folder that appears only when all of it is good.

Zip only, stored or deflated; tar and its kin escape their folders through the usual extractors. No torch here.
"""

import hashlib
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tl_engine.errors import DataError
from tl_engine.settings import GIGABYTE, MEGABYTE, Limits

CHUNK = 1 << 18  # bytes
JUNK = frozenset(("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints"))
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
SMALL = 10 * MEGABYTE  # below this in all, ratios say nothing: a drawing on white packs well


def is_junk(name: str) -> bool:
    """Whether an operating system or an editor left this file or folder behind."""
    return name in JUNK or name.startswith("._")


def unpack(archive: Path, folder: Path, limits: Limits) -> None:
    """Unpack into `folder`, which must not exist yet and exists afterwards only if everything was taken.

    Raises DataError with one sentence naming the entry, the rule and the remedy; then nothing is left behind.
    """
    _check_size(archive, limits)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = list(_checked(opened, archive, limits))
            budget = limits.unpacked_bytes
            for entry, target in entries:
                budget -= _extract(opened, entry, partial / target, budget, archive.name)
        if not entries:
            raise DataError(f"{archive.name} is empty: zip one folder per class, with its photos in it.")
        os.replace(partial, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, ValueError):
        raise DataError(f"{archive.name} is no readable zip, or is damaged: zip the class folders again.") from None
    except OSError as error:
        raise DataError(f"{archive.name} could not be unpacked: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def content_name(archive: Path) -> str:
    """A folder name for what is in this archive: its own name, made plain, and the start of its hash."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in archive.stem)[:40].strip("-")
    return f"{plain or 'data'}-{digest[:16]}"


def _check_size(archive: Path, limits: Limits) -> None:
    size = archive.stat().st_size
    if size > limits.archive_bytes:
        raise DataError(
            f"{archive.name} has {size / MEGABYTE:.0f} MB: the largest archive taken has "
            f"{limits.archive_bytes / MEGABYTE:.0f} MB."
        )
    if not zipfile.is_zipfile(archive):
        raise DataError(f"{archive.name} is no zip: pack the class folders as a zip, not tar, 7z or rar.")
    free = shutil.disk_usage(archive.parent).free
    if free < limits.free_bytes:
        raise DataError(f"The disk has {free / GIGABYTE:.1f} GB left, too little for new data: make room first.")


def _checked(opened: zipfile.ZipFile, archive: Path, limits: Limits) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    """The files worth taking, with where they go. Everything is refused before a byte is written."""
    files = [entry for entry in opened.infolist() if not entry.is_dir()]
    if len(files) > limits.entries:
        raise DataError(
            f"{archive.name} holds {len(files):,} files: the most taken is {limits.entries:,}; leave some out."
        )
    _check_ratios(files, archive, limits)
    _check_overlaps(files, archive)
    seen: set[str] = set()
    for entry in files:
        if any(is_junk(part) for part in PurePosixPath(entry.filename).parts):
            continue
        target = _safe_path(entry, archive.name, limits)
        # Two names that one file system holds for the same file would overwrite each other.
        key = str(target).casefold()
        if key in seen:
            raise DataError(f"{archive.name} holds {_shown(entry)} twice: keep one of them.")
        seen.add(key)
        yield entry, target


def _check_ratios(files: list[zipfile.ZipInfo], archive: Path, limits: Limits) -> None:
    total = sum(entry.file_size for entry in files)
    if total > limits.unpacked_bytes:
        raise DataError(
            f"{archive.name} unpacks to {total / MEGABYTE:.0f} MB: the most taken is "
            f"{limits.unpacked_bytes / MEGABYTE:.0f} MB."
        )
    bomb = total > max(SMALL, limits.archive_ratio * archive.stat().st_size) or any(
        entry.file_size > max(SMALL, limits.entry_ratio * entry.compress_size) for entry in files
    )
    if bomb:
        raise DataError(f"{archive.name} unpacks to far more than photos do: zip the photos themselves.")


def _check_overlaps(files: list[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse entries that share bytes (https://www.bamsoftware.com/hacks/zipbomb/); Python 3.11.7 accepts them."""
    end = 0
    for entry in sorted(files, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise DataError(f"{archive.name} has entries that overlap: zip the class folders again.")
        end = entry.header_offset + 30 + entry.compress_size


def _safe_path(entry: zipfile.ZipInfo, archive: str, limits: Limits) -> Path:
    """Where an entry goes, below the folder for certain."""
    name, shown = entry.filename, f"{archive} holds {_shown(entry)}"
    parts = PurePosixPath(name).parts
    if "\\" in name or ":" in name or name.startswith("/") or ".." in parts or "\0" in name:
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
    if any(len(part) > limits.name_length for part in parts):
        raise DataError(f"{shown}, a name longer than {limits.name_length} characters: shorten it.")
    if any(unicodedata.category(c) == "Cc" for c in name):
        raise DataError(f"{shown}, a name with control characters: rename it.")
    return Path(*(unicodedata.normalize("NFC", part) for part in parts))


def _shown(entry: zipfile.ZipInfo) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in entry.filename)
    return f"'{printable[:60]}{'...' if len(printable) > 60 else ''}'"


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
