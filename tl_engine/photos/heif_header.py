"""What a HEIC or AVIF file says of its picture, read from its boxes (ISO/IEC 14496-12, 23008-12). No torch here.

Nothing is decoded, and nothing but Python reads, so that thousands of photos are checked in a second.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

MOST_BOXES = 2_000  # a photo of 48 megapixels is a grid of about 200 tiles that share their properties
MOST_META = 4_000_000  # bytes of the part that describes
ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
FILMS = (b"avis", b"hevc", b"hevx", b"msf1")  # first brands of a sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class HeifHeader:
    """Of the picture that the file shows first."""

    width: int  # pixels, as stored
    height: int
    coded: int  # pixels that are decoded, of which these may be a part
    turned: bool  # shown rotated or mirrored
    deep: bool  # more than 8 bits a channel
    clear: bool  # has transparent parts
    film: bool


def read_heif_header(file: IO[bytes]) -> HeifHeader:
    """The header. A damaged file raises ValueError, KeyError, IndexError or struct.error."""
    file.seek(0)
    brand = file.read(12)[8:]
    meta = _meta(file)[4:]
    parts = dict(_boxes(meta))
    properties = dict(_boxes(parts[b"iprp"]))
    container = list(_boxes(properties[b"ipco"]))
    own = dict(container[index - 1] for index in _associated(properties[b"ipma"], _primary(parts[b"pitm"])) if index)
    coded = struct.unpack_from(">II", own[b"ispe"], 4)
    width, height = _shown(coded, own.get(b"clap", b""))
    deep = any(bits > 8 for bits in own.get(b"pixi", b"")[5:])
    clear = any(kind == b"auxC" and content[4:].startswith(ALPHA) for kind, content in container)
    turned = own.get(b"irot", b"\0")[0] & 3 != 0 or b"imir" in own
    return HeifHeader(
        width=width,
        height=height,
        coded=coded[0] * coded[1],
        turned=turned,
        deep=deep,
        clear=clear,
        film=brand in FILMS,
    )


def _shown(coded: tuple[int, int], aperture: bytes) -> tuple[int, int]:
    """Pixels; coded pictures are padded to whole blocks, of which a clean aperture (two fractions) is shown."""
    if not aperture:
        return coded
    across, below, down, beneath = struct.unpack_from(">4I", aperture)
    return min(coded[0], across // max(below, 1)), min(coded[1], down // max(beneath, 1))


def _meta(file: IO[bytes]) -> bytes:
    """The content of the box that describes everything else."""
    file.seek(0)
    for _ in range(MOST_BOXES):
        size, kind = struct.unpack(">I4s", _exactly(file, 8))
        head = 8
        if size == 1:  # the real one follows
            (size,), head = struct.unpack(">Q", _exactly(file, 8)), 16
        if kind == b"meta" and head <= size <= MOST_META:
            return _exactly(file, size - head)
        if size < head:
            break
        file.seek(size - head, 1)
    raise ValueError("no description of the picture")


def _exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ValueError("truncated")
    return content


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of the boxes that lie one behind the other."""
    at = 0
    for _ in range(MOST_BOXES):
        if at + 8 > len(content):
            return
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8:
            raise ValueError("a box without a size")
        yield kind, content[at + 8 : at + size]
        at += size
    raise ValueError("too many boxes")


def _primary(pitm: bytes) -> int:
    return int.from_bytes(pitm[4:6] if pitm[0] == 0 else pitm[4:8], "big")


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers, from 1, of the properties that belong to this item."""
    wide, item_bytes = 2 if ipma[3] & 1 else 1, 2 if ipma[0] == 0 else 4
    at = 8
    for _ in range(int.from_bytes(ipma[4:8], "big")):
        found, count = int.from_bytes(ipma[at : at + item_bytes], "big"), ipma[at + item_bytes]
        at += item_bytes + 1
        if found == item:
            last = at + wide * count
            numbers = (int.from_bytes(ipma[start : start + wide], "big") for start in range(at, last, wide))
            return [number & (0x7FFF if wide == 2 else 0x7F) for number in numbers]  # the first bit: essential
        at += wide * count
    raise ValueError("a picture without properties")
