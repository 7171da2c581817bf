"""Data sets that a person puts together photo by photo. The folder is the truth: class folders with photos in them.

Every photo gets a name nobody else uses and appears whole or not at all, so two tabs or thirty frames a second
adding to one data set lose nothing. No torch here.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.base.errors import DataError
from tl_engine.base.files import appearing, write_whole
from tl_engine.base.names import TITLE, TITLE_LENGTH, clean_class_name, is_junk, plain_title
from tl_engine.base.settings import Limits
from tl_engine.data.split_names import split_of
from tl_engine.photos.formats import START, format_of
from tl_engine.photos.opening import open_image
from tl_engine.sources.room import check_room, room_left
from tl_engine.sources.set_aside import bring_back, forget_taken_out, take_out, taken_out

CLASS_LENGTH = 40  # characters, as many as the page shows
NOT_IN_NAMES = '/\\:*?"<>|'  # what folders and zips of some system do not take
PREFIX = "own-"


@dataclass(frozen=True, slots=True)
class Collection:
    """One such data set, by its folder."""

    folder: Path

    @property
    def titled(self) -> bool:
        """Whether this folder is such a data set at all."""
        return (self.folder / TITLE).is_file()

    @property
    def title(self) -> str:
        """What the person calls it."""
        try:
            return (self.folder / TITLE).read_text(encoding="utf-8")
        except OSError:
            return self.folder.name

    def rename(self, title: str) -> None:
        """Call it something else. Raises DataError."""
        plain = _plain_title(title)
        with _writing():
            write_whole(self.folder / TITLE, plain.encode())

    def classes(self) -> list[str]:
        """Class names in order, empty ones too; none once the data set was deleted."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(f.name for f in self.folder.iterdir() if f.is_dir() and not f.name.startswith("."))
        return []

    def photos(self, name: str) -> list[Path]:
        """The photos of a class, the newest first."""
        found = []
        for path in _files(self._class(name)):
            with contextlib.suppress(FileNotFoundError):  # removed by another tab
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def counts(self) -> dict[str, int]:
        """Photos of each class."""
        return {name: len(_files(self.folder / name)) for name in self.classes()}

    def added_since(self, name: str, since: int) -> list[Path]:
        """The photos of a class that came at or after `since`, nanoseconds since 1970."""
        return [photo for photo in self.photos(name) if _written(photo) >= since]

    def next_class_name(self) -> str:
        """`Class 3`: the first such name that is free, capitals aside."""
        taken = {name.lower() for name in self.classes()}
        return next(name for number in itertools.count(1) if (name := f"Class {number}").lower() not in taken)

    def add_class(self, name: str, limits: Limits) -> str:
        """Make an empty class and return its name made plain. Raises DataError."""
        plain = self._new_name(name)
        if len(self.classes()) >= limits.classes:
            raise DataError(f"There are {limits.classes} classes already, the most taken.")
        with _writing():
            (self.folder / plain).mkdir(exist_ok=True)
        return plain

    def rename_class(self, name: str, new: str) -> str:
        """Give a class another name and return it made plain. Raises DataError."""
        folder, plain = self._class(name), self._new_name(new, besides=name)
        with _writing():
            folder.rename(self.folder / plain)
        return plain

    def delete_class(self, name: str) -> None:
        """Remove a class with its photos: out of the way at once, so that what still arrives does not keep it."""
        _remove(self._class(name), self.folder)

    def add(self, name: str, source: Path, limits: Limits, shown: str | None = None) -> Path:
        """Keep a copy of a photo, its bytes as they came; where it lies. Raises ImageError or DataError.

        `shown` is what the person calls the file.
        """
        folder, label = self._class(name), shown or source.name
        open_image(source, name=label, short_side=64, most_bytes=limits.image_bytes)  # whole, before it is anybody's
        self._check_room(limits)
        with _writing():
            content = source.read_bytes()
            kind = format_of(content[:START])
            path = folder / f"{secrets.token_hex(8)}{kind.suffix if kind else ''}"
            write_whole(path, content)
            now = time.time_ns()  # a file system's own clock may stand for some milliseconds
            os.utime(path, ns=(now, now))
        return path

    def remove(self, name: str, files: Sequence[str]) -> None:
        """Delete photos of a class by their file names; those that are not there are gone already."""
        wanted = set(files)
        for path in _files(self._class(name)):
            if path.name in wanted:
                path.unlink(missing_ok=True)

    def set_aside(self, name: str, files: Sequence[str]) -> int:
        """Take photos of a class out by their file names, so that they can be put back; how many those were.

        What was taken out before goes for good. Raises DataError.
        """
        wanted, photos = set(files), _files(self._class(name))
        self.empty_removed()
        with _writing():
            return take_out([photo for photo in photos if photo.name in wanted], self.folder)

    def removed(self) -> list[Path]:
        """The photos that were taken out last."""
        return taken_out(self.folder)

    def put_back(self) -> int:
        """Bring back what was taken out last, its class too if that is gone; how many photos. Raises DataError."""
        with _writing():
            return bring_back(self.folder, self.classes())

    def empty_removed(self) -> None:
        """Do away with what was taken out last."""
        forget_taken_out(self.folder)

    def delete(self) -> None:
        """Remove the data set for good: out of the way at once, then from the disk."""
        _remove(self.folder, self.folder.parent)

    def pack(self, archive: Path) -> None:
        """A zip of class folders, which every other tool reads. Raises DataError."""
        photos = [(name, path) for name in self.classes() for path in sorted(_files(self.folder / name))]
        # Photos are packed already; a clock that was never set dates them before a zip's first year.
        stored: dict[str, Any] = {"compression": zipfile.ZIP_STORED, "strict_timestamps": False}
        with _writing(), appearing(archive) as partial, zipfile.ZipFile(partial, "w", **stored) as packed:
            for name, path in photos:
                with contextlib.suppress(FileNotFoundError):  # removed by another tab
                    packed.write(path, f"{name}/{path.name}")

    def _class(self, name: str) -> Path:
        """The folder of a class that is there; a name from a browser never becomes a path before this."""
        if name not in self.classes():
            raise DataError(f"There is no class {clean_class_name(name)[:40]!r} here any more: choose another.")
        return self.folder / name

    def _new_name(self, name: str, besides: str = "") -> str:
        plain = clean_class_name(name)
        if not plain or len(plain) > CLASS_LENGTH or plain.startswith(".") or set(plain) & set(NOT_IN_NAMES):
            raise DataError(
                f"A class's name must have 1 to {CLASS_LENGTH} characters, not begin with a dot and hold none of "
                f"{' '.join(NOT_IN_NAMES)}: got {plain[:60]!r}."
            )
        if is_junk(plain) or split_of(plain):
            raise DataError(f"{plain!r} is no name for a class, since folders of that name mean something else.")
        if any(plain.lower() == other.lower() for other in self.classes() if other != besides):
            raise DataError(f"There is a class {plain!r} already, capitals aside: choose another name.")
        return plain

    def _check_room(self, limits: Limits) -> None:
        if sum(self.counts().values()) >= limits.images:
            raise DataError(f"This data set has {limits.images:,} photos, the most taken: delete some first.")
        check_room(self.folder, 0, limits)
        room_left(self.folder.parent, limits)


