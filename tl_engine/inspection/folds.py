"""Who judges a photo: another share of the photos than the one it is in. Copies of a photo share a fold. No torch."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tl_engine.data.dataset import Record
from tl_engine.inspection.duplicates import near_groups
from tl_engine.inspection.findings import Features

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Folds:
    """Which fold judges each record, and the classes (labels) whose photos all look like one."""

    number: list[int]
    alike: list[int]


def make_folds(
    records: Sequence[Record], hashes: Mapping[Path, str], tones: NDArray[np.float32], features: Features, seed: int
) -> Folds | None:
    """Folds over which each class is spread evenly, the same for the same photos and seed; None for single photos.

    `hashes` are of the photos' bytes, `tones` (N, P) and `features` (N, D) tell copies. A class of which all photos are
    copies of one, as of a burst, is judged by its copies: that flatters, and is told.
    """
    of_class: dict[int, list[list[int]]] = defaultdict(list)
    for group in _copies(records, hashes, tones, features):
        of_class[records[group[0]].label].append(group)
    alike = [label for label, own in of_class.items() if len(own) == 1 and len(own[0]) > 1]
    for label in alike:
        of_class[label] = [[index] for index in of_class[label][0]]
    number = min(FOLDS, max(len(own) for own in of_class.values()))
    if number < 2:
        return None
    folds = [0] * len(records)
    for own in of_class.values():
        own.sort(key=lambda group: _lot(hashes[records[group[0]].path], seed))
        own.sort(key=len, reverse=True)  # stable: what weighs most finds its place first
        filled = Counter(dict.fromkeys(range(number), 0))
        for group in own:
            fold = min(filled, key=lambda n: (filled[n], n))
            filled[fold] += len(group)
            for index in group:
                folds[index] = fold
    return Folds(folds, sorted(alike))


def _copies(
    records: Sequence[Record], hashes: Mapping[Path, str], tones: NDArray[np.float32], features: Features
) -> list[list[int]]:
    """Indices of the records by photo: copies byte for byte, and those that look alike, are one photo."""
    same: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        same[hashes[record.path]].append(index)
    singles = list(same.values())
    first = [group[0] for group in singles]
    joined, taken = list[list[int]](), set[int]()
    for near in near_groups(tones[first], features[first]):
        joined.append([index for row in near for index in singles[row]])
        taken.update(near)
    return joined + [group for row, group in enumerate(singles) if row not in taken]


def _lot(digest: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{digest}".encode()).hexdigest()
