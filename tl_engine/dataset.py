"""An image folder as a list of records: which file, which class, which split. Reads names and headers; no torch."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tl_engine.archives import is_junk
from tl_engine.errors import DataError, ImageError
from tl_engine.pictures import read_header
from tl_engine.reading import AUTO
from tl_engine.settings import Limits

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
CLASS_NAME_LENGTH = 120  # characters
FEW = 20  # images of a class under which a warning is due
LAYOUT = "one folder per class with its photos in it (cats/, dogs/), or train/ and val/ holding such folders"


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled photo. `label` is the index of its class; `split` is train, val or test."""

    path: Path
    label: int
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """A labelled data set: records, class names in index order, and what was left out."""

    root: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    skipped: tuple[tuple[str, str], ...] = ()  # (file below root, one sentence)
    notes: tuple[str, ...] = ()

    def of(self, split: str) -> list[Record]:
        """The records of one split."""
        return [record for record in self.records if record.split == split]

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by class and split, in class order."""
        number = Counter((record.label, record.split) for record in self.records)
        splits = [split for split in ("train", "val", "test") if any(key[1] == split for key in number)]
        return {name: {s: number[i, s] for s in splits} for i, name in enumerate(self.classes)}


def scan(root: Path, limits: Limits, layout: str = AUTO) -> ImageFolder:  # noqa: ARG001
    """Read a folder of class folders, or of split folders holding those; one or two folders around it are unwrapped.

    Without split folders every record is in `train`. Raises DataError when it is no data set to learn from.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder or zip {root.name!r}: name one with {LAYOUT}.")
    try:
        return _scanned(root, limits)
    except OSError as error:
        raise DataError(f"{root.name} cannot be read ({error.strerror}): check who may open it.") from None


def _scanned(root: Path, limits: Limits) -> ImageFolder:
    top = _unwrapped(root)
    if splits := _split_folders(top):
        # val/ and validation/ side by side are one split.
        found = {kind: _class_folders(*(f for f, split in splits if split == kind)) for _, kind in splits}
    else:
        found = {"train": _class_folders(top)}
    classes = tuple(sorted({name for folders in found.values() for name in folders}))
    _check_classes(classes, top, limits)
    records, skipped = _records(found, classes, top, limits)
    scanned = ImageFolder(root=top, classes=classes, records=tuple(records), skipped=tuple(skipped))
    check_trainable(scanned)
    return replace(scanned, notes=tuple(_notes(scanned)))


def split_validation(data: ImageFolder, fraction: float, seed: int) -> ImageFolder:
    """Move `fraction` of each class from train to val, at least one and not all, the same for the same seed.

    Each file draws its lot by its name, so a photo more or less changes the place of few others. A data set that
    brought its own validation folder comes back as it is.
    """
    if any(record.split == "val" for record in data.records):
        return data

    def lot(path: Path) -> bytes:
        return hashlib.sha256(os.fsencode(f"{seed}/{path.relative_to(data.root).as_posix()}")).digest()

    chosen: set[Path] = set()
    for label in range(len(data.classes)):
        paths = [record.path for record in data.records if record.label == label and record.split == "train"]
        held_out = max(0, min(max(1, round(len(paths) * fraction)), len(paths) - 1))
        chosen.update(sorted(paths, key=lot)[:held_out])
    records = (replace(r, split="val") if r.path in chosen else r for r in data.records)
    return replace(data, records=tuple(records))


def without(data: ImageFolder, unreadable: dict[Path, str]) -> ImageFolder:
    """The data set without these files; they join `skipped`."""
    more = tuple((str(path.relative_to(data.root)), reason) for path, reason in unreadable.items())
    records = tuple(record for record in data.records if record.path not in unreadable)
    return replace(data, records=records, skipped=data.skipped + more)


def check_trainable(data: ImageFolder) -> None:
    """Raise DataError unless every class has an image to train on and one to validate with."""
    counts = data.counts()
    own_validation = any(record.split == "val" for record in data.records)
    for name, splits in counts.items():
        train, val = splits.get("train", 0), splits.get("val", 0)
        if train < (1 if own_validation else 2):
            others = f", its test folder {splits['test']}" if splits.get("test") else ""
            least = "1 photo" if own_validation else "2 photos, one to learn from and one to check with"
            raise DataError(
                f"The class {name!r} has {train} readable photo{'' if train == 1 else 's'} in training{others}: "
                f"it needs at least {least}; add some or delete the folder."
            )
        if own_validation and not val:
            raise DataError(f"The class {name!r} has no photo in the validation folder: add one there.")


