"""The photos a page may train on: samples, the host's folders, the visitor's uploads. Never a path from a visitor."""

import functools
import shutil
from pathlib import Path

from tl_engine.dataset import ImageFolder, printable, scan
from tl_engine.errors import DataError
from tl_engine.intake import SAMPLES, load_data, present_folder, unpacked
from tl_engine.settings import Limits, Settings
from ui.wording import plural

FOLDER, UPLOAD = "folder:", "upload:"
HIDDEN = frozenset(("archives",))  # under the data directory, but nobody's data set


def choices(settings: Settings, workspace: str) -> list[tuple[str, str]]:
    """(label, value) for all that this visitor can train on; uploads first, the newest first."""
    # Without a workspace the folder would be everybody's: the names in it are the workspaces' own tokens.
    own = _folders(settings.uploads / workspace) if workspace else []
    uploads = sorted(own, key=lambda f: f.stat().st_mtime, reverse=True)
    sample_folders = {name for sample in SAMPLES.values() for name in sample.folders}
    listed = [(f"Your upload: {_upload_label(folder)}", UPLOAD + folder.name) for folder in uploads]
    for sample in SAMPLES.values():
        here = sample.offline or present_folder(sample, settings)
        listed.append((f"Sample: {sample.label}" + ("" if here else ", needs a download"), sample.name))
    for folder in _folders(settings.data_dir):
        # A name that is no UTF-8 cannot travel to a browser and back.
        if folder.name not in sample_folders | HIDDEN and printable(folder.name) == folder.name:
            listed.append((f"Folder on this computer: {folder.name}", FOLDER + folder.name))
    return listed


def default_choice(settings: Settings) -> str:
    """What a first-time visitor trains on: real photos if they are here, else the digits, which always are."""
    present = [s.name for s in SAMPLES.values() if not s.offline and present_folder(s, settings)]
    return (present or ["digits"])[0]


def resolve(choice: str, settings: Settings, workspace: str | None) -> str:
    """The engine's `data` for a choice: a sample's name or a folder inside what this visitor may read.

    A bare folder name under the data directory is taken too, for programs. Raises DataError.
    """
    if choice in SAMPLES:
        return choice
    if choice.startswith(UPLOAD) and workspace:
        parent, name = settings.uploads / workspace, choice.removeprefix(UPLOAD)
    else:
        parent, name = settings.data_dir, choice.removeprefix(FOLDER)
    if name in {folder.name for folder in _folders(parent)} - HIDDEN:
        return str(parent / name)
    raise DataError(f"There is no data set {name[:80]!r} here: choose {', '.join(SAMPLES)} or one that the page lists.")


def take_upload(archive: Path, settings: Settings, workspace: str) -> tuple[str, ImageFolder]:
    """Unpack a visitor's zip into their own folder: the choice it becomes, and what is in it. Raises DataError."""
    folder = unpacked(archive, settings.uploads / workspace, settings.limits)
    return UPLOAD + folder.name, scan(folder, settings.limits)


def described(choice: str, settings: Settings, workspace: str | None) -> ImageFolder:
    """What is in a data set. Read again only when its folders changed. Raises DataError."""
    data = resolve(choice, settings, workspace)
    if data in SAMPLES:
        present = present_folder(SAMPLES[data], settings)
        if present is None:
            return load_data(data, settings)
        data = str(present)
    return _scanned(data, _stamp(Path(data)), settings.limits)


def delete_uploads(settings: Settings, workspace: str) -> int:
    """Remove all that a visitor uploaded; returns how many data sets that were."""
    folders = _folders(settings.uploads / workspace)
    shutil.rmtree(settings.uploads / workspace, ignore_errors=True)
    return len(folders)


def summary_words(data: ImageFolder) -> str:
    """One sentence on a data set."""
    skipped = f", {plural(len(data.skipped), 'file')} left out" if data.skipped else ""
    return f"{plural(len(data.records), 'photo')} in {plural(len(data.classes), 'class', 'classes')}{skipped}"


@functools.lru_cache(maxsize=32)
def _scanned(data: str, _changed: float, limits: Limits) -> ImageFolder:
    return scan(Path(data), limits)


def _stamp(folder: Path) -> float:
    """When the folder, or one up to two levels below, last gained or lost a file."""
    below = [f for level in ("*", "*/*") for f in folder.glob(level) if f.is_dir()]
    return max(f.stat().st_mtime for f in [folder, *below])


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(f for f in parent.iterdir() if f.is_dir() and not f.name.startswith("."))


def _upload_label(folder: Path) -> str:
    return folder.name.rsplit("-", 1)[0]  # without the hash that content_name added
