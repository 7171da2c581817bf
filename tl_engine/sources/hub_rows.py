"""Which rows to take of streamed tables of pictures and classes: an even part, whatever order they come in.

`datasets` is imported inside functions only.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tl_engine.base.errors import DataError
from tl_engine.base.names import clean_class_name
from tl_engine.base.settings import Limits
from tl_engine.data.split_names import split_of
from tl_engine.sources.room import MOST_TAKEN

SCANNED = 20  # rows looked at for each one wanted: a table may be sorted by class
SHARES = {"train": 8, "val": 2, "test": 2}  # of what is taken, among the splits that there are
PREFERRED = ("label", "labels", "fine_label")
ANOTHER = "name another data set"


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table keeps the pictures and their classes, and what the classes are called."""

    image: str
    label: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """What to take of one table: so many photos of each class, for one of our splits."""

    kind: str
    table: Any  # a datasets.IterableDataset
    columns: Columns
    each: int

    @property
    def wanted(self) -> int:
        """The most that will be taken."""
        return self.each * len(self.columns.classes)

    def chosen(self) -> Iterator[tuple[Any, int]]:
        """(picture as it is stored, class index) of the rows to take; no other column is read."""
        image, label = self.columns.image, self.columns.label
        # First of all: a table from the hub decodes in threads of its own, whatever its columns are cast to later.
        rows = self.table.decode(False).select_columns([image, label])
        taken: Counter[int] = Counter()
        for row in itertools.islice(rows, SCANNED * self.wanted):
            index = row[label]
            if type(index) is int and 0 <= index < len(self.columns.classes) and taken[index] < self.each:
                taken[index] += 1
                yield row[image], index
            if taken.total() == self.wanted:
                return


def find_columns(table: Any) -> Columns | None:
    """The first column of pictures, and the one of class labels; of several the one with a usual name."""
    from datasets import ClassLabel, Image

    features: Mapping[str, Any] = table.features or {}
    images = [name for name, feature in features.items() if isinstance(feature, Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, ClassLabel)]
    if not images or not labels:
        return None
    label = next((name for name in PREFERRED if name in labels), labels[0])
    return Columns(images[0], label, tuple(map(str, features[label].names or ())))


def planned(tables: Mapping[str, Any], what: str, limits: Limits) -> list[Split]:
    """What to take of which table, named by its split. Raises DataError when there is nothing to train on."""
    ours: dict[str, Any] = {}
    for name, table in tables.items():
        if kind := "train" if len(tables) == 1 else split_of(str(name)):
            ours.setdefault(kind, table)  # of validation and val side by side the first
    if "train" not in ours:
        raise DataError(f"{what} has no split for training, only {_listed(tables)}: {ANOTHER}.")
    columns = {kind: found for kind, table in ours.items() if (found := find_columns(table))}
    if "train" not in columns:
        raise DataError(
            f"{what} is not for image classification: it needs a column of images and one of class labels "
            f"(ClassLabel), it has {_listed(ours['train'].features or ()) or 'none that is known'}: {ANOTHER}."
        )
    if (number := len(columns["train"].classes)) > limits.classes:
        raise DataError(f"{what} has {number:,} classes, the most taken is {limits.classes:,}: {ANOTHER}.")
    return list(_shared_out(ours, columns, min(MOST_TAKEN, limits.images)))


def _shared_out(tables: Mapping[str, Any], columns: Mapping[str, Columns], most: int) -> Iterator[Split]:
    whole = sum(SHARES[kind] for kind in columns)
    for kind in sorted(columns, key=list(SHARES).index):
        each = most * SHARES[kind] // whole // max(1, len(columns[kind].classes))
        # Too few photos for one of each class: then the engine holds out its own.
        if each or kind == "train":
            yield Split(kind, tables[kind], columns[kind], max(1, each))


def _listed(names: Iterable[str]) -> str:
    shown = [clean_class_name(str(name))[:40] for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
