"""Classifiers by their name on the hub, hub:USER/NAME or hub:USER/NAME@REVISION: fetched once, one commit, checked.

The one door for whoever takes a classifier's name: `classifier_folder` for terminal and Python, `page_classifier` and
`take_for_visitor` for a page. What was fetched works without a network afterwards.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tl_engine.base.download import DownloadError, download, hub_endpoint
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.events import Event, Note
from tl_engine.base.files import made_whole, make_parent, write_json
from tl_engine.base.names import visible
from tl_engine.base.progress import telling
from tl_engine.base.settings import MEGABYTE, Settings
from tl_engine.base.words import size_words
from tl_engine.hub.access import (
    REPO,
    REPO_LENGTH,
    Token,
    check_reachable,
    host_name,
    hub_api,
    reason_of,
    status_of,
)
from tl_engine.hub.checks import check_files
from tl_engine.runs import find
from tl_engine.runs.meta import META
from tl_engine.runs.run import BEST, REPORT
from tl_engine.runs.saved_classifier import TENSORS, saved_folder
from tl_engine.sources.hub import HUB_SECONDS, WORD
from tl_engine.sources.room import check_room

PREFIX = "hub:"
NAME = re.compile(rf"hub:(?P<repo>{REPO.pattern})(?:@(?P<revision>{WORD}))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
KNOWN = "known.json"  # beside the commits of a repository: revision -> what it was when it was last asked for
REFERENCE = "reference.safetensors"
MOST_BYTES = {META: 2 * MEGABYTE, REFERENCE: 64 * MEGABYTE}  # of the small files; the settings say of the large one
Tell = Callable[[Event], object]


@dataclass(frozen=True, slots=True)
class HubClassifier:
    """A classifier's name on the hub, checked: never a path."""

    repo: str
    revision: str = "main"

    @classmethod
    def parse(cls, name: str) -> "HubClassifier":
        """The name behind hub:USER/NAME@REVISION. Raises HubError."""
        found = NAME.fullmatch(name)
        if found is None or len(found["repo"]) > REPO_LENGTH:
            raise HubError(
                f"{visible(name)[:80]!r} names no classifier on the hub: write hub:USER/NAME or hub:USER/NAME@REVISION."
            )
        return cls(found["repo"], found["revision"] or "main")

    def __str__(self) -> str:
        return PREFIX + self.repo + ("" if self.revision == "main" else f"@{self.revision}")

    def place(self, settings: Settings) -> Path:
        """The folder of its commits, nobody else's: the hub knows no two dashes in a row."""
        return settings.cache / "hub" / self.repo.replace("/", "--")


@dataclass(frozen=True, slots=True)
class Known:
    """What the hub said of a revision."""

    commit: str
    open: bool  # to everybody; else only for whoever asks with the host's token


def is_on_hub(name: str) -> bool:
    """Whether that is meant to be a name on the hub."""
    return name.startswith(PREFIX)


def classifier_folder(name: str, settings: Settings, tell: Tell | None = None) -> Path | None:
    """The folder of a classifier by what a terminal or program calls it: a run, a shipped one, a folder, hub:USER/NAME.

    None for `imagenet`. From the hub it is the newest commit of its revision where there is a network, else what was
    fetched before; the token that the host is logged in with is used. Raises RunError and HubError.
    """
    if not is_on_hub(name):
        return find.classifier_folder(name, settings)
    from huggingface_hub import get_token

    return _fetched(HubClassifier.parse(name), settings, get_token() or False, tell or (lambda _event: None))


def page_classifier(name: str, settings: Settings) -> Path | None:
    """The same for a page, which asks no network: from the hub what is here already and open to everybody.

    Raises RunError and HubError.
    """
    if not is_on_hub(name):
        return find.named_classifier(name, settings)
    wanted = HubClassifier.parse(name)
    known = _known(wanted, settings)
    folder = wanted.place(settings) / known.commit / BEST if known and known.open else None
    if folder is None or saved_folder(folder) is None:
        raise HubError(f"{wanted} is not here yet: type its name in Predict, and it is fetched.")
    return folder


def take_for_visitor(name: str, settings: Settings, tell: Tell) -> Path:
    """Fetch one for a visitor of the page, as nobody in particular: only what is open to everybody. Raises HubError."""
    return _fetched(HubClassifier.parse(name), settings, False, tell)


