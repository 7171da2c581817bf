"""Faults planted in a copy of a data set, so that a report can be asked whether it finds them."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tl_engine.photos.opening import open_image


@dataclass
class Planted:
    """A data set with known faults; files are named below its folder."""

    folder: Path
    flipped: set[str] = field(default_factory=set)  # wrong labels
    across: list[set[str]] = field(default_factory=list)  # the same bytes on both sides of the split
    copies: list[set[str]] = field(default_factory=list)  # re-encoded and resized
    odd: dict[str, str] = field(default_factory=dict)  # corrupt, cmyk, rotated, tiny -> file
    photos: int = 0


def plant(
    source: Path, folder: Path, *, flips: float = 0.05, across: int = 10, copies: int = 5, seed: int = 0
) -> Planted:
    """Copy `source` (train/ and val/ with class folders) to `folder` and spoil it there."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("SOURCES*", "*.txt", "*.md"))
    draw = random.Random(seed)
    planted = Planted(folder)
    files = sorted(f for split in ("train", "val") for f in (folder / split).glob("*/*") if f.suffix != ".gif")
    draw.shuffle(files)

    def name(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    def take(number: int, split: str = "") -> list[Path]:
        taken = [f for f in files if not split or f.parts[-3] == split][:number]
        for file in taken:
            files.remove(file)
        return taken

    for file in take(across, "train"):
        twin = folder / "val" / file.parent.name / f"again-{file.name}"
        shutil.copyfile(file, twin)
        planted.across.append({name(file), name(twin)})
    for number, file in enumerate(take(copies)):
        twin = file.with_name(f"copy-{number}.jpg")
        picture = open_image(file)
        picture.resize((picture.width * 2 // 3, picture.height * 2 // 3)).save(twin, quality=70)
        planted.copies.append({name(file), name(twin)})
    _spoil(take(4, "train"), planted, name)
    classes = sorted(f.name for f in (folder / "train").iterdir())
    for file in take(round(flips * len(list(folder.glob("*/*/*"))))):
        wrong = classes[(classes.index(file.parent.name) + 1) % len(classes)]
        moved = folder / file.parts[-3] / wrong / f"flipped-{file.name}"
        file.rename(moved)
        planted.flipped.add(name(moved))
    planted.photos = len(list(folder.glob("*/*/*")))
    return planted


def _spoil(files: list[Path], planted: Planted, name: Callable[[Path], str]) -> None:
    """One photo each: corrupt, in the colours of print, rotated by its camera, tiny."""
    corrupt, cmyk, rotated, tiny = files
    corrupt.write_bytes(corrupt.read_bytes()[: corrupt.stat().st_size // 2])
    with Image.open(cmyk) as image:
        image.convert("CMYK").save(cmyk, "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(rotated) as image:
        image.load()
        image.save(rotated, "JPEG", exif=exif)
    open_image(tiny).resize((40, 30)).save(tiny, "JPEG")
    planted.odd = {"corrupt": name(corrupt), "cmyk": name(cmyk), "rotated": name(rotated), "tiny": name(tiny)}
