"""The only way to delete what is a visitor's: photos with every copy, thumbnail, feature and zip of them, and runs.

Gradio serves whatever lies in its folder to everybody who knows the address, so a copy left there is not deleted.
"""

import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from tl_engine.base.errors import DataError, RunError
from tl_engine.base.names import REMOVED
from tl_engine.base.settings import Settings
from tl_engine.ledger import set_aside
from tl_engine.ledger.set_aside import Aside
from tl_engine.photos.thumbnails import place
from tl_engine.runs import open_runs
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.sources.collection import PREFIX, Collection
from tl_engine.workspaces import corrections
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.classifier_pool import forget_unlisted, taken
from tl_engine.workspaces.scratch import handed_folder
from tl_engine.workspaces.traces import erase_packed, erase_photos, files_below
from tl_engine.workspaces.workspace import Workspace, open_run


def delete_photos(own: Collection, name: str, files: Sequence[str], settings: Settings) -> None:
    """Remove photos of a class by their file names. Raises DataError."""
    wanted = set(files)
    erase_photos([photo for photo in own.photos(name) if photo.name in wanted], own.folder, settings)
    own.remove(name, files)


def remove_photos(own: Collection, name: str, files: Sequence[str], settings: Settings) -> int:
    """Take photos of a class out, so that only they themselves are left, to be brought back; how many those were.

    What was taken out before goes for good. Raises DataError.
    """
    wanted = set(files)
    _forget_removed(own, settings)
    erase_photos([photo for photo in own.photos(name) if photo.name in wanted], own.folder, settings)
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
        erase_photos(photos, own.folder, settings)
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
    erase_photos(own.photos(name), own.folder, settings)
    own.delete_class(name)


def delete_data(visitor: Workspace, choice: str) -> None:
    """Remove a data set that the visitor brought, with what they corrected in it. Raises DataError."""
    chosen = visitor.data(choice)
    if not choice.startswith(UPLOAD):
        raise DataError("This data set is not yours: it stays.")
    corrections.undo(chosen)
    folder = Path(chosen.data)
    erase_photos(files_below(folder), folder, visitor.settings)
    Collection(folder).delete()


def delete_folder(folder: Path, settings: Settings) -> None:
    """Remove a folder of photos that the program keeps for somebody, such as a hidden test set."""
    erase_photos(files_below(folder), folder, settings)
    shutil.rmtree(folder, ignore_errors=True)


def delete_run(visitor: Workspace, name: str) -> None:
    """Remove a run that the visitor started, with its classifier, for good. Raises RunError."""
    if aside := set_run_aside(visitor, name):
        _forget_run(aside)


def set_run_aside(visitor: Workspace, name: str) -> Aside | None:
    """Delete a run that the visitor started so that it can be brought back for a minute; None: it was gone already.

    What was packed of its classifier goes at once: it can be packed again. Raises RunError.
    """
    run = open_run(name, visitor.settings)
    if not visitor.owns(run):
        raise RunError("This training is not yours: only who started it deletes it.")
    try:
        with FileLock(visitor.settings.runs / ".lock", timeout=10):  # so that nothing goes on with it meanwhile
            if run.state() in OPEN_STATES:
                raise RunError("This training is still going on: stop it first.")
            aside = set_aside.take_out(run)
    except (Timeout, OSError) as error:
        why = getattr(error, "strerror", None) or "the queue is busy"
        raise RunError(f"This training could not be deleted ({why}): try again, or ask the host.") from None
    open_runs.remove(visitor.settings.runs, run.name)
    erase_packed(run.name)
    return aside


def runs_aside(visitor: Workspace) -> list[Aside]:
    """The visitor's runs that can still be brought back, the last one first."""
    return [aside for aside in set_aside.taken_out(visitor.settings.runs) if aside.lasts and visitor.owns(aside.run)]


def bring_run_back(visitor: Workspace, name: str) -> Run:
    """Undo the deletion of a run, with all that it was. Raises RunError."""
    found = next((aside for aside in runs_aside(visitor) if aside.name == name), None)
    if found is None:
        raise RunError("This training is gone for good: it could be brought back for a minute.")
    return set_aside.bring_back(found)


def forget_deleted(settings: Settings) -> None:
    """The runs whose minute is over go for good."""
    for aside in set_aside.taken_out(settings.runs):
        if not aside.lasts:
            _forget_run(aside)


def sweep_deleted(settings: Settings) -> None:
    """Remove what a server that was killed had begun to delete, or would have by now."""
    set_aside.sweep(settings.runs)
    forget_deleted(settings)
    for pattern in ("*/.deleted-*", f"*/{PREFIX}*/.deleted-*"):
        for folder in settings.uploads.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def _forget_run(aside: Aside) -> None:
    if set_aside.forget(aside):
        erase_packed(aside.name)


def delete_everything(visitor: Workspace, waiting: str | None = None, runs: bool = False) -> tuple[int, int]:
    """Remove all that a visitor brought, also an upload that waits for an answer, and their runs if asked.

    How many data sets and runs that were; a run that goes on stays.
    """
    if waiting:
        Path(waiting).unlink(missing_ok=True)
    for aside in runs_aside(visitor):
        _forget_run(aside)
    data = delete_brought(visitor)
    return len(data), _delete_runs(visitor) if runs else 0


def delete_brought(visitor: Workspace, spared: Sequence[Path] = ()) -> list[str]:
    """Remove all that a visitor brought, with their corrections and what they took from the hub; which data that was.

    With paths to be spared only the data sets that hold none of them go.
    """
    folders = [f for f in visitor.folder.glob("*") if f.is_dir() and not f.name.startswith(".")]
    if spared:
        going = [f for f in folders if not any(path.is_relative_to(f) for path in spared)]
        for folder in going:
            delete_data(visitor, UPLOAD + folder.name)
        return [UPLOAD + folder.name for folder in going]
    for folder in folders:
        erase_photos(files_below(folder), folder, visitor.settings)
    names = taken(visitor)
    shutil.rmtree(visitor.folder, ignore_errors=True)
    forget_unlisted(names, visitor.settings)
    return [UPLOAD + folder.name for folder in folders]


def _delete_runs(visitor: Workspace) -> int:
    number = 0
    for run in visitor.own_runs():
        with contextlib.suppress(RunError):  # it goes on
            delete_run(visitor, run.name)
            number += 1
    return number