def printable(name: str) -> str:
    """A file's name with `?` for bytes that are no UTF-8, as old archives have them."""
    return name.encode("utf-8", "replace").decode("utf-8")


def clean_class_name(folder: str) -> str:
    """A folder's name as text: NFC, one line, no control, bidi or zero-width characters."""
    plain = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in unicodedata.normalize("NFC", printable(folder))
        if unicodedata.category(c) != "Cf"
    )
    return re.sub(r"\s+", " ", plain).strip()


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not is_junk(p.name) and not p.name.startswith("."))


def _unwrapped(root: Path) -> Path:
    """Step into a lone folder that holds folders, twice at most: zips and downloads often wrap what matters."""
    for _ in range(2):
        inside = _folders(root)
        if len(inside) != 1 or not _folders(inside[0]):
            break
        root = inside[0]
    return root


def _split_folders(top: Path) -> list[tuple[Path, str]]:
    """The folders that are splits, if all folders here are and one of them is for training."""
    pairs = [(folder, SPLIT_NAMES.get(folder.name.lower(), "")) for folder in _folders(top)]
    if all(split for _, split in pairs) and any(split == "train" for _, split in pairs):
        return pairs
    return []


def _class_folders(*parents: Path) -> dict[str, list[Path]]:
    """Class name -> its folders; names that differ only in how Unicode spells them are one class."""
    classes: dict[str, list[Path]] = {}
    for path in (folder for parent in parents for folder in _folders(parent)):
        name = clean_class_name(path.name)
        if not name or len(name) > CLASS_NAME_LENGTH or name.startswith("."):  # an invisible letter may hide ".."
            raise DataError(
                f"A class folder's name must have 1 to {CLASS_NAME_LENGTH} visible characters and not begin with a "
                f"dot, got {name[:40]!r}: rename it."
            )
        classes.setdefault(name, []).append(path)
    return classes


def _check_classes(classes: tuple[str, ...], top: Path, limits: Limits) -> None:
    if not classes:
        loose = any(path.is_file() and not is_junk(path.name) for path in top.iterdir())
        problem = "holds files but no class folders" if loose else "is empty"
        raise DataError(f"{top.name} {problem}: make {LAYOUT}.")
    if len(classes) == 1:
        raise DataError(f"{top.name} has one class, {classes[0][:40]!r}: at least 2 are needed, each in a folder.")
    if len(classes) > limits.classes:
        raise DataError(f"{top.name} has {len(classes)} classes: the most taken is {limits.classes}.")
    by_case: dict[str, str] = {}
    for name in classes:
        other = by_case.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(f"The classes {other!r} and {name!r} differ only in case: rename or merge the folders.")


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(is_junk(part) for part in path.relative_to(folder).parts):
            yield path


def _records(
    found: dict[str, dict[str, list[Path]]], classes: tuple[str, ...], top: Path, limits: Limits
) -> tuple[list[Record], list[tuple[str, str]]]:
    records: list[Record] = []
    skipped: list[tuple[str, str]] = []
    for split, folders in found.items():
        for name, paths in folders.items():
            for path in (file for folder in paths for file in _files(folder)):
                if reason := _unusable(path, limits):
                    skipped.append((printable(str(path.relative_to(top))), printable(reason)))
                else:
                    records.append(Record(path, classes.index(name), split))
                if len(records) > limits.images:  # now, not after an hour of reading headers
                    raise DataError(f"{top.name} has more than {limits.images:,} images, the most taken: use fewer.")
    return records, skipped


def _unusable(path: Path, limits: Limits) -> str | None:
    """Why a file takes no part, from its size and header alone."""
    try:
        read_header(path, most_bytes=limits.image_bytes)
        return None
    except ImageError as error:
        return str(error)


def _notes(data: ImageFolder) -> Iterator[str]:
    few = [name for name, splits in data.counts().items() if splits.get("train", 0) < FEW]
    if few:
        names = ", ".join(name[:40] for name in few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        yield f"fewer than {FEW} training photos: {names}; more photos would help most there"
