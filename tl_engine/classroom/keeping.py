"""The end of a lesson: everything as one zip, and everything deleted. No torch here."""

import contextlib
import json
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import DataError, EngineError
from tl_engine.base.files import appearing, is_disk_full
from tl_engine.base.names import class_folder_names
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.classroom import board, hidden, lesson, pool, stage
from tl_engine.classroom.copies import photos_in
from tl_engine.classroom.overview import photos_of
from tl_engine.classroom.pupils import Pupil, labels, pupils
from tl_engine.evaluation.html import whole_page
from tl_engine.evaluation.report import read_report
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.ledger.listing import runs_by_owner
from tl_engine.runs import queue
from tl_engine.runs.find import classifier_of
from tl_engine.runs.process import Spare
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.runs.titles import names as run_titles
from tl_engine.sources.room import check_room, used_bytes
from tl_engine.workspaces import forget
from tl_engine.workspaces.scratch import made_folder, new_folder

KIND = "class"  # of what is handed out
Entry = tuple[str, Path | bytes]  # (its name in the zip, its file or its content)


def packed(settings: Settings) -> Path:
    """All photos, classifiers and reports by pupil, and the lesson, as one zip. Raises EngineError.

    Its folder cannot be guessed, since whatever is handed out can be had by its address; the one before goes.
    """
    forget_packed()
    place = new_folder(KIND, secrets.token_hex(16))
    archive = place / "lesson.zip"
    class_ = pupils(settings)
    check_room(place, sum(_bytes(pupil.workspace.folder) for pupil in class_), settings.limits)
    try:
        # Photos and tensors are packed already; a clock that was never set dates them before a zip's first year.
        with appearing(archive) as partial, zipfile.ZipFile(partial, "w", strict_timestamps=False) as opened:
            for name, content in _entries(class_, settings):
                with contextlib.suppress(FileNotFoundError):  # removed this moment
                    if isinstance(content, Path):
                        opened.write(content, name)
                    else:
                        opened.writestr(name, content)
    except OSError as error:
        why = "the disk is full" if is_disk_full(error) else error.strerror
        raise DataError(f"The zip could not be written ({why}): make room and try again.") from None
    return archive


def _entries(class_: list[Pupil], settings: Settings) -> Iterator[Entry]:
    for file in (lesson.FILE, hidden.FILE, board.FILE):
        if (settings.class_folder / file).is_file():
            yield file, settings.class_folder / file
    told, by_owner = labels(class_), runs_by_owner(settings)
    folders = class_folder_names([told[pupil.seat] for pupil in class_])
    yield "pupils.json", json.dumps(dict(zip(folders, told.values(), strict=True)), ensure_ascii=False).encode()
    for pupil, folder in zip(class_, folders, strict=True):
        yield from _photos(pupil, f"{folder}/photos")
        yield from _runs(by_owner.get(pupil.workspace.token, []), folder)


def _photos(pupil: Pupil, under: str) -> Iterator[Entry]:
    found = [chosen for choice in pupil.workspace.own_data() if (chosen := pupil.workspace.find(choice))]
    for chosen, folder in zip(found, class_folder_names([chosen.title for chosen in found]), strict=True):
        with contextlib.suppress(DataError):
            photos = photos_in(chosen)
            known = list(dict.fromkeys(name for name, _ in photos))
            classes = dict(zip(known, class_folder_names(known), strict=True))
            for number, (name, path) in enumerate(photos, start=1):
                yield f"{under}/{folder}/{classes[name]}/{number:04d}-{class_folder_names([path.name])[0]}", path


def _runs(runs: list[Run], under: str) -> Iterator[Entry]:
    named = run_titles(runs)
    for run, folder in zip(runs, class_folder_names([named[run.name] for run in runs]), strict=True):
        if kept := classifier_of(run):
            for file in sorted(kept.iterdir()):
                yield f"{under}/classifiers/{folder}/{file.name}", file
        with contextlib.suppress(EngineError):
            if report := read_report(run):
                yield f"{under}/reports/{folder}.html", whole_page(run, report, RunPhotos.of(run)).encode()


def forget_packed() -> None:
    """Remove the zips that were handed out."""
    shutil.rmtree(made_folder(KIND, "x").parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Content:
    """How much there is of a class."""

    pupils: int
    photos: int
    runs: int
    bytes: int

    @property
    def words(self) -> str:
        """`12 pupils with their names, 340 photos and 14 trainings (96.1 MB)`."""
        return (
            f"{plural(self.pupils, 'pupil')} with their names, {plural(self.photos, 'photo')} and "
            f"{plural(self.runs, 'training')} ({size_words(self.bytes)})"
        )


def _bytes(folder: Path) -> int:
    """Of all files below, counted anew each second."""
    return used_bytes(folder, int(time.monotonic()))


def content(settings: Settings) -> Content:
    """What deleting everything would delete."""
    class_, by_owner = pupils(settings), runs_by_owner(settings)
    runs = [run for pupil in class_ for run in by_owner.get(pupil.workspace.token, ())]
    folders = [*(pupil.workspace.folder for pupil in class_), *(run.folder for run in runs)]
    return Content(len(class_), sum(map(photos_of, class_)), len(runs), sum(map(_bytes, folders)))


def delete_class(settings: Settings, spare: Spare | None = None, *, lesson_too: bool = False) -> Content:
    """Remove all of the class: photos, trainings, names, the pooled ones, the hidden test set, its board, the zip.

    Trainings that go on are stopped first. How much that was.
    """
    gone, by_owner = content(settings), runs_by_owner(settings)
    class_ = pupils(settings)
    for pupil in class_:  # those that wait first, or each would begin when the one before it is stopped
        waiting = [run for run in by_owner.get(pupil.workspace.token, ()) if run.state() == "queued"]
        for run in waiting:
            run.ask_to_stop()
    for pupil in class_:
        for run in by_owner.get(pupil.workspace.token, ()):
            if run.state() in OPEN_STATES:
                queue.stop(run, settings, spare)
        forget.delete_everything(pupil.workspace, runs=True)
    stage.Stage().write(settings)
    pool.forget_pools(settings)
    board.forget_board(settings)
    hidden.put_away(settings)
    forget_packed()
    if lesson_too:
        lesson.forget_lesson(settings)
    return gone
