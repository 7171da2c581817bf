"""One preprocessing contract: the numbers come with the weights, travel in meta.json, and are all that anybody reads.

Training, validation, prediction and export make their tensors here, so that what was trained is what predicts. Torch
comes with the first tensor: an export's square is a matter of numbers.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image

from tl_engine.backbones.architectures import Architecture
from tl_engine.backbones.libraries import VISION, import_timm, import_without_compiler
from tl_engine.base.errors import WeightsError
from tl_engine.base.settings import HOME
from tl_engine.base.written import written_json
from tl_engine.photos.opening import open_image
from tl_engine.photos.photo_file import Source
from tl_engine.photos.square import FITS, INTERPOLATIONS, Square

if TYPE_CHECKING:
    from torch import Tensor

SHRINK = 512  # pixels of the short side kept when decoding; part of the contract, since it moves pixels a little
LEAST_SHARE = 0.5  # of a padded or stretched picture that a random crop shows; less may be nothing but padding


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """Picture to tensor, in numbers. Raises WeightsError when they make no sense."""

    resize: int  # short side, pixels
    crop: int  # centre square, pixels; at most `resize`
    interpolation: str = "bilinear"
    channels: str = "rgb"  # or "bgr"
    scale: float = 1.0  # the value of a white pixel before mean and std: 1 or 255
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # in the order of `channels`
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    fit: str = "crop"  # what makes a square of a picture: its centre, padding all of it, or stretching all of it

    def __post_init__(self) -> None:
        fits = 8 <= self.crop <= self.resize <= 2048 and isinstance(self.crop, int) and isinstance(self.resize, int)
        named = self.interpolation in INTERPOLATIONS and self.channels in ("rgb", "bgr") and self.fit in FITS
        finite = all(math.isfinite(number) for number in (self.scale, *self.mean, *self.std))
        positive = self.scale > 0 and min(self.std, default=0) > 0
        if not (fits and named and finite and positive and len(self.mean) == len(self.std) == 3):
            raise WeightsError(
                f"Preprocessing {self.to_dict()} makes no sense: 8 <= crop <= resize <= 2048, interpolation "
                f"bilinear or bicubic, channels rgb or bgr, fit one of {', '.join(FITS)}, three means, scale and "
                "three standard deviations above 0."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From json. Raises WeightsError naming what is missing or unknown."""
        try:
            return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
        except (KeyError, TypeError) as error:
            keys = ", ".join(f.name for f in dataclasses.fields(cls))
            raise WeightsError(f"Preprocessing needs the keys {keys}; {error} does not fit.") from None

    def to_dict(self) -> dict[str, Any]:
        """Json-ready, the way meta.json keeps it."""
        return {**dataclasses.asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @property
    def short_side(self) -> int:
        """What `open_image` may shrink to, pixels."""
        return max(SHRINK, self.resize)

    def open(self, source: Source, name: str | None = None, most_bytes: int = HOME.image_bytes) -> Image.Image:
        """The picture as every later step expects it. Raises ImageError, also beyond `most_bytes`."""
        return open_image(source, name=name, short_side=self.short_side, most_bytes=most_bytes)

    @property
    def square(self) -> Square:
        """How a square is made of a picture; padding has the mean colour, which is zero to the network."""
        red, green, blue = (round(255 * number / self.scale) for number in self.mean)
        colour = (red, green, blue) if self.channels == "rgb" else (blue, green, red)
        return Square(resize=self.resize, crop=self.crop, interpolation=self.interpolation, fit=self.fit, colour=colour)

    def view(self, image: Image.Image) -> Image.Image:
        """What the network sees of an RGB picture, `crop` pixels square."""
        return self.square.view(image)

    def normalised(self, pixels: "Tensor") -> "Tensor":
        """Bytes (B, H, W, 3) as the network's numbers, (B, 3, H, W) float32 in channels_last."""
        import torch

        if self.channels == "bgr":
            pixels = pixels.flip(-1)
        batch, height, width, _ = pixels.shape
        mean, std = (torch.tensor(v, device=pixels.device).repeat(width) for v in (self.mean, self.std))
        # Whole rows at a time: three numbers at a time would leave the vector units idle.
        rows = pixels.reshape(batch, height, width * 3).float().mul_(self.scale / 255 / std).sub_(mean / std)
        return rows.view(batch, height, width, 3).permute(0, 3, 1, 2)

    def to_tensor(self, view: Image.Image) -> "Tensor":
        """An RGB picture as the network's numbers, (3, H, W) float32."""
        import torch

        return self.normalised(torch.from_numpy(np.array(view))[None])[0]

    def __call__(self, image: Image.Image) -> "Tensor":
        """The evaluation transform: an RGB picture to (3, crop, crop) float32."""
        return self.to_tensor(self.view(image))

    def random_view(self, augmentation: str) -> Callable[[Image.Image], Image.Image]:
        """Picture to a random (crop, crop) picture, the tutorial's way; "strong" adds TrivialAugment.

        TrivialAugment: https://arxiv.org/abs/2103.10158.
        """
        v2 = import_without_compiler(VISION)
        interpolation = v2.InterpolationMode(self.interpolation)
        steps: list[Any] = [v2.RandomResizedCrop(self.crop, interpolation=interpolation), v2.RandomHorizontalFlip()]
        if self.fit != "crop":
            crop = v2.RandomResizedCrop(self.crop, scale=(LEAST_SHARE, 1.0), interpolation=interpolation)
            steps[0] = v2.Compose([functools.partial(self.square.whole, side=self.resize), crop])
        if augmentation == "strong":
            steps.append(v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR))
        steps_in_turn: Callable[[Image.Image], Image.Image] = v2.Compose(steps)
        return steps_in_turn

    def training_transform(self, augmentation: str) -> Callable[[Image.Image], "Tensor"]:
        """Picture to (3, crop, crop) float32, drawn anew each time unless `augmentation` is "none"."""
        if augmentation == "none":
            return self
        v2 = import_without_compiler(VISION)
        transform: Callable[[Image.Image], Tensor] = v2.Compose([self.random_view(augmentation), self.to_tensor])
        return transform


