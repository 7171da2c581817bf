"""Pictures of streamed tables as class folders: split/class/number.jpg, nothing decoded.

Class names and contents are strangers': names are made safe, files get numbers for names, headers are checked.
"""

import itertools
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.base.errors import DataError, ImageError
from tl_engine.base.names import class_folder_names
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Limits
from tl_engine.photos.formats import LABELS, START, format_of
from tl_engine.photos.opening import read_header
from tl_engine.sources.hub_rows import ANOTHER, SHARES, Split, planned
from tl_engine.sources.room import unavailable

READERS = 8  # pictures fetched at once
TELL_EVERY = 0.25  # seconds
ReadFile = Callable[[str], bytes]  # the picture that a row only names; b"": not to be had


def write_tables(
    tables: Mapping[str, Any],
    folder: Path,
    what: str,
    limits: Limits,
    read: ReadFile,
    on_progress: OnProgress | None = None,
) -> None:
    """Fill `folder` with split folders of class folders, an even part of these tables.

    Raises DataError when they are no labelled pictures, or stop coming.
    """
    splits = planned(tables, what, limits)
    writer = Writer(limits, read, sum(split.wanted for split in splits), on_progress)
    for split in splits:
        writer.write(split, folder / split.kind, what)
    _drop_unpaired(folder)
    if not any(folder.glob("train/*/*")):
        raise DataError(f"{what} has no labelled {LABELS} pictures: {ANOTHER}.")


@dataclass(slots=True)
class Writer:
    """Writes pictures and says how far it is."""

    limits: Limits
    read: ReadFile
    total: int
    on_progress: OnProgress | None = None
    done: int = 0
    written: int = 0  # bytes
    told: float = 0.0

    def write(self, split: Split, folder: Path, what: str) -> None:
        """The pictures of one split, numbered in the order they came."""
        folders = class_folder_names(split.columns.classes)
        for number, (content, label) in enumerate(_unless_it_stops(self._contents(split), what)):
            self._keep(content, folder / folders[label], number)
            self.done += 1
            if self.on_progress and (self.done == self.total or time.monotonic() - self.told > TELL_EVERY):
                self.told = time.monotonic()
                self.on_progress(self.done, self.total)
            if self.written > self.limits.unpacked_bytes:
                break

    def _contents(self, split: Split) -> Iterator[tuple[bytes, int]]:
        """(bytes, class index) of each picture; those in files of their own are fetched side by side."""
        rows = split.chosen()
        with ThreadPoolExecutor(READERS) as pool:
            while batch := list(itertools.islice(rows, READERS)):
                pictures, labels = zip(*batch, strict=True)
                yield from zip(pool.map(self._content, pictures), labels, strict=True)

    def _content(self, picture: Any) -> bytes:
        """A stored picture is its bytes, or the name of the file that has them."""
        if not isinstance(picture, Mapping):
            return b""
        content, path = picture.get("bytes"), picture.get("path")
        if isinstance(content, bytes) and content:
            return content
        return self.read(path) if isinstance(path, str) else b""

    def _keep(self, content: bytes, folder: Path, number: int) -> None:
        """Write one picture, unless it is none that can be read."""
        kind = format_of(content[:START])
        if kind is None or len(content) > self.limits.image_bytes:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{number:05d}{kind.suffix}"
        path.write_bytes(content)
        try:
            read_header(path)
            self.written += len(content)
        except ImageError:
            path.unlink()


def _unless_it_stops(pictures: Iterable[tuple[bytes, int]], what: str) -> Iterator[tuple[bytes, int]]:
    try:
        yield from pictures
    except Exception as error:  # pyarrow, httpx, fsspec and zipfile each have their own
        raise unavailable(what, error, "try again later") from error


def _drop_unpaired(folder: Path) -> None:
    """Remove what training refuses: classes without training photos, and held-out photos of some classes only."""
    classes = {kind: {path.name for path in folder.glob(f"{kind}/*") if any(path.iterdir())} for kind in SHARES}
    if classes["val"] & classes["train"] != classes["train"]:
        shutil.rmtree(folder / "val", ignore_errors=True)
        classes["train"] = {name for name in classes["train"] if len(list((folder / "train" / name).iterdir())) > 1}
    for path in folder.glob("*/*"):
        if path.name not in classes["train"]:
            shutil.rmtree(path)
