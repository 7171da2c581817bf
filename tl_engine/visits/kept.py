"""Trainings that their owner wants kept, however long nobody comes: an empty file in the run's folder."""

from tl_engine.base.errors import RunError
from tl_engine.base.words import plural
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace, open_run

KEPT = "kept"


def is_kept(run: Run) -> bool:
    """Whether its owner wants it kept."""
    return (run.folder / KEPT).is_file()


def keep(visitor: Workspace, name: str) -> Run:
    """Keep a run of this visitor's own. Raises RunError where they keep as many as one may."""
    run, most = _own(visitor, name), visitor.settings.limits.kept_runs
    others = [one for one in visitor.runs() if visitor.owns(one) and one != run and is_kept(one)]
    if len(others) >= most:
        raise RunError(f"You keep {plural(len(others), 'training')} already, and {most} may be kept: let one go first.")
    try:
        (run.folder / KEPT).touch()
    except OSError as error:
        raise RunError(f"This training could not be marked ({error.strerror}): try again.") from None
    return run


def let_go(visitor: Workspace, name: str) -> Run:
    """Keep it no longer than others. Raises RunError."""
    run = _own(visitor, name)
    (run.folder / KEPT).unlink(missing_ok=True)
    return run


def _own(visitor: Workspace, name: str) -> Run:
    run = open_run(name, visitor.settings)
    if not visitor.owns(run):
        raise RunError("This training is not yours: only who started it decides how long it is kept.")
    return run
