"""Real photos for tests without a network: tiles of the two that scikit-learn ships, and a set with known faults."""

import shutil
from pathlib import Path

import sklearn.datasets
from PIL import Image

SIDE = 106  # pixels; the photos of 640 x 427 give 24 tiles each
COLUMNS, ROWS = 6, 4
PHOTOS = {"temple": "china.jpg", "flower": "flower.jpg"}
TRAIN, VAL = 10, 4  # tiles of each class


def tile(label: str, number: int) -> Image.Image:
    """One of 24 tiles of a photo; none of them overlap."""
    with Image.open(Path(sklearn.datasets.__file__).parent / "images" / PHOTOS[label]) as photo:
        left, top = number % COLUMNS * SIDE, number // COLUMNS * SIDE
        return photo.convert("RGB").crop((left, top, left + SIDE, top + SIDE))


def tiles(folder: Path) -> Path:
    """train/ and val/ with a class of temple tiles and a class of flower tiles, nothing wrong with them."""
    for label in PHOTOS:
        for number in range(TRAIN + VAL):
            path = folder / ("train" if number < TRAIN else "val") / label / f"{number:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            tile(label, number).save(path, quality=95)
    return folder


def faulty(folder: Path) -> Path:
    """The tiles with one of each fault; what is called twin is the same bytes as another, copy is re-encoded."""
    train, val = tiles(folder) / "train", folder / "val"
    tile("flower", 16).save(train / "temple" / "flipped.jpg", quality=95)
    shutil.copyfile(train / "flower" / "00.jpg", val / "flower" / "twin.jpg")
    shutil.copyfile(train / "temple" / "08.jpg", train / "flower" / "twin.jpg")
    tile("temple", 7).resize((80, 80)).save(train / "temple" / "copy.jpg", quality=85)
    cut = train / "flower" / "cut.jpg"
    tile("flower", 17).save(cut, quality=95)
    cut.write_bytes(cut.read_bytes()[:2000])
    tile("flower", 18).convert("CMYK").save(train / "flower" / "print.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    tile("flower", 19).save(train / "flower" / "rotated.jpg", quality=95, exif=exif)
    tile("temple", 20).resize((40, 40)).save(val / "temple" / "small.jpg", quality=95)
    tile("flower", 21).convert("P", palette=Image.Palette.ADAPTIVE, colors=4).save(train / "flower" / "drawing.gif")
    (train / "temple" / "notes.txt").write_text("no picture")
    return folder
