"""From a folder to a labelled data set: every file found is used, left out with its reason, or junk. No torch here."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tl_engine.base.errors import DataError, ImageError, Question, not_opened
from tl_engine.base.names import CLASS_NAME_LENGTH, is_utf8, printable
from tl_engine.base.settings import Limits
from tl_engine.base.written import AUTO
from tl_engine.data.dataset import FEW, ImageFolder, LeftOut, Record, check_trainable, told
from tl_engine.data.layout import TEMPLATE, Layout, decide
from tl_engine.data.reading import SPLITS
from tl_engine.data.tree import Folder, read_tree
from tl_engine.photos.opening import read_header
from tl_engine.zips.left_out import left_out

REASON_LENGTH = 300  # characters of a reason that a file tells


def scan(root: Path, limits: Limits, layout: str = AUTO) -> ImageFolder:
    """Read a folder of class folders, or of split folders holding those; one or two folders around it are unwrapped.

    Without split folders every record is in `train`. Raises DataError when it is no data set to learn from, and
    Question when `layout` is auto and it could be read in two ways.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder or zip {root.name!r}: name one with {TEMPLATE}.")
    try:
        tree = read_tree(root)
    except OSError as error:
        raise DataError(not_opened(root.name, error)) from None
    found = decide(tree, layout)
    problems = (*_told_by_archive(found, limits), *_problems(found))
    _check_classes(found, problems, limits, layout)
    _check_spellings(found)
    records, unusable = _records(found, limits)
    gone = tuple(sorted((*problems, *_unplaced(found), *unusable), key=lambda entry: entry.file))
    junk = sum(folder.junk for folder in tree.walk())
    data = ImageFolder(root=found.top.path, classes=found.classes(), records=records, left_out=gone, junk=junk)
    check_trainable(data)
    return replace(data, notes=tuple(_notes(data)))


def check_data(folder: Path, limits: Limits, layout: str = AUTO) -> None:
    """Raise DataError for new data that nobody could train on, before it is kept; data that raises a Question is."""
    with contextlib.suppress(Question):
        scan(folder, limits, layout)


def _check_classes(found: Layout, left_out: tuple[LeftOut, ...], limits: Limits, layout: str) -> None:
    classes, name = found.classes(), found.top.name
    why = f"; {told(left_out, '')}" if left_out else "."
    for each in classes:
        if not each or len(each) > CLASS_NAME_LENGTH or each.startswith("."):  # an invisible letter may hide ".."
            raise DataError(
                f"A class folder's name must have 1 to {CLASS_NAME_LENGTH} visible characters and not begin with a "
                f"dot, got {each[:40]!r}: rename it."
            )
    if not classes:
        raise DataError(f"{name} {_nothing(found.top, layout)}: make {TEMPLATE}{why}")
    if len(classes) == 1:
        raise DataError(f"{name} has one class, {classes[0][:40]!r}: at least 2 are needed, each in a folder{why}")
    if len(classes) > limits.classes:
        raise DataError(f"{name} has {len(classes)} classes: the most taken is {limits.classes}.")
    by_case: dict[str, str] = {}
    for each in classes:
        other = by_case.setdefault(each.lower(), each)
        if other != each:
            raise DataError(f"The classes {other!r} and {each!r} differ only in case: rename or merge the folders.")


def _check_spellings(found: Layout) -> None:
    """Folders whose names are no UTF-8 may read the same and be two classes: nobody guesses."""
    spelt: dict[str, set[str]] = {}
    for place in found.places:
        spelt.setdefault(place.class_name, set()).add(place.folder.path.name)
    for class_name, names in spelt.items():
        if len(names) > 1 and not all(map(is_utf8, names)):
            raise DataError(
                f"{found.top.name} has {len(names)} folders that read {class_name[:40]!r}, since their names are no "
                "UTF-8: rename them."
            )


def _nothing(top: Folder, layout: str) -> str:
    if layout == SPLITS and top.folders:
        return "holds no folders with class folders in them"
    if top.files:
        return "holds files but no class folders"
    return "has no class folders" if top.left_out else "is empty"


def _records(found: Layout, limits: Limits) -> tuple[tuple[Record, ...], list[LeftOut]]:
    label = {name: index for index, name in enumerate(found.classes())}
    placed = [(file, place) for folder, place in found.placed() if place for file in folder.files]
    records: list[Record] = []
    unusable: list[LeftOut] = []
    for file, place in sorted(placed, key=lambda pair: pair[0]):
        if reason := _unusable(file, limits):
            unusable.append(LeftOut(_below(file, found), printable(reason)))
        else:
            records.append(Record(file, label[place.class_name], place.split))
        if len(records) > limits.images:  # now, not after an hour of reading headers
            raise DataError(f"{found.top.name} has more than {limits.images:,} images, the most taken: use fewer.")
    return tuple(records), unusable


def _unusable(path: Path, limits: Limits) -> str | None:
    """Why a file takes no part, from its size and header alone."""
    try:
        read_header(path, most_bytes=limits.image_bytes)
        return None
    except ImageError as error:
        return str(error)
    except OSError as error:
        return not_opened(path.name, error)


def _problems(found: Layout) -> Iterator[LeftOut]:
    """What no folder may hold: links to folders, hidden and unreadable ones."""
    for folder in found.root.walk():
        for entry in folder.left_out:
            yield replace(entry, file=_below(found.root.path / entry.file, found))


def _unplaced(found: Layout) -> Iterator[LeftOut]:
    """What lies in no class folder: a whole folder as one entry, or file by file where class folders stand beside."""
    placed = {place.folder.path for place in found.places}
    holding = {parent for path in placed for parent in path.parents}
    waiting = [found.root]
    while waiting:
        folder = waiting.pop()
        if folder.path in placed:
            continue
        if folder.path in holding:
            waiting.extend(folder.folders)
            for path in folder.files:
                reason = f"{printable(path.name)} lies in no class folder: move it into one if it is meant."
                yield LeftOut(_below(path, found), reason)
        elif number := folder.found():
            files = "1 file" if number == 1 else f"{number:,} files"
            reason = f"{printable(folder.name)} holds {files} in no class folder: move them into one if they are meant."
            yield LeftOut(_below(folder.path, found), reason, number)


def _below(path: Path, found: Layout) -> str:
    """The path below the data set's folder; what lies beside that, below the folder that was named."""
    base = found.top.path if path.is_relative_to(found.top.path) else found.root.path
    return printable(path.relative_to(base).as_posix())


def _told_by_archive(found: Layout, limits: Limits) -> Iterator[LeftOut]:
    """What unpacking could not take; the file may be anybody's, so lengths and numbers are bounded."""
    root = found.root.path
    for file, reason in left_out(root)[: limits.entries]:
        safe = not file.startswith("/") and ".." not in file
        shown = _below(root / file[:REASON_LENGTH], found) if safe else file
        yield LeftOut(printable(shown)[:REASON_LENGTH], printable(reason)[:REASON_LENGTH])


def _notes(data: ImageFolder) -> Iterator[str]:
    few = [name for name, splits in data.counts().items() if splits.get("train", 0) < FEW]
    if few:
        names = ", ".join(name[:40] for name in few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        yield f"fewer than {FEW} training photos: {names}; more photos would help most there"
