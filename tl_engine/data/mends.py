"""A data set by where it lies, and what a person corrected in it: a small file, so that no photo is ever touched."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tl_engine.base.errors import DataError
from tl_engine.base.files import write_json
from tl_engine.base.written import AUTO, written_json
from tl_engine.data.dataset import ImageFolder, LeftOut, Record
from tl_engine.data.manifest import FORMAT, Manifest
from tl_engine.data.reading import LAYOUTS

DROP, RELABEL, KEEP = "drop", "relabel", "keep"
ACTIONS = (DROP, RELABEL, KEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A correction of one file: it takes no part (drop), has another class (relabel), or is right as it is (keep)."""

    file: str
    action: str
    name: str = ""  # the class, for relabel
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A data set by where it lies, how a person wants it read, and what they corrected in it.

    Written down it is a file of mends, which can be named as data in turn. Each photo has one mend at most.
    """

    root: Path  # of the data set
    mends: tuple[Mend, ...] = ()
    layout: str = AUTO  # one of LAYOUTS

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file of mends. Raises DataError."""
        try:
            kept = written_json(path)
            mends = tuple(Mend(**mend) for mend in kept["mends"])
            layout = kept.get("layout", AUTO)  # older files do not say it
            if kept["format"] != FORMAT or layout not in LAYOUTS or any(mend.action not in ACTIONS for mend in mends):
                raise ValueError
            return cls(root=Path(kept["root"]), mends=mends, layout=layout)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f"{path.name} holds no corrections of a data set that can be read: delete it.") from None

    def write(self, path: Path) -> None:
        """To a file of mends, whole. Raises DataError when there is no room."""
        mends = [dataclasses.asdict(mend) for mend in self.mends]
        try:
            write_json(path, {"format": FORMAT, "root": str(self.root), "layout": self.layout, "mends": mends})
        except OSError as error:
            raise DataError(f"The correction could not be saved ({error.strerror}): make room on the disk.") from None

    def adding(self, more: Iterable[Mend]) -> Self:
        """With these too; a newer mend of a file takes the place of the older."""
        by_file = {mend.file: mend for mend in (*self.mends, *more)}
        return dataclasses.replace(self, mends=tuple(by_file.values()))

    def applied(self, data: ImageFolder) -> ImageFolder:
        """The data set as corrected. Located of files that are gone, or to classes that are gone, do nothing."""
        if not self.mends:
            return data
        by_path = {data.root / mend.file: mend for mend in self.mends}
        labels = {name: label for label, name in enumerate(data.classes)}
        records: list[Record] = []
        dropped: list[LeftOut] = []
        for record in data.records:
            mend = by_path.get(record.path)
            if mend and mend.action == DROP:
                dropped.append(LeftOut(mend.file, mend.reason or "left out by hand"))
            elif mend and mend.action == RELABEL and mend.name in labels:
                records.append(dataclasses.replace(record, label=labels[mend.name]))
            else:
                records.append(record)
        return dataclasses.replace(data, records=tuple(records), left_out=(*data.left_out, *dropped))

    def applied_to_manifest(self, manifest: Manifest) -> Manifest:
        """The same for a manifest."""
        data = self.applied(manifest.data)
        by_file = {manifest.data.root / entry.file: entry for entry in manifest.entries}
        entries = (dataclasses.replace(by_file[r.path], name=data.classes[r.label]) for r in data.records)
        return Manifest(data=data, entries=tuple(entries))
