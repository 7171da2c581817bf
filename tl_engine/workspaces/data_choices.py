"""The photos a page may train on: samples, the host's folders, the visitor's uploads. Never a path from a visitor."""

import itertools
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.files import is_folder
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.mends import Located
from tl_engine.sources.samples import SAMPLES, present_folder
from tl_engine.workspaces.chosen import FOLDER, HUB_PREFIX, UPLOAD, folder_title

HIDDEN = frozenset(("archives",))  # under the data directory, but nobody's data set
WITHHELD = (
    "withheld.txt"  # in the class's folder: the host's data set that a class is tested on, so that nobody sees it
)


def choices(settings: Settings, own: Path) -> list[tuple[str, str]]:
    """(label, value) for all that the visitor can train on whose folder that is; uploads first, the newest first."""
    uploads = sorted(_folders(own), key=_changed, reverse=True)
    sample_folders = {name for sample in SAMPLES.values() for name in sample.folders}
    listed = [(f"Yours: {folder_title(folder)}", UPLOAD + folder.name) for folder in uploads]
    for sample in SAMPLES.values():
        here = sample.offline or present_folder(sample, settings)
        listed.append((f"Sample: {sample.present_label if here else sample.label}", sample.name))
    for folder in _host_folders(settings):
        # A name that is no UTF-8 cannot travel to a browser and back.
        if folder.name not in sample_folders | HIDDEN and printable(folder.name) == folder.name:
            listed.append((f"Folder on this computer: {folder.name}", FOLDER + folder.name))
    return listed


def default_choice(settings: Settings) -> str:
    """What a first-time visitor trains on: real photos if they are here, else the digits, which always are."""
    present = [s.name for s in SAMPLES.values() if not s.offline and present_folder(s, settings)]
    return (present or ["digits"])[0]


def resolve(choice: str, settings: Settings, own: Path) -> str:
    """The engine's `data` for a choice: a sample's name, or a folder inside of what the visitor may read.

    A bare folder name under the data directory is taken too, for programs. Raises DataError.
    """
    if choice in SAMPLES:
        return choice
    if choice.startswith(UPLOAD):
        listed, name = _folders(own), choice.removeprefix(UPLOAD)
    else:
        listed, name = _host_folders(settings), choice.removeprefix(FOLDER)
    if name not in HIDDEN and (folder := {folder.name: folder for folder in listed}.get(name)):
        return str(folder)
    if choice.startswith(UPLOAD):
        raise DataError(
            "There is no data set of yours of that name here any more: bring the photos again in Photos, or choose "
            "another."
        )
    raise DataError(f"There is no data set {name[:80]!r} here: choose {', '.join(SAMPLES)} or one that the page lists.")


def choice_of(data: str, settings: Settings, own: Path) -> str | None:
    """The choice by which that visitor has what a training called its `data`; None where they do not have it (now)."""
    if data in SAMPLES:
        return data
    folder = Path(data)
    if folder.suffix == ".json":  # what a training was given of a data set with corrections
        try:
            folder = Located.read(folder).root
        except DataError:
            return None
    listed = {UPLOAD: _folders(own), FOLDER: _host_folders(settings)}
    named = (kind + there.name for kind, folders in listed.items() for there in folders if there == folder)
    here = (s.name for s in SAMPLES.values() if not s.offline and present_folder(s, settings) == folder)
    return next(itertools.chain(here, named), None)


def summary_words(data: ImageFolder) -> str:
    """One sentence on a data set."""
    number = sum(max(1, entry.files) for entry in data.left_out)
    left_out = f", {plural(number, 'file')} left out" if number else ""
    return f"{plural(len(data.records), 'photo')} in {plural(len(data.classes), 'class', 'classes')}{left_out}"


def _host_folders(settings: Settings) -> list[Path]:
    """The host's data sets, and what the host took from the hub in the terminal."""
    taken = [folder for folder in _folders(settings.samples) if folder.name.startswith(HUB_PREFIX)]
    withheld = _withheld(settings) if settings.classroom else ""
    return [folder for folder in (*taken, *_folders(settings.data_dir)) if folder.name != withheld]


def _withheld(settings: Settings) -> str:
    """The name of the host's data set that a class does not see; "" for none."""
    try:
        return (settings.class_folder / WITHHELD).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _changed(folder: Path) -> float:
    """When it last gained or lost something, seconds since 1970; 0 once another tab has deleted it."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _folders(parent: Path) -> list[Path]:
    if not is_folder(parent):
        return []
    return sorted(f for f in parent.iterdir() if f.is_dir() and not f.name.startswith("."))
