"""What a picture file is made of, counted before anything opens it: segments, chunks, blocks, scans. No torch here.

Readers take time and memory for each part, however empty: five megabytes of empty segments cost three seconds.
A part's cost is in units of a small segment's, so that thousands of pieces of honest pixel data pass.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO

from tl_engine.base.errors import ImageError
from tl_engine.photos.formats import PhotoFormat
from tl_engine.photos.photo_file import damaged

MOST = 500  # units; phones write up to 200 segments, with depth maps and profiles
EXIF_SEGMENT = 60.0  # they are joined, and Pillow copies for each entry what it claims: at most 8 of 64 kB
DATA = 0.01  # of a piece of pixel data or of an animation
JUNK = 0.02  # a byte between parts, where readers go byte by byte
TEXT_BLOCK = 0.25  # before a GIF's first frame; joined one by one, which takes the square of their number
FRAME_BLOCK = 0.002  # of a GIF's first frame, at most 255 bytes
RUN_PIXEL, RUN_BYTE = 0.00004, 0.0003  # of a run-length BMP, which Pillow reads in Python
SOS, EOI, APP1 = 0xDA, 0xD9, 0xE1
FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
# Baseline, extended and progressive, in Huffman's and in arithmetic code. Decoding a lossless one at a fraction of its
# size, as the others are, writes past the memory it has and ends the process (libjpeg-turbo 3.1, Pillow 12.3).
TAKEN_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
RARE, ODD = "rare frame", "odd frame"  # parts for which a file is refused at once
DQT, TABLE_BYTE = 0xDB, 0.001  # tables of quantisation have a few hundred bytes
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
BARE = (0, 1, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))  # markers without a length, as Pillow reads them
NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # within a scan 0xff is followed by 0, or is a marker
Part = tuple[str, float]  # its kind, its cost


def count_parts(file: IO[bytes], kind: PhotoFormat, name: str, *, whole: bool) -> Counter[str]:
    """How many parts of each kind, up to the pixels or in the `whole` file. Raises ImageError beyond MOST units."""
    counted: Counter[str] = Counter()
    cost = 0.0
    for part, units in WALKS[kind.name](file, whole):
        counted[part] += 1
        cost += units
        if part == RARE:
            raise ImageError(f"{name} is a JPEG of a rare kind, lossless or hierarchical: save it as an ordinary one.")
        if part == ODD:
            raise damaged(name)
        if cost > MOST:
            raise ImageError(f"{name} is made of too many parts to be a photo: open it elsewhere and save it again.")
    file.seek(0)
    return counted


def _jpeg(file: IO[bytes], whole: bool) -> Iterator[Part]:
    buffered, framed, components, exif = False, False, 0, b""
    for marker, size in _segments(file):
        start = file.tell()
        yield ("junk", JUNK) if marker is None else ("segment", 1)
        if marker in FRAMES:
            yield (RARE if marker not in TAKEN_FRAMES else ODD if framed else "frame"), 0
            components, buffered, framed = (file.read(6) + bytes(6))[5], marker in PROGRESSIVE, True
            if size != 6 + 3 * components:
                yield ODD, 0
        elif marker == DQT:
            yield "table", TABLE_BYTE * size
        elif marker == APP1 and (content := file.read(size)).startswith(b"Exif\0\0"):
            exif += content[6:]
            yield "exif", EXIF_SEGMENT + _entries(exif)
        elif marker == SOS:
            # Where the first scan holds all components of a baseline file, decoders stop behind it.
            if buffered or (file.read(1) + b"\0")[0] < components:
                yield "buffered", 0
                file.seek(start + size)
                yield from _scans(file.read()) if whole else ()
            return
        file.seek(start + size)


def _segments(file: IO[bytes]) -> Iterator[tuple[int | None, int]]:
    """(marker, bytes of content) up to the pixels, the file standing at the content; (None, 0) for a stray byte."""
    file.seek(2)
    while byte := file.read(1):
        marker = file.read(1) if byte == b"\xff" else b""
        while marker == b"\xff":
            yield None, 0
            marker = file.read(1)
        if not marker:
            yield None, 0
        elif marker[0] in BARE:
            yield marker[0], 0
        else:
            yield marker[0], max(0, int.from_bytes(file.read(2), "big") - 2)


def _scans(pixels: bytes) -> Iterator[Part]:
    """Each scan of a file that must be read to its end before it shows anything, and the tables between them."""
    yield "scan", 1
    at = 0
    while (found := NEXT_MARKER.search(pixels, at)) and found[0][1] != EOI:
        yield "scan" if found[0][1] == SOS else "segment", 1
        at = found.end() + int.from_bytes(pixels[found.end() : found.end() + 2], "big")


def _entries(exif: bytes) -> int:
    """How many entries the first directory has room for, of those it claims."""
    order = "<" if exif.startswith(b"II") else ">"
    try:
        at = int(struct.unpack_from(f"{order}L", exif, 4)[0])
        claimed = int(struct.unpack_from(f"{order}H", exif, at)[0])
    except struct.error:
        return 0
    return min(claimed, (len(exif) - at) // 12)


def _png(file: IO[bytes], whole: bool) -> Iterator[Part]:
    file.seek(8)
    film = pixels = False
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        pixels = pixels or kind == b"IDAT"
        film = film or kind == b"acTL"
        if pixels and (not whole or kind == b"IEND" or (film and kind == b"fcTL")):  # a film's second frame
            return
        yield ("pixels", DATA) if kind == b"IDAT" else ("chunk", 1)
        file.seek(size + 4, 1)


def _webp(file: IO[bytes], _whole: bool) -> Iterator[Part]:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        yield ("frame", DATA) if kind == b"ANMF" else ("chunk", 1)
        file.seek(size + size % 2, 1)


def _gif(file: IO[bytes], _whole: bool) -> Iterator[Part]:
    """Up to the second frame, which alone tells whether this is a film."""
    file.seek(10)
    flags = (file.read(3) + bytes(1))[0]
    file.seek(_colours(flags), 1)
    frames = 0
    while (kind := file.read(1)) and kind != b";" and frames < 2:
        if kind == b"!":
            yield "extension", 1
            yield from _blocks(file, TEXT_BLOCK)
        elif kind == b",":
            yield "frame", 1
            frames += 1
            file.seek(_colours((file.read(9) + bytes(9))[8]), 1)
            yield from _blocks(file, FRAME_BLOCK) if frames == 1 else ()
        else:
            yield "junk", JUNK


def _bmp(file: IO[bytes], _whole: bool) -> Iterator[Part]:
    file.seek(14)
    head = file.read(20)
    if len(head) == 20:
        _, width, height, _, _, coding = struct.unpack("<IiiHHI", head)
        if coding in (1, 2):
            yield "runs", RUN_PIXEL * abs(width * height) + RUN_BYTE * file.seek(0, 2)


def _colours(flags: int) -> int:
    """Bytes of the palette that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _blocks(file: IO[bytes], cost: float) -> Iterator[Part]:
    file.seek(1, 1)  # what the blocks are about, or how they are coded
    while (size := file.read(1)) and size[0]:
        yield "block", cost
        file.seek(size[0], 1)


WALKS: dict[str, Callable[[IO[bytes], bool], Iterator[Part]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "BMP": _bmp,
    "GIF": _gif,
}
