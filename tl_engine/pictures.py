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
from PIL import Image, ImageOps

from tl_engine.errors import ImageError

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF")
MIN_SIDE, MAX_SIDE = 8, 16_384  # pixels
MAX_PIXELS = 50_000_000
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".mpo"))
Source = Path | IO[bytes]


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
    except IsADirectoryError:
        raise ImageError(f"{name} is a folder, not a picture: name the pictures in it.") from None
    except Exception as error:
        detail = "cut short" if "truncated" in str(error).lower() else "damaged"
        raise ImageError(f"{name} is {detail} and cannot be read: save or copy it again.") from error


def _too_large(name: str) -> str:
    return (
        f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels or {MAX_SIDE:,} pixels a side: save it smaller."
    )


def _display_name(source: Source, name: str | None) -> str:
    return name or (source.name if isinstance(source, Path) else "the picture")


def _open(source: Source, name: str) -> Image.Image:
    """The picture with its header checked and nothing decoded yet."""
    try:
        image = Image.open(source)
    except Image.UnidentifiedImageError:
        raise ImageError(_not_a_picture(source, name)) from None
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(_too_large(name))
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width} x {height} pixels: the smallest picture taken is {MIN_SIDE} x {MIN_SIDE}.")
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
    return f"{name} is not a picture this program reads: use JPEG, PNG, WebP, BMP or GIF."


def check_header(path: Path, name: str | None = None) -> None:
    """Raise ImageError if the file is clearly no picture of ours; reads its header only, so it costs 0.1 ms."""
    shown = _display_name(path, name)
    with _refusing(shown), _open(path, shown):
        pass


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
        upright = ImageOps.exif_transpose(image)
        rgb = _to_rgb(upright)
        if short_side and min(rgb.size) > short_side:
            rgb = rgb.resize(_shrunk(rgb.size, short_side), Image.Resampling.BICUBIC, reducing_gap=3.0)
        return rgb


def _shrunk(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):
        return _rescaled(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _rescaled(image: Image.Image) -> Image.Image:
    """Deep grey to 8 bits: Pillow's own conversion clips 16-bit pictures almost white."""
    pixels = np.nan_to_num(np.asarray(image, dtype=np.float64))
    if image.mode == "F":
        low, high = float(pixels.min()), float(pixels.max())
    else:
        low, high = 0.0, 65535.0 if pixels.max() > 255 else 255.0
    scaled = (pixels - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8))
