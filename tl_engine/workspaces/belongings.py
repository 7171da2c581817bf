"""Everything here that is a visitor's, with its size."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.words import clock, plural
from tl_engine.runs import titles
from tl_engine.runs.run import Run
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.workspace import Workspace

DATA, RUN = "data", "run"


@dataclass(frozen=True, slots=True)
class Thing:
    """A data set or a run."""

    kind: str  # DATA or RUN
    key: str  # what deleting it takes: a choice, or a run's name
    title: str
    detail: str  # how much of it, or how well it did
    bytes: int


def things(visitor: Workspace) -> list[Thing]:
    """All that the visitor brought and started: data sets, then runs, the newest first."""
    runs = [run for run in visitor.runs() if visitor.owns(run)]
    named = titles.names(runs)
    data = [visitor.find(choice) for choice in visitor.own_data()]  # None: deleted by another tab this moment
    return [*(_data(chosen) for chosen in data if chosen), *(_run(run, named[run.name]) for run in runs)]


def _data(chosen: Chosen) -> Thing:
    try:
        own = chosen.collection
        number = sum(own.counts().values()) if own else len(data.records) if (data := chosen.described()) else 0
        detail = plural(number, "photo")
    except (DataError, OSError):  # nothing can be learnt from it, which is no reason to keep it
        detail = "unread"
    return Thing(DATA, chosen.choice, chosen.title, detail, _size(Path(chosen.data)))


def _run(run: Run, title: str) -> Thing:
    result = titles.result_words(run) or run.state()
    return Thing(RUN, run.name, title, f"{result}, {clock(run.facts.created)}", _size(run.folder))


def _size(folder: Path) -> int:
    """Bytes of all files below."""
    total = 0
    for current, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # removed by another tab
                total += (Path(current) / file).stat().st_size
    return total
