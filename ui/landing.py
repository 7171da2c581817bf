"""Where a visitor goes on: with what they have, with what their link opens, or at the three doors."""

from dataclasses import dataclass, replace
from typing import Any

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.find import IMAGENET, classifier_of, opens_with
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.visits import seen
from tl_engine.visits.ageing import hours
from tl_engine.visits.disk import disk_name
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.predict.classifiers import choices
from ui.serving.space import on_space

ON_A_SPACE = "this Space was restarted, and it has no storage that stays"
ELSEWHERE = "the server was started anew, and its disk is another one or was emptied"
AGAIN = "To go on, bring your photos again: press My own photos, or A zip of class folders."


@dataclass(frozen=True, slots=True)
class Landing:
    """What the page opens with."""

    tab: str
    data: str  # a choice
    run: str  # its name, "" for none
    classifier: str
    refusal: str = ""  # what is wrong with the link
    told: str = ""  # what became of what the browser remembers, where that was not its visitor's doing


def remembered(settings: Settings, known: object) -> Workspace:
    """The workspace that the browser kept; a new one where it kept none, or something else."""
    try:
        return Workspace.of(settings, known)
    except EngineError:
        return Workspace.of(settings, None)


def landing(visitor: Workspace, kept: Any, asked: str | None) -> Landing:
    """What this visitor goes on with: the link's run, else what was current, else the newest of theirs."""
    known = kept if isinstance(kept, dict) else {}  # a browser sends anything
    data = visitor.present(_word(known, "data"))
    refusal = ""
    if asked:
        try:
            return _with_run(visitor, open_run(asked, visitor.settings), data, "")
        except EngineError as error:
            refusal = str(error)
    run, told = _current_run(visitor, _word(known, "run")), missing(visitor, known)
    if run is not None:
        found = _with_run(visitor, run, data, _word(known, "classifier"), refusal)
        return replace(found, told=told)
    classifier = _usable(visitor, _word(known, "classifier"))
    begins = not known and classifier != IMAGENET  # a page that was made to show a classifier
    return Landing("predict" if begins else "photos", data, "", classifier, refusal, told)


def missing(visitor: Workspace, known: dict[str, Any]) -> str:
    """Why something that the browser remembers is not here, in words; "" where it is, or its visitor deleted it."""
    data, run = _word(known, "data"), _word(known, "run")
    lost_data = data.startswith(UPLOAD) and visitor.find(data) is None
    lost_run = bool(run) and _there(visitor, run) is None
    if not (lost_data or lost_run):
        return ""
    disk = _word(known, "disk")
    if disk and disk != disk_name(visitor.settings):
        return f"What you had here is gone: {ON_A_SPACE if on_space() else ELSEWHERE}. {AGAIN}"
    gone, limits = seen.gone(visitor.settings, visitor.token), visitor.settings.limits
    if data in gone:
        more = "Your trainings are still here. " if visitor.latest_run() else ""
        return f"Your photos were deleted, since nobody came for {hours(limits.data_seconds)}. {more}{AGAIN}"
    if run in gone:
        return f"Your training was deleted, since nobody came for {hours(limits.run_seconds)}. {AGAIN}"
    return ""


def _with_run(visitor: Workspace, run: Run, data: str, wanted: str, refusal: str = "") -> Landing:
    """A training that goes on is followed, a classifier is tried; without one, one goes on with the photos."""
    made = classifier_of(run) is not None
    tab = "train" if run.state() in OPEN_STATES else "predict" if made else "photos"
    return Landing(tab, data, run.name, _usable(visitor, wanted or (run.name if made else "")), refusal)


def _current_run(visitor: Workspace, name: str) -> Run | None:
    """What was current, if it is still there; a training of theirs that goes on, or their newest."""
    newest = visitor.latest_run()
    if newest and newest.state() in OPEN_STATES:
        return newest
    return (_there(visitor, name) if name else None) or newest


def _there(visitor: Workspace, name: str) -> Run | None:
    """The run of that name, if there is one."""
    try:
        return open_run(name, visitor.settings)
    except EngineError:
        return None


def _usable(visitor: Workspace, name: str) -> str:
    """The classifier, if the visitor may use it, else the one that this page begins with."""
    return name if name in [value for _, value in choices(visitor, name)] else opens_with(visitor.settings)


def _word(known: dict[str, Any], key: str) -> str:
    value = known.get(key)
    return value if isinstance(value, str) else ""