def create(parent: Path, title: str, classes: Sequence[str] = ()) -> Collection:
    """A new data set under `parent` with these classes, empty. Raises DataError."""
    _plain_title(title)  # what is refused leaves nothing behind
    collection = Collection(parent / f"{PREFIX}{secrets.token_hex(8)}")
    with _writing():
        collection.folder.mkdir(parents=True)
        for name in classes:
            (collection.folder / name).mkdir()
    collection.rename(title)
    return collection


def _plain_title(title: str) -> str:
    plain = plain_title(title)
    if plain is None:
        raise DataError(f"A data set's name must have 1 to {TITLE_LENGTH} visible characters, got {str(title)[:80]!r}.")
    return plain


def _files(folder: Path) -> list[Path]:
    """The photos in a class folder, whole ones only; none once the folder was deleted."""
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    return []


def _written(path: Path) -> int:
    """When the photo came, nanoseconds since 1970; 0 where another tab has removed it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _remove(folder: Path, parent: Path) -> None:
    gone = parent / f".deleted-{secrets.token_hex(4)}"
    with contextlib.suppress(FileNotFoundError):  # removed by another tab
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError("This data set or class was deleted in the meantime: choose another.") from None
    except OSError as error:
        raise DataError(f"It could not be saved ({error.strerror}): make room on the disk and try again.") from None
