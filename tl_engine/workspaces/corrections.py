"""Correcting a data set: a file in the visitor's own folder, for each data set one; the photos are not touched."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterable

from tl_engine.base.errors import DataError
from tl_engine.base.settings import Limits, Settings
from tl_engine.base.written import AUTO
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.mends import Located, Mend
from tl_engine.data.reading import Reading
from tl_engine.workspaces.chosen import Chosen

USED = "used"  # what trainings and reports were given; a later correction does not reach those
CORRECTING = threading.Lock()  # two tabs of one visitor lose no correction of each other


def mends_file(choice: str, settings: Settings, workspace: str) -> Path:
    """Where this visitor's corrections of a data set go. Raises DataError for a choice that is none."""
    resolve(choice, settings, workspace)
    kind, _, name = choice.rpartition(":")
    return own_folder(settings, workspace) / MENDS / (kind or "sample") / f"{name}.json"


def located(choice: str, settings: Settings, workspace: str | None) -> Located:
    """Where a data set lies now, and what this visitor corrected in it. Raises DataError, for an absent sample too."""
    data = resolve(choice, settings, workspace)
    if absent(data, settings):
        raise DataError(f"The sample {data} is not here yet: press Train, and it is downloaded first.")
    original = locate(data, settings)
    kept = mends_file(choice, settings, workspace) if workspace else None
    if kept is None or not kept.is_file():
        return original
    try:
        own = Located.read(kept)
        return dataclasses.replace(original, mends=own.mends, layout=own.layout)
    except DataError:
        raise DataError("Your corrections of this data set cannot be read: press Undo all corrections.") from None


def frozen(choice: str, settings: Settings, workspace: str | None) -> str:
    """The engine's `data` for what is there now: the choice itself, or a file with the corrections of now."""
    data = resolve(choice, settings, workspace)
    if not workspace or not mends_file(choice, settings, workspace).is_file():
        return data
    found = located(choice, settings, workspace)
    name = mends_file(choice, settings, workspace).name
    digest = hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    copy = own_folder(settings, workspace) / MENDS / USED / digest / name
    found.write(copy)
    return str(copy)


def correct(choice: str, mends: Iterable[Mend], settings: Settings, workspace: str) -> None:
    """Add corrections to those of a visitor; a newer one of the same file wins. Raises DataError."""
    with CORRECTING:
        chosen.located().adding(mends).write(chosen.mends_file)


def choose_layout(chosen: Chosen, layout: str) -> None:
    """Keep how the visitor wants a data set read. Raises EngineError."""
    reading = Reading(layout=layout)
    with CORRECTING:
        dataclasses.replace(chosen.located(), layout=reading.layout).write(chosen.mends_file)


def undo(chosen: Chosen) -> None:
    """Forget all corrections of a data set by the visitor, and how they wanted it read."""
    chosen.mends_file.unlink(missing_ok=True)


def frozen(chosen: Chosen) -> str:
    """The engine's `data` for what is there now: the data set itself, or a file with the corrections of now.

    Raises DataError.
    """
    if absent(resolve(choice, settings, workspace), settings):
        return None
    found = located(choice, settings, workspace)
    wanted = found.layout if layout == AUTO else layout
    return found.applied(_scanned(str(found.root), stamp(found.root), settings.limits, wanted))


@functools.lru_cache(maxsize=32)
def _scanned(data: str, _changed: int, limits: Limits, layout: str) -> ImageFolder:
    return scan(Path(data), limits, layout)


def stamp(folder: Path) -> int:
    """When the folder or one below it last gained or lost a file, nanoseconds since 1970."""
    return max(Path(current).stat().st_mtime_ns for current, _, _ in os.walk(folder))
