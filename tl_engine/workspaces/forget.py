"""The only way to delete a visitor's photos: with every copy, thumbnail and zip that was made of them.

Gradio serves whatever lies in its folder to everybody who knows the address, so a copy left there is not deleted.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tl_engine.base.settings import Settings
from tl_engine.data.manifest import forget_manifest
from tl_engine.photos.thumbnails import place
from tl_engine.sources.collection import Collection
from tl_engine.workspaces.scratch import PACKED, handed_folder, made_folder
from tl_engine.workspaces.workspace import Workspace


def delete_photos(own: Collection, name: str, files: Sequence[str], settings: Settings) -> None:
    """Remove photos of a class by their file names. Raises DataError."""
    wanted = set(files)
    _forget([photo for photo in own.photos(name) if photo.name in wanted], own.folder, settings)
    own.remove(name, files)


def rename_class(own: Collection, name: str, new: str, settings: Settings) -> str:
    """Give a class another name and return it made plain. Raises DataError.

    Thumbnails are named by a photo's place: those of the old place would be nobody's to delete later.
    """
    thumbnails = [place(photo, settings) for photo in own.photos(name) if photo.exists()]
    plain = own.rename_class(name, new)
    names = {small.name for small in thumbnails}
    for small in [*thumbnails, *(copy for copy in handed_folder().rglob("*.jpg") if copy.name in names)]:
        small.unlink(missing_ok=True)
    return plain


def delete_class(own: Collection, name: str, settings: Settings) -> None:
    """Remove a class with its photos. Raises DataError."""
    _forget(own.photos(name), own.folder, settings)
    own.delete_class(name)


def delete_collection(own: Collection, settings: Settings) -> None:
    """Remove a data set that was put together by hand."""
    _forget(_files_below(own.folder), own.folder, settings)
    own.delete()


def delete_everything(visitor: Workspace, waiting: str | None = None) -> int:
    """Remove all that a visitor brought, also an upload that waits for an answer; how many data sets that were."""
    if waiting:
        Path(waiting).unlink(missing_ok=True)
    folders = [f for f in visitor.folder.glob("*") if f.is_dir() and not f.name.startswith(".")]
    for folder in folders:
        _forget(_files_below(folder), folder, visitor.settings)
    shutil.rmtree(visitor.folder, ignore_errors=True)
    return len(folders)


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _forget(photos: Iterable[Path], root: Path, settings: Settings) -> None:
    """Remove all that there is of photos of the data set at `root` but themselves.

    Originals are known by their content, since a browser's upload has a name of its own; thumbnails by their name,
    which says whose they are.
    """
    contents: dict[int, set[bytes]] = {}
    names: set[str] = set()
    for photo in photos:
        with contextlib.suppress(OSError):
            contents.setdefault(photo.stat().st_size, set()).add(_digest(photo))
            small = place(photo, settings)
            names.add(small.name)
            small.unlink(missing_ok=True)
    forget_manifest(root, settings)  # it holds the tones of every photo
    shutil.rmtree(made_folder(PACKED, root.name), ignore_errors=True)
    for copy in handed_folder().rglob("*"):
        with contextlib.suppress(OSError):
            if copy.is_file() and (copy.name in names or _is_one_of(copy, contents)):
                copy.unlink()


def _is_one_of(file: Path, contents: dict[int, set[bytes]]) -> bool:
    size = file.stat().st_size
    return size in contents and _digest(file) in contents[size]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
