"""Small files that would cost minutes or gigabytes are refused by what they are made of; honest ones never are."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.photos.opening import PLUGINS, open_image, read_header

MANY = 60_000


def noise(width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(file_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    content = io.BytesIO()
    (image or noise()).save(content, file_format, **options)
    return content.getvalue()


def behind(content: bytes, at: int, more: bytes) -> bytes:
    return content[:at] + more + content[at:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(entries: int, tag: int = 7) -> bytes:
    """EXIF of so many entries, each of which claims nearly all of its bytes."""
    lines = b"".join(struct.pack("<HHII", number, tag, 60_000, 0) for number in range(entries))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", entries) + lines.ljust(64_000, b"\0")


def segment(marker: int, data: bytes = b"") -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def webp(more: bytes) -> bytes:
    canvas = struct.pack("<I", 63)[:3] + struct.pack("<I", 47)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas + encoded("WEBP")[12:] + more
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bmp(coding: int, width: int, height: int, data: bytes) -> bytes:
    """A run-length BMP of 8 (coding 1) or 4 bits (coding 2)."""
    palette = bytes(4 * (256 if coding == 1 else 16))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8 // coding, coding, len(data), 0, 0, 0, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


JPEG, PNG, GIF = encoded("JPEG"), encoded("PNG"), encoded("GIF", noise().quantize(256))
PROGRESSIVE = encoded("JPEG", progressive=True)
PIXELS, PALETTE_END, GIF_END = PNG.index(b"IDAT") - 4, 13 + 768, GIF.rindex(b"\0;")
BLOCK = b"\xff" + bytes(255)
FLOODS = {
    "empty JPEG segments": behind(JPEG, 2, segment(0xEF) * MANY),
    "JPEG comments": behind(JPEG, 2, segment(0xFE, b"a") * MANY),
    "JPEG quantization tables": behind(JPEG, 2, segment(0xDB) * MANY),
    "JPEG markers without content": behind(JPEG, 2, b"\xff\xd0" * MANY),
    "JPEG padding": behind(JPEG, 2, b"\xff" * MANY),
    "bytes between JPEG segments": behind(JPEG, 20, b"\1" * MANY),
    "JPEG scans": PROGRESSIVE[:-2] + (segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0") * 1_000 + b"\xff\xd9",
    "JPEG tables between scans": PROGRESSIVE[:-2] + segment(0xC4) * MANY + b"\xff\xd9",
    "EXIF entries": behind(JPEG, 2, segment(0xE1, exif(5_000))),
    "EXIF segments": behind(JPEG, 2, segment(0xE1, exif(50)) * 40),
    "empty PNG chunks": behind(PNG, PIXELS, chunk(b"teSt") * MANY),
    "PNG texts": behind(PNG, PIXELS, chunk(b"tEXt", b"a\0b") * MANY),
    "PNG chunks behind the pixels": behind(PNG, len(PNG) - 12, chunk(b"teSt") * MANY),
    "empty PNG pixel data": behind(PNG, PIXELS, chunk(b"IDAT") * MANY),
    "WebP chunks": webp(b"XTRA\0\0\0\0" * MANY),
    "WebP frames": webp(b"ANMF\0\0\0\0" * MANY),
    "GIF comment": behind(GIF, PALETTE_END, b"!\xfe" + BLOCK * 3_000 + b"\0"),
    "GIF extensions": behind(GIF, PALETTE_END, b"!\xff\0" * MANY),
    "bytes between GIF blocks": behind(GIF, PALETTE_END, b"\1" * MANY),
    "GIF blocks of one byte": behind(GIF, GIF_END, b"\1\0" * 300_000),
    "run-length BMP of many pixels": bmp(2, 6_000, 6_000, b"\0\0" * 6_000),
    "run-length BMP of many bytes": bmp(1, 1_000, 1_000, b"\1\1" * 1_000_000),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_parts_is_refused_and_named(flood: str, tmp_path: Path) -> None:
    (tmp_path / "flood.jpg").write_bytes(FLOODS[flood])
    with pytest.raises(ImageError, match=r"flood\.jpg is made of too many parts"):
        open_image(tmp_path / "flood.jpg", short_side=64)


HONEST = {
    "depth map of a phone": behind(JPEG, 2, segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(900)) * 250),
    "profile in many segments": behind(JPEG, 2, segment(0xE2, b"ICC_PROFILE\0\1\x64" + bytes(99)) * 100),
    "EXIF of a camera": behind(JPEG, 2, segment(0xE1, exif(80, tag=3))),
    "progressive JPEG": PROGRESSIVE,
    "JPEG with bytes behind it": JPEG + b"\xff\xda" * MANY,
    "PNG in pieces of 8 bytes": PNG[:PIXELS]
    + b"".join(chunk(b"IDAT", PNG[PIXELS + 8 : -16][at : at + 8]) for at in range(0, len(PNG) - PIXELS - 24, 8))
    + PNG[-12:],
    "XMP in a GIF": behind(GIF, PALETTE_END, b"!\xff\x0bXMP DataXMP" + (b"\x40" + bytes(64)) * 900 + b"\0"),
    "run-length BMP": bmp(1, 120, 90, (b"\x78\0\0\0") * 90 + b"\0\1"),
}


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("photo", HONEST)
def test_an_honest_file_of_many_parts_is_taken(photo: str) -> None:
    content = HONEST[photo]
    header, image = read_header(io.BytesIO(content)), open_image(io.BytesIO(content))
    assert (header.width, header.height) == image.size


def test_a_scan_hidden_behind_a_false_end_is_counted() -> None:
    hidden = segment(0xFE, b"\xff\xd9") + (segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0") * 1_000
    with pytest.raises(ImageError, match="too many parts"):
        open_image(io.BytesIO(PROGRESSIVE[:-2] + hidden + b"\xff\xd9"))


@pytest.mark.parametrize("frames", [1, 2, 3_000])
def test_a_film_of_many_tiny_frames_is_one_picture_at_every_door(frames: int) -> None:
    frame = b",\0\0\0\0\1\0\1\0\0\x02\2\x44\1\0"
    content = io.BytesIO(GIF[:-1] + frame * (frames - 1) + b";")
    assert read_header(content).animated is (frames > 1)
    assert open_image(content).size == (64, 48)


def test_a_large_progressive_jpeg_of_many_scans_is_refused_and_a_plain_one_taken() -> None:
    grey = Image.new("L", (5_000, 5_000))
    plain, progressive = encoded("JPEG", grey), encoded("JPEG", grey, progressive=True)
    assert open_image(io.BytesIO(plain), short_side=64).size == (64, 64)
    assert open_image(io.BytesIO(progressive), short_side=64).size == (64, 64)
    scans = (segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0") * 100
    with pytest.raises(ImageError, match="too large for a progressive JPEG"):
        open_image(io.BytesIO(progressive[:-2] + scans + b"\xff\xd9"), short_side=64)


def frame_at(content: bytes) -> int:
    return content.index(b"\xff\xc0")


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF])
def test_a_jpeg_of_a_rare_kind_is_refused_before_it_is_opened(marker: int) -> None:
    """A lossless one, decoded at a fraction of its size, once ended the process."""
    content = encoded("JPEG")
    at = frame_at(content)
    rare = content[: at + 1] + bytes([marker]) + content[at + 2 :]
    for door in (read_header, open_image):
        with pytest.raises(ImageError, match="rare kind"):
            door(io.BytesIO(rare))


def test_a_jpeg_with_two_frames_or_a_frame_of_another_length_is_damaged() -> None:
    content = encoded("JPEG")
    at = frame_at(content)
    frame = content[at : at + 19]
    twice = content[:at] + frame + content[at:]
    longer = content[:at] + frame[:2] + (17 + 300).to_bytes(2, "big") + frame[4:] + bytes(300) + content[at + 19 :]
    for odd in (twice, longer):
        with pytest.raises(ImageError, match="damaged"):
            read_header(io.BytesIO(odd))


def test_what_a_jpeg_claims_of_further_pictures_is_not_expanded() -> None:
    claimed = b"MPF\0MM\0*\0\0\0\x08" + b"\0\x01" + b"\xb0\x02\0\x07\xff\xff\xff\xff\0\0\0\0" + bytes(60_000)
    content = encoded("JPEG")
    flood = content[:2] + b"\xff\xe2" + (len(claimed) + 2).to_bytes(2, "big") + claimed + content[2:]
    assert open_image(io.BytesIO(flood)).size == (64, 48)
    assert type(PLUGINS["JPEG"](io.BytesIO(flood))).__name__ == "JpegImageFile"
