"""What a zip must be to be taken: everything here is refused before a byte is written. No torch here."""

import contextlib
import mmap
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath

from tl_engine.base.errors import DataError
from tl_engine.base.names import FILE_NAME_BYTES
from tl_engine.base.settings import GIGABYTE, MEGABYTE, Limits
from tl_engine.zips.names import shown

ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENTRY, DIRECTORY_ENTRY, END, PART = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08"
END_64, END_64_BYTES, LOCATOR_BYTES = b"PK\x06\x06", 56, 20
IN_ZIP64 = 0xFFFF  # in place of a count that is told elsewhere
END_BYTES = 22  # of the record at the end of a zip; zipfile looks for it in the last 64 KB
PER_PHOTO = 3  # directory entries an honest photo may cost: itself, its shadow in __MACOSX, and folders
ENTRY_BYTES = 1024  # of the directory for one entry, on average; an honest path and its times take a fifth
FEWEST = 100  # entries that any zip may spend so much on: small ones cost nothing
SMALL = 10 * MEGABYTE  # below this in all, ratios say nothing: a drawing on white packs well
DRIVE = re.compile("[A-Za-z]:")  # at the beginning of a name; 12:30 is a time of day
DIRECTORY_ENTRIES = re.compile(re.escape(DIRECTORY_ENTRY))


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip that is worth taking, and its path; below the folder once `check_members` let it pass."""

    entry: zipfile.ZipInfo
    path: PurePosixPath

    @property
    def shown(self) -> str:
        """The path as one short line."""
        return shown(str(self.path))


# --- the file itself -------------------------------------------------------------------------------------------------


def check_file(archive: Path, parent: Path, limits: Limits) -> None:
    """Refuse what needs no look into the zip's directory. Raises DataError, OSError."""
    name, size = shown(archive.name), archive.stat().st_size
    if size > limits.archive_bytes:
        raise DataError(
            f"{name} has {size / MEGABYTE:.0f} MB: the largest archive taken has "
            f"{limits.archive_bytes / MEGABYTE:.0f} MB."
        )
    if not size:
        raise DataError(f"{name} is empty (0 bytes): copy or upload it again.")
    if not zipfile.is_zipfile(archive):
        raise DataError(f"{name} {_no_zip(archive)}.")
    _check_count(archive, name, limits)
    free = shutil.disk_usage(parent).free
    if free < limits.free_bytes:
        raise DataError(f"The disk has {free / GIGABYTE:.1f} GB left, too little for new data: make room first.")


def _no_zip(archive: Path) -> str:
    with _viewed(archive) as view:
        behind, start = _bytes_behind(view), view[:4]
    if behind:
        return f"is a zip with {behind:,} bytes behind its end, too many to be read: zip the class folders again"
    if start == PART:
        return "is one part of a zip in several parts: zip the class folders into one file"
    if start == ENTRY:
        return "is cut short: copy or upload it again"
    return "is no zip: pack the class folders as a zip, not tar, 7z or rar"


def _bytes_behind(view: mmap.mmap) -> int:
    """Bytes behind the end of the zip that this file begins with; 0 where it holds no whole one."""
    at = view.rfind(END)
    if not 0 <= at <= len(view) - END_BYTES:
        return 0
    size, offset, comment = struct.unpack_from("<IIH", view, at + 12)
    whole = view[at - size :][:4] == DIRECTORY_ENTRY if view[:4] != ENTRY else offset + size == at
    return max(0, len(view) - at - END_BYTES - comment) if whole else 0


def _check_count(archive: Path, name: str, limits: Limits) -> None:
    """Count entries by their marks: zipfile spends 16 us on each, and the count that a zip declares may lie."""
    most = PER_PHOTO * limits.entries
    with _viewed(archive) as view:
        count = sum(1 for _ in islice(DIRECTORY_ENTRIES.finditer(view), most + 1))
        size = _directory_bytes(view)
    if count > most:
        raise DataError(f"{name} holds more than {most:,} entries: the most files taken is {limits.entries:,}.")
    if size > ENTRY_BYTES * max(count, FEWEST):
        raise DataError(
            f"{name} spends {size:,} bytes on the names of {count:,} files, far more than names take: "
            "zip the class folders again."
        )


def _directory_bytes(view: mmap.mmap) -> int:
    """Bytes of the zip's directory as zipfile reads it: a large zip's second end record overrules the first."""
    at = _end(view)
    large = at - LOCATOR_BYTES - END_64_BYTES
    if large >= 0 and view[large : large + 4] == END_64:
        (size,) = struct.unpack_from("<Q", view, large + 40)
    else:
        (size,) = struct.unpack_from("<I", view, at + 12)
    return min(int(size), at)


def _end(view: mmap.mmap) -> int:
    """Where the record at the end begins; its own fields may hold the mark once more."""
    return view.rfind(END, 0, len(view) - END_BYTES + len(END))


