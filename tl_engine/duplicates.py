"""The same photo twice: byte for byte, or re-encoded, resized, slightly retouched. No torch here."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tl_engine.manifest import Entry

EXACT, NEAR = "exact", "near"
ALIKE = 0.985  # correlation of tones from which two pictures may show one photo; copies had 0.993, others 0.865
COSINE = 0.75  # of their features from which they do; copies had 0.80 and more
BLOCK = 1024  # photos compared with all others at once
Features = NDArray[np.float32]  # (N, D), a row of each entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Files that show one photo, in the order of the data set."""

    files: tuple[str, ...]
    kind: str  # exact or near
    across_splits: bool
    across_classes: bool
    kept: str = ""  # the one that stays when only one may


def find_duplicates(entries: Sequence[Entry], features: Features | None = None) -> list[Duplicates]:
    """Groups of duplicates, exact ones first, and among those the ones that spoil a result first.

    Near ones have almost the same tones and, where features are known, almost the same features.
    """
    exact: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        exact[entry.sha256].append(index)
    first = [group[0] for group in exact.values()]  # one of each content: near pairs are found among these
    found = [_group(EXACT, group, entries) for group in exact.values() if len(group) > 1]
    same = {group[0]: group for group in exact.values()}  # a near pair is one of all their copies, byte for byte
    near = ([twin for index in group for twin in same[index]] for group in _near(first, entries, features))
    found += [_group(NEAR, group, entries) for group in near]
    return sorted(found, key=lambda d: (d.kind, not d.across_splits, not d.across_classes, d.files))


def _group(kind: str, indices: Sequence[int], entries: Sequence[Entry]) -> Duplicates:
    group = [entries[index] for index in sorted(indices)]
    return Duplicates(
        files=tuple(entry.file for entry in group),
        kind=kind,
        across_splits=len({entry.split for entry in group}) > 1,
        across_classes=len({entry.name for entry in group}) > 1,
    )


def _near(indices: Sequence[int], entries: Sequence[Entry], features: Features | None) -> Iterator[list[int]]:
    """Groups of photos like their first one; a photo is in one group only, so a chain of likenesses does not grow."""
    taken: set[int] = set()
    for one, others in _alike(indices, entries):
        if one not in taken:
            group = [o for o in others if o not in taken and (features is None or _cosine(features, one, o) >= COSINE)]
            taken.update(group)
            if group:
                yield [one, *group]


def _alike(indices: Sequence[int], entries: Sequence[Entry]) -> Iterator[tuple[int, list[int]]]:
    """For each index those after it whose tones correlate.

    All pairs, by matrix products: 20,000 photos, the most taken, are 200 billion operations, a few seconds.
    """
    tones = np.array([list(bytes.fromhex(entries[index].look.tones)) for index in indices], dtype=np.float32)
    if not len(tones):
        return
    tones -= tones.mean(1, keepdims=True)
    length = np.linalg.norm(tones, axis=1, keepdims=True)
    tones /= np.where(length > 0, length, 1)  # a picture of one tone is like nothing
    for start in range(0, len(tones), BLOCK):
        likeness = tones[start : start + BLOCK] @ tones[start:].T
        for row, column in _by_row(np.argwhere(likeness >= ALIKE)):
            others = [indices[start + other] for other in column if other > row]
            if others:
                yield indices[start + row], others


def _by_row(pairs: NDArray[np.int64]) -> Iterator[tuple[int, list[int]]]:
    """(row, its columns) of pairs sorted by row."""
    for row, group in itertools.groupby(pairs.tolist(), key=lambda pair: pair[0]):
        yield row, [column for _, column in group]


def _cosine(features: Features, one: int, other: int) -> float:
    a, b = features[one], features[other]
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale else 1.0
