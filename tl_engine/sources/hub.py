"""Data sets on the Hugging Face hub, by name: hf:OWNER/NAME or hf:OWNER/NAME@CONFIG. Only what is open to everybody.

The host's own token is never used: whoever names a data set may be a visitor. `datasets` is imported inside functions.
"""

import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.base.download import DownloadError, hub_endpoint, proxied, reachable
from tl_engine.base.errors import DataError
from tl_engine.base.files import is_folder, made_whole, make_parent
from tl_engine.base.names import clean_class_name
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings
from tl_engine.data.scan import check_data
from tl_engine.sources.hub_photos import ReadFile, write_tables
from tl_engine.sources.room import check_room, unavailable

PREFIX = "hf:"
# The hub's own rule. It knows no two dashes in a row, so that they can part the pieces of a folder's name.
WORD = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
NAME = re.compile(rf"(?P<repo>(?:{WORD}/)?{WORD})(?:@(?P<config>{WORD}))?", re.ASCII)
HUB_SECONDS = 10.0  # for one answer of the hub
RETRIES = 3  # of a stream that breaks off, five seconds apart; the library's own 20 look like a hang
OWN_DATA = "a folder or zip of your own"


@dataclass(frozen=True, slots=True)
class HubName:
    """A data set's name on the hub, checked: never a path."""

    repo: str
    config: str | None = None

    @classmethod
    def parse(cls, data: str) -> "HubName":
        """The name behind hf:OWNER/NAME@CONFIG. Raises DataError."""
        match = NAME.fullmatch(data.removeprefix(PREFIX))
        if match is None:
            shown = clean_class_name(data)[:80]
            raise DataError(f"{shown!r} names no data set on the hub: write hf:OWNER/NAME or hf:OWNER/NAME@CONFIG.")
        return cls(match["repo"], match["config"])

    def __str__(self) -> str:
        return PREFIX + self.repo + (f"@{self.config}" if self.config else "")

    @property
    def folder(self) -> str:
        """The name of its folder among the samples, nobody else's."""
        owner, _, name = self.repo.rpartition("/")
        # hf:NAME@CONFIG is not hf:NAME/CONFIG.
        pieces = (owner, name, self.config) if self.config else (self.repo.replace("/", "--"),)
        return "--".join(("hf", *pieces))


@dataclass(frozen=True, slots=True)
class Opened:
    """A data set that streams: a table for each split, and a reader for pictures that rows only name."""

    tables: Mapping[str, Any]
    read: ReadFile


def hub_folder(
    data: str,
    settings: Settings,
    on_progress: OnProgress | None = None,
    *,
    parent: Path | None = None,
    opened: Callable[[HubName, int], Opened] | None = None,
    endpoint: str | None = None,
) -> Path:
    """The folder with a part of that data set, made whole or not at all when it is not there yet. Raises DataError.

    It is made below `parent`, the samples unless somebody names their own, and looked for in the data directory too.
    """
    name = HubName.parse(data)
    places = (parent,) if parent else (settings.data_dir, settings.samples)
    if present := next((f for place in places if is_folder(f := place / name.folder)), None):
        return present
    folder = places[-1] / name.folder
    endpoint = endpoint or hub_endpoint()
    host = urllib.parse.urlsplit(endpoint).hostname
    what, limits = f"The data set {name}", settings.limits
    if not proxied(endpoint) and not reachable(endpoint):
        raise unavailable(what, DownloadError(f"{host} cannot be reached from here"), OWN_DATA)
    make_parent(folder.parent)
    check_room(folder.parent, 0, limits)

    def make(partial: Path) -> None:
        with _in_words(name):
            found = (opened or open_on_hub)(name, limits.image_bytes)
        write_tables(found.tables, partial, what, limits, found.read, on_progress)
        check_data(partial, limits)

    return made_whole(folder, what, make)


def open_on_hub(name: HubName, most_bytes: int) -> Opened:
    """Open a data set for streaming, as nobody in particular. Raises what the libraries raise, or DataError."""
    import datasets
    from huggingface_hub import HfApi

    datasets.disable_progress_bars()
    datasets.config.STREAMING_READ_MAX_RETRIES = RETRIES
    info = HfApi(token=False).dataset_info(name.repo, timeout=HUB_SECONDS)
    home = f"hf://datasets/{info.id}@{info.sha}/"
    if info.private or info.gated:
        raise _closed(name)
    # hf:// makes the library look on the hub alone; without an owner it might take the name for one of its formats.
    if NAME.fullmatch(info.id) is None or "/" not in info.id:
        raise DataError(f"{name} has no owner on the hub: write hf:OWNER/NAME.")
    builder = datasets.load_dataset_builder(f"hf://datasets/{info.id}", name.config, revision=info.sha, token=False)
    # Its own description says where its files are: they could be this machine's, or another's.
    listed = [str(file) for files in (builder.config.data_files or {}).values() for file in files]
    if not listed or not all(within(file, home) for file in listed):
        raise DataError(f"{name} keeps its files elsewhere: name a data set that has them on the hub.")
    return Opened(builder.as_streaming_dataset(), lambda path: read_on_hub(path, home, most_bytes))


def within(path: str, home: str) -> bool:
    """Whether that is a file of the data set at `home`, or in a zip of it."""
    *inside, file = path.split("::")
    return file.startswith(home) and ".." not in path.split("/") and all(piece.startswith("zip://") for piece in inside)


def read_on_hub(path: str, home: str, most_bytes: int) -> bytes:
    """The picture of a row that only names its file; nothing for a name that leads anywhere else."""
    import fsspec

    if not within(path, home):
        return b""
    with fsspec.open(path, "rb", hf={"token": False}) as file:
        content: bytes = file.read(most_bytes + 1)
    return content


def _closed(name: HubName) -> DataError:
    return DataError(f"{name} is gated, private or does not exist on the hub: name one that is open to everybody.")


@contextmanager
def _in_words(name: HubName) -> Iterator[None]:
    """Turn what the libraries raise into one sentence."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import DisabledRepoError, RepositoryNotFoundError

    try:
        yield
    except DataError:
        raise
    except (DatasetNotFoundError, RepositoryNotFoundError, DisabledRepoError):
        raise _closed(name) from None
    except Exception as error:  # ValueError, OSError, httpx and pyarrow's own, and more
        configs = re.search(r"(?:available configs|Available): \[(.*)\]", str(error))
        if configs is None:
            raise unavailable(f"The data set {name}", error, OWN_DATA) from error
        names = [clean_class_name(config)[:40] for config in re.findall(r"'([^']*)'", configs[1])]
        raise DataError(
            f"{name} comes in several configurations, {', '.join(names[:5])}{' and more' if names[5:] else ''}: "
            "add one to its name, after an @."
        ) from None