@contextlib.contextmanager
def _viewed(archive: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file that is not empty, without reading them all into memory."""
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        yield view


def check_whole(opened: zipfile.ZipFile, archive: Path) -> None:
    """Refuse a zip whose directory hides entries: zipfile reads on past damaged lengths. Raises DataError."""
    with _viewed(archive) as view:
        (told,) = struct.unpack_from("<H", view, _end(view) + 10)
    found = len(opened.infolist())
    if told not in (found % 0x10000, IN_ZIP64):
        name = shown(archive.name)
        raise DataError(f"{name} is damaged, {found:,} of its {told:,} entries are found: zip the class folders again.")


# --- all members together --------------------------------------------------------------------------------------------


def check_members(members: Sequence[Member], archive: Path, limits: Limits) -> None:
    """Refuse too many, too large, overlapping, twofold or unsafe ones. Raises DataError."""
    name = shown(archive.name)
    if not members:
        raise DataError(f"{name} is empty: zip one folder per class, with its photos in it.")
    if len(members) > limits.entries:
        raise DataError(f"{name} holds {len(members):,} files: the most taken is {limits.entries:,}; leave some out.")
    entries = [member.entry for member in members]
    _check_ratios(entries, name, archive.stat().st_size, limits)
    _check_overlaps(entries, name)
    for member in members:
        if problem := next(_problems(member, limits), None):
            raise DataError(f"{name} holds '{member.shown}', {problem}.")
    _check_twins(members, name)


def _check_ratios(entries: list[zipfile.ZipInfo], name: str, packed: int, limits: Limits) -> None:
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes:
        raise DataError(
            f"{name} unpacks to {total / MEGABYTE:.0f} MB: the most taken is {limits.unpacked_bytes / MEGABYTE:.0f} MB."
        )
    bomb = total > max(SMALL, limits.archive_ratio * packed) or any(
        entry.file_size > max(SMALL, limits.entry_ratio * entry.compress_size) for entry in entries
    )
    if bomb:
        raise DataError(f"{name} unpacks to far more than photos do: zip the photos themselves.")


def _check_overlaps(entries: list[zipfile.ZipInfo], name: str) -> None:
    """Refuse entries that share bytes (https://www.bamsoftware.com/hacks/zipbomb/); Python 3.11.7 accepts them."""
    end = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise DataError(f"{name} has entries that overlap: zip the class folders again.")
        end = entry.header_offset + 30 + entry.compress_size


def _check_twins(members: Sequence[Member], name: str) -> None:
    """Refuse two names that one file system holds for the same place: one would overwrite the other."""
    folders = {_key(parent) for member in members for parent in member.path.parents}
    files: set[str] = set()
    for member in members:
        key = _key(member.path)
        if key in folders:
            raise DataError(f"{name} holds '{member.shown}' both as a file and as a folder: rename one of them.")
        if key in files:
            raise DataError(f"{name} holds '{member.shown}' twice, capitals aside: keep one of them.")
        files.add(key)


def _key(path: PurePosixPath) -> str:
    return str(path).lower()


# --- one member ------------------------------------------------------------------------------------------------------


def _problems(member: Member, limits: Limits) -> Iterator[str]:
    """Why a member cannot be taken and what helps, the gravest reason first."""
    yield from _path_problems(member.path)
    yield from _entry_problems(member.entry)
    if member.path.suffix.lower() in ARCHIVES:
        yield "an archive inside the archive: unpack it first"
    if len(member.path.parts) > limits.depth + 1:
        yield f"more than {limits.depth} folders deep: zip the class folders themselves"
    for part in member.path.parts:
        yield from _name_problems(part, limits)


def _path_problems(path: PurePosixPath) -> Iterator[str]:
    if PureWindowsPath(str(path)).root or _climbs(path):
        yield "whose path leads outside: zip the class folders themselves"
    if ".." in path.parts:
        yield "whose path goes back up ('..'): zip the class folders themselves"
    if drive := next((match[0] for match in map(DRIVE.match, path.parts) if match), None):
        yield f"a name that begins like a drive ({drive}): rename it"
    if not path.parts:
        yield "a file without a name: zip the class folders again"


def _climbs(path: PurePosixPath) -> bool:
    """Whether the path is above its own beginning at some point."""
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _entry_problems(entry: zipfile.ZipInfo) -> Iterator[str]:
    if entry.flag_bits & 0x1:
        yield "which is encrypted: zip without a password"
    if stat.S_ISLNK(entry.external_attr >> 16):
        yield "which is a link and not a file: zip the photos themselves"
    if entry.compress_type not in METHODS:
        yield "packed by a rare method: zip with the ordinary one (deflate)"


def _name_problems(part: str, limits: Limits) -> Iterator[str]:
    if len(part) > limits.name_length:
        yield f"a name of {len(part)} characters, more than {limits.name_length}: shorten it"
    if (size := len(part.encode())) > FILE_NAME_BYTES:
        yield f"a name of {size} bytes, more than the {FILE_NAME_BYTES} that disks take: shorten it"
    if any(unicodedata.category(c) == "Cc" for c in part):
        yield "a name with control characters: rename it"
