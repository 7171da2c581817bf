"""The one door for pictures: uploads, archive members and training files all come through `open_image`.

What comes out is upright, RGB, the first frame, alpha over white, deep pixels rescaled. Only Pillow decodes, and HEIC
and AVIF in a process of their own: `torchvision.io` ends the process on some corrupt PNGs. No torch here.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from tl_engine.base.errors import ImageError
from tl_engine.base.parallel import Budget
from tl_engine.base.settings import HOME
from tl_engine.photos.apart import Decoders
from tl_engine.photos.formats import LABELS, MEGAPIXEL, MOST_MEMORY, START, PhotoFormat, format_of
from tl_engine.photos.heif_header import read_heif_header
from tl_engine.photos.parts import count_parts
from tl_engine.photos.photo_file import Source, display_name, opened, refusing
from tl_engine.photos.pixels import finished, orientation, scale_clear_colour, shrunk

MIN_SIDE, MAX_SIDE = 8, 30_000  # pixels
MAX_PIXELS = 50 * MEGAPIXEL  # that are decoded
MOST_STORED = 250 * MEGAPIXEL  # in a file that decodes at a fraction; all of it is read, which takes time
MOST_ELONGATED = 50  # long side : short side; resizing a longer strip would take gigabytes
MOST_SCANNED = 2_000 * MEGAPIXEL  # samples x scans of a progressive JPEG: each scan passes over the whole picture
PLUGINS: dict[str, Callable[[IO[bytes]], ImageFile]] = {  # called directly: `Image.open` would try all it knows
    "JPEG": JpegImageFile,  # not the factory: it expands what a list of further pictures claims, gigabytes
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
}
DECODING = Budget(2 * MOST_MEMORY)  # bytes, of all threads of this process together
APART = Decoders()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says of its picture before anything is decoded."""

    format: str  # as in formats.FORMATS
    width: int  # pixels as stored
    height: int
    mode: str = "RGB"  # as Pillow calls it
    deep: bool = False  # more than 8 bits a channel, as far as it matters here
    transparent: bool = False
    turned: bool = False  # shown rotated or mirrored
    animated: bool = False


def restrict_pillow() -> None:
    """Keep the decoders we need and refuse bombs, for everybody in this process: Gradio decodes pictures too."""
    Image.init()
    for name in set(Image.OPEN) - set(PLUGINS):
        del Image.OPEN[name]
    Image.ID[:] = [name for name in Image.ID if name in PLUGINS]
    Image.OPEN["JPEG"] = (JpegImageFile, Image.OPEN["JPEG"][1])  # as in PLUGINS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow raises at twice this
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def read_header(source: Source, *, name: str | None = None, most_bytes: int = HOME.image_bytes) -> Header:
    """What the file says of its picture; nothing is decoded, so it costs 0.1 ms.

    Raises ImageError for what is clearly no picture that `open_image` takes.
    """
    shown = display_name(source, name)
    with refusing(shown), opened(source, shown, most_bytes) as file:
        kind = _kind(file, shown)
        if kind.apart:
            return _apart_header(file, kind, shown)
        parts = count_parts(file, kind, shown, whole=False)
        with PLUGINS[kind.name](file) as image:
            _check_size(image.size, kind, shown)
            return Header(
                format=kind.name,
                width=image.width,
                height=image.height,
                mode=image.mode,
                deep=image.mode.startswith("I"),
                transparent=image.has_transparency_data,
                turned=orientation(image.info) != 1,
                animated=_animated(image, parts),
            )


def open_image(
    source: Source, *, name: str | None = None, short_side: int | None = None, most_bytes: int = HOME.image_bytes
) -> Image.Image:
    """Decode a picture: upright, RGB, first frame, its short side shrunk to `short_side` pixels if larger.

    Raises ImageError with one sentence naming the file, the reason and the remedy; so for a file of more than
    `most_bytes`. Waits while other threads are decoding much.
    """
    shown = display_name(source, name)
    with refusing(shown), opened(source, shown, most_bytes) as file:
        kind = _kind(file, shown)
        if kind.apart:
            header = _apart_header(file, kind, shown)
            with DECODING.part(header.width * header.height * kind.cost):
                file.seek(0)
                return APART.decode(file.read(), kind, shown, short_side)
        parts = count_parts(file, kind, shown, whole=True)
        depth = _depth(file, kind)
        with PLUGINS[kind.name](file) as image:
            _check_size(image.size, kind, shown)
            memory = _prepare(image, kind, parts, shown, short_side)
            with DECODING.part(memory):
                image.load()
                scale_clear_colour(image, depth)
                return finished(image, image.info, short_side)


