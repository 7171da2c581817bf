"""Pushing a classifier to the Hugging Face hub: whole in one commit, or not at all; a token is told to nobody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_engine.base.download import hub_endpoint
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.files import is_disk_full, make_parent, temporary
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings
from tl_engine.hub.access import check_reachable, checked_repo, host_name, hub_api, reason_of, status_of
from tl_engine.hub.card import classifier_at
from tl_engine.hub.files import OURS, write_files
from tl_engine.runs.run import Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEEDED = "set HF_TOKEN to one that may write, or log in with `hf auth login`"
NOTHING = "nothing was pushed"


class BrokenOffError(HubError):
    """A push that ended half way; the text says what is left there."""


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
    if not token:
        raise HubError(f"There is no token for the hub, so {NOTHING}: {NEEDED}.")
    api = hub_api(token)
    check_reachable(f"{repo} was not pushed")
    _check_token(api, repo, token)
    make_parent(settings.cache)
    with temporary(settings.cache) as place:
        folder = Path(place)
        _prepare(run, repo, folder, settings, verified)
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        if tell:
            tell(0, sum(files.values()))
        made = _made(api, repo, token, private=private, update=update)
        commit = _committed(api, repo, token, folder, made=made)
        if tell:
            tell(sum(files.values()), sum(files.values()))
    return Pushed(url=f"{hub_endpoint()}/{repo}", repo=repo, commit=commit, files=files)


def _check_token(api: "HfApi", repo: str, token: str) -> None:
    """Raise HubError unless the hub knows whose token it is."""
    try:
        api.whoami()
    except Exception as error:
        if status_of(error) in (400, 401):
            raise HubError(f"{host_name()} does not know this token, so {NOTHING}: {NEEDED}.") from None
        raise HubError(f"{repo} was not pushed ({reason_of(error, token)}), {NOTHING}: try again later.") from None


def _prepare(run: Run, repo: str, folder: Path, settings: Settings, verified: Mapping[str, Any] | None) -> None:
    try:
        write_files(run, repo, folder, settings, verified)
    except EngineError:
        raise
    except Exception as error:  # OSError and what safetensors, written in Rust, makes of a full disk
        if not isinstance(error, OSError) and not is_disk_full(error):
            raise
        raise HubError(f"The files of {repo} could not be made ({reason_of(error)}), {NOTHING}: make room.") from None


def _made(api: "HfApi", repo: str, token: str, *, private: bool, update: bool) -> bool:
    """Whether this very call made the repository; False where it is there and is to be updated. Raises HubError."""
    try:
        api.create_repo(repo, private=private)
    except Exception as error:
        status = status_of(error)
        if status == 409 and update:
            return False
        if status == 409:
            raise HubError(
                f"{repo} is there already, so {NOTHING}: choose another name, or --update to replace one of your own."
            ) from None
        if status in (401, 403):
            raise HubError(
                f"This token may not make {repo}, so {NOTHING}: choose a name of your own, or a token that may write."
            ) from None
        raise HubError(f"{repo} could not be made ({reason_of(error, token)}), {NOTHING}: try again later.") from None
    return True


def _committed(api: "HfApi", repo: str, token: str, folder: Path, *, made: bool) -> str:
    """The commit with all the files. Raises HubError once what this call made is gone again, or says that it is not."""
    before = None
    try:
        if not made:
            before = api.model_info(repo).sha
        # Not upload_folder: where hf_xet is installed it commits in several batches.
        return str(
            api.create_commit(repo, _operations(api, repo, folder, made=made), commit_message="A classifier").oid
        )
    except BaseException as error:
        left = _withdrawn(api, repo) if made else _unchanged(api, repo, before)
        if not isinstance(error, Exception):  # ended from the keyboard
            raise
        refused = status_of(error) in (401, 403)
        remedy = "use a token that may write there" if refused else "try again"
        raise BrokenOffError(f"{repo} was not pushed ({reason_of(error, token)}); {left}: {remedy}.") from None


def _operations(api: "HfApi", repo: str, folder: Path, *, made: bool) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = [path.name for path in sorted(folder.iterdir())]
    # In an update, what an earlier push left and this one has not.
    stale = [] if made else [name for name in api.list_repo_files(repo) if name in OURS and name not in names]
    added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names]
    return [*added, *(CommitOperationDelete(path_in_repo=name) for name in stale)]


def _withdrawn(api: "HfApi", repo: str) -> str:
    """What is left of a repository that this call made, after deleting it."""
    try:
        api.delete_repo(repo)
    except Exception:
        return f"an empty repository {repo} is left there, which you can delete on the hub"
    return "nothing is left there"


def _unchanged(api: "HfApi", repo: str, before: str | None) -> str:
    """Whether a repository is as it was."""
    try:
        same = before is None or api.model_info(repo).sha == before
    except Exception:
        return "whether it was changed there could not be told"
    return "nothing was changed there" if same else "it was changed there all the same"
