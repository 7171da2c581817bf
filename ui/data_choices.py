"""The photos a page may train on: samples, the host's folders, the visitor's uploads. Never a path from a visitor."""

import functools
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from tl_engine.collect import PREFIX, Collection
from tl_engine.dataset import ImageFolder, printable, scan
from tl_engine.errors import DataError
from tl_engine.intake import locate
from tl_engine.manifest import Mend, Mends
from tl_engine.samples import SAMPLES, present_folder
from tl_engine.settings import Limits, Settings
from ui.session import checked_workspace
from ui.wording import plural

FOLDER, UPLOAD = "folder:", "upload:"
MENDS = ".mends"  # in a workspace: what its owner corrected, a file for each data set
CORRECTING = threading.Lock()  # two tabs of one visitor lose no correction of each other
HUB_PREFIX = "hf--"  # how the folder of a data set from the hub begins
HIDDEN = frozenset(("archives",))  # under the data directory, but nobody's data set


def choices(settings: Settings, workspace: str) -> list[tuple[str, str]]:
    """(label, value) for all that this visitor can train on; uploads first, the newest first."""
    # Without a workspace the folder would be everybody's: the names in it are the workspaces' own tokens.
    own = _folders(_own_folder(settings, workspace)) if workspace else []
    uploads = sorted(own, key=lambda f: f.stat().st_mtime, reverse=True)
    sample_folders = {name for sample in SAMPLES.values() for name in sample.folders}
    listed = [(f"Yours: {_upload_label(folder)}", UPLOAD + folder.name) for folder in uploads]
    for sample in SAMPLES.values():
        here = sample.offline or present_folder(sample, settings)
        listed.append((f"Sample: {sample.present_label if here else sample.label}", sample.name))
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
    """The engine's `data` for a choice: a sample's name, a folder inside what this visitor may read, or their mends.

    A bare folder name under the data directory is taken too, for programs. Raises DataError.
    """
    data = _original(choice, settings, workspace)
    mends = mends_file(choice, settings, workspace) if workspace else None
    return str(mends) if mends and mends.is_file() else data


def _original(choice: str, settings: Settings, workspace: str | None) -> str:
    if choice in SAMPLES:
        return choice
    if choice.startswith(UPLOAD) and workspace:
        parent, name = _own_folder(settings, workspace), choice.removeprefix(UPLOAD)
    else:
        parent, name = settings.data_dir, choice.removeprefix(FOLDER)
    if name in {folder.name for folder in _folders(parent)} - HIDDEN:
        return str(parent / name)
    raise DataError(f"There is no data set {name[:80]!r} here: choose {', '.join(SAMPLES)} or one that the page lists.")


def mends_file(choice: str, settings: Settings, workspace: str) -> Path:
    """Where this visitor's corrections of a data set go; call it only with a choice that `resolve` took."""
    kind, _, name = choice.rpartition(":")
    return _own_folder(settings, workspace) / MENDS / (kind or "sample") / f"{name}.json"


def located(choice: str, settings: Settings, workspace: str | None) -> Mends:
    """Where a data set lies, with what this visitor corrected in it. Raises DataError, also for an absent sample."""
    data = resolve(choice, settings, workspace)
    if absent(data, settings):
        raise DataError(f"The sample {data} is not here yet: press Train, and it is downloaded first.")
    return locate(data, settings)


def correct(choice: str, mends: Iterable[Mend], settings: Settings, workspace: str) -> Mends:
    """Add corrections to those of a visitor; a newer one of the same file wins. Raises DataError."""
    with CORRECTING:
        corrected = located(choice, settings, workspace).adding(mends)
        corrected.write(mends_file(choice, settings, workspace))
    return corrected


def undo(choice: str, settings: Settings, workspace: str) -> None:
    """Forget all corrections of a data set by this visitor."""
    resolve(choice, settings, workspace)
    mends_file(choice, settings, workspace).unlink(missing_ok=True)


def own_collection(choice: str, settings: Settings, workspace: str) -> Collection | None:
    """The data set that the visitor puts together by hand, if the choice is one."""
    name = choice.removeprefix(UPLOAD)
    if not (choice.startswith(UPLOAD) and name.startswith(PREFIX)):
        return None
    return Collection(Path(_original(choice, settings, workspace)))


def described(choice: str, settings: Settings, workspace: str | None) -> ImageFolder | None:
    """What is in a data set, as corrected; None for a sample not downloaded yet. Raises DataError.

    Read again only when its folders changed.
    """
    if absent(resolve(choice, settings, workspace), settings):
        return None
    mends = located(choice, settings, workspace)
    return mends.applied(_scanned(str(mends.root), _stamp(mends.root), settings.limits))


def absent(choice: str, settings: Settings) -> bool:
    """Whether the choice is a sample that must be downloaded first; training does that."""
    sample = SAMPLES.get(choice)
    return sample is not None and not sample.offline and present_folder(sample, settings) is None


def delete_uploads(settings: Settings, workspace: str) -> int:
    """Remove all that a visitor uploaded; returns how many data sets that were."""
    folders = _folders(_own_folder(settings, workspace))
    shutil.rmtree(_own_folder(settings, workspace), ignore_errors=True)
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


def _own_folder(settings: Settings, workspace: str) -> Path:
    """All that a visitor brought. Raises EngineError: a workspace from a browser must not lead anywhere else."""
    return settings.uploads / checked_workspace(workspace)


def _upload_label(folder: Path) -> str:
    if folder.name.startswith(PREFIX):
        return Collection(folder).title
    if folder.name.startswith(HUB_PREFIX):
        return folder.name.removeprefix(HUB_PREFIX).replace("--", "/")
    return folder.name.rsplit("-", 1)[0]  # without the hash that content_name added
