"""Who sees what: a workspace kept in the browser owns runs and uploads; a run's token opens it for whoever has it."""

import re
import secrets

from tl_engine.base.errors import EngineError, RunError
from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run, find_run, list_runs

TOKEN = re.compile(r"[0-9a-f]{32}")


def new_token() -> str:
    """An unguessable name for a workspace or a run; whoever knows it may see what it names."""
    return secrets.token_hex(16)


def checked_workspace(workspace: object) -> str:
    """The workspace, safe to become a folder's name. Raises EngineError for anything but a token of ours."""
    if not isinstance(workspace, str) or not TOKEN.fullmatch(workspace):
        raise EngineError("This page has lost its workspace: reload it.")
    return workspace


def owner_of(workspace: object) -> str:
    """Whose call that is: the page's workspace, or a new one for a page that has none (yet).

    A handler that makes something gives the owner back to the page, which would lose what was made otherwise. Raises
    EngineError for what is no token of ours.
    """
    return new_token() if workspace in ("", None) else checked_workspace(workspace)


def visible_runs(settings: Settings, workspace: str) -> list[Run]:
    """The visitor's own runs and the host's, the newest first."""
    return [run for run in list_runs(settings) if run.facts.workspace in (workspace, None)]


def open_run(token: str, settings: Settings) -> Run:
    """The run of a token, or one of the host's by name. Raises RunError."""
    try:
        return find_run(token, settings)
    except RunError:
        raise RunError("There is no such run here: it may have been deleted, or the link is incomplete.") from None


def stoppable(token: str, settings: Settings, workspace: str) -> Run:
    """The run, if this visitor may stop it: a link shows a run, only who started it ends it. Raises RunError."""
    run = open_run(token, settings)
    owner = run.facts.workspace
    if owner is None:
        raise RunError("This run was started by the host: it can be stopped in the host's terminal.")
    if not secrets.compare_digest(str(owner).encode(), str(workspace).encode()):
        raise RunError("This run belongs to somebody else: a link shows it, only who started it can stop it.")
    return run
