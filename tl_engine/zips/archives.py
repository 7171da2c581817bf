"""Zips from strangers: read against budgets into a folder that appears only when all of it is good.

Zip only, stored or deflated; tar and its kin escape their folders through the usual extractors. A photo whose own bytes
are damaged stays behind, by name; whatever else is wrong refuses the whole. No torch here.
"""

import errno
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tl_engine.base.errors import DataError
from tl_engine.base.files import file_hash
from tl_engine.base.names import LEFT_OUT_FILE, is_junk, slug
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Limits
from tl_engine.base.written import AUTO
from tl_engine.zips.left_out import write_left_out
from tl_engine.zips.names import encoding_called, entry_paths, shown
from tl_engine.zips.rules import Member, check_file, check_members, check_whole

CHUNK = 1 << 18  # bytes
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ALREADY_THERE = (errno.EEXIST, errno.ENOTEMPTY)
# What zipfile lets through on damaged input; IndexError comes from an entry without a name.
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, IndexError)


def unpack(
    archive: Path,
    folder: Path,
    limits: Limits,
    on_progress: OnProgress | None = None,
    zip_names: str = AUTO,
) -> None:
    """Unpack into `folder`, which must not exist yet and exists afterwards only if the zip was taken.

    Names are read in the encoding `zip_names` where the zip does not say theirs. Members whose bytes are damaged are
    left out, and remembered in the folder (`left_out`). Raises DataError with one sentence naming the entry, the rule
    and the remedy, or Question where only a person can tell how the names read; then nothing is left behind.
    """
    name = shown(archive.name)
    try:
        check_file(archive, folder.parent, limits)
        # A folder of its own, so that two visitors with the same archive do not meet in it.
        with tempfile.TemporaryDirectory(".part", ".", folder.parent, ignore_cleanup_errors=True) as temporary:
            partial = Path(temporary, "data")
            with zipfile.ZipFile(archive) as opened:
                check_whole(opened, archive)
                members = _members(opened, name, zip_names)
                check_members(members, archive, limits)
                skipped = _extracted(opened, members, partial, name, on_progress or _unheard)
            write_left_out(partial, skipped)
            os.replace(partial, folder)
    except OSError as error:
        raise _unwritten(error, name, folder) from None
    except UnicodeDecodeError:
        raise DataError(f"{name} holds a name that is not the UTF-8 it claims to be: zip it again.") from None
    except DAMAGED:
        raise DataError(f"{name} is no readable zip, or is damaged: zip the class folders again.") from None


def content_name(archive: Path, zip_names: str = AUTO) -> str:
    """A folder name for what is in this archive: its own name, made plain, and the start of its hash.

    The same bytes with names read in another encoding are another folder. Raises OSError, and DataError for an
    encoding that is none.
    """
    encoding = encoding_called(zip_names)
    return f"{slug(archive.stem, 40)}{'' if encoding == AUTO else f'-{encoding}'}-{file_hash(archive)[:16]}"


def _unwritten(error: OSError, name: str, folder: Path) -> DataError:
    if error.errno in ALREADY_THERE and folder.is_dir():
        return DataError(f"{name} is unpacked already: use the folder that is there, or delete it first.")
    remedy = "make room" if error.errno in DISK_FULL else "check the file and who may write the data directory"
    return DataError(f"{name} could not be unpacked ({error.strerror or 'input/output error'}): {remedy}.")


def _unheard(_done: int, _total: int) -> None:
    """Nobody asked how far it is."""


def _members(opened: zipfile.ZipFile, name: str, zip_names: str) -> list[Member]:
    """The files worth taking."""
    entries = opened.infolist()
    paths = entry_paths(entries, name, zip_names)
    members = [Member(e, PurePosixPath(path)) for e, path in zip(entries, paths, strict=True) if path[-1:] != "/"]
    return [member for member in members if not _is_left_behind(member.path)]


def _is_left_behind(path: PurePosixPath) -> bool:
    return path.name == LEFT_OUT_FILE or any(is_junk(part) for part in path.parts)


def _extracted(
    opened: zipfile.ZipFile, members: Sequence[Member], folder: Path, name: str, on_progress: OnProgress
) -> list[tuple[str, str]]:
    """Write the members one by one; what is left out of them, with the reason."""
    total, written, skipped = sum(member.entry.file_size for member in members), 0, []
    for member in members:
        target = folder / member.path
        try:
            for size in write_member(opened, member, target, name):
                written += size
                on_progress(written, total)
        except DAMAGED as error:
            target.unlink()
            skipped.append((str(member.path), _reason(member, name, error)))
    if len(skipped) == len(members):
        raise DataError(f"{name} holds no file that can be unpacked, the first: {skipped[0][1]}")
    return skipped


def write_member(opened: zipfile.ZipFile, member: Member, target: Path, name: str) -> Iterator[int]:
    """Write one file and yield the bytes of each step; what it declares is not believed, they are counted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.entry.file_size
    with target.open("xb") as file, opened.open(member.entry) as source:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise DataError(f"{name} unpacks to more than it declares: zip the class folders again.")
            file.write(chunk)
            yield len(chunk)


def _reason(member: Member, name: str, error: Exception) -> str:
    why = "its checksum is wrong" if str(error).startswith("Bad CRC") else "its bytes cannot be unpacked"
    return f"{shown(member.path.name)} is damaged in {name}, {why}: zip the photo again."
