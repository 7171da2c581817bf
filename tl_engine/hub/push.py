"""Pushing a classifier to the Hugging Face hub: whole in one commit, or not at all; a token is told to nobody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.base.download import hub_endpoint
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.files import is_disk_full, make_parent, temporary
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings
from tl_engine.hub.access import checked_repo, reason_of
from tl_engine.hub.card import classifier_at
from tl_engine.hub.commit import Delivery
from tl_engine.hub.files import OURS, write_files
from tl_engine.runs.run import Run

NOTHING = "nothing was pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What lies on the hub now."""

    url: str
    repo: str
    commit: str  # to load exactly this one, hub:USER/NAME@COMMIT
    files: Mapping[str, int]  # name -> bytes


def push(
    run: Run,
    repo: str,
    settings: Settings,
    *,
    token: str | None,
    private: bool = True,
    update: bool = False,
    verified: Mapping[str, Any] | None = None,
    tell: OnProgress | None = None,
) -> Pushed:
    """Put a run's classifier, its card and what it takes to load it into a repository, made for it, in one commit.

    `update`: a repository of that name that is there already gets it instead, and stays as private as it is. `tell`
    hears bytes. Raises HubError when that cannot be, BrokenOffError once it had begun, which says what is left there;
    EngineError where the backbone that belongs into the files cannot be had.
    """
    checked_repo(repo)
    classifier_at(run)
    delivery = Delivery.checked(repo, token)
    make_parent(settings.cache)
    with temporary(settings.cache) as place:
        folder = Path(place)
        _prepare(run, repo, folder, settings, verified)
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        if tell:
            tell(0, sum(files.values()))
        made = delivery.make(private=private, update=update)
        content = {name: folder / name for name in files}
        commit = delivery.commit(content, "A classifier", made=made, stale=lambda name: name in OURS)
        if tell:
            tell(sum(files.values()), sum(files.values()))
    return Pushed(url=f"{hub_endpoint()}/{repo}", repo=repo, commit=commit, files=files)


def _prepare(run: Run, repo: str, folder: Path, settings: Settings, verified: Mapping[str, Any] | None) -> None:
    try:
        write_files(run, repo, folder, settings, verified)
    except EngineError:
        raise
    except Exception as error:  # OSError and what safetensors, written in Rust, makes of a full disk
        if not isinstance(error, OSError) and not is_disk_full(error):
            raise
        raise HubError(f"The files of {repo} could not be made ({reason_of(error)}), {NOTHING}: make room.") from None
