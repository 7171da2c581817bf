"""A look at one photo, small and once: is it whole, what had to be converted, how large, what is it alike? No torch."""

from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from tl_engine.errors import ImageError
from tl_engine.pictures import open_header, open_image

LOOK_SIDE = 64  # pixels of the short side that are decoded; enough for the tones, an eighth of the cost for a JPEG
TONES_SIDE = 16
DEEP = ("I", "F")  # how Pillow's modes with more than 8 bits begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one photo is like. `problem` is one sentence, empty when it can be read."""

    width: int = 0  # pixels, as stored
    height: int = 0
    format: str = ""
    converted: tuple[str, ...] | list[str] = ()  # what it was that had to be changed, such as "CMYK"
    tones: str = ""  # of 16 x 16 fields, in hexadecimal: the fingerprint by which copies are found
    problem: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "converted", tuple(self.converted))  # json knows lists only


def look_at(path: Path) -> Look:
    """Decode a photo small and describe it; whatever is wrong with it becomes its `problem`."""
    try:
        with open_header(path) as header:
            (width, height), kind, converted = header.size, header.format or "", tuple(_conversions(header))
        picture = open_image(path, short_side=LOOK_SIDE)
    except ImageError as error:
        return Look(problem=str(error))
    return Look(width=width, height=height, format=kind, converted=converted, tones=tones_of(picture))


def _conversions(header: Image.Image) -> list[str]:
    """What `open_image` changes on the way to upright RGB."""
    found = []
    if header.mode.startswith(DEEP):
        found.append("more than 8 bits a pixel")
    elif header.mode == "CMYK":
        found.append("CMYK, colours of print")
    elif header.mode in ("P", "PA"):
        found.append("a palette of few colours")
    elif header.mode == "1":
        found.append("black and white only")
    if header.has_transparency_data:
        found.append("transparent, laid over white")
    if header.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        found.append("rotated as its camera noted")
    if getattr(header, "n_frames", 1) > 1 and header.format != "MPO":
        found.append("animated, first frame taken")
    return found


def tones_of(picture: Image.Image) -> str:
    """The picture as 16 x 16 tones of grey, bytes in hexadecimal: what re-encoding and resizing hardly move."""
    small = picture.convert("L").resize((TONES_SIDE, TONES_SIDE), Image.Resampling.BOX)
    return small.tobytes().hex()
