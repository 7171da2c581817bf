"""What comes through the one door for pictures, and what is turned away. Every bad picture is made here."""

import contextlib
import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from tl_engine.base.errors import ImageError
from tl_engine.photos.formats import FORMATS
from tl_engine.photos.opening import MAX_SIDE, open_image, read_header

RED, GREEN, BLUE, YELLOW = (220, 20, 20), (20, 200, 20), (20, 20, 220), (220, 220, 20)
CORNERS = [RED, GREEN, BLUE, YELLOW]  # top left, top right, bottom left, bottom right
# EXIF orientation -> the four corners of the *stored* picture (as CORNERS is ordered) when it is upright once turned.
STORED_CORNERS = {
    1: (RED, GREEN, BLUE, YELLOW),
    2: (GREEN, RED, YELLOW, BLUE),
    3: (YELLOW, BLUE, GREEN, RED),
    4: (BLUE, YELLOW, RED, GREEN),
    5: (RED, BLUE, GREEN, YELLOW),
    6: (GREEN, YELLOW, RED, BLUE),
    7: (YELLOW, GREEN, BLUE, RED),
    8: (BLUE, RED, YELLOW, GREEN),
}
ORIENTATION = 0x0112


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def noise(width: int = 120, height: int = 90) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def quadrants(colours: tuple[tuple[int, int, int], ...], width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for index, colour in enumerate(colours):
        image.paste(colour, (index % 2 * width // 2, index // 2 * height // 2, width, height))
        if index == 1:
            image.paste(colours[0], (0, height // 2, width // 2, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    right, bottom = image.width * 3 // 4, image.height * 3 // 4
    left, top = image.width // 4, image.height // 4
    return [image.getpixel(at) for at in ((left, top), (right, top), (left, bottom), (right, bottom))]


def near(seen: list[tuple[int, ...]], expected: list[tuple[int, int, int]], within: int = 12) -> bool:
    return bool(np.abs(np.subtract(seen, expected)).max() <= within)


def refusal(content: bytes, name: str, folder: Path) -> str:
    """What the door says of a file with this content, after checking that it is one honest sentence."""
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    text = str(caught.value)
    assert name in text
    assert str(folder) not in text
    assert "Error" not in text
    assert "\n" not in text
    assert text.endswith((".", ")."))
    assert ": " in text, "the remedy comes after a colon"
    return text


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims a size and holds hardly any pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(bytes(64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def forged_webp(side: int) -> bytes:
    """A lossless WebP of 64 x 64 whose header claims more: 46 bytes that ask for a gigabyte."""
    content = bytearray(encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=True))
    at = content.find(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, (bits & ~0xFFFFFFF) | (side - 1) | ((side - 1) << 14))
    return bytes(content)


# --- upright ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("short_side", [None, 24])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_CORNERS)
def test_every_exif_orientation_comes_out_upright(orientation: int, file_format: str, short_side: int | None) -> None:
    size = (64, 96) if orientation >= 5 else (96, 64)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = quadrants(STORED_CORNERS[orientation], *size)
    content = encoded(stored, file_format, exif=exif, quality=95)
    image = open_image(io.BytesIO(content), short_side=short_side)
    assert image.size == ((96, 64) if short_side is None else (36, 24))
    assert near(corners(image), CORNERS)


def test_an_upright_picture_is_not_turned_a_second_time() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = open_image(io.BytesIO(encoded(quadrants(STORED_CORNERS[6], 64, 96), "JPEG", exif=exif)))
    assert ImageOps.exif_transpose(image).size == image.size
    assert ORIENTATION not in image.getexif()


def test_the_thumbnail_inside_exif_is_not_taken_for_the_picture() -> None:
    thumbnail = encoded(Image.new("RGB", (160, 120), YELLOW), "JPEG")
    # Two directories, little-endian: the orientation, then where the thumbnail lies.
    first = struct.pack("<HHHIII", 1, ORIENTATION, 3, 1, 3, 26)
    second = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(thumbnail), 0)
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + first + second
    exif += b"\0" * (56 + 6 - len(exif)) + thumbnail
    stored = quadrants(STORED_CORNERS[3], 96, 64)
    image = open_image(io.BytesIO(encoded(stored, "JPEG", exif=exif, quality=95)))
    assert image.size == (96, 64)
    assert near(corners(image), CORNERS)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("exif", [b"Exif\0\0no directory at all", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0"])
def test_damaged_exif_does_not_cost_the_picture(exif: bytes) -> None:
    assert open_image(io.BytesIO(encoded(noise(), "JPEG", exif=exif))).size == (120, 90)


def test_an_orientation_that_does_not_exist_is_ignored() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    image = open_image(io.BytesIO(encoded(quadrants(STORED_CORNERS[1], 96, 64), "JPEG", exif=exif, quality=95)))
    assert near(corners(image), CORNERS)


# --- modes -----------------------------------------------------------------------------------------------------------


def test_sixteen_bit_grey_keeps_its_greys() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (16, 1))
    image = open_image(io.BytesIO(encoded(Image.fromarray(ramp), "PNG")))
    seen = np.asarray(image)[0, :, 0].astype(float)
    assert image.mode == "RGB"
    assert np.abs(seen - np.linspace(0, 255, 64)).max() <= 1


def test_dark_sixteen_bit_grey_stays_dark() -> None:
    pixels = np.full((16, 16), 255, np.uint16)
    assert open_image(io.BytesIO(encoded(Image.fromarray(pixels), "PNG"))).getpixel((8, 8)) == (1, 1, 1)


def test_one_bit_becomes_black_and_white() -> None:
    image = Image.new("1", (16, 16), 1)
    image.paste(0, (0, 0, 8, 16))
    opened = open_image(io.BytesIO(encoded(image, "PNG")))
    assert (opened.getpixel((2, 8)), opened.getpixel((12, 8))) == ((0, 0, 0), (255, 255, 255))


def half_clear(mode: str) -> Image.Image:
    """Left half opaque dark, right half fully transparent with dark colours underneath."""
    rgba = Image.new("RGBA", (16, 16), (40, 40, 40, 0))
    rgba.paste((40, 40, 40, 255), (0, 0, 8, 16))
    return rgba.convert(mode)


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([40, 40, 40, 90, 0, 0])
    image.paste(0, (0, 0, 8, 16))
    return image


@pytest.mark.parametrize(
    ("image", "file_format", "options"),
    [
        (half_clear("RGBA"), "PNG", {}),
        (half_clear("LA"), "PNG", {}),
        (half_clear("RGBA"), "WEBP", {"lossless": True, "exact": True}),
        (palette_with_transparency(), "PNG", {"transparency": 1}),
        (palette_with_transparency(), "PNG", {"transparency": b"\xff\x00"}),
        (palette_with_transparency(), "GIF", {"transparency": 1}),
        (palette_with_transparency().convert("RGB"), "PNG", {"transparency": (90, 0, 0)}),
        (palette_with_transparency().convert("L"), "PNG", {"transparency": 27}),
    ],
    ids=["RGBA", "LA", "WebP", "palette", "palette alpha", "GIF", "RGB key", "grey key"],
)
def test_transparent_parts_turn_white(image: Image.Image, file_format: str, options: dict[str, object]) -> None:
    opened = open_image(io.BytesIO(encoded(image, file_format, **options)))
    assert opened.mode == "RGB"
    assert (opened.getpixel((2, 8)), opened.getpixel((12, 8))) == ((40, 40, 40), (255, 255, 255))


def bmp_with_alpha(alpha: int) -> bytes:
    """A 32-bit BMP with an alpha mask, red everywhere, as clipboards write it."""
    pixels = struct.pack("<BBBB", 20, 20, 220, alpha) * 256
    masks = struct.pack("<IIIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, 0x73524742) + bytes(48)
    header = struct.pack("<IiiHHIIiiII", 108, 16, -16, 1, 32, 3, len(pixels), 2835, 2835, 0, 0) + masks
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels


def all_clear(file_format: str, mode: str = "RGBA") -> bytes:
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    return encoded(Image.new("RGBA", (16, 16), (*RED, 0)).convert(mode), file_format, **options)


@pytest.mark.parametrize(
    "content",
    [bmp_with_alpha(0), all_clear("PNG"), all_clear("WEBP"), all_clear("PNG", "LA")],
    ids=["BMP", "PNG", "WebP", "grey"],
)
def test_alpha_that_is_zero_everywhere_is_no_alpha(content: bytes) -> None:
    grey = Image.new("RGB", (1, 1), RED).convert("L").getpixel((0, 0))
    assert open_image(io.BytesIO(content)).getpixel((8, 8)) in (RED, (grey, grey, grey))


def test_a_bmp_with_alpha_lies_over_white() -> None:
    assert open_image(io.BytesIO(bmp_with_alpha(255))).getpixel((8, 8)) == RED
    assert near([open_image(io.BytesIO(bmp_with_alpha(128))).getpixel((8, 8))], [(237, 137, 137)], within=2)


def png_with_clear_colour(depth: int, colour: int, dark: bytes, light: bytes, clear: bytes) -> bytes:
    """A PNG of 16 x 16 whose left half is `dark`, its right half `light`, bytes of a row each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 16, 16, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + dark + light) * 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", clear) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (png_with_clear_colour(16, 0, b"\x28\x28" * 8, b"\x5a\x01" * 8, b"\x5a\x01"), 40),
        (png_with_clear_colour(16, 2, b"\x28\x28" * 24, b"\x5a\x01" * 24, b"\x5a\x01" * 3), 40),
        (png_with_clear_colour(8, 0, b"\x28" * 8, b"\x5a" * 8, b"\0\x5a"), 40),
        (png_with_clear_colour(4, 0, b"\x33" * 4, b"\x99" * 4, b"\0\x09"), 51),
        (png_with_clear_colour(2, 0, b"\x55" * 2, b"\xaa" * 2, b"\0\x02"), 85),
        (png_with_clear_colour(1, 0, b"\xff", b"\x00", b"\0\x00"), 255),
        (png_with_clear_colour(1, 0, b"\x00", b"\xff", b"\0\x01"), 0),
    ],
    ids=["16 bits", "16 bits in colour", "8 bits", "4 bits", "2 bits", "clear black", "clear white"],
)
def test_a_clear_colour_is_clear_at_every_depth(content: bytes, left: int) -> None:
    opened = open_image(io.BytesIO(content))
    assert (opened.getpixel((2, 8)), opened.getpixel((12, 8))) == ((left,) * 3, (255, 255, 255))


def test_half_transparent_black_over_white_is_grey() -> None:
    opened = open_image(io.BytesIO(encoded(Image.new("RGBA", (16, 16), (0, 0, 0, 128)), "PNG")))
    assert near([opened.getpixel((8, 8))], [(127, 127, 127)], within=1)


def test_cmyk_shows_the_colours_it_was_made_of() -> None:
    stored = quadrants(STORED_CORNERS[1], 96, 64).convert("CMYK")
    assert near(corners(open_image(io.BytesIO(encoded(stored, "JPEG", quality=95)))), CORNERS)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "MPO"])
def test_an_animation_gives_its_first_frame(file_format: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100)
    opened = open_image(io.BytesIO(content))
    assert opened.mode == "RGB"
    assert near([opened.getpixel((16, 16))], [RED], within=8)


def test_a_float_tiff_is_refused_and_told_what_to_use(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(np.full((16, 16), 0.5, np.float32)), "TIFF")
    assert "use JPEG, PNG" in refusal(content, "float.png", tmp_path)


# --- content and names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.JPEG", "a.JPG", "a.jfif", "a", "a.tiff", "a.txt", ".jpg", "ä ö.Png"])
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_right_content_is_accepted_under_any_name(name: str, file_format: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(noise(), file_format))
    assert read_header(path).width == 120
    assert open_image(path).size == (120, 90)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n0 0 64 64 rectfill\nshowpage\n%%EOF\n"
PSD = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3) + bytes(12) + b"\0\0" + bytes(64 * 64 * 3)
STRANGERS = {
    "EPS": EPS,
    "PSD": PSD,
    "TIFF": encoded(noise(), "TIFF"),
    "ICO": encoded(noise(), "ICO"),
    "TGA": encoded(noise(), "TGA"),
    "PPM": encoded(noise(), "PPM"),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/></svg>',
    "PDF": encoded(noise(), "PDF"),
    "HTML": b"<!doctype html><html><body><script>alert(1)</script></body></html>",
    "text": b"not a picture",
    "zip": b"PK\x05\x06" + bytes(18),
}


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gs` at the head of PATH that leaves a mark when anybody starts it; the mark's path is returned."""
    mark, programs = tmp_path / "started", tmp_path / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\n: > '{mark}'\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return mark


@pytest.mark.parametrize("kind", STRANGERS)
def test_other_content_named_jpg_is_refused_and_starts_nothing(kind: str, tmp_path: Path, ghostscript: Path) -> None:
    assert "not a picture this program reads: use JPEG" in refusal(STRANGERS[kind], "holiday.jpg", tmp_path)
    assert not ghostscript.exists()


def test_a_process_can_be_restricted_to_the_decoders_it_needs_and_is_not_unasked() -> None:
    code = (
        "from PIL import Image; from tl_engine.photos.opening import restrict_pillow; Image.init();"
        "print('TIFF' in Image.OPEN); restrict_pillow(); print(sorted(Image.OPEN))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # MPO comes in through JPEG; what is decoded apart has no decoder here.
    assert done.stdout.splitlines() == ["True", "['BMP', 'GIF', 'JPEG', 'PNG', 'WEBP']"]


def test_every_format_has_its_own_suffix_and_start() -> None:
    assert len({row.suffix for row in FORMATS}) == len(FORMATS) == len({row.starts for row in FORMATS})


# --- damaged ---------------------------------------------------------------------------------------------------------


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    assert "empty (0 bytes)" in refusal(b"", "empty.jpg", tmp_path)


@pytest.mark.parametrize("short_side", [None, 64])
@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_truncated_picture_is_named_and_refused(
    file_format: str, share: float, short_side: int | None, tmp_path: Path
) -> None:
    content = encoded(noise(400, 300), file_format)
    path = tmp_path / "cut.jpg"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=r"cut\.jpg is (cut short|damaged) and cannot be read: save or copy it again"):
        open_image(path, short_side=short_side)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_picture_cut_within_its_header_is_called_damaged(file_format: str, tmp_path: Path) -> None:
    text = refusal(encoded(noise(), file_format)[:14], "cut.jpg", tmp_path)
    assert "damaged" in text or "cut short" in text


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_flipped_bytes_raise_nothing_but_image_errors(file_format: str) -> None:
    content, random = encoded(noise(40, 30), file_format), np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(content)
        for at in random.integers(0, len(content), 6):
            broken[at] = random.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert open_image(io.BytesIO(broken), short_side=16).mode == "RGB"


def test_a_missing_picture_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg is not there"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        open_image(tmp_path)


def test_a_strange_long_name_is_shown_as_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / ("line\nbreak" + "x" * 200 + ".jpg")
    path.write_bytes(b"nothing")
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("line?break")
    assert len(str(caught.value)) < 200


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (1, 16_000)])
def test_a_picture_under_eight_pixels_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    assert "smallest picture taken is 8 x 8" in refusal(encoded(Image.new("L", size), "PNG"), "tiny.png", tmp_path)


def test_eight_by_eight_is_taken() -> None:
    assert open_image(io.BytesIO(encoded(Image.new("L", (8, 8)), "PNG"))).size == (8, 8)


def solid_png() -> bytes:
    """144 million real pixels, 1 bit each, in 18 KB: the bomb that is no lie."""
    return encoded(Image.new("1", (12_000, 12_000)), "PNG")


BOMBS: dict[str, Callable[[], bytes]] = {
    "1 x 65535": lambda: encoded(Image.new("1", (1, 65_535)), "PNG"),
    "65535 x 1 JPEG": lambda: encoded(Image.new("L", (65_500, 1)), "JPEG"),
    "honest 12000 x 12000": solid_png,
    "forged PNG": lambda: png_header(2**31 - 1, 2**31 - 1),
    "just over": lambda: png_header(7_072, 7_072),
    "one side over": lambda: png_header(MAX_SIDE + 1, 8),
    "16-bit PNG": lambda: png_header(16_000, 16_000, depth=16, colour=0),
    "forged WebP": lambda: forged_webp(16_383),
    "forged GIF": lambda: b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded(noise(), "GIF")[10:],
    "forged BMP": lambda: encoded(noise(), "BMP").replace(
        struct.pack("<ii", 120, 90), struct.pack("<ii", 60_000, 60_000)
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_decompression_bomb_is_refused_before_decoding(
    bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = BOMBS[bomb]()
    loaded: list[str] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: loaded.append(image.format))
    monkeypatch.setattr("PIL.Image.Image.load", lambda image: loaded.append(image.format))
    assert "megapixels, the most taken of a" in refusal(content, "bomb.png", tmp_path)
    assert not loaded
    with pytest.raises(ImageError, match="megapixels"):
        read_header(tmp_path / "bomb.png")


def test_a_deep_grey_picture_costs_little_more_than_its_pixels() -> None:
    side = 2_000
    content = encoded(Image.fromarray(np.full((side, side), 30_000, np.uint16)), "PNG", compress_level=1)
    tracemalloc.start()
    open_image(io.BytesIO(content))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < side * side * 14, "bytes a pixel: at 50 megapixels 14 are 0.7 GB"


# --- shrinking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1000, 400), (400, 1000), (400, 400), (801, 799)])
@pytest.mark.parametrize("short_side", [24, 64, 99, 100, 101, 224, 399])
def test_a_shrunk_jpeg_has_exactly_the_short_side(size: tuple[int, int], short_side: int) -> None:
    content = encoded(Image.new("RGB", size, GREEN), "JPEG")
    image = open_image(io.BytesIO(content), short_side=short_side)
    assert min(image.size) == short_side
    assert abs(max(image.size) - short_side * max(size) / min(size)) <= 1


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_small_picture_is_never_enlarged(file_format: str) -> None:
    assert open_image(io.BytesIO(encoded(noise(60, 40), file_format)), short_side=224).size == (60, 40)


def test_a_jpeg_decodes_to_a_fraction_and_never_below_the_size_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    crop = Image.Image.crop

    def spy(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
        decoded.append(image.size)
        return crop(image, box)

    monkeypatch.setattr(Image.Image, "crop", spy)
    content = encoded(Image.new("RGB", (1600, 1200)), "JPEG")
    for short_side in (100, 224, 400, 900):
        open_image(io.BytesIO(content), short_side=short_side)
    assert decoded == [(200, 150), (400, 300), (800, 600), (1600, 1200)]


def test_a_phones_108_megapixels_and_a_long_panorama_are_taken() -> None:
    for size, small in (((12_000, 9_000), (85, 64)), ((30_000, 2_000), (960, 64))):
        content = io.BytesIO(encoded(Image.new("L", size), "JPEG"))
        assert (read_header(content).width, read_header(content).height) == size
        assert open_image(content, short_side=64).size == small


def test_what_is_decoded_is_limited_not_what_is_stored() -> None:
    content = io.BytesIO(encoded(Image.new("L", (9_280, 6_944)), "JPEG"))
    assert open_image(content, short_side=512).size == (684, 512)
    with pytest.raises(ImageError, match="50 megapixels"):
        open_image(content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_strip_by_strip_is_what_pillow_makes_of_the_whole(mode: str) -> None:
    whole = noise(2_003, 1_111).convert(mode)
    if mode == "RGBA":
        whole.putalpha(Image.linear_gradient("L").resize(whole.size))
    rgb = whole.convert("RGB")
    if mode == "RGBA":
        rgb = Image.new("RGB", whole.size, "white")
        rgb.paste(whole, mask=whole)
    expected = rgb.resize((180, 100), Image.Resampling.BICUBIC, reducing_gap=3.0)
    seen = open_image(io.BytesIO(encoded(whole, "PNG", compress_level=1)), short_side=100)
    assert np.array_equal(np.asarray(seen), np.asarray(expected))


def test_orientation_in_xmp_and_in_an_old_png_counts_too() -> None:
    upright = quadrants(STORED_CORNERS[1], 96, 64)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="3"/>'
    assert near(corners(open_image(io.BytesIO(encoded(upright, "JPEG", xmp=xmp, quality=95)))), CORNERS[::-1])
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    profile = PngImagePlugin.PngInfo()
    profile.add_text("Raw profile type exif", "\nexif\n   40\n" + exif.tobytes().hex() + "\n", zip=True)
    assert near(corners(open_image(io.BytesIO(encoded(upright, "PNG", pnginfo=profile)))), CORNERS[::-1])


def test_a_shrunk_picture_looks_like_the_whole_one() -> None:
    content = encoded(quadrants(STORED_CORNERS[1], 1200, 800), "JPEG", quality=95)
    assert near(corners(open_image(io.BytesIO(content), short_side=50)), CORNERS)


def test_a_long_strip_is_refused_before_it_is_resized(tmp_path: Path) -> None:
    assert "at most 50 times as long as wide" in refusal(encoded(Image.new("L", (8, 16_000)), "PNG"), "s.png", tmp_path)
