"""The one door for pictures: uploads, archive members and training files all come through `open_image`.

What comes out is upright, RGB, the first frame, alpha over white, deep pixels rescaled. Only Pillow decodes:
`torchvision.io` ends the process on some corrupt PNGs. No torch here.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tl_engine.errors import ImageError, not_opened

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF")
MIN_SIDE, MAX_SIDE = 8, 16_384  # pixels
MAX_PIXELS = 50_000_000
MOST_ELONGATED = 50  # long side : short side; resizing a longer strip would take gigabytes
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".mpo"))
Source = Path | IO[bytes]
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")  # how the formats we read begin
UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _restrict_pillow() -> None:
    """Keep the decoders we need and refuse bombs, for everybody in this process (Gradio decodes pictures too)."""
    Image.init()
    for name in set(Image.OPEN) - set(FORMATS):
        del Image.OPEN[name]
    Image.ID[:] = [name for name in Image.ID if name in FORMATS]
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow raises at twice this
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


_restrict_pillow()


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence. Decoders raise far more than OSError (reliability.md)."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(_too_large(name)) from None
    except MemoryError:
        raise ImageError(f"{name} needs more memory than there is: save it smaller.") from None
    except FileNotFoundError:
        raise ImageError(f"{name} is not there: check the path.") from None
    except PermissionError as error:
        raise ImageError(not_opened(name, error)) from None
    except IsADirectoryError:
        raise ImageError(f"{name} is a folder, not a picture: name the pictures in it.") from None
    except Exception as error:
        raise ImageError(_damaged(name, "truncated" in str(error).lower())) from error


def _damaged(name: str, cut_short: bool = False) -> str:
    return f"{name} is {'cut short' if cut_short else 'damaged'} and cannot be read: save or copy it again."


def _too_large(name: str) -> str:
    return f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels or {MAX_SIDE:,} pixels a side: save it smaller."


def _display_name(source: Source, name: str | None) -> str:
    """The name as one short line: a file's name may hold line breaks and 255 letters."""
    name = name or (source.name if isinstance(source, Path) else "the picture")
    line = "".join(c if c.isprintable() else "?" for c in name)
    return line if len(line) <= 80 else f"{line[:60]}...{line[-12:]}"


def _open(source: Source, name: str) -> Image.Image:
    """The picture with its header checked and nothing decoded yet."""
    try:
        image = Image.open(source)
    except UnidentifiedImageError:
        raise ImageError(_not_a_picture(source, name)) from None
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(_too_large(name))
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width} x {height} pixels: the smallest picture taken is {MIN_SIDE} x {MIN_SIDE}.")
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise ImageError(
            f"{name} is {width} x {height} pixels: at most {MOST_ELONGATED} times as long as wide is taken; crop it."
        )
    return image


def _not_a_picture(source: Source, name: str) -> str:
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(12)
    else:
        source.seek(0)
        start = source.read(12)
    if not start:
        return f"{name} is empty (0 bytes): copy it again."
    if start[4:8] == b"ftyp":
        return f"{name} is a HEIC, AVIF or video file: export it as JPEG (iPhone: Settings, Camera, Most Compatible)."
    if start.startswith(STARTS):
        return _damaged(name)
    return f"{name} is not a picture this program reads: use JPEG, PNG, WebP, BMP or GIF."


@contextmanager
def open_header(path: Path, name: str | None = None) -> Iterator[Image.Image]:
    """The picture with nothing decoded yet, so it costs 0.1 ms. Raises ImageError if it is clearly none of ours."""
    shown = _display_name(path, name)
    with _refusing(shown), _open(path, shown) as image:
        yield image


def open_image(source: Source, *, name: str | None = None, short_side: int | None = None) -> Image.Image:
    """Decode a picture: upright, RGB, first frame, its short side shrunk to `short_side` pixels if larger.

    Raises ImageError with one sentence naming the file, the reason and the remedy.
    """
    shown = _display_name(source, name)
    with _refusing(shown), _open(source, shown) as image:
        if short_side:
            # JPEG decodes to 1/2, 1/4 or 1/8 at a fraction of the cost, never below the size asked for.
            image.draft(None, _shrunk(image.size, short_side))
        image.load()
        rgb = _to_rgb(_upright(image))
        rgb.info = {}  # it still names the old orientation and the old transparent colour
        if short_side and min(rgb.size) > short_side:
            rgb = rgb.resize(_shrunk(rgb.size, short_side), Image.Resampling.BICUBIC, reducing_gap=3.0)
        return rgb


def _shrunk(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says. Pillow's exif_transpose copies upright pictures too and writes the EXIF data back."""
    turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image.transpose(turn) if turn is not None else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _rescaled(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba)  # needs half the memory of alpha_composite
        return white
    return image.convert("RGB")


def _rescaled(image: Image.Image) -> Image.Image:
    """Deep grey to 8 bits: Pillow's own conversion clips 16-bit pictures almost white."""
    pixels = np.array(image, dtype=np.float32)
    pixels *= 255 / (65535 if pixels.max() > 255 else 255)
    return Image.fromarray(np.rint(pixels, out=pixels).astype(np.uint8))
