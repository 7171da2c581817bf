"""Photos to measure with: JPEG files of one size, a few photos of a data set, or pictures of nothing at all."""

import random
import shutil
from pathlib import Path

from PIL import Image, ImageChops

SIZE = (500, 375)  # pixels
QUALITY = 90  # of the JPEG files
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def pictures(folder: Path) -> list[Path]:
    """All picture files in a folder, however deep."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def make_photos(source: Path, target: Path, count: int) -> list[Path]:
    """`count` JPEG files of 500 x 375 made from the pictures of `source`, no two of them alike.

    A picture used again is moved sideways and around, so neither bytes nor pixels repeat and no cache can help.
    """
    target.mkdir(parents=True, exist_ok=True)
    sources = pictures(source)
    made = []
    for index, path in enumerate(sources[:count]):
        with Image.open(path) as opened:
            image = opened.convert("RGB").resize(SIZE)
        for number in range(index, count, len(sources)):
            moved = ImageChops.offset(image, number // len(sources) * 7, 0)
            made.append(target / f"{number:05}.jpg")
            moved.save(made[-1], quality=QUALITY)
    return sorted(made)


def few_of(data: Path, target: Path, each: int) -> Path:
    """Copies of the first photos of every class in train/ and val/."""
    for folder in (path for split in ("train", "val") for path in sorted((data / split).iterdir()) if path.is_dir()):
        place = target / folder.relative_to(data)
        place.mkdir(parents=True)
        for photo in pictures(folder)[:each]:
            shutil.copyfile(photo, place / photo.name)
    return target


def make_data(target: Path, each: int = 6) -> Path:
    """A data set of two colours, for machines without photos."""
    draw = random.Random(0)
    for split in ("train", "val"):
        for label, colour in (("blue", (30, 30, 200)), ("red", (200, 30, 30))):
            (target / split / label).mkdir(parents=True)
            for index in range(each):
                shade = tuple(channel + draw.randrange(-30, 50) for channel in colour)
                Image.new("RGB", (320, 240), shade).save(target / split / label / f"{index}.jpg")
    return target


def make_weights(target: Path, architecture: str) -> Path:
    """A weights folder with random numbers for a torchvision backbone, for machines without one."""
    import torch
    from torchvision import models

    target.mkdir()
    torch.save(models.get_model(architecture, weights=None).state_dict(), target / f"{architecture}.pth")
    return target
