"""Whose turn it is to train: one run of a workspace and of a person, and places in line that no program takes.

Who asked for a run is remembered in this process only: a restart forgets it, the workspaces it does not.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tl_engine.base.errors import RunError
from tl_engine.base.words import plural
from tl_engine.runs import open_runs
from tl_engine.runs.process import Spare
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.workspaces import start
from tl_engine.workspaces.start import MOST_WAITING
from tl_engine.workspaces.workspace import Workspace, open_run

FOR_THE_PAGE = 5  # places of all that programs and labs leave to whoever presses Train
REMEMBERED = 1_000  # runs of which it is known who asked
_LOCK = threading.Lock()
_ASKED: dict[str, str] = {}  # a run's name -> the person who asked for it
_TAKING: Counter[str] = Counter()  # places asked for by persons whose settings are being checked


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to train."""

    person: str = ""  # "": nobody knows, so nobody is counted
    program: bool = False  # through an endpoint; not somebody at the page
    pupil: bool = False  # of a lesson


def begin(options: Mapping[str, Any], visitor: Workspace, asker: Asker, spare: Spare | None = None) -> tuple[Run, bool]:
    """Start a training, or give back the one this workspace has going: (run, whether it is new). Raises EngineError."""
    if going := start.going_run(visitor):
        return going, False
    with _turn(visitor, asker, 1):
        run, new = start.start(options, visitor, spare)
        _remember([run], asker)
    return run, new


def begin_lab(choice: str | None, architecture: str, visitor: Workspace, asker: Asker,
              spare: Spare | None = None) -> list[Run]:  # fmt: skip
    """Queue the trainings of a lab: one turn, and as many places as there are. Raises EngineError."""
    configs, _ = start.lab_configs(choice, architecture, visitor)
    with _turn(visitor, Asker(asker.person, program=True), len(configs)):
        runs = start.start_lab(choice, architecture, visitor, spare)
        _remember(runs, asker)
    return runs


def go_on(token: str, visitor: Workspace, asker: Asker, spare: Spare | None = None) -> Run:
    """Have a run go on where it was left, as `start.resume` does, when it is this person's turn. Raises EngineError."""
    if visitor.owns(run := open_run(token, visitor.settings)) and run.state() in OPEN_STATES:
        return run
    with _turn(visitor, asker, 1):
        run = start.resume(token, visitor, spare)
        _remember([run], asker)
    return run


@contextlib.contextmanager
def _turn(visitor: Workspace, asker: Asker, places: int) -> Iterator[None]:
    """Hold so many places while settings are checked, which takes seconds. Raises RunError where there are none."""
    with _LOCK:
        _check(visitor, asker, places)
        _TAKING[asker.person] += places
    try:
        yield
    finally:
        with _LOCK:
            _TAKING[asker.person] -= places


def _check(visitor: Workspace, asker: Asker, places: int) -> None:
    runs, most = _open(visitor), visitor.settings.limits.person_runs
    mine = sum(_ASKED.get(run.name) == asker.person for run in runs) + _TAKING[asker.person]
    if asker.person and mine and mine + places > most:
        raise RunError(
            f"You have {plural(mine, 'training')} waiting or at work already, and a person may have {most}: wait until "
            "it has ended, or stop it first."
        )
    taken = len(runs) + _TAKING.total()
    if asker.program and taken + places > MOST_WAITING - FOR_THE_PAGE:
        raise RunError(
            f"{plural(taken, 'training')} wait or are at work, and the last {FOR_THE_PAGE} places are kept for people "
            "who press Train: try again when some have ended."
        )
    if taken + places > MOST_WAITING:
        raise RunError(f"{taken} trainings are waiting already: try again when some have ended.")


def _open(visitor: Workspace) -> list[Run]:
    if not visitor.settings.runs.is_dir():
        return []
    return [run for run in open_runs.listed(visitor.settings.runs) if run.state() in OPEN_STATES]


def _remember(runs: list[Run], asker: Asker) -> None:
    with _LOCK:
        for run in runs:
            _ASKED[run.name] = asker.person
        while len(_ASKED) > REMEMBERED:
            del _ASKED[next(iter(_ASKED))]
