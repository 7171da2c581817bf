"""From a decoded picture to what everybody works with: upright, RGB, alpha over white, small. No torch here.

Large pictures are turned into RGB strip by strip, so that no second copy of all their pixels is ever needed.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from PIL import Image

STRIP = 2_000_000  # pixels
GAP = 3.0  # a picture is first averaged to this many times the wanted size, then resampled
MOST_ENTRIES = 500  # of an EXIF directory that are looked through for the orientation
ORIENTATION = 0x0112
IN_XMP = re.compile(r'tiff:Orientation(?:="|>)([0-9])')
PROFILE = "Raw profile type exif"  # how older programs keep EXIF in a PNG: lines of hexadecimal
UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def shrunk(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The size with this short side, pixels, in the same proportions."""
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


class Rows(Protocol):
    """A decoded picture from which parts are copied: Pillow's, or what another library decoded."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""

    @property
    def has_transparency_data(self) -> bool:
        """Whether it has alpha or a transparent colour."""

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Left, top, right, bottom of a part, pixels; it brings the picture's palette and `info` along."""


def finished(image: Rows, info: Mapping[Any, Any], short_side: int | None) -> Image.Image:
    """A decoded picture as upright RGB, its short side at most `short_side` pixels; `info` tells what is upright."""
    turn = UPRIGHT.get(orientation(info))
    size = shrunk(image.size, short_side) if short_side and min(image.size) > short_side else image.size
    factors = [max(1, int(whole / wanted / GAP)) for whole, wanted in zip(image.size, size, strict=True)]
    rgb = _rgb(image, (factors[0], factors[1]))
    if size != image.size:
        box = (0.0, 0.0, image.size[0] / factors[0], image.size[1] / factors[1])
        rgb = rgb.resize(size, Image.Resampling.BICUBIC, box)
    rgb.info = {}  # it still names the old orientation and the old transparent colour
    return rgb.transpose(turn) if turn is not None else rgb


def _rgb(image: Rows, factors: tuple[int, int]) -> Image.Image:
    """The picture as RGB over white, both sides divided by whole factors."""
    seen = image.has_transparency_data and any(_seen(_converted(strip)) for _, strip in _strips(image, 1))
    width, height = (-(-side // factor) for side, factor in zip(image.size, factors, strict=True))
    rgb = Image.new("RGB", (width, height))
    for top, strip in _strips(image, factors[1]):
        part = _converted(strip)
        part = _over_white(part) if seen else part.convert("RGB")
        rgb.paste(part.reduce(factors) if factors != (1, 1) else part, (0, top // factors[1]))
    return rgb


def _strips(image: Rows, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """(top, rows of the picture); as many rows as a multiple of `multiple`, but for the last."""
    width, height = image.size
    rows = max(1, STRIP // (width * multiple)) * multiple
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _converted(strip: Image.Image) -> Image.Image:
    """With alpha as a channel where there is any; deep grey in 8 bits, which Pillow would clip almost white."""
    if not strip.mode.startswith("I"):
        return strip.convert("RGBA") if strip.has_transparency_data else strip
    deep = np.asarray(strip).astype(np.float32)
    grey = Image.fromarray(np.rint(deep * (255 / 65535)).astype(np.uint8))
    if "transparency" not in strip.info:
        return grey
    alpha = Image.fromarray(np.where(deep == strip.info["transparency"], 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha)).convert("RGBA")


def _seen(strip: Image.Image) -> bool:
    """Whether anything of it is not fully transparent: alpha that is 0 everywhere is a byte nobody set."""
    return strip.getchannel("A").getextrema()[1] != 0


def _over_white(strip: Image.Image) -> Image.Image:
    white = Image.new("RGB", strip.size, "white")
    white.paste(strip, mask=strip)
    return white


def scale_clear_colour(image: Image.Image, depth: int) -> None:
    """A PNG names its transparent colour in the file's own bits (1 to 16), Pillow's pixels have 8 or are deep."""
    clear = image.info.get("transparency")
    if isinstance(clear, int) and depth < 8 and image.mode in ("1", "L"):
        image.info["transparency"] = clear * 255 // (2**depth - 1)
    elif isinstance(clear, tuple) and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def orientation(info: Mapping[Any, Any]) -> int:
    """How the camera was held, 1 to 8 as EXIF or XMP says, from what Pillow read; 1 where nothing says it.

    Pillow's own reader copies for each entry of EXIF whatever it claims, gigabytes for a forged one.
    """
    found = _in_exif(_exif(info))
    if found is None:
        xmp = info.get("XML:com.adobe.xmp", info.get("xmp", b""))
        text = xmp.decode("utf-8", "ignore") if isinstance(xmp, bytes) else str(xmp)
        found = int(match[1]) if (match := IN_XMP.search(text)) else 1
    return found if found in UPRIGHT else 1


def _exif(info: Mapping[Any, Any]) -> bytes:
    content = info.get("exif", b"")
    if not content and PROFILE in info:
        try:
            content = bytes.fromhex("".join(str(info[PROFILE]).split("\n")[3:]))
        except ValueError:
            return b""
    return content.removeprefix(b"Exif\0\0") if isinstance(content, bytes) else b""


def _in_exif(exif: bytes) -> int | None:
    order = "<" if exif.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(f"{order}L", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * min(count, MOST_ENTRIES), 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == ORIENTATION:
                return int(struct.unpack_from(f"{order}L" if kind == 4 else f"{order}H", exif, entry + 8)[0])
    except struct.error:
        pass
    return None
