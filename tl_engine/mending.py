"""Corrections that need no judgement, and a corrected copy of a data set. No torch here."""

import shutil
from collections.abc import Generator
from pathlib import Path

from tl_engine.data_report import Report
from tl_engine.dataset import ImageFolder
from tl_engine.errors import DataError
from tl_engine.events import Progress
from tl_engine.manifest import DROP, Mend
from tl_engine.progress import Stage


def keep_one_of_each(report: Report) -> list[Mend]:
    """Drop all but one of each group of duplicates."""
    return [
        Mend(file=file, action=DROP, reason=f"the same photo as {group.kept}")
        for group in report.duplicates
        for file in group.files
        if file != group.kept
    ]


def write_folder(data: ImageFolder, source: Path, folder: Path) -> Generator[Progress, None, None]:
    """Copy a data set into a new folder: class folders, inside of split folders where there are splits.

    `source` is the folder that was named, which `data.root` may lie in: a copy inside of it would spoil it.
    Raises DataError, and then nothing stays behind; the originals are only read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"The folder {folder.name} is not empty: name a new one with --out.")
    if source.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise DataError(f"The folder {folder.name} lies inside of the data set: name one outside with --out.")
    splits = {record.split for record in data.records}
    clock = Stage("copying photos", len(data.records))
    try:
        for done, record in enumerate(data.records, start=1):
            parent = folder / (record.split if splits != {"train"} else "") / data.classes[record.label]
            parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(record.path, _free(parent / record.path.name))
            if event := clock.due(done):
                yield event
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(f"{folder.name} could not be written ({error.strerror}): make room or name another.") from None


def _free(path: Path) -> Path:
    """The path, or one with a number: two folders of one class may hold files of the same name."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free
