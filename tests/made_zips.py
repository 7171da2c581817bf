"""Small zips made by hand: honest ones, and what no writer would write."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

from tl_engine.base.settings import Limits

LIMITS = Limits(free_bytes=0)
HONEST = {"cats/1.jpg": b"one", "cats/2.jpg": b"two", "dogs/1.jpg": b"three"}
UTF8_FLAG, MSDOS, UNIX = 0x800, 0, 3


def zipped(entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return buffer.getvalue()


def written(folder: Path, content: bytes, name: str = "photos.zip") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden files too."""
    return {
        str(path.relative_to(folder)): b"<folder>" if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


def info(name: str, mode: int = 0, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr, entry.compress_type = mode << 16, method
    return entry


def with_raw_names(
    names: Iterable[bytes],
    flags: int = 0,
    extra: bytes = b"",
    system: int = MSDOS,
    contents: Iterable[bytes] = repeat(b"a photo"),
) -> bytes:
    """A zip of stored files, one for each name, with the names as these bytes, whatever the flags say of them."""
    local, directory, number = b"", b"", 0
    for name, content in zip(names, contents, strict=False):
        number += 1
        sizes = struct.pack("<HHHHIII", flags, 0, 0, 0x21, zlib.crc32(content), len(content), len(content))
        lengths = struct.pack("<HH", len(name), len(extra))
        place = struct.pack("<HHHII", 0, 0, 0, 0, len(local))
        directory += b"PK\x01\x02" + bytes((20, system, 20, 0)) + sizes + lengths + place + name + extra
        local += b"PK\x03\x04" + bytes((20, 0)) + sizes + lengths + name + extra + content
    end = struct.pack("<HHHHIIH", 0, 0, number, number, len(directory), len(local), 0)
    return local + directory + b"PK\x05\x06" + end
