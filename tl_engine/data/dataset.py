"""A labelled data set as a list of records: which file, which class, which split, and what takes no part. No torch."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from tl_engine.base.errors import DataError
from tl_engine.base.names import clean_class_name, printable

FEW = 20  # images of a class under which a warning is due


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled photo. `label` is the index of its class; `split` is train, val or test."""

    path: Path
    label: int
    split: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that takes no part and why, in one sentence; a folder left out as a whole is one entry."""

    file: str  # below the data set's folder
    reason: str
    files: int = 1  # found in it; 0 for a folder that could not be looked into

    def to_dict(self) -> dict[str, object]:
        """Json-ready: file and reason, and files where it is not one file."""
        return {"file": self.file, "reason": self.reason} | ({} if self.files == 1 else {"files": self.files})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """A labelled data set. Every file found is a record, left out or junk."""

    root: Path  # the folder that holds the class or split folders
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    left_out: tuple[LeftOut, ...] = ()
    junk: int = 0  # files that systems and programs leave behind
    notes: tuple[str, ...] = ()

    def of(self, split: str) -> list[Record]:
        """The records of one split."""
        return [record for record in self.records if record.split == split]

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by class and split, in class order."""
        number = Counter((record.label, record.split) for record in self.records)
        splits = [split for split in ("train", "val", "test") if any(key[1] == split for key in number)]
        return {name: {s: number[i, s] for s in splits} for i, name in enumerate(self.classes)}


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


def without(data: ImageFolder, unreadable: Mapping[Path, str]) -> ImageFolder:
    """The data set without these files; they join `left_out`."""
    more = tuple(LeftOut(str(path.relative_to(data.root)), reason) for path, reason in unreadable.items())
    records = tuple(record for record in data.records if record.path not in unreadable)
    return replace(data, records=records, left_out=data.left_out + more)


def check_trainable(data: ImageFolder) -> None:
    """Raise DataError unless every class has an image to train on and one to validate with."""
    own_validation = any(record.split == "val" for record in data.records)
    for name, splits in data.counts().items():
        train, val = splits.get("train", 0), splits.get("val", 0)
        if train < (1 if own_validation else 2):
            others = f", its test folder {splits['test']}" if splits.get("test") else ""
            least = "1 photo" if own_validation else "2 photos, one to learn from and one to check with"
            raise DataError(
                f"The class {name!r} has {train} readable photo{'' if train == 1 else 's'} in training{others}: "
                f"it needs at least {least}; {_missing(name, data) or 'add some.'}"
            )
        if own_validation and not val:
            found = _missing(name, data) or "add one there."
            raise DataError(f"The class {name!r} has no photo in the validation folder: {found}")


def told(left_out: Sequence[LeftOut], whose: str) -> str:
    """The end of a refusal that follows from what was left out: how much, and the first with its reason."""
    number, first = sum(max(1, entry.files) for entry in left_out), left_out[0]
    reason = first.reason if PurePath(first.file).name in first.reason else f"{first.file}, {first.reason}"
    files = "1 file" if number == 1 else f"{number:,} files"
    verb = "was" if number == 1 else "were"
    return f"{files}{whose} {verb} left out, the first: {reason.rstrip('.')}."


def _missing(name: str, data: ImageFolder) -> str:
    """What became of the files of a class that has too few; nothing where none was left out."""
    lost = [e for e in data.left_out if name in map(clean_class_name, PurePath(e.file).parts)]
    if not lost:
        return ""
    whole = not any(data.classes[record.label] == name for record in data.records)
    return ("all " if whole else "") + told(lost, f" of {printable(name[:40])}")
