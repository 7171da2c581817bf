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
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tl_engine.dataset import ImageFolder, Record, scan
from tl_engine.errors import DataError
from tl_engine.events import Progress
from tl_engine.folders import write_whole
from tl_engine.looking import Look, look_at
from tl_engine.parallel import in_order
from tl_engine.progress import Stage
from tl_engine.settings import Settings
from tl_engine.written import written_json

FORMAT = 1  # of both files; another one is not read
DROP, RELABEL, KEEP = "drop", "relabel", "keep"
ACTIONS = (DROP, RELABEL, KEEP)


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
class Mend:
    """A correction of one file: it takes no part (drop), has another class (relabel), or is right as it is (keep)."""

    file: str
    action: str
    name: str = ""  # the class, for relabel
    reason: str = ""


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


def read_manifest(root: Path, settings: Settings) -> Generator[Progress, None, Manifest]:
    """Look at every new or changed file under `root`; files that cannot be decoded join `skipped`. Raises DataError."""
    data = scan(root, settings.limits)
    kept = settings.cache / "manifests" / f"{hashlib.sha256(os.fsencode(data.root)).hexdigest()[:32]}.json"
    known = {entry.file: entry for entry in _kept_entries(kept)}
    entries: list[Entry] = []
    clock = Stage("looking at photos", len(data.records))
    described = in_order(functools.partial(_described, data=data, known=known), data.records)
    for done, entry in enumerate(described, start=1):
        entries.append(entry)
        if event := clock.due(done):
            yield event
    if entries != list(known.values()):
        _keep(kept, entries)
    return _readable(data, entries)


def _described(record: Record, data: ImageFolder, known: dict[str, Entry]) -> Entry:
    file = record.path.relative_to(data.root).as_posix()
    name, split = data.classes[record.label], record.split
    try:
        status = record.path.stat()
        old = known.get(file)
        if old and (old.size, old.changed) == (status.st_size, status.st_mtime_ns):
            return dataclasses.replace(old, name=name, split=split)
        with record.path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        problem = Look(problem=f"{record.path.name} cannot be read ({error.strerror}): copy it again.")
        return Entry(file=file, name=name, split=split, size=0, changed=0, sha256="", look=problem)
    return Entry(file=file, name=name, split=split, size=status.st_size, changed=status.st_mtime_ns, sha256=digest,
                 look=look_at(record.path))  # fmt: skip


def _readable(data: ImageFolder, entries: list[Entry]) -> Manifest:
    """The manifest without the files that did not decode; each of them is named."""
    pairs = list(zip(data.records, entries, strict=True))
    skipped = tuple((entry.file, entry.look.problem) for entry in entries if entry.look.problem)
    records = tuple(record for record, entry in pairs if not entry.look.problem)
    whole = dataclasses.replace(data, records=records, skipped=data.skipped + skipped)
    return Manifest(data=whole, entries=tuple(entry for entry in entries if not entry.look.problem))


def _kept_entries(path: Path) -> list[Entry]:
    """What the cache holds; nothing where it is missing, damaged or of another version."""
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        if kept["format"] != FORMAT:
            return []
        return [Entry(**{**values, "look": Look(**values["look"])}) for values in kept["entries"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _keep(path: Path, entries: list[Entry]) -> None:
    with contextlib.suppress(OSError):  # the cache only saves time
        write_json(path, {"format": FORMAT, "entries": [dataclasses.asdict(entry) for entry in entries]})


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write json so that a reader finds the old file or the new one, never half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(values).encode("ascii"))  # a file's name may hold bytes that are no UTF-8


def write_listing(path: Path, data: ImageFolder, hashes: Mapping[Path, str]) -> None:
    """Write which photos a training used: file, class, split, size in bytes, content hash. Raises OSError."""
    photos = [
        {
            "file": record.path.relative_to(data.root).as_posix(),
            "class": data.classes[record.label],
            "split": record.split,
            "size": record.path.stat().st_size,
            "sha256": hashes[record.path],
        }
        for record in data.records
    ]
    write_json(path, {"format": FORMAT, "classes": data.classes, "photos": photos})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mends:
    """What one person corrected in one data set; each file has one mend at most."""

    root: Path  # of the data set
    mends: tuple[Mend, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file. Raises DataError."""
        try:
            kept = written_json(path)
            mends = tuple(Mend(**mend) for mend in kept["mends"])
            if kept["format"] != FORMAT or any(mend.action not in ACTIONS for mend in mends):
                raise ValueError
            return cls(root=Path(kept["root"]), mends=mends)
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path.name} holds no corrections of a data set that can be read: delete it.") from None

    def write(self, path: Path) -> None:
        """To a file, whole. Raises DataError when there is no room."""
        mends = [dataclasses.asdict(mend) for mend in self.mends]
        try:
            write_json(path, {"format": FORMAT, "root": str(self.root), "mends": mends})
        except OSError as error:
            raise DataError(f"The correction could not be saved ({error.strerror}): make room on the disk.") from None

    def adding(self, more: Iterable[Mend]) -> Self:
        """With these too; a newer mend of a file takes the place of the older."""
        by_file = {mend.file: mend for mend in (*self.mends, *more)}
        return dataclasses.replace(self, mends=tuple(by_file.values()))

    def applied(self, data: ImageFolder) -> ImageFolder:
        """The data set as corrected. Mends of files that are gone, or to classes that are gone, do nothing."""
        if not self.mends:
            return data
        by_path = {data.root / mend.file: mend for mend in self.mends}
        labels = {name: label for label, name in enumerate(data.classes)}
        records: list[Record] = []
        dropped: list[tuple[str, str]] = []
        for record in data.records:
            mend = by_path.get(record.path)
            if mend and mend.action == DROP:
                dropped.append((mend.file, mend.reason or "left out by hand"))
            elif mend and mend.action == RELABEL and mend.name in labels:
                records.append(dataclasses.replace(record, label=labels[mend.name]))
            else:
                records.append(record)
        return dataclasses.replace(data, records=tuple(records), skipped=(*data.skipped, *dropped))

    def applied_to_manifest(self, manifest: Manifest) -> Manifest:
        """The same for a manifest."""
        data = self.applied(manifest.data)
        by_file = {manifest.data.root / entry.file: entry for entry in manifest.entries}
        entries = (dataclasses.replace(by_file[r.path], name=data.classes[r.label]) for r in data.records)
        return Manifest(data=data, entries=tuple(entries))
