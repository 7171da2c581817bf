"""The hidden test set: photos of the teacher's that no pupil sees or trains on, apart from all data sets. No torch."""

import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tl_engine.base.errors import DataError
from tl_engine.base.files import made_whole, write_json, write_whole
from tl_engine.base.names import POOLED
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.classroom.copies import photos_in, put_together
from tl_engine.classroom.lesson import Lesson
from tl_engine.sources.samples import SAMPLES
from tl_engine.workspaces import forget
from tl_engine.workspaces.chosen import FOLDER, UPLOAD
from tl_engine.workspaces.data_choices import WITHHELD
from tl_engine.workspaces.workspace import Workspace

FORMAT = 1
FILE, PHOTOS = "test.json", "test"
MOST = 500  # photos; each classifier of the class looks at all of them
FEW = 10  # photos that can tell nothing apart


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSet:
    """What the class is measured on."""

    __test__ = False  # pytest takes the name for a test of its own

    title: str
    photos: int
    classes: tuple[str, ...]
    digest: str  # of all that is in it

    @classmethod
    def read(cls, settings: Settings) -> Self | None:
        """The one that was chosen, if there is one."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((settings.class_folder / FILE).read_text(encoding="utf-8"))
            if kept["format"] == FORMAT and folder(settings).is_dir():
                return cls(title=str(kept["title"]), photos=int(kept["photos"]), digest=str(kept["digest"]),
                           classes=tuple(map(str, kept["classes"])))  # fmt: skip
        return None


def folder(settings: Settings) -> Path:
    """Where its photos lie, in class folders, named by their content."""
    return settings.class_folder / PHOTOS


def contents(settings: Settings) -> set[str]:
    """The SHA-256 of each of its photos."""
    return {path.stem for path in folder(settings).glob("*/*")}


def choose_test(teacher: Workspace, choice: str | None) -> TestSet:
    """Keep a copy of a data set as the hidden one. Raises DataError.

    One of the host's folders is no longer offered to the class; the copy of one's own is independent of it.
    """
    chosen, settings = teacher.data(choice), teacher.settings
    lesson = Lesson.read(settings)
    if chosen.data in SAMPLES or (lesson and choice == lesson.data):
        raise DataError(f"Everybody in the class can train on {chosen.title}: choose photos that only you have.")
    if Path(chosen.data, POOLED).exists():
        raise DataError("Those are the photos that pupils learn from: choose photos that only you have.")
    photos = photos_in(chosen)
    if not FEW <= len(photos) <= MOST:
        raise DataError(
            f"{chosen.title} has {plural(len(photos), 'photo')}, and a test needs {FEW} to {MOST}: choose another."
        )
    put_away(settings)
    made_whole(folder(settings), "The test set", lambda place: _fill(place, photos))
    found = contents(settings)
    test = TestSet(
        title=chosen.title, photos=len(found), digest=hashlib.sha256("".join(sorted(found)).encode()).hexdigest(),
        classes=tuple(sorted(path.name for path in folder(settings).iterdir())),
    )  # fmt: skip
    write_json(settings.class_folder / FILE, {"format": FORMAT} | dataclasses.asdict(test))
    if not chosen.choice.startswith(UPLOAD):
        write_whole(settings.class_folder / WITHHELD, chosen.choice.removeprefix(FOLDER).encode())
    return test


def _fill(place: Path, photos: list[tuple[str, Path]]) -> None:
    put_together(photos, place, MOST)


def put_away(settings: Settings) -> None:
    """No hidden test set any more; a folder of the host's is offered again."""
    (settings.class_folder / FILE).unlink(missing_ok=True)
    (settings.class_folder / WITHHELD).unlink(missing_ok=True)
    forget.delete_folder(folder(settings), settings)
