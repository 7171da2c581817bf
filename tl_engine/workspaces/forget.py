"""The only way to delete what is a visitor's: photos with every copy, thumbnail and zip made of them, and runs.

Gradio serves whatever lies in its folder to everybody who knows the address, so a copy left there is not deleted.
"""

import contextlib
import hashlib
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tl_engine.base.errors import DataError, RunError
from tl_engine.base.names import POOLED, REMOVED
from tl_engine.base.settings import Settings
from tl_engine.data.manifest import forget_manifest
from tl_engine.evaluation.run_photos import small_copy, why_copy
from tl_engine.photos.thumbnails import place
from tl_engine.runs import open_runs
from tl_engine.runs.run import OPEN_STATES, REPORT
from tl_engine.sources.collection import PREFIX, Collection
from tl_engine.workspaces import corrections
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.scratch import EXPORT, PACKED, ZIP, handed_folder, made_folder
from tl_engine.workspaces.workspace import Workspace, open_run


def delete_photos(own: Collection, name: str, files: Sequence[str], settings: Settings) -> None:
    """Remove photos of a class by their file names. Raises DataError."""
    wanted = set(files)
    _forget([photo for photo in own.photos(name) if photo.name in wanted], own.folder, settings)
    own.remove(name, files)


def remove_photos(own: Collection, name: str, files: Sequence[str], settings: Settings) -> int:
    """Take photos of a class out, so that only they themselves are left, to be brought back; how many those were.

    What was taken out before goes for good. Raises DataError.
    """
    wanted = set(files)
    _forget_removed(own, settings)
    _forget([photo for photo in own.photos(name) if photo.name in wanted], own.folder, settings)
    return own.set_aside(name, files)


def undo_removal(own: Collection) -> int:
    """Bring back the photos that were taken out last; how many those were. Raises DataError."""
    return own.put_back()


def forget_removed(settings: Settings, older_than: float = 600.0) -> None:
    """Whatever was taken out longer ago than so many seconds goes for good."""
    for folder in settings.uploads.glob(f"*/{PREFIX}*/{REMOVED}"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > older_than:
                _forget_removed(Collection(folder.parent), settings)


def _forget_removed(own: Collection, settings: Settings) -> None:
    if photos := own.removed():
        _forget(photos, own.folder, settings)
    own.empty_removed()


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


def delete_data(visitor: Workspace, choice: str) -> None:
    """Remove a data set that the visitor brought, with what they corrected in it. Raises DataError."""
    chosen = visitor.data(choice)
    if not choice.startswith(UPLOAD):
        raise DataError("This data set is not yours: it stays.")
    corrections.undo(chosen)
    folder = Path(chosen.data)
    _forget(_files_below(folder), folder, visitor.settings)
    Collection(folder).delete()


def delete_run(visitor: Workspace, name: str) -> None:
    """Remove a run that the visitor started, with its classifier. Raises RunError."""
    run = open_run(name, visitor.settings)
    if not visitor.owns(run):
        raise RunError("This training is not yours: only who started it deletes it.")
    if run.state() in OPEN_STATES:
        raise RunError("This training is still going on: stop it first.")
    gone = run.folder.parent / f".deleted-{secrets.token_hex(4)}"
    try:
        run.folder.rename(gone)
    except FileNotFoundError:  # deleted by another tab
        pass
    except OSError as error:
        raise RunError(f"This training could not be deleted ({error.strerror}): ask the host.") from None
    open_runs.remove(visitor.settings.runs, run.name)
    shutil.rmtree(gone, ignore_errors=True)
    for kind in (ZIP, EXPORT):
        for packed in made_folder(kind, run.name).parent.glob(f"{run.name}-*"):
            shutil.rmtree(packed, ignore_errors=True)


def delete_everything(visitor: Workspace, waiting: str | None = None, runs: bool = False) -> tuple[int, int]:
    """Remove all that a visitor brought, also an upload that waits for an answer, and their runs if asked.

    How many data sets and runs that were; a run that goes on stays.
    """
    if waiting:
        Path(waiting).unlink(missing_ok=True)
    folders = [f for f in visitor.folder.glob("*") if f.is_dir() and not f.name.startswith(".")]
    for folder in folders:
        _forget(_files_below(folder), folder, visitor.settings)
    shutil.rmtree(visitor.folder, ignore_errors=True)
    return len(folders), _delete_runs(visitor) if runs else 0


def _delete_runs(visitor: Workspace) -> int:
    number = 0
    for run in visitor.runs():
        if visitor.owns(run):
            with contextlib.suppress(RunError):  # it goes on
                delete_run(visitor, run.name)
                number += 1
    return number


def delete_folder(folder: Path, settings: Settings) -> None:
    """Remove a folder of photos that the program keeps for somebody, such as a hidden test set."""
    _forget(_files_below(folder), folder, settings)
    shutil.rmtree(folder, ignore_errors=True)


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
    digests = {digest.hex() for own in contents.values() for digest in own}
    for pooled in settings.uploads.glob(f"*/{PREFIX}*/{POOLED}"):  # what a teacher collected, named by its content
        for copied in pooled.parent.glob("*/*"):
            if copied.stem in digests and not copied.is_relative_to(root):
                copied.unlink(missing_ok=True)
    for report in settings.runs.glob(f"*/{REPORT}"):  # small copies travel with the runs that used the photos
        for digest in digests:
            small_copy(report, digest).unlink(missing_ok=True)
            why_copy(report, digest).unlink(missing_ok=True)
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
