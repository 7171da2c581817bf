"""Correcting a data set: a file in the visitor's own folder, for each data set one; the photos are not touched."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterable

from tl_engine.data.mends import Mend
from tl_engine.data.reading import Reading
from tl_engine.workspaces.chosen import Chosen

USED = "used"  # what trainings and reports were given; a later correction does not reach those
CORRECTING = threading.Lock()  # two tabs of one visitor lose no correction of each other


def correct(chosen: Chosen, mends: Iterable[Mend]) -> None:
    """Add corrections to those of the visitor; a newer one of the same file wins. Raises DataError."""
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
    if not chosen.mends_file.is_file():
        return chosen.data
    located = chosen.located()
    digest = hashlib.sha256(repr(located).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    copy = chosen.mends_folder / USED / digest / chosen.mends_file.name
    located.write(copy)
    return str(copy)
