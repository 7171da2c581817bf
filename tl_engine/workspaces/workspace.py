"""Who sees what: a workspace kept in the browser owns runs and uploads; a run's token opens it for whoever has it."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tl_engine.base.errors import DataError, EngineError, RunError
from tl_engine.base.files import folder_bytes
from tl_engine.base.settings import Settings
from tl_engine.base.words import clock, plural
from tl_engine.ledger.listing import runs_of
from tl_engine.ledger.rows import Row, bytes_of, row_of
from tl_engine.runs import titles
from tl_engine.runs.run import Run, find_run
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import data_choices
from tl_engine.workspaces.chosen import MENDS, UPLOAD, Chosen

DATA, RUN = "data", "run"  # kinds of things

TOKEN = re.compile(r"[0-9a-f]{32}")


def new_token() -> str:
    """An unguessable name for a workspace or a run; whoever knows it may see what it names."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One visitor in one installation: what they brought, may train on and may see.

    Raises EngineError for anything but a token of ours: it becomes a folder's name.
    """

    settings: Settings
    token: str

    def __post_init__(self) -> None:
        if not isinstance(self.token, str) or not TOKEN.fullmatch(self.token):
            raise EngineError("This page has lost its workspace: reload it.")

    @classmethod
    def of(cls, settings: Settings, sent: Any) -> Self:
        """Whose call that is: the page's workspace, or a new one for a page that has none (yet).

        A handler that makes something gives the token back to the page, which would lose what was made otherwise.
        """
        return cls(settings, new_token() if sent in ("", None) else sent)

    @property
    def folder(self) -> Path:
        """All that the visitor brought; it need not be there."""
        return self.settings.uploads / self.token

    def choices(self) -> list[tuple[str, str]]:
        """(label, value) for all that this visitor can train on; uploads first, the newest first."""
        return data_choices.choices(self.settings, self.folder)

    def own_data(self) -> list[str]:
        """The choices that are this visitor's own, the newest first."""
        return [value for _, value in self.choices() if value.startswith(UPLOAD)]

    def present(self, choice: str | None) -> str:
        """The choice; where it is gone, the visitor's newest data set, or else the default one."""
        listed = [value for _, value in self.choices()]
        if choice in listed:
            return str(choice)
        own = (value for value in listed if value.startswith(UPLOAD))
        return next(own, data_choices.default_choice(self.settings))

    def data(self, choice: str | None) -> Chosen:
        """The data set of a choice, if this visitor may read it. Raises DataError."""
        if not isinstance(choice, str | None):  # a browser sends anything
            raise DataError("A data set is named by text: choose one that the page lists.")
        data = data_choices.resolve(choice or "", self.settings, self.folder)
        return Chosen(self.settings, choice or "", data, self.folder / MENDS)

    def find(self, choice: str | None) -> Chosen | None:
        """The same; None where there is nothing of that name, or nothing is chosen."""
        try:
            return self.data(choice)
        except DataError:
            return None

    def collection(self, choice: str | None) -> Collection:
        """The data set of a choice that this visitor puts together by hand. Raises DataError."""
        chosen = self.find(choice)
        if chosen is None or chosen.collection is None:
            raise DataError(
                "This data set is not one of those you put together here: press New, or choose one of yours."
            )
        return chosen.collection

    def runs(self) -> list[Run]:
        """The visitor's own runs and the host's, the newest first."""
        return runs_of(self.settings, (self.token, None))

    def own_runs(self) -> list[Run]:
        """Those that the visitor started, the newest first."""
        return runs_of(self.settings, (self.token,))

    def may_list(self, run: Run) -> bool:
        """Whether it is the visitor's own or the host's; others they see by a link only."""
        return run.facts.workspace in (self.token, None)

    def owns(self, run: Run) -> bool:
        """Whether the visitor started it."""
        return run.facts.workspace == self.token

    def latest_run(self) -> Run | None:
        """The newest run that the visitor started."""
        return next(iter(self.own_runs()), None)


def open_run(token: str, settings: Settings) -> Run:
    """The run of a token, or one of the host's by name. Raises RunError."""
    try:
        return find_run(token, settings)
    except RunError:
        raise RunError("There is no such run here: it may have been deleted, or the link is incomplete.") from None


def stoppable(token: str, settings: Settings, secret: str) -> Run:
    """The run, if that is the workspace which started it: a link shows a run and does not end it. Raises RunError."""
    run = open_run(token, settings)
    owner = run.facts.workspace
    if owner is None:
        raise RunError("This run was started by the host: it can be stopped in the host's terminal.")
    if not secrets.compare_digest(str(owner).encode(), str(secret).encode()):
        raise RunError("This run belongs to somebody else: a link shows it, only who started it can stop it.")
    return run


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
    rows = {run: row_of(run) for run in visitor.own_runs()}
    named = titles.names(list(rows), lambda run: rows[run].title)
    data = [visitor.find(choice) for choice in visitor.own_data()]  # None: deleted by another tab this moment
    return [*(_data(chosen) for chosen in data if chosen), *(_run(row, named[run.name]) for run, row in rows.items())]


def _data(chosen: Chosen) -> Thing:
    try:
        own = chosen.collection
        number = sum(own.counts().values()) if own else len(data.records) if (data := chosen.described()) else 0
        detail = plural(number, "photo")
    except (DataError, OSError):  # nothing can be learnt from it, which is no reason to keep it
        detail = "unread"
    return Thing(DATA, chosen.choice, chosen.title, detail, folder_bytes(Path(chosen.data)))


def _run(row: Row, title: str) -> Thing:
    detail = f"{row.result or row.state}, {clock(row.created)}"
    return Thing(RUN, row.run.name, title, detail, bytes_of(row.run))
