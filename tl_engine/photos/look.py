"""A look at one photo, small and once: is it whole, what had to be converted, how large, what is it alike? No torch."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.photos.opening import Header, open_image, read_header

LOOK_SIDE = 64  # pixels of the short side that are decoded; enough for the tones, an eighth of the cost for a JPEG
TONES_SIDE = 16
FORMAT = 2  # of looks that are kept; others are taken anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one photo is like. `problem` is one sentence, empty when it can be read."""

    width: int = 0  # pixels, as stored
    height: int = 0
    format: str = ""
    converted: tuple[str, ...] | list[str] = ()  # what it was that had to be changed, such as "CMYK"
    tones: str = ""  # of 16 x 16 fields, in hexadecimal: the fingerprint by which copies are found
    blank: bool = False  # one colour everywhere
    problem: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "converted", tuple(self.converted))  # json knows lists only


def look_at(path: Path) -> Look:
    """Decode a photo small and describe it; whatever is wrong with it becomes its `problem`."""
    try:
        header = read_header(path)
        picture = open_image(path, short_side=LOOK_SIDE)
    except ImageError as error:
        return Look(problem=str(error))
    return Look(
        width=header.width,
        height=header.height,
        format=header.format,
        converted=_conversions(header),
        tones=tones_of(picture),
        blank=picture.getcolors(1) is not None,
    )


def _conversions(header: Header) -> tuple[str, ...]:
    """What `open_image` changes on the way to upright RGB."""
    found = {
        "more than 8 bits a pixel": header.deep,
        "CMYK, colours of print": header.mode == "CMYK",
        "a palette of few colours": header.mode in ("P", "PA"),
        "black and white only": header.mode == "1",
        "transparent, laid over white": header.transparent,
        "rotated as its camera noted": header.turned,
        "animated, first frame taken": header.animated,
    }
    return tuple(words for words, applies in found.items() if applies)


def tones_of(picture: Image.Image) -> str:
    """The picture as 16 x 16 tones of grey, bytes in hexadecimal: what re-encoding and resizing hardly move."""
    small = picture.convert("L").resize((TONES_SIDE, TONES_SIDE), Image.Resampling.BOX)
    return small.tobytes().hex()
