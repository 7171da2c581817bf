"""What a teacher sees at a glance: each pupil, when they were last seen, their photos, their newest run. No torch."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from tl_engine.base.names import is_junk
from tl_engine.base.settings import Settings
from tl_engine.classroom.pupils import Presence, Pupil, labels, pupils
from tl_engine.ledger.listing import runs_by_owner
from tl_engine.runs.run import Run


@dataclass(frozen=True, slots=True)
class Row:
    """One pupil of the class, this moment."""

    pupil: Pupil
    label: str
    seen: float | None  # seconds since 1970
    photos: int
    runs: tuple[Run, ...]  # the newest first

    @property
    def newest(self) -> Run | None:
        """The run that they asked for last."""
        return self.runs[0] if self.runs else None


def overview(settings: Settings, presence: Presence) -> list[Row]:
    """A row for each pupil, in the order in which they came."""
    class_ = pupils(settings)
    told, by_owner = labels(class_), runs_by_owner(settings)
    return [
        Row(pupil, told[pupil.seat], presence.seen(pupil.workspace), photos_of(pupil),
            tuple(by_owner.get(pupil.workspace.token, ())))
        for pupil in class_
    ]  # fmt: skip


def photos_of(pupil: Pupil) -> int:
    """How many files a pupil brought; counted by their names, since it is asked every few seconds."""
    folder = pupil.workspace.folder
    sets = [entry.path for entry in _entries(str(folder)) if entry.is_dir() and not entry.name.startswith(".")]
    return sum(_below(path) for path in sets)


def _below(path: str) -> int:
    number = 0
    for entry in _entries(path):
        if entry.name.startswith(".") or is_junk(entry.name):
            continue
        number += _below(entry.path) if entry.is_dir(follow_symlinks=False) else 1
    return number


def _entries(path: str) -> Iterable[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(path) as found:
        return list(found)
    return []