def _kind(file: IO[bytes], name: str) -> PhotoFormat:
    kind = format_of(file.read(START))
    if kind is None:
        raise ImageError(f"{name} is not a picture this program reads: use {LABELS}.")
    file.seek(0)
    return kind


def _check_size(size: tuple[int, int], kind: PhotoFormat, name: str) -> None:
    width, height = size
    most = MOST_STORED if kind.fraction else kind.most_pixels
    if max(size) > MAX_SIDE or width * height > most:
        raise _too_large(name, kind, most)
    if min(size) < MIN_SIDE:
        raise ImageError(f"{name} is {width} x {height} pixels: the smallest picture taken is {MIN_SIDE} x {MIN_SIDE}.")
    if max(size) > MOST_ELONGATED * min(size):
        raise ImageError(
            f"{name} is {width} x {height} pixels: at most {MOST_ELONGATED} times as long as wide is taken; crop it."
        )


def _too_large(name: str, kind: PhotoFormat, most: int) -> ImageError:
    return ImageError(
        f"{name} is larger than {most // MEGAPIXEL} megapixels, the most taken of a {kind.label}, or {MAX_SIDE:,} "
        "pixels a side: save it smaller."
    )


def _prepare(image: ImageFile, kind: PhotoFormat, parts: Counter[str], name: str, short_side: int | None) -> int:
    """Choose the fraction a JPEG is decoded at; the bytes of memory that decoding will take. Raises ImageError."""
    samples = _samples(image) if parts["buffered"] else 0
    if short_side:
        # JPEG decodes to 1/2, 1/4 or 1/8 at a fraction of the cost, never below the size asked for.
        image.draft(None, shrunk(image.size, short_side))
    pixels = image.width * image.height
    if pixels > kind.most_pixels:
        raise _too_large(name, kind, kind.most_pixels)
    if samples * parts["scan"] > MOST_SCANNED or 2 * samples + kind.cost * pixels > MOST_MEMORY:
        raise ImageError(f"{name} is too large for a progressive JPEG: save it as a plain one, or smaller.")
    return 2 * samples + kind.cost * pixels


def _samples(image: ImageFile) -> int:
    """Numbers of 2 bytes that a JPEG holds until its last scan is read: its pixels in each component."""
    layers = image.layer if isinstance(image, JpegImageFile) else []
    widest, highest = (max((layer[axis] for layer in layers), default=1) or 1 for axis in (1, 2))
    return sum(image.width * image.height * across * down // (widest * highest) for _, across, down, _ in layers)


def _depth(file: IO[bytes], kind: PhotoFormat) -> int:
    """Bits of a channel of a PNG; 8 of all others."""
    if kind.name != "PNG":
        return 8
    file.seek(24)
    depth = file.read(1)
    file.seek(0)
    return depth[0] if depth else 8


def _animated(image: ImageFile, parts: Counter[str]) -> bool:
    """Whether there is a second frame; a phone's second picture in a JPEG is none."""
    if isinstance(image, GifImageFile):
        return parts["frame"] > 1
    return isinstance(image, PngImageFile | WebPImageFile) and bool(image.is_animated)


def _apart_header(file: IO[bytes], kind: PhotoFormat, name: str) -> Header:
    found = read_heif_header(file)
    _check_size((found.width, found.height), kind, name)
    if found.coded > kind.most_pixels:
        raise _too_large(name, kind, kind.most_pixels)
    return Header(
        format=kind.name,
        width=found.width,
        height=found.height,
        deep=found.deep,
        transparent=found.clear,
        turned=found.turned,
        animated=found.film,
    )