def preprocess_for(architecture: Architecture, override: Path | None = None) -> Preprocess:
    """The numbers of the pretrained weights, or those of a host's json file beside them."""
    if override is not None:
        try:
            return Preprocess.from_dict(written_json(override))
        except ValueError as error:
            raise WeightsError(f"{override.name} is not readable json: {error}.") from None
    if architecture.library == "torchvision":
        return _from_torchvision(architecture)
    if architecture.library == "timm":
        return _from_timm(architecture)
    side = architecture.image_size or 224
    return Preprocess(resize=side, crop=side, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _from_torchvision(architecture: Architecture) -> Preprocess:
    models = import_without_compiler("torchvision.models")
    numbers = models.get_model_weights(architecture.builder)[architecture.weights].transforms()
    return Preprocess(
        resize=numbers.resize_size[0],
        crop=numbers.crop_size[0],
        interpolation=numbers.interpolation.value,
        mean=tuple(numbers.mean),
        std=tuple(numbers.std),
    )


def _from_timm(architecture: Architecture) -> Preprocess:
    timm = import_timm()
    published = timm.get_pretrained_cfg(architecture.builder)
    numbers = timm.data.resolve_data_config(pretrained_cfg=published.to_dict() if published else {})
    crop = numbers["input_size"][-1]
    return Preprocess(
        resize=max(crop, int(crop / numbers["crop_pct"])),
        crop=crop,
        interpolation="bilinear" if numbers["interpolation"] == "bilinear" else "bicubic",
        mean=tuple(numbers["mean"]),
        std=tuple(numbers["std"]),
    )
