"""Which classifiers a visitor may use, and what each is called."""

import itertools

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.hub.classifiers import PREFIX
from tl_engine.ledger.rows import row_of
from tl_engine.runs import titles
from tl_engine.runs.find import IMAGENET, classifier_of, shipped
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta
from tl_engine.workspaces.classifier_pool import taken
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.wording import IMAGENET_LABEL, SHIPPED_LABELS

MOST_LISTED = 100  # runs, the newest; nobody reads a longer list
NAMED = 3  # classes in a classifier's title; more are counted


def choices(visitor: Workspace, token: str = "") -> list[tuple[str, str]]:
    """(label, name) of all a visitor may predict with, their newest first; `token` is the run that is current.

    A run opened by its link is listed only while it is that.
    """
    runs = list(itertools.islice((run for run in visitor.runs() if row_of(run).classifier), MOST_LISTED))
    current = _with_classifier(visitor, token)
    if current and current not in runs:
        runs.insert(0, current)
    named = titles.names(runs, lambda run: row_of(run).title)
    listed = [(_label(run, named[run.name], visitor), run.name) for run in runs]
    listed += [(f"From the hub: {name.removeprefix(PREFIX)}", name) for name in taken(visitor)]
    listed += [(_shipped_label(name), name) for name in shipped(visitor.settings)]
    return [*listed, (IMAGENET_LABEL, IMAGENET)]


def _shipped_label(name: str) -> str:
    """`Ants or bees`; of one that a Space was made with, its name in words."""
    return SHIPPED_LABELS.get(name, name.replace("-", " ").capitalize())


def _with_classifier(visitor: Workspace, token: str) -> Run | None:
    """The run of that name, if it is one and has a classifier."""
    if not token or ready_made(visitor.settings, token):
        return None
    try:
        run = open_run(token, visitor.settings)
    except EngineError:
        return None
    return run if classifier_of(run) else None


def _label(run: Run, name: str, visitor: Workspace) -> str:
    if not visitor.may_list(run):
        return f"From a link: {run_title(run)}"
    result = row_of(run).result
    whose = "" if visitor.owns(run) else "The host's: "
    return f"{whose}{name}{f' ({result})' if result else ''}"


def linked_run(visitor: Workspace, token: str) -> Run | None:
    """The run of that name with a classifier, if the visitor has it by a link only."""
    run = _with_classifier(visitor, token)
    return None if run is None or visitor.may_list(run) else run


def run_title(run: Run) -> str:
    """`A classifier of cats and dogs`."""
    try:
        return f"A classifier of {classes_words(read_meta(run.best).classes)}"
    except EngineError:  # this moment it is being replaced, or it is damaged, which trying it tells
        return "A classifier"


def classes_words(classes: tuple[str, ...] | list[str]) -> str:
    """`cats and dogs`; of many classes the first ones."""
    named = list(classes[:NAMED])
    if len(classes) > NAMED:
        return f"{', '.join(named)} and {len(classes) - NAMED} more"
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def ready_made(settings: Settings, name: str) -> bool:
    """Whether it comes with the program, so that any photo will do to try it."""
    return name == IMAGENET or name in shipped(settings)
