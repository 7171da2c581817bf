"""Making a square of a picture, with Pillow alone: its centre, all of it padded, or all of it stretched."""

from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image, ImageOps

Fit = Literal["crop", "pad", "stretch"]
FITS: tuple[Fit, ...] = get_args(Fit)
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """How it is made, in numbers."""

    resize: int  # short side before the centre is cut out, pixels
    crop: int  # side of the square, pixels; at most `resize`
    interpolation: str  # a key of INTERPOLATIONS
    fit: str  # one of FITS
    colour: tuple[int, int, int]  # of the padding, RGB bytes

    def view(self, image: Image.Image) -> Image.Image:
        """An RGB picture as a square of `crop` pixels."""
        if self.fit != "crop":
            return self.whole(image, self.crop)
        width, height = image.size
        short = min(width, height)
        size = (int(self.resize * width / short), int(self.resize * height / short))
        left, top = (round((side - self.crop) / 2.0) for side in size)
        resized = image.resize(size, INTERPOLATIONS[self.interpolation])
        return resized.crop((left, top, left + self.crop, top + self.crop))

    def whole(self, image: Image.Image, side: int) -> Image.Image:
        """All of an RGB picture as a square of `side` pixels, padded or stretched."""
        resampling = INTERPOLATIONS[self.interpolation]
        if self.fit == "stretch":
            return image.resize((side, side), resampling)
        return ImageOps.pad(image, (side, side), resampling, self.colour)
