"""The photos of all pupils as one data set of the teacher's, to look at, to check, to train on. No torch here."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.files import is_disk_full, temporary, write_whole
from tl_engine.base.names import POOLED, TITLE
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.classroom.copies import photos_in, put_together
from tl_engine.classroom.pupils import pupils
from tl_engine.sources.collection import PREFIX
from tl_engine.sources.room import check_room
from tl_engine.workspaces import forget
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace

NAME = "All photos of the class"


@dataclass(frozen=True, slots=True)
class Pooled:
    """What came of it."""

    choice: str
    sentence: str  # how many, and which names were taken for the same class


def pool(teacher: Workspace) -> Pooled:
    """Put the photos of all pupils together anew, as a data set of the teacher's. Raises DataError."""
    settings = teacher.settings
    teacher.folder.mkdir(parents=True, exist_ok=True)
    check_room(teacher.folder, 0, settings.limits)
    folder = teacher.folder / f"{PREFIX}{secrets.token_hex(8)}"
    with temporary(teacher.folder) as place:
        partial = Path(place, folder.name)
        try:
            partial.mkdir()
            merged, counts = put_together(_photos(settings), partial, settings.limits.images)
            write_whole(partial / TITLE, NAME.encode())
            (partial / POOLED).touch()
        except OSError as error:
            why = "the disk is full" if is_disk_full(error) else error.strerror
            raise DataError(f"The photos could not be put together ({why}): make room and try again.") from None
        if not counts:
            raise DataError("Nobody in the class has brought photos yet: there is nothing to put together.")
        forget_pools(settings)
        shutil.move(partial, folder)
    told = ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items()))
    sentences = [f"{plural(sum(counts.values()), 'photo')}: {told}.", *merged.told()]
    if sum(counts.values()) >= settings.limits.images:
        sentences.append(f"More than {settings.limits.images:,} are not taken.")
    return Pooled(UPLOAD + folder.name, " ".join(sentences))


def _photos(settings: Settings) -> Iterator[tuple[str, Path]]:
    for pupil in pupils(settings):
        for choice in pupil.workspace.own_data():
            with contextlib.suppress(DataError):  # cannot be read, or was deleted this moment
                yield from photos_in(pupil.workspace.data(choice))


def pools(settings: Settings) -> list[Path]:
    """The folders of data sets that were put together."""
    return [mark.parent for mark in settings.uploads.glob(f"*/{PREFIX}*/{POOLED}")]


def forget_pools(settings: Settings) -> int:
    """Remove the data sets that were put together; how many those were."""
    found = pools(settings)
    for folder in found:
        with contextlib.suppress(DataError):
            forget.delete_data(Workspace(settings, folder.parent.name), UPLOAD + folder.name)
    return len(found)
