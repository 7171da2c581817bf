"""Where a visitor goes on: with what they have, with what their link opens, or at the three doors."""

from dataclasses import dataclass
from typing import Any

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.find import IMAGENET, classifier_of, opens_with
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.predict.classifiers import choices


@dataclass(frozen=True, slots=True)
class Landing:
    """What the page opens with."""

    tab: str
    data: str  # a choice
    run: str  # its name, "" for none
    classifier: str
    refusal: str = ""  # what is wrong with the link


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
    run = _current_run(visitor, _word(known, "run"))
    if run is not None:
        return _with_run(visitor, run, data, _word(known, "classifier"), refusal)
    classifier = _usable(visitor, _word(known, "classifier"))
    begins = not known and classifier != IMAGENET  # a page that was made to show a classifier
    return Landing("predict" if begins else "photos", data, "", classifier, refusal)


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
    try:
        return open_run(name, visitor.settings) if name else newest
    except EngineError:
        return newest


def _usable(visitor: Workspace, name: str) -> str:
    """The classifier, if the visitor may use it, else the one that this page begins with."""
    return name if name in [value for _, value in choices(visitor, name)] else opens_with(visitor.settings)


def _word(known: dict[str, Any], key: str) -> str:
    value = known.get(key)
    return value if isinstance(value, str) else ""
