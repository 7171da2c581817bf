"""Corrections that need no judgement, and a corrected copy of a data set. No torch here."""

import shutil
from collections.abc import Generator
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.events import Progress
from tl_engine.base.progress import Stage
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.mends import DROP, RELABEL, Located, Mend
from tl_engine.inspection.duplicates import BURST
from tl_engine.inspection.findings import NEAR, Report

SURE = 0.3  # of a doubt: how much likelier the other class is than the one it has


def keep_one_of_each(report: Report, located: Located) -> list[Mend]:
    """Drop all but one of each group of duplicates; what was dropped already does not count as that one.

    A larger group of near duplicates is a burst of one scene: which of those to keep is for a person to say.
    """
    gone = {mend.file for mend in located.mends if mend.action == DROP}
    more = []
    for group in report.duplicates:
        left = [file for file in group.files if file not in gone]
        if left and not (group.kind == NEAR and len(group.files) > BURST):
            kept = group.kept if group.kept in left else left[0]
            more += [Mend(file=f, action=DROP, reason=f"the same photo as {kept}") for f in left if f != kept]
    return more


def relabel_surest(report: Report, located: Located) -> list[Mend]:
    """Give the labels that are surely wrong the class that the photo looks like; what a person judged stays.

    With 5 % of labels planted wrong those from SURE on were nearly all of them, and relabelling gave accuracy back;
    relabelling every doubt did not.
    """
    known = {mend.file for mend in located.mends}
    return [
        Mend(file=s["file"], action=RELABEL, name=s["suggested"])
        for s in report.suspicious_labels
        if s["score"] >= SURE and s["file"] not in known
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
