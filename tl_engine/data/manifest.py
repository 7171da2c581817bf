"""The manifest of a data set: every file with its class, split, size and content hash, and what a look at it showed.

Read from the folder and kept in the cache, so that only files that are new or changed are looked at again. What a
person corrects lies in a second file, the mends: the photos themselves are never touched. No torch here.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import not_opened
from tl_engine.base.events import Progress
from tl_engine.base.files import write_json
from tl_engine.base.parallel import in_order
from tl_engine.base.progress import Stage
from tl_engine.base.settings import Settings
from tl_engine.base.written import AUTO
from tl_engine.data.dataset import ImageFolder, LeftOut, Record
from tl_engine.data.hashes import content_hashes, kept_file
from tl_engine.data.scan import scan
from tl_engine.photos.look import FORMAT as LOOK_FORMAT
from tl_engine.photos.look import Look, look_at

FORMAT = 1  # of both files; another one is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One photo. `size` is in bytes, `changed` in nanoseconds since 1970: while both stay, so does the rest."""

    file: str  # below the data set's folder
    name: str  # of its class
    split: str  # train, val or test; all train where the folder has no splits
    size: int
    changed: int
    sha256: str
    look: Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A data set as it lies there."""

    data: ImageFolder  # without what cannot be read
    entries: tuple[Entry, ...]  # of the same records, in the same order

    @property
    def fingerprint(self) -> str:
        """Changes whenever a file, its content, its class or its split does."""
        lines = (f"{e.file}\0{e.name}\0{e.split}\0{e.sha256}" for e in self.entries)
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read_manifest(root: Path, settings: Settings, layout: str = AUTO) -> Generator[Progress, None, Manifest]:
    """Look at every new or changed file under `root`; what cannot be decoded joins `left_out`. Raises DataError."""
    data = scan(root, settings.limits, layout)
    kept = _kept_file(data.root, settings)
    known = {entry.file: entry for entry in _kept_entries(kept)}
    hashes = content_hashes(data, settings)
    entries: list[Entry] = []
    clock = Stage("looking at photos", len(data.records))
    described = in_order(functools.partial(_described, data=data, known=known, hashes=hashes), data.records)
    for done, entry in enumerate(described, start=1):
        entries.append(entry)
        if event := clock.due(done):
            yield event
    if entries != list(known.values()):
        _keep(kept, entries)
    return _readable(data, entries)


def _kept_file(root: Path, settings: Settings) -> Path:
    return settings.cache / "manifests" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.json"


def forget_manifest(root: Path, settings: Settings) -> None:
    """Remove what the cache holds of the data set in that folder, and of folders directly inside that it may wrap."""
    for folder in (root, *root.glob("*/"), *root.glob("*/*/")):
        for kept in (_kept_file(folder, settings), kept_file(folder, settings)):
            with contextlib.suppress(OSError):
                kept.unlink(missing_ok=True)


def _described(record: Record, data: ImageFolder, known: dict[str, Entry], hashes: Mapping[Path, str]) -> Entry:
    file = record.path.relative_to(data.root).as_posix()
    name, split = data.classes[record.label], record.split
    try:
        status = record.path.stat()
        old = known.get(file)
        if old and (old.size, old.changed) == (status.st_size, status.st_mtime_ns):
            return dataclasses.replace(old, name=name, split=split)
    except OSError as error:
        problem = Look(problem=not_opened(record.path.name, error))
        return Entry(file=file, name=name, split=split, size=0, changed=0, sha256="", look=problem)
    return Entry(file=file, name=name, split=split, size=status.st_size, changed=status.st_mtime_ns,
                 sha256=hashes[record.path], look=look_at(record.path))  # fmt: skip


def _readable(data: ImageFolder, entries: list[Entry]) -> Manifest:
    """The manifest without the files that did not decode; each of them is named."""
    pairs = list(zip(data.records, entries, strict=True))
    left_out = tuple(LeftOut(entry.file, entry.look.problem) for entry in entries if entry.look.problem)
    records = tuple(record for record, entry in pairs if not entry.look.problem)
    whole = dataclasses.replace(data, records=records, left_out=data.left_out + left_out)
    return Manifest(data=whole, entries=tuple(entry for entry in entries if not entry.look.problem))


def _kept_entries(path: Path) -> list[Entry]:
    """What the cache holds; nothing where it is missing, damaged or of another version."""
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        if (kept["format"], kept["looks"]) != (FORMAT, LOOK_FORMAT):
            return []
        return [Entry(**{**values, "look": Look(**values["look"])}) for values in kept["entries"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _keep(path: Path, entries: list[Entry]) -> None:
    with contextlib.suppress(OSError):  # the cache only saves time
        write_json(
            path,
            {"format": FORMAT, "looks": LOOK_FORMAT, "entries": [dataclasses.asdict(entry) for entry in entries]},
        )


def write_listing(path: Path, data: ImageFolder, hashes: Mapping[Path, str]) -> None:
    """Write which photos a training used: their folder, and file, class, split, size in bytes, hash. Raises OSError."""
    photos = [{**_named(r, data), "size": r.path.stat().st_size, "sha256": hashes[r.path]} for r in data.records]
    write_json(path, {"format": FORMAT, "root": str(data.root), "classes": data.classes, "photos": photos})


def changed_photos(path: Path, data: ImageFolder, hashes: Mapping[Path, str]) -> list[str]:
    """The files that differ from that listing in bytes, class or split, or are only here or there.

    Where the listing is missing or damaged there is nothing to compare with: none.
    """
    try:
        photos = json.loads(path.read_text(encoding="ascii"))["photos"]
        before = {(p["file"], p["class"], p["split"], p["sha256"]) for p in photos}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    now = {(*_named(record, data).values(), hashes[record.path]) for record in data.records}
    return sorted({facts[0] for facts in before ^ now})


def _named(record: Record, data: ImageFolder) -> dict[str, str]:
    file = record.path.relative_to(data.root).as_posix()
    return {"file": file, "class": data.classes[record.label], "split": record.split}
