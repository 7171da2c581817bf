"""One photo as a network sees it: what is cut off, what evaluation looks at, what augmentation makes of it."""

import base64
import dataclasses
import io
from dataclasses import dataclass

from PIL import Image, ImageDraw

from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import find_weights
from tl_engine.base.settings import Settings
from tl_engine.photos.square import FITS
from tl_engine.runs.config import AUGMENTATIONS
from ui.parts.photo_grid import Item
from ui.parts.wording import FIT_WORDS, text

COPIES = 6  # augmented copies shown beside the evaluation view
SIDE = 300  # pixels of the picture that shows what is cut off


@dataclass(frozen=True, slots=True)
class Way:
    """For which backbone, with which augmentation, made square how."""

    architecture: str
    augmentation: str
    fit: str


def network_html(item: Item, way: Way, settings: Settings) -> str:
    """The photo in all these forms. Raises EngineError for one that cannot be read."""
    from tl_engine.networks.preprocessing import preprocess_for

    row = get_architecture(way.architecture)
    preprocess = dataclasses.replace(preprocess_for(row, find_weights(row, settings).preprocess), fit=way.fit)
    picture = preprocess.open(item.path)
    squares = [_figure(dataclasses.replace(preprocess, fit=fit).view(picture), FIT_WORDS[fit]) for fit in FITS]
    draw = preprocess.random_view(way.augmentation if way.augmentation in AUGMENTATIONS[1:] else "tutorial")
    copies = [_figure(draw(picture), f"Training, copy {number}") for number in range(1, COPIES + 1)]
    cut = _figure(_with_crop(picture, preprocess.resize, preprocess.crop), "The photo; “centre” keeps what is framed")
    views = [_figure(preprocess.view(picture), "Validation and prediction"), *copies]
    return (
        f'<div class="tl-seen"><p><b>{text(item.file, 80)}</b>, {row.label} ({preprocess.crop} pixels)</p>'
        f"<section>{cut}{''.join(squares)}</section><section>{''.join(views)}</section></div>"
    )


def _with_crop(picture: Image.Image, resize: int, crop: int) -> Image.Image:
    """The picture with what the centre crop cuts off dimmed and what it keeps framed."""
    scale = SIDE / max(picture.size)
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    side = min(small.size) * crop / resize
    left, top = (small.width - side) / 2, (small.height - side) / 2
    frame = (round(left), round(top), round(left + side) - 1, round(top + side) - 1)
    dimmed = Image.blend(small, Image.new("RGB", small.size, "white"), 0.6)
    dimmed.paste(small.crop((frame[0], frame[1], frame[2] + 1, frame[3] + 1)), frame[:2])
    ImageDraw.Draw(dimmed).rectangle(frame, outline="#0d9488", width=3)
    return dimmed


def _figure(picture: Image.Image, caption: str) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    words = text(caption, 80)
    image = f'<img alt="{words}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"
