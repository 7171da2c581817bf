"""What lies in a folder, read once and without following links: folders, files, and what is none of a data set's."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import not_opened
from tl_engine.base.names import OWN_FILES, is_junk, printable
from tl_engine.data.dataset import LeftOut
from tl_engine.photos.formats import PHOTO_SUFFIXES

DEEPEST = 32  # folders inside one another; deeper ones hold no photos of a class


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder with all below it, sorted by name. `left_out` and `junk` are of this folder alone, not of those in it.

    Hidden, linked and unreadable folders are not among `folders` but left out; junk is only counted.
    """

    path: Path
    folders: tuple["Folder", ...] = ()
    files: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    junk: int = 0

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.name

    def walk(self) -> Iterator["Folder"]:
        """This folder and all below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def found(self) -> int:
        """Files here and below that may take part."""
        return sum(len(folder.files) for folder in self.walk())

    def photos(self) -> bool:
        """Whether a file here or below is called like a photo; a name without an ending may be one."""
        return any(path.suffix.lower() in PHOTO_SUFFIXES | {""} for folder in self.walk() for path in folder.files)

    def nested(self) -> bool:
        """Whether all of its photos lie in folders inside of it."""
        return not self._here() and any(folder.photos() for folder in self.folders)

    def _here(self) -> bool:
        return any(path.suffix.lower() in PHOTO_SUFFIXES for path in self.files)


def read_tree(root: Path) -> Folder:
    """Everything below `root`. Raises OSError only where `root` itself cannot be opened."""
    return _read(root, root, 0)


def _read(path: Path, root: Path, depth: int) -> Folder:
    folders: list[Folder] = []
    files: list[Path] = []
    left_out: list[LeftOut] = []
    junk = 0
    with os.scandir(path) as opened:
        entries = sorted(opened, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name in OWN_FILES:
            continue
        kind = _kind(entry)
        if is_junk(entry.name):
            junk += _count(entry)
        elif kind == stat.S_IFDIR:
            inside = _folder(entry, root, depth)
            if isinstance(inside, Folder):
                folders.append(inside)
            elif inside:
                left_out.append(inside)
        elif kind == stat.S_IFREG:
            files.append(Path(entry.path))
        else:
            left_out.append(LeftOut(_below(entry, root), _no_file(entry)))
    return Folder(path=path, folders=tuple(folders), files=tuple(files), left_out=tuple(left_out), junk=junk)


def _folder(entry: "os.DirEntry[str]", root: Path, depth: int) -> Folder | LeftOut | None:
    """What is in a folder, or why it is left out; None for a hidden one that holds nothing."""
    name, file = printable(entry.name), _below(entry, root)
    if entry.is_symlink():
        return LeftOut(file, f"{name} is a link to a folder, and links are not followed: copy the folder here.", 0)
    if entry.name.startswith("."):
        hidden = f"{name} begins with a dot, as hidden folders do: rename it if its photos are meant."
        return LeftOut(file, hidden, number) if (number := _count(entry)) else None
    if depth >= DEEPEST:
        return LeftOut(file, f"{name} lies more than {DEEPEST} folders deep: move its photos up.", _count(entry))
    try:
        return _read(Path(entry.path), root, depth + 1)
    except OSError as error:
        return LeftOut(file, not_opened(name, error), 0)


def _kind(entry: "os.DirEntry[str]") -> int:
    """The type, as `stat` has it, of what is there or of what a link leads to; 0 where that cannot be found out."""
    try:
        return stat.S_IFMT(entry.stat().st_mode)
    except OSError:
        return 0


def _no_file(entry: "os.DirEntry[str]") -> str:
    name = printable(entry.name)
    if entry.is_symlink():
        return f"{name} is a link that leads nowhere: copy the photo itself here."
    return f"{name} is neither a file nor a folder: take it away."


def _below(entry: "os.DirEntry[str]", root: Path) -> str:
    return printable(Path(entry.path).relative_to(root).as_posix())


def _count(entry: "os.DirEntry[str]") -> int:
    """Files in a folder as deep as it goes, links not followed; 1 for a file."""
    number, waiting = 0, [entry]
    while waiting:
        one = waiting.pop()
        if one.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError), os.scandir(one) as opened:
                waiting.extend(opened)
        else:
            number += _kind(one) != stat.S_IFDIR  # a link to a folder is none of the files found
    return number
