"""A heat map laid over what the network saw of a picture, and a sentence about it."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from tl_engine.base.errors import ConfigError
from tl_engine.base.names import printable
from tl_engine.classifiers.predictor import Predictor
from tl_engine.explain.gradcam import HeatMap, heat_map
from tl_engine.explain.occlusion import occlusion

BORDER = 1.3  # times its share of the area, from which the evidence lies mostly at the border
# Colours of the map from none to most, told apart in grey too: black, violet, orange, pale yellow (inferno).
COLOURS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], float)
VEIL = 0.55  # how much of the picture the strongest colour covers


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one class, on one picture."""

    class_name: str
    picture: Image.Image  # what the network saw, with the map over it
    peak: tuple[float, float] | None  # where most speaks for it, as shares of width and height; None: nowhere
    sentence: str


def explain(
    predictor: Predictor, image: Image.Image, class_name: str | None = None, *, by_hiding: bool = False
) -> Explained:
    """Which part of an opened picture speaks for a class, by default the likeliest one.

    `by_hiding` looks at 49 copies with a grey square each instead. Raises ConfigError for a class that is none.
    """
    view = predictor.preprocess.view(image)
    pixels = np.array(view)
    if class_name is None:
        class_name = predictor.classes[int(predictor.of_views(pixels[None])[0].argmax())]
    if class_name not in predictor.classes:
        known = ", ".join(printable(name) for name in predictor.classes[:20])
        raise ConfigError(f"There is no class {printable(str(class_name)[:60])!r}: it knows {known}.")
    label = predictor.classes.index(class_name)
    if by_hiding:
        found = occlusion(predictor.of_views, pixels, label)
    else:
        images = predictor.preprocess.normalised(torch.from_numpy(pixels[None]).to(predictor.device))
        found = heat_map(predictor.model, predictor.network.head, images, label)
    peak = None if found.empty else found.peak
    return Explained(class_name, overlaid(view, found), peak, sentence(found, class_name))


def sentence(found: HeatMap, class_name: str) -> str:
    """What the map shows, in words."""
    if found.empty:
        return f"No part of the photo speaks for {class_name}."
    across, down = found.peak
    place = f"{_third(down, 'upper', 'middle', 'lower')} {_third(across, 'left', 'centre', 'right')}"
    told = f"Most speaks for {class_name} in the {place}."
    if found.at_border() > BORDER:
        return f"{told} The evidence lies mostly at the border: it may know the background and not the thing."
    return told


def _third(share: float, first: str, second: str, third: str) -> str:
    return first if share < 1 / 3 else third if share > 2 / 3 else second


def overlaid(view: Image.Image, found: HeatMap) -> Image.Image:
    """The picture with the map over it, as large as it was."""
    small = Image.fromarray((found.values * 255).astype(np.uint8))
    strength = np.asarray(small.resize(view.size, Image.Resampling.BILINEAR), float) / 255
    places = np.linspace(0, 1, len(COLOURS))
    colours = np.stack([np.interp(strength, places, COLOURS[:, channel]) for channel in range(3)], axis=2)
    veil = (VEIL * (0.25 + 0.75 * strength) * (0 if found.empty else 1))[..., None]
    mixed = np.asarray(view.convert("RGB"), float) * (1 - veil) + colours * veil
    return Image.fromarray(mixed.round().astype(np.uint8))