def keep_only(repo: str, names: Iterable[str], settings: Settings) -> None:
    """Remove what was fetched of a repository, but for the commits that these names stand for."""
    place = HubClassifier(repo).place(settings)
    wanted = [HubClassifier.parse(name) for name in names]
    known = [_known(name, settings) for name in wanted if name.repo == repo]
    kept = {one.commit for one in known if one}
    for folder in place.glob("*") if kept else (place,):
        if folder.name not in kept and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _fetched(wanted: HubClassifier, settings: Settings, token: Token, tell: Tell) -> Path:
    known = _known(wanted, settings)
    here = known and (token is not False or known.open) and saved_folder(wanted.place(settings) / known.commit / BEST)
    if known and here and COMMIT.fullmatch(wanted.revision):
        return here  # a commit never changes
    try:
        check_reachable(f"{wanted} cannot be fetched")
        info = _asked(wanted, token)
    except HubError:
        if not (known and here):
            raise
        told = f"{host_name()} cannot be asked now: {wanted} is taken as it was fetched before, commit {known.commit}"
        tell(Note(message=told))
        return here
    commit = str(info.sha)
    tell(Note(message=f"{wanted} is commit {commit}"))
    folder = wanted.place(settings) / commit
    if saved_folder(folder / BEST) is None:
        _fetch(wanted, commit, info, folder, settings, token, tell)
    _remember(wanted, Known(commit, not (info.private or info.gated)), settings)
    return folder / BEST


def _asked(wanted: HubClassifier, token: Token) -> Any:
    """What the hub says of it: its commit and its files with their sizes. Raises HubError."""
    try:
        api = hub_api(token)
        info = api.model_info(wanted.repo, revision=wanted.revision, files_metadata=True, timeout=HUB_SECONDS)
    except EngineError:
        raise
    except Exception as error:  # the client, its network and what they make of an answer
        if status_of(error) in (401, 403, 404):
            raise HubError(
                f"{wanted} is not on the hub, or not open to everybody: look at its name, or log in (`hf auth login`)."
            ) from None
        raise HubError(f"{wanted} cannot be fetched ({reason_of(error, token)}): try again later.") from None
    if not COMMIT.fullmatch(str(info.sha)):
        raise HubError(f"{wanted} cannot be fetched (the hub names no commit): try again later.")
    return info


def _fetch(
    wanted: HubClassifier, commit: str, info: Any, folder: Path, settings: Settings, token: Token, tell: Tell
) -> None:
    """Fetch its files and look at them; the folder is there whole and checked, or not at all."""
    found = {file.rfilename: file for file in info.siblings or []}
    if missing := [name for name in (META, TENSORS) if name not in found]:
        raise HubError(
            f"{wanted} has no {' and no '.join(missing)}, so it was not pushed by this program: name one that was."
        )
    most = MOST_BYTES | {TENSORS: settings.limits.classifier_bytes}
    places = {META: BEST, TENSORS: BEST} | ({REFERENCE: REPORT} if REFERENCE in found else {})
    for name in places:
        size = getattr(found[name], "size", None)
        if not isinstance(size, int) or not 0 < size <= most[name]:
            raise HubError(
                f"{name} of {wanted} has {size_words(size) if isinstance(size, int) else 'no size'}, and at most "
                f"{size_words(most[name])} are taken: name a smaller classifier."
            )
    make_parent(folder.parent)
    check_room(folder.parent, sum(found[name].size for name in places), settings.limits)

    def make(partial: Path) -> None:
        for name, below in places.items():
            _download(wanted, commit, found[name], partial / below / name, token, tell)
        check_files(str(wanted), partial, settings)

    made_whole(folder, str(wanted), make)


def _download(wanted: HubClassifier, commit: str, file: Any, path: Path, token: Token, tell: Tell) -> None:
    url = f"{hub_endpoint()}/{wanted.repo}/resolve/{commit}/{file.rfilename}"
    lfs = file.lfs
    digest = lfs.get("sha256") if isinstance(lfs, Mapping) else getattr(lfs, "sha256", None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    told = telling(f"downloading {wanted}", tell)
    try:
        download(url, path, sha256_prefix=digest or "", on_progress=told, headers=headers, most_bytes=file.size)
    except DownloadError as error:
        raise HubError(f"{wanted} cannot be fetched, since {error}: try again later.") from None


def _known(wanted: HubClassifier, settings: Settings) -> Known | None:
    """What is remembered of that revision, or of that commit."""
    return _remembered(wanted, settings).get(wanted.revision)


def _remembered(wanted: HubClassifier, settings: Settings) -> dict[str, Known]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        kept = json.loads((wanted.place(settings) / KNOWN).read_text(encoding="utf-8"))
        return {name: Known(str(value["commit"]), value["open"] is True) for name, value in kept.items()}
    return {}


def _remember(wanted: HubClassifier, known: Known, settings: Settings) -> None:
    """For when there is no network; a full disk only costs that."""
    revisions = _remembered(wanted, settings) | {wanted.revision: known, known.commit: known}
    with contextlib.suppress(OSError):
        write_json(wanted.place(settings) / KNOWN, {name: asdict(value) for name, value in revisions.items()})
