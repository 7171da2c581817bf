"""Which classifiers a visitor may use, and what each is called."""

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs import titles
from tl_engine.runs.find import IMAGENET, classifier_of, shipped
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.wording import IMAGENET_LABEL, SHIPPED_LABELS

NAMED = 3  # classes in a classifier's title; more are counted


def choices(visitor: Workspace, token: str = "") -> list[tuple[str, str]]:
    """(label, name) of all a visitor may predict with, their own first; `token` is a run opened by its link."""
    runs = [run for run in visitor.runs() if classifier_of(run)]
    linked = linked_run(visitor, token)
    listed = [(_label(run, name, visitor), run.name) for run, name in zip(runs, _names(runs), strict=True)]
    if linked:
        listed.insert(0, (f"From a link: {run_title(linked)}", linked.name))
    listed += [(SHIPPED_LABELS.get(name, name), name) for name in shipped(visitor.settings)]
    return [*listed, (IMAGENET_LABEL, IMAGENET)]


def _names(runs: list[Run]) -> list[str]:
    named = titles.names(runs)
    return [named[run.name] for run in runs]


def _label(run: Run, name: str, visitor: Workspace) -> str:
    result = titles.result_words(run)
    whose = "" if visitor.owns(run) else "The host's: "
    return f"{whose}{name}{f' ({result})' if result else ''}"


def linked_run(visitor: Workspace, token: str) -> Run | None:
    """The run of that name with a classifier, if it is nobody's whose list it is on."""
    if not token or token == IMAGENET or token in shipped(visitor.settings):
        return None
    try:
        run = open_run(token, visitor.settings)
    except EngineError:
        return None
    return None if visitor.may_list(run) or classifier_of(run) is None else run


def run_title(run: Run) -> str:
    """`A classifier of cats and dogs`."""
    return f"A classifier of {classes_words(read_meta(run.best).classes)}"


def classes_words(classes: tuple[str, ...] | list[str]) -> str:
    """`cats and dogs`; of many classes the first ones."""
    named = list(classes[:NAMED])
    if len(classes) > NAMED:
        return f"{', '.join(named)} and {len(classes) - NAMED} more"
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def ready_made(settings: Settings, name: str) -> bool:
    """Whether it comes with the program, so that any photo will do to try it."""
    return name == IMAGENET or name in shipped(settings)
